//! The field names that this module treats in a way of their own. A name is looked up once, while it is parsed;
//! what emits or filters matches on the tag. Everything else is `Other` and passes through untouched.

/// The tag of a field name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Known {
    /// A name without special treatment.
    Other,
    /// Host
    Host,
    /// Content-Length
    ContentLength,
    /// Transfer-Encoding
    TransferEncoding,
    /// Connection
    Connection,
    /// Keep-Alive, Proxy-Connection, Proxy-Authenticate, Proxy-Authorization, Proxy-Authentication-Info, TE,
    /// HTTP2-Settings: of one hop only, or of a kind of proxy that we are not.
    HopByHop,
    /// Proxy, which CGI would read as the setting of an outgoing proxy (CVE-2016-5385).
    Proxy,
    /// Trailer
    Trailer,
    /// Upgrade
    Upgrade,
    /// Expect
    Expect,
    /// Via
    Via,
    /// Forwarded (RFC 7239)
    Forwarded,
    /// X-Forwarded-For
    XForwardedFor,
    /// X-Forwarded-Proto
    XForwardedProto,
    /// X-Forwarded-Host
    XForwardedHost,
    /// Other names under which a client's address or origin is claimed: X-Forwarded-Port, X-Forwarded-Server,
    /// X-Forwarded-Prefix, X-Forwarded-Scheme, X-Real-IP, X-Client-IP, X-Cluster-Client-IP, True-Client-IP.
    ForwardingClaim,
    /// One of the above with an underscore for a hyphen: CGI-like servers read both as one name.
    Lookalike,
    /// Date
    Date,
    /// A field that steers the message or describes its content and so has no place in a trailer
    /// (RFC 9110 §6.5.1); forwarded as any other in a head.
    HeadOnly,
}

/// Bytes of the longest name in the table.
const NAME_BYTES_MAX: usize = 25;

/// Names in lower case, ordered by length.
const NAMES: &[(&[u8], Known)] = &[
    (b"te", Known::HopByHop),
    (b"age", Known::HeadOnly),
    (b"via", Known::Via),
    (b"date", Known::Date),
    (b"host", Known::Host),
    (b"vary", Known::HeadOnly),
    (b"proxy", Known::Proxy),
    (b"range", Known::HeadOnly),
    (b"cookie", Known::HeadOnly),
    (b"expect", Known::Expect),
    (b"expires", Known::HeadOnly),
    (b"trailer", Known::Trailer),
    (b"upgrade", Known::Upgrade),
    (b"if-match", Known::HeadOnly),
    (b"if-range", Known::HeadOnly),
    (b"location", Known::HeadOnly),
    (b"forwarded", Known::Forwarded),
    (b"x-real-ip", Known::ForwardingClaim),
    (b"connection", Known::Connection),
    (b"keep-alive", Known::HopByHop),
    (b"set-cookie", Known::HeadOnly),
    (b"retry-after", Known::HeadOnly),
    (b"x-client-ip", Known::ForwardingClaim),
    (b"content-type", Known::HeadOnly),
    (b"max-forwards", Known::HeadOnly),
    (b"authorization", Known::HeadOnly),
    (b"cache-control", Known::HeadOnly),
    (b"content-range", Known::HeadOnly),
    (b"if-none-match", Known::HeadOnly),
    (b"content-length", Known::ContentLength),
    (b"http2-settings", Known::HopByHop),
    (b"true-client-ip", Known::ForwardingClaim),
    (b"x-forwarded-for", Known::XForwardedFor),
    (b"content-encoding", Known::HeadOnly),
    (b"proxy-connection", Known::HopByHop),
    (b"www-authenticate", Known::HeadOnly),
    (b"x-forwarded-host", Known::XForwardedHost),
    (b"x-forwarded-port", Known::ForwardingClaim),
    (b"if-modified-since", Known::HeadOnly),
    (b"transfer-encoding", Known::TransferEncoding),
    (b"x-forwarded-proto", Known::XForwardedProto),
    (b"proxy-authenticate", Known::HopByHop),
    (b"x-forwarded-prefix", Known::ForwardingClaim),
    (b"x-forwarded-scheme", Known::ForwardingClaim),
    (b"x-forwarded-server", Known::ForwardingClaim),
    (b"content-disposition", Known::HeadOnly),
    (b"if-unmodified-since", Known::HeadOnly),
    (b"proxy-authorization", Known::HopByHop),
    (b"x-cluster-client-ip", Known::ForwardingClaim),
    (b"proxy-authentication-info", Known::HopByHop),
];

/// For each length, where its names start in `NAMES`; the entry above says where they end.
static STARTS: [u8; NAME_BYTES_MAX + 2] = starts();

const fn starts() -> [u8; NAME_BYTES_MAX + 2] {
    let mut starts = [0; NAME_BYTES_MAX + 2];
    let mut length = 0;
    while length < starts.len() {
        let mut at = 0;
        while at < NAMES.len() && NAMES[at].0.len() < length {
            at += 1;
        }
        assert!(
            at == NAMES.len() || at == 0 || NAMES[at - 1].0.len() <= NAMES[at].0.len(),
            "ordered by length"
        );
        starts[length] = at as u8;
        length += 1;
    }
    starts
}

impl Known {
    /// The tag of `name`, in any case.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Self {
        let found = Self::search(name, |given, known| given.eq_ignore_ascii_case(known));
        if found == Self::Other && name.contains(&b'_') { Self::lookalike(name) } else { found }
    }

    #[inline]
    fn search(name: &[u8], equal: impl Fn(&[u8], &[u8]) -> bool) -> Self {
        if name.len() > NAME_BYTES_MAX {
            return Self::Other;
        }
        let range = usize::from(STARTS[name.len()])..usize::from(STARTS[name.len() + 1]);
        NAMES[range].iter().find(|(known, _)| equal(name, known)).map_or(Self::Other, |&(_, tag)| tag)
    }

    #[cold]
    fn lookalike(name: &[u8]) -> Self {
        let hyphenated = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        let found = Self::search(name, |given, known| {
            given.iter().map(|&byte| hyphenated(byte)).eq(known.iter().copied())
        });
        match found {
            Self::Other | Self::HeadOnly => found,
            _ => Self::Lookalike,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_every_case_and_its_neighbours_are_not() {
        for &(name, tag) in NAMES {
            assert_eq!(Known::of(name), tag);
            assert_eq!(Known::of(&name.to_ascii_uppercase()), tag);
            assert_eq!(Known::of(&name[1..]), Known::Other);
            assert_eq!(Known::of(&[name, b"x"].concat()), Known::Other);
        }
        assert_eq!(NAMES.iter().map(|(name, _)| name.len()).max(), Some(NAME_BYTES_MAX));
        assert!(NAMES.is_sorted_by_key(|(name, _)| name.len()));
    }

    #[test]
    fn underscores_make_lookalikes() {
        assert_eq!(Known::of(b"Content_Length"), Known::Lookalike);
        assert_eq!(Known::of(b"X-Forwarded_For"), Known::Lookalike);
        assert_eq!(Known::of(b"Content_Type"), Known::HeadOnly);
        assert_eq!(Known::of(b"My_Field"), Known::Other);
    }
}
