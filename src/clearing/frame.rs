//! Where a clearing record ends: its length before it, a length of zero after the last, blocks of 1,014
//! bytes around it all; knows nothing of what records say.

use super::{Charset, ClearingError};

/// Puts records behind their lengths, and into blocks where the file has them.
#[derive(Debug)]
pub struct Framer {
    /// Data bytes in the block that is being filled; none when the file has no blocks.
    block: Option<usize>,
    ready: Vec<u8>,
}

impl Framer {
    /// For a file of blocks, or one without.
    pub const fn new(blocked: bool) -> Self {
        Self { block: if blocked { Some(0) } else { None }, ready: Vec::new() }
    }

    /// A record of 1 to `RECORD_LEN_MAX` bytes; anything else is refused.
    pub fn record(&mut self, record: &[u8]) -> bool {
        let len = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let fits = (1..=RECORD_LEN_MAX).contains(&record.len());
        if fits {
            self.put(&len.to_be_bytes());
            self.put(record);
        }
        fits
    }

    /// The terminator, and the fill of the last block.
    pub fn end(&mut self) {
        self.put(&[0; 4]);
        if let Some(filled) = self.block.filter(|filled| *filled > 0) {
            self.ready.resize(self.ready.len() + BLOCK_LEN - filled, FILL);
            self.block = Some(0);
        }
    }

    /// How many bytes are ready.
    pub const fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// The bytes that are ready, once.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    fn put(&mut self, mut bytes: &[u8]) {
        let Some(filled) = &mut self.block else {
            self.ready.extend_from_slice(bytes);
            return;
        };
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(DATA_LEN - *filled));
            self.ready.extend_from_slice(now);
            *filled += now.len();
            bytes = later;
            if *filled == DATA_LEN {
                self.ready.extend_from_slice(&[FILL; BLOCK_LEN - DATA_LEN]);
                *filled = 0;
            }
        }
    }
}

/// The data of a file of blocks. Whatever fills the blocks is accepted: files in the wild have zeros there.
pub fn unblock(file: &[u8]) -> Result<Vec<u8>, ClearingError> {
    if !file.len().is_multiple_of(BLOCK_LEN) {
        let fault = "the file's length is not a multiple of 1014";
        return Err(ClearingError::File { offset: file.len() / BLOCK_LEN * DATA_LEN, fault });
    }
    Ok(file
        .chunks(BLOCK_LEN)
        .filter_map(|block| block.get(..DATA_LEN))
        .flatten()
        .copied()
        .collect())
}

/// The records of an unblocked file, up to its terminator. What follows that is fill.
pub fn records(file: &[u8]) -> Result<Vec<&[u8]>, ClearingError> {
    let mut records = Vec::new();
    let mut rest = file;
    loop {
        let fault = |fault| ClearingError::File { offset: file.len() - rest.len(), fault };
        let Some((len, tail)) = rest.split_first_chunk::<4>() else {
            return Err(fault("the file ends without a terminator"));
        };
        let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
        match tail.split_at_checked(len) {
            _ if len > RECORD_LEN_MAX => return Err(fault("a record of more than 6000 bytes")),
            None => return Err(fault("a record that the file does not hold")),
            Some(_) if len == 0 => return Ok(records),
            Some((record, tail)) => {
                records.push(record);
                rest = tail;
            }
        }
    }
}

/// Cuts a file into records as it comes, in pieces of any size: it never holds more than a piece and a record.
#[derive(Debug)]
pub struct Unframer {
    blocked: bool,
    /// How much of the file came.
    seen: u64,
    /// Data that is not taken yet, from `taken` on.
    data: Vec<u8>,
    taken: usize,
    /// How much data there was before `data`.
    before: u64,
    ended: bool,
    beyond: u64,
}

impl Unframer {
    /// For a file of blocks, or one without.
    pub const fn new(blocked: bool) -> Self {
        Self { blocked, seen: 0, data: Vec::new(), taken: 0, before: 0, ended: false, beyond: 0 }
    }

    /// The next piece of the file. All records of the one before were taken.
    pub fn push(&mut self, piece: &[u8]) {
        self.before += u64::try_from(self.taken).unwrap_or(u64::MAX);
        self.data.drain(..self.taken);
        self.taken = 0;
        let mut rest = piece;
        while !rest.is_empty() {
            let (block, data) = (BLOCK_LEN as u64, DATA_LEN as u64);
            let at = if self.blocked { self.seen % block } else { 0 };
            let room = if !self.blocked {
                rest.len()
            } else if at < data {
                usize::try_from(data - at).unwrap_or(0)
            } else {
                usize::try_from(block - at).unwrap_or(0)
            };
            let (now, later) = rest.split_at(rest.len().min(room.max(1)));
            if at < data {
                self.keep(now);
            }
            self.seen += u64::try_from(now.len()).unwrap_or(u64::MAX);
            rest = later;
        }
    }

    /// Data behind the terminator is fill, or belongs to nothing.
    fn keep(&mut self, data: &[u8]) {
        if self.ended {
            let fill = |byte: &&u8| **byte != FILL && **byte != 0;
            self.beyond += u64::try_from(data.iter().filter(fill).count()).unwrap_or(u64::MAX);
        } else {
            self.data.extend_from_slice(data);
        }
    }

    /// The next record and the place in the file of its length; none before more of the file has come, or when it has ended.
    pub fn record(&mut self) -> Result<Option<(u64, &[u8])>, ClearingError> {
        let place = self.place();
        let rest = self.data.get(self.taken..).unwrap_or_default();
        let Some((len, tail)) = rest.split_first_chunk::<4>().filter(|_| !self.ended) else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
        if len > RECORD_LEN_MAX {
            let offset = usize::try_from(place).unwrap_or(usize::MAX);
            return Err(ClearingError::File { offset, fault: "a record of more than 6000 bytes" });
        }
        if len == 0 {
            self.ended = true;
            let beyond = std::mem::take(&mut self.data).split_off(self.taken + 4);
            self.taken = 0;
            self.keep(&beyond);
            return Ok(None);
        }
        if tail.len() < len {
            return Ok(None);
        }
        let from = self.taken + 4;
        self.taken = from + len;
        Ok(self.data.get(from..self.taken).map(|record| (place, record)))
    }

    /// After the last piece: how many bytes behind the terminator are no fill. An error without a terminator, or when the last
    /// block is cut off.
    pub fn end(&self) -> Result<u64, ClearingError> {
        let fault = if !self.ended {
            "the file ends without a terminator"
        } else if self.blocked && !self.seen.is_multiple_of(BLOCK_LEN as u64) {
            "the file's length is not a multiple of 1014"
        } else {
            return Ok(self.beyond);
        };
        Err(ClearingError::File { offset: usize::try_from(self.seen).unwrap_or(usize::MAX), fault })
    }

    /// Where in the file the next record's length stands.
    fn place(&self) -> u64 {
        let data = self.before + u64::try_from(self.taken).unwrap_or(u64::MAX);
        if !self.blocked {
            return data;
        }
        data / DATA_LEN as u64 * BLOCK_LEN as u64 + data % DATA_LEN as u64
    }
}

/// What the beginning of a file says of it: its character set, where that is one of ours, and whether it has blocks.
/// `whole` is told when the beginning is all of it.
pub fn guess(beginning: &[u8], whole: bool) -> (Option<Charset>, bool) {
    let charset = match beginning.get(4..8) {
        Some(mti) if mti.iter().all(u8::is_ascii_digit) => Some(Charset::Latin1),
        Some(mti) if mti.iter().all(|byte| (0xf0..=0xf9).contains(byte)) => Some(Charset::Cp500),
        _ => None,
    };
    let far = |blocked| {
        let mut unframer = Unframer::new(blocked);
        unframer.push(beginning);
        let mut records = 0_u32;
        loop {
            match unframer.record() {
                Ok(Some((_, record))) if begins(record, charset) => records += 1,
                Ok(None) => break,
                Ok(Some(_)) | Err(_) => return (records, false),
            }
        }
        (records, !whole || unframer.end() == Ok(0))
    };
    let (flat, blocks) = (far(false), far(true));
    // Both hold of a file shorter than a block only where it is not one: a block is filled up.
    let filled = beginning
        .get(DATA_LEN..BLOCK_LEN)
        .is_some_and(|fill| fill.iter().all(|byte| *byte == FILL || *byte == 0));
    (
        charset,
        match (flat.1, blocks.1) {
            (true, false) => false,
            (false, true) => true,
            (true, true) => filled,
            (false, false) => flat.0 < blocks.0,
        },
    )
}

/// Whether a record begins as one: four digits, and bit 1 of a bitmap.
fn begins(record: &[u8], charset: Option<Charset>) -> bool {
    let Some((mti, rest)) = record.split_first_chunk::<4>() else { return false };
    let digits = match charset {
        Some(Charset::Cp500) => mti.iter().all(|byte| (0xf0..=0xf9).contains(byte)),
        Some(Charset::Latin1) | None => mti.iter().all(u8::is_ascii_digit),
    };
    digits && rest.first().is_some_and(|bitmap| bitmap & 0x80 != 0)
}

/// A block with its two fill bytes.
const BLOCK_LEN: usize = 1014;
/// A block without them.
const DATA_LEN: usize = 1012;
/// An EBCDIC space, in files of either character set.
const FILL: u8 = 0x40;
/// What cardutil reads.
const RECORD_LEN_MAX: usize = 6000;

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(lens: &[usize], blocked: bool) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut framer = Framer::new(blocked);
        let records: Vec<Vec<u8>> =
            (1..=u8::MAX).cycle().zip(lens).map(|(byte, len)| vec![byte; *len]).collect();
        assert!(records.iter().all(|record| framer.record(record)));
        framer.end();
        (records, framer.take())
    }

    #[test]
    fn blocks_there_and_back_for_every_length() {
        for len in 0..=4096 {
            let data: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let mut framer = Framer::new(true);
            framer.put(&data);
            framer.end();
            let blocked = framer.take();
            // The minimal form: no block of nothing but fill.
            assert_eq!(blocked.len(), (len + 4).div_ceil(DATA_LEN) * BLOCK_LEN);
            assert!(blocked.chunks(BLOCK_LEN).all(|block| block[DATA_LEN..] == [FILL; 2]));
            let unblocked = unblock(&blocked).unwrap();
            assert_eq!(
                (&unblocked[..len], &unblocked[len..len + 4]),
                (data.as_slice(), &[0; 4][..])
            );
            assert!(unblocked[len + 4..].iter().all(|byte| *byte == FILL));
        }
    }

    #[test]
    fn a_record_may_end_anywhere() {
        for len in (1..30).chain(960..1030).chain([6000]) {
            for blocked in [false, true] {
                let (records_in, file) = framed(&[len, 1, len], blocked);
                let file = if blocked { unblock(&file).unwrap() } else { file };
                assert_eq!(records(&file).unwrap(), records_in);
            }
        }
    }

    /// Where each record's length stands, and the record.
    type Placed = Vec<(usize, Vec<u8>)>;

    /// Records with places, taken from pieces of so many bytes; and what was beyond.
    fn unframed(file: &[u8], blocked: bool, piece: usize) -> Result<(Placed, u64), ClearingError> {
        let mut unframer = Unframer::new(blocked);
        let mut found = Vec::new();
        for piece in file.chunks(piece) {
            unframer.push(piece);
            while let Some((place, record)) = unframer.record()? {
                found.push((usize::try_from(place).unwrap_or(usize::MAX), record.to_vec()));
            }
        }
        unframer.end().map(|beyond| (found, beyond))
    }

    #[test]
    fn pieces_of_any_size_are_the_same_records() {
        for blocked in [false, true] {
            let (records, file) = framed(&[10, 1000, 1, 6000, 1014, 300], blocked);
            for piece in [1, 2, 3, 500, 1012, 1013, 1014, 1015, 4096, file.len()] {
                let (found, beyond) = unframed(&file, blocked, piece).unwrap();
                assert_eq!(beyond, 0);
                for (place, record) in &found {
                    let len = u32::try_from(record.len()).unwrap().to_be_bytes();
                    assert_eq!(file[*place], len[0], "a length is where it is said to be");
                }
                let found: Vec<_> = found.into_iter().map(|(_, record)| record).collect();
                assert_eq!(found, records, "{piece}");
            }
            for cut in [1, file.len() / 2, file.len() - 1] {
                assert!(unframed(&file[..cut], blocked, 512).is_err(), "{cut}");
            }
        }
        let (_, mut file) = framed(&[5], false);
        file.extend_from_slice(b"\0@more");
        let mut unframer = Unframer::new(false);
        unframer.push(&file);
        assert!(unframer.record().unwrap().is_some() && unframer.record().unwrap().is_none());
        assert_eq!(unframer.end(), Ok(4));
        assert!(unframed(&[0x40; 1014], false, 100).is_err(), "no record is so long");
    }

    #[test]
    fn a_file_says_what_it_is() {
        let digits: [(Charset, &[u8]); 2] =
            [(Charset::Latin1, b"1240"), (Charset::Cp500, &[0xf1, 0xf2, 0xf4, 0xf0])];
        for (charset, mti) in digits {
            for blocked in [false, true] {
                for lens in [&[80][..], &[80, 950, 300], &[90; 100], &[400; 300]] {
                    let mut framer = Framer::new(blocked);
                    for len in lens {
                        let mut record = vec![FILL; *len];
                        record[..4].copy_from_slice(mti);
                        record[4] = 0x80;
                        assert!(framer.record(&record));
                    }
                    framer.end();
                    let file = framer.take();
                    assert_eq!(guess(&file, true), (Some(charset), blocked), "{lens:?}");
                    let beginning = file.get(..60_000).unwrap_or(&file);
                    let whole = beginning.len() == file.len();
                    assert_eq!(guess(beginning, whole), (Some(charset), blocked), "{lens:?}");
                }
            }
        }
        assert_eq!(guess(b"MZ", true), (None, false));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let (_, file) = framed(&[10, 20], false);
        for cut in 0..file.len() {
            assert!(records(&file[..cut]).is_err(), "{cut}");
        }
        assert!(records(&[0x40; 1012]).is_err());
        assert!(unblock(&[0; 1013]).is_err());
        let mut framer = Framer::new(false);
        assert!(!framer.record(&[]) && !framer.record(&[0; 6001]));
        assert_eq!(framer.ready_len(), 0);
    }
}
