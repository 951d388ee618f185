//! The walk by hand: it notes where each element begins, as somebody would write it for one network, and checks
//! nothing but the end of the bytes.

use iso8583d::dialect::{BitmapCoding, Counts, Dialect, Layout, MtiCoding, Prefix};

/// How the end of an element is found.
#[derive(Clone, Copy)]
enum Step {
    Absent,
    Fixed(u16),
    /// So many digits of a length, then bytes.
    Digits(u8),
    /// So many bytes of packed length, then bytes.
    Packed(u8),
    /// So many bytes of packed length, then two digits a byte.
    Halves(u8),
}

/// The table of one network, and the offsets of the last message.
pub struct Walk {
    steps: [Step; 129],
    offsets: [u16; 129],
    mti: usize,
    hex: bool,
}

impl Walk {
    pub fn of(dialect: &Dialect) -> Self {
        let mut steps = [Step::Absent; 129];
        for no in dialect.defined().iter() {
            steps[usize::from(no.get())] = step(dialect.layout(no).unwrap());
        }
        let mti = if dialect.mti() == MtiCoding::Bcd { 2 } else { 4 };
        let hex = dialect.bitmap() != BitmapCoding::Binary;
        Self { steps, offsets: [0; 129], mti, hex }
    }

    /// Notes where each element begins, and gives where the first does.
    pub fn over(&mut self, body: &[u8]) -> &[u16; 129] {
        let (first, mut at) = self.bitmap(body, self.mti);
        let mut second = 0;
        if first >> 63 == 1 {
            (second, at) = self.bitmap(body, at);
        }
        at = self.half(body, at, first & (u64::MAX >> 1), 1);
        at = self.half(body, at, second, 65);
        assert_eq!(at, body.len());
        &self.offsets
    }

    fn bitmap(&self, body: &[u8], at: usize) -> (u64, usize) {
        if self.hex {
            let text = std::str::from_utf8(&body[at..at + 16]).unwrap();
            (u64::from_str_radix(text, 16).unwrap(), at + 16)
        } else {
            (u64::from_be_bytes(body[at..at + 8].try_into().unwrap()), at + 8)
        }
    }

    fn half(&mut self, body: &[u8], mut at: usize, mut bits: u64, first: usize) -> usize {
        while bits != 0 {
            let zeros = bits.leading_zeros() as usize;
            bits &= !(1 << (63 - zeros));
            let no = first + zeros;
            self.offsets[no] = at as u16;
            at += match self.steps[no] {
                Step::Absent => 0,
                Step::Fixed(len) => usize::from(len),
                Step::Digits(width) => usize::from(width) + digits(&body[at..], width),
                Step::Packed(width) => usize::from(width) + packed(&body[at..], width),
                Step::Halves(width) => usize::from(width) + packed(&body[at..], width).div_ceil(2),
            };
        }
        at
    }
}

fn step(layout: Layout) -> Step {
    // A byte for each thing that is counted, or half of one.
    let halves = layout.form.wire_len(2) == 1;
    let plainly = layout.counts == Counts::Wire || layout.form.wire_len(2) == 2;
    match layout.prefix {
        Prefix::None => Step::Fixed(layout.wire),
        Prefix::Ascii(width) | Prefix::Ebcdic(width) if plainly => Step::Digits(width),
        Prefix::Bcd(width) if halves => Step::Halves(width),
        Prefix::Bcd(width) if plainly => Step::Packed(width),
        // None of the messages has such an element.
        _ => Step::Absent,
    }
}

/// ASCII or EBCDIC, whose digits have the same low halves.
fn digits(bytes: &[u8], width: u8) -> usize {
    bytes[..usize::from(width)].iter().fold(0, |sum, digit| sum * 10 + usize::from(digit & 15))
}

fn packed(bytes: &[u8], width: u8) -> usize {
    let pair = |byte: u8| usize::from(byte >> 4) * 10 + usize::from(byte & 15);
    bytes[..usize::from(width)].iter().fold(0, |sum, byte| sum * 100 + pair(*byte))
}
