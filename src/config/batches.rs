//! `batches` of a link: how its terminals write the end of a batch.

use std::sync::Arc;

use super::read::{Limit, Section};
use crate::clearing::{BatchProfile, Mismatch, TotalField, TotalKind};
use crate::dialect::Dialect;
use crate::iso::{Currency, ElementNo};

/// None where the link has none.
pub(super) fn read(
    link: &Section<'_>,
    asks: bool,
    dialect: Option<&Dialect>,
) -> Option<Arc<BatchProfile>> {
    let span = link.has("batches")?;
    if !asks {
        let fault = link.faults().at(span, "`batches` is for links that ask");
        link.faults().tell(fault.label("this link only answers: no terminal closes a batch there"));
    }
    let section = link.section("batches");
    let currency = section.word("currency", |text| {
        Currency::from_ascii(text.as_bytes())
            .or(Err("three digits, the number of a currency: 978 is the euro"))
    });
    if section.has("currency").is_none() {
        section.missing("currency", "currency = \"978\"");
    }
    let usual = BatchProfile::usual(currency?.value);
    let profile = BatchProfile {
        settle: code(&section, "settle", usual.settle),
        trailer: code(&section, "trailer", usual.trailer),
        number: element(&section, "number", usual.number, dialect),
        totals: element(&section, "totals", usual.totals, dialect),
        fields: fields(&section).unwrap_or(usual.fields),
        original: element(&section, "original", usual.original, dialect),
        currency: usual.currency,
        mismatch: section.choice("mismatch", MISMATCHES).unwrap_or(usual.mismatch),
        says: section.flag("says", usual.says),
    };
    if profile.number == profile.totals {
        let fault =
            section.faults().at(section.span(), "`number` and `totals` are the same element");
        section.faults().tell(fault.label("no message could say both"));
    }
    if profile.settle == profile.trailer {
        let fault = section.faults().at(section.span(), "`settle` and `trailer` are the same code");
        section
            .faults()
            .tell(fault.label("nobody could tell the end of an upload from its beginning"));
    }
    section.end();
    Some(Arc::new(profile))
}

fn code(section: &Section<'_>, key: &'static str, standard: [u8; 6]) -> [u8; 6] {
    let read = |text: &str| {
        let digits = text.as_bytes().try_into().ok();
        let digits: Option<[u8; 6]> =
            digits.filter(|digits: &[u8; 6]| digits.iter().all(u8::is_ascii_digit));
        digits.ok_or("six digits in quotes: a processing code, element 3")
    };
    section.word(key, read).map_or(standard, |code| code.value)
}

/// An element that the link's dialect has.
fn element(
    section: &Section<'_>,
    key: &'static str,
    standard: ElementNo,
    dialect: Option<&Dialect>,
) -> ElementNo {
    let limit = Limit::new(u64::from(standard.get()), 2, 128);
    let no = u8::try_from(section.number(key, limit)).ok().map_or(standard, ElementNo::of);
    if dialect.is_some_and(|dialect| dialect.layout(no).is_none()) {
        let span = section.has(key).unwrap_or_else(|| section.span());
        let title = format!("the dialect of this link has no element {}", no.get());
        let fault = section.faults().at(span, title);
        section.faults().tell(fault.label(format!("`{key}` is element {} here", no.get())));
    }
    no
}

/// What stands in the element of the totals, in order; none where nobody says.
fn fields(section: &Section<'_>) -> Option<Vec<TotalField>> {
    section.has("fields")?;
    let mut fields = Vec::new();
    for text in section.texts("fields") {
        if let Some(field) = field(text.value) {
            fields.push(field);
        } else {
            let fault =
                section.faults().at(text.span, format!("`fields` cannot be {:?}", text.value));
            section.faults().tell(fault.label(FIELD));
        }
    }
    if let Some(span) = section.has_empty("fields") {
        let fault = section.faults().at(span, "`fields` has no value");
        section.faults().tell(fault.label(FIELD));
    }
    Some(fields)
}

/// One of them: `sales count 3 amount 12`, or the amount first.
fn field(text: &str) -> Option<TotalField> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [kind, first, first_len, second, second_len] = words.as_slice() else { return None };
    let kind = match *kind {
        "sales" => TotalKind::Sales,
        "refunds" => TotalKind::Refunds,
        "other" => TotalKind::Other,
        _ => return None,
    };
    let (one, two) = (first_len.parse::<usize>().ok()?, second_len.parse::<usize>().ok()?);
    let (count_len, amount_len, amount_first) = match (*first, *second) {
        ("count", "amount") => (one, two, false),
        ("amount", "count") => (two, one, true),
        _ => return None,
    };
    let fits = (1..=10).contains(&count_len) && (1..=16).contains(&amount_len);
    fits.then_some(TotalField { kind, count_len, amount_len, amount_first })
}

const FIELD: &str = "like \"sales count 3 amount 12\": `sales`, `refunds` or `other`, and the digits of `count` (1 to 10) and `amount` (1 to 16) in their order";
const MISMATCHES: &[(&str, Mismatch)] =
    &[("refuse", Mismatch::Refuse), ("terminal", Mismatch::Terminal)];
