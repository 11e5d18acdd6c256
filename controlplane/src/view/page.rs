//! What a person sees of a process: a few facts and some tables, as data. Whoever shows it (`html`) knows nothing of what it
//! means; whoever fills it knows nothing of how it looks. Every table is bounded: what is more is counted, and stands in `/status`.

use core::fmt::Display;

/// Rows of a table that are shown; more would make a page that nobody reads to its end.
pub const ROWS_MAX: usize = 200;

/// How something stands. The words say it too: nobody has to tell colours apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Not as it should be.
    Bad,
    /// Of little interest, or old.
    Muted,
}

impl Tone {
    /// Its class in the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Muted => "muted",
        }
    }
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How that stands.
    pub tone: Tone,
    /// A second, smaller line.
    pub detail: String,
}

impl Cell {
    /// Plain text.
    pub fn of(text: impl Display) -> Self {
        Self { text: text.to_string(), ..Self::default() }
    }

    /// Text, or a dash where there is none.
    pub fn maybe(text: Option<impl Display>) -> Self {
        text.map_or_else(|| Self::of("–").tone(Tone::Muted), Self::of)
    }

    /// The same with another tone.
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// The same with a second line.
    pub fn detail(self, detail: impl Display) -> Self {
        Self { detail: detail.to_string(), ..self }
    }
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// It has numbers, which stand under each other from the right.
    pub is_number: bool,
}

/// A column of text.
pub const fn text(name: &'static str) -> Column {
    Column { name, is_number: false }
}

/// A column of numbers.
pub const fn number(name: &'static str) -> Column {
    Column { name, is_number: true }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the page's address, of letters.
    pub id: &'static str,
    /// Its heading.
    pub caption: &'static str,
    /// A sentence above it.
    pub note: String,
    /// Its columns.
    pub columns: &'static [Column],
    /// Its rows, each with as many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// Rows that are not shown.
    pub more: usize,
    /// What stands there if it has no rows.
    pub empty: &'static str,
}

impl Table {
    /// A table of these rows, as many as are shown; the others are counted and not made.
    pub fn of<R>(
        (id, caption, empty): (&'static str, &'static str, &'static str),
        columns: &'static [Column],
        rows: impl IntoIterator<Item = R>,
        row: impl FnMut(R) -> Vec<Cell>,
    ) -> Self {
        let mut all = rows.into_iter();
        let rows: Vec<_> = all.by_ref().take(ROWS_MAX).map(row).collect();
        assert!(rows.iter().all(|row| row.len() == columns.len()), "a cell for each column of {id}");
        Self { id, caption, note: String::new(), columns, rows, more: all.count(), empty }
    }

    /// The same with a sentence above it.
    pub fn note(self, note: impl Display) -> Self {
        Self { note: note.to_string(), ..self }
    }

    /// How many rows there are, shown or not.
    pub fn total(&self) -> usize {
        self.rows.len() + self.more
    }
}

/// A fact: a name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Cell,
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What this process is, and which one.
    pub title: String,
    /// Its facts.
    pub facts: Vec<Fact>,
    /// Its tables.
    pub tables: Vec<Table>,
}

impl Page {
    /// A page of this title.
    pub fn new(title: impl Display) -> Self {
        Self { title: title.to_string(), ..Self::default() }
    }

    /// Adds a fact.
    pub fn fact(&mut self, name: &'static str, value: Cell) -> &mut Self {
        self.facts.push(Fact { name, value });
        self
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) -> &mut Self {
        self.tables.push(table);
        self
    }
}

/// A span of seconds as people say it: `42 s`, `7 min`, `3 h`, `12 d`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// µs as milliseconds.
pub fn ms(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1e3)
}

/// A share as per cent.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A count with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the unit that fits.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_so_many_rows_and_counts_the_rest() {
        let mut made = 0;
        const COLUMNS: &[Column] = &[number("n")];
        let table = Table::of(("many", "Many", "none"), COLUMNS, 0..1_000, |n| {
            made += 1;
            vec![Cell::of(n)]
        });
        assert_eq!((table.rows.len(), table.more, table.total(), made), (ROWS_MAX, 800, 1_000, ROWS_MAX));
    }

    #[test]
    fn figures_are_said_as_people_say_them() {
        assert_eq!(
            [0, 119, 120, 7_199, 7_200, 172_800].map(span),
            ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]
        );
        assert_eq!((ms(12_345), percent(0.0123)), ("12.3 ms".into(), "1.2 %".into()));
        assert_eq!([7, 1_234, 12_345_678].map(count), ["7", "1\u{202f}234", "12\u{202f}345\u{202f}678"]);
        assert_eq!([999, 1_536, 3 << 30].map(bytes), ["999 B", "1.5 KiB", "3.0 GiB"]);
    }
}
