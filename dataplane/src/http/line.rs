//! Line ends. CR LF is the only one: RFC 9112 §2.2 lets a recipient take a bare LF, and exactly that choice is
//! what separates two readers of one message, so we do not.

use crate::http::parsed::Halt;
use crate::http::refusal::Refusal;

/// The offset after the CR LF that has to stand at `at`; `otherwise` names the mistake if something else does.
#[inline]
pub(crate) fn after_line_end(bytes: &[u8], at: usize, otherwise: Refusal) -> Result<usize, Halt> {
    match bytes.get(at) {
        None => Err(Halt::Partial),
        Some(b'\r') => match bytes.get(at + 1) {
            None => Err(Halt::Partial),
            Some(b'\n') => Ok(at + 2),
            Some(_) => Err(Refusal::BareCr.into()),
        },
        Some(&byte) => Err(stray(byte, otherwise).into()),
    }
}

/// The refusal for `byte` where it may not stand: control bytes have their own, the rest are `otherwise`.
pub(crate) fn stray(byte: u8, otherwise: Refusal) -> Refusal {
    match byte {
        b'\n' => Refusal::BareLf,
        b'\r' | b'\t' => otherwise,
        _ if byte.is_ascii_control() => Refusal::ControlByte,
        _ => otherwise,
    }
}
