//! Paths of the tree: `site."shop.example".dns.policy`. Names with other characters than letters, digits, `-` and `_` are
//! quoted, as in TOML.

use core::fmt;
use toml_edit::Key;

/// A path from the root; empty: the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

impl Path {
    /// Reads a path as people write it.
    pub fn parse(text: &str) -> Option<Self> {
        let keys = Key::parse(text).ok()?;
        Some(Self(keys.iter().map(|key| key.get().to_owned()).collect()))
    }

    /// A path of these parts.
    pub fn of<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        Self(parts.into_iter().map(str::to_owned).collect())
    }

    /// One step further.
    pub fn child(&self, name: &str) -> Self {
        Self(self.0.iter().map(String::as_str).chain([name]).map(str::to_owned).collect())
    }

    /// Its parts.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// Whether it is `other` or below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            let is_bare = !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if is_bare { f.write_str(part)? } else { write!(f, "{part:?}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written_the_same() {
        for text in ["network.name", "site.\"shop.example\".dns.policy", "a-b.c_1"] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        assert!(Path::parse("a..b").is_none() && Path::parse("").is_none());
        let site = Path::of(["site", "shop.example"]);
        assert!(site.child("dns").is_within(&site) && !site.is_within(&site.child("dns")));
    }
}
