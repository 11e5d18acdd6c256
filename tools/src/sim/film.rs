//! What a run looked like, kept for the eye: every note and every datagram of the tunnel. It goes into no hash and changes
//! nothing; a run that is not looked at keeps no film.

use std::fmt::Write as _;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives then, in µs.
    Arrives(u64),
    /// Dropped on the way, or by a path that is cut.
    Lost,
    /// Dropped because the queue was full.
    Overflowed,
    /// Larger than the path's mtu.
    TooLarge,
}

/// One datagram of the tunnel, or one copy of it.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// When it was sent, µs.
    pub at_us: u64,
    /// 0 from front-end to back-end, 1 back.
    pub way: usize,
    /// Its length.
    pub bytes: usize,
    /// Its first byte: the kind of packet.
    pub kind: u8,
    /// The low bits of a DATA packet's number.
    pub number: u32,
    /// What became of it.
    pub fate: Fate,
}

/// Something that was noted: time in µs, what, and two numbers that say which.
pub type Note = (u64, &'static str, u64, u64);

/// All of a run.
#[derive(Clone, Debug, Default)]
pub struct Film {
    /// In the order of time.
    pub notes: Vec<Note>,
    /// In the order of sending.
    pub datagrams: Vec<Sight>,
}

/// The names of the ways.
pub(crate) const WAYS: [&str; 2] = ["front to back", "back to front"];

impl Film {
    /// Notes and datagrams, a line each, in the order of time.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut datagrams = self.datagrams.iter().peekable();
        for (at_us, what, a, b) in &self.notes {
            while let Some(sight) = datagrams.next_if(|sight| sight.at_us <= *at_us) {
                sight.write(&mut text);
            }
            let _ = writeln!(text, "{:>12.6} s  {what} {a} {b}", seconds(*at_us));
        }
        datagrams.for_each(|sight| sight.write(&mut text));
        text
    }
}

impl Sight {
    fn write(&self, text: &mut String) {
        let kind = match self.kind {
            0x11 => "INIT".to_owned(),
            0x12 => "RESP".to_owned(),
            0x13 => "COOKIE".to_owned(),
            0x14 => format!("DATA {}", self.number),
            0x15 => "RESET".to_owned(),
            other => format!("{other:#04x}"),
        };
        let fate = match self.fate {
            Fate::Arrives(at_us) => format!("arrives {:.6} s", seconds(at_us)),
            Fate::Lost => "lost".to_owned(),
            Fate::Overflowed => "dropped by a full queue".to_owned(),
            Fate::TooLarge => "too large for the path".to_owned(),
        };
        let (at, way, bytes) = (seconds(self.at_us), WAYS[self.way], self.bytes);
        let _ = writeln!(text, "{at:>12.6} s  {way}: {kind}, {bytes} B, {fate}");
    }
}

pub(crate) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
