//! Plots are well-formed XML, whatever their labels and values are; and they show what they should.

use crate::plot::draw::page;
use crate::plot::figure::{Axis, Plot, Series, Shape};

/// Checks that tags nest, attributes are quoted, and no bare `&` or `<` stands in text; answers the elements.
fn elements(document: &str) -> Vec<String> {
    let (mut open, mut seen, mut rest) = (Vec::new(), Vec::new(), document);
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        assert!(text.split('&').skip(1).all(|after| after.contains(';')), "{text}");
        let end = tag.find('>').expect("a tag ends");
        let inside = &tag[1..end];
        assert_eq!(inside.matches('"').count() % 2, 0, "{inside}");
        let name = inside.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap().to_owned();
        if inside.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            seen.push(name.clone());
            if !inside.ends_with('/') {
                open.push(name);
            }
        }
        rest = &tag[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty());
    assert!(!document.contains("NaN") && !document.contains("inf"), "{document}");
    seen
}

fn count(document: &str, name: &str) -> usize {
    elements(document).iter().filter(|element| *element == name).count()
}

#[test]
fn a_page_holds_every_plot() {
    let latency = Plot::new("Latency", Axis::percentile("percentile"), Axis::log("latency, ms"))
        .with(Series::line("pages", vec![(0.0, 1.0), (50.0, 2.0), (99.0, 40.0), (100.0, 55.0)]))
        .with(Series::line("urgent", vec![(0.0, 0.3), (99.9, 0.9)]));
    let rate = Plot::new("Rate", Axis::linear("time, s"), Axis::linear("requests/s")).with(Series {
        label: "all".into(),
        shape: Shape::Steps,
        points: vec![(0.0, 10.0), (1.0, 20_000.0), (2.0, 19_000.0)],
    });
    let document = page(&[latency, rate]);
    assert_eq!(count(&document, "polyline"), 3);
    assert!(document.contains(">99.9<") && document.contains(">20k<") && document.contains(">urgent<"));
}

#[test]
fn labels_cannot_break_the_document() {
    let plot = Plot::new("<&\"\u{0}>", Axis::linear("a<b"), Axis::linear("\"&\""))
        .with(Series::line("</svg>", vec![(0.0, 0.0)]));
    let document = page(&[plot]);
    assert_eq!(document.matches("</svg>").count(), 1);
    elements(&document);
}

#[test]
fn values_without_a_place_break_the_line() {
    let points = vec![(0.0, f64::NAN), (1.0, f64::INFINITY), (2.0, -1.0), (3.0, 0.0), (4.0, 5.0), (5.0, 6.0)];
    let points = [points, vec![(6.0, f64::NAN), (7.0, 2.0)]].concat();
    let plot = Plot::new("", Axis::linear("x"), Axis::log("y")).with(Series::line("", points));
    let document = page(&[plot]);
    assert_eq!((count(&document, "polyline"), count(&document, "circle")), (1, 1));
}

#[test]
fn bars_stand_side_by_side() {
    let bar = |label: &str, points| Series { label: label.into(), shape: Shape::Bars, points };
    let mut plot = Plot::new("", Axis::linear(""), Axis::linear("ms"))
        .with(bar("direct", vec![(0.0, 3.0), (1.0, 4.0)]))
        .with(bar("ours", vec![(0.0, 1.0), (1.0, 2.0)]));
    plot.categories = vec!["128 B".into(), "16 KiB".into()];
    // Four bars, two keys of the legend and the ground.
    assert_eq!(count(&page(&[plot]), "rect"), 7);
}

#[test]
fn nothing_to_show_is_still_a_page() {
    elements(&page(&[]));
    elements(&page(&[
        Plot::new("empty", Axis::percentile("p"), Axis::log("y")).with(Series::line("", vec![]))
    ]));
}

/// Writes a page to look at: `PLOT_OUT=/tmp/x.svg cargo test -p longhaul-tools plot`.
#[test]
fn a_page_to_look_at() {
    let Some(path) = std::env::var_os("PLOT_OUT") else { return };
    let curve = |factor: f64| {
        (0..500).map(move |i| {
            let percentile = 100.0 - 100.0 * 10f64.powf(-f64::from(i) / 100.0);
            (percentile, factor * (1.0 + f64::from(i) / 100.0).powi(3))
        })
    };
    let latency =
        Plot::new("Latency by percentile", Axis::percentile("percentile, %"), Axis::log("latency, ms"))
            .with(Series::line("pages", curve(0.3).collect()))
            .with(Series::line("urgent", curve(0.1).collect()));
    let steps =
        |scale: f64| (0..60).map(move |i| (f64::from(i), scale * (1.0 + (f64::from(i) / 5.0).sin() / 4.0)));
    let rate = Plot::new("Answers per second", Axis::linear("time, s"), Axis::linear("requests/s"))
        .with(Series { label: "all".into(), shape: Shape::Steps, points: steps(40_000.0).collect() });
    let mut bars = Plot::new("Page load, median", Axis::linear(""), Axis::linear("ms"))
        .with(Series { label: "direct".into(), shape: Shape::Bars, points: vec![(0.0, 300.0), (1.0, 700.0)] })
        .with(Series { label: "ours".into(), shape: Shape::Bars, points: vec![(0.0, 180.0), (1.0, 250.0)] });
    bars.categories = vec!["no loss".into(), "1 % loss".into()];
    std::fs::write(path, page(&[latency, rate, bars])).unwrap();
}

#[test]
fn plots_are_read_from_json_and_what_is_none_is_refused() {
    let text = r#"[{"title": "t", "x": {"label": "s", "scale": "linear"}, "y": {"label": "ms", "scale": "log"},
        "series": [{"label": "a", "shape": "steps", "points": [[0, 1.5], [1, 2]]}]}]"#;
    let plots = super::read(text).unwrap();
    assert_eq!(plots[0].series[0].points, [(0.0, 1.5), (1.0, 2.0)]);
    assert!(super::page(&plots).contains("</svg>"));
    for wrong in ["", "{}", "[{}]", &text.replace("steps", "stairs"), &text.replace("\"title\"", "\"name\"")]
    {
        assert!(super::read(wrong).is_err(), "{wrong}");
    }
}
