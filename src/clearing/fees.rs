//! What a line of clearing costs its merchant, and who gets it: rules, exact ratios, one rounding a line; knows no accounts.

use super::ClearingError;
use crate::iso::Currency;
use crate::record::LinkId;

/// The fees of one line, minor units of its currency, each rounded once; what merchants pay is positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// What the merchant pays.
    pub discount: i64,
    /// What the issuer gets of it.
    pub interchange: i64,
    /// What the network gets of it.
    pub scheme: i64,
}

/// Which of the fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Charge {
    /// The merchant's.
    Discount,
    /// The issuer's.
    Interchange,
    /// The network's.
    Scheme,
}

/// What becomes of a fraction of a minor unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest; a half to the even neighbour.
    #[default]
    HalfEven,
    /// To the nearest; a half away from nothing.
    HalfUp,
    /// Towards nothing.
    Down,
}

/// How much, of how much: parts of a million of the amount, and minor units on top, within limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tariff {
    /// Millionths of the amount.
    pub rate_ppm: u32,
    /// Minor units a line.
    pub fixed: i64,
    /// Not less, minor units.
    pub min: Option<i64>,
    /// Not more.
    pub max: Option<i64>,
}

/// A fee, and the lines that it is for. A condition without values holds for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Which fee.
    pub charge: Charge,
    /// Whose: merchants as element 42 names them, without blanks at the end.
    pub merchants: Vec<String>,
    /// Claimed of whom.
    pub issuers: Vec<LinkId>,
    /// Merchant categories, from and to.
    pub mccs: Vec<(u16, u16)>,
    /// In which currency.
    pub currency: Option<Currency>,
    /// How element 22 begins.
    pub entries: Vec<String>,
    /// Whether it is for refunds, or for all else.
    pub refund: bool,
    /// How much.
    pub tariff: Tariff,
}

/// All rules, and what is common to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeeTable {
    /// In the order of the file: of those with the most conditions the first one holds.
    pub rules: Vec<Rule>,
    /// The same for all.
    pub rounding: Rounding,
    /// Which fees of a purchase a refund gives back.
    pub refund_returns: Vec<Charge>,
    /// Which fees of its presentment a chargeback gives back.
    pub chargeback_returns: Vec<Charge>,
}

/// A line that fees are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Fare<'a> {
    /// Claimed of whom.
    pub issuer: LinkId,
    /// For whom.
    pub merchant: &'a str,
    /// Its merchant category, where it is known.
    pub mcc: Option<&'a str>,
    /// Element 22, where it is known.
    pub entry: Option<&'a str>,
    /// Minor units, never less than nothing.
    pub amount: i64,
    /// Whose.
    pub currency: Currency,
    /// Whether the card gets it.
    pub refund: bool,
    /// Whether it takes a claim back: then all signs are turned.
    pub takes_back: bool,
}

/// The fees of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// Rounded.
    pub fees: Fees,
    /// Before rounding, and the rules that gave them.
    pub exact: Exact,
}

/// The fees of a line before rounding, each with the tariffs that it is the sum of. As text it is
/// `discount +retail:20000:10:: half-even =20010000`: rule, rate, fixed, least, most, and millionths of a minor unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exact(Vec<Sum>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sum {
    charge: Charge,
    rounding: Rounding,
    terms: Vec<Term>,
    numerator: i128,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    gives_back: bool,
    rule: String,
    tariff: Tariff,
}

/// What rates are parts of.
const WHOLE: i128 = 1_000_000;

/// No rate is more than all of it.
pub const RATE_PPM_MAX: u32 = 1_000_000;

const OVERFLOW: ClearingError = ClearingError::Overflow { what: "fee" };

impl Charge {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Discount, Self::Interchange, Self::Scheme];

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Discount => "discount",
            Self::Interchange => "interchange",
            Self::Scheme => "scheme",
        }
    }
}

impl Rounding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HalfEven, Self::HalfUp, Self::Down];

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::HalfEven => "half-even",
            Self::HalfUp => "half-up",
            Self::Down => "down",
        }
    }

    /// A ratio as a whole number; the divisor is more than nothing. Turned signs give turned results.
    pub fn divide(self, numerator: i128, divisor: i128) -> i128 {
        let (whole, rest) = (numerator / divisor, numerator % divisor);
        let twice = rest.saturating_abs().saturating_mul(2);
        let away = match self {
            Self::Down => false,
            Self::HalfUp => twice >= divisor,
            Self::HalfEven => twice > divisor || (twice == divisor && whole % 2 != 0),
        };
        if away { whole + numerator.signum() } else { whole }
    }
}

impl Fees {
    /// One of them.
    pub const fn of(&self, charge: Charge) -> i64 {
        match charge {
            Charge::Discount => self.discount,
            Charge::Interchange => self.interchange,
            Charge::Scheme => self.scheme,
        }
    }

    /// Each of them from what a function says; none when one does not fit.
    pub fn each(of: impl Fn(Charge) -> Option<i64>) -> Result<Self, ClearingError> {
        let of = |charge| of(charge).ok_or(OVERFLOW);
        Ok(Self {
            discount: of(Charge::Discount)?,
            interchange: of(Charge::Interchange)?,
            scheme: of(Charge::Scheme)?,
        })
    }

    /// The sums.
    pub fn plus(self, other: Self) -> Result<Self, ClearingError> {
        Self::each(|charge| self.of(charge).checked_add(other.of(charge)))
    }

    /// The same, the other way round.
    pub fn turned(self) -> Result<Self, ClearingError> {
        Self::each(|charge| self.of(charge).checked_neg())
    }

    /// What of fees for `whole` belongs to the next `part`, when the parts before it were `taken`. All parts together get all.
    pub fn part(
        self,
        (taken, part): (i64, i64),
        whole: i64,
        rounding: Rounding,
    ) -> Result<Self, ClearingError> {
        let upto = |fee: i64, amount: i128| {
            let amount = amount.clamp(0, i128::from(whole));
            rounding.divide(i128::from(fee) * amount, i128::from(whole))
        };
        Self::each(|charge| {
            if whole <= 0 {
                return Some(0);
            }
            let (fee, before) = (self.of(charge), i128::from(taken));
            let share = upto(fee, before + i128::from(part)) - upto(fee, before);
            i64::try_from(share).ok()
        })
    }
}

impl Tariff {
    /// Millionths of a minor unit.
    fn numerator(&self, amount: i64) -> i128 {
        let exact = i128::from(self.rate_ppm) * i128::from(amount) + i128::from(self.fixed) * WHOLE;
        let least = self.min.map_or(exact, |min| exact.max(i128::from(min) * WHOLE));
        self.max.map_or(least, |max| least.min(i128::from(max) * WHOLE))
    }
}

impl Rule {
    fn holds(&self, line: &Fare<'_>, refund: bool) -> bool {
        let any = |empty: bool, has: bool| empty || has;
        let mcc = line.mcc.and_then(|mcc| mcc.parse::<u16>().ok());
        let in_range =
            |(from, to): &(u16, u16)| mcc.is_some_and(|mcc| (*from..=*to).contains(&mcc));
        let begins =
            |entry: &String| line.entry.is_some_and(|mode| mode.starts_with(entry.as_str()));
        self.refund == refund
            && any(
                self.merchants.is_empty(),
                self.merchants.iter().any(|name| name == line.merchant.trim_end()),
            )
            && any(self.issuers.is_empty(), self.issuers.contains(&line.issuer))
            && any(self.mccs.is_empty(), self.mccs.iter().any(in_range))
            && self.currency.is_none_or(|currency| currency == line.currency)
            && any(self.entries.is_empty(), self.entries.iter().any(begins))
    }

    /// How many conditions it has.
    fn conditions(&self) -> usize {
        [
            !self.merchants.is_empty(),
            !self.issuers.is_empty(),
            !self.mccs.is_empty(),
            self.currency.is_some(),
            !self.entries.is_empty(),
        ]
        .into_iter()
        .filter(|has| *has)
        .count()
    }
}

impl FeeTable {
    /// Whether any rule asks for element 22.
    pub fn asks_entry(&self) -> bool {
        self.rules.iter().any(|rule| !rule.entries.is_empty())
    }

    /// The fees of a line. A purchase pays what the rules for purchases say. A refund pays what the rules for refunds say, less
    /// what it gives back of the fees of a purchase.
    pub fn price(&self, line: &Fare<'_>) -> Result<Priced, ClearingError> {
        let mut exact = Exact::default();
        for charge in Charge::ALL {
            let mut terms = Vec::new();
            let own = self.rule(charge, line, line.refund).map(|rule| (rule, false));
            let back = line.refund && self.refund_returns.contains(&charge);
            let back = back.then(|| self.rule(charge, line, false)).flatten();
            for (rule, back) in own.into_iter().chain(back.map(|rule| (rule, true))) {
                let (rule, tariff) = (rule.name.clone(), rule.tariff);
                terms.push(Term { gives_back: back != line.takes_back, rule, tariff });
            }
            if !terms.is_empty() {
                exact.0.push(Sum { charge, rounding: self.rounding, terms, numerator: 0 });
            }
        }
        let fees = exact.at(line.amount)?;
        for sum in &mut exact.0 {
            sum.numerator = sum.at(line.amount);
        }
        Ok(Priced { fees, exact })
    }

    /// Of the rules that hold, the one with the most conditions; among equals the first.
    fn rule(&self, charge: Charge, line: &Fare<'_>, refund: bool) -> Option<&Rule> {
        let holds =
            self.rules.iter().filter(|rule| rule.charge == charge && rule.holds(line, refund));
        // Of equals `max_by_key` takes the last.
        holds.rev().max_by_key(|rule| rule.conditions())
    }
}

impl Sum {
    fn at(&self, amount: i64) -> i128 {
        let signed = |term: &Term| {
            let numerator = term.tariff.numerator(amount);
            if term.gives_back { -numerator } else { numerator }
        };
        self.terms.iter().map(signed).sum()
    }
}

impl Exact {
    /// The fees that the same rules give for an amount; nothing costs nothing.
    pub fn at(&self, amount: i64) -> Result<Fees, ClearingError> {
        Fees::each(|charge| {
            let Some(sum) = self.0.iter().find(|sum| sum.charge == charge && amount > 0) else {
                return Some(0);
            };
            i64::try_from(sum.rounding.divide(sum.at(amount), WHOLE)).ok()
        })
    }

    /// Whether no rule held.
    pub const fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// From its text; none when it is not such a text.
    pub fn from_text(text: &str) -> Option<Self> {
        if text == NOTHING {
            return Some(Self::default());
        }
        text.split("; ").map(Sum::from_text).collect::<Option<Vec<_>>>().map(Self)
    }
}

/// What is said when no rule held.
const NOTHING: &str = "no rule";

impl std::fmt::Display for Exact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_nothing() {
            return f.write_str(NOTHING);
        }
        let limit = |limit: Option<i64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
        for (at, sum) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "; " })?;
            f.write_str(sum.charge.word())?;
            for term in &sum.terms {
                let Tariff { rate_ppm, fixed, min, max } = term.tariff;
                let sign = if term.gives_back { '-' } else { '+' };
                write!(f, " {sign}{}:{rate_ppm}:{fixed}", term.rule)?;
                write!(f, ":{}:{}", limit(min), limit(max))?;
            }
            write!(f, " {} ={}", sum.rounding.word(), sum.numerator)?;
        }
        Ok(())
    }
}

impl Sum {
    fn from_text(text: &str) -> Option<Self> {
        let mut words: Vec<&str> = text.split(' ').collect();
        let numerator = words.pop()?.strip_prefix('=')?.parse().ok()?;
        let mode = words.pop()?;
        let rounding = Rounding::ALL.into_iter().find(|rounding| rounding.word() == mode)?;
        let (kind, terms) = words.split_first()?;
        let charge = Charge::ALL.into_iter().find(|charge| charge.word() == *kind)?;
        let terms = terms.iter().map(|term| Term::from_text(term)).collect::<Option<Vec<_>>>()?;
        Some(Self { charge, rounding, terms, numerator })
    }
}

impl Term {
    fn from_text(text: &str) -> Option<Self> {
        let gives_back = match text.chars().next()? {
            '+' => false,
            '-' => true,
            _ => return None,
        };
        let mut parts = text.get(1..)?.split(':');
        let rule = parts.next()?.to_owned();
        let (rate_ppm, fixed) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let limit = |text: &str| match text {
            "" => Some(None),
            digits => digits.parse().ok().map(Some),
        };
        let (min, max) = (limit(parts.next()?)?, limit(parts.next()?)?);
        let tariff = Tariff { rate_ppm, fixed, min, max };
        parts.next().is_none().then_some(Self { gives_back, rule, tariff })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(number: u16) -> Currency {
        Currency::new(number).unwrap()
    }

    fn rule(name: &str, charge: Charge, rate_ppm: u32, fixed: i64) -> Rule {
        Rule {
            name: name.to_owned(),
            charge,
            merchants: Vec::new(),
            issuers: Vec::new(),
            mccs: Vec::new(),
            currency: None,
            entries: Vec::new(),
            refund: false,
            tariff: Tariff { rate_ppm, fixed, min: None, max: None },
        }
    }

    fn line(amount: i64, number: u16) -> Fare<'static> {
        Fare {
            issuer: LinkId(1),
            merchant: "SHOP  ",
            mcc: Some("5411"),
            entry: Some("051"),
            amount,
            currency: currency(number),
            refund: false,
            takes_back: false,
        }
    }

    fn table(rules: Vec<Rule>) -> FeeTable {
        FeeTable { rules, ..FeeTable::default() }
    }

    #[test]
    fn halves_go_where_the_mode_says() {
        for (numerator, even, up, down) in [
            (5, 0, 1, 0),
            (15, 2, 2, 1),
            (25, 2, 3, 2),
            (-15, -2, -2, -1),
            (-25, -2, -3, -2),
            (26, 3, 3, 2),
            (-4, 0, 0, 0),
        ] {
            assert_eq!(Rounding::HalfEven.divide(numerator, 10), even, "{numerator}");
            assert_eq!(Rounding::HalfUp.divide(numerator, 10), up, "{numerator}");
            assert_eq!(Rounding::Down.divide(numerator, 10), down, "{numerator}");
        }
    }

    /// Minor units are what is counted: the number of decimals plays no part.
    #[test]
    fn currencies_of_any_exponent_pay_the_same_share_of_their_minor_units() {
        let table = table(vec![
            rule("mdr", Charge::Discount, 20_000, 0),
            rule("ic", Charge::Interchange, 3_000, 0),
        ]);
        for (number, exponent) in [(392, 0), (978, 2), (414, 3), (927, 4), (990, 4)] {
            assert_eq!(currency(number).exponent(), exponent);
            let priced = table.price(&line(12_345, number)).unwrap();
            // 246.9 and 37.035.
            assert_eq!((priced.fees.discount, priced.fees.interchange), (247, 37));
            assert_eq!(
                priced.exact.to_string(),
                "discount +mdr:20000:0:: half-even =246900000; interchange +ic:3000:0:: half-even =37035000"
            );
        }
    }

    #[test]
    fn the_rule_with_the_most_conditions_holds_and_of_equals_the_first() {
        let all = rule("all", Charge::Discount, 10_000, 0);
        let mut groceries = rule("groceries", Charge::Discount, 5_000, 0);
        groceries.mccs = vec![(5400, 5499)];
        let mut shop = rule("shop", Charge::Discount, 7_000, 0);
        shop.merchants = vec!["SHOP".to_owned()];
        let mut both = rule("both", Charge::Discount, 1_000, 0);
        (both.issuers, both.entries) = (vec![LinkId(1)], vec!["07".to_owned()]);
        let table = table(vec![all, groceries, shop, both]);
        assert!(table.asks_entry());
        let discount = |line: &Fare<'_>| table.price(line).unwrap().fees.discount;
        let usual = line(10_000, 978);
        assert_eq!(discount(&usual), 50);
        assert_eq!(discount(&Fare { entry: Some("071"), ..usual }), 10);
        assert_eq!(discount(&Fare { mcc: Some("5500"), ..usual }), 70);
        assert_eq!(discount(&Fare { mcc: None, merchant: "OTHER", ..usual }), 100);
        // What is unknown fits no condition.
        assert_eq!(discount(&Fare { entry: None, ..usual }), 50);
    }

    #[test]
    fn limits_refunds_and_what_is_taken_back() {
        let mut discount = rule("mdr", Charge::Discount, 20_000, 10);
        (discount.tariff.min, discount.tariff.max) = (Some(25), Some(500));
        let mut on_refunds = rule("refund", Charge::Discount, 0, 30);
        on_refunds.refund = true;
        let mut table =
            table(vec![discount, on_refunds, rule("ic", Charge::Interchange, 3_000, 0)]);
        let fees = |table: &FeeTable, line: &Fare<'_>| table.price(line).unwrap().fees;
        assert_eq!(fees(&table, &line(100, 978)).discount, 25);
        assert_eq!(fees(&table, &line(10_000, 978)).discount, 210);
        assert_eq!(fees(&table, &line(1_000_000, 978)).discount, 500);
        let refund = Fare { refund: true, ..line(10_000, 978) };
        assert_eq!(fees(&table, &refund), Fees { discount: 30, interchange: 0, scheme: 0 });
        table.refund_returns = vec![Charge::Interchange, Charge::Discount];
        let priced = table.price(&refund).unwrap();
        assert_eq!(priced.fees, Fees { discount: -180, interchange: -30, scheme: 0 });
        assert_eq!(Exact::from_text(&priced.exact.to_string()), Some(priced.exact.clone()));
        let back = Fare { takes_back: true, ..refund };
        assert_eq!(fees(&table, &back), priced.fees.turned().unwrap());
        for torn in [
            "",
            "discount",
            "discount +a:1:2:: half-even",
            "fee +a:1:2:: down =1",
            "discount a:1:2:: down =1",
        ] {
            assert_eq!(Exact::from_text(torn), None, "{torn}");
        }
        assert_eq!(Exact::from_text("no rule"), Some(Exact::default()));
    }

    fn charges() -> impl Strategy<Value = Charge> {
        proptest::sample::select(&Charge::ALL[..])
    }

    fn tables() -> impl Strategy<Value = FeeTable> {
        let limit = || proptest::option::of(0..1_000_000_000_000_i64);
        let rules = (
            charges(),
            0..=RATE_PPM_MAX,
            0..1_000_000_000_000_i64,
            limit(),
            limit(),
            any::<bool>(),
        );
        let modes = proptest::sample::select(&Rounding::ALL[..]);
        (proptest::collection::vec(rules, 0..5), modes, proptest::collection::vec(charges(), 0..3))
            .prop_map(|(rules, rounding, refund_returns)| {
                let rules = rules.into_iter().enumerate().map(
                    |(at, (charge, ppm, fixed, min, max, refund))| {
                        let mut rule = rule(&format!("r{at}"), charge, ppm, fixed);
                        (rule.tariff.min, rule.tariff.max, rule.refund) = (min, max, refund);
                        rule
                    },
                );
                let chargeback_returns = refund_returns.clone();
                FeeTable { rules: rules.collect(), rounding, refund_returns, chargeback_returns }
            })
    }

    proptest! {
        /// Rounded once: never further than one minor unit from the exact ratio, a half at most where it goes to the nearest.
        #[test]
        fn a_fee_is_its_exact_ratio_rounded_once(table in tables(), amount in 0..=999_999_999_999_i64, refund: bool, takes_back: bool) {
            let line = Fare { refund, takes_back, ..line(amount, 392) };
            let priced = table.price(&line).unwrap();
            for sum in &priced.exact.0 {
                let off = (i128::from(priced.fees.of(sum.charge)) * WHOLE - sum.numerator).abs();
                prop_assert!(amount == 0 || off < WHOLE);
                prop_assert!(amount == 0 || table.rounding == Rounding::Down || off * 2 <= WHOLE);
            }
            prop_assert_eq!(Exact::from_text(&priced.exact.to_string()), Some(priced.exact.clone()));
            let turned = table.price(&Fare { takes_back: !takes_back, ..line }).unwrap();
            prop_assert_eq!(turned.fees, priced.fees.turned().unwrap());
        }

        /// Whatever the numbers are, there is a fee or a fault.
        #[test]
        fn nothing_overflows(table in tables(), amount in 0..=i64::MAX, refund: bool) {
            drop(table.price(&Fare { refund, ..line(amount, 990) }));
        }

        #[test]
        fn parts_get_all_of_it(fee in -1_000_000_000_000..1_000_000_000_000_i64, parts in proptest::collection::vec(0..1_000_000_000_i64, 1..9)) {
            let whole: i64 = parts.iter().sum();
            prop_assume!(whole > 0);
            let fees = Fees { discount: fee, interchange: -fee, scheme: fee / 3 };
            let (mut taken, mut sum) = (0, Fees::default());
            for part in parts {
                sum = sum.plus(fees.part((taken, part), whole, Rounding::HalfEven).unwrap()).unwrap();
                taken += part;
            }
            prop_assert_eq!(sum, fees);
        }
    }
}
