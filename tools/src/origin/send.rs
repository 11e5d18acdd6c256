//! How answers go on: seeded bytes, rendered bytes and events, as far as there is room and time.

use crate::origin::connection::{Connection, World};
use crate::origin::stage::{After, Pace, Stage};

/// Room for one server-sent event with its chunk framing, bytes.
const EVENT_BYTES_MAX: usize = 128;

impl Connection {
    pub(crate) fn send(
        &mut self,
        sent: u64,
        stop: u64,
        mut pace: Option<Pace>,
        after: After,
        world: &World<'_>,
    ) -> bool {
        if let Some(pace) = &mut pace {
            pace.grant(world.now, sent);
        }
        let allowed = pace.map_or(stop, |pace| pace.allowed.min(stop));
        let count = (allowed - sent).min(self.output.room() as u64) as usize;
        self.body.fill(sent, &mut self.output.space()[..count]);
        self.output.filled(count);
        let sent = sent + count as u64;
        self.stage = Stage::Sending { sent, stop, pace, after };
        if sent == stop {
            self.finish(after, world);
        }
        count > 0 || sent == stop
    }

    pub(crate) fn send_answer(&mut self, sent: usize, after: After, world: &World<'_>) -> bool {
        let count = (self.answer.len() - sent).min(self.output.room());
        self.output.push(&self.answer[sent..sent + count]);
        let sent = sent + count;
        self.stage = Stage::Answering { sent, after };
        if sent == self.answer.len() {
            self.finish(after, world);
        }
        count > 0 || sent == self.answer.len()
    }

    pub(crate) fn events(
        &mut self,
        mut sent: u64,
        count: u64,
        mut pace: Pace,
        chunked: bool,
        after: After,
        world: &World<'_>,
    ) -> bool {
        pace.grant(world.now, sent);
        let has_room = self.output.room() >= EVENT_BYTES_MAX;
        if sent == count && has_room {
            self.output.push(if chunked { b"0\r\n\r\n" } else { b"" });
            self.finish(after, world);
            return true;
        }
        let due = has_room && sent < pace.allowed;
        if due {
            self.event(sent, chunked);
            sent += 1;
        }
        self.stage = Stage::Events { sent, count, pace, chunked, after };
        due
    }

    fn event(&mut self, index: u64, chunked: bool) {
        if chunked {
            let bytes = 23 + 2 * (index.checked_ilog10().unwrap_or(0) + 1);
            self.output.print(format_args!("{bytes:x}\r\n"));
        }
        self.output.print(format_args!("id: {index}\ndata: {{\"event\":{index}}}\n\n"));
        if chunked {
            self.output.push(b"\r\n");
        }
    }
}
