//! A fixed buffer that is filled at its end and drained at its front. It never grows: who fills looks at the room
//! first, and a buffer without room is how back-pressure is felt.

/// The buffer.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty buffer for `capacity_bytes`.
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self { bytes: vec![0; capacity_bytes].into_boxed_slice(), start: 0, end: 0 }
    }

    /// What is in it.
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes that still fit.
    pub(crate) fn room(&self) -> usize {
        self.bytes.len() - (self.end - self.start)
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(count <= self.end - self.start, "only what is there is consumed");
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// The room, in one piece; tell `filled` how much of it was used.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.bytes[self.end..]
    }

    /// Keeps the first `count` bytes of what `space` gave.
    pub(crate) fn filled(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.end, "only the space given is filled");
        self.end += count;
    }

    /// Appends `bytes`, for which the caller has seen room.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room(), "the caller looked at the room");
        self.space()[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// Appends formatted text, for which the caller has seen room.
    pub(crate) fn print(&mut self, text: core::fmt::Arguments<'_>) {
        let fits = core::fmt::Write::write_fmt(self, text).is_ok();
        assert!(fits, "pushing into a buffer does not fail");
    }
}

impl core::fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let mut buffer = Buffer::new(8);
        buffer.push(b"abcdef");
        buffer.consume(4);
        assert_eq!(buffer.room(), 6);
        buffer.print(format_args!("{}", 123_456));
        assert_eq!((buffer.data(), buffer.room()), (&b"ef123456"[..], 0));
        buffer.consume(8);
        assert!(buffer.is_empty() && buffer.space().len() == 8);
    }
}
