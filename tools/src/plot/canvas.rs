//! SVG as text (SVG 1.1): elements with attributes, escaped. Knows nothing of plots.

use core::fmt::{Display, Write};

/// The document under way.
#[derive(Debug)]
pub(crate) struct Canvas {
    text: String,
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl Canvas {
    /// An empty document of `width` × `height` user units, with a white ground: many viewers are dark.
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut canvas = Self { text: String::new() };
        canvas.push(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" font-family=\"system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif\">\n\
             <title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
            Escaped(title)
        ));
        canvas
    }

    /// The finished document.
    pub(crate) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    /// A straight line.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.push(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>\n",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A line through `points`.
    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], colour: &str) {
        if points.is_empty() {
            return;
        }
        self.text.push_str("<polyline points=\"");
        for (x, y) in points {
            self.push(format_args!("{x:.1},{y:.1} "));
        }
        self.push(format_args!(
            "\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"/>\n"
        ));
    }

    /// A dot.
    pub(crate) fn dot(&mut self, at: (f64, f64), colour: &str) {
        self.push(format_args!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.4\" fill=\"{colour}\"/>\n",
            at.0, at.1
        ));
    }

    /// A filled rectangle.
    pub(crate) fn rectangle(&mut self, corner: (f64, f64), size: (f64, f64), colour: &str) {
        self.push(format_args!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\n",
            corner.0, corner.1, size.0, size.1
        ));
    }

    /// A text of `size` units.
    pub(crate) fn text(&mut self, at: (f64, f64), anchor: Anchor, size: u8, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if size > 12 { " font-weight=\"600\"" } else { "" };
        self.push(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"#222\"{weight}>{}</text>\n",
            at.0, at.1, Escaped(text)
        ));
    }

    /// A text that reads upwards, its middle at `at`.
    pub(crate) fn text_upwards(&mut self, at: (f64, f64), text: &str) {
        self.push(format_args!(
            "<text x=\"{0:.1}\" y=\"{1:.1}\" transform=\"rotate(-90 {0:.1} {1:.1})\" text-anchor=\"middle\" \
             font-size=\"12\" fill=\"#222\">{2}</text>\n",
            at.0,
            at.1,
            Escaped(text)
        ));
    }

    fn push(&mut self, text: core::fmt::Arguments<'_>) {
        let written = self.text.write_fmt(text).is_ok();
        assert!(written, "a string takes any text");
    }
}

/// Text as XML wants it; control characters, which XML has no way to write, become spaces.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            control if control.is_control() => f.write_char(' '),
            other => f.write_char(other),
        })
    }
}
