//! What can be wrong with what a peer sends, and the codes that a CLOSE frame carries.

/// Why a payload's frames cannot be read. [TMP-45]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A frame runs over the end of the payload.
    Truncated,
    /// No frame has this type.
    UnknownType(u8),
    /// Something other than zeroes follows a PAD.
    Padding,
    /// More ranges than `ACK_RANGES_ACCEPTED_MAX`, or ranges that reach below number 0.
    AckRanges,
    /// A field has a value that means nothing.
    Value,
}

/// CLOSE: the operator or the role ended the tunnel. [TMP-50]
pub const CLOSE_DONE: u16 = 0;
/// CLOSE: the peer broke the protocol. [TMP-50]
pub const CLOSE_PROTOCOL: u16 = 1;
/// CLOSE: the endpoint is going down; the peer should connect elsewhere or again. [TMP-50]
pub const CLOSE_GOING_AWAY: u16 = 2;
