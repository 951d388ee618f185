//! What becomes of one claim, given what it names: arithmetic over values. Looks nothing up.

use super::{Authorization, Claim, Op, Over, Said, Stands};
use crate::iso::{Currency, Wall, looks_like_a_card};

/// What claims are judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For how many days an authorization may be captured where no line of `validity` says otherwise.
    pub days: u32,
    /// For how many days, by merchant category; the first that fits.
    pub validity: Vec<Validity>,
    /// What becomes of a capture that comes later.
    pub late: Late,
    /// By how much captures may be over what was authorized; the first that fits. Nothing without one.
    pub tolerance: Vec<Tolerance>,
}

/// Merchant categories, from and to.
pub type Span = (u16, u16);

/// For how long an authorization may be captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Of which merchant categories; of all where there are none.
    pub mccs: Vec<Span>,
    /// How many days.
    pub days: u32,
}

/// By how much captures may be over what was authorized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Of which merchant categories; of all where there are none.
    pub mccs: Vec<Span>,
    /// In hundredths.
    pub percent: u32,
    /// So much in any case, minor units of a currency.
    pub at_least: Option<(i64, Currency)>,
}

/// What becomes of a capture whose authorization is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// It is rejected.
    Reject,
    /// It is accepted, and says so.
    Warn,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It will be presented.
    Accepted,
    /// It will be presented, and there is something to say.
    Warned(Note),
    /// It will not.
    Rejected(Note),
    /// What it names is not there yet.
    Pending(Note),
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// In a word that stays the same.
    pub reason: Reason,
    /// Which field says so.
    pub field: &'static str,
    /// What would have been right.
    pub expected: String,
    /// What is there.
    pub got: String,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $again:literal;)*) => {
        /// Why a claim is not simply accepted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Each of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word that stays the same.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Whether the record, put right or sent later, may be accepted.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $again,)* }
            }
        }
    };
}

reasons! {
    /// A field says nothing that is understood.
    BadField = "BAD_FIELD", true;
    /// The record is another merchant's than the file.
    WrongMerchant = "WRONG_MERCHANT", false;
    /// The same record was taken before.
    Duplicate = "DUPLICATE", false;
    /// Another record of this name was taken before.
    DupRef = "DUP_REF", false;
    /// It names several authorizations.
    Ambiguous = "AMBIGUOUS", true;
    /// It names no authorization that is known.
    Unmatched = "UNMATCHED", true;
    /// The authorization is not answered yet.
    InFlight = "IN_FLIGHT", true;
    /// The authorization is another merchant's.
    Foreign = "FOREIGN", false;
    /// The authorization was declined, or nobody approved it.
    Declined = "DECLINED", false;
    /// The authorization is reversed.
    Reversed = "REVERSED", false;
    /// The switch presents it by itself.
    AlreadyCaptured = "ALREADY_CAPTURED", false;
    /// A capture before this one was the last.
    AlreadyFinal = "ALREADY_FINAL", false;
    /// The authorization is in another currency.
    Currency = "CURRENCY", false;
    /// The authorization is too old.
    AuthExpired = "AUTH_EXPIRED", false;
    /// More than what was authorized, and what may be over that.
    OverAmount = "OVER_AMOUNT", true;
    /// What it names does not take this operation.
    WrongOp = "WRONG_OP", false;
    /// What it takes back, or changes, is not known.
    NoOriginal = "NO_ORIGINAL", true;
    /// What it refunds is not known.
    UnlinkedRefund = "UNLINKED_REFUND", true;
    /// More than what was captured, less what was refunded.
    RefundOverCaptured = "REFUND_OVER_CAPTURED", true;
    /// Not the amount of what it names.
    AmountDiffers = "AMOUNT_DIFFERS", true;
    /// What it names was taken back before.
    AlreadyReversed = "ALREADY_REVERSED", false;
    /// What it changes was presented already.
    AlreadyPresented = "ALREADY_PRESENTED", false;
    /// It was taken back before it was matched.
    Voided = "VOIDED", false;
    /// The authorization is older than it should be.
    LateCapture = "LATE", false;
    /// The authorization names another merchant category.
    MccDiffers = "MCC_DIFFERS", false;
}

impl Note {
    /// A note.
    pub fn new(
        reason: Reason,
        field: &'static str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        let got: String = got.into();
        let got = if looks_like_a_card(&got) { String::new() } else { got };
        Self { reason, field, expected: expected.into(), got }
    }
}

/// An earlier claim on the same authorization that counts: it was accepted, and neither taken back nor replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// What it asked for.
    pub op: Op,
    /// What the one asked for that it takes back; none unless it does.
    pub takes_back: Option<Op>,
    /// How much.
    pub amount: i64,
    /// Whether it was the last of its authorization.
    pub last: bool,
}

/// What was claimed of an authorization, while it is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    captured: i64,
    refunded: i64,
    /// How many captures say that they are the last.
    lasts: i64,
}

/// What was claimed of an authorization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Captured.
    pub captured: i64,
    /// Refunded.
    pub refunded: i64,
    /// Whether a capture was the last.
    pub last: bool,
}

impl Tally {
    /// Counts one, once; or, with -1, takes it out again.
    pub const fn count(&mut self, one: Past, sign: i64) {
        let amount = one.amount.saturating_mul(sign);
        match (one.op, one.takes_back) {
            (Op::Capture | Op::Adjust, _) => {
                self.captured = self.captured.saturating_add(amount);
                self.lasts = self.lasts.saturating_add(if one.last { sign } else { 0 });
            }
            (Op::Refund, _) => self.refunded = self.refunded.saturating_add(amount),
            (Op::Reversal, Some(Op::Refund)) => {
                self.refunded = self.refunded.saturating_sub(amount);
            }
            (Op::Reversal, _) => self.captured = self.captured.saturating_sub(amount),
        }
    }

    /// What that comes to.
    pub const fn used(self) -> Used {
        let (captured, refunded) = (self.captured, self.refunded);
        Used { captured, refunded, last: self.lasts > 0 }
    }
}

impl Rules {
    /// How much may be captured of an authorization. What was lowered stands for so much and no more: the cut would refuse it.
    fn limit(&self, it: &Authorization, mcc: Option<u16>, currency: Currency) -> i64 {
        let amount = it.amount;
        if it.over == Over::Never {
            return amount;
        }
        let fits = |rule: &&Tolerance| is_within(&rule.mccs, mcc);
        let over = self.tolerance.iter().find(fits).map_or(0, |rule| {
            let share = i128::from(amount) * i128::from(rule.percent) / 100;
            let share = i64::try_from(share).unwrap_or(i64::MAX);
            let least =
                rule.at_least.filter(|(_, of)| *of == currency).map_or(0, |(least, _)| least);
            share.max(least)
        });
        amount.saturating_add(over)
    }

    fn days(&self, mcc: Option<u16>) -> u32 {
        let rule = self.validity.iter().find(|rule| is_within(&rule.mccs, mcc));
        rule.map_or(self.days, |rule| rule.days)
    }
}

fn is_within(spans: &[Span], mcc: Option<u16>) -> bool {
    spans.is_empty()
        || mcc.is_some_and(|mcc| spans.iter().any(|(from, to)| (*from..=*to).contains(&mcc)))
}

/// Whether a claim names this transaction by what both of them know: merchant, terminal and retrieval reference; or else merchant,
/// card, approval code, currency and, within two days, the date. A trace number and a date that are there have to fit in any case.
pub fn names_it(claim: &Claim, said: &Said, merchant: &str, it: &Authorization) -> bool {
    let near = |apart: u32| match (said.day, it.day) {
        // A refund names what was bought before.
        (Some(claimed), Some(day)) if said.op == Op::Refund && !it.refund => day <= claimed,
        (Some(claimed), Some(day)) => claimed.0.abs_diff(day.0) <= apart,
        _ => true,
    };
    let stan = claim.stan.as_ref().is_none_or(|stan| *stan == it.stan);
    let terminal = claim.terminal.as_deref().unwrap_or_default() == it.terminal;
    if it.merchant != merchant || !stan {
        return false;
    }
    match &claim.rrn {
        // A retrieval reference comes again after years.
        Some(rrn) => terminal && it.rrns.contains(rrn) && near(DAYS_OF_RRN),
        None => {
            claim.token.as_ref().is_some_and(|card| *card == it.card)
                && claim.approval.as_ref().is_some_and(|code| *code == it.approval)
                && it.currency == Some(said.currency)
                && near(DAYS_OF_APPROVAL)
        }
    }
}

/// How far the merchant's date and the authorization's may be apart.
const DAYS_OF_APPROVAL: u32 = 2;
const DAYS_OF_RRN: u32 = 100;

/// Of all that a claim names, the one that it is about: the one that stands approved. A completion stands for what it completes.
/// Of none that stands, any tells why not. Never a guess: several are given back as they are.
pub fn choose(mut named: Vec<Authorization>) -> Result<Option<Authorization>, usize> {
    let completed: Vec<_> = named
        .iter()
        .filter(|one| one.stands == Stands::Approved)
        .filter_map(|one| one.completes)
        .collect();
    named.retain(|one| !completed.contains(&one.txn));
    let standing = named.iter().filter(|one| one.stands == Stands::Approved).count();
    let in_flight = named.iter().filter(|one| one.stands == Stands::InFlight).count();
    match (standing, in_flight) {
        (1, 0) => named.retain(|one| one.stands == Stands::Approved),
        // One of them may still be approved.
        (0, 1..) => named.retain(|one| one.stands == Stands::InFlight),
        (0, 0) => {}
        _ => return Err(named.len()),
    }
    // The last one that was tried tells most.
    Ok(named.into_iter().max_by_key(|one| one.txn))
}

/// A capture, or a refund that was authorized itself, of the authorization that it names.
pub fn capture(
    (claim, said): (&Claim, &Said),
    it: &Authorization,
    used: Used,
    rules: &Rules,
    at: Wall,
) -> Verdict {
    use Reason as R;
    let refused = |reason, field, expected: String, got: String| {
        Verdict::Rejected(Note::new(reason, field, expected, got))
    };
    let refund = said.op == Op::Refund;
    if let Some(refused) = standing(said, it) {
        return refused;
    }
    if it.single {
        let got = format!("transaction {}", it.txn.0);
        return refused(
            R::AlreadyCaptured,
            "op",
            "nothing: the switch presents it by itself".into(),
            got,
        );
    }
    if it.refund != refund {
        let expected = if it.refund { "refund" } else { "capture" };
        return refused(R::WrongOp, "op", expected.into(), said.op.word().into());
    }
    let used_up = if refund { used.refunded } else { used.captured };
    if used.last && !refund {
        return refused(
            R::AlreadyFinal,
            "final",
            "no capture after the last one".into(),
            String::new(),
        );
    }
    let mcc = mcc_of(claim, it);
    let limit = rules.limit(it, mcc, said.currency);
    if used_up.saturating_add(claim.amount) > limit {
        if it.waits {
            let got = "an increment without its answer";
            return Verdict::Pending(Note::new(R::InFlight, "amount", "what is authorized", got));
        }
        let expected = format!("at most {}", (limit - used_up).max(0));
        return refused(R::OverAmount, "amount", expected, claim.amount.to_string());
    }
    let days = rules.days(mcc);
    let age = at.0.saturating_sub(it.at.0);
    if age > u64::from(days) * DAY_MS {
        let note = |reason| {
            Note::new(
                reason,
                "local_dt",
                format!("at most {days} days after"),
                format!("{} days", age / DAY_MS),
            )
        };
        return match rules.late {
            Late::Reject => Verdict::Rejected(note(R::AuthExpired)),
            Late::Warn => Verdict::Warned(note(R::LateCapture)),
        };
    }
    warned(claim, said, it)
}

/// What is worth saying of a claim that is accepted.
fn warned(claim: &Claim, said: &Said, it: &Authorization) -> Verdict {
    let note = |reason, field, expected: String, got: String| {
        Verdict::Warned(Note::new(reason, field, expected, got))
    };
    if let Some(amount) = said.original_amount.filter(|amount| *amount != it.granted) {
        let (expected, got) = (it.granted.to_string(), amount.to_string());
        return note(Reason::AmountDiffers, "orig_amount", expected, got);
    }
    if let Some(mcc) = claim.mcc.as_ref().filter(|mcc| !it.mcc.is_empty() && **mcc != it.mcc) {
        return note(Reason::MccDiffers, "mcc", it.mcc.clone(), mcc.clone());
    }
    Verdict::Accepted
}

/// Whether the authorization is one of which anything may be claimed in this currency.
fn standing(said: &Said, it: &Authorization) -> Option<Verdict> {
    let note = |reason, got: &str| Note::new(reason, "orig_ref", "an approval that stands", got);
    match it.stands {
        Stands::InFlight => {
            return Some(Verdict::Pending(note(Reason::InFlight, "a request without its answer")));
        }
        Stands::Declined => return Some(Verdict::Rejected(note(Reason::Declined, "a decline"))),
        Stands::Reversed => return Some(Verdict::Rejected(note(Reason::Reversed, "a reversal"))),
        Stands::Approved => {}
    }
    if it.currency == Some(said.currency) {
        return None;
    }
    let expected = it.currency.map(|currency| currency.to_string()).unwrap_or_default();
    let got = said.currency.to_string();
    Some(Verdict::Rejected(Note::new(Reason::Currency, "currency", expected, got)))
}

/// A refund of what was captured: of the captures on an authorization, or of one that the switch presents by itself.
pub fn refund((claim, said): (&Claim, &Said), it: &Authorization, used: Used) -> Verdict {
    if let Some(refused) = standing(said, it) {
        return refused;
    }
    let captured = if it.single { it.amount } else { used.captured };
    if it.refund {
        let note = Note::new(Reason::WrongOp, "orig_ref", "a capture", "a refund");
        return Verdict::Rejected(note);
    }
    let left = captured.saturating_sub(used.refunded).max(0);
    if claim.amount > left {
        let (expected, got) = (format!("at most {left}"), claim.amount.to_string());
        return Verdict::Rejected(Note::new(Reason::RefundOverCaptured, "amount", expected, got));
    }
    warned(claim, said, it)
}

/// An earlier claim for another amount: what it replaces is not in `used` any more. How old the authorization may be was asked
/// of the first one.
pub fn adjust(
    (claim, said): (&Claim, &Said),
    it: &Authorization,
    used: Used,
    rules: &Rules,
) -> Verdict {
    if let Some(refused) = standing(said, it) {
        return refused;
    }
    let limit = rules.limit(it, mcc_of(claim, it), said.currency);
    let captured = used.captured.saturating_add(claim.amount);
    if captured > limit {
        let expected = format!("at most {}", (limit - used.captured).max(0));
        let note = Note::new(Reason::OverAmount, "amount", expected, claim.amount.to_string());
        return Verdict::Rejected(note);
    }
    if captured < used.refunded {
        let expected = format!("at least {}, which is refunded", used.refunded - used.captured);
        let note =
            Note::new(Reason::RefundOverCaptured, "amount", expected, claim.amount.to_string());
        return Verdict::Rejected(note);
    }
    Verdict::Accepted
}

/// A claim that takes back an earlier one of this operation, amount and currency.
pub fn reversal(
    (claim, said): (&Claim, &Said),
    (op, amount, currency): (Op, i64, &str),
    used: Used,
) -> Verdict {
    use Reason as R;
    let rejected = |note| Verdict::Rejected(note);
    if op == Op::Reversal {
        return rejected(Note::new(R::WrongOp, "orig_ref", "a capture or a refund", op.word()));
    }
    if currency != claim.currency {
        let got = said.currency.to_string();
        return rejected(Note::new(R::Currency, "currency", currency, got));
    }
    if amount != claim.amount {
        let (expected, got) = (amount.to_string(), claim.amount.to_string());
        return rejected(Note::new(R::AmountDiffers, "amount", expected, got));
    }
    if op != Op::Refund && used.captured.saturating_sub(amount) < used.refunded {
        let expected = "a capture of which nothing is refunded";
        return rejected(Note::new(R::RefundOverCaptured, "orig_ref", expected, ""));
    }
    Verdict::Accepted
}

/// The authorization's own category, or else the one that the claim names.
fn mcc_of(claim: &Claim, it: &Authorization) -> Option<u16> {
    let own = (!it.mcc.is_empty()).then_some(it.mcc.as_str());
    own.or(claim.mcc.as_deref())?.parse().ok()
}

const DAY_MS: u64 = 86_400_000;
