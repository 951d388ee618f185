//! Decoding allocates nothing: neither per element nor per message.

use std::sync::Arc;

use bytes::Bytes;
use iso8583d::codec::{self, Draft};
use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, Elements, Mti};

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

#[test]
fn decoding_a_purchase_allocates_nothing() {
    for name in ["iso87-ascii", "iso87-ascii-binary-bitmap", "iso87-bcd", "iso87-ebcdic"] {
        let dialect = Arc::new(Dialect::shipped(name).unwrap());
        let mut elements = Elements::default();
        for (no, value) in PURCHASE {
            elements.set(ElementNo::new(no).unwrap(), value.as_bytes());
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
        assert_eq!(read.unwrap().present().len(), 19, "{name}");
        let made = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
        assert_eq!(made.count_total, 1, "the counter counts");
    }
}
