//! Fuzz entry for the whole transport under a null cipher: one end of a tunnel whose peer has the right key and sends
//! whatever it likes, while the application at this end reads, writes, gives up and lets time pass.
//!
//! What must hold: no panic; memory, streams and packets in flight stay within the options; every packet that leaves reads
//! as frames and fits; at one instant only so many leave.

use crate::time::{Duration, Instant};
use crate::tmp::ack_frame::AckHeader;
use crate::tmp::carrier::{Carrier, Ecn, Fill, Handled};
use crate::tmp::event::Event;
use crate::tmp::frame::{Frames, Opening};
use crate::tmp::frame_writer::{FrameWriter, SubHeader};
use crate::tmp::fuzz_input::Input;
use crate::tmp::id::{PathId, Side, StreamId};
use crate::tmp::limits::PAYLOAD_BYTES_MIN;
use crate::tmp::options::TunnelOptions;
use crate::tmp::place::Bearer;
use crate::tmp::spread::PathUse;
use crate::tmp::tunnel::Tunnel;
use std::collections::VecDeque;

const STREAMS: usize = 8;
const IN_FLIGHT: usize = 64;
/// Longest payload that the input makes.
const PAYLOAD_BYTES: usize = 255;
/// More packets than this do not leave at one instant: the window's, as many ACKs and control packets, and some probes.
const PACKETS_AT_ONCE: usize = 4 * IN_FLIGHT;

fn options() -> TunnelOptions {
    let options = TunnelOptions {
        streams_max: STREAMS,
        block_bytes: 256,
        send_budget_bytes: 64 << 10,
        send_buffer_bytes: 4 << 10,
        send_buffer_bytes_max: 16 << 10,
        receive_window_bytes: 2 << 10,
        receive_window_bytes_max: 16 << 10,
        credit_bytes_min: 1 << 10,
        packets_in_flight_max: IN_FLIGHT,
        ..TunnelOptions::default()
    };
    TunnelOptions { receive_budget_bytes: 2 * options.receive_budget_bytes_min(), ..options }
}

/// Streams with bytes to send, in turn.
#[derive(Debug, Default)]
struct Turns(VecDeque<(StreamId, usize)>);

impl Turns {
    fn set(&mut self, stream: StreamId, bytes: usize) {
        self.0.retain(|(other, _)| *other != stream);
        if bytes > 0 {
            self.0.push_back((stream, bytes));
        }
    }
}

impl Fill for Turns {
    fn next(&mut self, room: usize) -> Option<(StreamId, usize)> {
        let (stream, waiting) = self.0.pop_front()?;
        let bytes = waiting.min(room).min(512);
        if waiting > bytes {
            self.0.push_back((stream, waiting - bytes));
        }
        Some((stream, bytes))
    }
}

struct Victim {
    tunnel: Tunnel,
    side: Side,
    now: Instant,
    turns: Turns,
    streams: Vec<StreamId>,
    /// Numbers of packets sent, and the next number of the peer.
    sent: u64,
    next: u64,
    is_over: bool,
}

/// `bytes` as what the peer and the application do.
pub fn fuzz_tunnel(bytes: &[u8]) {
    let mut input = Input(bytes);
    let side = if input.u8() & 1 == 0 { Side::Acceptor } else { Side::Initiator };
    let mut victim = Victim::new(side);
    while !input.is_over() && !victim.is_over {
        victim.step(&mut input);
        victim.drain();
        victim.check();
    }
    victim.send_all();
}

impl Victim {
    fn new(side: Side) -> Self {
        let now = Instant::from_us(1_000_000);
        let mut tunnel = Tunnel::new(&options(), side, now);
        tunnel.on_connected(now, (PathId(0), Bearer::Datagrams), PathUse::default());
        let (turns, streams) = (Turns::default(), Vec::new());
        Self { tunnel, side, now, turns, streams, sent: 0, next: 0, is_over: false }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 10 {
            0 => {
                let count = usize::from(input.u8());
                let payload = input.bytes(count);
                self.receive(input.u8(), payload);
            }
            1 | 2 => self.piece(input),
            3 => self.acknowledge(input),
            4 => self.pass(u64::from(input.u16()) * 16),
            5 => self.send_all(),
            6 => self.open_and_write(input),
            7 => self.read(input),
            8 => self.give_up(input),
            _ => {
                self.tunnel.handle_batch_end(self.now);
                self.pass(u64::from(input.u8()) * 50_000);
            }
        }
    }

    /// A payload of the peer: mostly under the next number, else under one before or beyond.
    fn receive(&mut self, jump: u8, payload: &[u8]) {
        let number = match jump {
            0..=0xdf => self.next,
            0xe0..=0xef => self.next.saturating_sub(u64::from(jump - 0xdf)),
            _ => self.next + u64::from(jump - 0xef) * 1_500,
        };
        self.next = self.next.max(number + 1);
        let ecn = Ecn::from_bits(jump);
        let handled = self.tunnel.handle_packet(self.now, (PathId(0), number), ecn, payload);
        self.is_over = matches!(handled, Handled::Violation | Handled::Closed { .. });
    }

    /// A piece of a stream that is well-formed, whatever else it is.
    fn piece(&mut self, input: &mut Input<'_>) {
        let kind = input.u8();
        let stream = StreamId { slot: u16::from(input.u8() % 4), generation: input.u8() % 3 };
        let offset_low = u32::from(input.u16());
        let opening = Opening { class: kind, kind, credit_bytes: u32::from(input.u16()) };
        let header = SubHeader {
            stream,
            offset_low,
            is_final: kind & 1 != 0,
            opening: (self.side == Side::Acceptor || kind & 2 != 0).then_some(opening),
        };
        let mut payload = [0; PAYLOAD_BYTES];
        let mut writer = FrameWriter::new(&mut payload);
        let len = usize::from(input.u8()) % 200;
        if writer.put_sub(&header, len).is_some() {
            let len = writer.len();
            self.receive(input.u8(), &payload[..len]);
        }
    }

    /// An ACK of packets most of which were sent.
    fn acknowledge(&mut self, input: &mut Input<'_>) {
        let Some(newest) = self.sent.checked_sub(1) else { return };
        let largest = newest.saturating_sub(u64::from(input.u8() % 16));
        let first = largest.saturating_sub(u64::from(input.u8() % 32));
        let header = AckHeader {
            path: 0,
            largest_low: largest as u32,
            delay_units: input.u16(),
            rx_time_us: u32::from(input.u16()) << 8,
            ecn: None,
        };
        let below = first.checked_sub(u64::from(input.u8() % 4) + 2);
        let ranges = [Some((first, largest)), below.map(|last| (last.saturating_sub(3), last))];
        let mut payload = [0; PAYLOAD_BYTES];
        let mut writer = FrameWriter::new(&mut payload);
        if writer.put_ack(&header, ranges.into_iter().flatten()) {
            let len = writer.len();
            self.receive(0, &payload[..len]);
        }
    }

    fn pass(&mut self, us: u64) {
        self.now += Duration::from_micros(us);
        self.tunnel.tick(self.now);
    }

    fn open_and_write(&mut self, input: &mut Input<'_>) {
        if self.side == Side::Initiator
            && input.u8() & 1 == 0
            && let Ok(stream) = self.tunnel.open(input.u8(), 0)
        {
            self.streams.push(stream);
        }
        if let Some(stream) = self.chosen(input) {
            let count = usize::from(input.u16()) % 6_000;
            self.tunnel.write(stream, &vec![b'w'; count]);
            if input.u8() & 3 == 0 {
                self.tunnel.finish(stream);
            }
        }
    }

    fn read(&mut self, input: &mut Input<'_>) {
        if let Some(stream) = self.chosen(input) {
            let count = self.tunnel.read(stream).len().min(usize::from(input.u16()));
            self.tunnel.consumed(stream, count);
        }
    }

    fn give_up(&mut self, input: &mut Input<'_>) {
        let Some(stream) = self.chosen(input) else { return };
        match input.u8() % 5 {
            0 => self.tunnel.finish(stream),
            1 => self.tunnel.reset(stream, 7),
            2 => self.tunnel.stop(stream, 7),
            3 => self.tunnel.abort(stream, 7),
            _ => self.tunnel.set_class(stream, input.u8()),
        }
    }

    fn chosen(&self, input: &mut Input<'_>) -> Option<StreamId> {
        self.streams.get(usize::from(input.u8()) % self.streams.len().max(1)).copied()
    }

    /// As the contract has it: events, then what may be sent.
    fn drain(&mut self) {
        while let Some(event) = self.tunnel.poll_event() {
            match event {
                Event::Opened { stream, .. } => self.streams.push(stream),
                Event::Closed(stream) => {
                    self.streams.retain(|other| *other != stream);
                    self.turns.set(stream, 0);
                }
                _ => {}
            }
        }
        while let Some(sendable) = self.tunnel.poll_sendable() {
            self.turns.set(sendable.stream, sendable.bytes);
        }
    }

    fn send_all(&mut self) {
        for _ in 0..PACKETS_AT_ONCE {
            self.drain();
            let room = self.tunnel.payload_bytes_next(self.now, PathId(0));
            let mut payload = vec![0; room];
            let Some(filled) = self.tunnel.fill_packet(self.now, PathId(0), &mut payload, &mut self.turns)
            else {
                return;
            };
            assert!((PAYLOAD_BYTES_MIN..=room).contains(&filled.len_bytes), "{} B", filled.len_bytes);
            assert_eq!(filled.number, self.sent, "numbers are consecutive");
            self.sent += 1;
            assert!(
                Frames::new(&payload[..filled.len_bytes]).all(|frame| frame.is_ok()),
                "what leaves reads"
            );
        }
        panic!("packets leave without end");
    }

    fn check(&self) {
        let (state, options) = (self.tunnel.snapshot(), options());
        assert!(state.streams_open <= STREAMS as u64, "{} streams", state.streams_open);
        assert!(state.send_buffered_bytes <= options.send_budget_bytes as u64, "send memory");
        assert!(state.receive_buffered_bytes <= options.receive_budget_bytes as u64, "receive memory");
        let in_flight_bytes = state.in_flight_bytes;
        assert!(in_flight_bytes <= (IN_FLIGHT * 65_535) as u64, "{in_flight_bytes} B in flight");
        assert!(self.streams.len() <= STREAMS, "the application knows no more than there are");
    }
}
