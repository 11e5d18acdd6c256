//! Request methods (RFC 9110 §9). Any token is forwarded; the standard ones have known properties.

use crate::http::limits::METHOD_BYTES_MAX;
use crate::http::refusal::Refusal;

/// A method; its bytes are in the head beside it. CONNECT and TRACE are refused while parsing and have no variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// PATCH (RFC 5789)
    Patch,
    /// Any other token; nothing is known of it, so it counts as unsafe.
    Other,
}

impl Method {
    /// The method that a whole token names. Methods are case-sensitive.
    pub(crate) fn parse(token: &[u8]) -> Result<Self, Refusal> {
        Ok(match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"" => return Err(Refusal::Method),
            // 501 and not 405: we support it for no resource at all, and 405 would promise an Allow per resource.
            b"CONNECT" => return Err(Refusal::Connect),
            b"TRACE" => return Err(Refusal::Trace),
            _ if token.len() > METHOD_BYTES_MAX => return Err(Refusal::MethodLong),
            _ => Self::Other,
        })
    }

    /// True if the request asks for no change (RFC 9110 §9.2.1).
    pub const fn is_safe(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Options => true,
            Self::Post | Self::Put | Self::Delete | Self::Patch | Self::Other => false,
        }
    }

    /// True if asking twice is as good as once, so that a lost request may be sent again (RFC 9110 §9.2.2).
    pub const fn is_idempotent(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Options | Self::Put | Self::Delete => true,
            Self::Post | Self::Patch | Self::Other => false,
        }
    }
}
