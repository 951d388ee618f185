//! One transaction as clearing sees it: what was approved, of which card, for whom; knows no files.

use super::ClearingError;
use crate::iso::{
    Amount, BusinessDate, Class, Currency, ElementNo, Elements, Pan, ResponseCode, Wall,
};
use crate::record::{LinkId, Outcome, Standing, TxnId, Verdict};
use crate::seal::Keys;

/// Which half of a transaction's life in clearing a capture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is claimed of its issuer.
    Presentment,
    /// It was claimed on an earlier day and reversed since: the claim is taken back.
    Opposite,
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
    pub(super) kind: Kind,
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

impl Capture {
    /// From how a transaction stood at its cut. What came later, such as a reversal, changes nothing here.
    pub fn of(standing: &Standing, kind: Kind, keys: &Keys) -> Result<Self, ClearingError> {
        let txn = standing.id;
        let missing = |no: ElementNo| ClearingError::Missing { txn, element: no.get() };
        let unfit =
            |no: ElementNo, expected| ClearingError::Unfit { txn, element: no.get(), expected };
        let sent = standing.sent().ok_or(ClearingError::NotApproved { txn })?;
        let (elements, amount) = match &standing.outcome {
            Outcome::Answered { verdict: Verdict::Approved, added, .. } => {
                let partial =
                    added.get(ElementNo::RESPONSE_CODE) == Some(ResponseCode::PARTIAL.as_bytes());
                let granted = added.get(ElementNo::AMOUNT).filter(|_| partial).map(<[u8]>::to_vec);
                (sent.elements.overlaid(added), granted)
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
        Ok(Self { txn, kind, issuer, date, pan, processing_code, amount, refund, local, elements })
    }

    /// Which transaction.
    pub const fn txn(&self) -> TxnId {
        self.txn
    }

    /// Claimed, or taken back.
    pub const fn kind(&self) -> Kind {
        self.kind
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

/// When the card was used, by the clock where it was: elements 12 and 13, with the year that puts them
/// nearest to our own clock; all of it ours where they are no date.
fn local(elements: &Elements, at: Wall) -> [u8; 12] {
    let today = at.date();
    let (year, _, _) = today.parts();
    let time = elements.get(ElementNo::LOCAL_TIME).unwrap_or_default();
    let date = elements.get(ElementNo::LOCAL_DATE).unwrap_or_default();
    let day = |year: u32, month_and_day: &[u8]| {
        let (month, day) = std::str::from_utf8(month_and_day).ok()?.split_at_checked(2)?;
        BusinessDate::from_text(&format!("{year:04}-{month}-{day}")).ok()
    };
    let (day, time) = match (time.len(), date.len()) {
        (6, 4) => {
            let years = [year - 1, year, year + 1];
            let days = years.into_iter().filter_map(|year| day(year, date));
            (days.min_by_key(|day| day.0.abs_diff(today.0)), time)
        }
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
