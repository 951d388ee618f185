//! `[clearing.settlement]` and `[[clearing.fees]]`: what lines cost, and how merchants are paid.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::read::{Limit, Section, Spot};
use crate::clearing::{
    self, Account, Bic, Calendar, Charge, FeeTable, Holder, RATE_PPM_MAX, Rounding, Rule, Tariff,
    Weekday,
};
use crate::iso::BusinessDate;
use crate::ledger::{Debtor, Settling};
use crate::record::LinkId;

/// Money in minor units: element 4 has twelve digits.
const MINOR: Limit = Limit::new(0, 0, 999_999_999_999);
const RATE: Limit = Limit::new(0, 0, RATE_PPM_MAX as u64);
const VALUE_DAYS: Limit = Limit::new(1, 0, 30);
const AUTHORIZATION_DAYS: Limit = Limit::new(7, 1, 60);

/// Both, from `[clearing]`; the names are those of links.
pub(super) fn read(
    clearing: &Section<'_>,
    (home, state): (&Path, &Path),
    links: &[&str],
) -> (Settling, FeeTable) {
    let section = clearing.section("settlement");
    let directory = section.text("directory").filter(|text| !text.value.is_empty());
    let mut settling = Settling {
        directory: directory.map_or_else(|| state.join("payouts"), |text| home.join(text.value)),
        calendar: Calendar {
            value_days: section.number_u32("value_days", VALUE_DAYS),
            weekend: weekend(&section),
            holidays: BTreeMap::new(),
        },
        debtor: holder(&section).map(|all| Debtor { all, own: BTreeMap::new() }),
        merchants: merchants(&section),
        minimum: BTreeMap::new(),
        authorization_days: section.number_u32("authorization_days", AUTHORIZATION_DAYS),
    };
    currencies(&section, &mut settling);
    let table = FeeTable {
        rules: fees(clearing, links),
        rounding: section.choice("rounding", ROUNDINGS).unwrap_or_default(),
        refund_returns: charges(&section, "refund_returns", &[Charge::Interchange]),
        chargeback_returns: charges(&section, "chargeback_returns", &[]),
    };
    section.end();
    (settling, table)
}

const ROUNDINGS: &[(&str, Rounding)] =
    &[("half-even", Rounding::HalfEven), ("half-up", Rounding::HalfUp), ("down", Rounding::Down)];

const CHARGES: &[(&str, Charge)] = &[
    ("discount", Charge::Discount),
    ("interchange", Charge::Interchange),
    ("scheme", Charge::Scheme),
];

/// Whoever has an account: `name`, either `iban` or `account`, and `bic` if somebody knows it.
fn holder(section: &Section<'_>) -> Option<Holder> {
    let name = section.word("name", Holder::name);
    let iban = section.word("iban", Account::iban);
    let other = section.word("account", Account::other);
    let bic = section.word("bic", Bic::new).map(|bic| bic.value);
    if let (Some(_), Some(second)) = (&iban, &other) {
        let fault = section.faults().at(second.span.clone(), "`account` stands beside `iban`");
        section.faults().tell(fault.label("an account has one number: take one of them out"));
    }
    let account = iban.or(other);
    match (name, account) {
        (Some(name), Some(account)) => {
            Some(Holder { name: name.value, account: account.value, bic })
        }
        (Some(_), None) if section.has("iban").or_else(|| section.has("account")).is_none() => {
            section.missing("iban", "iban = \"DE89370400440532013000\"");
            None
        }
        (None, Some(_)) if section.has("name").is_none() => {
            section.missing("name", "name = \"Example Ltd\"");
            None
        }
        _ => None,
    }
}

fn merchants(section: &Section<'_>) -> BTreeMap<String, Holder> {
    let mut merchants = BTreeMap::new();
    for merchant in section.array_sections("merchants") {
        let id = merchant.word("id", merchant_id);
        if merchant.has("id").is_none() {
            merchant.missing("id", "id = \"SHOP-7\"");
        }
        for (key, example) in [("name", "name = \"Example Ltd\"")] {
            if merchant.has(key).is_none() {
                merchant.missing(key, example);
            }
        }
        let holder = holder(&merchant);
        merchant.end();
        let Some(id) = id else { continue };
        if merchants.contains_key(&id.value) {
            let title = format!("a second account of merchant {:?}", id.value);
            let fault = section.faults().at(id.span.clone(), title);
            section.faults().tell(fault.label("one account for each merchant"));
        }
        merchants.extend(holder.map(|holder| (id.value, holder)));
    }
    merchants
}

fn merchant_id(text: &str) -> Result<String, &'static str> {
    let id = text.trim_end();
    let fits = (1..=15).contains(&id.chars().count()) && !id.chars().any(char::is_control);
    fits.then(|| id.to_owned())
        .ok_or("1 to 15 characters: element 42 without the blanks at its end")
}

fn weekend(section: &Section<'_>) -> BTreeSet<Weekday> {
    let texts = section.texts("weekend");
    let Some(span) = section.has("weekend") else { return Calendar::default().weekend };
    let mut days = BTreeSet::new();
    for text in texts {
        if let Some((_, day)) = Weekday::ALL.iter().find(|(word, _)| *word == text.value) {
            days.insert(*day);
        } else {
            let title = format!("`weekend` cannot be {:?}", text.value);
            let fault = section.faults().at(text.span, title);
            section.faults().tell(fault.label("days of the week, like \"saturday\""));
        }
    }
    if days.len() == Weekday::ALL.len() {
        let fault = section.faults().at(span, "`weekend` leaves no day on which anybody is paid");
        section.faults().tell(fault.label("at most six days"));
        return Calendar::default().weekend;
    }
    days
}

/// What differs by currency: holidays, the least that is paid, and whose account pays.
fn currencies(section: &Section<'_>, settling: &mut Settling) {
    for own in section.array_sections("currencies") {
        let currency = own.word("currency", clearing::currency);
        if own.has("currency").is_none() {
            own.missing("currency", "currency = \"978\"");
        }
        let mut holidays = BTreeSet::new();
        for text in own.texts("holidays") {
            match BusinessDate::from_text(text.value) {
                Ok(date) => drop(holidays.insert(date)),
                Err(fault) => {
                    let title = format!("`holidays` cannot be {:?}", text.value);
                    let told = own.faults().at(text.span, title);
                    own.faults().tell(told.label(fault.expected));
                }
            }
        }
        let minimum = own.number("minimum", MINOR);
        let debtor = holder(&own);
        let span = own.span();
        own.end();
        let Some(Spot { value: currency, .. }) = currency else { continue };
        settling.calendar.holidays.entry(currency).or_default().extend(holidays);
        if settling.minimum.insert(currency, minor(minimum)).is_some() {
            let title = format!("a second table for currency {currency}");
            let fault = section.faults().at(span.clone(), title);
            section.faults().tell(fault.label("one for each currency"));
        }
        match (&mut settling.debtor, debtor) {
            (Some(all), Some(debtor)) => drop(all.own.insert(currency, debtor)),
            (None, Some(_)) => {
                let title = "an account for one currency, and none for the others";
                let fault = section.faults().at(span, title);
                let help = "say `name` and `iban` in [clearing.settlement] too";
                section.faults().tell(fault.label("who pays in this currency").help(help));
            }
            (_, None) => {}
        }
    }
}

fn minor(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn charges(section: &Section<'_>, key: &'static str, standard: &[Charge]) -> Vec<Charge> {
    let texts = section.texts(key);
    if section.has(key).is_none() {
        return standard.to_vec();
    }
    let charge = |text: Spot<&str>| {
        let found = CHARGES.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let fault =
                section.faults().at(text.span, format!("`{key}` cannot be {:?}", text.value));
            let label = "some of \"discount\", \"interchange\", \"scheme\"";
            section.faults().tell(fault.label(label));
        }
        found.map(|(_, charge)| *charge)
    };
    texts.into_iter().filter_map(charge).collect()
}

fn fees(clearing: &Section<'_>, links: &[&str]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for section in clearing.array_sections("fees") {
        let name = section.word("name", rule_name);
        let charge = section.choice("kind", CHARGES);
        for (key, example) in [("name", "name = \"retail\""), ("kind", "kind = \"discount\"")] {
            if section.has(key).is_none() {
                section.missing(key, example);
            }
        }
        let limit = |key| section.has(key).map(|_| minor(section.number(key, MINOR)));
        let tariff = Tariff {
            rate_ppm: section.number_u32("rate_ppm", RATE),
            fixed: minor(section.number("fixed", MINOR)),
            min: limit("min"),
            max: limit("max"),
        };
        if let (Some(min), Some(max), Some(span)) = (tariff.min, tariff.max, section.has("max"))
            && max < min
        {
            let fault = section.faults().at(span, "`max` is less than `min`");
            section.faults().tell(fault.label("no fee could be both"));
        }
        let words =
            |key, fits: fn(&str) -> Result<String, &'static str>| words(&section, key, fits);
        let (merchants, entries) = (words("merchant", merchant_id), words("entry", entry));
        let issuers = words("issuer", |text| Ok(text.to_owned()));
        for unknown in issuers.iter().filter(|issuer| !links.contains(&issuer.as_str())) {
            let span = section.has("issuer").unwrap_or_else(|| section.span());
            let fault = section.faults().at(span, format!("there is no link {unknown:?}"));
            section.faults().tell(fault.label("names of links, as in [links.NAME]"));
        }
        let rule = Rule {
            name: name.as_ref().map_or_else(String::new, |name| name.value.clone()),
            charge: charge.unwrap_or(Charge::Discount),
            merchants,
            issuers: issuers.iter().map(|issuer| LinkId::of_name(issuer)).collect(),
            mccs: ranges(&section),
            currency: section.word("currency", clearing::currency).map(|spot| spot.value),
            entries,
            refund: section.flag("refund", false),
            tariff,
        };
        section.end();
        if let Some(name) = name {
            if rules.iter().any(|other| other.name == rule.name) {
                let title = format!("a second fee called {:?}", rule.name);
                let fault = clearing.faults().at(name.span, title);
                clearing.faults().tell(fault.label("each has a name of its own"));
            }
            rules.push(rule);
        }
    }
    rules
}

/// What the ledger keeps with each line has no blanks and colons in it.
fn rule_name(text: &str) -> Result<String, &'static str> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=32).contains(&text.len()) && text.bytes().all(safe);
    fits.then(|| text.to_owned()).ok_or("1 to 32 letters, digits, `-`, `_` and `.`")
}

fn entry(text: &str) -> Result<String, &'static str> {
    let fits =
        (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| text.to_owned()).ok_or("how element 22 begins, like \"05\"")
}

fn words(
    section: &Section<'_>,
    key: &'static str,
    fits: fn(&str) -> Result<String, &'static str>,
) -> Vec<String> {
    let mut words = Vec::new();
    for text in section.texts(key) {
        match fits(text.value) {
            Ok(word) => words.push(word),
            Err(expected) => {
                let title = format!("`{key}` cannot be {:?}", text.value);
                section.faults().tell(section.faults().at(text.span, title).label(expected));
            }
        }
    }
    words
}

/// Merchant categories: four digits, or from four to four.
fn ranges(section: &Section<'_>) -> Vec<(u16, u16)> {
    let code = |text: &str| {
        let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits)
    };
    let mut ranges = Vec::new();
    for text in section.texts("mcc") {
        let (from, to) = text.value.split_once('-').unwrap_or((text.value, text.value));
        match (code(from), code(to)) {
            (Some(from), Some(to)) if from <= to => ranges.push((from, to)),
            _ => {
                let title = format!("`mcc` cannot be {:?}", text.value);
                let fault = section.faults().at(text.span, title);
                section
                    .faults()
                    .tell(fault.label("four digits, or a range: \"5411\", \"5500-5599\""));
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::report::{Faults, Report};
    use crate::config::table;

    /// What a text says, and what is wrong with it.
    fn said(text: &str) -> ((Settling, FeeTable), String) {
        let faults = Faults::new("c.toml".to_owned(), text.to_owned());
        let table = table(&faults);
        let root = Section::root(&faults, table.get_ref());
        let section = root.section("clearing");
        let read = read(&section, (Path::new("/home"), Path::new("/state")), &["bank"]);
        section.end();
        root.end();
        drop(table);
        let list = faults.into_list();
        (read, if list.is_empty() { String::new() } else { Report::new(list).to_string() })
    }

    #[test]
    fn nothing_said_is_nobody_paid_and_no_fees() {
        let ((settling, table), faults) = said("");
        assert_eq!(faults, "");
        assert_eq!(settling.directory, Path::new("/state/payouts"));
        assert_eq!((settling.debtor, settling.merchants.len()), (None, 0));
        assert_eq!((settling.calendar, settling.authorization_days), (Calendar::default(), 7));
        assert_eq!((table.rules, table.refund_returns), (Vec::new(), vec![Charge::Interchange]));
        assert_eq!((table.rounding, table.chargeback_returns), (Rounding::HalfEven, Vec::new()));
    }

    #[test]
    fn all_of_it() {
        let text = r#"
[[clearing.fees]]
name = "a"
kind = "interchange"
rate_ppm = 3_000
min = 1
merchant = "SHOP-7  "
issuer = ["bank"]
mcc = ["5411", "5500-5599"]
currency = "EUR"
entry = ["05", "07"]
[[clearing.fees]]
name = "b"
kind = "discount"
fixed = 25
refund = true
[clearing.settlement]
directory = "pay"
rounding = "down"
refund_returns = []
chargeback_returns = ["discount", "scheme"]
value_days = 2
weekend = ["friday"]
name = "Acquirer"
account = "12-34"
[[clearing.settlement.currencies]]
currency = "978"
holidays = ["2026-12-25"]
minimum = 100
name = "Acquirer Euro"
iban = "DE89 3704 0044 0532 0130 00"
bic = "COBADEFF"
[[clearing.settlement.merchants]]
id = "SHOP-7"
name = "Shop"
iban = "GB82WEST12345698765432"
"#;
        let ((settling, table), faults) = said(text);
        assert_eq!(faults, "");
        let [a, b] = &table.rules[..] else { panic!("{table:?}") };
        let euro = clearing::currency("EUR").unwrap();
        assert_eq!(
            (&a.merchants[..], &a.issuers[..]),
            (&["SHOP-7".to_owned()][..], &[LinkId::of_name("bank")][..])
        );
        assert_eq!((&a.mccs[..], a.currency), (&[(5411, 5411), (5500, 5599)][..], Some(euro)));
        assert_eq!(a.tariff, Tariff { rate_ppm: 3_000, fixed: 0, min: Some(1), max: None });
        assert_eq!((b.refund, b.tariff.fixed, b.charge), (true, 25, Charge::Discount));
        assert_eq!((table.rounding, table.refund_returns.len()), (Rounding::Down, 0));
        assert_eq!(table.chargeback_returns, [Charge::Discount, Charge::Scheme]);
        assert_eq!(settling.directory, Path::new("/home/pay"));
        assert_eq!(settling.calendar.weekend, [Weekday::Friday].into());
        assert_eq!(settling.calendar.holidays[&euro].len(), 1);
        assert_eq!(settling.minimum[&euro], 100);
        let debtor = settling.debtor.unwrap();
        assert_eq!(debtor.all.account, Account::Other("12-34".to_owned()));
        assert_eq!(debtor.own[&euro].account.number(), "DE89370400440532013000");
        assert_eq!(settling.merchants["SHOP-7"].name, "Shop");
    }

    #[test]
    fn each_fault_is_told_where_it_stands() {
        let fee = "[[clearing.fees]]\nname = \"a\"\nkind = \"discount\"\n";
        let shop = "[[clearing.settlement.merchants]]\nid = \"A\"\nname = \"A\"\n";
        for (text, fault) in [
            ("[clearing.settlement]\nvalue_day = 1", "did you mean `value_days`?"),
            ("[clearing.settlement]\nname = \"A\"", "add a line like: iban"),
            ("[clearing.settlement]\niban = \"GB82WEST12345698765432\"", "add a line like: name"),
            (
                "[clearing.settlement]\nname = \"A\"\niban = \"GB82WEST12345698765433\"",
                "check digits that fit",
            ),
            ("[clearing.settlement]\nweekend = [\"caturday\"]", "days of the week"),
            (
                "[clearing.settlement]\nweekend = [\"monday\", \"tuesday\", \"wednesday\", \"thursday\", \"friday\", \"saturday\", \"sunday\"]",
                "at most six days",
            ),
            ("[clearing.settlement]\nrefund_returns = [\"tax\"]", "some of \"discount\""),
            ("[clearing.settlement]\nrounding = \"up\"", "one of \"half-even\""),
            (
                "[[clearing.settlement.currencies]]\ncurrency = \"978\"\nholidays = [\"2026-02-30\"]",
                "a date like 2026-11-23",
            ),
            ("[[clearing.settlement.currencies]]\ncurrency = \"EURO\"", "three digits or letters"),
            (
                "[[clearing.settlement.currencies]]\ncurrency = \"EUR\"\n[[clearing.settlement.currencies]]\ncurrency = \"978\"",
                "one for each currency",
            ),
            (
                "[[clearing.settlement.currencies]]\ncurrency = \"EUR\"\nname = \"A\"\naccount = \"1\"",
                "say `name` and `iban` in [clearing.settlement] too",
            ),
            (shop, "add a line like: iban"),
            (
                format!("{shop}iban = \"GB82WEST12345698765432\"\naccount = \"1\"").as_str(),
                "take one of them out",
            ),
            (
                format!("{shop}account = \"1\"\n{shop}account = \"2\"").as_str(),
                "one account for each merchant",
            ),
            (format!("{shop}account = \"1\"\nbic = \"bank\"").as_str(), "a BIC of 8 or 11"),
            ("[[clearing.fees]]\nname = \"a\"", "add a line like: kind"),
            (format!("{fee}{fee}").as_str(), "each has a name of its own"),
            (format!("{fee}rate_ppm = 1_000_001").as_str(), "from 0 to 1000000"),
            (format!("{fee}min = 2\nmax = 1").as_str(), "no fee could be both"),
            (format!("{fee}issuer = \"banc\"").as_str(), "there is no link \"banc\""),
            (format!("{fee}mcc = \"541\"").as_str(), "four digits, or a range"),
            (format!("{fee}entry = \"\"").as_str(), "how element 22 begins"),
            (format!("{fee}merchant = \"{}\"", "x".repeat(16)).as_str(), "1 to 15 characters"),
            (fee.replace("\"a\"", "\"a b\"").as_str(), "1 to 32 letters"),
        ] {
            let (_, faults) = said(text);
            assert!(faults.contains(fault), "{text}\n{faults}");
            assert!(faults.contains("c.toml:"), "{faults}");
        }
    }
}
