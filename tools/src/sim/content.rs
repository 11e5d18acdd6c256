//! The bytes of bodies: a function of the exchange, the direction and the offset, so that each end can check
//! every byte by itself.

use std::sync::OnceLock;

use dataplane::stdx::prng::Prng;

/// A prime, so that equal steps of offset and of exchange do not meet.
const TABLE_BYTES: usize = 65_521;

/// Of every three exchanges one has a body of noise, the others have text: what compression finds.
const WORDS: [&str; 8] = ["<div class=\"", "\">", "</div>\n", "customer", " ", "delivery ", "42", "{\"id\":"];

fn tables() -> &'static [Vec<u8>; 2] {
    static TABLES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut noise = vec![0; TABLE_BYTES];
        Prng::new(1).fill(&mut noise);
        let text = noise.iter().flat_map(|byte| WORDS[usize::from(byte % 8)].bytes());
        let text = text.take(TABLE_BYTES).collect();
        [noise, text]
    })
}

/// One body: of an exchange, up or down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    start: usize,
    is_text: bool,
}

impl Content {
    pub(crate) fn new(exchange: u32, is_answer: bool) -> Self {
        let start = (exchange as usize * 7_919 + usize::from(is_answer) * 30_011) % TABLE_BYTES;
        Self { start, is_text: !exchange.is_multiple_of(3) }
    }

    /// Appends the bytes from `offset` on.
    pub(crate) fn append(self, offset: usize, count: usize, into: &mut Vec<u8>) {
        self.runs(offset, count, |run, _| {
            into.extend_from_slice(run);
            true
        });
    }

    /// Whether `bytes` are those from `offset` on.
    pub(crate) fn is(self, offset: usize, bytes: &[u8]) -> bool {
        self.runs(offset, bytes.len(), |run, at| &bytes[at..at + run.len()] == run)
    }

    fn runs(self, offset: usize, count: usize, mut visit: impl FnMut(&[u8], usize) -> bool) -> bool {
        let mut done = 0;
        while done < count {
            let from = (self.start + offset + done) % TABLE_BYTES;
            let length = (count - done).min(TABLE_BYTES - from);
            if !visit(&tables()[usize::from(self.is_text)][from..from + length], done) {
                return false;
            }
            done += length;
        }
        true
    }
}
