//! How much of a message may be shown, and as what: by the class of each element, and by nothing when in doubt.

use super::sheet::Columns;
use crate::codec::Piece;
use crate::dialect::{Class, Content, Length, Row};
use crate::iso::{ElementNo, Pan};

/// Whether an element is shown as it is.
pub(super) fn is_open(no: ElementNo, row: Option<&Row>, unmask: bool) -> bool {
    let class = row.map_or(Class::Sensitive, |row| row.class);
    unmask || matches!(class, Class::Keep | Class::Unkept) && no != ElementNo::PAN
}

/// A value as its class allows.
pub(super) fn value(no: ElementNo, row: Option<&Row>, value: &[u8], unmask: bool) -> String {
    match row.map_or(Class::Sensitive, |row| row.class) {
        _ if is_open(no, row, unmask) => plain(row.map(|row| row.content), value),
        class => masked(class, value),
    }
}

/// A part of an element as its class allows.
pub(super) fn piece(piece: &Piece<'_>, unmask: bool) -> String {
    part(piece.class, piece.content, &piece.plain, unmask)
}

/// The value of a part as a class allows.
pub(super) fn part(class: Class, content: Content, value: &[u8], unmask: bool) -> String {
    if unmask || is_shown(class) { plain(Some(content), value) } else { masked(class, value) }
}

/// Whether values of a class are shown as they are.
pub(super) const fn is_shown(class: Class) -> bool {
    matches!(class, Class::Keep | Class::Unkept)
}

/// Bytes as hexadecimal digits, anything else as its characters.
fn plain(content: Option<Content>, value: &[u8]) -> String {
    if content == Some(Content::Bytes) {
        return hex(value);
    }
    value.iter().copied().map(char::from).collect()
}

fn masked(class: Class, value: &[u8]) -> String {
    match class {
        Class::Pan => Pan::new(value).map_or_else(|_| sensitive(value), |pan| pan.to_string()),
        _ => sensitive(value),
    }
}

fn sensitive(value: &[u8]) -> String {
    format!("<sensitive {} bytes>", value.len())
}

/// Upper-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    super::push_hex(bytes, &mut text);
    text
}

/// Text that a terminal takes for nothing but text.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match u8::try_from(letter) {
            Ok(byte @ (..0x20 | 0x7F..0xA0)) => {
                out.push_str("\\x");
                super::push_hex(&[byte], &mut out);
            }
            _ => out.push(letter),
        }
    }
    out
}

/// What a dialect says of an element in the words of its file: `n..19, length bcd 1, bcd r0`.
pub(super) fn notation(row: &Row) -> String {
    let Columns { content, length, coding, .. } = Columns::of(row);
    match row.length {
        Length::Fixed | Length::Rest => format!("{content}, {coding}"),
        Length::Prefixed { .. } | Length::Until(_) => {
            format!("{content}, length {length}, {coding}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;

    #[test]
    fn rows_are_told_as_their_files_write_them() {
        for (dialect, no, wanted) in [
            ("iso87-bcd", 2, "n..19, length bcd 1, bcd r0"),
            ("iso87-bcd", 3, "n 6, bcd"),
            ("iso87-bcd", 22, "n 3, bcd l0"),
            ("iso87-bcd", 28, "x+n 8, bcd"),
            ("iso87-bcd", 52, "b 8, raw"),
            ("iso87-ascii", 55, "b..255, length ascii 3 wire, hex"),
            ("iso87-ebcdic", 35, "z..37, length ebcdic 2, cp500"),
        ] {
            let dialect = Dialect::shipped(dialect).unwrap();
            assert_eq!(notation(dialect.row(ElementNo::of(no)).unwrap()), wanted, "{no}");
        }
    }

    #[test]
    fn terminals_are_left_alone() {
        assert_eq!(harmless("a\u{1B}[2J\u{9B}\u{7F}\u{E9}"), "a\\x1B[2J\\x9B\\x7F\u{E9}");
    }
}
