//! The bytes of a fuzzer as a sequence of choices. An input that ends gives zeroes; `is_over` ends the run.

/// What is left of an input.
#[derive(Debug)]
pub(in crate::tmp) struct Input<'a>(pub(in crate::tmp) &'a [u8]);

impl<'a> Input<'a> {
    pub(in crate::tmp) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::tmp) fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(in crate::tmp) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    /// At most so many bytes.
    pub(in crate::tmp) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
