//! The dialect by which the house knows a link of 1993: one of 1987 that has room for all that the link may say.

use crate::dialect::{Class, Content, Dialect, Length, Row};
use crate::iso::{ElementNo, ElementSet, ResponseCode};

use super::codes::Codes;
use super::{aside, edition};

/// Why a dialect cannot be switched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHouse {
    /// It is of an edition that nothing here converts.
    #[error("it says that its version is 2003")]
    Version,
    /// An element is missing that every message needs.
    #[error("it has no element {0}")]
    Missing(ElementNo),
    /// An element is not as long as the standard has it, so that it cannot be converted.
    #[error("its element {element} has a length of {len}, and not of {usual}")]
    Length {
        /// Which.
        element: ElementNo,
        /// How long it is.
        len: u16,
        /// How long it is in the standard.
        usual: u16,
    },
    /// A code that moves money means nothing here.
    #[error(
        "its code {0}, which approves or accepts, is none that is known here: pair it with one of 1987 in `codes`"
    )]
    Code(ResponseCode),
    /// A bug of ours: the text that was made is no dialect.
    #[error("the elements that it has make no dialect of 1987: {0}")]
    Text(String),
}

/// What the conversion relies on: elements, how long they are, and whether every link needs them.
const NEEDED: [(ElementNo, u16, bool); 10] = [
    (ElementNo::AMOUNT, 12, false),
    (ElementNo::TRANSMISSION, 10, false),
    (ElementNo::STAN, 6, true),
    (ElementNo::of(12), 12, true),
    (ElementNo::of(15), 6, false),
    (ElementNo::of(22), 12, false),
    (ElementNo::of(24), 3, true),
    (ElementNo::of(25), 4, false),
    (ElementNo::of(26), 4, false),
    (ElementNo::RESPONSE_CODE, 3, true),
];

/// Whether a dialect of 1993 has what the conversion needs.
pub fn checked(wire: &Dialect) -> Result<(), NoHouse> {
    for (element, usual, needed) in NEEDED {
        match wire.row(element).map(|row| row.max) {
            Some(len) if len != usual => return Err(NoHouse::Length { element, len, usual }),
            None if needed => return Err(NoHouse::Missing(element)),
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// The dialect of 1987 that the house knows a link of 1993 by.
pub(super) fn house_of(wire: &Dialect, codes: &Codes) -> Result<Dialect, NoHouse> {
    checked(wire)?;
    let mut text = vec![
        format!("dialect {}", wire.name()),
        String::from("mti ascii\nbitmap binary\nsecond as-needed\nthird contiguous"),
    ];
    let echo: Vec<String> = echo(wire).iter().map(|no| no.to_string()).collect();
    line(&mut text, "echo", &echo);
    for (word, list) in [
        ("approve", wire.approve_codes()),
        ("accept", wire.accept_codes()),
        ("retry", wire.retry_codes()),
    ] {
        line(&mut text, word, &converted(list, codes)?);
    }
    for no in wire.defined().and(edition::same()).iter() {
        if let Some(row) = wire.row(no) {
            say(&mut text, no, row);
        }
    }
    for (no, needs) in edition::CONVERTED {
        // Where both editions have the element and mean the same, its row is there already.
        if wire.defined().has(needs) && !(edition::same().has(no) && wire.defined().has(no)) {
            own(&mut text, no);
        }
    }
    for no in edition::LEFT_OUT.iter() {
        own(&mut text, no);
    }
    for no in edition::kept_aside().filter(|no| wire.defined().has(*no)) {
        if let Some(row) = wire.row(no) {
            say(&mut text, aside(no.get()), row);
        }
    }
    Dialect::parse(&text.join("\n")).map_err(|faults| {
        let first = faults.first().map(|fault| fault.message.clone());
        NoHouse::Text(first.unwrap_or_default())
    })
}

fn line(text: &mut Vec<String>, word: &str, values: &[String]) {
    if !values.is_empty() {
        text.push(format!("{word} {}", values.join(" ")));
    }
}

/// What a response repeats, by the numbers of the house.
fn echo(wire: &Dialect) -> ElementSet {
    let kept: ElementSet = edition::kept_aside().collect();
    let mut set = ElementSet::EMPTY;
    for no in wire.echo().iter() {
        if edition::same().has(no) {
            set = set.with(no);
        }
        if kept.has(no) {
            set = set.with(aside(no.get()));
        }
    }
    // A network management message says its kind there.
    if wire.echo().has(ElementNo::of(24)) { set.with(ElementNo::NETWORK_CODE) } else { set }
}

/// Codes of a list as the house has them, each once.
fn converted(list: &[ResponseCode], codes: &Codes) -> Result<Vec<String>, NoHouse> {
    let mut all: Vec<String> = Vec::new();
    for code in list {
        let known = codes.to_1987(code.as_bytes()).ok_or(NoHouse::Code(*code))?.to_string();
        if !all.contains(&known) {
            all.push(known);
        }
    }
    Ok(all)
}

/// A row of the wire's as the house writes it.
fn say(text: &mut Vec<String>, no: ElementNo, row: &Row) {
    let content = row.content.notation();
    let units = row.max - u16::from(row.content == Content::Signed);
    let (dots, length) = match row.length {
        Length::Fixed | Length::Rest | Length::Until(_) => (" ", "-"),
        Length::Prefixed { .. } if row.max <= 99 => ("..", "ascii 2"),
        Length::Prefixed { .. } => ("..", "ascii 3"),
    };
    let coding = if row.content == Content::Bytes { "raw" } else { "ascii" };
    let class = match row.class {
        Class::Keep => "keep",
        Class::Pan => "pan",
        Class::Sensitive => "sensitive",
        Class::Unkept => "-",
    };
    text.push(format!("{no} {content}{dots}{units} {length} {coding} {class} {}", row.name));
}

/// A row that the house has of its own edition, whatever the wire has.
fn own(text: &mut Vec<String>, no: ElementNo) {
    let row = match no.get() {
        12 => "n 6 - ascii keep time, local transaction",
        13 => "n 4 - ascii keep date, local transaction",
        15 => "n 4 - ascii keep date, settlement",
        18 => "n 4 - ascii keep merchant type",
        22 => "n 3 - ascii keep point of service entry mode",
        24 => "n 3 - ascii keep network international identifier",
        25 => "n 2 - ascii keep point of service condition code",
        26 => "n 2 - ascii keep point of service PIN capture code",
        39 => "an 2 - ascii keep response code",
        43 => "ans 40 - ascii keep card acceptor name and location",
        53 => "n 16 - ascii sensitive security related control information",
        70 => "n 3 - ascii keep network management information code",
        90 => "n 42 - ascii keep original data elements",
        95 => "an 42 - ascii keep replacement amounts",
        _ => "b 8 - raw - message authentication code",
    };
    text.push(format!("{no} {row}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_dialect_of_1993_that_carries_requests_has_one() {
        for name in ["iso93-ascii", "iso93-bcd", "iso93-ebcdic"] {
            let wire = Dialect::shipped(name).unwrap();
            let house =
                house_of(&wire, &Codes::default()).unwrap_or_else(|fault| panic!("{fault}"));
            assert_eq!(house.name(), name);
            assert!(
                house.approves(ResponseCode::APPROVED) && house.accepts(ResponseCode::APPROVED)
            );
            assert!(!house.approves(ResponseCode::new(b"05").unwrap()));
            assert_eq!(house.row(ElementNo::RESPONSE_CODE).unwrap().max, 2);
            assert_eq!(house.row(aside(22)).unwrap().max, 12);
            assert!(house.echo().has(aside(12)) && !house.echo().has(ElementNo::of(12)));
            assert_eq!(house.row(ElementNo::PAN).unwrap().class, Class::Pan);
            assert_eq!(house.row(ElementNo::TRACK2).unwrap().class, Class::Sensitive);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let shipped = |line: &str| {
            let text = format!("dialect other\nextends iso93-ascii\n{line}\n");
            house_of(&Dialect::parse(&text).unwrap(), &Codes::default()).unwrap_err()
        };
        let approve = shipped("approve 000 081");
        assert_eq!(approve, NoHouse::Code(ResponseCode::new(b"081").unwrap()));
        let long = shipped("12 n 10 - ascii keep date and time");
        assert!(matches!(long, NoHouse::Length { len: 10, usual: 12, .. }), "{long:?}");
    }
}
