//! Where a node's rules come from: a few flags, which win, and a file that may be read again.

use controlplane::rule_file;
use controlplane::toml_file::Fault;
use dataplane::rules::{RequestRule, Rules};
use std::path::{Path, PathBuf};

/// Flags and file.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleSource {
    /// Rules from flags, asked before those of the file.
    pub(crate) flags: Vec<RequestRule>,
    /// The class of what no rule fits, if a flag says it.
    pub(crate) default: Option<u8>,
    /// The file.
    pub(crate) file: Option<PathBuf>,
}

/// Why there are no rules.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The file cannot be read.
    File(PathBuf, std::io::Error),
    /// The file is wrong.
    Faults(PathBuf, Vec<Fault>),
}

impl RuleSource {
    /// Reads the file and puts the flags before it.
    pub(crate) fn load(&self) -> Result<Rules, Unread> {
        let mut rules = self.file.as_deref().map_or_else(|| Ok(Rules::default()), load)?;
        rules.requests.splice(0..0, self.flags.iter().cloned());
        rules.class_default = self.default.unwrap_or(rules.class_default);
        Ok(rules)
    }
}

/// Reads a rules file.
pub(crate) fn load(path: &Path) -> Result<Rules, Unread> {
    let text = std::fs::read_to_string(path).map_err(|error| Unread::File(path.to_owned(), error))?;
    rule_file::read(&text).map_err(|faults| Unread::Faults(path.to_owned(), faults))
}

impl Unread {
    /// Each thing that is wrong, as one sentence with the file's name.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::File(path, error) => vec![format!("{}: cannot be read: {error}", path.display())],
            Self::Faults(path, faults) => {
                faults.iter().map(|fault| format!("{}: {fault}", path.display())).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn flags_stand_before_the_file_and_faults_name_it() {
        let folder = Scratch::new();
        let file = folder.path("rules.toml");
        std::fs::write(&file, "default = 3\n[[rule]]\npath = '/a'\nclass = 4\n").unwrap();
        let first = rule_file::rule_of_one_condition("path", "/a", 0).unwrap();
        let source = RuleSource { flags: vec![first], default: None, file: Some(file.clone()) };
        let rules = source.load().unwrap();
        assert_eq!((rules.requests[0].class, rules.requests[1].class, rules.class_default), (0, 4, 3));
        let source = RuleSource { default: Some(1), ..source };
        assert_eq!(source.load().unwrap().class_default, 1);
        std::fs::write(&file, "defualt = 3\n").unwrap();
        let lines = source.load().unwrap_err().lines();
        assert!(lines.len() == 1 && lines[0].contains("rules.toml: line 1, column 1: defualt"), "{lines:?}");
    }
}
