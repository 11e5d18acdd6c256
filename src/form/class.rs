//! Rules that give requests their class: `path=/checkout/*:0` (a prefix), `path=/robots.txt:4` (exact),
//! `default:2`.

use crate::form::given::Form;
use crate::problem::Wrong;
use dataplane::role::plan::ClassRule;

/// A rule.
pub(crate) struct Class;

/// What it becomes.
#[derive(Clone, Debug)]
pub(crate) enum ClassText {
    /// The class of what no rule fits.
    Default(u8),
    /// The class of some paths.
    Path(ClassRule),
}

/// The lowest class.
const CLASS_MAX: u8 = 4;

impl Form for Class {
    type Value = ClassText;

    fn read(text: &str) -> Result<ClassText, Wrong> {
        let form = || Wrong::new("is no rule", "write path=/checkout/*:0, path=/exact:1 or default:2");
        let (what, class) = text.rsplit_once(':').ok_or_else(form)?;
        let class = class.parse().ok().filter(|class| *class <= CLASS_MAX);
        let class = class.ok_or_else(|| Wrong::new("has no class", "end with :0 (highest) to :4"))?;
        if what == "default" {
            return Ok(ClassText::Default(class));
        }
        let path = what.strip_prefix("path=").filter(|path| path.starts_with('/')).ok_or_else(form)?;
        let prefix = path.strip_suffix('*');
        let path_prefix = prefix.unwrap_or(path).to_owned();
        if path_prefix.contains(['*', '?', '#']) {
            return Err(Wrong::new(
                "has a path with * ? or # inside",
                "one * may stand at its end, nothing else",
            ));
        }
        Ok(ClassText::Path(ClassRule { path_prefix, exact: prefix.is_none(), class }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let Ok(ClassText::Path(rule)) = Class::read("path=/checkout/*:0") else { panic!("a rule") };
        assert_eq!((rule.path_prefix.as_str(), rule.exact, rule.class), ("/checkout/", false, 0));
        let Ok(ClassText::Path(rule)) = Class::read("path=/a:b:4") else { panic!("a rule") };
        assert_eq!((rule.path_prefix.as_str(), rule.exact, rule.class), ("/a:b", true, 4));
        assert!(matches!(Class::read("default:1"), Ok(ClassText::Default(1))));
        for text in
            ["", "default", "default:5", "path=x:1", "path=/a*b:1", "path=/a?b:1", "host=/:1", "path=/a"]
        {
            assert!(Class::read(text).is_err(), "{text}");
        }
    }
}
