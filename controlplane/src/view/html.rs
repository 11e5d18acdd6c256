//! A page as HTML: one template and one style sheet for all processes, compiled in. Nothing in it needs a script, and its policy
//! lets none run; whatever comes from a peer, a client or a file is escaped by the template.

use crate::view::page::{Page, Tone};
use crate::view::source::Health;
use askama::Template;
use jiff::Timestamp;

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("../../templates/page.css");

#[derive(Template)]
#[template(path = "page.html")]
struct Shown<'a> {
    page: &'a Page,
    health: &'a str,
    health_tone: Tone,
    at: String,
}

/// The whole text.
pub(crate) fn text(page: &Page, health: &Health) -> String {
    let (health, health_tone) = match health {
        Health::Ok => ("healthy", Tone::Good),
        Health::Draining => ("draining: nothing new is welcome", Tone::Warn),
        Health::Failing(reason) => (reason.as_str(), Tone::Bad),
    };
    let at = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let shown = Shown { page, health, health_tone, at };
    // Writing to a string does not fail, and the template can do nothing else that might.
    let mut text = shown.render().unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::page::{Cell, Column, Table, text as column};

    const HOSTILE: &str = "</td><script>alert('1')</script>&\"<!--";

    #[test]
    fn whatever_is_shown_is_escaped() {
        let mut page = Page::new(HOSTILE);
        page.fact("Fact", Cell::of(HOSTILE).detail(HOSTILE));
        let rows = [[HOSTILE, HOSTILE]];
        let row = |row: [&str; 2]| vec![Cell::of(row[0]).detail(row[1]), Cell::of(row[1]).tone(Tone::Bad)];
        const COLUMNS: &[Column] = &[column("One"), column("Other")];
        page.table(Table::of(("rows", "Rows", "none"), COLUMNS, rows, row).note(HOSTILE));
        page.table(Table::of(("empty", "Empty", "There is nothing."), COLUMNS, [], row));
        let html = super::text(&page, &Health::Failing(HOSTILE.into()));
        assert!(
            !html.contains("<script") && !html.contains("alert('1')") && !html.contains("<!--"),
            "{html}"
        );
        // Title twice, health, fact twice, note, three in cells.
        assert_eq!(html.matches("&#60;script&#62;").count(), 9, "{html}");
        assert!(html.contains("There is nothing.") && html.contains("<html lang=\"en\">"), "{html}");
        assert!(!html.contains("style=") && !html.contains("onclick"), "the policy would forbid it");
    }
}
