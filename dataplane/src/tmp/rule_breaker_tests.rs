//! A peer with the right key that breaks every rule of frames and streams, one at a time: each is answered by the end of the
//! tunnel, or by nothing at all where it may be an honest packet that comes late. And one that only asks for too much.

use crate::time::Instant;
use crate::tmp::ack_frame::AckHeader;
use crate::tmp::carrier::{Carrier, Ecn, Fill, Handled};
use crate::tmp::event::Event;
use crate::tmp::frame::{Frame, Opening, Quality};
use crate::tmp::frame_writer::{FrameWriter, SubHeader};
use crate::tmp::id::{PathId, Side, StreamId};
use crate::tmp::options::TunnelOptions;
use crate::tmp::place::Bearer;
use crate::tmp::spread::PathUse;
use crate::tmp::tunnel::Tunnel;

const STREAMS: usize = 4;
const NOW: Instant = Instant::from_us(1_000_000);

fn options() -> TunnelOptions {
    let options =
        TunnelOptions { streams_max: STREAMS, packets_in_flight_max: 64, ..TunnelOptions::default() };
    TunnelOptions {
        receive_budget_bytes: 2 * options.receive_budget_bytes_min(),
        send_budget_bytes: 1 << 20,
        ..options
    }
}

fn tunnel(side: Side) -> Tunnel {
    let mut tunnel = Tunnel::new(&options(), side, NOW);
    tunnel.on_connected(NOW, (PathId(0), Bearer::Datagrams), PathUse::default());
    tunnel
}

const fn stream(slot: u16, generation: u8) -> StreamId {
    StreamId { slot, generation }
}

fn piece(id: StreamId, offset_low: u32, is_final: bool, opens: bool, data: &[u8]) -> Vec<u8> {
    let opening = opens.then_some(Opening { class: 255, kind: 255, credit_bytes: u32::MAX });
    let mut payload = [0; 1_500];
    let mut writer = FrameWriter::new(&mut payload);
    let header = SubHeader { stream: id, offset_low, is_final, opening };
    writer.put_sub(&header, data.len()).unwrap().copy_from_slice(data);
    let len = writer.len();
    payload[..len].to_vec()
}

fn frames(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut payload = [0; 1_500];
    let mut writer = FrameWriter::new(&mut payload);
    frames.iter().for_each(|frame| assert!(writer.put(frame)));
    let len = writer.len();
    payload[..len].to_vec()
}

fn ack(largest_low: u32, ranges: &[(u64, u64)]) -> Vec<u8> {
    let header = AckHeader { path: 0, largest_low, delay_units: 0, rx_time_us: 0, ecn: None };
    let mut payload = [0; 1_500];
    let mut writer = FrameWriter::new(&mut payload);
    assert!(writer.put_ack(&header, ranges.iter().copied()));
    let len = writer.len();
    payload[..len].to_vec()
}

/// What became of the last of these payloads; those before it are taken.
fn last_of(tunnel: &mut Tunnel, payloads: &[Vec<u8>]) -> Handled {
    let mut handled = Handled::New;
    for (number, payload) in payloads.iter().enumerate() {
        assert_eq!(handled, Handled::New, "payload {number} is good");
        handled = tunnel.handle_packet(NOW, (PathId(0), number as u64), Ecn::NotCapable, payload);
        while tunnel.poll_event().is_some() {}
    }
    handled
}

/// [TMP-40] [TMP-40.1] [TMP-40.2] [TMP-44.1] [TMP-44.2] [TMP-45] [TMP-112.2]
#[test]
fn each_broken_rule_ends_the_tunnel() {
    let (open, far) = (piece(stream(0, 0), 0, false, true, b"0123456789"), 1 << 20);
    let cases: &[(&str, Side, &[Vec<u8>])] = &[
        ("a stream that was never opened", Side::Acceptor, &[piece(stream(0, 0), 0, false, false, b"x")]),
        ("the acceptor opens a stream", Side::Initiator, &[piece(stream(0, 0), 0, false, true, b"x")]),
        (
            "a stream that the opener never opened",
            Side::Initiator,
            &[piece(stream(0, 0), 0, true, false, b"")],
        ),
        ("beyond the credit", Side::Acceptor, &[piece(stream(0, 0), far, false, true, b"x")]),
        (
            "beyond the end",
            Side::Acceptor,
            &[piece(stream(0, 0), 0, true, true, b"0123456789"), piece(stream(0, 0), 10, false, true, b"x")],
        ),
        (
            "another end",
            Side::Acceptor,
            &[
                piece(stream(0, 0), 0, true, true, b"0123456789"),
                piece(stream(0, 0), 0, true, true, b"01234"),
            ],
        ),
        (
            "an end before bytes that came",
            Side::Acceptor,
            &[open.clone(), piece(stream(0, 0), 0, true, true, b"012")],
        ),
        ("an ACK of what was never sent", Side::Acceptor, &[ack(7, &[(7, 7)])]),
        ("ranges below zero", Side::Acceptor, &[vec![2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]]),
        (
            "too many ranges",
            Side::Acceptor,
            &[[&[2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 64][..], &[0; 129]].concat()],
        ),
        ("flags of ACK", Side::Acceptor, &[vec![2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]),
        ("an unknown type", Side::Acceptor, &[vec![0x30]]),
        ("types that are gone", Side::Acceptor, &[vec![0x07]]),
        ("padding that says something", Side::Acceptor, &[vec![0, 0, 1]]),
        ("a cut frame", Side::Acceptor, &[open[..open.len() - 12].to_vec()]),
        ("the slot that is not used", Side::Acceptor, &[vec![0x0b, 0xff, 0xff, 0, 1]]),
        ("BLOCKED of neither kind", Side::Acceptor, &[vec![0x11, 2]]),
        ("a good frame before a bad one", Side::Acceptor, &[[&open[..], &[0x30]].concat()]),
    ];
    for (name, side, payloads) in cases {
        let mut tunnel = tunnel(*side);
        assert_eq!(last_of(&mut tunnel, payloads), Handled::Violation, "{name}");
        assert_eq!(tunnel.snapshot().counters.violations, 1, "{name}");
    }
}

/// [TMP-40.2] [TMP-41.1] [TMP-46.1] [TMP-49] [TMP-112.1]
#[test]
fn what_may_be_late_or_means_nothing_changes_nothing() {
    let id = stream(3, 0);
    let unknown = frames(&[
        Frame::Credit { stream: id, offset_max_low: u32::MAX },
        Frame::Reset { stream: id, code: 9, final_offset_low: u32::MAX },
        Frame::Stop { stream: id, code: 9 },
        Frame::Prio { stream: id, class: 255 },
        Frame::TunnelCredit { bytes_max: u64::MAX },
        Frame::AckPolicy { path: 255, every_packets: 0, delay_units_max: 0 },
        Frame::Quality(Quality { interval_ms: 0, srtt_us: u32::MAX, ..Quality::default() }),
        Frame::PathResponse(4),
    ]);
    for side in [Side::Acceptor, Side::Initiator] {
        let mut tunnel = tunnel(side);
        assert_eq!(last_of(&mut tunnel, core::slice::from_ref(&unknown)), Handled::New);
        assert_eq!((tunnel.snapshot().streams_open, tunnel.snapshot().counters.late_frames), (0, 4));
    }
    let mut tunnel = tunnel(Side::Acceptor);
    let again = piece(id, 0, false, true, b"hello");
    let lower = frames(&[Frame::Credit { stream: id, offset_max_low: 1 }]);
    let over = piece(stream(3, 200), 0, false, true, b"x");
    assert_eq!(last_of(&mut tunnel, &[again.clone(), again, lower, over]), Handled::New);
    assert_eq!(tunnel.snapshot().streams_open, 1, "the other generation is long over");
    assert_eq!((tunnel.read(id), tunnel.class(id)), (&b"hello"[..], Some(255)));
}

/// Grants everything, first come first served.
struct All(Vec<(StreamId, usize)>);

impl Fill for All {
    fn next(&mut self, room: usize) -> Option<(StreamId, usize)> {
        let (id, left) = self.0.first_mut()?;
        let granted = (*id, room.min(*left));
        *left -= granted.1;
        self.0.retain(|(_, left)| *left > 0);
        Some(granted)
    }
}

/// Packets that the tunnel sends at this instant, by their first frames' types.
fn packets(tunnel: &mut Tunnel) -> usize {
    let mut all = All(Vec::new());
    while let Some(sendable) = tunnel.poll_sendable() {
        all.0.push((sendable.stream, sendable.bytes));
    }
    let mut payload = [0; 1_500];
    let room = tunnel.payload_bytes_next(NOW, PathId(0));
    core::iter::from_fn(|| tunnel.fill_packet(NOW, PathId(0), &mut payload[..room], &mut all))
        .take(1_000)
        .count()
}

/// [TMP-100] [TMP-114]
#[test]
fn more_streams_than_there_is_room_for_are_not_taken_and_not_acknowledged() {
    let mut tunnel = tunnel(Side::Acceptor);
    for slot in 0..200 {
        let opening = piece(stream(slot, 0), 0, false, true, b"x");
        assert_eq!(
            tunnel.handle_packet(NOW, (PathId(0), slot.into()), Ecn::NotCapable, &opening),
            Handled::New
        );
    }
    let opened =
        core::iter::from_fn(|| tunnel.poll_event()).filter(|event| matches!(event, Event::Opened { .. }));
    assert_eq!(opened.count(), STREAMS);
    let state = tunnel.snapshot();
    assert_eq!((state.streams_open, state.counters.refused_packets), (STREAMS as u64, 196));
    // A packet that was not acknowledged may come again: it is no duplicate.
    let again = piece(stream(100, 0), 0, false, true, b"x");
    assert_eq!(tunnel.handle_packet(NOW, (PathId(0), 100), Ecn::NotCapable, &again), Handled::New);
    assert_eq!(tunnel.snapshot().counters.refused_packets, 197);
}

/// [TMP-52] [TMP-100.1]
#[test]
fn a_flood_of_questions_is_answered_once() {
    let mut tunnel = tunnel(Side::Acceptor);
    packets(&mut tunnel);
    let questions = frames(&[Frame::PathChallenge(1); 100]);
    for number in 0..1_000 {
        assert_eq!(tunnel.handle_packet(NOW, (PathId(0), number), Ecn::NotCapable, &questions), Handled::New);
    }
    tunnel.handle_batch_end(NOW);
    let answers = packets(&mut tunnel);
    assert!(answers <= 2, "{answers} packets for a thousand");
    // What asks for nothing gets nothing.
    let silent = frames(&[Frame::Pad(40)]);
    for number in 1_000..1_100 {
        tunnel.handle_packet(NOW, (PathId(0), number), Ecn::NotCapable, &silent);
    }
    tunnel.handle_batch_end(NOW);
    assert_eq!(packets(&mut tunnel), 0);
}
