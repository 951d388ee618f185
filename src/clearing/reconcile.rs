//! Reconciliation of a host: the totals of its business day as its network writes them (0500, 0520), and where a transaction is
//! in such totals. Knows no sockets and no books.

use crate::iso::{
    BusinessDate, Class, Currency, ElementNo, ElementSet, Elements, Mti, ResponseCode,
};
use crate::planted::{self, Bug};
use crate::record::{Approval, Debt, DebtState, Outcome, Reason, Standing, Unanswered};

use super::{Flow, NoPetition, Total};

/// How a host's network writes totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostProfile {
    /// What amounts are in when no element 50 says it; none when one has to.
    pub currency: Option<Currency>,
    /// Which element names the day: 15, or of 1993 its 28, where the house keeps that.
    pub day: ElementNo,
    /// Which has the number of the reconciliation, where there are numbers.
    pub number: Option<ElementNo>,
    /// The last number; 1 follows.
    pub number_max: u32,
    /// Which has the settlement code of an answer; none of 1993, whose element 39 says it.
    pub settlement: Option<ElementNo>,
    /// Which way element 97 is a credit.
    pub net: Net,
    /// Element 39 of an answer to totals that are not ours.
    pub differs: ResponseCode,
    /// Element 39 of an answer to a number that is not the next.
    pub wrong_number: ResponseCode,
    /// As what we say our own totals to an issuer after the cut of a day, where it wants them: 0500 or 0520.
    pub send: Option<Mti>,
}

/// When element 97 begins with C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// When more was credited than debited: 86 and 89 less 88 and 87.
    Credits,
    /// When more was debited than credited.
    Debits,
}

/// What totals are counted in. Reversals are counted beside what they reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TallyClass {
    /// What cards got.
    Credits,
    /// What was taken back of that.
    CreditReversals,
    /// What cards paid.
    Debits,
    /// What was given back of that.
    DebitReversals,
    /// Between a holder's own accounts.
    Transfers,
    /// Undone.
    TransferReversals,
    /// What only asks.
    Inquiries,
    /// 0100 and 0120.
    Authorizations,
}

/// How many and how much of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([Total; 8]);

/// Where a transaction is in totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// In which class.
    pub class: TallyClass,
    /// With how much, minor units.
    pub minor: i64,
    /// In which currency; none where its element 49 is none, or not there.
    pub currency: Option<Currency>,
}

/// What a host says that its day comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostClaim {
    /// The message's own name: a repeat has the same.
    pub key: String,
    /// Which day.
    pub date: BusinessDate,
    /// In which currency.
    pub currency: Currency,
    /// The number of the reconciliation, where there are numbers.
    pub number: Option<u32>,
    /// What it says of each class; none of one that it says nothing of.
    pub said: Vec<(TallyClass, Total)>,
    /// Everything that it says, to tell a repeat from another message under its name.
    pub text: String,
}

/// What a host hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostVerdict {
    /// Element 39.
    pub code: ResponseCode,
    /// Whether its totals are ours.
    pub settled: Settled,
    /// The number that the next reconciliation has, where it was another one.
    pub expected: Option<u32>,
}

/// Element 66.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Its totals are ours.
    InBalance,
    /// They are not.
    OutOfBalance,
    /// Nothing was compared.
    Error,
}

impl TallyClass {
    /// All of them, in the order of their elements.
    pub const ALL: [Self; 8] = [
        Self::Credits,
        Self::CreditReversals,
        Self::Debits,
        Self::DebitReversals,
        Self::Transfers,
        Self::TransferReversals,
        Self::Inquiries,
        Self::Authorizations,
    ];

    /// As tables have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Credits => "credits",
            Self::CreditReversals => "credit_reversals",
            Self::Debits => "debits",
            Self::DebitReversals => "debit_reversals",
            Self::Transfers => "transfers",
            Self::TransferReversals => "transfer_reversals",
            Self::Inquiries => "inquiries",
            Self::Authorizations => "authorizations",
        }
    }

    /// Of such a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// Which element has how many there are.
    const fn number(self) -> ElementNo {
        ElementNo::of(match self {
            Self::Credits => 74,
            Self::CreditReversals => 75,
            Self::Debits => 76,
            Self::DebitReversals => 77,
            Self::Transfers => 78,
            Self::TransferReversals => 79,
            Self::Inquiries => 80,
            Self::Authorizations => 81,
        })
    }

    /// Which has their sum, for those that have one.
    const fn amount(self) -> Option<ElementNo> {
        match self {
            Self::Credits => Some(ElementNo::of(86)),
            Self::CreditReversals => Some(ElementNo::of(87)),
            Self::Debits => Some(ElementNo::of(88)),
            Self::DebitReversals => Some(ElementNo::of(89)),
            _ => None,
        }
    }

    /// Whether its amount counts, too.
    pub const fn has_amount(self) -> bool {
        self.amount().is_some()
    }

    const fn reversals(self) -> Option<Self> {
        match self {
            Self::Credits => Some(Self::CreditReversals),
            Self::Debits => Some(Self::DebitReversals),
            Self::Transfers => Some(Self::TransferReversals),
            _ => None,
        }
    }
}

impl Tally {
    /// What there is of a class.
    pub fn of(&self, class: TallyClass) -> Total {
        let all = TallyClass::ALL.into_iter().zip(self.0);
        all.filter(|(one, _)| *one == class).map(|(_, total)| total).next().unwrap_or_default()
    }

    /// Puts what there is of a class in the place of what there was.
    pub fn set(&mut self, class: TallyClass, to: Total) {
        for (_, total) in
            TallyClass::ALL.into_iter().zip(&mut self.0).filter(|(one, _)| *one == class)
        {
            *total = to;
        }
    }

    /// Counts one in; none when a sum does not fit.
    #[must_use = "a sum that does not fit is no sum"]
    pub fn count(&mut self, share: Share) -> Option<()> {
        let mut all = TallyClass::ALL.into_iter().zip(&mut self.0);
        let (_, total) = all.find(|(class, _)| *class == share.class)?;
        let minor = if share.class.has_amount() { share.minor } else { 0 };
        total.add(Total { count: 1, minor })
    }
}

/// Whether the switch took a transaction back by itself: nobody heard the approval, or it came too late, or did not fit. A
/// reversal that its asker sends afterwards says the same once more.
pub fn taken_back_here(standing: &Standing) -> bool {
    let Some(debt) = standing.reversal.as_ref().filter(|debt| !debt.lowers()) else { return false };
    match &standing.outcome {
        Outcome::Over { why, .. } => *why != Unanswered::Reversed,
        // What an advice was of is reversed once more, whoever wanted that first. Its asker counts only what it was told, or said.
        _ if standing.advice.is_some()
            && matches!(debt.reason, Reason::Late | Reason::Settle | Reason::Mismatched) =>
        {
            let known = standing.told || standing.outcome == Outcome::Stored;
            !known || standing.undone_by.is_none()
        }
        _ => debt.reason != Reason::Asked,
    }
}

impl Share {
    /// Of a transaction: what its asker was told is approved, or stored. What the switch took back by itself, because nobody can
    /// have heard it, is in no totals.
    pub fn of(standing: &Standing) -> Option<Self> {
        if standing.was_approved() && !taken_back_here(standing) {
            Self::place(standing)
        } else {
            None
        }
    }

    /// The same for its issuer: what that approved, in time or late, and the advices that it took or is still to take.
    pub fn at_issuer(standing: &Standing) -> Option<Self> {
        let given_up =
            |debt: &Debt| matches!(debt.state, DebtState::Closed(closing) if closing.is_given_up());
        let advised = standing.advice.as_ref().is_some_and(|debt| !given_up(debt));
        if standing.tells_decline() {
            return None;
        }
        if standing.heard == Approval::Approved || advised { Self::place(standing) } else { None }
    }

    fn place(standing: &Standing) -> Option<Self> {
        let sent = standing.sent()?;
        let code = sent.elements.get(ElementNo::PROCESSING_CODE).unwrap_or_default();
        let class = match (sent.mti.class(), Flow::of(code), code.first()) {
            (_, Some(Flow::None), Some(b'3')) => TallyClass::Inquiries,
            (Class::Authorization, ..) => TallyClass::Authorizations,
            (Class::Financial, Some(Flow::Purchase), _) => TallyClass::Debits,
            (Class::Financial, Some(Flow::Refund), _) => TallyClass::Credits,
            (Class::Financial, Some(Flow::None), _) => TallyClass::Transfers,
            _ => return None,
        };
        let minor = standing.granted().and_then(|amount| i64::try_from(amount).ok()).unwrap_or(0);
        let currency = sent.elements.get(ElementNo::CURRENCY);
        let currency = currency.and_then(|text| Currency::from_ascii(text).ok());
        Some(Self { class, minor, currency })
    }

    /// Whether it is in totals of a currency; what says none is in the link's own.
    pub fn is_in(&self, currency: Currency, own: Option<Currency>) -> bool {
        self.currency.or(own) == Some(currency)
    }

    /// Of the reversal of a transaction, by its asker: all of it, or what a partial one took off.
    pub fn of_reversal(original: &Standing) -> Option<Self> {
        Self::of(original)?.reversal(original.lowered)
    }

    /// Of what reverses this, and leaves so much of it; none of what is counted without its reversals.
    pub fn reversal(self, left: Option<u64>) -> Option<Self> {
        let left = left.and_then(|left| i64::try_from(left).ok()).unwrap_or(0);
        let class = self.class.reversals()?;
        Some(Self { class, minor: self.minor.saturating_sub(left), ..self })
    }
}

impl HostProfile {
    /// As most hosts of 1987 write their totals, which are in this currency where they name none.
    pub fn usual(currency: Option<Currency>) -> Self {
        Self {
            currency,
            day: ElementNo::SETTLEMENT_DATE,
            number: None,
            number_max: 999,
            settlement: Some(ElementNo::of(66)),
            net: Net::Credits,
            differs: ResponseCode::of(*b"95"),
            wrong_number: ResponseCode::of(*b"80"),
            send: None,
        }
    }

    /// What is not there is none of that class; the counts without amounts are compared where they are said.
    const SAID: ElementSet = ElementSet::of(&[
        7, 11, 12, 13, 15, 50, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 97,
        99,
    ]);

    /// The elements that are needed to read totals.
    pub fn needs(&self) -> ElementSet {
        [Some(self.day), self.number].into_iter().flatten().chain(Self::SAID.iter()).collect()
    }

    /// Reads a 0500 or an 0520, or a repeat of one.
    pub fn read(
        &self,
        mti: Mti,
        elements: &Elements,
        today: BusinessDate,
    ) -> Result<HostClaim, NoPetition> {
        let date = self.date(elements, today)?;
        let currency = self.currency(elements)?;
        let said = said(elements)?;
        self.check_net(elements, &said)?;
        let number = self.number.map(|no| number_of(no, elements)).transpose()?;
        let key = key(mti, elements, date)?;
        let said_so = elements.iter().filter(|(no, _)| !KEY.has(*no));
        let text: Vec<String> =
            said_so.map(|(no, value)| format!("{no}={}", value.escape_ascii())).collect();
        let text = text.join(" ");
        Ok(HostClaim { key, date, currency, number, said, text })
    }

    fn date(&self, elements: &Elements, today: BusinessDate) -> Result<BusinessDate, NoPetition> {
        let fault = |why| fault(self.day, why);
        let text =
            elements.get(self.day).ok_or_else(|| fault("it is missing: which day is meant?"))?;
        let (_, mmdd) = text.split_at_checked(text.len().saturating_sub(4)).unwrap_or_default();
        let date = BusinessDate::from_mmdd(mmdd, today)
            .ok()
            .filter(|date| text.len() <= 4 || date.yymmdd().ends_with(tail(text, 6)))
            .ok_or_else(|| fault("it is no date near the day in force"))?;
        if today < date { Err(fault("that day has not begun here")) } else { Ok(date) }
    }

    fn currency(&self, elements: &Elements) -> Result<Currency, NoPetition> {
        let no = ElementNo::of(50);
        match elements.get(no) {
            Some(text) => {
                Currency::from_ascii(text).ok().ok_or_else(|| fault(no, "it is no currency"))
            }
            None => {
                self.currency.ok_or_else(|| fault(no, "it is missing, and `currency` is not set"))
            }
        }
    }

    /// Element 97 has to be what the sums of the same message come to.
    fn check_net(
        &self,
        elements: &Elements,
        said: &[(TallyClass, Total)],
    ) -> Result<(), NoPetition> {
        let fault = |why| fault(NET, why);
        let text = elements.get(NET).ok_or_else(|| fault("it is missing: the net of 86 to 89"))?;
        let (sign, amount) = text.split_at_checked(1).unwrap_or_default();
        let amount = digits(amount).and_then(|amount| i64::try_from(amount).ok());
        let amount = amount.ok_or_else(|| fault("it is no C or D and an amount"))?;
        let told = match sign {
            b"C" => amount,
            b"D" => -amount,
            _ => return Err(fault("it is no C or D and an amount")),
        };
        let net = self.net_of(said);
        if told == net || planted::is(Bug::ReconciliationNetUnchecked) {
            Ok(())
        } else {
            Err(fault("it is not 86 and 89 less 88 and 87, or not as `net` says"))
        }
    }

    /// What our own totals say to an issuer, elements 7 and 11 apart.
    pub fn say(&self, own: &Tally, date: BusinessDate, currency: Currency) -> Elements {
        let mut elements = Elements::default();
        if self.day == ElementNo::SETTLEMENT_DATE {
            elements.set(self.day, &date.mmdd());
        } else {
            elements.set(self.day, &date.yymmdd());
        }
        elements.set(ElementNo::of(50), currency.to_string().as_bytes());
        let said: Vec<_> =
            TallyClass::ALL.into_iter().map(|class| (class, own.of(class))).collect();
        for (class, total) in &said {
            if let Some(no) = class.amount() {
                elements.set(class.number(), format!("{:010}", total.count).as_bytes());
                elements.set(no, format!("{:016}", total.minor).as_bytes());
            }
        }
        let net = self.net_of(&said);
        let sign = if net < 0 { 'D' } else { 'C' };
        elements.set(NET, format!("{sign}{:016}", net.abs()).as_bytes());
        elements
    }

    /// What an issuer's answer to our totals means: by element 66, or else by its code.
    pub fn verdict_of(&self, code: Option<ResponseCode>, settlement: Option<&[u8]>) -> HostVerdict {
        let by_code = match code {
            Some(ResponseCode::APPROVED) => Settled::InBalance,
            Some(code) if code == self.differs => Settled::OutOfBalance,
            _ => Settled::Error,
        };
        let settled = match settlement {
            Some(b"1") => Settled::InBalance,
            Some(b"2") => Settled::OutOfBalance,
            Some(_) => Settled::Error,
            None => by_code,
        };
        HostVerdict { code: code.unwrap_or(ResponseCode::MALFUNCTION), settled, expected: None }
    }

    fn net_of(&self, said: &[(TallyClass, Total)]) -> i64 {
        let signed = said.iter().map(|(class, total)| match class {
            TallyClass::Credits | TallyClass::DebitReversals => total.minor,
            TallyClass::Debits | TallyClass::CreditReversals => -total.minor,
            _ => 0,
        });
        let net: i64 = signed.sum();
        if self.net == Net::Credits { net } else { -net }
    }

    /// What is added to the echoes of an answer.
    pub fn answer(&self, asked: &Elements, verdict: &HostVerdict) -> Elements {
        let mut added = asked.only(ElementSet::of(&[50, 97, 99]).with(self.day));
        added.set(ElementNo::RESPONSE_CODE, verdict.code.as_bytes());
        if let Some(no) = self.settlement {
            added.set(no, verdict.settled.digit());
        }
        if let Some((no, text)) = self.number.and_then(|no| Some((no, asked.get(no)?))) {
            let width = text.len();
            match verdict.expected {
                Some(expected) => added.set(no, format!("{expected:0width$}").as_bytes()),
                None => added.set(no, text),
            }
        }
        added
    }

    /// Which number follows one.
    pub const fn after(&self, number: u32) -> u32 {
        if number < self.number_max { number + 1 } else { 1 }
    }
}

impl HostClaim {
    /// Where it differs from what we have: what it says, and what we have.
    pub fn differences(&self, own: &Tally) -> Vec<(TallyClass, Total, Total)> {
        let pairs = self.said.iter().map(|(class, said)| (*class, *said, own.of(*class)));
        let counts_only = planted::is(Bug::ReconciliationCountsOnly);
        pairs
            .filter(
                |(_, said, own)| if counts_only { said.count != own.count } else { said != own },
            )
            .collect()
    }
}

impl Settled {
    /// As element 66 has it.
    pub const fn digit(self) -> &'static [u8] {
        match self {
            Self::InBalance => b"1",
            Self::OutOfBalance => b"2",
            Self::Error => b"3",
        }
    }

    /// As tables have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InBalance => "in_balance",
            Self::OutOfBalance => "out_of_balance",
            Self::Error => "error",
        }
    }

    /// Of such a word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::InBalance, Self::OutOfBalance, Self::Error].into_iter().find(|it| it.word() == word)
    }
}

/// Of a reconciliation.
fn number_of(no: ElementNo, elements: &Elements) -> Result<u32, NoPetition> {
    let number = elements.get(no).map(<[u8]>::trim_ascii).and_then(digits);
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| fault(no, "it is no number of a reconciliation"))
}

/// Counts and amounts of a message.
fn said(elements: &Elements) -> Result<Vec<(TallyClass, Total)>, NoPetition> {
    let mut said = Vec::new();
    for class in TallyClass::ALL {
        let of = |no: ElementNo| match elements.get(no) {
            None => Ok(None),
            Some(text) => digits(text).map(Some).ok_or_else(|| fault(no, "it is no number")),
        };
        let count = of(class.number())?;
        let Some(no) = class.amount() else {
            said.extend(count.map(|count| (class, Total { count, minor: 0 })));
            continue;
        };
        let minor = i64::try_from(of(no)?.unwrap_or(0)).ok();
        let minor = minor.ok_or_else(|| fault(no, "it is no amount"))?;
        said.push((class, Total { count: count.unwrap_or(0), minor }));
    }
    Ok(said)
}

/// The name of a message: its kind, its trace number, which day it is about, and when it was sent. That has no year, or is not there.
fn key(mti: Mti, elements: &Elements, date: BusinessDate) -> Result<String, NoPetition> {
    let stan = elements.get(ElementNo::STAN).filter(|stan| digits(stan).is_some());
    let stan = stan.ok_or_else(|| fault(ElementNo::STAN, "it is missing"))?;
    let text = |no| elements.get(no).unwrap_or_default().escape_ascii().to_string();
    let [sent, local_day, local_time] =
        [ElementNo::TRANSMISSION, ElementNo::LOCAL_DATE, ElementNo::LOCAL_TIME].map(text);
    let when = if sent.is_empty() { format!("{local_day} {local_time}") } else { sent };
    Ok(format!("{} {} day {} {}", mti.plain(), stan.escape_ascii(), date.0, when.trim_ascii()))
}

const fn fault(no: ElementNo, why: &'static str) -> NoPetition {
    // What the house keeps aside is the element of the later edition, for people.
    let element = if 128 < no.get() { no.get() - 128 } else { no.get() };
    NoPetition { element, why }
}

fn tail(text: &[u8], most: usize) -> &[u8] {
    text.get(text.len().saturating_sub(most)..).unwrap_or_default()
}

/// The number that a field of up to 18 digits is.
fn digits(text: &[u8]) -> Option<u64> {
    let all = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    all.then(|| text.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

const NET: ElementNo = ElementNo::of(97);
/// What names a message, and says nothing of its day.
const KEY: ElementSet = ElementSet::of(&[7, 11, 12, 13]);

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clearing::capture::tests::standing as approved;
    use crate::iso::Wall;
    use crate::record::{Closing, Trace, TxnId};

    fn profile() -> HostProfile {
        HostProfile::usual(Currency::new(978).ok())
    }

    fn with(changes: &[(u8, &str)]) -> Elements {
        let mut elements = Elements::default();
        let usual: &[(u8, &str)] = &[
            (7, "1123183400"),
            (11, "000007"),
            (15, "1123"),
            (50, "978"),
            (74, "0000000001"),
            (76, "0000000003"),
            (77, "0000000001"),
            (86, "0000000000000300"),
            (88, "0000000000003000"),
            (89, "0000000000001000"),
            (97, "D0000000000001700"),
            (99, "123456"),
        ];
        for (no, value) in usual.iter().chain(changes) {
            let no = ElementNo::of(*no);
            if value.is_empty() { elements.remove(no) } else { elements.set(no, value.as_bytes()) }
        }
        elements
    }

    const TODAY: BusinessDate = BusinessDate(20_780);

    fn total(count: u64, minor: i64) -> Total {
        Total { count, minor }
    }

    fn debt(reason: Reason, state: DebtState) -> Debt {
        Debt { trace: Trace::default(), since: Wall(0), reason, state, code: None, requeued: false }
    }

    /// What its asker was told and took back is in its totals, whatever reverses it once more; what it was never told is not.
    #[test]
    fn what_is_reversed_anew_counts_where_its_asker_was_told_and_took_it_back() {
        use Reason::{Asked, Late, Mismatched, Settle, Undelivered};
        let dead = DebtState::Closed(Closing::Dead);
        for (reason, told, undone, counts) in [
            (Asked, true, true, true),
            (Settle, true, true, true),
            (Late, true, true, true),
            (Mismatched, true, true, true),
            (Late, true, false, false),
            (Undelivered, false, false, false),
            (Undelivered, false, true, false),
            (Settle, false, true, false),
            (Late, false, true, false),
        ] {
            let mut standing = approved(1, 200, &[]);
            standing.advice = Some(debt(Asked, dead));
            standing.reversal = Some(debt(reason, DebtState::Open));
            (standing.told, standing.undone_by) = (told, undone.then_some(TxnId(2)));
            assert_eq!(Share::of(&standing).is_some(), counts, "{reason:?} {told} {undone}");
        }
        // Of what an asker says happened nobody has to be told.
        let mut stored = approved(1, 220, &[]);
        stored.reversal = Some(debt(Late, DebtState::Open));
        (stored.told, stored.undone_by) = (false, Some(TxnId(2)));
        assert!(Share::of(&stored).is_some());
    }

    #[test]
    fn totals_are_read_and_their_net_is_checked() {
        let read = profile().read(Mti::of(500), &with(&[]), TODAY).unwrap();
        assert_eq!((read.date, read.currency.number(), read.number), (TODAY, 978, None));
        let said = [
            (TallyClass::Credits, total(1, 300)),
            (TallyClass::CreditReversals, total(0, 0)),
            (TallyClass::Debits, total(3, 3000)),
            (TallyClass::DebitReversals, total(1, 1000)),
        ];
        assert_eq!(read.said, said);
        // A repeat is the same message, and says the same.
        let again = profile().read(Mti::of(501), &with(&[]), TODAY).unwrap();
        assert_eq!(again, read);
        let later = profile().read(Mti::of(500), &with(&[(7, "1123183401")]), TODAY).unwrap();
        assert_ne!(later.key, read.key);
        // The other direction, and nothing at all.
        let other = HostProfile { net: Net::Debits, ..profile() };
        assert!(other.read(Mti::of(520), &with(&[(97, "C0000000000001700")]), TODAY).is_ok());
        let nothing = [(74, ""), (76, ""), (77, ""), (86, ""), (88, ""), (89, "")];
        for net in ["C0000000000000000", "D0000000000000000"] {
            let nothing = with(&nothing.iter().copied().chain([(97, net)]).collect::<Vec<_>>());
            assert!(profile().read(Mti::of(500), &nothing, TODAY).is_ok());
        }
        // Transfers, inquiries and authorizations are compared where they are said.
        let more = profile().read(Mti::of(500), &with(&[(81, "0000000009")]), TODAY).unwrap();
        assert_eq!(more.said.last(), Some(&(TallyClass::Authorizations, total(9, 0))));
    }

    #[test]
    fn the_same_trace_number_of_another_day_is_another_message() {
        let key = |changes: &[(u8, &str)], today| {
            profile().read(Mti::of(500), &with(changes), today).unwrap().key
        };
        let year = BusinessDate(TODAY.0 + 365);
        let timed = [(7, ""), (12, "230000")];
        let dated = [(7, ""), (12, "230000"), (13, "1123")];
        for changes in [&[][..], &[(7, "")], &timed, &dated] {
            assert_eq!(key(changes, TODAY), key(changes, TODAY));
            assert_ne!(key(changes, TODAY), key(changes, year), "{changes:?}");
            let before: Vec<_> = changes.iter().copied().chain([(15, "1122")]).collect();
            assert_ne!(key(changes, TODAY), key(&before, TODAY), "{changes:?}");
        }
    }

    #[test]
    fn what_is_no_reconciliation_names_its_element() {
        let strict = HostProfile { currency: None, number: Some(ElementNo::of(157)), ..profile() };
        for (no, value, why) in [
            (15, "", "which day"),
            (15, "1345", "no date"),
            (15, "1124", "not begun"),
            (50, "", "missing"),
            (50, "97A", "no currency"),
            (76, "00000000A3", "no number"),
            (88, "000000000000300X", "no number"),
            (97, "", "missing"),
            (97, "X0000000000001700", "no C or D"),
            (97, "C0000000000001700", "not 86 and 89"),
            (97, "D0000000000001701", "not 86 and 89"),
            (11, "", "missing"),
            (29, "", "no number of a reconciliation"),
        ] {
            let mut elements = with(&[(no, value)]);
            if no != 29 {
                elements.set(ElementNo::of(157), b"007");
            }
            let fault = strict.read(Mti::of(500), &elements, TODAY).unwrap_err();
            assert!(fault.element == no && fault.why.contains(why), "{no} {value}: {fault}");
        }
    }

    #[test]
    fn a_day_with_its_year_is_that_day() {
        let later = HostProfile { day: ElementNo::of(156), ..profile() };
        let read = |text| later.read(Mti::of(500), &with(&[(156, text)]), TODAY);
        assert_eq!(read("261123").unwrap().date, TODAY);
        assert_eq!(read("251123").unwrap_err().element, 28);
    }

    #[test]
    fn an_answer_repeats_what_it_is_about() {
        let numbered = HostProfile { number: Some(ElementNo::of(60)), ..profile() };
        let asked = with(&[(60, "007")]);
        let verdict = HostVerdict {
            code: numbered.wrong_number,
            settled: Settled::Error,
            expected: Some(numbered.after(999)),
        };
        let added = numbered.answer(&asked, &verdict);
        let texts = [15, 39, 50, 60, 66, 97, 99].map(|no| {
            String::from_utf8(added.get(ElementNo::of(no)).unwrap_or_default().to_vec()).unwrap()
        });
        assert_eq!(texts, ["1123", "80", "978", "001", "3", "D0000000000001700", "123456"]);
    }

    proptest::proptest! {
        /// Whatever a host sends is read or refused.
        #[test]
        fn any_bytes_are_read_or_refused(
            day in proptest::collection::vec(0_u8.., 0..9), net in proptest::collection::vec(0_u8.., 0..18), count in ".{0,18}"
        ) {
            let mut elements = with(&[]);
            elements.set(ElementNo::of(15), &day);
            elements.set(ElementNo::of(97), &net);
            elements.set(ElementNo::of(76), count.as_bytes());
            drop(profile().read(Mti::of(520), &elements, TODAY));
        }
    }
}
