//! The class of a site's requests: `SITE=path=/checkout/*:0`, `SITE=default:3`: a rule as `--class` has it, for one site.

use crate::form::class::{Class, ClassText};
use crate::form::given::Form;
use crate::form::origin;
use crate::problem::Wrong;
use dataplane::rules::{Condition, Label, Pattern, RequestRule};

/// A rule of one site.
pub(crate) struct SiteClass;

impl Form for SiteClass {
    type Value = RequestRule;

    fn read(text: &str) -> Result<RequestRule, Wrong> {
        let (site, class) = text.split_once('=').ok_or_else(|| {
            Wrong::new("names no site", "write SITE=KEY=VALUE:CLASS, such as shop.example=path=/checkout/*:0")
        })?;
        let site = Condition::Site(vec![Pattern::new(&origin::site_name(site)?)]);
        Ok(match Class::read(class)? {
            ClassText::Default(class) => {
                RequestRule { label: Label::NONE, conditions: vec![site], class, compress: None, cache: None }
            }
            ClassText::Rule(mut rule) => {
                rule.conditions.insert(0, site);
                rule
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_holds_for_its_site_alone() {
        let conditions = |text: &str| -> Vec<String> {
            SiteClass::read(text).unwrap().conditions.iter().map(ToString::to_string).collect()
        };
        assert_eq!(conditions("Shop.example=path=/a=b/*:0"), ["site shop.example", "path /a=b/*"]);
        assert_eq!(conditions("*=default:3"), ["site *"]);
        for text in
            ["", "shop.example", "shop.example=4", "shop.example=path=/a", "=default:1", "a=defualt:1"]
        {
            assert!(SiteClass::read(text).is_err(), "{text}");
        }
    }
}
