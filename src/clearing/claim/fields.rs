//! The fields of one record, out of a line of CSV or of JSON, and what they mean. Knows no other record.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::{Claim, Misfit, Op, Said};
use crate::clearing::visible;
use crate::iso::{BusinessDate, Currency, has_card, looks_like_a_card};

/// The columns of `capture-1`, in their usual order.
pub const COLUMNS: [&str; 20] = [
    "type",
    "seq",
    "merchant_id",
    "terminal_id",
    "op",
    "capture_ref",
    "orig_ref",
    "rrn",
    "stan",
    "auth_code",
    "pan_token",
    "amount",
    "currency",
    "exp",
    "local_dt",
    "mcc",
    "final",
    "tip",
    "entry",
    "orig_amount",
];

/// No text is longer, in bytes.
const TEXT_LEN_MAX: usize = 64;

/// Why a line is no record. Says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRecord {
    pub(super) field: Option<&'static str>,
    pub(super) expected: &'static str,
}

const fn no_record(expected: &'static str) -> NoRecord {
    NoRecord { field: None, expected }
}

/// One record's fields, each without blanks around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) seq: Cow<'a, str>,
    pub(super) merchant: Cow<'a, str>,
    pub(super) terminal: Cow<'a, str>,
    pub(super) op: Cow<'a, str>,
    pub(super) reference: Cow<'a, str>,
    pub(super) original: Cow<'a, str>,
    pub(super) rrn: Cow<'a, str>,
    pub(super) stan: Cow<'a, str>,
    pub(super) approval: Cow<'a, str>,
    pub(super) token: Cow<'a, str>,
    pub(super) amount: Cow<'a, str>,
    pub(super) currency: Cow<'a, str>,
    pub(super) exponent: Cow<'a, str>,
    pub(super) local: Cow<'a, str>,
    pub(super) mcc: Cow<'a, str>,
    pub(super) last: Cow<'a, str>,
    pub(super) tip: Cow<'a, str>,
    pub(super) entry: Cow<'a, str>,
    pub(super) original_amount: Cow<'a, str>,
    /// Only JSON has it, and only in a trailer: by currency.
    pub(super) control: Option<BTreeMap<String, Control>>,
}

/// What a trailer says of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    #[serde(default)]
    pub(super) captures: Count,
    #[serde(default)]
    pub(super) refunds: Count,
}

/// How many records, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Count {
    pub(super) n: u64,
    pub(super) amt: i128,
}

impl<'a> Fields<'a> {
    fn slot(&mut self, column: &str) -> Option<&mut Cow<'a, str>> {
        Some(match column {
            "type" => &mut self.kind,
            "seq" => &mut self.seq,
            "merchant_id" => &mut self.merchant,
            "terminal_id" => &mut self.terminal,
            "op" => &mut self.op,
            "capture_ref" => &mut self.reference,
            "orig_ref" => &mut self.original,
            "rrn" => &mut self.rrn,
            "stan" => &mut self.stan,
            "auth_code" => &mut self.approval,
            "pan_token" => &mut self.token,
            "amount" => &mut self.amount,
            "currency" => &mut self.currency,
            "exp" => &mut self.exponent,
            "local_dt" => &mut self.local,
            "mcc" => &mut self.mcc,
            "final" => &mut self.last,
            "tip" => &mut self.tip,
            "entry" => &mut self.entry,
            "orig_amount" => &mut self.original_amount,
            _ => return None,
        })
    }

    /// From a line of CSV, whose columns the header row told.
    pub(super) fn csv(text: &'a str, columns: &[&'static str]) -> Result<Self, NoRecord> {
        let mut fields = Self::default();
        let mut count = 0;
        for_each_cell(text, &mut |cell| {
            let column = columns.get(count).ok_or(no_record("as many fields as columns"))?;
            if let Some(slot) = fields.slot(column) {
                *slot = trimmed(cell);
            }
            count += 1;
            Ok(())
        })?;
        if count == columns.len() {
            Ok(fields)
        } else {
            Err(no_record("as many fields as columns"))
        }
    }

    /// From a line of JSON.
    pub(super) fn json(text: &'a str) -> Result<Self, NoRecord> {
        serde_json::from_str(text).or(Err(no_record(
            "one JSON object with the fields of capture-1, each once, texts and whole numbers",
        )))
    }

    /// The texts that people fill in, where nobody may write a card number.
    fn texts(&self) -> [(&'static str, &str); 14] {
        [
            ("merchant_id", &self.merchant),
            ("terminal_id", &self.terminal),
            ("op", &self.op),
            ("capture_ref", &self.reference),
            ("orig_ref", &self.original),
            ("rrn", &self.rrn),
            ("stan", &self.stan),
            ("auth_code", &self.approval),
            ("pan_token", &self.token),
            ("currency", &self.currency),
            ("mcc", &self.mcc),
            ("final", &self.last),
            ("entry", &self.entry),
            ("local_dt", &self.local),
        ]
    }

    /// The column that has a card number in clear.
    pub(super) fn card(&self) -> Option<&'static str> {
        let others = [
            ("type", &self.kind),
            ("exp", &self.exponent),
            ("tip", &self.tip),
            ("orig_amount", &self.original_amount),
        ];
        let others = others.into_iter().map(|(column, text)| (column, &**text));
        let mut all = self.texts().into_iter().chain(others);
        all.find(|(column, text)| {
            has_card(text) && !(*column == "local_dt" && day_of(text).is_some())
        })
        .map(|(column, _)| column)
    }

    /// What the record claims. Its amount was read already.
    pub(super) fn claim(self, (seq, line): (u64, u64), amount: i64) -> Claim {
        let said = self.said(amount);
        let some = |text: Cow<'_, str>| (!text.is_empty()).then(|| bounded(text));
        Claim {
            seq,
            line,
            merchant: some(self.merchant),
            terminal: some(self.terminal),
            op: bounded(self.op),
            reference: bounded(self.reference),
            original: some(self.original),
            rrn: some(self.rrn),
            stan: some(self.stan),
            approval: some(self.approval),
            token: some(self.token),
            amount,
            currency: bounded(self.currency),
            local: some(self.local),
            mcc: some(self.mcc),
            entry: some(self.entry),
            said,
        }
    }

    fn said(&self, amount: i64) -> Result<Said, Misfit> {
        for (field, text) in self.texts() {
            // What is shown otherwise than it is would be cut, and two names of one beginning be one.
            let plain = matches!(visible(text), Cow::Borrowed(_));
            if text.len() > TEXT_LEN_MAX || !plain {
                let expected = "at most 64 bytes, and no characters that cannot be seen";
                return Err(Misfit { field, expected, got: format!("{} bytes", text.len()) });
            }
        }
        let misfit = |field, expected, got: &str| {
            let got = if looks_like_a_card(got) { String::new() } else { bounded(got.into()) };
            Misfit { field, expected, got }
        };
        if self.reference.is_empty() {
            return Err(misfit("capture_ref", "the merchant's own name for the record", ""));
        }
        let op = Op::of(&self.op);
        let op = op.ok_or_else(|| misfit("op", "capture, refund, reversal or adjust", &self.op))?;
        let currency = Currency::from_ascii(self.currency.as_bytes()).ok();
        let currency = currency
            .ok_or_else(|| misfit("currency", "three digits of ISO 4217", &self.currency))?;
        let exponent = self.exponent.parse::<u8>().ok();
        if !self.exponent.is_empty() && exponent != Some(currency.exponent()) {
            let expected = match currency.exponent() {
                0 => "0 for this currency",
                3 => "3 for this currency",
                4 => "4 for this currency",
                _ => "2 for this currency",
            };
            return Err(misfit("exp", expected, &self.exponent));
        }
        let day = match &*self.local {
            "" => None,
            text => Some(day_of(text).ok_or_else(|| {
                misfit("local_dt", "a date and time like 2026-11-22T13:45:10", text)
            })?),
        };
        let category = self.mcc.len() == 4 && is_digits(&self.mcc);
        if !category && !self.mcc.is_empty() {
            return Err(misfit("mcc", "four digits", &self.mcc));
        }
        let last = match &*self.last {
            "" | "Y" => true,
            "N" => false,
            other => return Err(misfit("final", "Y or N", other)),
        };
        let within = |field, text: &str| match amount_of(text) {
            _ if text.is_empty() => Ok(None),
            Some(value) => Ok(Some(value)),
            None => Err(misfit(field, "up to twelve digits of minor units", text)),
        };
        let tip = within("tip", &self.tip)?.unwrap_or(0);
        if amount < tip {
            return Err(misfit("tip", "no more than the amount", &self.tip));
        }
        let original_amount = within("orig_amount", &self.original_amount)?;
        if amount == 0 {
            return Err(misfit("amount", "more than nothing", "0"));
        }
        Ok(Said { op, currency, day, last, tip, original_amount })
    }
}

impl Claim {
    /// The same record with what its texts mean, when it was read before and kept in columns.
    #[must_use]
    pub fn again(mut self, (last, tip): (bool, i64), original_amount: Option<i64>) -> Self {
        if let (Some(op), Ok(currency)) =
            (Op::of(&self.op), Currency::from_ascii(self.currency.as_bytes()))
        {
            let day = self.local.as_deref().and_then(day_of);
            self.said = Ok(Said { op, currency, day, last, tip, original_amount });
        }
        self
    }
}

/// Minor units: 1 to 12 digits.
pub(super) fn amount_of(text: &str) -> Option<i64> {
    let fits = (1..=12).contains(&text.len()) && is_digits(text);
    fits.then(|| text.parse().ok()).flatten()
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A text as it is kept: bounded, and without commands to a terminal. One that was not so is rejected.
fn bounded(text: Cow<'_, str>) -> String {
    if let Cow::Owned(shown) = visible(&text) {
        return shown.chars().take(TEXT_LEN_MAX / 4).collect();
    }
    if text.len() <= TEXT_LEN_MAX {
        return text.into_owned();
    }
    text.chars().take(TEXT_LEN_MAX / 4).collect()
}

fn trimmed(cell: Cow<'_, str>) -> Cow<'_, str> {
    match cell {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// The day of a date and time with seconds, and whatever zone behind it.
fn day_of(text: &str) -> Option<BusinessDate> {
    let (day, rest) = text.split_at_checked(10)?;
    let (time, zone) = rest.strip_prefix('T')?.split_at_checked(8)?;
    let mut parts = time.split(':');
    let mut within = |below: u8| {
        let part = parts.next().filter(|part| part.len() == 2 && is_digits(part))?;
        part.parse::<u8>().ok().filter(|value| *value < below)
    };
    let (_hour, _minute, _second) = (within(24)?, within(60)?, within(61)?);
    let offset = |rest: &str| {
        rest.len() == 5 && rest.split(':').all(|part| part.len() == 2 && is_digits(part))
    };
    let known = matches!(zone, "" | "Z") || zone.strip_prefix(['+', '-']).is_some_and(offset);
    BusinessDate::from_text(day).ok().filter(|_| known)
}

/// Each cell of a line of CSV (RFC 4180).
pub(super) fn for_each_cell<'a>(
    text: &'a str,
    each: &mut dyn FnMut(Cow<'a, str>) -> Result<(), NoRecord>,
) -> Result<(), NoRecord> {
    let mut rest = text;
    loop {
        let after = match rest.strip_prefix('"') {
            None => {
                let (cell, after) = match rest.split_once(',') {
                    Some((cell, after)) => (cell, Some(after)),
                    None => (rest, None),
                };
                if cell.contains('"') {
                    return Err(no_record(
                        "quotes only around a whole field, those within it doubled",
                    ));
                }
                each(Cow::Borrowed(cell))?;
                after
            }
            Some(quoted) => {
                let (cell, after) = quoted_cell(quoted)?;
                each(cell)?;
                after
            }
        };
        match after {
            Some(after) => rest = after,
            None => return Ok(()),
        }
    }
}

/// What stands behind an opening quote, and what behind the comma after the closing one.
fn quoted_cell(quoted: &str) -> Result<(Cow<'_, str>, Option<&str>), NoRecord> {
    let mut whole: Option<String> = None;
    let mut rest = quoted;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err(no_record("a quote that closes the field"));
        };
        if let Some(more) = after.strip_prefix('"') {
            let whole = whole.get_or_insert_default();
            whole.push_str(part);
            whole.push('"');
            rest = more;
            continue;
        }
        let cell = match whole {
            None => Cow::Borrowed(part),
            Some(mut whole) => {
                whole.push_str(part);
                Cow::Owned(whole)
            }
        };
        return match after.strip_prefix(',') {
            Some(next) => Ok((cell, Some(next))),
            None if after.is_empty() => Ok((cell, None)),
            None => Err(no_record("a comma behind the quote that closes a field")),
        };
    }
}

/// A text, a whole number, true, false or null.
struct Scalar<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalars)
    }
}

struct Scalars;

impl<'de> Visitor<'de> for Scalars {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, true, false or null")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar(Cow::Borrowed(text.trim())))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar(Cow::Owned(text.trim().to_owned())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar(Cow::Owned(number.to_string())))
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar(Cow::Borrowed(if flag { "Y" } else { "N" })))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Scalar(Cow::Borrowed("")))
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Objects)
    }
}

struct Objects;

impl<'de> Visitor<'de> for Objects {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        let mut seen = 0_u32;
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            if name == "control" && fields.control.is_none() {
                fields.control = Some(map.next_value()?);
                continue;
            }
            let at = COLUMNS.iter().position(|column| *column == name);
            let bit = at.and_then(|at| 1_u32.checked_shl(u32::try_from(at).ok()?));
            let fresh = bit.filter(|bit| seen & bit == 0);
            let (Some(bit), Some(slot)) = (fresh, fields.slot(&name)) else {
                return Err(de::Error::custom("a field that is none, or comes twice"));
            };
            seen |= bit;
            *slot = map.next_value::<Scalar<'de>>()?.0;
        }
        Ok(fields)
    }
}
