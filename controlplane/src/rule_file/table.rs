//! The whole file, and single rules from flags.

use dataplane::rules::{RequestRule, Rules};

use crate::rule_file::{answer, request, value};
use crate::toml_file::{self, Fault};

/// Reads a rules file.
///
/// # Errors
/// Everything that is wrong in it, by place.
pub fn read(text: &str) -> Result<Rules, Vec<Fault>> {
    toml_file::read(text, |file| Rules {
        class_default: value::class(file, "default").unwrap_or_else(|| Rules::default().class_default),
        requests: number(file.each("rule", request::take), |rule, index| {
            value::name_if_nameless(&mut rule.label, "rule", index);
        }),
        answers: number(file.each("answer", answer::take), |rule, index| {
            value::name_if_nameless(&mut rule.label, "answer", index);
        }),
    })
}

/// The rule of one condition, as flags give it: `key = value` means what it means in a file.
///
/// # Errors
/// What is wrong with it; its place means nothing.
pub fn rule_of_one_condition(key: &str, value: &str, class: u8) -> Result<RequestRule, Fault> {
    let value = match value.parse::<u16>() {
        Ok(number) if key == "port" => i64::from(number).into(),
        _ => toml_edit::Value::from(value),
    };
    let key = toml_edit::Key::new(key);
    let text = format!("[[rule]]\n{key} = {value}\nclass = {class}\nname = \"flag\"\n");
    match read(&text) {
        Ok(mut rules) if rules.requests.len() == 1 && rules.requests[0].conditions.len() == 1 => {
            Ok(rules.requests.remove(0))
        }
        Ok(_) => Err(Fault {
            line: 1,
            column: 1,
            what: "is no condition".to_owned(),
            instead: "ask for one".to_owned(),
        }),
        Err(mut faults) => Err(faults.remove(0)),
    }
}

fn number<T>(mut rules: Vec<T>, mut name: impl FnMut(&mut T, usize)) -> Vec<T> {
    rules.iter_mut().enumerate().for_each(|(index, rule)| name(rule, index));
    rules
}

#[cfg(test)]
mod tests;
