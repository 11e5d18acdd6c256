//! Zones: `NAME=FILE`, or `FILE` alone, whose name is the zone's (`example.test.zone`, `example.test`).

use crate::form::given::Form;
use crate::problem::Wrong;
use controlplane::dns::load::{ZoneSource, ZoneText};
use controlplane::dns::name::Name;
use std::path::{Path, PathBuf};

/// A zone.
pub(crate) struct Zone;

impl Form for Zone {
    type Value = ZoneSource;

    fn read(text: &str) -> Result<ZoneSource, Wrong> {
        let (name, file) = match text.split_once('=') {
            Some((name, file)) => (name.to_owned(), file),
            None => (name_of(Path::new(text)), text),
        };
        let apex = Name::from_text(&name).filter(|_| !name.is_empty()).ok_or_else(|| {
            Wrong::new(
                format!("{name:?} is no name of a zone"),
                "write NAME=FILE, such as example.test=zones/example",
            )
        })?;
        if file.is_empty() {
            return Err(Wrong::new("names no file", "write NAME=FILE, or FILE alone"));
        }
        Ok(ZoneSource { apex, text: ZoneText::File(PathBuf::from(file)) })
    }
}

fn name_of(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.strip_suffix(".zone").map(str::to_owned).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_the_zone_unless_it_is_given() {
        let apex = |text| Zone::read(text).map(|zone| zone.apex.to_string());
        assert_eq!(apex("zones/example.test.zone"), Ok("example.test.".into()));
        assert_eq!(apex("/etc/Example.test"), Ok("example.test.".into()));
        assert_eq!(apex(".=root.hints"), Ok(".".into()));
        for text in ["", "=", "=file", "a..b=file", "example.test="] {
            assert!(Zone::read(text).is_err(), "{text}");
        }
    }
}
