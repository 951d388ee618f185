//! Messages as a shop's terminal makes them, as plain elements; knows no dialect and no socket.

use crate::iso::{ElementNo, Elements, Mti, NotOne, Wall};

/// The institution that simulated terminals belong to: element 32.
pub const ACQUIRER: &[u8] = b"999999";

/// What a terminal tells about itself.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Element 41, 8 characters.
    pub terminal: String,
    /// Element 42, 15 characters.
    pub merchant: String,
    /// Element 43, 40 characters.
    pub name: String,
}

/// One message that is to be asked, apart from its MTI.
#[derive(Clone, Debug)]
pub struct Sale<'a> {
    /// The card, 8 to 19 digits.
    pub pan: &'a [u8],
    /// Element 3: `000000` buys, `200000` gives back.
    pub processing_code: &'a [u8; 6],
    /// Element 4 in minor units.
    pub amount: u64,
    /// Element 49.
    pub currency: &'a [u8; 3],
    /// Element 11.
    pub stan: u32,
    /// Element 37, 12 digits that name the sale for good.
    pub rrn: u64,
    /// Elements 7, 12 and 13.
    pub at: Wall,
}

impl Shop {
    /// The shop with this number, 0 to 9999.
    pub fn numbered(number: u32) -> Self {
        let name = format!("{:<25}{:<13}DE", format!("SHOP {number:04}, HIGH STREET 1"), "BERLIN");
        Self { terminal: format!("T{number:07}"), merchant: format!("M{number:014}"), name }
    }

    /// A sale in nineteen elements: what a terminal with a magnetic stripe sends.
    pub fn sale(&self, sale: &Sale<'_>) -> Elements {
        let transmission = sale.at.transmission().ascii();
        let (date, time) = transmission.split_at(4);
        let track = [sale.pan, &b"=29122010000000000"[..]].concat();
        let mut elements = Elements::with_capacity(320);
        for (no, value) in [
            (2, sale.pan),
            (3, sale.processing_code),
            (4, format!("{:012}", sale.amount).as_bytes()),
            (7, &transmission),
            (11, format!("{:06}", sale.stan).as_bytes()),
            (12, time),
            (13, date),
            (14, b"2912"),
            (18, b"5411"),
            (22, b"021"),
            (24, b"200"),
            (25, b"00"),
            (32, ACQUIRER),
            (35, &track),
            (37, format!("{:012}", sale.rrn).as_bytes()),
            (41, self.terminal.as_bytes()),
            (42, self.merchant.as_bytes()),
            (43, self.name.as_bytes()),
            (49, sale.currency),
        ] {
            elements.set(ElementNo::of(no), value);
        }
        elements
    }

    /// The reversal of a message: the same elements under a new trace, and element 90 that names it.
    pub fn reversal(original: &Elements, mti: Mti, stan: u32, at: Wall) -> Elements {
        let of = |no| original.get(no).unwrap_or_default();
        let mut named = mti.ascii().to_vec();
        named.extend_from_slice(of(ElementNo::STAN));
        named.extend_from_slice(of(ElementNo::TRANSMISSION));
        let acquirer = of(ElementNo::ACQUIRER);
        named.resize(named.len() + 11_usize.saturating_sub(acquirer.len()), b'0');
        named.extend_from_slice(acquirer);
        named.extend_from_slice(&[b'0'; 11]);
        let mut elements = original.clone();
        elements.remove(ElementNo::TRACK2);
        elements.set(ElementNo::TRANSMISSION, &at.transmission().ascii());
        elements.set(ElementNo::STAN, format!("{stan:06}").as_bytes());
        elements.set(ElementNo::ORIGINAL, &named);
        elements
    }

    /// A network management message: element 70 says which.
    pub fn network(code: &[u8; 3], stan: u32, at: Wall) -> Elements {
        let mut elements = Elements::default();
        elements.set(ElementNo::TRANSMISSION, &at.transmission().ascii());
        elements.set(ElementNo::STAN, format!("{stan:06}").as_bytes());
        elements.set(ElementNo::NETWORK_CODE, code);
        elements
    }
}

/// A card number of sixteen digits under a prefix of up to nine, with the check digit of ISO/IEC 7812.
pub fn card(prefix: &str, number: u32) -> Result<String, NotOne> {
    let fault = NotOne { expected: "a prefix of up to nine digits" };
    if 9 < prefix.len() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault);
    }
    let width = 15 - prefix.len();
    let body = format!("{prefix}{:0width$}", number % 1_000_000, width = width);
    let doubled = |digit: u32| if 4 < digit { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 = body
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { doubled(digit) } else { digit })
        .sum();
    Ok(format!("{body}{}", (10 - sum % 10) % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_have_their_check_digit() {
        for (prefix, number, pan) in
            [("541333", 411, "5413330000004110"), ("411111111", 111_111, "4111111111111111")]
        {
            assert_eq!(card(prefix, number).unwrap(), pan);
        }
        assert!(card("12345678901", 0).is_err() && card("12x", 0).is_err());
    }

    #[test]
    fn a_sale_has_nineteen_elements_and_its_reversal_names_it() {
        let shop = Shop::numbered(7);
        let at = Wall(1_795_372_440_000);
        let sale = Sale {
            pan: b"5413330000004110",
            processing_code: b"000000",
            amount: 1250,
            currency: b"978",
            stan: 42,
            rrn: 7_000_001,
            at,
        };
        let elements = shop.sale(&sale);
        assert_eq!(elements.present().len(), 19);
        let undo = Shop::reversal(&elements, Mti::new(200).unwrap(), 43, at);
        assert_eq!(
            undo.get(ElementNo::ORIGINAL).unwrap(),
            b"020000004211221834000000099999900000000000"
        );
        assert_eq!(undo.get(ElementNo::STAN).unwrap(), b"000043");
        assert!(undo.get(ElementNo::TRACK2).is_none());
    }
}
