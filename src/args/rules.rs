//! Which class requests and answers get.

use crate::form::class::{Class, ClassText};
use crate::form::given::{Given, take_all};
use crate::form::site_class::SiteClass;
use crate::problem::Problems;
use crate::rule_source::RuleSource;
use std::path::PathBuf;

/// Flags for a few rules, a file for the table.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Classes")]
pub(crate) struct RuleArgs {
    /// Which class (0 highest … 4) a request gets: `path=/checkout/*:0`, `cookie=cart:1`, `default:2`; keys are those of
    /// the rules file (site, method, path, header, cookie, query, client, port, urgency); the first that fits holds, before
    /// any of --rules; without any it is 2; repeatable
    #[arg(long, value_name = "KEY=VALUE:CLASS")]
    pub(crate) class: Vec<Given<Class>>,
    /// The same for requests to one site alone, `SITE=path=/checkout/*:0`, `SITE=default:3`; asked before --class; repeatable
    #[arg(long, value_name = "SITE=KEY=VALUE:CLASS")]
    pub(crate) site_class: Vec<Given<SiteClass>>,
    /// File with rules (TOML, docs/rules.md); read again on SIGHUP, whole or not at all; `longhaul rules test` tries it
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
}

impl RuleArgs {
    /// Where the rules come from.
    pub(crate) fn source(&self, problems: &mut Problems) -> RuleSource {
        let mut source = RuleSource { file: self.rules.clone(), ..RuleSource::default() };
        source
            .flags
            .extend(take_all(&self.site_class, "site_class", problems).into_iter().map(|(_, rule)| rule));
        for (text, class) in take_all(&self.class, "class", problems) {
            match class {
                ClassText::Rule(rule) => source.flags.push(rule),
                ClassText::Default(class) => {
                    let flag = format!("--class {text}");
                    problems.require(source.default.is_none(), flag, "is a second default", "give one");
                    source.default = Some(class);
                }
            }
        }
        source
    }
}
