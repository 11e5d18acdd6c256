//! Tests of a connection over a stream in memory: pieces, pipelines, blocking and closing.

use super::*;
use crate::view::metrics::{MetricsText, Unit};
use crate::view::page::Page;
use crate::view::source::Health;
use std::collections::VecDeque;

struct Process;

impl Source for Process {
    fn metrics(&mut self, text: &mut MetricsText) {
        text.counter("longhaul_requests", Unit::None, "Requests.").value(&[], 3);
    }

    fn status(&mut self) -> serde_json::Value {
        serde_json::json!({ "role": "front" })
    }

    fn page(&mut self) -> Page {
        Page::new("a process")
    }

    fn health(&mut self) -> Health {
        Health::Draining
    }
}

/// Hands out its input piece by piece, blocking after each; takes output up to `room`.
#[derive(Default)]
struct Memory {
    pieces: VecDeque<Vec<u8>>,
    ended: bool,
    written: Vec<u8>,
    room: usize,
    output_ended: bool,
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut piece) = self.pieces.pop_front() else {
            return if self.ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        };
        let bytes = piece.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&piece[..bytes]);
        if bytes < piece.len() {
            piece.drain(..bytes);
            self.pieces.push_front(piece);
        }
        Ok(bytes)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        if taken == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.written.extend_from_slice(&bytes[..taken]);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Memory {
    fn end_output(&mut self) -> io::Result<()> {
        self.output_ended = true;
        Ok(())
    }
}

fn connection(room: usize, now: Instant) -> Connection<Memory> {
    Connection::new(Memory { room, ..Memory::default() }, IpAddr::from([127, 0, 0, 1]), now)
}

fn give(connection: &mut Connection<Memory>, input: &str, now: Instant) -> Fate {
    connection.stream.pieces.push_back(input.as_bytes().to_vec());
    connection.advance(&Hosts::default(), &mut Process, now)
}

fn written(connection: &Connection<Memory>) -> &str {
    std::str::from_utf8(&connection.stream.written).unwrap()
}

#[test]
fn a_head_in_pieces_is_answered_once_and_the_connection_stays() {
    let now = Instant::now();
    let mut connection = connection(usize::MAX, now);
    assert_eq!(give(&mut connection, "GET /status HTTP/1.1\r\nHo", now), Fate::Waits);
    assert!(written(&connection).is_empty() && !connection.is_idle());
    assert_eq!(give(&mut connection, "st: localhost\r\n\r\n", now), Fate::Waits);
    assert!(written(&connection).ends_with("{\"role\":\"front\"}\n"), "{}", written(&connection));
    assert!(connection.is_idle());
    assert_eq!(connection.deadline(), now + IDLE_WAIT);
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let now = Instant::now();
    let mut connection = connection(usize::MAX, now);
    let two = "HEAD /metrics HTTP/1.1\r\nHost: [::1]\r\n\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    assert_eq!(give(&mut connection, two, now), Fate::Waits);
    let text = written(&connection);
    assert_eq!(text.matches("HTTP/1.1 ").count(), 2, "{text}");
    assert!(text.contains(MetricsText::CONTENT_TYPE) && !text.contains("# EOF"), "{text}");
    assert!(text.contains("503") && text.ends_with("draining\n"), "{text}");
}

#[test]
fn a_slow_reader_gets_everything_in_its_time() {
    let now = Instant::now();
    let mut connection = connection(10, now);
    assert_eq!(give(&mut connection, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", now), Fate::Waits);
    assert_eq!((written(&connection).len(), connection.deadline()), (10, now + WRITE_WAIT));
    connection.stream.room = usize::MAX;
    connection.advance(&Hosts::default(), &mut Process, now);
    assert!(written(&connection).ends_with("</html>\n"));
}

#[test]
fn a_strange_host_or_path_is_told_and_nothing_more() {
    let now = Instant::now();
    let mut connection = connection(usize::MAX, now);
    give(&mut connection, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", now);
    assert!(
        written(&connection).contains("421 Misdirected Request")
            && !written(&connection).contains("longhaul")
    );
    give(&mut connection, "GET /metrics/ HTTP/1.1\r\nHost: localhost\r\n\r\n", now);
    assert!(written(&connection).contains("404 Not Found"));
}

#[test]
fn a_refusal_closes_and_lingers_until_the_client_goes() {
    let now = Instant::now();
    let mut connection = connection(usize::MAX, now);
    assert_eq!(give(&mut connection, "POST / HTTP/1.1\r\nHost: a\r\n\r\nbody", now), Fate::Waits);
    assert!(written(&connection).starts_with("HTTP/1.1 405 ") && connection.stream.output_ended);
    assert_eq!(connection.deadline(), now + LINGER_WAIT);
    assert_eq!(give(&mut connection, &"x".repeat(100_000), now), Fate::Waits);
    connection.stream.ended = true;
    assert_eq!(connection.advance(&Hosts::default(), &mut Process, now), Fate::Over);
    assert_eq!(written(&connection).matches("HTTP/1.1 ").count(), 1);
}

#[test]
fn a_client_that_never_stops_sending_is_not_read_for_ever() {
    let now = Instant::now();
    let mut connection = connection(usize::MAX, now);
    give(&mut connection, "POST / HTTP/1.1\r\nHost: a\r\n\r\n", now);
    assert_eq!(give(&mut connection, &"x".repeat(LINGER_BYTES_MAX + 1), now), Fate::Over);
}

#[test]
fn a_client_that_goes_takes_the_connection_along() {
    let now = Instant::now();
    let mut connection = connection(usize::MAX, now);
    connection.stream.ended = true;
    assert_eq!(give(&mut connection, "GET / HT", now), Fate::Over);
}

#[test]
fn the_last_allowed_request_closes() {
    let now = Instant::now();
    let mut connection = connection(usize::MAX, now);
    let all = "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(REQUESTS_MAX as usize + 5);
    assert_eq!(give(&mut connection, &all, now), Fate::Waits);
    assert_eq!(written(&connection).matches("HTTP/1.1 ").count(), REQUESTS_MAX as usize);
    assert!(connection.stream.output_ended);
}
