//! Why a message is refused: a closed list, each with the status that a client gets and one sentence.
//! The sentences say nothing of the message's content, so they may stand on an error page. For an origin's
//! answer the role uses 502 instead of [`Refusal::status`].

macro_rules! refusals {
    ($($variant:ident $status:literal $reason:literal;)*) => {
        /// Why a message is refused. Small and `Copy`, to be counted by [`Refusal::index`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Refusal {
            $(#[doc = $reason] $variant,)*
        }

        impl Refusal {
            /// All of them, in the order of [`Refusal::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The status a client gets.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// One sentence that says what was wrong.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason,)* }
            }

            /// The name, for logs and counters.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}

refusals! {
    BareLf 400 "A line ends in a line feed without a carriage return.";
    BareCr 400 "A carriage return stands without its line feed.";
    ControlByte 400 "A control byte stands where text belongs.";
    Fold 400 "A field is folded over several lines.";
    SpaceBeforeColon 400 "White space stands before the colon of a field.";
    FieldName 400 "A field name holds a byte that is not allowed there.";
    FieldNameEmpty 400 "A field has no name.";
    Method 400 "The method is not a token.";
    MethodLong 501 "The method is longer than any that exists.";
    Connect 501 "This server is no forward proxy: it makes no tunnels to other places.";
    Trace 405 "The method TRACE is not allowed: it would show what lies between the client and the server.";
    Target 400 "The request target is not valid.";
    TargetLong 414 "The request target is too long.";
    Version 400 "The protocol version is not well-formed.";
    VersionUnsupported 505 "This protocol version is not spoken here; HTTP/1.1 is.";
    HostMissing 400 "The Host field is missing.";
    HostRepeated 400 "There is more than one Host field.";
    HostInvalid 400 "The host is not a valid name or address with an optional port.";
    ContentLengthRepeated 400 "There is more than one Content-Length.";
    ContentLengthInvalid 400 "The Content-Length is not a decimal number in range.";
    LengthAndCoding 400 "Content-Length and Transfer-Encoding stand side by side.";
    CodingRepeated 400 "There is more than one Transfer-Encoding field.";
    CodingInvalid 400 "The Transfer-Encoding is not well-formed or does not end in one chunked.";
    CodingUnknown 501 "The Transfer-Encoding names a coding other than chunked.";
    CodingInOldVersion 400 "Transfer-Encoding stands in a message of HTTP/1.0.";
    ConnectionInvalid 400 "The Connection field is not a list of tokens or is too long.";
    ExpectUnknown 417 "The expectation is not known here; 100-continue is.";
    HeadLong 431 "The head of the message is too long.";
    FieldsMany 431 "The head of the message has too many fields.";
    StatusLine 400 "The status line is not well-formed.";
    InterimFraming 400 "An interim answer announces a body.";
    InterimMany 400 "There are too many interim answers before the final one.";
    UpgradeUnasked 400 "The protocol was switched without being asked.";
    ChunkSize 400 "The size of a chunk is not a hexadecimal number in range.";
    ChunkExtension 400 "The extensions of a chunk are too long or not text.";
    ChunkEnd 400 "The data of a chunk does not end in a line end.";
    ChunkOverhead 400 "The chunks carry more framing than data.";
    TrailersLong 431 "The trailer section is too long or has too many fields.";
    BodyTruncated 400 "The connection ended inside the body.";
}

impl Refusal {
    /// A dense number from zero, for arrays of counters of length `Refusal::ALL.len()`.
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_an_error_status_a_sentence_and_its_own_index() {
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(refusal.index(), at);
            assert!((400..=599).contains(&refusal.status()));
            assert!(refusal.reason().ends_with('.'));
            assert!(!refusal.reason().contains(['<', '>', '&', '"']), "stands on a page as it is");
        }
        assert_eq!(size_of::<Refusal>(), 1);
    }
}
