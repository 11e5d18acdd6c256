//! Response heads (RFC 9112 §4, §6.3): as strict towards origins as towards clients. A refusal here is the
//! origin's fault; the role answers 502 and closes the origin's connection.

use crate::http::connection::{ConnectionOptions, Upgrade};
use crate::http::field::{FieldTable, Fields};
use crate::http::framing::{Framing, ResponseBody};
use crate::http::known::Known;
use crate::http::limits::Limits;
use crate::http::line::after_line_end;
use crate::http::method::Method;
use crate::http::parsed::{Halt, Parsed};
use crate::http::refusal::Refusal;
use crate::http::request::RequestHead;
use crate::http::token::text_end;
use crate::http::version::{VERSION_BYTES, Version};

/// What was asked, as far as it changes how the answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Anything but the two below.
    Ordinary,
    /// HEAD: the answer has no body whatever it says.
    Head,
    /// An upgrade to a WebSocket: 101 is allowed.
    Upgrade,
}

impl Asked {
    /// What `head` asks.
    pub fn by(head: &RequestHead<'_>) -> Self {
        match (head.method, head.upgrade) {
            (Method::Head, _) => Self::Head,
            (_, Upgrade::WebSocket) => Self::Upgrade,
            _ => Self::Ordinary,
        }
    }
}

/// A whole, valid response head. Borrows the bytes and the table that it was read with.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The status, 100 to 599.
    pub status: u16,
    /// The reason phrase as sent, perhaps empty.
    pub reason: &'a [u8],
    /// The version.
    pub version: Version,
    /// How the body that follows is delimited; `UntilClose` after a 101.
    pub body: ResponseBody,
    /// True if the connection may carry another exchange once the body is read.
    pub keep_alive: bool,
    /// All fields as sent, those of one hop too.
    pub fields: Fields<'a>,
    /// What the framing fields said, which without a body is information about what GET would bring.
    framing: Framing,
}

impl ResponseHead<'_> {
    /// True for 1xx except 101: another answer follows.
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// The framing for a next hop that speaks `version`. For an answer without a body (`self.body` is `None`) this
    /// is what its fields should say; still no body is sent.
    pub fn framing_towards(&self, version: Version) -> ResponseBody {
        let open_end =
            if version == Version::Http11 { ResponseBody::Chunked } else { ResponseBody::UntilClose };
        match self.body {
            ResponseBody::Length(bytes) => ResponseBody::Length(bytes),
            ResponseBody::UntilClose if self.status == 101 => ResponseBody::None,
            ResponseBody::Chunked | ResponseBody::UntilClose => open_end,
            // RFC 9110 §8.6: neither field in 1xx and 204.
            ResponseBody::None if self.status < 200 || self.status == 204 => ResponseBody::None,
            ResponseBody::None => match self.framing.response_body() {
                ResponseBody::Length(bytes) => ResponseBody::Length(bytes),
                ResponseBody::Chunked if version == Version::Http11 => ResponseBody::Chunked,
                ResponseBody::Chunked | ResponseBody::UntilClose | ResponseBody::None => ResponseBody::None,
            },
        }
    }
}

/// Reads the response head at the start of `bytes`. Pure: call it again with the same bytes and more after `Partial`.
/// `table` was made for these `limits`.
pub fn parse_response<'a>(
    bytes: &'a [u8],
    asked: Asked,
    limits: &Limits,
    table: &'a mut FieldTable,
) -> Parsed<ResponseHead<'a>> {
    let seen = &bytes[..bytes.len().min(limits.head_bytes_max)];
    Parsed::from_scan(scan(seen, asked, limits, table), bytes.len(), limits.head_bytes_max)
}

fn scan<'a>(
    bytes: &'a [u8],
    asked: Asked,
    limits: &Limits,
    table: &'a mut FieldTable,
) -> Result<(ResponseHead<'a>, usize), Halt> {
    let line = StatusLine::scan(bytes)?;
    let mut facts = Facts::default();
    let end = table.scan(bytes, line.end, limits, |known, value| facts.note(known, value, line.version))?;
    if facts.connection.nominates {
        table.nominate(bytes);
    }
    Ok((facts.conclude(&line, asked, table.fields(bytes))?, end))
}

/// The first line, taken apart.
struct StatusLine<'a> {
    version: Version,
    status: u16,
    reason: &'a [u8],
    /// Where the fields start.
    end: usize,
}

impl<'a> StatusLine<'a> {
    fn scan(bytes: &'a [u8]) -> Result<Self, Halt> {
        let version = Version::parse(&bytes[..bytes.len().min(VERSION_BYTES)])?.ok_or(Halt::Partial)?;
        expect_space(bytes, VERSION_BYTES)?;
        let status = scan_status(bytes, VERSION_BYTES + 1)?;
        let after = VERSION_BYTES + 4;
        // The space before an empty phrase is often forgotten; nothing depends on it.
        let start = if bytes.get(after) == Some(&b' ') { after + 1 } else { after };
        let reason_end = if start > after { text_end(bytes, start) } else { start };
        let end = after_line_end(bytes, reason_end, Refusal::StatusLine)?;
        Ok(Self { version, status, reason: &bytes[start..reason_end], end })
    }
}

fn expect_space(bytes: &[u8], at: usize) -> Result<(), Halt> {
    match bytes.get(at) {
        None => Err(Halt::Partial),
        Some(b' ') => Ok(()),
        Some(_) => Err(Refusal::StatusLine.into()),
    }
}

fn scan_status(bytes: &[u8], start: usize) -> Result<u16, Halt> {
    let mut status = 0;
    for at in start..start + 3 {
        let digit = *bytes.get(at).ok_or(Halt::Partial)?;
        let allowed = if at == start { (b'1'..=b'5').contains(&digit) } else { digit.is_ascii_digit() };
        if !allowed {
            return Err(Refusal::StatusLine.into());
        }
        status = status * 10 + u16::from(digit - b'0');
    }
    Ok(status)
}

/// What the fields said so far.
#[derive(Default)]
struct Facts {
    framing: Framing,
    connection: ConnectionOptions,
}

impl Facts {
    fn note(&mut self, known: Known, value: &[u8], version: Version) -> Result<(), Refusal> {
        match known {
            Known::ContentLength => self.framing.note_length(value)?,
            Known::TransferEncoding => self.framing.note_coding(value, version)?,
            Known::Connection => self.connection.note(value)?,
            Known::Upgrade => self.connection.note_upgrade(value),
            Known::Other
            | Known::Host
            | Known::HopByHop
            | Known::Proxy
            | Known::Trailer
            | Known::Expect
            | Known::Via
            | Known::Forwarded
            | Known::XForwardedFor
            | Known::XForwardedProto
            | Known::XForwardedHost
            | Known::ForwardingClaim
            | Known::Lookalike
            | Known::Date
            | Known::HeadOnly => {}
        }
        Ok(())
    }

    fn conclude<'a>(
        &self,
        line: &StatusLine<'a>,
        asked: Asked,
        fields: Fields<'a>,
    ) -> Result<ResponseHead<'a>, Refusal> {
        let body = self.body(line.status, asked)?;
        let stray_body = line.status == 204 && self.framing.announces_bytes();
        let open_end = body == ResponseBody::UntilClose;
        Ok(ResponseHead {
            status: line.status,
            reason: line.reason,
            version: line.version,
            body,
            // A 204 that announces bytes may well send them: they must not be read as the next answer.
            keep_alive: self.connection.keeps_alive(line.version) && !open_end && !stray_body,
            fields,
            framing: self.framing,
        })
    }

    /// RFC 9112 §6.3, in its order.
    fn body(&self, status: u16, asked: Asked) -> Result<ResponseBody, Refusal> {
        match status {
            101 if asked == Asked::Upgrade && self.connection.names_websocket() => {
                Ok(ResponseBody::UntilClose)
            }
            101 => Err(Refusal::UpgradeUnasked),
            100..=199 if self.framing.announces_bytes() => Err(Refusal::InterimFraming),
            100..=199 | 204 | 304 => Ok(ResponseBody::None),
            _ if asked == Asked::Head => Ok(ResponseBody::None),
            _ => Ok(self.framing.response_body()),
        }
    }
}

#[cfg(test)]
mod tests;
