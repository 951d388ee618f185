//! Two messages side by side, element by element, whatever dialect each is written in.

use std::io::BufRead;
use std::sync::Arc;

use super::input::{self, InputError, Options};
use super::show;
use crate::codec::{self, Message, Piece, Pieces, Plain};
use crate::dialect::{Class, Content, Dialect, Row};
use crate::framing::Head;
use crate::iso::ElementNo;

/// One of two messages that are compared.
pub struct Side {
    pub(super) head: Head,
    pub(super) message: Message,
}

impl Side {
    /// What precedes the message, and the message.
    pub fn into_parts(self) -> (Head, Message) {
        (self.head, self.message)
    }
}

/// Reads the one message of an input; says so when there is none, or more, or when it is wrong.
pub fn read_side(
    dialect: &Arc<Dialect>,
    input: &mut dyn BufRead,
    options: &Options,
) -> Result<Side, InputError> {
    let (mut pieces, mut first) = (0_u64, None);
    input::read(input, options, &mut |piece| {
        pieces += 1;
        first.get_or_insert(piece);
        Ok(())
    })?;
    let bad = |place: &str, why: String, cure: &str| InputError::Bad {
        place: place.to_owned(),
        why,
        cure: cure.to_owned(),
    };
    let Some(piece) = first.filter(|_| pieces == 1) else {
        let why = format!("{pieces} messages are here");
        return Err(bad("the input", why, "give one message on either side"));
    };
    let framed = options.framing.is_some();
    let (head, body) = piece.found.map_err(|fault| {
        let cure = "a file, or a message as hexadecimal digits or base64; `--input` says which";
        bad(&piece.place, fault, if framed { FRAMED_ALIKE } else { cure })
    })?;
    let message = codec::decode(dialect, body).map_err(|error| {
        let cure = format!("`iso8583d decode --explain` shows where; {FRAMED_ALIKE}");
        let cure = if framed { &cure } else { "`iso8583d decode --explain` shows where" };
        bad(&piece.place, error.to_string(), cure)
    })?;
    Ok(Side { head, message })
}

/// What to do about messages of links that are framed differently.
const FRAMED_ALIKE: &str = "--length, --tpdu and what else is around a message hold for both sides: where the sides are framed \
     differently, leave these options out and give each message from its MTI on";

/// What differs between two messages, a line each; empty when nothing does.
///
/// Values are masked as everywhere, and a difference between values that are masked is told without its place.
pub fn diff(a: &Side, b: &Side, unmask: bool) -> String {
    let mut lines = Vec::new();
    if a.head != b.head {
        let [one, other] = [a, b].map(|side| show::hex(side.head.as_bytes()));
        lines.push(format!("differs     before the message: {one} | {other}"));
    }
    let (one, other) = (a.message.mti(), b.message.mti());
    if one != other {
        lines.push(format!(
            "differs     MTI: {one} | {other}{}",
            place(&one.ascii(), &other.ascii(), "digit")
        ));
    }
    for no in a.message.present().or(b.message.present()).iter() {
        let rows = [a, b].map(|side| side.message.dialect().row(no));
        let values = [a, b].map(|side| side.message.get(no));
        let alike = matches!(&values, [Some(one), Some(other)] if **one == **other);
        if alike {
            continue;
        }
        if !parts_differ(no, [a, b], unmask, &mut lines) {
            Pair { no, rows, unmask }.compare([&values[0], &values[1]], &mut lines);
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Compares what lies within an element of both messages, part by part; whether it could, and found what differs.
fn parts_differ(no: ElementNo, sides: [&Side; 2], unmask: bool, lines: &mut Vec<String>) -> bool {
    let [Some(one), Some(other)] = sides.map(|side| side.message.pieces(no)) else { return false };
    if one.fault.is_some() || other.fault.is_some() {
        return false;
    }
    let before = lines.len();
    let whole = |pieces: &'_ Pieces<'_>| -> Vec<_> {
        let whole = pieces.pieces.iter().filter(|piece| !piece.divided);
        whole.map(|piece| piece.path.clone()).collect()
    };
    let (ones, others) = (whole(&one), whole(&other));
    let only_others = others.iter().filter(|path| !ones.contains(path));
    for path in ones.iter().chain(only_others) {
        let pair = [&one, &other].map(|side| side.pieces.iter().find(|piece| piece.path == *path));
        lines.extend(PiecePair { path, pair, sides, no, unmask }.told());
    }
    before < lines.len()
}

/// A part of an element, in one message or both.
struct PiecePair<'a> {
    path: &'a str,
    pair: [Option<&'a Piece<'a>>; 2],
    sides: [&'a Side; 2],
    no: ElementNo,
    unmask: bool,
}

impl PiecePair<'_> {
    /// What differs, if anything.
    fn told(&self) -> Option<String> {
        match self.pair {
            [Some(one), None] => Some(format!("only in A  {}: {}", self.name(), self.shown(one))),
            [None, Some(other)] => {
                Some(format!("only in B  {}: {}", self.name(), self.shown(other)))
            }
            [Some(one), Some(other)] if one.plain != other.plain => {
                let bytes = one.content == Content::Bytes;
                let at = if self.unmask || show::is_shown(self.class()) {
                    place(&one.plain, &other.plain, if bytes { "byte" } else { "character" })
                } else {
                    String::from("  (masked values differ)")
                };
                let (one, other) = (self.shown(one), self.shown(other));
                Some(format!("differs    {}: {one} | {other}{at}", self.name()))
            }
            _ => None,
        }
    }

    fn name(&self) -> String {
        let row = self.pair.into_iter().flatten().find_map(|piece| piece.row);
        format!("{}  {}", self.path, row.map_or("", |row| row.name.as_str()))
    }

    fn shown(&self, piece: &Piece<'_>) -> String {
        show::harmless(&show::part(self.class(), piece.content, &piece.plain, self.unmask))
    }

    /// What either dialect hides is hidden, also in a message that has no such part.
    fn class(&self) -> Class {
        let keys = self.path.split_once('.').map_or("", |(_, keys)| keys);
        let classes = self.sides.map(|side| {
            let dialect = side.message.dialect();
            let element = dialect.row(self.no).map_or(Class::Sensitive, |row| row.class);
            dialect.inside(self.no).map_or(element, |inside| inside.class_at(keys, element))
        });
        let has = |class| classes.contains(&class);
        [Class::Sensitive, Class::Pan].into_iter().find(|class| has(*class)).unwrap_or(Class::Keep)
    }
}

/// An element of both messages, by each one's dialect.
struct Pair<'a> {
    no: ElementNo,
    rows: [Option<&'a Row>; 2],
    unmask: bool,
}

impl<'a> Pair<'a> {
    /// Appends what differs. An element that has elements of its own compares those, under its number, instead of its value.
    fn compare(&self, values: [&Option<Plain<'_>>; 2], lines: &mut Vec<String>) {
        lines.extend(match values {
            [Some(one), None] => Some(format!("only in A  {}: {}", self.name(), self.shown(one))),
            [None, Some(other)] => {
                Some(format!("only in B  {}: {}", self.name(), self.shown(other)))
            }
            [Some(one), Some(other)] if **one != **other => Some(self.differs(one, other)),
            _ => None,
        });
    }

    fn differs(&self, one: &[u8], other: &[u8]) -> String {
        let is_open = self.rows.iter().all(|row| show::is_open(self.no, *row, self.unmask));
        let is_bytes = self.strictest().is_some_and(|row| row.content == Content::Bytes);
        let at = if is_open {
            place(one, other, if is_bytes { "byte" } else { "character" })
        } else {
            // Where a secret differs says something of it.
            String::from("  (masked values differ)")
        };
        format!("differs    {}: {} | {}{at}", self.name(), self.shown(one), self.shown(other))
    }

    fn name(&self) -> String {
        let row = self.rows.iter().find_map(|row| *row);
        format!("{:>3}  {}", self.no.get(), row.map_or("", |row| row.name.as_str()))
    }

    fn shown(&self, value: &[u8]) -> String {
        show::harmless(&show::value(self.no, self.strictest(), value, self.unmask))
    }

    /// The row that shows less: what either dialect hides is hidden.
    fn strictest(&self) -> Option<&'a Row> {
        let known = || self.rows.iter().filter_map(|row| *row);
        let masked = |row: &&Row| !show::is_open(self.no, Some(row), self.unmask);
        let sensitive = |row: &&Row| row.class == Class::Sensitive;
        known().find(sensitive).or_else(|| known().find(masked)).or_else(|| known().next())
    }
}

/// The first place where two values differ, from 1 on.
fn place(one: &[u8], other: &[u8], unit: &str) -> String {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let lengths = if one.len() == other.len() {
        String::new()
    } else {
        format!(", lengths {} | {}", one.len(), other.len())
    };
    format!("  (from {unit} {} on{lengths})", same + 1)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::tools::encode_line;

    fn side(dialect: &str, json: &str) -> Side {
        let dialect = Arc::new(Dialect::shipped(dialect).unwrap());
        let hex = encode_line(&dialect, None, json);
        assert!(hex.ok, "{}", hex.text);
        read_side(&dialect, &mut Cursor::new(hex.text), &Options::default()).unwrap()
    }

    const SALE: &str = r#"{"mti":"0200","fields":{"2":"5413330000004111","4":"000000001000","35":"5413330000004111=2912","41":"TERM0001","52":"0123456789ABCDEF","54":""}}"#;

    #[test]
    fn a_message_is_like_itself_in_every_dialect() {
        let names = || Dialect::shipped_names().iter().filter(|name| name.starts_with("iso87-"));
        for one in names() {
            for other in names() {
                assert_eq!(diff(&side(one, SALE), &side(other, SALE), false), "", "{one} {other}");
            }
        }
    }

    #[test]
    fn each_difference_has_its_line() {
        for (from, to, masked, unmasked) in [
            ("0200", "0210", "differs     MTI: 0200 | 0210  (from digit 3 on)\n", ""),
            (r#","54":"""#, "", "only in A   54  additional amounts: \n", ""),
            (
                r#""54":"""#,
                r#""54":"","70":"301""#,
                "only in B   70  network management information code: 301\n",
                "",
            ),
            (
                "1000\"",
                "1001\"",
                "differs      4  amount, transaction: 000000001000 | 000000001001  (from character 12 on)\n",
                "",
            ),
            (
                r#""54":"""#,
                r#""54":"abc""#,
                "differs     54  additional amounts:  | abc  (from character 1 on, lengths 0 | 3)\n",
                "",
            ),
            (
                "ABCDEF",
                "ABCDEE",
                "differs     52  PIN data: <sensitive 8 bytes> | <sensitive 8 bytes>  (masked values differ)\n",
                "differs     52  PIN data: 0123456789ABCDEF | 0123456789ABCDEE  (from byte 8 on)\n",
            ),
            (
                r#""2":"5413330000004111""#,
                r#""2":"5413330000104111""#,
                "differs      2  primary account number: 541333******4111 | 541333******4111  (masked values differ)\n",
                "differs      2  primary account number: 5413330000004111 | 5413330000104111  (from character 11 on)\n",
            ),
            (
                r#","35":"5413330000004111=2912""#,
                "",
                "only in A   35  track 2 data: <sensitive 21 bytes>\n",
                "only in A   35  track 2 data: 5413330000004111=2912\n",
            ),
        ] {
            assert!(SALE.contains(from), "{from}");
            let sides = [side("iso87-bcd", SALE), side("iso87-ebcdic", &SALE.replace(from, to))];
            assert_eq!(diff(&sides[0], &sides[1], false), masked);
            let open = if unmasked.is_empty() { masked } else { unmasked };
            assert_eq!(diff(&sides[0], &sides[1], true), open);
        }
    }

    #[test]
    fn parts_are_compared_one_by_one() {
        const CHIP: &str = r#"{"mti":"0200","fields":{"3":"003000","55":"9F02060000000010005A0854133300000041119F36020001DF0101AA"}}"#;
        for (from, to, wanted) in [
            (
                "003000",
                "003100",
                "differs    3.2  account type, from: 30 | 31  (from character 2 on)\n",
            ),
            (
                "36020001",
                "36020002",
                "differs    55.9F36  application transaction counter: 0001 | 0002  (from byte 2 on)\n",
            ),
            ("9F36020001", "", "only in A  55.9F36  application transaction counter: 0001\n"),
            ("9F36020001", "9F360200019A03261123", "only in B  55.9A  transaction date: 261123\n"),
            (
                "5A0854133300000041",
                "5A0854133300000042",
                "differs    55.5A  application primary account number: 541333******4111 | 541333******4211  (masked values differ)\n",
            ),
            (
                "0101AA",
                "0101AB",
                "differs    55.DF01  : <sensitive 1 bytes> | <sensitive 1 bytes>  (masked values differ)\n",
            ),
            // What cannot be taken apart is compared as a whole.
            (
                "9F36020001",
                "9F360F0001",
                "differs     55  ICC data: <sensitive 28 bytes> | <sensitive 28 bytes>  (masked values differ)\n",
            ),
        ] {
            assert!(CHIP.contains(from), "{from}");
            let (one, other) =
                (side("iso87-bcd", CHIP), side("iso87-ebcdic", &CHIP.replace(from, to)));
            assert_eq!(diff(&one, &other, false), wanted);
        }
    }

    #[test]
    fn what_either_dialect_hides_is_hidden() {
        let own =
            Dialect::parse("dialect own\nextends iso87-bcd\n41 ans 8 - ascii sensitive terminal\n")
                .unwrap();
        let own = Arc::new(own);
        let changed = SALE.replace("TERM0001", "TERM0002");
        let hex = encode_line(&own, None, &changed).text;
        let hidden = read_side(&own, &mut Cursor::new(hex), &Options::default()).unwrap();
        let open = side("iso87-ascii", SALE);
        for told in [diff(&open, &hidden, false), diff(&hidden, &open, false)] {
            assert!(told.contains(" 41 ") && told.contains("masked values differ"), "{told}");
            assert!(!told.contains("TERM"), "{told}");
        }
    }
}
