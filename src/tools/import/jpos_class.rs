//! The field packager classes of jPOS, by independent axes: how a length is written, how a value, and what fills it.

use crate::dialect::{Alphabet, CodePage, Coding, Counts, Filler, Length, LengthCoding};

use super::fit::Says;

/// What a class says of an element, its longest value apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) says: Says,
    pub(super) length: Length,
    pub(super) coding: Coding,
    pub(super) measure: Measure,
}

/// What the longest value is said in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// The units of the coding.
    Units,
    /// Hexadecimal digits, two of which are a byte.
    Nibbles,
    /// Digits that a sign is within.
    Signless,
}

/// What a class's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A row.
    Row(Class),
    /// A bitmap.
    Bitmap(Alphabet),
    /// A bitmap of bytes.
    BinaryBitmap,
    /// An element that no message may have.
    Unused,
    /// Something that no row can say, and why.
    Unsayable(&'static str),
}

/// How a value is written.
#[derive(Clone, Copy)]
enum Data {
    Text(Coding),
    Digits(Coding),
    Signed(Coding),
    Bytes(Coding),
    /// Packed digits; the filler is the one without `pad="true"`.
    Packed(Filler),
    PackedSigned,
    /// Packed digits with an F on the right, whatever `pad` says.
    PackedF,
    /// Digits of which the last has the sign.
    Zoned,
    /// Bytes whose longest value is said in hexadecimal digits.
    Nibbles,
}

const ASCII: Coding = Coding::Ascii;
const HEX: Coding = Coding::Hex(Alphabet::Ascii);
/// What jPOS calls EBCDIC.
const EBCDIC: Coding = Coding::Ebcdic(CodePage::Cp1047);

/// Classes without a length field.
const FIXED: [(&str, Data); 19] = [
    ("IF_CHAR", Data::Text(ASCII)),
    ("IFA_CHAR", Data::Text(ASCII)),
    ("IFE_CHAR", Data::Text(EBCDIC)),
    ("IF_ECHAR", Data::Text(EBCDIC)),
    ("IFMC_TCC", Data::Text(ASCII)),
    ("IFEMC_TCC", Data::Text(EBCDIC)),
    ("IFA_NUMERIC", Data::Digits(ASCII)),
    ("IFE_NUMERIC", Data::Digits(EBCDIC)),
    ("IFB_NUMERIC", Data::Packed(Filler::RightZero)),
    ("IFB_FNUMERIC", Data::Packed(Filler::RightF)),
    ("IFA_AMOUNT", Data::Signed(ASCII)),
    ("IFE_AMOUNT", Data::Signed(EBCDIC)),
    ("IFB_AMOUNT", Data::PackedSigned),
    ("IFE_SIGNED_NUMERIC", Data::Zoned),
    ("IFA_AMOUNT2003", Data::Digits(ASCII)),
    ("IFB_AMOUNT2003", Data::Packed(Filler::RightZero)),
    ("IFA_BINARY", Data::Bytes(HEX)),
    ("IFE_BINARY", Data::Bytes(Coding::Hex(Alphabet::Ebcdic))),
    ("IFB_BINARY", Data::Bytes(Coding::Raw)),
];

/// Classes with a length field: what stands before the run of Ls, how long the run may be, what stands behind it, how the
/// length is written, and how the value.
const PREFIXED: [(&str, &[u8], &str, LengthCoding, Data); 18] = [
    ("IFA_", &[1, 2, 3, 4, 5, 6], "CHAR", LengthCoding::Ascii, Data::Text(ASCII)),
    ("IFA_", &[1, 2, 3, 4, 5, 6], "BINARY", LengthCoding::Ascii, Data::Bytes(Coding::Raw)),
    ("IFA_", &[2, 3], "NUM", LengthCoding::Ascii, Data::Digits(ASCII)),
    ("IFA_", &[2, 3], "ABINARY", LengthCoding::Ascii, Data::Bytes(HEX)),
    ("IFAE_", &[2], "CHAR", LengthCoding::Ascii, Data::Text(EBCDIC)),
    ("IFEA_", &[2], "CHAR", LengthCoding::Ebcdic, Data::Text(ASCII)),
    ("IFE_", &[1, 2, 3, 4], "CHAR", LengthCoding::Ebcdic, Data::Text(EBCDIC)),
    ("IFE_", &[1, 2, 3, 4], "BINARY", LengthCoding::Ebcdic, Data::Bytes(Coding::Raw)),
    ("IFE_", &[1, 2, 3], "NUM", LengthCoding::Ebcdic, Data::Digits(EBCDIC)),
    // Its bytes are translated like text, so text they are.
    ("IFE_", &[3], "EBINARY", LengthCoding::Ebcdic, Data::Text(EBCDIC)),
    ("IFB_", &[2, 3, 4, 6], "CHAR", LengthCoding::Bcd, Data::Text(ASCII)),
    ("IFB_", &[2, 3, 4], "BINARY", LengthCoding::Bcd, Data::Bytes(Coding::Raw)),
    ("IFB_", &[2, 3], "NUM", LengthCoding::Bcd, Data::Packed(Filler::RightZero)),
    ("IFB_F", &[2, 3], "NUM", LengthCoding::Bcd, Data::Packed(Filler::RightF)),
    ("IFB_", &[2, 3], "HCHAR", LengthCoding::Binary, Data::Text(ASCII)),
    ("IFB_", &[2, 3], "HECHAR", LengthCoding::Binary, Data::Text(EBCDIC)),
    ("IFB_", &[2, 3], "HBINARY", LengthCoding::Binary, Data::Bytes(Coding::Raw)),
    ("IFB_", &[2, 3], "HNUM", LengthCoding::Binary, Data::Packed(Filler::RightZero)),
];

/// Classes whose length field counts something else than the units of their values, and what.
const COUNTED: [(&str, LengthCoding, u8, Counts, Data); 5] = [
    ("IFB_LLHEX", LengthCoding::Bcd, 1, Counts::Nibbles, Data::Bytes(Coding::Raw)),
    ("IFB_LLLHEX", LengthCoding::Bcd, 2, Counts::Nibbles, Data::Bytes(Coding::Raw)),
    ("IFEB_LLNUM", LengthCoding::Ebcdic, 2, Counts::Wire, Data::PackedF),
    ("IFEB_LLLNUM", LengthCoding::Ebcdic, 3, Counts::Wire, Data::PackedF),
    ("IFA_LLBNUM", LengthCoding::Ascii, 2, Counts::Even, Data::Packed(Filler::RightZero)),
];

const FILLED: &str = "its value is filled up to the longest, whatever its length says";
const TAGGED: &str = "it is a sub-element with a tag";
const BITMAPS_32: &str = "its bitmaps have 32 bits";

/// Classes that no row can say.
const UNSAYABLE: [(&str, &str); 7] = [
    ("IFA_FLLCHAR", FILLED),
    ("IFA_FLLNUM", FILLED),
    ("IFB_LLHFBINARY", FILLED),
    ("IF_TCHAR", "it ends at a token and has no length"),
    ("IF_NOP", "it has no bytes at all"),
    ("X92_BITMAP", BITMAPS_32),
    ("IFE_X92_BITMAP", BITMAPS_32),
];

/// Sub-elements that are found by their tag: what their names begin with.
const TAGS: [&str; 7] = ["IFEP_L", "IFELPE_L", "IFMC_L", "IFEMC_L", "IFEPE_L", "IFIPM_L", "IFA_TT"];

/// What a class of jPOS's own stands for, its package left out; `left` for `pad="true"`. None for a class that it has not.
pub(super) fn named(name: &str, left: bool) -> Option<Named> {
    if let Some((_, why)) = UNSAYABLE.iter().find(|(class, _)| *class == name) {
        return Some(Named::Unsayable(why));
    }
    match name {
        "IFA_BITMAP" => return Some(Named::Bitmap(Alphabet::Ascii)),
        "IFE_BITMAP" => return Some(Named::Bitmap(Alphabet::Ebcdic)),
        "IFB_BITMAP" => return Some(Named::BinaryBitmap),
        "IF_UNUSED" => return Some(Named::Unused),
        "IFB_HEX" => return Some(Named::Row(class(Length::Fixed, Data::Nibbles, left))),
        _ => {}
    }
    if let Some((_, data)) = FIXED.iter().find(|(class, _)| *class == name) {
        return Some(Named::Row(class(Length::Fixed, *data, left)));
    }
    if let Some((_, digits, width, counts, data)) =
        COUNTED.iter().find(|(class, ..)| *class == name)
    {
        let (digits, width, counts) = (*digits, *width, *counts);
        let length = Length::Prefixed { digits, width, counts, itself: false };
        return Some(Named::Row(class(length, *data, left)));
    }
    let prefixed = PREFIXED.iter().find_map(|(stem, runs, tail, digits, data)| {
        let behind = name.strip_prefix(stem)?.strip_suffix(tail)?;
        let run = u8::try_from(behind.len()).ok().filter(|run| runs.contains(run))?;
        let only_ls = behind.bytes().all(|letter| letter == b'L');
        only_ls.then(|| Named::Row(class(field(*digits, run), *data, left)))
    });
    let tagged =
        || TAGS.iter().any(|stem| name.starts_with(stem)).then_some(Named::Unsayable(TAGGED));
    prefixed.or_else(tagged)
}

/// The length field that a run of so many Ls stands for.
const fn field(digits: LengthCoding, run: u8) -> Length {
    let width = match digits {
        LengthCoding::Ascii | LengthCoding::Ebcdic | LengthCoding::Hex => run,
        LengthCoding::Bcd => run.div_ceil(2),
        // LLH is a byte, LLLH are two.
        LengthCoding::Binary => run.saturating_sub(1),
    };
    Length::Prefixed { digits, width, counts: Counts::Units, itself: false }
}

const fn class(length: Length, data: Data, left: bool) -> Class {
    let (says, coding) = match data {
        Data::Text(coding) => (Says::Text, coding),
        Data::Digits(coding) => (Says::Digits, coding),
        Data::Signed(coding) => (Says::Signed, coding),
        Data::Bytes(coding) => (Says::Bytes, coding),
        Data::Packed(_) if left => (Says::Digits, Coding::Bcd(Filler::LeftZero)),
        Data::Packed(filler) => (Says::Digits, Coding::Bcd(filler)),
        Data::PackedSigned if left => (Says::Signed, Coding::Bcd(Filler::LeftZero)),
        Data::PackedSigned => (Says::Signed, Coding::Bcd(Filler::RightZero)),
        Data::PackedF => (Says::Digits, Coding::Bcd(Filler::RightF)),
        Data::Zoned => (Says::Signed, Coding::Zoned(Alphabet::Ebcdic)),
        Data::Nibbles => (Says::Bytes, Coding::Raw),
    };
    let measure = match data {
        Data::Nibbles => Measure::Nibbles,
        Data::Zoned => Measure::Signless,
        _ => Measure::Units,
    };
    Class { says, length, coding, measure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Content, Row};
    use crate::tools::sheet::Columns;

    /// Each class of jPOS's that is no bitmap, and the row that it stands for; with `pad="true"` behind the bar where that differs.
    const CLASSES: [(&str, &str); 68] = [
        ("IF_CHAR", "- ascii"),
        ("IFE_CHAR", "- cp1047"),
        ("IF_ECHAR", "- cp1047"),
        ("IFMC_TCC", "- ascii"),
        ("IFEMC_TCC", "- cp1047"),
        ("IFA_NUMERIC", "- ascii"),
        ("IFE_NUMERIC", "- cp1047"),
        ("IFB_NUMERIC", "- bcd r0|- bcd l0"),
        ("IFB_FNUMERIC", "- bcd rF|- bcd l0"),
        ("IFB_HEX", "- raw"),
        ("IFA_AMOUNT", "- ascii"),
        ("IFE_AMOUNT", "- cp1047"),
        ("IFB_AMOUNT", "- bcd r0|- bcd l0"),
        ("IFA_AMOUNT2003", "- ascii"),
        ("IFB_AMOUNT2003", "- bcd r0|- bcd l0"),
        ("IFE_SIGNED_NUMERIC", "- zoned-ebcdic"),
        ("IFB_LLHEX", "bcd 1 nibbles raw"),
        ("IFB_LLLHEX", "bcd 2 nibbles raw"),
        ("IFEB_LLNUM", "ebcdic 2 wire bcd rF"),
        ("IFEB_LLLNUM", "ebcdic 3 wire bcd rF"),
        ("IFA_LLBNUM", "ascii 2 even bcd r0|ascii 2 even bcd l0"),
        ("IFA_BINARY", "- hex"),
        ("IFE_BINARY", "- hex-ebcdic"),
        ("IFB_BINARY", "- raw"),
        ("IFA_LCHAR", "ascii 1 ascii"),
        ("IFA_LLCHAR", "ascii 2 ascii"),
        ("IFA_LLLCHAR", "ascii 3 ascii"),
        ("IFA_LLLLCHAR", "ascii 4 ascii"),
        ("IFA_LLLLLCHAR", "ascii 5 ascii"),
        ("IFA_LLLLLLCHAR", "ascii 6 ascii"),
        ("IFA_LBINARY", "ascii 1 raw"),
        ("IFA_LLBINARY", "ascii 2 raw"),
        ("IFA_LLLLLLBINARY", "ascii 6 raw"),
        ("IFA_LLNUM", "ascii 2 ascii"),
        ("IFA_LLLNUM", "ascii 3 ascii"),
        ("IFA_LLABINARY", "ascii 2 hex"),
        ("IFA_LLLABINARY", "ascii 3 hex"),
        ("IFAE_LLCHAR", "ascii 2 cp1047"),
        ("IFEA_LLCHAR", "ebcdic 2 ascii"),
        ("IFE_LCHAR", "ebcdic 1 cp1047"),
        ("IFE_LLLLCHAR", "ebcdic 4 cp1047"),
        ("IFE_LBINARY", "ebcdic 1 raw"),
        ("IFE_LLLLBINARY", "ebcdic 4 raw"),
        ("IFE_LNUM", "ebcdic 1 cp1047"),
        ("IFE_LLLNUM", "ebcdic 3 cp1047"),
        ("IFE_LLLEBINARY", "ebcdic 3 cp1047"),
        ("IFB_LLCHAR", "bcd 1 ascii"),
        ("IFB_LLLCHAR", "bcd 2 ascii"),
        ("IFB_LLLLCHAR", "bcd 2 ascii"),
        ("IFB_LLLLLLCHAR", "bcd 3 ascii"),
        ("IFB_LLBINARY", "bcd 1 raw"),
        ("IFB_LLLBINARY", "bcd 2 raw"),
        ("IFB_LLLLBINARY", "bcd 2 raw"),
        ("IFB_LLNUM", "bcd 1 bcd r0|bcd 1 bcd l0"),
        ("IFB_LLLNUM", "bcd 2 bcd r0|bcd 2 bcd l0"),
        ("IFB_FLLNUM", "bcd 1 bcd rF|bcd 1 bcd l0"),
        ("IFB_FLLLNUM", "bcd 2 bcd rF|bcd 2 bcd l0"),
        ("IFB_LLHCHAR", "binary 1 ascii"),
        ("IFB_LLLHCHAR", "binary 2 ascii"),
        ("IFB_LLHECHAR", "binary 1 cp1047"),
        ("IFB_LLLHECHAR", "binary 2 cp1047"),
        ("IFB_LLHBINARY", "binary 1 raw"),
        ("IFB_LLLHBINARY", "binary 2 raw"),
        ("IFB_LLHNUM", "binary 1 bcd r0|binary 1 bcd l0"),
        ("IFB_LLLHNUM", "binary 2 bcd r0|binary 2 bcd l0"),
        ("IFA_LLLBINARY", "ascii 3 raw"),
        ("IFA_LLLLBINARY", "ascii 4 raw"),
        ("IFA_LLLLLBINARY", "ascii 5 raw"),
    ];

    fn shown(name: &str, left: bool) -> String {
        let Some(Named::Row(class)) = named(name, left) else { return "none".to_owned() };
        let Class { length, coding, .. } = class;
        let class = crate::dialect::Class::Unkept;
        let row =
            Row { name: String::new(), content: Content::Digits, length, coding, class, max: 3 };
        let Columns { length, coding, .. } = Columns::of(&row);
        format!("{length} {coding}")
    }

    #[test]
    fn each_class_by_its_axes() {
        for (name, rows) in CLASSES {
            let (right, left) = rows.split_once('|').unwrap_or((rows, rows));
            assert_eq!(
                (shown(name, false), shown(name, true)),
                (right.into(), left.into()),
                "{name}"
            );
        }
    }

    #[test]
    fn what_no_row_can_say_has_its_reason_and_the_rest_is_unknown() {
        for name in [
            "IFA_FLLNUM",
            "IF_TCHAR",
            "IF_NOP",
            "IFEP_LLCHAR",
            "IFEP_LLLBINARY",
            "IFELPE_LLLCHAR",
            "IFMC_LLLBINARY",
            "IFEMC_LLLCHAR",
            "IFEPE_LLBINARY",
            "IFIPM_LLLCHAR",
            "IFA_TTLCHAR",
            "IFA_TTTLLLCHAR",
            "IFB_LLHFBINARY",
            "X92_BITMAP",
        ] {
            assert!(matches!(named(name, false), Some(Named::Unsayable(_))), "{name}");
        }
        for name in [
            "",
            "IFA_",
            "IFA_LLLLLLLCHAR",
            "IFB_LLLLLCHAR",
            "IFA_LXCHAR",
            "IFB_NUMERICS",
            "if_char",
        ] {
            assert_eq!(named(name, false), None, "{name}");
        }
        assert_eq!(named("IF_UNUSED", false), Some(Named::Unused));
        assert_eq!(named("IFE_BITMAP", false), Some(Named::Bitmap(Alphabet::Ebcdic)));
    }
}
