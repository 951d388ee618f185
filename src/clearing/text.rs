//! The two character sets of clearing files, and texts of others in what people read; knows nothing of records.

use std::borrow::Cow;

/// A text of somebody else's for people: what is no letter but a command, for a terminal or for the direction of what follows, is
/// written out.
pub fn visible(text: &str) -> Cow<'_, str> {
    let is_command = |char: char| {
        char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let is_printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if text.bytes().all(is_printable) || !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if is_command(char) {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

/// A text as one value of a line of CSV (RFC 4180) for programs, as it is.
pub(super) fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains(['"', ',', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

/// The same for people, who open it with a program that computes what begins as a formula does: an apostrophe before it says that
/// it is a text.
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let shown = visible(text);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        return Cow::Owned(quoted(&format!("'{shown}")).into_owned());
    }
    match shown {
        Cow::Borrowed(text) => quoted(text),
        Cow::Owned(shown) => Cow::Owned(quoted(&shown).into_owned()),
    }
}

/// How a file writes its characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// ISO 8859-1.
    #[default]
    Latin1,
    /// EBCDIC, code page 500.
    Cp500,
}

impl Charset {
    /// Appends a plain text (one latin-1 byte a character) in this set; what cannot be written becomes `?`.
    pub(super) fn write(self, text: &[u8], out: &mut Vec<u8>) {
        let table = match self {
            Self::Latin1 => &PLAIN_LATIN1,
            Self::Cp500 => &PLAIN_CP500,
        };
        out.extend(text.iter().map(|byte| at(table, *byte)));
    }

    /// Appends a text as it is.
    pub(super) fn put(self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Latin1 => out.extend_from_slice(text),
            Self::Cp500 => out.extend(text.iter().map(|byte| at(&CP500, *byte))),
        }
    }

    /// The text, one latin-1 byte a character, that bytes in this set are. Where it is not the bytes themselves, it stands in `room`.
    pub(super) fn read<'a>(self, bytes: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
        match self {
            Self::Latin1 => bytes,
            Self::Cp500 => {
                room.clear();
                room.extend(bytes.iter().map(|byte| at(&LATIN1, *byte)));
                room
            }
        }
    }

    /// The number that a digit in this set stands for.
    pub(super) fn digit(self, byte: u8) -> Option<usize> {
        let zero = match self {
            Self::Latin1 => b'0',
            Self::Cp500 => at(&CP500, b'0'),
        };
        byte.checked_sub(zero).filter(|digit| *digit <= 9).map(usize::from)
    }

    /// The text as its readers will see it.
    pub(super) fn shown(self, text: &[u8]) -> String {
        text.iter().map(|byte| char::from(self.plain(*byte))).collect()
    }

    /// The character that stands for this one: itself, or `?` for control characters and for those
    /// that the code pages in use under the name of EBCDIC place differently.
    const fn plain(self, byte: u8) -> u8 {
        match (self, byte) {
            (_, 0..=0x1f | 0x7f..=0x9f)
            | (Self::Cp500, b'[' | b']' | b'!' | b'^' | b'|' | 0xa2 | 0xac) => b'?',
            _ => byte,
        }
    }
}

/// The characters of a text as one latin-1 byte each; what is none becomes `?`.
pub(super) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect()
}

/// A text of one latin-1 byte a character.
pub(super) fn of_latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => text.to_owned(),
        _ => bytes.iter().copied().map(char::from).collect(),
    }
}

/// The last `N` digits of a number, zeros before it.
pub(super) fn decimal<const N: usize>(mut number: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for (digit, last) in digits.iter_mut().rev().zip(std::iter::from_fn(|| {
        let last = u8::try_from(number % 10).ok();
        number /= 10;
        last
    })) {
        *digit += last;
    }
    digits
}

fn at(table: &[u8; 256], byte: u8) -> u8 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

/// What is written for each character.
const PLAIN_LATIN1: [u8; 256] = plain(Charset::Latin1);
const PLAIN_CP500: [u8; 256] = plain(Charset::Cp500);

#[expect(
    clippy::indexing_slicing,
    reason = "both have a place for every byte, and it is done while compiling"
)]
const fn plain(charset: Charset) -> [u8; 256] {
    let mut table = [0; 256];
    let (mut at, mut byte) = (0, 0_u8);
    while at < table.len() {
        let plain = charset.plain(byte);
        table[at] = match charset {
            Charset::Latin1 => plain,
            Charset::Cp500 => CP500[plain as usize],
        };
        (at, byte) = (at + 1, byte.wrapping_add(1));
    }
    table
}

/// Code page 500 by latin-1 character. Control characters stand in it for completeness and are never written.
const CP500: [u8; 256] = [
    0x00, 0x01, 0x02, 0x03, 0x37, 0x2d, 0x2e, 0x2f, 0x16, 0x05, 0x25, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
    0x10, 0x11, 0x12, 0x13, 0x3c, 0x3d, 0x32, 0x26, 0x18, 0x19, 0x3f, 0x27, 0x1c, 0x1d, 0x1e, 0x1f,
    0x40, 0x4f, 0x7f, 0x7b, 0x5b, 0x6c, 0x50, 0x7d, 0x4d, 0x5d, 0x5c, 0x4e, 0x6b, 0x60, 0x4b, 0x61,
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0x7a, 0x5e, 0x4c, 0x7e, 0x6e, 0x6f,
    0x7c, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6,
    0xd7, 0xd8, 0xd9, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0x4a, 0xe0, 0x5a, 0x5f, 0x6d,
    0x79, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xc0, 0xbb, 0xd0, 0xa1, 0x07,
    0x20, 0x21, 0x22, 0x23, 0x24, 0x15, 0x06, 0x17, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x09, 0x0a, 0x1b,
    0x30, 0x31, 0x1a, 0x33, 0x34, 0x35, 0x36, 0x08, 0x38, 0x39, 0x3a, 0x3b, 0x04, 0x14, 0x3e, 0xff,
    0x41, 0xaa, 0xb0, 0xb1, 0x9f, 0xb2, 0x6a, 0xb5, 0xbd, 0xb4, 0x9a, 0x8a, 0xba, 0xca, 0xaf, 0xbc,
    0x90, 0x8f, 0xea, 0xfa, 0xbe, 0xa0, 0xb6, 0xb3, 0x9d, 0xda, 0x9b, 0x8b, 0xb7, 0xb8, 0xb9, 0xab,
    0x64, 0x65, 0x62, 0x66, 0x63, 0x67, 0x9e, 0x68, 0x74, 0x71, 0x72, 0x73, 0x78, 0x75, 0x76, 0x77,
    0xac, 0x69, 0xed, 0xee, 0xeb, 0xef, 0xec, 0xbf, 0x80, 0xfd, 0xfe, 0xfb, 0xfc, 0xad, 0xae, 0x59,
    0x44, 0x45, 0x42, 0x46, 0x43, 0x47, 0x9c, 0x48, 0x54, 0x51, 0x52, 0x53, 0x58, 0x55, 0x56, 0x57,
    0x8c, 0x49, 0xcd, 0xce, 0xcb, 0xcf, 0xcc, 0xe1, 0x70, 0xdd, 0xde, 0xdb, 0xdc, 0x8d, 0x8e, 0xdf,
];

/// Latin-1 by character of code page 500.
#[expect(
    clippy::indexing_slicing,
    reason = "both have a place for every byte, and it is done while compiling"
)]
const LATIN1: [u8; 256] = {
    let mut latin1 = [0; 256];
    let (mut at, mut byte) = (0, 0_u8);
    while at < CP500.len() {
        latin1[CP500[at] as usize] = byte;
        (at, byte) = (at + 1, byte.wrapping_add(1));
    }
    latin1
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_becomes_a_question_mark() {
        for (charset, text, written, shown) in [
            (Charset::Latin1, &b"A9 \\\xe9"[..], &b"A9 \\\xe9"[..], "A9 \\é"),
            (Charset::Latin1, b"\x00\x9f\n[", b"???[", "???["),
            (Charset::Cp500, b"A9 \\\xe9", &[0xc1, 0xf9, 0x40, 0xe0, 0x51], "A9 \\é"),
            (Charset::Cp500, b"[\x07a", &[0x6f, 0x6f, 0x81], "??a"),
        ] {
            let mut out = Vec::new();
            charset.write(text, &mut out);
            assert_eq!((out.as_slice(), charset.shown(text).as_str()), (written, shown));
        }
    }

    #[test]
    fn every_byte_there_and_back() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for charset in [Charset::Latin1, Charset::Cp500] {
            let mut out = Vec::new();
            charset.put(&all, &mut out);
            assert_eq!(charset.read(&out, &mut Vec::new()), all);
            let digits: Vec<_> = out.iter().filter_map(|byte| charset.digit(*byte)).collect();
            assert_eq!(digits, (0..=9).collect::<Vec<_>>());
        }
    }

    #[test]
    fn numbers_have_their_digits() {
        assert_eq!(
            (decimal::<4>(71), decimal::<3>(0), decimal::<2>(123)),
            (*b"0071", *b"000", *b"23")
        );
        assert_eq!(decimal::<20>(u64::MAX), *b"18446744073709551615");
    }

    #[test]
    fn ebcdic_has_a_place_for_every_character() {
        let mut places = CP500;
        places.sort_unstable();
        assert!(places.iter().enumerate().all(|(at, place)| usize::from(*place) == at));
    }

    #[test]
    fn texts_of_others_are_no_formulas_and_no_commands() {
        for (text, cell) in [
            ("Corner Shop", "Corner Shop"),
            ("A, \"B\"", "\"A, \"\"B\"\"\""),
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-2", "'-2"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            ("\t=1", "'\\t=1"),
            ("a\u{1b}[2Jb\r\nc", "a\\u{1b}[2Jb\\r\\nc"),
            ("gnp.\u{202e}cod", "gnp.\\u{202e}cod"),
        ] {
            assert_eq!(csv_cell(text), cell, "{text:?}");
        }
        assert_eq!(quoted("=1,2"), "\"=1,2\"", "programs get it as it is");
    }
}
