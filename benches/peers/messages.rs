//! The messages that are read and written, in each coding.

use std::sync::Arc;

use bytes::Bytes;
use iso8583d::codec::Draft;
use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, Elements, Mti};

/// The 0200 of 19 elements that the project's figures are about.
const SALE: [(u8, &[u8]); 19] = [
    (2, b"5413330000004111"),
    (3, b"000000"),
    (4, b"000000001000"),
    (7, b"1123183400"),
    (11, b"000123"),
    (12, b"183400"),
    (13, b"1123"),
    (14, b"2912"),
    (18, b"5411"),
    (22, b"051"),
    (25, b"00"),
    (32, b"12345678901"),
    (35, b"5413330000004111=29122010000012345678"),
    (37, b"632718000123"),
    (41, b"TERM0001"),
    (42, b"MERCHANT0000001"),
    (43, b"A SHOP WITH A NAME       A TOWN       DE"),
    (49, b"978"),
    (52, b"\x01\x23\x45\x67\x89\xAB\xCD\xEF"),
];

/// What the message of 60 elements has besides those of the sale.
const MORE: [(u8, &[u8]); 41] = [
    (5, b"000000001000"),
    (6, b"000000001120"),
    (9, b"61000000"),
    (10, b"61000000"),
    (15, b"1124"),
    (16, b"1123"),
    (17, b"1123"),
    (19, b"276"),
    (21, b"276"),
    (23, b"001"),
    (24, b"200"),
    (26, b"12"),
    (28, b"D00000025"),
    (33, b"00000000042"),
    (36, b"5413330000004111=9789990000000000000003000000000000000000000000000000"),
    (38, b"A1B2C3"),
    (39, b"00"),
    (40, b"201"),
    (44, b"ADDITIONAL RESPONSE"),
    (45, b"B5413330000004111^CARDHOLDER/A^29122010000012345678"),
    (46, b"00840D00000100"),
    (47, b"NATIONAL DATA OF A NETWORK"),
    (48, b"TAA1010142TRMN0001BATCH000123CVV3CAP0102LANGDEINV0012INVOICE 4711TIP000000000150LOYAL0007POINTS7END"),
    (50, b"978"),
    (51, b"840"),
    (53, b"2001010000000000"),
    (54, b"0040978D0000000001500041978C000000001000"),
    (55, b"\x9F\x26\x08\x01\x02\x03\x04\x05\x06\x07\x08\x9F\x27\x01\x80\x9F\x10\x12\x01\x10\xA0\x00\x03\x22\x00\x00\
\x00\x00\x00\x00\x00\x00\x00\x00\x00\xFF\x9F\x37\x04\x12\x34\x56\x78\x9F\x36\x02\x00\x2A\x95\x05\x00\x00\x00\x80\x00\
\x9A\x03\x26\x11\x23\x9C\x01\x00\x9F\x02\x06\x00\x00\x00\x00\x10\x00\x5F\x2A\x02\x09\x78\x82\x02\x19\x80\x9F\x1A\x02\
\x02\x76\x9F\x34\x03\x1E\x03\x00\x9F\x33\x03\xE0\xF8\xC8\x84\x07\xA0\x00\x00\x00\x04\x10\x10"),
    (60, b"0101000000"),
    (61, b"00000000000030027612345"),
    (62, b"SOFTWARE 4.2.1"),
    (63, b"MCG123456789"),
    (70, b"301"),
    (90, b"010000012211221834000000012345600000000000"),
    (95, b"000000000900000000001000C00000000C00000000"),
    (100, b"12345678901"),
    (102, b"DE89370400440532013000"),
    (103, b"DE02120300000000202051"),
    (120, b"A RECORD OF A FILE, OR WHAT A NETWORK MADE OF THIS ELEMENT"),
    (123, b"90000000000000000000000000000000"),
    (128, b"\xAB\xCD\xEF\x01\x23\x45\x67\x89"),
];

/// One message in one dialect.
pub struct Sample {
    pub dialect: Arc<Dialect>,
    /// One that writes most elements otherwise.
    pub other: Arc<Dialect>,
    pub own: Elements,
    pub body: Bytes,
}

impl Sample {
    pub fn title(&self) -> String {
        format!(
            "{} in {}, {} bytes",
            self.own.present().len(),
            self.dialect.name(),
            self.body.len()
        )
    }
}

/// Both messages in each coding.
pub fn samples() -> Vec<Sample> {
    let names = ["iso87-ascii", "iso87-ascii-binary-bitmap", "iso87-bcd", "iso87-ebcdic"];
    let dialects = names.map(|name| Arc::new(Dialect::shipped(name).unwrap()));
    let [ascii, .., bcd, _] = &dialects;
    let mut samples = Vec::new();
    for own in [elements(&[&SALE]), elements(&[&SALE, &MORE])] {
        for dialect in &dialects {
            let other = if Arc::ptr_eq(dialect, bcd) { ascii } else { bcd };
            samples.push(sample(dialect, other, own.clone()));
        }
    }
    samples
}

fn elements(parts: &[&[(u8, &[u8])]]) -> Elements {
    let mut own = Elements::default();
    for (no, value) in parts.concat() {
        own.set(ElementNo::of(no), value);
    }
    own
}

fn sample(dialect: &Arc<Dialect>, other: &Arc<Dialect>, own: Elements) -> Sample {
    let mut out = Vec::new();
    Draft { mti: Mti::new(200).unwrap(), own: &own, copied: None }
        .encode(dialect, &mut out)
        .unwrap();
    // Static bytes: counting the references to a connection's buffer is not the codec's work.
    let body = Bytes::from_static(out.leak());
    Sample { dialect: Arc::clone(dialect), other: Arc::clone(other), own, body }
}

/// The same dialect for a network whose values are taken as they come.
pub fn unchecked(dialect: &Dialect) -> Arc<Dialect> {
    let text = format!("dialect unchecked\nextends {}\ncontents unchecked\n", dialect.name());
    Arc::new(Dialect::parse(&text).unwrap_or_else(|faults| panic!("{faults:#?}")))
}
