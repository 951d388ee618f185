//! A terminal's batch as its network writes it: totals (0500), transactions that are uploaded (0320), and the end of that
//! (0500 again). Knows no sockets and no books.

use crate::iso::{Amount, Currency, ElementNo, ElementSet, Elements, MaskedPan, Mti, ResponseCode};
use crate::record::Card;
use crate::seal::Tag;

use super::Flow;

/// How a network writes batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchProfile {
    /// Element 3 of the totals that ask to close a batch.
    pub settle: [u8; 6],
    /// Element 3 of the totals that end an upload.
    pub trailer: [u8; 6],
    /// Which element has the number of the batch, 1 to 6 digits.
    pub number: ElementNo,
    /// Which element has the totals.
    pub totals: ElementNo,
    /// What stands there, in order.
    pub fields: Vec<TotalField>,
    /// Which element of an uploaded transaction names its original: MTI 4, element 11 6, element 37 12 or spaces.
    pub original: ElementNo,
    /// What currency amounts are in when no element 49 says one.
    pub currency: Currency,
    /// Who is believed when what was uploaded does not come to the totals either.
    pub mismatch: Mismatch,
    /// Whether an answer says what it means in the element of the totals.
    pub says: bool,
}

/// Who is believed when totals differ from what was uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Nobody: 77, the batch stays open, and a person looks at it.
    Refuse,
    /// The terminal: the batch is closed with what was uploaded, and a person is told.
    Terminal,
}

/// A count and an amount in the element of the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalField {
    /// Of what.
    pub kind: TotalKind,
    /// How many digits the count has, 1 to 10.
    pub count_len: usize,
    /// How many digits the amount has, 1 to 16.
    pub amount_len: usize,
    /// Whether the amount comes first.
    pub amount_first: bool,
}

/// What a total is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalKind {
    /// What cards paid.
    Sales,
    /// What cards got back.
    Refunds,
    /// Something that is not compared, like a share of the sales.
    Other,
}

/// How many, and how much in minor units, each never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub count: u64,
    /// Minor units.
    pub minor: i64,
}

/// What a batch comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchTotals {
    /// What cards paid.
    pub sales: Total,
    /// What cards got back.
    pub refunds: Total,
}

/// What a terminal wants of its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Petition {
    /// Element 41 without its padding.
    pub terminal: String,
    /// Element 42 without its padding.
    pub merchant: String,
    /// What it is about.
    pub ask: BatchAsk,
}

/// What exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchAsk {
    /// Close it, if we have the same.
    Settle {
        /// The number of the batch, 1 to 999,999.
        number: u32,
        /// What it comes to.
        totals: BatchTotals,
        /// In which currency.
        currency: Currency,
    },
    /// One of its transactions.
    Upload(Box<Upload>),
    /// Close it with what was uploaded.
    Close {
        /// The number of the batch, 1 to 999,999.
        number: u32,
        /// What it comes to.
        totals: BatchTotals,
        /// In which currency.
        currency: Currency,
    },
}

/// A transaction as its terminal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The MTI that the terminal sent then.
    pub mti: Mti,
    /// Its element 11 then, six digits.
    pub stan: String,
    /// Its element 37, where the terminal heard one.
    pub rrn: Option<String>,
    /// How much.
    pub amount: Amount,
    /// Whether the card gets it.
    pub refund: bool,
    /// Element 38.
    pub approval: Option<String>,
    /// Which card: what people see, and what machines compare.
    pub card: Option<(MaskedPan, Tag)>,
    /// How much of it is a tip, minor units; from element 54.
    pub tip: i64,
}

/// What a terminal hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchVerdict {
    /// Its code.
    pub code: ResponseCode,
    /// What it means, where the network says that.
    pub text: Option<String>,
}

/// Why a message is none about a batch: the element, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("element {element}: {why}")]
pub struct NoPetition {
    /// Which element.
    pub element: u8,
    /// What is wrong.
    pub why: &'static str,
}

impl BatchProfile {
    /// As most terminals write batches, which name this currency or none.
    pub fn usual(currency: Currency) -> Self {
        let field = |kind| TotalField { kind, count_len: 3, amount_len: 12, amount_first: false };
        Self {
            settle: *b"920000",
            trailer: *b"960000",
            number: ElementNo::of(60),
            totals: ElementNo::of(63),
            fields: vec![field(TotalKind::Sales), field(TotalKind::Refunds)],
            original: ElementNo::of(60),
            currency,
            mismatch: Mismatch::Refuse,
            says: false,
        }
    }

    /// The elements that are needed to read a petition.
    pub fn needs(&self) -> ElementSet {
        const ALWAYS: ElementSet = ElementSet::of(&[3, 4, 11, 37, 38, 41, 42, 49, 54]);
        [self.number, self.totals, self.original].into_iter().chain(ALWAYS.iter()).collect()
    }

    /// Reads a 0500 or a 0320, or a repeat of one.
    pub fn read(
        &self,
        mti: Mti,
        elements: &Elements,
        card: Option<&Card>,
    ) -> Result<Petition, NoPetition> {
        let name = |no: ElementNo, why| {
            let text = elements.get(no).and_then(|text| std::str::from_utf8(text).ok());
            let text = text.map(str::trim).filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| NoPetition { element: no.get(), why })
        };
        let terminal = name(ElementNo::TERMINAL, "it names no terminal")?;
        let merchant = name(ElementNo::MERCHANT, "it names no merchant")?;
        let ask = if mti.class().digit() == UPLOAD {
            BatchAsk::Upload(Box::new(self.upload(elements, card)?))
        } else {
            self.totals(elements)?
        };
        Ok(Petition { terminal, merchant, ask })
    }

    fn totals(&self, elements: &Elements) -> Result<BatchAsk, NoPetition> {
        let fault = |no: ElementNo, why| NoPetition { element: no.get(), why };
        let code = elements.get(ElementNo::PROCESSING_CODE).unwrap_or_default();
        let is_settle = code == self.settle;
        if !is_settle && code != self.trailer {
            let why = "it is neither the code that closes a batch nor that which ends an upload";
            return Err(fault(ElementNo::PROCESSING_CODE, why));
        }
        let number = elements.get(self.number).map(<[u8]>::trim_ascii).and_then(digits);
        let number = number.and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| (1..=NUMBER_MAX).contains(number));
        let number =
            number.ok_or_else(|| fault(self.number, "it is no batch number, 1 to 999999"))?;
        let currency = self.currency_of(elements)?;
        let totals = elements.get(self.totals).and_then(|text| self.read_totals(text));
        let why = "its digits are not the counts and amounts that the profile lists";
        let totals = totals.ok_or_else(|| fault(self.totals, why))?;
        Ok(if is_settle {
            BatchAsk::Settle { number, totals, currency }
        } else {
            BatchAsk::Close { number, totals, currency }
        })
    }

    fn currency_of(&self, elements: &Elements) -> Result<Currency, NoPetition> {
        let Some(text) = elements.get(ElementNo::CURRENCY) else { return Ok(self.currency) };
        let fault = |_| NoPetition { element: ElementNo::CURRENCY.get(), why: "it is no currency" };
        Currency::from_ascii(text).map_err(fault)
    }

    /// Counts and amounts, exactly as many digits as are listed; what follows them may only be zeros or spaces.
    fn read_totals(&self, text: &[u8]) -> Option<BatchTotals> {
        let mut totals = BatchTotals::default();
        let mut rest = text;
        for field in &self.fields {
            let (first, second) = if field.amount_first {
                (field.amount_len, field.count_len)
            } else {
                (field.count_len, field.amount_len)
            };
            let (one, after) = rest.split_at_checked(first)?;
            let (two, after) = after.split_at_checked(second)?;
            rest = after;
            let (one, two) = (digits(one)?, digits(two)?);
            let (count, minor) = if field.amount_first { (two, one) } else { (one, two) };
            let total = Total { count, minor: i64::try_from(minor).ok()? };
            match field.kind {
                TotalKind::Sales => totals.sales.add(total)?,
                TotalKind::Refunds => totals.refunds.add(total)?,
                TotalKind::Other => {}
            }
        }
        rest.iter().all(|byte| matches!(byte, b'0' | b' ')).then_some(totals)
    }

    fn upload(&self, elements: &Elements, card: Option<&Card>) -> Result<Upload, NoPetition> {
        let fault = |no: ElementNo, why| NoPetition { element: no.get(), why };
        let text = |no: ElementNo| {
            let text = elements.get(no).and_then(|text| std::str::from_utf8(text).ok());
            text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let original = elements.get(self.original).unwrap_or_default();
        let why = "it does not begin with the MTI and the trace number of the original, ten digits";
        let (mti, rest) = original.split_at_checked(4).ok_or_else(|| fault(self.original, why))?;
        let mti = Mti::from_ascii(mti).ok().ok_or_else(|| fault(self.original, why))?;
        let stan = rest.get(..6).filter(|stan| digits(stan).is_some());
        let stan = stan.and_then(|stan| std::str::from_utf8(stan).ok());
        let stan = stan.ok_or_else(|| fault(self.original, why))?.to_owned();
        let named = rest.get(6..18).and_then(|rrn| std::str::from_utf8(rrn).ok());
        let named = named.map(str::trim).filter(|rrn| !rrn.is_empty()).map(str::to_owned);
        let currency = self.currency_of(elements)?;
        let amount = elements.get(ElementNo::AMOUNT).unwrap_or_default();
        let amount = Amount::from_ascii(amount, currency)
            .ok()
            .ok_or_else(|| fault(ElementNo::AMOUNT, "it is no amount of twelve digits"))?;
        let code = elements.get(ElementNo::PROCESSING_CODE).unwrap_or_default();
        let refund = match Flow::of(code) {
            Some(Flow::Purchase) => false,
            Some(Flow::Refund) => true,
            Some(Flow::None) | None => {
                return Err(fault(ElementNo::PROCESSING_CODE, "it moves no money"));
            }
        };
        let tip = elements.get(ElementNo::of(54)).map(<[u8]>::trim_ascii).and_then(digits);
        Ok(Upload {
            mti,
            stan,
            rrn: named.or_else(|| text(ElementNo::RRN)),
            amount,
            refund,
            approval: text(ElementNo::APPROVAL_CODE),
            card: card.map(|card| (card.masked, card.token)),
            tip: tip
                .and_then(|tip| i64::try_from(tip).ok())
                .filter(|tip| *tip <= amount.minor)
                .unwrap_or(0),
        })
    }

    /// What a terminal is to hear, with the words that this network has for it.
    pub fn verdict(&self, code: ResponseCode, words: Words, number: u32) -> BatchVerdict {
        let number = number % 100_000;
        let text = match words {
            Words::Accepted => format!("GB{number:05}ACCEPTED"),
            Words::Duplicate => format!("QD{number:05}DUPLICATE BATCH"),
            Words::Differ => format!("RB{number:05}DIFFERENT COUNTS OR AMOUNTS"),
            Words::None => String::new(),
        };
        BatchVerdict { code, text: Some(text).filter(|text| self.says && !text.is_empty()) }
    }
}

/// What the words of an answer say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// The batch is closed.
    Accepted,
    /// It was closed before.
    Duplicate,
    /// Its totals are not ours.
    Differ,
    /// Nothing.
    None,
}

impl Total {
    /// Counts another in; none when a sum does not fit.
    #[must_use = "a sum that does not fit is no sum"]
    pub fn add(&mut self, other: Self) -> Option<()> {
        self.count = self.count.checked_add(other.count)?;
        self.minor = self.minor.checked_add(other.minor)?;
        Some(())
    }
}

impl BatchTotals {
    /// Counts one transaction in; none when a sum does not fit.
    #[must_use = "a sum that does not fit is no sum"]
    pub fn count(&mut self, minor: i64, refund: bool) -> Option<()> {
        let total = if refund { &mut self.refunds } else { &mut self.sales };
        total.add(Total { count: 1, minor })
    }
}

/// The number that a field of up to 18 digits is.
fn digits(text: &[u8]) -> Option<u64> {
    let all = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    all.then(|| text.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// The class of an uploaded transaction: 0320.
const UPLOAD: u8 = 3;
/// Batch numbers go to six digits, and then begin at 1 again.
pub const NUMBER_MAX: u32 = 999_999;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn profile() -> BatchProfile {
        BatchProfile { says: true, ..BatchProfile::usual(Currency::new(978).unwrap()) }
    }

    fn elements(values: &[(u8, &str)]) -> Elements {
        let mut elements = Elements::default();
        for (no, value) in values {
            elements.set(ElementNo::of(*no), value.as_bytes());
        }
        elements
    }

    const SETTLE: &[(u8, &str)] = &[
        (3, "920000"),
        (11, "000007"),
        (41, "TERM0001"),
        (42, "SHOP           "),
        (60, "000012"),
        (63, "002000000001250001000000000300"),
    ];

    fn with(values: &[(u8, &str)], no: u8, value: &str) -> Elements {
        let mut changed = elements(values);
        if value.is_empty() {
            changed.remove(ElementNo::of(no));
        } else {
            changed.set(ElementNo::of(no), value.as_bytes());
        }
        changed
    }

    #[test]
    fn totals_are_read_as_the_profile_says() {
        let read = profile().read(Mti::of(500), &elements(SETTLE), None).unwrap();
        let totals = BatchTotals {
            sales: Total { count: 2, minor: 1250 },
            refunds: Total { count: 1, minor: 300 },
        };
        let currency = Currency::new(978).unwrap();
        assert_eq!((read.terminal.as_str(), read.merchant.as_str()), ("TERM0001", "SHOP"));
        assert_eq!(read.ask, BatchAsk::Settle { number: 12, totals, currency });
        let again = with(SETTLE, 3, "960000");
        let read = profile().read(Mti::of(501), &again, None).unwrap();
        assert_eq!(read.ask, BatchAsk::Close { number: 12, totals, currency });
        // Amounts first, and a share of the sales that is not compared.
        let mut other = profile();
        let field = |kind| TotalField { kind, count_len: 3, amount_len: 12, amount_first: true };
        other.fields =
            vec![field(TotalKind::Sales), field(TotalKind::Other), field(TotalKind::Refunds)];
        let text = "000000001250002000000000999001000000000300001000";
        let read = other.read(Mti::of(500), &with(SETTLE, 63, text), None).unwrap();
        assert_eq!(read.ask, BatchAsk::Settle { number: 12, totals, currency });
    }

    #[test]
    fn what_is_no_batch_names_its_element() {
        for (no, value, why) in [
            (3, "910000", "neither"),
            (3, "", "neither"),
            (41, "        ", "no terminal"),
            (42, "", "no merchant"),
            (60, "000000", "batch number"),
            (60, "1000000", "batch number"),
            (60, "12A", "batch number"),
            (63, "002", "counts and amounts"),
            (63, "00200000000125000100000000030A", "counts and amounts"),
            (63, "0020000000012500010000000003001", "counts and amounts"),
            (49, "97A", "no currency"),
        ] {
            let fault = profile().read(Mti::of(500), &with(SETTLE, no, value), None).unwrap_err();
            assert!(fault.element == no && fault.why.contains(why), "{no} {value}: {fault}");
        }
    }

    const UPLOADED: &[(u8, &str)] = &[
        (3, "000001"),
        (4, "000000001200"),
        (11, "000009"),
        (38, "A1B2C3"),
        (41, "TERM0001"),
        (42, "SHOP"),
        (54, "000000000200"),
        (60, "0200000003632613000123"),
    ];

    #[test]
    fn an_uploaded_transaction_names_its_original() {
        let read = profile().read(Mti::of(320), &elements(UPLOADED), None).unwrap();
        let BatchAsk::Upload(upload) = read.ask else { panic!("no upload") };
        assert_eq!((upload.mti, upload.stan.as_str()), (Mti::of(200), "000003"));
        assert_eq!(upload.rrn.as_deref(), Some("632613000123"));
        assert_eq!((upload.amount.minor, upload.tip, upload.refund), (1200, 200, false));
        let blank = with(UPLOADED, 60, "0200000003            ");
        let read = profile().read(Mti::of(320), &blank, None).unwrap();
        let BatchAsk::Upload(upload) = read.ask else { panic!("no upload") };
        assert_eq!(upload.rrn, None);
        for (no, value) in [(60, "02000000"), (60, "0200ABCDEF"), (4, "12A"), (3, "310000")] {
            let fault = profile().read(Mti::of(320), &with(UPLOADED, no, value), None).unwrap_err();
            assert_eq!(fault.element, no, "{value}");
        }
    }

    #[test]
    fn an_answer_says_what_it_means_where_the_network_wants_that() {
        let code = ResponseCode::APPROVED;
        let said = profile().verdict(code, Words::Accepted, 123_456);
        assert_eq!(said.text.as_deref(), Some("GB23456ACCEPTED"));
        let silent = BatchProfile { says: false, ..profile() };
        assert_eq!(silent.verdict(code, Words::Accepted, 1).text, None);
    }

    proptest::proptest! {
        /// Whatever a terminal sends is read or refused.
        #[test]
        fn any_bytes_are_read_or_refused(
            code in "[0-9]{6}", number in ".{0,8}", totals in proptest::collection::vec(0_u8.., 0..64), upload in proptest::bool::ANY
        ) {
            let mut elements = with(UPLOADED, 3, &code);
            elements.set(ElementNo::of(60), number.as_bytes());
            elements.set(ElementNo::of(63), &totals);
            drop(profile().read(Mti::of(if upload { 320 } else { 500 }), &elements, None));
        }
    }
}
