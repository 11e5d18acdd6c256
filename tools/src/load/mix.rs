//! The mix file: classes of requests in TOML, each with its weight, URLs and results. Mistakes are told with line and
//! column; `docs/load.md` has the words.

use crate::load::class::ClassSpec;
use crate::load::options::LoadError;
use crate::load::plan::field_fits;
use crate::load::schedule::Arrivals;
use crate::route::size;
use crate::spread::Spread;
use core::ops::Range;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    class: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    weight: Option<u32>,
    connections: Option<usize>,
    rate: Option<f64>,
    arrivals: Option<Spanned<String>>,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    paths: Vec<Spanned<String>>,
    method: Option<Spanned<String>>,
    host: Option<String>,
    #[serde(default)]
    headers: BTreeMap<Spanned<String>, String>,
    body: Option<Spanned<String>>,
    #[serde(default)]
    chunked: bool,
    objects: Option<u64>,
    zipf: Option<f64>,
    range: Option<Spanned<String>>,
    think: Option<Spanned<String>>,
}

/// A mistake and where it stands, bytes from the beginning.
struct Mistake(Range<usize>, String);

/// Reads the classes of `path`.
pub fn read_mix(path: &Path) -> Result<Vec<ClassSpec>, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|error| LoadError::File(path.to_owned(), error))?;
    let at = |place: &Range<usize>| {
        let before = &text[..place.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        format!("{}:{line}:{column}", path.display())
    };
    let read = parse(&text);
    let read = read.map_err(|Mistake(place, what)| LoadError::Mistake(format!("{}: {what}", at(&place))))?;
    Ok(read.into_iter().map(|(place, class)| ClassSpec { place: at(&place), ..class }).collect())
}

/// The classes, each with where it begins.
fn parse(text: &str) -> Result<Vec<(Range<usize>, ClassSpec)>, Mistake> {
    let file: File = toml::from_str(text).map_err(|error| {
        let message = error.message().replace('\n', " ");
        Mistake(error.span().unwrap_or(0..0), message)
    })?;
    if file.class.is_empty() {
        return Err(Mistake(0..0, "there is no [[class]]".into()));
    }
    let mut names: Vec<String> = Vec::new();
    let mut classes = Vec::new();
    for entry in file.class {
        let place = entry.span();
        let class = entry.into_inner();
        let name = class.name.clone();
        if names.contains(name.get_ref()) {
            return Err(Mistake(name.span(), format!("the class {:?} stands there twice", name.get_ref())));
        }
        names.push(name.into_inner());
        classes.push((place.clone(), spec(class, place)?));
    }
    Ok(classes)
}

fn spec(entry: Entry, place: Range<usize>) -> Result<ClassSpec, Mistake> {
    let mut urls = entry.urls;
    for path in entry.paths {
        if !path.get_ref().starts_with('/') {
            return Err(Mistake(path.span(), "a path begins with a slash; whole URLs go to urls".into()));
        }
        urls.push(path.into_inner());
    }
    if urls.is_empty() {
        return Err(Mistake(place, "the class asks for nothing: give it paths or urls".into()));
    }
    let mut fields = Vec::new();
    for (header, value) in entry.headers {
        if !field_fits(header.get_ref(), &value) {
            let what = "the header's name or value has characters that no field may have";
            return Err(Mistake(header.span(), what.into()));
        }
        fields.push((header.into_inner(), value));
    }
    let is_token = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase()) && !text.is_empty();
    if let Some(method) = entry.method.as_ref().filter(|method| !is_token(method.get_ref())) {
        return Err(Mistake(method.span(), "a method is a word in capitals".into()));
    }
    let arrivals = match entry.arrivals.as_ref().map(|word| (word.get_ref().as_str(), word.span())) {
        None | Some(("constant", _)) => Arrivals::Constant,
        Some(("poisson", _)) => Arrivals::Poisson,
        Some((_, span)) => return Err(Mistake(span, "arrivals are constant or poisson".into())),
    };
    let bytes = |text: &str| size(text).map(|bytes| bytes as f64);
    let sizes = "no size: write 2k, uniform:1k-64k, exp:8k, normal:8k,1k or pareto:1k,1.2";
    let spans = "no span: write 100ms, uniform:1s-3s, exp:500ms, normal:1s,200ms or pareto:100ms,1.5";
    Ok(ClassSpec {
        name: entry.name.into_inner(),
        place: String::new(),
        weight: entry.weight.unwrap_or(1),
        connections: entry.connections,
        rate_per_second: entry.rate,
        arrivals,
        urls,
        method: entry.method.map(Spanned::into_inner),
        host: entry.host,
        fields,
        body_bytes: spread(entry.body, bytes, sizes)?,
        is_chunked: entry.chunked,
        objects: entry.objects,
        zipf: entry.zipf,
        range_bytes: spread(entry.range, bytes, sizes)?.map(|spread| spread.likely_max() as u64),
        think_ms: spread(entry.think, milliseconds, spans)?,
    })
}

fn spread(
    given: Option<Spanned<String>>,
    number: impl Fn(&str) -> Option<f64>,
    wrong: &str,
) -> Result<Option<Spread>, Mistake> {
    let Some(given) = given else { return Ok(None) };
    let read = Spread::parse(given.get_ref(), number);
    read.map(Some).ok_or_else(|| Mistake(given.span(), format!("{:?} is {wrong}", given.get_ref())))
}

/// `100ms`, `2s`, `1.5s`, `1m`.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("ms", 1.0), ("us", 0.001), ("s", 1e3), ("m", 60e3)];
    let (digits, unit) = units.iter().find_map(|(name, ms)| Some((text.strip_suffix(name)?, ms)))?;
    let number: f64 = digits.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        let path =
            std::env::temp_dir().join(format!("longhaul-load-mix-{}-{}", std::process::id(), text.len()));
        std::fs::write(&path, text).unwrap();
        let error = read_mix(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        error.split_once(&path.display().to_string()).unwrap().1.to_owned()
    }

    #[test]
    fn a_mix_is_read() {
        let classes = parse(
            r#"
            [[class]]
            name = "pages"
            weight = 8
            paths = ["/bytes/16k?o={n}", "/b128"]
            objects = 1000
            zipf = 1.1
            headers = { Accept = "text/html" }
            think = "exp:100ms"

            [[class]]
            name = "uploads"
            urls = ["http://127.0.0.1:9/hash"]
            method = "PUT"
            body = "uniform:1k-64k"
            connections = 4
            rate = 50.5
            arrivals = "poisson"
            "#,
        );
        let Ok([(_, pages), (_, uploads)]) = classes.as_deref() else { panic!("two classes") };
        assert_eq!((pages.weight, pages.objects, pages.zipf), (8, Some(1_000), Some(1.1)));
        assert_eq!(pages.think_ms, Some(Spread::Exponential(100.0)));
        assert_eq!(pages.fields, [("Accept".into(), "text/html".into())]);
        assert_eq!(uploads.body_bytes, Some(Spread::Uniform(1_024.0, 65_536.0)));
        assert_eq!((uploads.connections, uploads.rate_per_second), (Some(4), Some(50.5)));
        assert_eq!(uploads.arrivals, Arrivals::Poisson);
    }

    #[test]
    fn mistakes_are_told_with_line_and_column() {
        let begin = "[[class]]\nname = \"a\"\n";
        let cases = [
            (format!("{begin}paths = [\"/a\"\n"), ":3:14: "),
            (format!("{begin}paths = [\"/a\"]\nwight = 3\n"), ":4:1: unknown field `wight`"),
            (format!("{begin}paths = [\"a\"]\n"), ":3:10: a path begins with a slash"),
            (format!("{begin}paths = [\"/a\"]\nbody = \"2x\"\n"), ":4:8: \"2x\" is no size"),
            (format!("{begin}paths = [\"/a\"]\nthink = \"exp:5\"\n"), ":4:9: \"exp:5\" is no span"),
            (
                format!("{begin}paths = [\"/a\"]\n{begin}paths = [\"/a\"]\n"),
                ":5:8: the class \"a\" stands there twice",
            ),
            (format!("{begin}paths = [\"/a\"]\nweight = \"x\"\n"), ":4:10: "),
            (format!("{begin}paths = [\"/a\"]\nheaders = {{ \"a b\" = \"c\" }}\n"), ":4:13: the header"),
            (begin.to_owned(), ":1:1: the class asks for nothing"),
        ];
        for (text, told) in cases {
            let said = mistake(&text);
            assert!(said.starts_with(told), "{said:?} should begin with {told:?}");
        }
    }

    #[test]
    fn what_only_a_plan_can_tell_has_its_place_too() {
        let path = std::env::temp_dir().join(format!("longhaul-load-mix-place-{}", std::process::id()));
        std::fs::write(
            &path,
            "[[class]]\nname = \"a\"\npaths = [\"/a\"]\n\n[[class]]\nname = \"b\"\npaths = [\"/b\"]\n",
        )
        .unwrap();
        let classes = read_mix(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let places: Vec<_> = classes.iter().map(|class| class.place.clone()).collect();
        assert_eq!(places, [1, 5].map(|line| format!("{}:{line}:1", path.display())));
    }

    #[test]
    fn spans_have_units() {
        assert_eq!((milliseconds("1.5s"), milliseconds("250us")), (Some(1_500.0), Some(0.25)));
        assert_eq!((milliseconds("5"), milliseconds("-1ms"), milliseconds("ms")), (None, None, None));
    }
}
