//! Response heads: where their bodies end, what is refused.

use super::*;

fn parse<T>(
    bytes: &[u8],
    asked: Asked,
    look: impl FnOnce(ResponseHead<'_>) -> T,
) -> Result<T, Option<Refusal>> {
    let limits = Limits::default();
    let mut table = FieldTable::new(&limits);
    match parse_response(bytes, asked, &limits, &mut table) {
        Parsed::Complete { head, .. } => Ok(look(head)),
        Parsed::Partial => Err(None),
        Parsed::Invalid(refusal) => Err(Some(refusal)),
    }
}

fn refusal(bytes: &[u8]) -> Option<Refusal> {
    parse(bytes, Asked::Ordinary, |_| ()).err().flatten()
}

/// Status line, fields, question → body, whether the connection lives, framing towards 1.1 and 1.0.
#[test]
fn bodies_end_where_rfc_9112_says() {
    use ResponseBody::{Chunked, Length, None, UntilClose};
    let (length, chunked, bare) = ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "");
    let rows = [
        ("200 OK", length, Asked::Ordinary, Length(5), true, Length(5), Length(5)),
        ("200 OK", chunked, Asked::Ordinary, Chunked, true, Chunked, UntilClose),
        ("200 OK", bare, Asked::Ordinary, UntilClose, false, Chunked, UntilClose),
        ("200 OK", length, Asked::Head, None, true, Length(5), Length(5)),
        ("200 OK", chunked, Asked::Head, None, true, Chunked, None),
        ("200 OK", bare, Asked::Head, None, true, None, None),
        ("304 Not Modified", length, Asked::Ordinary, None, true, Length(5), Length(5)),
        ("304 Not Modified", bare, Asked::Ordinary, None, true, None, None),
        ("204 No Content", bare, Asked::Ordinary, None, true, None, None),
        ("204 No Content", "Content-Length: 0\r\n", Asked::Ordinary, None, true, None, None),
        ("204 No Content", length, Asked::Ordinary, None, false, None, None),
        ("204 No Content", chunked, Asked::Ordinary, None, false, None, None),
        ("103 Early Hints", bare, Asked::Ordinary, None, true, None, None),
        ("201 Created", length, Asked::Head, None, true, Length(5), Length(5)),
        ("404 Not Found", length, Asked::Upgrade, Length(5), true, Length(5), Length(5)),
        (
            "500 ",
            "Connection: close\r\nContent-Length: 5\r\n",
            Asked::Ordinary,
            Length(5),
            false,
            Length(5),
            Length(5),
        ),
        (
            "101 Switching",
            "Connection: Upgrade\r\nUpgrade: WebSocket\r\n",
            Asked::Upgrade,
            UntilClose,
            false,
            None,
            None,
        ),
    ];
    for (status, fields, asked, body, keep_alive, new, old) in rows {
        let text = format!("HTTP/1.1 {status}\r\n{fields}\r\n");
        let got = parse(text.as_bytes(), asked, |head| {
            (
                head.body,
                head.keep_alive,
                head.framing_towards(Version::Http11),
                head.framing_towards(Version::Http10),
            )
        });
        assert_eq!(got, Ok((body, keep_alive, new, old)), "{text} {asked:?}");
    }
}

#[test]
fn status_lines_are_read_strictly_but_for_a_forgotten_space() {
    let look = |bytes: &[u8]| parse(bytes, Asked::Ordinary, |head| (head.status, head.reason.to_vec()));
    assert_eq!(look(b"HTTP/1.1 200 All is well\xe9\r\n\r\n"), Ok((200, b"All is well\xe9".to_vec())));
    assert_eq!(look(b"HTTP/1.1 200 \r\n\r\n"), Ok((200, Vec::new())));
    assert_eq!(look(b"HTTP/1.0 599\r\n\r\n"), Ok((599, Vec::new())));
    assert_eq!(look(b"HTTP/1.1 2"), Err(None));
    for (wrong, expected) in [
        (&b"HTTP/1.1 099 x\r\n"[..], Refusal::StatusLine),
        (b"HTTP/1.1 600 x\r\n", Refusal::StatusLine),
        (b"HTTP/1.1 20 x\r\n", Refusal::StatusLine),
        (b"HTTP/1.1 2000\r\n", Refusal::StatusLine),
        (b"HTTP/1.1  200 x\r\n", Refusal::StatusLine),
        (b"HTTP/1.1\t200 x\r\n", Refusal::StatusLine),
        (b"HTTP/1.1 200 x\n", Refusal::BareLf),
        (b"HTTP/1.1 200 a\0\r\n", Refusal::ControlByte),
        (b"HTTP/1.1 200\n", Refusal::BareLf),
        (b"\r\nHTTP/1.1 200 x\r\n", Refusal::Version),
        (b"HTTP/2 200\r\n", Refusal::Version),
        (b"HTTP/2.0 200\r\n", Refusal::VersionUnsupported),
        (b"ICY 200 OK\r\n", Refusal::Version),
    ] {
        assert_eq!(refusal(wrong), Some(expected), "{}", wrong.escape_ascii());
    }
}

#[test]
fn origins_are_refused_what_clients_are() {
    for (fields, expected) in [
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Refusal::ContentLengthRepeated),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Refusal::LengthAndCoding),
        ("Transfer-Encoding: gzip\r\n", Refusal::CodingUnknown),
        ("X: a\r\n b\r\n", Refusal::Fold),
        ("X : a\r\n", Refusal::SpaceBeforeColon),
    ] {
        assert_eq!(refusal(format!("HTTP/1.1 200 OK\r\n{fields}").as_bytes()), Some(expected));
    }
    assert_eq!(
        refusal(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"),
        Some(Refusal::CodingInOldVersion)
    );
}

#[test]
fn switching_and_interim_answers_are_held_to_their_rules() {
    let switch = b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(refusal(switch), Some(Refusal::UpgradeUnasked));
    let other = b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert_eq!(parse(other, Asked::Upgrade, |_| ()), Err(Some(Refusal::UpgradeUnasked)));
    assert_eq!(refusal(b"HTTP/1.1 100 x\r\nContent-Length: 5\r\n\r\n"), Some(Refusal::InterimFraming));
    assert_eq!(parse(switch, Asked::Upgrade, |head| head.is_interim()), Ok(false));
    assert_eq!(parse(b"HTTP/1.1 100 x\r\n\r\n", Asked::Ordinary, |head| head.is_interim()), Ok(true));
}
