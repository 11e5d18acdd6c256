//! What is asked of one URL, before it is known which object, range and body size it will be this time; and the
//! making of the request from it.

use crate::content::Object;
use crate::http1::{Body, Coding, Ranges};
use crate::load::class::ClassSpec;
use crate::load::target::{Expected, Reply, Target, hash};
use crate::load::url::{Scheme, Url};
use crate::route::{Route, size};
use crate::spread::Spread;
use dataplane::stdx::prng::Prng;
use std::io::Write;

/// What stands for the number of an object.
pub(crate) const RANK: &str = "{n}";

/// A URL of a class.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// As it was given.
    pub(crate) url: String,
    /// Index of the host.
    pub(crate) host: usize,
    /// The request, where all of them are alike.
    pub(crate) fixed: Option<Target>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Http(Box<Http>),
    Echo { path: String, size: u64, verify: bool },
    Bulk { path: String, size: u64, verify: bool },
    Dns,
}

#[derive(Clone, Debug)]
struct Http {
    method: String,
    path: String,
    /// The rest of the head: fields that never change, each with its line end.
    fields: String,
    body_bytes: Option<Spread>,
    is_chunked: bool,
    range_bytes: Option<u64>,
    /// The Range field, where the class has one of its own.
    range_field: Option<String>,
    is_conditional: bool,
    verify: bool,
}

/// What all requests of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Connections are kept.
    pub(crate) keep_alive: bool,
    /// Bodies are compared.
    pub(crate) verify: bool,
}

impl Template {
    /// Makes `url` ready; the error says what is wrong with it.
    pub(crate) fn new(
        text: &str,
        url: &Url,
        host: usize,
        class: &ClassSpec,
        habits: Habits,
    ) -> Result<Self, String> {
        let kind = match url.scheme {
            Scheme::Http => Kind::Http(Box::new(Http::new(url, class, habits))),
            Scheme::Dns => Kind::Dns,
            Scheme::Tcp => tcp(&url.path, habits.verify)?,
        };
        let mut template = Self { url: text.into(), host, fixed: None, kind };
        if !template.varies() {
            template.fixed = Some(template.make(1, &mut Prng::new(0)));
        }
        Ok(template)
    }

    /// Whether requests differ from each other.
    fn varies(&self) -> bool {
        match &self.kind {
            Kind::Http(http) => {
                let sizes = !matches!(http.body_bytes, None | Some(Spread::Fixed(_)));
                http.path.contains(RANK) || sizes || http.range_bytes.is_some()
            }
            Kind::Echo { .. } | Kind::Bulk { .. } | Kind::Dns => false,
        }
    }

    /// Whether requests have bodies.
    pub(crate) fn sends_bodies(&self) -> bool {
        match &self.kind {
            Kind::Http(http) => http.body_bytes.is_some(),
            Kind::Echo { .. } | Kind::Bulk { .. } => true,
            Kind::Dns => false,
        }
    }

    /// How many bytes of a request may have to be kept for sending at once.
    pub(crate) fn head_bytes_likely(&self) -> usize {
        match &self.kind {
            Kind::Http(http) => 128 + http.path.len() + http.fields.len(),
            Kind::Echo { .. } | Kind::Bulk { .. } | Kind::Dns => 0,
        }
    }

    /// The request for object number `rank`, from 1.
    pub(crate) fn make(&self, rank: u64, random: &mut Prng) -> Target {
        match &self.kind {
            Kind::Http(http) => http.make(rank, random),
            Kind::Echo { path, size, verify } => plain(path, *size, *verify, Reply::Echo),
            Kind::Bulk { path, size, verify } => plain(path, *size, *verify, Reply::Bulk),
            Kind::Dns => plain("", 0, false, Reply::Dns),
        }
    }
}

fn tcp(path: &str, verify: bool) -> Result<Kind, String> {
    let parts = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
    let wrong = || "a tcp:// URL ends with /echo/SIZE or /bulk/SIZE".to_owned();
    let (kind, text) = parts.ok_or_else(wrong)?;
    let size = size(text).filter(|size| *size > 0).ok_or_else(wrong)?;
    let path = path.to_owned();
    match kind {
        "echo" => Ok(Kind::Echo { path, size, verify }),
        "bulk" => Ok(Kind::Bulk { path, size, verify }),
        _ => Err(wrong()),
    }
}

fn plain(path: &str, size: u64, verify: bool, reply: Reply) -> Target {
    let name = path.as_bytes();
    let expected =
        if verify { Expected::Seeded(Box::new(Object::new(name, size))) } else { Expected::Anything };
    Target {
        reply,
        head: Vec::new(),
        upload: Some(Body::new(name, size, Coding::Plain)),
        status: 0,
        is_conditional: false,
        ranges: Vec::new(),
        expected,
        size_bytes_likely: size,
    }
}

impl Http {
    fn new(url: &Url, class: &ClassSpec, habits: Habits) -> Self {
        let post = if class.body_bytes.is_some() { "POST" } else { "GET" };
        let host = class.host.as_deref().unwrap_or(&url.authority);
        let mut fields = format!("Host: {host}\r\nUser-Agent: longhaul-load\r\n");
        for (name, value) in &class.fields {
            fields.push_str(&format!("{name}: {value}\r\n"));
        }
        if class.body_bytes.is_some() && class.is_chunked {
            fields.push_str("Transfer-Encoding: chunked\r\n");
        }
        if !habits.keep_alive {
            fields.push_str("Connection: close\r\n");
        }
        let asks = ["range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since"];
        let is = |name: &str| asks.iter().any(|asked| asked.eq_ignore_ascii_case(name));
        Self {
            method: class.method.clone().unwrap_or_else(|| post.into()),
            path: url.path.clone(),
            fields,
            body_bytes: class.body_bytes,
            is_chunked: class.is_chunked,
            range_bytes: class.range_bytes,
            range_field: class
                .fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("range"))
                .map(|(_, value)| value.clone()),
            is_conditional: class.range_bytes.is_some() || class.fields.iter().any(|(name, _)| is(name)),
            verify: habits.verify,
        }
    }

    fn make(&self, rank: u64, random: &mut Prng) -> Target {
        let path = self.path.replace(RANK, &rank.to_string());
        let route = Route::parse(&path);
        let upload = self.body_bytes.map(|bytes| {
            let coding = if self.is_chunked { Coding::Chunked } else { Coding::Plain };
            Body::new(path.as_bytes(), bytes.draw(random) as u64, coding)
        });
        let range = self.range(&route, random);
        Target {
            reply: Reply::Http(self.method == "HEAD"),
            head: self.head(&path, upload.as_ref(), range),
            status: route.status(),
            is_conditional: self.is_conditional,
            ranges: self.ranges(&route, range),
            expected: self.expected(&path, &route, upload.as_ref()),
            size_bytes_likely: route.body_bytes().unwrap_or(0),
            upload,
        }
    }

    fn range(&self, route: &Route, random: &mut Prng) -> Option<(u64, u64)> {
        let wanted = self.range_bytes?;
        let size = route.body_bytes().filter(|size| *size > 0)?;
        let bytes = wanted.clamp(1, size);
        let first = random.between(0, size - bytes);
        Some((first, first + bytes - 1))
    }

    /// What is asked of the object: the range that was drawn, or those of the field.
    fn ranges(&self, route: &Route, drawn: Option<(u64, u64)>) -> Vec<(u64, u64)> {
        let asked = || Ranges::read(self.range_field.as_deref()?, route.body_bytes()?);
        drawn.map_or_else(|| asked().map_or_else(Vec::new, |asked| asked.inside), |drawn| vec![drawn])
    }

    fn head(&self, path: &str, upload: Option<&Body>, range: Option<(u64, u64)>) -> Vec<u8> {
        let mut head = Vec::with_capacity(64 + path.len() + self.fields.len());
        let mut written = write!(head, "{} {path} HTTP/1.1\r\n{}", self.method, self.fields);
        if let Some(upload) = upload.filter(|_| !self.is_chunked) {
            written =
                written.and_then(|()| write!(head, "Content-Length: {}\r\n", upload.object().size_bytes()));
        }
        if let Some((first, last)) = range {
            written = written.and_then(|()| write!(head, "Range: bytes={first}-{last}\r\n"));
        }
        let written = written.and_then(|()| head.write_all(b"\r\n"));
        assert!(written.is_ok(), "memory can be written");
        head
    }

    fn expected(&self, path: &str, route: &Route, upload: Option<&Body>) -> Expected {
        if !self.verify || self.method == "HEAD" {
            return Expected::Anything;
        }
        match (route, route.body_bytes()) {
            (Route::Hash, _) => Expected::Hash(hash(upload)),
            (_, Some(size)) => Expected::Seeded(Box::new(Object::new(path.as_bytes(), size))),
            (_, None) => Expected::Anything,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(url: &str, class: &ClassSpec) -> Template {
        let habits = Habits { keep_alive: true, verify: true };
        Template::new(url, &Url::parse(url).unwrap(), 0, class, habits).unwrap()
    }

    #[test]
    fn what_never_changes_is_made_once() {
        let fixed = template("http://127.0.0.1/b128?x=1", &ClassSpec::default()).fixed.unwrap();
        assert!(fixed.head.starts_with(b"GET /b128?x=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
        assert!(fixed.head.ends_with(b"\r\n\r\n") && fixed.expected.size_bytes() == Some(128));
    }

    #[test]
    fn objects_bodies_and_ranges_vary() {
        let class = ClassSpec {
            method: Some("PUT".into()),
            body_bytes: Some(Spread::Uniform(10.0, 20.0)),
            range_bytes: Some(100),
            ..ClassSpec::default()
        };
        let template = template("http://a/bytes/{n}k", &class);
        assert!(template.fixed.is_none());
        let mut random = Prng::new(3);
        for rank in 1..50 {
            let made = template.make(rank, &mut random);
            let head = String::from_utf8(made.head.clone()).unwrap();
            assert!(head.starts_with(&format!("PUT /bytes/{rank}k HTTP/1.1\r\n")), "{head}");
            let [(first, last)] = made.ranges[..] else { panic!("one range") };
            assert!(last < rank * 1_024 && last - first == 99 && head.contains("Range: bytes="), "{head}");
            let sent = made.upload.as_ref().unwrap().object().size_bytes();
            assert!((10..20).contains(&sent) && head.contains(&format!("Content-Length: {sent}\r\n")));
            assert_eq!(made.expected.size_bytes(), Some(rank << 10));
        }
    }

    #[test]
    fn plain_tcp_says_what_it_does() {
        let echo = template("tcp://a:7/echo/2k", &ClassSpec::default()).fixed.unwrap();
        assert_eq!((echo.reply, echo.request_bytes()), (Reply::Echo, 2_048));
        for path in ["/", "/echo", "/echo/0", "/sink/5", "/echo/x"] {
            assert!(tcp(path, false).is_err(), "{path}");
        }
    }
}
