//! Where a clearing record ends: its length before it, a length of zero after the last, blocks of 1,014
//! bytes around it all; knows nothing of what records say.

use super::ClearingError;

/// Puts records behind their lengths, and into blocks where the file has them.
#[derive(Debug)]
pub(super) struct Framer {
    /// Data bytes in the block that is being filled; none when the file has no blocks.
    block: Option<usize>,
    ready: Vec<u8>,
}

impl Framer {
    pub(super) const fn new(blocked: bool) -> Self {
        Self { block: if blocked { Some(0) } else { None }, ready: Vec::new() }
    }

    /// A record of 1 to `RECORD_LEN_MAX` bytes; anything else is refused.
    pub(super) fn record(&mut self, record: &[u8]) -> bool {
        let len = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let fits = (1..=RECORD_LEN_MAX).contains(&record.len());
        if fits {
            self.put(&len.to_be_bytes());
            self.put(record);
        }
        fits
    }

    /// The terminator, and the fill of the last block.
    pub(super) fn end(&mut self) {
        self.put(&[0; 4]);
        if let Some(filled) = self.block.filter(|filled| *filled > 0) {
            self.ready.resize(self.ready.len() + BLOCK_LEN - filled, FILL);
            self.block = Some(0);
        }
    }

    /// How many bytes are ready.
    pub(super) const fn len(&self) -> usize {
        self.ready.len()
    }

    /// The bytes that are ready, once.
    pub(super) fn take(&mut self) -> Vec<u8> {
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
        assert_eq!(framer.len(), 0);
    }
}
