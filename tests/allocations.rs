//! Cutting frames, decoding and routing allocate nothing: neither per element nor per message.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use iso8583d::codec::{self, Draft};
use iso8583d::dialect::{Content, Dialect};
use iso8583d::framing::{Fixed, Framing, Head, Length, Settings, Tpdu};
use iso8583d::iso::{Class, Currency, ElementNo, Elements, Mti};
use iso8583d::record::LinkId;
use iso8583d::route::{CardRange, Conditions, Facts, Rule, Table};
use tokio_util::codec::Decoder as _;

/// A purchase of nineteen elements, as plain text.
const PURCHASE: [(u8, &str); 19] = [
    (2, "5413330000004111"),
    (3, "000000"),
    (4, "000000001250"),
    (7, "1123184000"),
    (11, "000001"),
    (12, "184000"),
    (13, "1123"),
    (14, "2812"),
    (18, "5411"),
    (22, "051"),
    (25, "00"),
    (32, "12345678901"),
    (35, "5413330000004111=28122010000000000000"),
    (37, "000000000001"),
    (41, "TERM0001"),
    (42, "MERCHANT0000001"),
    (43, "CORNER SHOP             GENT          BE"),
    (49, "978"),
    (60, "additional data of the shop's own network"),
];

fn fits(dialect: &Dialect, no: ElementNo, value: &str) -> bool {
    let row = dialect.row(no);
    row.is_some_and(|row| row.content != Content::Bytes && value.len() <= usize::from(row.max))
}

#[test]
fn decoding_a_purchase_allocates_nothing() {
    for name in Dialect::shipped_names() {
        let dialect = Arc::new(Dialect::shipped(name).unwrap());
        let mut elements = Elements::default();
        for (no, value) in PURCHASE {
            let no = ElementNo::new(no).unwrap();
            // Where another version has a longer element, the value is padded; what it cannot say at all is left out.
            if fits(&dialect, no, value) {
                elements.set(no, value.as_bytes());
            }
        }
        let mti = Mti::new(200).unwrap();
        let mut body = Vec::new();
        Draft { mti, own: &elements, copied: None }.encode(&dialect, &mut body).unwrap();
        let body = Bytes::from(body);
        // The first handle beside the first one makes a count of handles; that is the frame's affair.
        let frame = body.clone();
        let mut read = None;
        let counted = allocation_counter::measure(|| read = codec::decode(&dialect, frame).ok());
        assert_eq!(counted.count_total, 0, "{name}: {counted:?}");
        let (read, of) = (read.unwrap().present().len(), elements.present().len());
        assert_eq!(read, of, "{name}");
        assert!(read >= if name.starts_with("iso87-") { 19 } else { 9 }, "{name}: {read}");
        let made = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
        assert_eq!(made.count_total, 1, "the counter counts");
    }
}

/// With each kind of header, and by each way of finding where a message ends.
#[test]
fn cutting_frames_allocates_nothing() {
    let plain = Settings::default();
    let none = Settings { length: Length::NONE, ..plain };
    let tpdu = Head::tpdu(Tpdu::from_text("6000010002").unwrap());
    let base24 = Head::from_text("base24:ISO025000050").unwrap();
    let visa = Head::from_text("visa:400001:500002").unwrap();
    let etx = Fixed::from_text("03").unwrap();
    let dialect = Arc::new(Dialect::shipped("iso87-bcd").unwrap());
    let message = [&b"\x08\0\0\x20\0\0\0\0\0\0"[..], b"\0\0\x01"].concat();
    for settings in [
        plain,
        Settings { length: Length::ASCII_4, header: tpdu, ..plain },
        Settings { header: visa, ..plain },
        Settings { header: base24, trailer: etx, lrc: true, ..plain },
        Settings { trailer: etx, ..none },
        Settings { header: tpdu, ..none },
    ] {
        let mut framing = Framing::new(settings).measured_by(Arc::<Dialect>::clone(&dialect));
        let mut stream = BytesMut::new();
        for _ in 0..8 {
            framing.put(framing.head(), &message, &mut stream).unwrap();
        }
        // The first handle beside the first one makes a count of handles: once a piece of the stream.
        let mut frames = vec![framing.decode(&mut stream).unwrap().unwrap()];
        frames.reserve(8);
        let counted = allocation_counter::measure(|| {
            while let Ok(Some(frame)) = framing.decode(&mut stream) {
                frames.push(frame);
            }
        });
        assert_eq!(counted.count_total, 0, "{settings:?}: {counted:?}");
        assert_eq!(frames.len(), 8, "{settings:?}");
    }
}

/// Every condition is asked, and the card lies in many ranges.
#[test]
fn picking_a_route_allocates_nothing() {
    let when = Conditions {
        class: Some(Class::Financial),
        processing_code: b"00".to_vec(),
        amount: Some((1, 5_000)),
        merchant_types: vec![(5400, 5499)],
        entry_modes: vec![*b"05"],
        acquirers: vec![b"12345678901".to_vec()],
        merchants: vec![b"MERCHANT0000001".to_vec()],
        currencies: vec![Currency::new(978).unwrap()],
    };
    let other = Conditions { currencies: vec![Currency::new(840).unwrap()], ..when.clone() };
    let cards = |text| vec![CardRange::parse(text).unwrap()];
    let rule =
        |text, when| Rule { cards: cards(text), when, to: vec![LinkId(1)], ..Rule::default() };
    let rules = [rule("5", when), rule("5413", other.clone()), rule("541333", other)];
    let table = Table::new(&rules);
    let values: [&[u8]; 7] =
        [b"000000", b"000000001250", b"5411", b"051", b"12345678901", b"MERCHANT0000001", b"978"];
    let facts = Facts::new(Class::Financial, Some(b"5413330000004111"), values);
    let mut picked = None;
    let counted = allocation_counter::measure(|| picked = table.pick(&facts));
    assert_eq!(counted.count_total, 0, "{counted:?}");
    assert_eq!(picked.map(|picked| picked.rule), Some(0));
}
