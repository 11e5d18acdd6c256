//! Fuzz entries for what keeps order: the packets that came with the ranges of an ACK, and the pieces of a stream. Both
//! are held against models that are too simple to be wrong.

use crate::time::Instant;
use crate::tmp::ack_frame::{Ack, AckHeader};
use crate::tmp::carrier::Ecn;
use crate::tmp::frame::{Frame, Frames};
use crate::tmp::frame_writer::FrameWriter;
use crate::tmp::fuzz_input::Input;
use crate::tmp::id::PathId;
use crate::tmp::limits::{ACK_RANGES_ACCEPTED_MAX, ACK_RANGES_SENT_MAX, PAYLOAD_BYTES_BASE};
use crate::tmp::reassembly::{Reassembly, ReceiveMemory};
use crate::tmp::received::{NUMBERS, Received};
use std::collections::BTreeSet;

/// `bytes` as the content of an ACK, and as the steps from each received number to the next.
pub fn fuzz_ack_ranges(bytes: &[u8]) {
    if let Ok((ack, _)) = Ack::decode(bytes) {
        ranges_fall(&ack, u64::from(ack.header.largest_low));
        ranges_fall(&ack, u64::from(ack.header.largest_low) | 1 << 40);
    }
    let mut input = Input(bytes);
    let (mut received, mut model) = (Received::new(), BTreeSet::new());
    while !input.is_over() {
        let end = model.last().map_or(0, |last| last + 1);
        let number = match input.u8() {
            step @ 0..=0x7f => end + u64::from(step),
            step @ 0x80..=0xfd => end.saturating_sub(u64::from(step - 0x7f)),
            0xfe => end + u64::from(input.u16()),
            _ => end.saturating_sub(u64::from(input.u16())),
        };
        let is_new = number + NUMBERS >= end && !model.contains(&number);
        assert_eq!(received.is_new(number), is_new, "{number} of {end}");
        if is_new {
            received.record(Instant::ORIGIN, number, true, Ecn::NotCapable);
            model.insert(number);
        }
    }
    reported(&received, &model);
}

/// The ranges of one ACK fall, leave gaps, and are no more than are accepted.
fn ranges_fall(ack: &Ack<'_>, largest: u64) {
    let Some(ranges) = ack.ranges(largest) else { return };
    let (mut above, mut count) = (None, 0);
    for (first, last) in ranges {
        assert!(first <= last && above.is_none_or(|above: u64| last + 1 < above), "{first} {last} {above:?}");
        above = Some(first);
        count += 1;
    }
    assert!((1..=ACK_RANGES_ACCEPTED_MAX).contains(&count), "{count} ranges");
}

/// What an ACK says of the numbers is what the model knows, as far as an ACK goes.
fn reported(received: &Received, model: &BTreeSet<u64>) {
    let Some(largest) = model.last() else { return };
    let mut room = [0; PAYLOAD_BYTES_BASE];
    let mut writer = FrameWriter::new(&mut room);
    let header = AckHeader { largest_low: *largest as u32, ..received.header(Instant::ORIGIN, PathId(0)) };
    assert!(writer.put_ack(&header, received.ranges()), "an empty packet has room for an ACK");
    let len = writer.len();
    let Some(Ok(Frame::Ack(ack))) = Frames::new(&room[..len]).next() else { panic!("it reads as an ACK") };
    let bottom = (largest + 1).saturating_sub(NUMBERS);
    let mut numbers = model.range(bottom..).rev().copied();
    let mut count = 0;
    for (first, last) in ack.ranges(*largest).into_iter().flatten() {
        assert!((first..=last).rev().all(|number| numbers.next() == Some(number)), "{first} to {last}");
        count += 1;
    }
    assert!(count == ACK_RANGES_SENT_MAX || numbers.next().is_none(), "all is reported, or as much as fits");
}

/// The longest stream of a run.
const STREAM_BYTES: usize = 1_024;
/// Blocks that are enough for any order of pieces: one per byte.
const BLOCKS: usize = STREAM_BYTES + 64;

/// What stands at an offset of the stream.
const fn text(offset: usize) -> u8 {
    (offset as u32).wrapping_mul(0x9e37_79b1).to_be_bytes()[0]
}

/// `bytes` as pieces of a stream that arrive, and reads between them: what comes out is the stream, in order, as far as it
/// has no hole; in the end all memory is given back.
pub fn fuzz_reassembly(bytes: &[u8]) {
    let mut input = Input(bytes);
    // Little memory in one of four runs: pieces may then be refused, and nothing else.
    let is_short = input.u8() & 3 == 0;
    let mut memory =
        ReceiveMemory::new(16, if is_short { 24 } else { BLOCKS }, if is_short { 8 } else { BLOCKS });
    let (mut stream, mut known, mut read) = (Reassembly::new(), [false; STREAM_BYTES], 0);
    while !input.is_over() {
        let offset = usize::from(input.u16()) % STREAM_BYTES;
        let count = usize::from(input.u8()).min(STREAM_BYTES - offset);
        let piece: Vec<u8> = (offset..offset + count).map(text).collect();
        match stream.insert(&mut memory, offset as u64, &piece) {
            Ok(()) => known[offset..offset + count].fill(true),
            Err(_) => assert!(is_short, "there is room"),
        }
        read = take(&mut stream, &mut memory, read, usize::from(input.u8()));
        let contiguous = known.iter().take_while(|known| **known).count();
        assert!(is_short || stream.front_end() <= contiguous as u64, "nothing is read beyond a hole");
        assert!(memory.blocks.used() <= BLOCKS, "memory is bounded");
    }
    if !is_short {
        let contiguous = known.iter().take_while(|known| **known).count();
        assert_eq!(
            take(&mut stream, &mut memory, read, STREAM_BYTES),
            contiguous,
            "all that came can be read"
        );
    }
    stream.clear(&mut memory);
    assert_eq!(memory.blocks.used(), 0, "all memory is given back");
}

/// Reads up to `count` bytes and checks them; the offset afterwards.
fn take(stream: &mut Reassembly, memory: &mut ReceiveMemory, read: usize, count: usize) -> usize {
    let (mut read, mut left) = (read, count);
    while left > 0 {
        let front = stream.front(memory);
        let count = front.len().min(left);
        if count == 0 {
            break;
        }
        assert!(front[..count].iter().enumerate().all(|(at, byte)| *byte == text(read + at)), "at {read}");
        stream.consume(memory, count);
        (read, left) = (read + count, left - count);
    }
    assert_eq!(stream.read_offset(), read as u64);
    read
}
