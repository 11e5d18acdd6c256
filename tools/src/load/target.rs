//! What is asked of a URL: where to connect, the bytes of the request, and what the answer must be.

use crate::content::Object;
use crate::http1::{Body, Coding};
use crate::load::options::{LoadError, LoadOptions};
use crate::route::Route;
use core::net::SocketAddr;
use ring::digest::{Context, SHA256};
use std::net::ToSocketAddrs;

/// A sha256 in hexadecimal.
const HASH_BYTES: usize = 64;

/// The body that an answer must have.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// Anything: only its framing is looked at.
    Anything,
    /// The seeded object.
    Seeded(Box<Object>),
    /// The hash of what was sent.
    Hash([u8; HASH_BYTES]),
}

impl Expected {
    /// Where `bytes`, found at `offset`, first differ from what is expected.
    pub(crate) fn first_difference(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        match self {
            Self::Anything => None,
            Self::Seeded(object) => object.first_difference(offset, bytes),
            Self::Hash(hash) => {
                let rest = &hash[(offset as usize).min(HASH_BYTES)..];
                let same = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
                (same < bytes.len()).then_some(offset + same as u64)
            }
        }
    }

    /// How long the body must be.
    pub(crate) fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Anything => None,
            Self::Seeded(object) => Some(object.size_bytes()),
            Self::Hash(_) => Some(HASH_BYTES as u64),
        }
    }
}

/// One URL, made ready.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// As it was given.
    pub(crate) url: String,
    /// Where to connect.
    pub(crate) address: SocketAddr,
    /// The request's head.
    pub(crate) head: Vec<u8>,
    /// The request's body.
    pub(crate) upload: Option<Body>,
    /// The status of a proper answer, where the path tells.
    pub(crate) status: u16,
    /// The body of a proper answer; `Anything` unless verifying.
    pub(crate) expected: Expected,
    /// How long the answer's body probably is: where aborts are placed.
    pub(crate) size_bytes_likely: u64,
}

impl Target {
    /// Makes `url` ready.
    pub(crate) fn new(url: &str, options: &LoadOptions) -> Result<Self, LoadError> {
        let refuse = |why: &str| LoadError::Url(url.into(), why.into());
        let rest = url.strip_prefix("http://").ok_or_else(|| refuse("it must begin with http://"))?;
        let rest = rest.split('#').next().unwrap_or(rest);
        if rest.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(refuse("it has spaces or control characters; escape them with %"));
        }
        let slash = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(slash);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let address = match options.connect {
            Some(address) => address,
            None => resolve(authority).map_err(|why| refuse(&why))?,
        };
        let upload = options.upload_bytes.map(|size| {
            let coding = if options.upload_chunked { Coding::Chunked } else { Coding::Plain };
            Body::new(path.as_bytes(), size, coding)
        });
        let route = Route::parse(&path);
        Ok(Self {
            url: url.into(),
            address,
            head: head(&path, options.host.as_deref().unwrap_or(authority), options),
            status: route.status(),
            expected: expected(&path, &route, upload.as_ref(), options.verify),
            size_bytes_likely: route.body_bytes().unwrap_or(0),
            upload,
        })
    }

    /// Bytes of the request in all.
    pub(crate) fn request_bytes(&self) -> u64 {
        self.head.len() as u64 + self.upload.as_ref().map_or(0, Body::wire_bytes)
    }
}

fn resolve(authority: &str) -> Result<SocketAddr, String> {
    let ends_with_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
        !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && (!host.contains(':') || host.ends_with(']'))
    });
    let with_port = if ends_with_port { authority.to_owned() } else { format!("{authority}:80") };
    let mut addresses = with_port.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "the name has no address".into())
}

fn head(path: &str, host: &str, options: &LoadOptions) -> Vec<u8> {
    let method = if options.upload_bytes.is_some() { "POST" } else { "GET" };
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: longhaul-load\r\n");
    for (name, value) in &options.fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match options.upload_bytes {
        Some(_) if options.upload_chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
        Some(size) => head.push_str(&format!("Content-Length: {size}\r\n")),
        None => {}
    }
    head.push_str(if options.keep_alive { "\r\n" } else { "Connection: close\r\n\r\n" });
    head.into_bytes()
}

fn expected(path: &str, route: &Route, upload: Option<&Body>, verify: bool) -> Expected {
    if !verify {
        return Expected::Anything;
    }
    match (route, route.body_bytes()) {
        (Route::Hash, _) => Expected::Hash(hash(upload)),
        (_, Some(size)) => Expected::Seeded(Box::new(Object::new(path.as_bytes(), size))),
        (_, None) => Expected::Anything,
    }
}

/// The sha256 of an upload's data, made piece by piece.
fn hash(upload: Option<&Body>) -> [u8; HASH_BYTES] {
    let mut context = Context::new(&SHA256);
    if let Some(object) = upload.map(Body::object) {
        let mut piece = [0; 8_192];
        let mut offset = 0;
        while offset < object.size_bytes() {
            let count = (object.size_bytes() - offset).min(piece.len() as u64) as usize;
            object.fill(offset, &mut piece[..count]);
            context.update(&piece[..count]);
            offset += count as u64;
        }
    }
    let mut text = [0; HASH_BYTES];
    for (two, byte) in text.chunks_mut(2).zip(context.finish().as_ref()) {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        two.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, LoadError> {
        Target::new(url, &LoadOptions { verify: true, ..LoadOptions::default() })
    }

    #[test]
    fn urls_become_addresses_and_heads() {
        let plain = target("http://127.0.0.1/b128?x=1#y").unwrap();
        assert_eq!(plain.address, SocketAddr::from(([127, 0, 0, 1], 80)));
        assert!(plain.head.starts_with(b"GET /b128?x=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
        assert_eq!(plain.expected.size_bytes(), Some(128));
        assert_eq!(target("http://[::1]:8080").unwrap().address.to_string(), "[::1]:8080");
        assert_eq!(target("http://[::1]/x").unwrap().address.to_string(), "[::1]:80");
    }

    #[test]
    fn urls_that_cannot_be_used_say_why() {
        for url in ["https://a/", "http://", "http://127.0.0.1/a b", "http://127.0.0.1:99999/"] {
            assert!(matches!(target(url), Err(LoadError::Url(..))), "{url}");
        }
    }

    #[test]
    fn the_hash_of_nothing_is_known() {
        assert!(hash(None).starts_with(b"e3b0c44298fc1c14"));
        let expected = Expected::Hash(hash(None));
        assert_eq!(expected.first_difference(0, b"e3b0c5"), Some(5));
        assert_eq!(expected.first_difference(60, &hash(None)[60..]), None);
        assert_eq!(expected.first_difference(64, b"x"), Some(64));
    }
}
