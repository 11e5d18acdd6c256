//! A table of the file, asked key by key.

use core::cell::RefCell;
use core::ops::{Range, RangeInclusive};

use toml_edit::{Document, Item, TableLike, Value};

use crate::nearest::nearest;
use crate::toml_file::fault::{Fault, Faults};

/// Reads a file with `take`; its value, or everything that is wrong.
pub fn read<T>(text: &str, take: impl FnOnce(&Section<'_>) -> T) -> Result<T, Vec<Fault>> {
    let faults = Faults::of(text);
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let what = error.message().lines().next().unwrap_or("no TOML").to_owned();
            faults.add(error.span().unwrap_or(0..0), what, "mend it by the rules of TOML 1.0");
            return Err(faults.into_sorted());
        }
    };
    let section = Section::new(document.as_table(), 0..0, &faults);
    let value = take(&section);
    section.close();
    let found = faults.into_sorted();
    if found.is_empty() { Ok(value) } else { Err(found) }
}

/// One table. Every key that a reader asks for is a known one; the rest are faults when it is closed.
pub struct Section<'a> {
    table: &'a dyn TableLike,
    place: Range<usize>,
    faults: &'a Faults<'a>,
    known: RefCell<Vec<&'static str>>,
}

/// A text and where it stands.
#[derive(Clone, Debug)]
pub struct Text<'a> {
    /// The text.
    pub text: &'a str,
    /// Bytes of the file.
    pub place: Range<usize>,
}

impl<'a> Section<'a> {
    fn new(table: &'a dyn TableLike, place: Range<usize>, faults: &'a Faults<'a>) -> Self {
        Self { table, place, faults, known: RefCell::default() }
    }

    /// Where the table begins, in bytes of the file.
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// Notes that something is wrong.
    pub fn fault(&self, place: Range<usize>, what: impl Into<String>, instead: impl Into<String>) {
        self.faults.add(place, what, instead);
    }

    fn item(&self, key: &'static str) -> Option<&'a Item> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, item: &Item, key: &str, wanted: &str) {
        let place = item.span().unwrap_or_else(|| self.place());
        self.faults.add(place, format!("{key} is {}", described(item)), format!("give {wanted}"));
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether the key is there and has a whole number.
    pub fn is_integer(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(Item::is_integer)
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Option<Text<'a>> {
        let item = self.item(key)?;
        let text = as_text(item.as_value());
        if text.is_none() {
            self.wrong_type(item, key, "a string");
        }
        text
    }

    /// One text or a list of them.
    pub fn texts(&self, key: &'static str) -> Option<Vec<Text<'a>>> {
        let item = self.item(key)?;
        if let Some(text) = as_text(item.as_value()) {
            return Some(vec![text]);
        }
        let list = item.as_array().filter(|list| !list.is_empty());
        let texts =
            list.map(|list| list.iter().map(|value| as_text(Some(value))).collect::<Option<Vec<_>>>());
        let texts = texts.flatten();
        if texts.is_none() {
            self.wrong_type(item, key, "a string or a list of strings");
        }
        texts
    }

    /// A list of texts, which may be empty.
    pub fn list(&self, key: &'static str) -> Option<Vec<Text<'a>>> {
        let item = self.item(key)?;
        let list = item.as_array().map(|list| list.iter().map(|value| as_text(Some(value))));
        let texts = list.and_then(Iterator::collect::<Option<Vec<_>>>);
        if texts.is_none() {
            self.wrong_type(item, key, "a list of strings");
        }
        texts
    }

    /// A whole number within bounds, and where it stands.
    pub fn integer(&self, key: &'static str, bounds: RangeInclusive<i64>) -> Option<i64> {
        let item = self.item(key)?;
        let number = item.as_integer().filter(|number| bounds.contains(number));
        if number.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            self.wrong_type(item, key, &format!("a whole number from {low} to {high}"));
        }
        number
    }

    /// One whole number within bounds or a list of them.
    pub fn integers(&self, key: &'static str, bounds: RangeInclusive<i64>) -> Option<Vec<i64>> {
        let item = self.item(key)?;
        let in_bounds = |value: &Value| value.as_integer().filter(|number| bounds.contains(number));
        let numbers = match item.as_value() {
            Some(Value::Array(list)) if !list.is_empty() => list.iter().map(in_bounds).collect(),
            Some(value) => in_bounds(value).map(|number| vec![number]),
            None => None,
        };
        if numbers.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            self.wrong_type(item, key, &format!("whole numbers from {low} to {high}"));
        }
        numbers
    }

    /// True or false.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let item = self.item(key)?;
        let value = item.as_bool();
        if value.is_none() {
            self.wrong_type(item, key, "true or false");
        }
        value
    }

    /// The tables of a list, each closed when `take` has looked at it.
    pub fn each<T>(&self, key: &'static str, mut take: impl FnMut(&Section<'_>) -> Option<T>) -> Vec<T> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let Some(list) = item.as_array_of_tables() else {
            self.wrong_type(item, key, &format!("tables, each under [[{key}]]"));
            return Vec::new();
        };
        let sections = list.iter().map(|table| {
            let section = Section::new(table, table.span().unwrap_or(0..0), self.faults);
            let taken = take(&section);
            section.close();
            taken
        });
        sections.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Notes the keys that nobody asked for.
    fn close(&self) {
        let known = self.known.borrow();
        for (key, item) in self.table.iter() {
            if known.contains(&key) {
                continue;
            }
            let place = self.table.key(key).and_then(toml_edit::Key::span);
            let place = place.or_else(|| item.span()).unwrap_or_else(|| self.place());
            let instead = match nearest(key, known.iter().copied()) {
                Some(name) => format!("write {name}"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.faults.add(place, format!("{key} is unknown here"), instead);
        }
    }
}

fn as_text(value: Option<&Value>) -> Option<Text<'_>> {
    let value = value?;
    value.as_str().map(|text| Text { text, place: value.span().unwrap_or(0..0) })
}

/// What stands there instead of what was wanted.
fn described(item: &Item) -> String {
    match item.as_value() {
        Some(value @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::String(_))) => {
            value.to_string().trim().to_owned()
        }
        Some(Value::Array(_)) => "another kind of list".to_owned(),
        _ => format!("a {}", item.type_name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let taken = read(text, |file| {
            let _all =
                (file.text("name"), file.integer("class", 0..=4), file.texts("paths"), file.boolean("on"));
            file.each("rule", |rule| rule.text("path").map(|path| path.text.to_owned()));
        });
        taken.unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn values_are_read() {
        let text =
            "name = 'a'\nclass = 4\npaths = ['/x', '/y']\n[[rule]]\npath = '/z'\n[[rule]]\npath = '/u'\n";
        let taken = read(text, |file| {
            assert_eq!(file.text("name").unwrap().text, "a");
            assert_eq!(file.integer("class", 0..=4), Some(4));
            assert_eq!(file.texts("paths").unwrap().len(), 2);
            assert_eq!(file.boolean("on"), None);
            file.each("rule", |rule| rule.text("path").map(|path| path.text.to_owned()))
        });
        assert_eq!(taken.unwrap(), ["/z", "/u"]);
    }

    #[test]
    fn everything_wrong_is_said_at_once_and_where() {
        let found =
            faults("nmae = 'a'\nclass = 9\n  paths = [1]\non = 'yes'\n[[rule]]\npath = 1\nfurlong = 2\n");
        assert_eq!(
            found,
            [
                "line 1, column 1: nmae is unknown here; write name",
                "line 2, column 9: class is 9; give a whole number from 0 to 4",
                "line 3, column 11: paths is another kind of list; give a string or a list of strings",
                "line 4, column 6: on is \"yes\"; give true or false",
                "line 6, column 8: path is 1; give a string",
                "line 7, column 1: furlong is unknown here; known here: path",
            ]
        );
    }

    #[test]
    fn what_is_no_toml_is_said_with_its_place() {
        let found = faults("name = 'a'\nclass = = 2\n");
        assert!(found.len() == 1 && found[0].starts_with("line 2, column "), "{found:?}");
    }
}
