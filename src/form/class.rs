//! Rules that give requests their class: `path=/checkout/*:0`, `cookie=cart:1`, `default:2`: one condition, as the rules
//! file has it, and a class.

use crate::form::given::Form;
use crate::problem::Wrong;
use controlplane::rule_file;
use dataplane::rules::{CLASS_MAX, RequestRule};

/// A rule.
pub(crate) struct Class;

/// What it becomes.
#[derive(Clone, Debug)]
pub(crate) enum ClassText {
    /// The class of what no rule fits.
    Default(u8),
    /// The class of what fits.
    Rule(RequestRule),
}

impl Form for Class {
    type Value = ClassText;

    fn read(text: &str) -> Result<ClassText, Wrong> {
        let form = || Wrong::new("is no rule", "write path=/checkout/*:0, cookie=cart:1 or default:2");
        let (what, class) = text.rsplit_once(':').ok_or_else(form)?;
        let class = class.parse().ok().filter(|class| *class <= CLASS_MAX);
        let class = class.ok_or_else(|| Wrong::new("has no class", "end with :0 (highest) to :4"))?;
        if what == "default" {
            return Ok(ClassText::Default(class));
        }
        let (key, value) = what.split_once('=').ok_or_else(form)?;
        let rule = rule_file::rule_of_one_condition(key, value, class);
        rule.map(ClassText::Rule).map_err(|fault| Wrong::new(fault.what, fault.instead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        for (text, condition) in [
            ("path=/checkout/*:0", "path /checkout/*"),
            ("path=/a:b:4", "path /a:b"),
            ("cookie=cart=full:1", "cookie cart=full"),
            ("client=2001:db8::/32:1", "client 2001:db8::/32"),
            ("port=8080:1", "port 8080"),
        ] {
            let Ok(ClassText::Rule(rule)) = Class::read(text) else { panic!("{text}") };
            assert_eq!(rule.conditions[0].to_string(), condition);
        }
        assert!(matches!(Class::read("default:1"), Ok(ClassText::Default(1))));
        for text in ["", "default", "default:5", "path=x:1", "path=/a?b:1", "host=/:1", "path=/a", "/a:1"] {
            assert!(Class::read(text).is_err(), "{text}");
        }
        assert!(Class::read("coookie=a:1").unwrap_err().to_string().contains("cookie"));
    }
}
