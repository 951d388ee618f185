//! One transaction as clearing sees it: what was approved, of which card, for whom; knows no files.

use super::ClearingError;
use crate::iso::{
    Amount, BusinessDate, Class, Currency, ElementNo, ElementSet, Elements, Pan, ResponseCode, Wall,
};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Outcome, Standing, TxnId, Verdict};
use crate::seal::Keys;

/// Which half of a transaction's life in clearing something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is claimed of its issuer.
    Presentment,
    /// It was claimed on an earlier day and reversed since: the claim is taken back.
    Opposite,
}

/// Of a transaction that a partial reversal lowered, how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What stands: all of what was approved, where nothing lowered it.
    Standing,
    /// What was approved before it was lowered: it was lowered after that was claimed.
    Approved,
    /// The difference of the two.
    Difference,
}

/// Which way the money of a transaction flows when it is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// From the card to the merchant.
    Purchase,
    /// From the merchant to the card.
    Refund,
    /// Nowhere: an inquiry, or a transfer between the holder's own accounts.
    None,
}

/// A transaction that clears, with everything that its record in a file needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    pub(super) txn: TxnId,
    pub(super) issuer: LinkId,
    pub(super) date: BusinessDate,
    pub(super) pan: Pan,
    pub(super) processing_code: [u8; 6],
    pub(super) amount: Amount,
    pub(super) refund: bool,
    /// `YYMMDDhhmmss` where the card was used.
    pub(super) local: [u8; 12],
    /// The asker's elements, and over them what the answer says.
    pub(super) elements: Elements,
}

/// What only who asks can know: kind, amount and time of the purchase, the merchant and its terminal.
const OF_ASKER: ElementSet = ElementSet::of(&[3, 12, 13, 18, 22, 25, 26, 32, 33, 41, 42, 43, 49]);

/// Whether a transaction clears as things stand: it is a financial request whose approval stands, or a
/// financial advice, nothing undoes it, and it moves money. The answer at the cut is what counts.
pub fn claims(standing: &Standing) -> bool {
    let Some(sent) = standing.sent() else { return false };
    let flow = sent.elements.get(ElementNo::PROCESSING_CODE).and_then(Flow::of);
    // A processing code that says nothing is not left out silently: the capture names it.
    sent.mti.class() == Class::Financial && standing.stands_approved() && flow != Some(Flow::None)
}

impl Flow {
    /// From a processing code; none when its first two digits say nothing that every network agrees on.
    pub fn of(processing_code: &[u8]) -> Option<Self> {
        let digits: [u8; 6] = processing_code.try_into().ok()?;
        match digits {
            _ if !digits.iter().all(u8::is_ascii_digit) => None,
            [b'0' | b'1' | b'5', ..] => Some(Self::Purchase),
            [b'2', ..] => Some(Self::Refund),
            [b'3' | b'4', ..] => Some(Self::None),
            _ => None,
        }
    }
}

/// What a merchant's claim says otherwise than the authorization that it names.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// How much.
    pub amount: Amount,
    /// Whether it pays the card.
    pub refund: bool,
    /// Whose claim it is.
    pub merchant: &'a str,
    /// At which terminal.
    pub terminal: Option<&'a str>,
    /// The merchant's category.
    pub mcc: Option<&'a str>,
    /// When the card was used: `2026-11-23T19:34:00`, or the digits of that alone.
    pub local: Option<&'a str>,
}

impl Capture {
    /// From how a transaction stood at its cut, of a part of it. What came later, such as a reversal, changes nothing here.
    pub fn of(standing: &Standing, part: Part, keys: &Keys) -> Result<Self, ClearingError> {
        let mut capture = Self::approved(standing, keys)?;
        capture.amount.minor = part.of(capture.amount.minor, standing.lowered);
        Ok(capture)
    }

    /// The same transaction for an amount that was found before.
    pub fn of_amount(standing: &Standing, minor: i64, keys: &Keys) -> Result<Self, ClearingError> {
        let mut capture = Self::approved(standing, keys)?;
        capture.amount.minor = minor;
        Ok(capture)
    }

    /// What a merchant claims of an authorization. Money flows as the claim says.
    pub fn claimed(
        standing: &Standing,
        terms: &Terms<'_>,
        keys: &Keys,
    ) -> Result<Self, ClearingError> {
        let mut capture = Self::approved(standing, keys)?;
        if !(0..=AMOUNT_MAX).contains(&terms.amount.minor) {
            let expected = "an amount of up to twelve digits";
            return Err(unfit(standing.id, ElementNo::AMOUNT, expected));
        }
        if capture.refund != terms.refund {
            capture.processing_code = if terms.refund { *b"200000" } else { *b"000000" };
        }
        (capture.amount, capture.refund) = (terms.amount, terms.refund);
        capture.local = terms.local.and_then(local_of).unwrap_or(capture.local);
        for (no, text) in [
            (ElementNo::MERCHANT, Some(terms.merchant)),
            (ElementNo::TERMINAL, terms.terminal),
            (ElementNo::MERCHANT_TYPE, terms.mcc),
        ] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                capture.elements.set(no, &super::text::latin1(text));
            }
        }
        Ok(capture)
    }

    /// All of what was granted.
    fn approved(standing: &Standing, keys: &Keys) -> Result<Self, ClearingError> {
        let txn = standing.id;
        let missing = |no: ElementNo| ClearingError::Missing { txn, element: no.get() };
        let unfit = |no, expected| unfit(txn, no, expected);
        let sent = standing.sent().ok_or(ClearingError::NotApproved { txn })?;
        let (elements, amount) = match &standing.outcome {
            Outcome::Answered { verdict: Verdict::Approved, added, .. } => {
                let partial =
                    added.get(ElementNo::RESPONSE_CODE) == Some(ResponseCode::PARTIAL.as_bytes());
                let partial = partial && !planted::is(Bug::PartialInFull);
                let granted = added.get(ElementNo::AMOUNT).filter(|_| partial).map(<[u8]>::to_vec);
                // Who sold what, where and when is its asker's to say: an answer names no other merchant.
                let answer = added.only(ElementSet::ALL.minus(OF_ASKER));
                (sent.elements.overlaid(&answer), granted)
            }
            Outcome::Stored => (sent.elements.clone(), None),
            Outcome::Answered { .. } | Outcome::InFlight | Outcome::Over { .. } => {
                return Err(ClearingError::NotApproved { txn });
            }
        };
        let card = sent.card.as_ref().ok_or_else(|| missing(ElementNo::PAN))?;
        let code = sent
            .elements
            .get(ElementNo::PROCESSING_CODE)
            .ok_or_else(|| missing(ElementNo::PROCESSING_CODE))?;
        let expected = "a processing code that says which way money flows";
        let refund = match Flow::of(code) {
            Some(Flow::Purchase) => false,
            Some(Flow::Refund) => true,
            Some(Flow::None) | None => return Err(unfit(ElementNo::PROCESSING_CODE, expected)),
        };
        let processing_code =
            code.try_into().ok().ok_or_else(|| unfit(ElementNo::PROCESSING_CODE, expected))?;
        let currency =
            sent.elements.get(ElementNo::CURRENCY).ok_or_else(|| missing(ElementNo::CURRENCY))?;
        let currency = Currency::from_ascii(currency)
            .map_err(|fault| unfit(ElementNo::CURRENCY, fault.expected))?;
        // A partial approval clears for what was granted; other amounts in an answer are echoes.
        let amount = amount
            .as_deref()
            .or_else(|| sent.elements.get(ElementNo::AMOUNT))
            .ok_or_else(|| missing(ElementNo::AMOUNT))?;
        let amount = Amount::from_ascii(amount, currency)
            .ok()
            .filter(|amount| amount.minor <= AMOUNT_MAX)
            .ok_or_else(|| unfit(ElementNo::AMOUNT, "an amount of up to twelve digits"))?;
        let pan = card.open(keys).map_err(|source| ClearingError::Card { txn, source })?;
        let local = local(&sent.elements, sent.at);
        let (issuer, date) = (sent.issuer, sent.date);
        Ok(Self { txn, issuer, date, pan, processing_code, amount, refund, local, elements })
    }

    /// Which transaction.
    pub const fn txn(&self) -> TxnId {
        self.txn
    }

    /// Of whom it is claimed.
    pub const fn issuer(&self) -> LinkId {
        self.issuer
    }

    /// The day the transaction belongs to; of a claim taken back, the day of the claim.
    pub const fn date(&self) -> BusinessDate {
        self.date
    }

    /// How much, 0 to 999,999,999,999 minor units.
    pub const fn amount(&self) -> Amount {
        self.amount
    }

    /// Whether it is a refund: money from the merchant to the card.
    pub const fn is_refund(&self) -> bool {
        self.refund
    }

    /// An element as a text, without its padding.
    pub fn text(&self, no: ElementNo) -> Option<String> {
        let text = self.elements.get(no).map(<[u8]>::trim_ascii).filter(|text| !text.is_empty());
        text.map(super::text::of_latin1)
    }

    /// Its merchant, as a text.
    pub fn merchant_text(&self) -> String {
        super::text::of_latin1(self.merchant())
    }

    /// The merchant's element 42 without its padding; `UNKNOWN` where there is none.
    pub fn merchant(&self) -> &[u8] {
        match self.elements.get(ElementNo::MERCHANT).map(<[u8]>::trim_ascii) {
            Some(merchant) if !merchant.is_empty() => {
                merchant.get(..15).unwrap_or(merchant).trim_ascii_end()
            }
            _ => b"UNKNOWN",
        }
    }
}

impl Part {
    /// Of an amount that was approved, and maybe lowered.
    fn of(self, approved: i64, lowered: Option<u64>) -> i64 {
        let lowered = lowered.filter(|_| !planted::is(Bug::LoweredInFull));
        let standing = lowered.and_then(|left| i64::try_from(left).ok()).unwrap_or(approved);
        match self {
            Self::Standing => standing,
            Self::Approved => approved,
            Self::Difference => approved.saturating_sub(standing),
        }
    }
}

fn unfit(txn: TxnId, no: ElementNo, expected: &'static str) -> ClearingError {
    ClearingError::Unfit { txn, element: no.get(), expected }
}

/// `YYMMDDhhmmss` of a time that is one.
fn local_of(text: &str) -> Option<[u8; 12]> {
    let mut digits = text.bytes().filter(u8::is_ascii_digit);
    let mut date = *b"YYYY-MM-DD";
    for place in date.iter_mut().filter(|place| **place != b'-') {
        *place = digits.next()?;
    }
    let day = BusinessDate::from_text(std::str::from_utf8(&date).ok()?).ok()?;
    let mut time = [0; 6];
    for place in &mut time {
        *place = digits.next()?;
    }
    is_time(&time).then(|| joined(day, &time))
}

/// When the card was used, by the clock where it was: elements 12 and 13, with the year that puts them
/// nearest to our own clock; all of it ours where they are no date.
pub(super) fn local(elements: &Elements, at: Wall) -> [u8; 12] {
    let today = at.date();
    let (year, _, _) = today.parts();
    let time = elements.get(ElementNo::LOCAL_TIME).unwrap_or_default();
    let date = elements.get(ElementNo::LOCAL_DATE).unwrap_or_default();
    let day = |year: u32, month_and_day: &[u8]| {
        let (month, day) = std::str::from_utf8(month_and_day).ok()?.split_at_checked(2)?;
        BusinessDate::from_text(&format!("{year:04}-{month}-{day}")).ok()
    };
    let (day, time) = match (time.len(), date.len()) {
        (6, 4) => (BusinessDate::from_mmdd(date, today).ok(), time),
        // From 1993 on element 12 has the date, too: YYMMDDhhmmss.
        (12, _) => {
            let (date, time) = time.split_at(6);
            let (short, date) = date.split_at(2);
            let short = std::str::from_utf8(short).ok().and_then(|short| short.parse::<u32>().ok());
            (short.and_then(|short| day(year / 100 * 100 + short, date)), time)
        }
        _ => (None, time),
    };
    match day.filter(|_| is_time(time)) {
        Some(day) => joined(day, time),
        None => joined(today, at.transmission().ascii().get(4..).unwrap_or_default()),
    }
}

fn is_time(hhmmss: &[u8]) -> bool {
    hhmmss.iter().all(u8::is_ascii_digit)
        && matches!(hhmmss, [h, _, m, _, s, _] if *h <= b'2' && *m <= b'5' && *s <= b'5')
        && hhmmss < b"240000".as_slice()
}

fn joined(day: BusinessDate, hhmmss: &[u8]) -> [u8; 12] {
    let mut text = [b'0'; 12];
    text.iter_mut().zip(day.yymmdd().iter().chain(hhmmss)).for_each(|(to, from)| *to = *from);
    text
}

/// What twelve digits hold.
const AMOUNT_MAX: i64 = 999_999_999_999;

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::iso::Mti;
    use crate::record::{Card, Debt, DebtState, Opening, Reason, Secret, Sent, Trace};
    use crate::seal::Tag;

    /// 2026-11-23T18:34:00Z.
    const AT: Wall = Wall(1_795_458_840_000);

    /// An approved transaction of these elements over the usual ones.
    pub(in crate::clearing) fn standing(id: u64, mti: u16, changes: &[(u8, &str)]) -> Standing {
        let pan = Pan::new(b"5413330000004111").unwrap();
        let mut elements = Elements::default();
        for (no, value) in
            [(3, "000000"), (4, "000000001000"), (12, "193400"), (13, "1123"), (49, "978")]
        {
            elements.set(ElementNo::of(no), value.as_bytes());
        }
        elements.set(ElementNo::MERCHANT, b"MERCHANT 7     ");
        for (no, value) in changes {
            let no = ElementNo::of(*no);
            if value.is_empty() { elements.remove(no) } else { elements.set(no, value.as_bytes()) }
        }
        let sent = Arc::new(Sent {
            asker: LinkId(1),
            key: Tag(1),
            content: Tag(2),
            mti: Mti::new(mti).unwrap(),
            issuer: LinkId(2),
            trace: Trace::default(),
            date: AT.date(),
            at: AT,
            card: Some(Card { masked: pan.masked(), token: Tag(3), secret: Secret::Clear(pan) }),
            elements,
            completes: None,
            named: None,
            declined: false,
        });
        let advice = (mti == 220).then_some(Debt {
            trace: Trace::default(),
            since: AT,
            reason: Reason::Asked,
            state: DebtState::Open,
            code: None,
            requeued: false,
        });
        Standing {
            id: TxnId(id),
            outcome: if advice.is_some() {
                Outcome::Stored
            } else {
                answered(Verdict::Approved, &[(39, "00")])
            },
            opening: if advice.is_some() { Opening::Advice(sent) } else { Opening::Request(sent) },
            heard: crate::record::Approval::Never,
            told: true,
            advice,
            reversal: None,
            undone_by: None,
            lowered: None,
            completed_by: None,
        }
    }

    fn answered(verdict: Verdict, elements: &[(u8, &str)]) -> Outcome {
        let mut added = Elements::default();
        for (no, value) in elements {
            added.set(ElementNo::of(*no), value.as_bytes());
        }
        Outcome::Answered { verdict, added: Arc::new(added), at: AT }
    }

    fn keys() -> Keys {
        Keys::new(&[7; 32])
    }

    #[test]
    fn what_clears_and_what_does_not() {
        for (mti, code, clears) in [
            (200, "000000", true),
            (200, "200000", true),
            (201, "010000", true),
            (220, "000000", true),
            (100, "000000", false),
            (120, "000000", false),
            (200, "310000", false),
            (200, "400000", false),
        ] {
            assert_eq!(claims(&standing(1, mti, &[(3, code)])), clears, "{mti} {code}");
        }
        let mut reversed = standing(1, 200, &[]);
        reversed.reversal = standing(1, 220, &[]).advice;
        assert!(!claims(&reversed));
        let mut declined = standing(1, 200, &[]);
        declined.outcome = answered(Verdict::Declined, &[(39, "05")]);
        assert!(!claims(&declined));
        assert_eq!(
            Capture::of(&declined, Part::Standing, &keys()),
            Err(ClearingError::NotApproved { txn: TxnId(1) })
        );
    }

    #[test]
    fn a_partial_approval_clears_for_what_was_granted() {
        for (code, amount) in [("10", 400), ("00", 1000)] {
            let mut standing = standing(1, 200, &[]);
            standing.outcome =
                answered(Verdict::Approved, &[(4, "000000000400"), (38, "A1B2C3"), (39, code)]);
            let capture = Capture::of(&standing, Part::Standing, &keys()).unwrap();
            assert_eq!(capture.amount().minor, amount);
            assert_eq!(capture.elements.get(ElementNo::APPROVAL_CODE), Some(&b"A1B2C3"[..]));
        }
    }

    /// Whoever answers has no say in whose sale it was.
    #[test]
    fn an_answer_names_no_other_merchant() {
        for (own, kept) in [("SHOP", Some(&b"SHOP"[..])), ("", None)] {
            let mut standing = standing(1, 200, &[(42, own), (18, "5411")]);
            let other =
                [(18, "7995"), (37, "632718000001"), (39, "00"), (41, "OTHER"), (42, "OTHER")];
            standing.outcome = answered(Verdict::Approved, &other);
            let capture = Capture::of(&standing, Part::Standing, &keys()).unwrap();
            let said = [18, 37, 41, 42].map(|no| capture.elements.get(ElementNo::of(no)));
            assert_eq!(said, [Some(&b"5411"[..]), Some(b"632718000001"), None, kept]);
        }
    }

    #[test]
    fn what_was_lowered_clears_for_what_is_left() {
        let mut standing = standing(1, 200, &[]);
        standing.lowered = Some(400);
        let amount = |part| {
            let capture = Capture::of(&standing, part, &keys()).unwrap();
            capture.amount().minor
        };
        assert_eq!(
            [Part::Standing, Part::Approved, Part::Difference].map(amount),
            [400, 1000, 600]
        );
        // A partial reversal leaves it approved; one of all does not.
        standing.reversal = self::standing(1, 220, &[]).advice;
        assert!(!claims(&standing));
        standing.reversal.as_mut().unwrap().reason = Reason::Lowered;
        assert!(claims(&standing));
    }

    #[test]
    fn a_fault_names_its_element() {
        for (no, value, expected) in [
            (3, "", None),
            (3, "600000", Some("a processing code that says which way money flows")),
            (4, "", None),
            (4, "0000010000000000000", Some("an amount of up to twelve digits")),
            (4, "1000000000000", Some("an amount of up to twelve digits")),
            (49, "", None),
            (49, "EUR", Some("a currency of three digits")),
        ] {
            let txn = TxnId(9);
            let fault = match expected {
                Some(expected) => ClearingError::Unfit { txn, element: no, expected },
                None => ClearingError::Missing { txn, element: no },
            };
            let standing = standing(9, 200, &[(no, value)]);
            assert!(claims(&standing), "nothing is left out silently");
            assert_eq!(Capture::of(&standing, Part::Standing, &keys()), Err(fault));
        }
    }

    #[test]
    fn the_local_date_is_a_real_one() {
        for (time, date, at, local) in [
            ("193400", "1123", AT, "261123193400"),
            ("235959", "1231", Wall(1_798_761_600_000), "261231235959"), // 2027-01-01T00:00:00Z
            ("000001", "0101", Wall(1_798_761_599_000), "270101000001"), // the second before
            ("120000", "0229", AT, "261123183400"),
            ("120000", "0229", Wall(1_835_352_000_000), "280229120000"),
            ("240000", "1123", AT, "261123183400"),
            ("126000", "1123", AT, "261123183400"),
            ("12000A", "1123", AT, "261123183400"),
            ("", "1123", AT, "261123183400"),
            ("261122235960", "", AT, "261123183400"),
            ("261122235959", "", AT, "261122235959"),
            ("261322235959", "", AT, "261123183400"),
        ] {
            let mut elements = Elements::default();
            elements.set(ElementNo::LOCAL_TIME, time.as_bytes());
            elements.set(ElementNo::LOCAL_DATE, date.as_bytes());
            let text = super::local(&elements, at);
            assert_eq!(text.escape_ascii().to_string(), local, "{time} {date}");
        }
    }

    #[test]
    fn merchants_without_padding() {
        for (value, merchant) in [
            ("", "UNKNOWN"),
            ("               ", "UNKNOWN"),
            ("A B            ", "A B"),
            ("12345678901234 67", "12345678901234"),
        ] {
            let capture =
                Capture::of(&standing(1, 200, &[(42, value)]), Part::Standing, &keys()).unwrap();
            assert_eq!(capture.merchant(), merchant.as_bytes());
        }
    }
}
