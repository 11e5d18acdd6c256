//! Takes a `multipart/byteranges` body apart as its bytes come (RFC 9110 §14.6, RFC 2046 §5.1.1): each part says which
//! bytes of the object it carries, and has exactly those. What surrounds the parts is read and counts for nothing.
//!
//! ```text
//! [preamble] --boundary CRLF fields CRLF CRLF data CRLF --boundary CRLF fields … data CRLF --boundary-- [epilogue]
//! ```

use crate::http1::content_range;

/// The longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// The longest line between the data of two parts.
const LINE_BYTES_MAX: usize = 4_096;

/// What stands between the parts, as the head names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boundary {
    bytes: [u8; BOUNDARY_BYTES_MAX],
    count: usize,
}

impl Boundary {
    /// Out of a Content-Type; `None` if that is no `multipart/byteranges` or names no usable boundary.
    pub(crate) fn read(content_type: &[u8]) -> Option<Self> {
        let (kind, parameters) = core::str::from_utf8(content_type).ok()?.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/byteranges") {
            return None;
        }
        let named = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
        })?;
        let mut bytes = [0; BOUNDARY_BYTES_MAX];
        bytes.get_mut(..named.len()).filter(|room| !room.is_empty())?.copy_from_slice(named.as_bytes());
        Some(Self { bytes, count: named.len() })
    }

    /// What a line is, if it is a delimiter.
    fn delimits(&self, line: &[u8]) -> Option<Delimiter> {
        let rest = line.strip_prefix(b"--")?.strip_prefix(&self.bytes[..self.count])?;
        match rest.trim_ascii_end() {
            b"" => Some(Delimiter::Part),
            b"--" => Some(Delimiter::End),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    Part,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the first delimiter.
    Preamble,
    /// Among the fields of a part.
    Fields,
    /// In its data: the next byte's place in the object, and the last one's.
    Data(u64, u64),
    /// The line end after the data comes.
    AfterData,
    /// A delimiter comes.
    BeforePart,
    /// The last delimiter came.
    Epilogue,
}

/// A body under way.
#[derive(Debug)]
pub(crate) struct Parts {
    boundary: Boundary,
    stage: Stage,
    /// A line that has not come whole.
    line: Vec<u8>,
    /// What the fields of the part said so far.
    announced: Option<(u64, u64)>,
    /// First and last byte of each part whose fields have come.
    ranges: Vec<(u64, u64)>,
}

impl Parts {
    /// Nothing has come.
    pub(crate) fn new(boundary: Boundary) -> Self {
        Self { boundary, stage: Stage::Preamble, line: Vec::new(), announced: None, ranges: Vec::new() }
    }

    /// First and last byte of each part, in the order in which they came.
    pub(crate) fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Takes bytes of the body, and shows each run of data with its offset in the object to `look`. The error says what
    /// is wrong.
    pub(crate) fn feed(
        &mut self,
        input: &[u8],
        mut look: impl FnMut(u64, &[u8]),
    ) -> Result<(), &'static str> {
        let mut rest = input;
        while !rest.is_empty() {
            if let Stage::Data(at, last) = self.stage {
                let run = (last - at + 1).min(rest.len() as u64) as usize;
                look(at, &rest[..run]);
                rest = &rest[run..];
                let next = at + run as u64;
                self.stage = if next > last { Stage::AfterData } else { Stage::Data(next, last) };
                continue;
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(rest.len(), |end| end + 1);
            if self.stage != Stage::Epilogue {
                self.line.extend_from_slice(&rest[..taken]);
            }
            rest = &rest[taken..];
            if self.line.len() > LINE_BYTES_MAX {
                return Err("a line between the parts is too long");
            }
            if end.is_some() {
                let line = core::mem::take(&mut self.line);
                self.stage = self.line(line.trim_ascii_end())?;
            }
        }
        Ok(())
    }

    /// The body has ended; the last delimiter needs no line end.
    pub(crate) fn end(&mut self) -> Result<(), &'static str> {
        let is_last = self.boundary.delimits(&self.line) == Some(Delimiter::End);
        match self.stage {
            Stage::Epilogue => Ok(()),
            Stage::BeforePart if is_last => Ok(()),
            _ => Err("the last part does not end"),
        }
    }

    /// A line has come; where that leads.
    fn line(&mut self, line: &[u8]) -> Result<Stage, &'static str> {
        let delimiter = self.boundary.delimits(line);
        Ok(match (self.stage, delimiter) {
            (Stage::Preamble | Stage::BeforePart, Some(Delimiter::Part)) => {
                self.announced = None;
                Stage::Fields
            }
            (Stage::BeforePart, Some(Delimiter::End)) => Stage::Epilogue,
            (Stage::Preamble, None) => Stage::Preamble,
            (Stage::AfterData, None) if line.is_empty() => Stage::BeforePart,
            (Stage::Fields, None) if line.is_empty() => {
                let (first, last) = self.announced.ok_or("a part without Content-Range")?;
                self.ranges.push((first, last));
                Stage::Data(first, last)
            }
            (Stage::Fields, None) => {
                let colon = line.iter().position(|byte| *byte == b':').ok_or("a part has no field")?;
                if line[..colon].eq_ignore_ascii_case(b"content-range") {
                    self.announced = content_range(&line[colon + 1..]);
                }
                Stage::Fields
            }
            (Stage::Epilogue, _) => Stage::Epilogue,
            (Stage::AfterData | Stage::BeforePart, _) => return Err("a part is longer than its range"),
            (Stage::Preamble | Stage::Fields | Stage::Data(..), _) => {
                return Err("a delimiter where none belongs");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranges that were announced, and each run of data with its place.
    type Taken = (Vec<(u64, u64)>, Vec<(u64, Vec<u8>)>);

    fn take(wire: &[u8], piece: usize) -> Result<Taken, &'static str> {
        let boundary = Boundary::read(b"multipart/byteranges; boundary=xyz").unwrap();
        let (mut parts, mut runs) = (Parts::new(boundary), Vec::<(u64, Vec<u8>)>::new());
        for input in wire.chunks(piece) {
            parts.feed(input, |at, bytes| match runs.last_mut() {
                Some((first, run)) if *first + run.len() as u64 == at => run.extend_from_slice(bytes),
                _ => runs.push((at, bytes.to_vec())),
            })?;
        }
        parts.end()?;
        Ok((parts.ranges().to_vec(), runs))
    }

    #[test]
    fn every_way_of_cutting_gives_the_same_parts() {
        let wires: [&[u8]; 2] = [
            b"\r\n--xyz\r\nContent-Type: a/b\r\nContent-Range: bytes 0-4/90\r\n\r\nhello\r\n--xyz\r\n\
              content-range: bytes 80-82/*\r\n\r\n\r\n-\r\n--xyz--\r\n",
            b"--xyz \r\nContent-Range: bytes 0-4/90\r\n\r\nhello\r\n--xyz\r\n\
              content-range: bytes 80-82/90\r\n\r\n\r\n-\r\n--xyz--",
        ];
        for wire in wires {
            for piece in 1..=wire.len() {
                let (ranges, runs) = take(wire, piece).unwrap();
                assert_eq!(ranges, [(0, 4), (80, 82)], "{piece}");
                assert_eq!(runs, [(0, b"hello".to_vec()), (80, b"\r\n-".to_vec())], "{piece}");
            }
        }
    }

    #[test]
    fn what_is_no_whole_set_of_parts_is_malformed() {
        let part = "--xyz\r\nContent-Range: bytes 0-4/90\r\n\r\n";
        let wires = [
            format!("{part}hello"),
            format!("{part}hell"),
            format!("{part}hello\r\n--xyz\r\n"),
            format!("{part}hello!\r\n--xyz--"),
            format!("{part}hello--xyz--"),
            "--xyz\r\nContent-Type: a/b\r\n\r\nhello\r\n--xyz--".to_owned(),
            "--xyz\r\nhello\r\n--xyz--".to_owned(),
            "--xyz--".to_owned(),
            "no part at all\r\n".to_owned(),
            format!("{}\r\n", "x".repeat(2 * LINE_BYTES_MAX)),
        ];
        for wire in wires {
            for piece in [1, 7, wire.len()] {
                assert!(take(wire.as_bytes(), piece).is_err(), "{wire}");
            }
        }
    }

    #[test]
    fn a_boundary_is_read_or_refused() {
        let read = |text: &str| Boundary::read(text.as_bytes()).map(|boundary| boundary.count);
        assert_eq!(read("Multipart/ByteRanges; charset=x; Boundary=\"a b\""), Some(3));
        assert_eq!(read("multipart/byteranges"), None);
        assert_eq!(read("multipart/byteranges; boundary="), None);
        assert_eq!(read("multipart/mixed; boundary=x"), None);
        assert_eq!(read(&format!("multipart/byteranges; boundary={}", "x".repeat(71))), None);
    }
}
