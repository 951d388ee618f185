//! Messages for people: one of hexadecimal digits in, one JSON object out. Masked by class unless told otherwise.

use std::sync::Arc;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Line, input, show};
use crate::codec::{self, DecodeError, Message};
use crate::dialect::Dialect;
use crate::framing::{Framing, Head};

/// Shows one message: `{"ok":true,"mti":"0200","fields":{"3":"000000"}}`, or what is wrong with it and where.
///
/// With a framing the line is a whole frame: its length field comes first, and what precedes the message is shown as `tpdu` or `header`.
/// Card numbers are masked and sensitive elements shown as their lengths, unless `unmask`.
pub fn decode_line(
    dialect: &Arc<Dialect>,
    framing: Option<&Framing>,
    line: &str,
    unmask: bool,
) -> Line {
    let show = Show { unmask, parts: false };
    decode_piece(dialect, input::hex_frame(framing, line.trim().as_bytes()), show)
}

/// How much of a message is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Show {
    /// Cards, tracks and PIN blocks in clear.
    pub unmask: bool,
    /// What lies within elements, too: `"48.42":"..."`.
    pub parts: bool,
}

/// Shows one message of an input as `decode_line` does.
pub fn decode_piece(
    dialect: &Arc<Dialect>,
    found: Result<(Head, Bytes), String>,
    show: Show,
) -> Line {
    let shown = match found {
        Ok((head, body)) => match codec::decode(dialect, body) {
            Ok(message) => Ok(Shown::Message { head, message: Box::new(message), show }),
            Err(error) => Err(Shown::Fault(error)),
        },
        Err(fault) => Err(Shown::Other(fault)),
    };
    let ok = shown.is_ok();
    let shown = shown.unwrap_or_else(|fault| fault);
    // Maps with text keys cannot fail to become JSON.
    Line { ok, text: serde_json::to_string(&shown).unwrap_or_default() }
}

/// What a line shows.
enum Shown {
    Message {
        head: Head,
        message: Box<Message>,
        show: Show,
    },
    Fault(DecodeError),
    /// No message at all, and why.
    Other(String),
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("ok", &matches!(self, Self::Message { .. }))?;
        match self {
            Self::Message { head, message, show } => {
                if !head.as_bytes().is_empty() {
                    let key = if head.is_tpdu() { "tpdu" } else { "header" };
                    map.serialize_entry(key, &show::hex(head.as_bytes()))?;
                }
                map.serialize_entry("mti", &message.mti().to_string())?;
                map.serialize_entry("fields", &Fields { message, show: *show })?;
                if show.parts {
                    for (no, fault) in part_faults(message) {
                        // The message is right, and what its dialect says of one element's inside is not.
                        map.serialize_entry(&format!("within {no}"), &fault)?;
                    }
                }
            }
            Self::Fault(error) => {
                if let Some(mti) = error.mti {
                    map.serialize_entry("mti", &mti.to_string())?;
                }
                map.serialize_entry("error", &Fault(error))?;
            }
            Self::Other(fault) => {
                map.serialize_entry("error", &serde_json::json!({ "fault": fault }))?;
            }
        }
        map.end()
    }
}

/// What is wrong with a message, as JSON.
struct Fault<'a>(&'a DecodeError);

impl Serialize for Fault<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(error) = self;
        let mut map = to.serialize_map(None)?;
        if let Some(element) = error.element {
            map.serialize_entry("element", &element)?;
        }
        map.serialize_entry("offset", &error.offset)?;
        map.serialize_entry("fault", &error.fault.to_string())?;
        map.end()
    }
}

/// A message's elements in ascending order, as JSON.
struct Fields<'a> {
    message: &'a Message,
    show: Show,
}

/// The elements whose parts are not as the dialect says, and why.
fn part_faults(message: &Message) -> impl Iterator<Item = (u8, String)> {
    message.present().iter().filter_map(|no| {
        let fault = message.pieces(no)?.fault?;
        Some((no.get(), fault.to_string()))
    })
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (no, value) in self.message.elements(self.message.present()).iter() {
            let row = self.message.dialect().row(no);
            let value = show::value(no, row, value, self.show.unmask);
            map.serialize_entry(&no.get().to_string(), &value)?;
            let parts = self.message.pieces(no).filter(|_| self.show.parts);
            for piece in parts.iter().flat_map(|parts| &parts.pieces).filter(|piece| !piece.divided)
            {
                map.serialize_entry(&piece.path, &show::piece(piece, self.show.unmask))?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{Length, Settings, Tpdu};

    /// A sale: elements 2, 3, 4, 7, 11, 12, 13, 35 and 52.
    const SALE: &str = concat!(
        "0200",
        "7238000020001000",
        "165413330000004111",
        "000000",
        "000000001000",
        "1123183400",
        "000123",
        "183400",
        "1123",
        "275413330000004111D29122010000",
        "0123456789ABCDEF"
    );

    fn line(framing: Option<&Framing>, hex: &str, unmask: bool) -> String {
        decode_line(&Arc::new(Dialect::shipped("iso87-bcd").unwrap()), framing, hex, unmask).text
    }

    #[test]
    fn a_message_is_shown_masked_unless_told_otherwise() {
        let open = r#""3":"000000","4":"000000001000","7":"1123183400","11":"000123","12":"183400","13":"1123","#;
        assert_eq!(
            line(None, SALE, false),
            [
                r#"{"ok":true,"mti":"0200","fields":{"2":"541333******4111","#,
                open,
                r#""35":"<sensitive 27 bytes>","52":"<sensitive 8 bytes>"}}"#
            ]
            .concat()
        );
        assert_eq!(
            line(None, SALE, true),
            [
                r#"{"ok":true,"mti":"0200","fields":{"2":"5413330000004111","#,
                open,
                r#""35":"5413330000004111=2912201000","52":"0123456789ABCDEF"}}"#
            ]
            .concat()
        );
    }

    #[test]
    fn faults_have_their_place() {
        for (hex, shown) in [
            ("02", r#"{"ok":false,"error":{"offset":0,"fault":"the message ends early"}}"#),
            ("0G", r#"{"ok":false,"error":{"fault":"not an even number of hexadecimal digits"}}"#),
            (
                "0200000000002000000041",
                r#"{"ok":false,"mti":"0200","error":{"element":35,"offset":10,"fault":"length 41 exceeds 37"}}"#,
            ),
        ] {
            assert_eq!(line(None, hex, false), shown);
        }
    }

    #[test]
    fn a_frame_is_cut_first() {
        let header = Head::tpdu(Tpdu::from_text("6000010002").unwrap());
        let framing = Framing::new(Settings { header, ..Settings::default() });
        for (hex, shown) in [
            (
                "0012600001000208000020000000000000000001",
                r#"{"ok":true,"tpdu":"6000010002","mti":"0800","fields":{"11":"000001"}}"#,
            ),
            (
                "0013600001000208000020000000000000000001",
                r#"{"ok":false,"error":{"fault":"the frame ends early"}}"#,
            ),
            (
                "001260000100020800002000000000000000000100",
                r#"{"ok":false,"error":{"fault":"1 bytes behind the frame"}}"#,
            ),
        ] {
            assert_eq!(line(Some(&framing), hex, false), shown);
        }
        let header = Head::from_text("base24:ISO025000050").unwrap();
        let read = Framing::new(Settings { length: Length::NONE, header, ..Settings::default() })
            .measured_by(Arc::new(Dialect::shipped("iso87-bcd").unwrap()));
        for (hex, shown) in [
            (
                "49534F30323530303030353008000020000000000000000001",
                r#"{"ok":true,"header":"49534F303235303030303530","mti":"0800","fields":{"11":"000001"}}"#,
            ),
            (
                "49534F3032353030303035300800002000000000000000",
                r#"{"ok":false,"error":{"fault":"the frame ends early"}}"#,
            ),
        ] {
            assert_eq!(line(Some(&read), hex, false), shown);
        }
    }
}
