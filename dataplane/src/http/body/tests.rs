//! Bodies: ends, bounds and refusals of every kind of framing, and that splitting changes nothing.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::http::chunked::{CHUNK_END, CHUNK_PREFIX_BYTES_MAX, chunk_prefix, push_last_chunk};
use crate::http::limits::Limits;

fn trailers() -> Trailers {
    Trailers::new(&Limits::default())
}

fn chunked(input: &[u8]) -> Result<(Vec<u8>, usize, bool), Refusal> {
    let (mut reader, mut trailers) = (BodyReader::for_request(RequestBody::Chunked), trailers());
    let (mut data, mut at) = (Vec::new(), 0);
    while at < input.len() && !reader.is_done() {
        let step = reader.read(&input[at..], &mut trailers)?;
        data.extend_from_slice(&input[at..][step.data]);
        at += step.consumed;
    }
    Ok((data, at, reader.is_done()))
}

#[test]
fn a_message_without_a_body_is_done_at_once_and_takes_nothing() {
    for body in [ResponseBody::None, ResponseBody::Length(0)] {
        let mut reader = BodyReader::for_response(body);
        assert!(reader.is_done() && reader.finish().is_ok());
        assert_eq!(reader.read(b"GET", &mut trailers()), Ok(Step { consumed: 0, data: 0..0, done: true }));
    }
}

#[test]
fn a_length_ends_inside_the_input() {
    let mut reader = BodyReader::for_request(RequestBody::Length(5));
    assert_eq!(reader.read(b"hel", &mut trailers()), Ok(Step { consumed: 3, data: 0..3, done: false }));
    assert_eq!(reader.remaining_bytes(), Some(2));
    assert_eq!(reader.finish(), Err(Refusal::BodyTruncated));
    assert_eq!(reader.read(b"loGET", &mut trailers()), Ok(Step { consumed: 2, data: 0..2, done: true }));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn an_open_end_takes_everything_and_may_end_anywhere() {
    let mut reader = BodyReader::for_response(ResponseBody::UntilClose);
    assert_eq!(reader.read(b"abc", &mut trailers()), Ok(Step { consumed: 3, data: 0..3, done: false }));
    assert_eq!(reader.finish(), Ok(()));
    assert_eq!(reader.remaining_bytes(), None);
}

#[test]
fn chunks_give_their_data_and_leave_what_follows() {
    let input = b"5\r\nhello\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET";
    assert_eq!(chunked(input), Ok((b"hello0123456789".to_vec(), input.len() - 3, true)));
    assert_eq!(chunked(&input[..20]).map(|(.., done)| done), Ok(false));
}

#[test]
fn the_largest_size_is_taken_and_one_digit_more_is_not() {
    let (_, consumed, done) = chunked(b"ffffffffffffffff\r\nabc").unwrap();
    assert_eq!((consumed, done), (21, false));
    assert_eq!(chunked(b"0ffffffffffffffff\r\n"), Err(Refusal::ChunkSize));
}

#[test]
fn many_small_chunks_with_long_extensions_are_refused_and_without_are_not() {
    let fat = [b"1;".as_slice(), &[b'x'; 200], b"\r\na\r\n"].concat().repeat(100);
    assert_eq!(chunked(&fat), Err(Refusal::ChunkOverhead));
    let lean = b"1\r\na\r\n".repeat(100_000);
    assert_eq!(chunked(&lean).map(|(data, ..)| data.len()), Ok(100_000));
}

#[test]
fn extensions_are_bounded() {
    let with = |bytes| [b"1;".as_slice(), &vec![b'x'; bytes], b"\r\na\r\n0\r\n\r\n"].concat();
    assert!(chunked(&with(256)).is_ok());
    assert_eq!(chunked(&with(300)), Err(Refusal::ChunkExtension));
}

/// Every state answers every class of byte with another state or its own refusal: the whole table.
#[test]
fn the_table_of_states_is_as_drawn() {
    use Refusal::{BareCr, BareLf, ChunkEnd, ChunkSize};
    use State::{DataCr, DataLf, Done, EndLf, Extension, Size, SizeLf, TrailerStart};
    let rows: [(State, [Result<State, Refusal>; 5]); 7] = [
        (Size, [Ok(SizeLf), Err(BareLf), Ok(Extension), Ok(Size), Err(ChunkSize)]),
        (Extension, [Ok(SizeLf), Err(BareLf), Ok(Extension), Ok(Extension), Ok(Extension)]),
        (SizeLf, [Err(BareCr), Ok(State::Data), Err(BareCr), Err(BareCr), Err(BareCr)]),
        (DataCr, [Ok(DataLf), Err(ChunkEnd), Err(ChunkEnd), Err(ChunkEnd), Err(ChunkEnd)]),
        (DataLf, [Err(ChunkEnd), Ok(Size), Err(ChunkEnd), Err(ChunkEnd), Err(ChunkEnd)]),
        (TrailerStart, [Ok(EndLf), Err(BareLf), Err(BareLf), Err(BareLf), Err(BareLf)]),
        (EndLf, [Err(BareCr), Ok(Done), Err(BareCr), Err(BareCr), Err(BareCr)]),
    ];
    for (state, answers) in rows {
        for (byte, answer) in [b'\r', b'\n', b';', b'5', b'x'].into_iter().zip(answers) {
            let mut reader = BodyReader { remaining: 1, line_bytes: 1, excess_bytes: 0, state };
            assert_eq!(reader.after_framing(byte), answer, "{state:?} on {}", byte.escape_ascii());
        }
    }
}

proptest! {
    /// Any data in any chunks, read in any pieces, is the data.
    #[test]
    fn chunks_round_trip_over_any_splits(
        data in proptest::collection::vec(any::<u8>(), 0..400),
        chunk_bytes in 1_usize..90,
        pieces in proptest::collection::vec(1_usize..40, 1..30),
    ) {
        let mut wire = Vec::new();
        for chunk in data.chunks(chunk_bytes) {
            wire.extend_from_slice(chunk_prefix(chunk.len(), &mut [0; CHUNK_PREFIX_BYTES_MAX]));
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(CHUNK_END);
        }
        let mut kept = trailers();
        kept.take(b"X-Sum:1\r\n").unwrap();
        push_last_chunk(&kept, &mut wire);
        wire.extend_from_slice(b"next");

        let (mut reader, mut got) = (BodyReader::for_request(RequestBody::Chunked), trailers());
        let (mut read, mut at) = (Vec::new(), 0);
        for piece_bytes in pieces.iter().cycle() {
            let piece = &wire[at..wire.len().min(at + piece_bytes)];
            let step = reader.read(piece, &mut got).unwrap();
            prop_assert!(step.consumed > 0);
            read.extend_from_slice(&piece[step.data]);
            at += step.consumed;
            if step.done {
                break;
            }
        }
        prop_assert_eq!(read, data);
        prop_assert_eq!(&wire[at..], b"next");
        prop_assert_eq!(got.lines(), b"X-Sum: 1\r\n");
    }
}
