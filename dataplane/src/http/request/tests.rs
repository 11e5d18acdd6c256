//! Request heads: what they mean, what is refused, and that splitting changes nothing.

use proptest::prelude::{Strategy, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::http::fuzz::fuzz_head;
use crate::http::host::HOST_BYTES_MAX;

/// Reads `bytes` as one whole head and shows it to `look`.
fn with<T>(bytes: &[u8], look: impl FnOnce(RequestHead<'_>) -> T) -> T {
    let limits = Limits::default();
    let mut table = FieldTable::new(&limits);
    match parse_request(bytes, &limits, &mut table) {
        Parsed::Complete { head, .. } => look(head),
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

fn refusal(bytes: &[u8], limits: &Limits) -> Option<Refusal> {
    match parse_request(bytes, limits, &mut FieldTable::new(limits)) {
        Parsed::Invalid(refusal) => Some(refusal),
        Parsed::Complete { .. } | Parsed::Partial => None,
    }
}

#[test]
fn a_browser_request_says_what_it_says() {
    let bytes = b"GET /a/b?c=d HTTP/1.1\r\nHost: WWW.Example.com:8080\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\nrest";
    let limits = Limits::default();
    let mut table = FieldTable::new(&limits);
    let Parsed::Complete { head, bytes: taken } = parse_request(bytes, &limits, &mut table) else { panic!() };
    assert_eq!(taken, bytes.len() - 4);
    assert_eq!((head.method, head.method_bytes), (Method::Get, &b"GET"[..]));
    assert_eq!(head.target, Target { path: b"/a/b", query: Some(b"c=d") });
    assert_eq!(head.host.normalised(&mut [0; HOST_BYTES_MAX]), b"www.example.com");
    assert_eq!((head.version, head.body, head.keep_alive), (Version::Http11, RequestBody::None, true));
    assert!(!head.expect_continue && head.upgrade == Upgrade::None);
    assert_eq!(head.fields.find(b"ACCEPT"), Some(&b"*/*"[..]));
    assert_eq!(head.fields.len(), 3);
}

#[test]
fn expectation_counts_only_with_a_body_and_in_the_new_version() {
    for (version, framing, expected) in [
        ("1.1", "Content-Length: 5", true),
        ("1.1", "Transfer-Encoding: chunked", true),
        ("1.1", "Content-Length: 0", false),
        ("1.1", "X: y", false),
        ("1.0", "Content-Length: 5", false),
    ] {
        let text = format!("PUT / HTTP/{version}\r\nHost: a\r\nExpect: 100-Continue\r\n{framing}\r\n\r\n");
        assert_eq!(with(text.as_bytes(), |head| head.expect_continue), expected, "{text}");
    }
}

#[test]
fn only_a_plain_get_becomes_a_websocket() {
    let fields = "Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    for (start, more, expected) in [
        ("GET / HTTP/1.1", "", Upgrade::WebSocket),
        ("POST / HTTP/1.1", "", Upgrade::OtherIgnored),
        ("GET / HTTP/1.0", "", Upgrade::OtherIgnored),
        ("GET / HTTP/1.1", "Content-Length: 5\r\n", Upgrade::OtherIgnored),
        ("GET / HTTP/1.1", "Upgrade: h2c\r\n", Upgrade::OtherIgnored),
    ] {
        let text = format!("{start}\r\n{fields}{more}\r\n");
        assert_eq!(with(text.as_bytes(), |head| head.upgrade), expected, "{text}");
    }
}

#[test]
fn an_absolute_target_overrules_the_host_field() {
    with(b"GET http://A:81/x HTTP/1.1\r\nHost: b\r\n\r\n", |head| assert_eq!(head.host.bytes, b"A:81"));
    with(b"GET /x HTTP/1.0\r\n\r\n", |head| assert!(head.host.is_empty()));
}

#[test]
fn via_tells_a_loop() {
    with(b"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 x, 1.1 Us (v)\r\n\r\n", |head| {
        assert!(head.came_by(b"us"));
        assert!(!head.came_by(b"1.1"));
        assert!(!head.came_by(b"v"));
    });
}

#[test]
fn limits_have_their_own_refusals_even_before_the_end() {
    let limits = Limits { head_bytes_max: 100, fields_max: 3, target_bytes_max: 20, ..Limits::default() };
    assert_eq!(refusal(b"GET /aaaaaaaaaaaaaaaaaaaa", &limits), Some(Refusal::TargetLong));
    assert_eq!(refusal(b"GET /aaaaaaaaaaaaaaaaaaa", &limits), None);
    assert_eq!(refusal(&[b'A'; 33], &limits), Some(Refusal::MethodLong));
    assert_eq!(refusal(b"GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC", &limits), Some(Refusal::FieldsMany));
    let start = b"GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let padded =
        |total: usize, end: &[u8]| [&start[..], &vec![b'x'; total - start.len() - end.len()], end].concat();
    assert_eq!(refusal(&padded(99, b""), &limits), None);
    assert_eq!(refusal(&padded(100, b""), &limits), Some(Refusal::HeadLong));
    assert_eq!(refusal(&padded(100, b"\r\n\r\n"), &limits), None);
    assert_eq!(refusal(&padded(101, b"\r\n\r\n"), &limits), Some(Refusal::HeadLong));
}

#[test]
fn a_wrong_beginning_is_refused_before_the_rest_comes() {
    for (start, expected) in [
        (&b"GET / HTTP/1.1\n"[..], Refusal::BareLf),
        (b"CONNECT ", Refusal::Connect),
        (b"GET / HTTQ", Refusal::Version),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n", Refusal::HostInvalid),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n", Refusal::ContentLengthRepeated),
        (b"GET / HTTP/1.1\r\nHost ", Refusal::SpaceBeforeColon),
    ] {
        assert_eq!(refusal(start, &Limits::default()), Some(expected), "{}", start.escape_ascii());
    }
}

/// Lines of heads, right ones more often than wrong ones.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => "[A-Za-z-]{1,12}:[ \t]{0,2}[ -~]{0,20}[ \t]{0,2}".prop_map(String::into_bytes),
        2 => proptest::sample::select(vec![
            b"Content-Length: 12".to_vec(), b"Transfer-Encoding: chunked".to_vec(), b"Connection: close, x-a".to_vec(),
            b"X-A: 1".to_vec(), b"Host: b".to_vec(), b"Expect: 100-continue".to_vec(), b"Via: 1.1 z".to_vec(),
            b"Forwarded: for=x".to_vec(), b"X-Forwarded-For: 9".to_vec(), b"Upgrade: websocket".to_vec(),
            b"X: \xe9\xff".to_vec(), b"Trailer: a".to_vec(),
        ]),
        1 => proptest::collection::vec(proptest::prelude::any::<u8>(), 0..12),
    ];
    let end = prop_oneof![20 => proptest::strategy::Just(&b"\r\n"[..]), 1 => proptest::sample::select(vec![&b"\n"[..], b"\r", b"\r\n "])];
    (proptest::collection::vec((line, end), 0..8)).prop_map(|lines| {
        let mut bytes = b"POST /p?q HTTP/1.1\r\nHost: a\r\n".to_vec();
        for (line, end) in lines {
            bytes.extend_from_slice(&line);
            bytes.extend_from_slice(end);
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    })
}

proptest! {
    #[test]
    fn splits_change_nothing_and_what_is_written_reads_the_same(bytes in lines()) {
        fuzz_head(&bytes);
    }

    /// An independent reader agrees on every head that we accept: name by name, value by value, byte by byte.
    #[test]
    fn httparse_reads_the_same(bytes in lines()) {
        let limits = Limits::default();
        let mut table = FieldTable::new(&limits);
        if let Parsed::Complete { head, bytes: taken } = parse_request(&bytes, &limits, &mut table) {
            let mut headers = [httparse::EMPTY_HEADER; 100];
            let mut other = httparse::Request::new(&mut headers);
            prop_assert_eq!(other.parse(&bytes), Ok(httparse::Status::Complete(taken)));
            prop_assert_eq!(other.method.map(str::as_bytes), Some(head.method_bytes));
            let ours: Vec<_> = head.fields.iter().map(|field| (field.name, field.value)).collect();
            let theirs: Vec<_> = other.headers.iter().map(|field| (field.name.as_bytes(), field.value)).collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}
