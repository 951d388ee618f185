//! One request, encoded once; the next ones are the same bytes with a few digits changed in place.
//! Knows no socket and no clock.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::codec::{self, Draft, Message};
use crate::dialect::Dialect;
use crate::framing::{self, Framing};
use crate::iso::{ElementNo, ElementSet, Elements, ResponseCode, Transmission};
use crate::sim::SimError;
use crate::sim::terminal::FINANCIAL;

/// A request ready to be patched.
pub(super) struct Template {
    dialect: Arc<Dialect>,
    /// A whole frame.
    frame: BytesMut,
    /// Where the elements lie in the frame that an answer repeats.
    repeated: Vec<(ElementNo, Range<usize>)>,
    transmission: Digits,
    stan: Digits,
    rrn: Digits,
    cards: [Digits; 2],
}

/// What changes from request to request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patch {
    /// Element 11, and with it the last digits of 37.
    pub(super) stan: u32,
    /// Element 7.
    pub(super) transmission: Transmission,
    /// Six digits of the card, in 2 and in 35.
    pub(super) card: u32,
}

/// How an answer fits its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It repeats all it should; this is its code.
    Fits(Option<ResponseCode>),
    /// It lacks or alters this element.
    Altered(ElementNo),
}

/// Where some digits lie, counted in half bytes when they are BCD.
#[derive(Clone, Copy, Debug)]
struct Digits {
    at: usize,
    count: usize,
    coding: Coding,
}

/// How digits are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// One a byte, behind this high nibble: 3 in ASCII, F in EBCDIC.
    Characters(u8),
    /// Two a byte.
    Packed,
}

/// Which digits of a card change: behind a prefix of six, before the last four.
const CARD_DIGITS: Range<usize> = 6..12;

impl Template {
    /// From a sale's elements; refuses a dialect in which the digits to be patched cannot be found.
    pub(super) fn new(
        dialect: &Arc<Dialect>,
        settings: framing::Settings,
        sale: &Elements,
    ) -> Result<Self, SimError> {
        let framing = Framing::new(settings);
        let mut body = Vec::new();
        Draft { mti: FINANCIAL, own: sale, copied: None }.encode(dialect, &mut body)?;
        let mut frame = BytesMut::new();
        framing.put(framing.head(), &body, &mut frame)?;
        let body_at = frame.len() - body.len();
        let body = Bytes::from(body);
        let unfit = |no: ElementNo| SimError::Template { element: no.get() };
        let message = codec::decode(dialect, body.clone()).or(Err(unfit(ElementNo::STAN)))?;
        let place = |no: ElementNo| {
            let wire = message.wire(no)?;
            let at = wire.as_ptr().addr().checked_sub(body.as_ptr().addr())? + body_at;
            Some(at..at + wire.len())
        };
        let digits = |no: ElementNo, of: Range<usize>| {
            let value = sale.get(no)?;
            Digits::find(&frame, place(no)?, value, of)
        };
        let whole = |no, count| digits(no, 0..count).ok_or_else(|| unfit(no));
        let card = |no| digits(no, CARD_DIGITS).ok_or_else(|| unfit(no));
        let repeated = dialect.echo().and(message.present()).iter();
        Ok(Self {
            repeated: repeated.filter_map(|no| Some((no, place(no)?))).collect(),
            transmission: whole(ElementNo::TRANSMISSION, 10)?,
            stan: whole(ElementNo::STAN, 6)?,
            rrn: digits(ElementNo::RRN, 6..12).ok_or_else(|| unfit(ElementNo::RRN))?,
            cards: [card(ElementNo::PAN)?, card(ElementNo::TRACK2)?],
            dialect: Arc::clone(dialect),
            frame,
        })
    }

    /// Changes the digits.
    pub(super) fn patch(&mut self, patch: &Patch) {
        let stan = six(patch.stan);
        self.transmission.write(&mut self.frame, &patch.transmission.ascii());
        self.stan.write(&mut self.frame, &stan);
        self.rrn.write(&mut self.frame, &stan);
        let card = six(patch.card);
        for digits in self.cards {
            digits.write(&mut self.frame, &card);
        }
    }

    /// The frame as it is patched now.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Reads an answer; none when it is no message, or not an answer to such a request.
    pub(super) fn answer(&self, body: &Bytes) -> Option<Message> {
        let message = codec::decode(&self.dialect, body.clone()).ok()?;
        (Some(message.mti()) == FINANCIAL.response()).then_some(message)
    }

    /// The trace number of an answer.
    pub(super) fn stan_of(&self, answer: &Message) -> Option<u32> {
        let wire = answer.wire(ElementNo::STAN)?;
        Digits { at: 0, ..self.stan }.read(wire)
    }

    /// Compares an answer with the frame as it is patched now, byte for byte.
    pub(super) fn fit(&self, answer: &Message) -> Fit {
        for (no, place) in &self.repeated {
            if answer.wire(*no) != self.frame.get(place.clone()) {
                return Fit::Altered(*no);
            }
        }
        let code = answer.elements(ElementSet::EMPTY.with(ElementNo::RESPONSE_CODE));
        Fit::Fits(code.get(ElementNo::RESPONSE_CODE).and_then(|code| ResponseCode::new(code).ok()))
    }
}

impl Digits {
    /// Finds part of a value's digits in the bytes where it lies: as characters, or two to a byte.
    fn find(frame: &[u8], place: Range<usize>, value: &[u8], of: Range<usize>) -> Option<Self> {
        let wire = frame.get(place.clone())?;
        let count = of.len();
        let there = wire.get(of.clone()).unwrap_or_default();
        let here = value.get(of.clone()).unwrap_or_default();
        for zone in [0x30, 0xF0] {
            let alike = here.iter().map(|digit| zone | digit & 0x0F).eq(there.iter().copied());
            if wire.len() == value.len() && alike {
                let coding = Coding::Characters(zone);
                return Some(Self { at: place.start + of.start, count, coding });
            }
        }
        // An odd number of digits may be filled on either side.
        [0, 1]
            .map(|shift| Self {
                at: 2 * place.start + shift + of.start,
                count,
                coding: Coding::Packed,
            })
            .into_iter()
            .find(|digits| {
                let there = (0..count).map(|offset| nibble(frame, digits.at + offset));
                let here = value.iter().skip(of.start).map(|digit| Some(digit.wrapping_sub(b'0')));
                wire.len() == value.len().div_ceil(2) && there.eq(here.take(count))
            })
    }

    fn write(self, frame: &mut [u8], digits: &[u8]) {
        if let Coding::Characters(zone) = self.coding {
            if let Some(place) = frame.get_mut(self.at..self.at + self.count) {
                place.iter_mut().zip(digits).for_each(|(to, from)| *to = zone | from & 0x0F);
            }
            return;
        }
        for (offset, digit) in digits.iter().take(self.count).enumerate() {
            let at = self.at + offset;
            if let Some(byte) = frame.get_mut(at / 2) {
                let digit = digit & 0x0F;
                *byte = if at.is_multiple_of(2) {
                    *byte & 0x0F | digit << 4
                } else {
                    *byte & 0xF0 | digit
                };
            }
        }
    }

    fn read(self, wire: &[u8]) -> Option<u32> {
        let packed = self.coding == Coding::Packed;
        let digit = |offset| {
            if packed { nibble(wire, offset) } else { wire.get(offset).map(|byte| byte & 0x0F) }
        };
        // Filled on the left, the digits end where the bytes do.
        let skip = if packed { 2 * wire.len() - self.count } else { 0 };
        (0..self.count).try_fold(0, |sum, offset| Some(sum * 10 + u32::from(digit(skip + offset)?)))
    }
}

/// The half byte at this place, the high one of a byte first.
fn nibble(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at / 2).map(|byte| if at.is_multiple_of(2) { byte >> 4 } else { byte & 0x0F })
}

/// The last six digits of a number.
fn six(number: u32) -> [u8; 6] {
    [100_000, 10_000, 1000, 100, 10, 1]
        .map(|place| b'0' + u8::try_from(number / place % 10).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::Wall;
    use crate::sim::purchase::{Sale, Shop};

    fn sale(patch: &Patch) -> Elements {
        let pan = format!("541333{:06}0007", patch.card);
        Shop::numbered(3).sale(&Sale {
            pan: pan.as_bytes(),
            processing_code: b"000000",
            amount: 1000,
            currency: b"978",
            stan: patch.stan,
            rrn: 42_000_000 + u64::from(patch.stan),
            at: Wall(u64::from(patch.transmission.0) * 1000),
        })
    }

    #[test]
    fn a_patched_frame_is_what_would_have_been_encoded() {
        let second = Transmission(1_795_372_440);
        let first = Patch { stan: 1, transmission: second, card: 0 };
        // The simulated shops speak ISO 8583:1987.
        for name in Dialect::shipped_names().iter().filter(|name| name.starts_with("iso87-")) {
            let dialect = Arc::new(Dialect::shipped(name).unwrap());
            let settings = framing::Settings::default();
            let mut template = Template::new(&dialect, settings, &sale(&first)).unwrap();
            for patch in [
                Patch { stan: 987_654, transmission: second, card: 123_456 },
                Patch { stan: 7, transmission: second, card: 999_999 },
            ] {
                template.patch(&patch);
                let fresh = Template::new(&dialect, settings, &sale(&patch)).unwrap();
                assert_eq!(template.frame(), fresh.frame(), "{name}");
                // The request with another MTI passes for its own answer.
                let mut body = Vec::new();
                let mut own = sale(&patch);
                own.set(ElementNo::RESPONSE_CODE, b"51");
                let mti = FINANCIAL.response().unwrap();
                Draft { mti, own: &own, copied: None }.encode(&dialect, &mut body).unwrap();
                let answer = template.answer(&Bytes::from(body)).unwrap();
                assert_eq!(template.stan_of(&answer), Some(patch.stan), "{name}");
                let declined = ResponseCode::new(b"51").unwrap();
                assert_eq!(template.fit(&answer), Fit::Fits(Some(declined)), "{name}");
                template.patch(&first);
                assert!(matches!(template.fit(&answer), Fit::Altered(_)), "{name}");
            }
        }
    }
}
