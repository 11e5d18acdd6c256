//! What the Connection and Upgrade fields say about this hop (RFC 9110 §7.6.1, §7.8), and what we say on the next.

use crate::http::limits::CONNECTION_OPTIONS_MAX;
use crate::http::refusal::Refusal;
use crate::http::token::{is_token, list_elements};
use crate::http::version::Version;

/// What to write about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionChoice {
    /// More messages may follow. Written out only for HTTP/1.0 clients.
    KeepAlive,
    /// This is the last message.
    Close,
    /// The connection becomes (or asks to become) a WebSocket.
    Upgrade,
}

/// What a request asks to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Nothing.
    None,
    /// A WebSocket (RFC 6455): GET, HTTP/1.1, no body. The origin decides, by 101 or not.
    WebSocket,
    /// Something that we do not carry, h2c above all; the fields are dropped, the request goes on without them.
    OtherIgnored,
}

/// The options of all Connection fields of a head, and its Upgrade fields.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    /// Some option is the name of a field.
    pub(crate) nominates: bool,
    count: usize,
    protocols: Protocols,
}

/// What the Upgrade fields name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Protocols {
    #[default]
    None,
    WebSocket,
    Other,
}

impl ConnectionOptions {
    /// Takes the value of a Connection field.
    pub(crate) fn note(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in list_elements(value) {
            self.count += 1;
            if self.count > CONNECTION_OPTIONS_MAX || !is_token(option) {
                return Err(Refusal::ConnectionInvalid);
            }
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.nominates = true;
            }
        }
        Ok(())
    }

    /// Takes the value of an Upgrade field.
    pub(crate) fn note_upgrade(&mut self, value: &[u8]) {
        let only_websocket = self.protocols == Protocols::None && value.eq_ignore_ascii_case(b"websocket");
        self.protocols = if only_websocket { Protocols::WebSocket } else { Protocols::Other };
    }

    /// True if the sender will go on after this message (RFC 9112 §9.3).
    pub(crate) fn keeps_alive(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    /// True if both fields ask for, or grant, a WebSocket and nothing else.
    pub(crate) fn names_websocket(&self) -> bool {
        self.upgrade && self.protocols == Protocols::WebSocket
    }

    /// True if an Upgrade field is there at all.
    pub(crate) fn names_protocol(&self) -> bool {
        self.protocols != Protocols::None
    }
}

/// Appends what an HTTP/1.1 message says about its connection.
pub(crate) fn push_connection(choice: ConnectionChoice, out: &mut Vec<u8>) {
    match choice {
        ConnectionChoice::KeepAlive => {}
        ConnectionChoice::Close => out.extend_from_slice(b"Connection: close\r\n"),
        ConnectionChoice::Upgrade => out.extend_from_slice(b"Connection: upgrade\r\nUpgrade: websocket\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_wins_and_old_clients_close_by_default() {
        for (value, old, new) in [
            (&b""[..], false, true),
            (b"close", false, false),
            (b"Keep-Alive", true, true),
            (b"keep-alive, close", false, false),
        ] {
            let mut options = ConnectionOptions::default();
            options.note(value).unwrap();
            assert_eq!(
                (options.keeps_alive(Version::Http10), options.keeps_alive(Version::Http11)),
                (old, new)
            );
        }
    }

    #[test]
    fn only_a_lone_websocket_counts() {
        for (connection, upgrades, expected) in [
            (&b"Upgrade"[..], &[&b"WebSocket"[..]][..], true),
            (b"keep-alive, upgrade", &[b"websocket"], true),
            (b"keep-alive", &[b"websocket"], false),
            (b"upgrade", &[b"websocket, h2c"], false),
            (b"upgrade", &[b"websocket", b"h2c"], false),
            (b"upgrade", &[b"h2c", b"websocket"], false),
            (b"upgrade", &[], false),
        ] {
            let mut options = ConnectionOptions::default();
            options.note(connection).unwrap();
            upgrades.iter().for_each(|upgrade| options.note_upgrade(upgrade));
            assert_eq!(options.names_websocket(), expected);
        }
    }

    #[test]
    fn options_are_tokens_and_few() {
        assert_eq!(ConnectionOptions::default().note(b"a b"), Err(Refusal::ConnectionInvalid));
        assert_eq!(ConnectionOptions::default().note(&b"a,".repeat(33)), Err(Refusal::ConnectionInvalid));
        assert_eq!(ConnectionOptions::default().note(&b"a,".repeat(32)), Ok(()));
    }
}
