//! A check that a text is OpenMetrics, for the tests of whoever fills one. Not a parser: it hands out nothing.
//!
//! Source: OpenMetrics 1.0, "Overall Structure" and "ABNF". It is stricter where we are: HELP and TYPE are
//! mandatory, timestamps and exemplars do not occur.

use std::collections::{HashMap, HashSet};

/// Says what is wrong with `text` and where, or nothing.
pub fn check_openmetrics(text: &str) -> Result<(), String> {
    let body = text.strip_suffix("# EOF\n").ok_or("the text ends with # EOF and a line feed")?;
    let mut check = Check::default();
    for (index, line) in body.lines().enumerate() {
        check.line(line).map_err(|reason| format!("line {}: {reason}: {line}", index + 1))?;
    }
    check.close_family()
}

#[derive(Default)]
struct Check {
    families_seen: HashSet<String>,
    samples_seen: HashSet<String>,
    family: String,
    kind: String,
    has_help: bool,
    bucket_last: HashMap<String, f64>,
}

impl Check {
    fn line(&mut self, line: &str) -> Result<(), String> {
        match line.strip_prefix("# ") {
            Some(description) => self.description(description),
            None => self.sample(line),
        }
    }

    fn description(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.splitn(3, ' ');
        let (word, name, rest) = (words.next(), words.next(), words.next());
        let (Some(word), Some(name), Some(rest)) = (word, name, rest) else { return Err("short".into()) };
        match word {
            "TYPE" => self.open_family(name, rest),
            _ if name != self.family => Err("describes another family".into()),
            "HELP" if !self.has_help => {
                self.has_help = true;
                check_escapes(rest)
            }
            "UNIT" if name.ends_with(&format!("_{rest}")) => Ok(()),
            _ => Err("unknown, repeated or not the name's unit".into()),
        }
    }

    fn open_family(&mut self, name: &str, kind: &str) -> Result<(), String> {
        self.close_family()?;
        if !["counter", "gauge", "histogram", "summary", "info"].contains(&kind) {
            return Err(format!("unknown type {kind}"));
        }
        if !self.families_seen.insert(name.to_owned()) {
            return Err("the family occurs twice".into());
        }
        (self.family, self.kind, self.has_help) = (name.to_owned(), kind.to_owned(), false);
        self.bucket_last.clear();
        Ok(())
    }

    fn close_family(&self) -> Result<(), String> {
        match self.family.is_empty() || self.has_help {
            true => Ok(()),
            false => Err(format!("{} has no HELP", self.family)),
        }
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let (series, value) = line.rsplit_once(' ').ok_or("no value")?;
        let value: f64 = value.replace("+Inf", "inf").parse().map_err(|_| "the value is no number")?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').ok_or("labels are not closed")?),
            None => (series, ""),
        };
        let suffix = name.strip_prefix(self.family.as_str()).ok_or("a sample of another family")?;
        if self.family.is_empty() || !suffixes_of(&self.kind).contains(&suffix) {
            return Err(format!("a {} has no sample with suffix {suffix:?}", self.kind));
        }
        if self.kind == "counter" && (value < 0.0 || value.is_nan()) {
            return Err("a counter is not negative".into());
        }
        if !self.samples_seen.insert(series.to_owned()) {
            return Err("the sample occurs twice".into());
        }
        let labels = split_labels(labels)?;
        if suffix == "_bucket" { self.bucket(&labels, value) } else { Ok(()) }
    }

    fn bucket(&mut self, labels: &[(String, String)], value: f64) -> Result<(), String> {
        if labels.last().is_none_or(|(name, _)| name != "le") {
            return Err("a bucket has le, and ours last".into());
        }
        let key = format!("{:?}", &labels[..labels.len() - 1]);
        match self.bucket_last.insert(key, value) {
            Some(before) if before > value => Err("buckets accumulate".into()),
            _ => Ok(()),
        }
    }
}

fn suffixes_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_count", "_sum"],
        "summary" => &["", "_count", "_sum"],
        "info" => &["_info"],
        _ => &[""],
    }
}

/// Splits `a="b",c="d"`; every name occurs once, every value is escaped.
fn split_labels(mut rest: &str) -> Result<Vec<(String, String)>, String> {
    let mut labels: Vec<(String, String)> = Vec::new();
    while !rest.is_empty() {
        let (name, tail) = rest.split_once("=\"").ok_or("a label without a value")?;
        if labels.iter().any(|(seen, _)| seen == name)
            || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(format!("label {name:?} is malformed or occurs twice"));
        }
        let end = closing_quote(tail).ok_or("a label value is not closed")?;
        check_escapes(&tail[..end])?;
        labels.push((name.to_owned(), tail[..end].to_owned()));
        rest = &tail[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Ok(labels)
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn check_escapes(text: &str) -> Result<(), String> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if !matches!(bytes.next(), Some(b'\\' | b'"' | b'n')) => {
                return Err("an unknown escape".into());
            }
            b'"' => return Err("a bare quote".into()),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_found() {
        let head = "# TYPE a counter\n# HELP a A.\n";
        let wrong = [
            "a_total 1\n# EOF\n".to_owned(),
            "# TYPE a counter\na_total 1\n# EOF\n".to_owned(),
            format!("{head}a 1\n# EOF\n"),
            format!("{head}a_total 1\na_total 1\n# EOF\n"),
            format!("{head}a_total -1\n# EOF\n"),
            format!("{head}a_total{{b=\"c\"d\"}} 1\n# EOF\n"),
            format!("{head}a_total{{b=\"c\",b=\"d\"}} 1\n# EOF\n"),
            format!("{head}b_total 1\n# EOF\n"),
            format!("{head}{head}# EOF\n"),
            format!("{head}a_total 1\n"),
            "# TYPE a histogram\n# HELP a A.\na_bucket{le=\"1.0\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n"
                .to_owned(),
        ];
        for text in wrong {
            assert!(check_openmetrics(&text).is_err(), "{text}");
        }
        assert_eq!(check_openmetrics(&format!("{head}a_total{{b=\"c,}} \\\"d\"}} 1\n# EOF\n")), Ok(()));
    }
}
