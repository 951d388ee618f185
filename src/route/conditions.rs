//! What a rule asks of a message besides its card, and what it is asked of: facts as plain digits.

use std::fmt;

use crate::iso::{Class, Currency, ElementNo, ElementSet};

/// What rules look at of a message, as plain values; what is absent, or was not read, is empty. Not to be shown: it has a card.
#[derive(Clone, Copy)]
pub struct Facts<'m> {
    /// The class of its MTI.
    pub class: Class,
    /// The digits of its card.
    pub pan: Option<&'m [u8]>,
    /// Element 3.
    pub processing_code: &'m [u8],
    /// Element 4.
    pub amount: &'m [u8],
    /// Element 18.
    pub merchant_type: &'m [u8],
    /// Element 22.
    pub entry_mode: &'m [u8],
    /// Element 32.
    pub acquirer: &'m [u8],
    /// Element 42.
    pub merchant: &'m [u8],
    /// Element 49.
    pub currency: &'m [u8],
}

/// What a rule asks for besides cards. All of it must hold; what is empty holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The class of the message.
    pub class: Option<Class>,
    /// How element 3 begins: 0 to 6 digits.
    pub processing_code: Vec<u8>,
    /// Element 4, from the one to the other, both within, in minor units; asked together with a currency.
    pub amount: Option<(u64, u64)>,
    /// Element 18: from the one to the other, both within.
    pub merchant_types: Vec<(u16, u16)>,
    /// The first two digits of element 22.
    pub entry_modes: Vec<[u8; 2]>,
    /// Element 32, ascending.
    pub acquirers: Vec<Vec<u8>>,
    /// Element 42 without the blanks at its end, ascending.
    pub merchants: Vec<Vec<u8>>,
    /// Element 49.
    pub currencies: Vec<Currency>,
}

/// One thing that a rule may ask for, named as in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `class`.
    Class,
    /// `processing_code`.
    ProcessingCode,
    /// `amount_from` and `amount_to`.
    Amount,
    /// `mcc`.
    MerchantType,
    /// `entry_mode`.
    EntryMode,
    /// `acquirer`.
    Acquirer,
    /// `merchant`.
    Merchant,
    /// `currency`.
    Currency,
}

impl<'m> Facts<'m> {
    /// The elements that rules may look at, cards apart.
    pub const ELEMENTS: [ElementNo; 7] = [
        ElementNo::PROCESSING_CODE,
        ElementNo::AMOUNT,
        ElementNo::MERCHANT_TYPE,
        ElementNo::ENTRY_MODE,
        ElementNo::ACQUIRER,
        ElementNo::MERCHANT,
        ElementNo::CURRENCY,
    ];

    /// Of the class, the card, and the values of [`Self::ELEMENTS`] in their order.
    pub const fn new(class: Class, pan: Option<&'m [u8]>, values: [&'m [u8]; 7]) -> Self {
        let [processing_code, amount, merchant_type, entry_mode, acquirer, merchant, currency] =
            values;
        Self {
            class,
            pan,
            processing_code,
            amount,
            merchant_type,
            entry_mode,
            acquirer,
            merchant,
            currency,
        }
    }
}

impl Conditions {
    /// The elements that must be read to know whether they hold.
    pub fn needs(&self) -> ElementSet {
        let asked = [
            (!self.processing_code.is_empty(), ElementNo::PROCESSING_CODE),
            (self.amount.is_some(), ElementNo::AMOUNT),
            (!self.merchant_types.is_empty(), ElementNo::MERCHANT_TYPE),
            (!self.entry_modes.is_empty(), ElementNo::ENTRY_MODE),
            (!self.acquirers.is_empty(), ElementNo::ACQUIRER),
            (!self.merchants.is_empty(), ElementNo::MERCHANT),
            (!self.currencies.is_empty(), ElementNo::CURRENCY),
        ];
        asked
            .into_iter()
            .filter(|(asked, _)| *asked)
            .fold(ElementSet::EMPTY, |needs, (_, no)| needs.with(no))
    }

    /// The first condition that does not hold; none when all of them do.
    pub fn fails(&self, facts: &Facts<'_>) -> Option<Condition> {
        if self.class.is_some_and(|wanted| wanted != facts.class) {
            return Some(Condition::Class);
        }
        if !facts.processing_code.starts_with(&self.processing_code) {
            return Some(Condition::ProcessingCode);
        }
        let listed = |list: &[Vec<u8>], value: &[u8]| {
            list.is_empty() || list.binary_search_by(|one| one.as_slice().cmp(value)).is_ok()
        };
        if !listed(&self.acquirers, facts.acquirer) {
            return Some(Condition::Acquirer);
        }
        if !listed(&self.merchants, facts.merchant.trim_ascii_end()) {
            return Some(Condition::Merchant);
        }
        if !self.merchant_types.is_empty() {
            let code = number(facts.merchant_type);
            let within = |(from, to): &(u16, u16)| {
                code.is_some_and(|code| (u64::from(*from)..=u64::from(*to)).contains(&code))
            };
            if !self.merchant_types.iter().any(within) {
                return Some(Condition::MerchantType);
            }
        }
        if !self.entry_modes.is_empty() {
            let mode = facts.entry_mode.first_chunk();
            if !mode.is_some_and(|mode| self.entry_modes.contains(mode)) {
                return Some(Condition::EntryMode);
            }
        }
        if !self.currencies.is_empty() {
            let currency = Currency::from_ascii(facts.currency);
            if !currency.is_ok_and(|currency| self.currencies.contains(&currency)) {
                return Some(Condition::Currency);
            }
        }
        if let Some((from, to)) = self.amount
            && !number(facts.amount).is_some_and(|amount| (from..=to).contains(&amount))
        {
            return Some(Condition::Amount);
        }
        None
    }

    /// Whether whatever the others let through is let through by these as well.
    pub fn cover(&self, others: &Self) -> bool {
        (self.class.is_none() || self.class == others.class)
            && others.processing_code.starts_with(&self.processing_code)
            && holds_all(&self.acquirers, &others.acquirers)
            && holds_all(&self.merchants, &others.merchants)
            && holds_all(&self.entry_modes, &others.entry_modes)
            && holds_all(&self.currencies, &others.currencies)
            && self.cover_merchant_types(&others.merchant_types)
            && self.amount.is_none_or(|(from, to)| {
                others.amount.is_some_and(|(low, high)| from <= low && high <= to)
            })
    }

    fn cover_merchant_types(&self, others: &[(u16, u16)]) -> bool {
        let within = |(low, high): &(u16, u16)| {
            self.merchant_types.iter().any(|(from, to)| from <= low && high <= to)
        };
        self.merchant_types.is_empty() || !others.is_empty() && others.iter().all(within)
    }
}

/// Whether a list that asks for any of its values is met by all that another asks for.
fn holds_all<T: PartialEq>(list: &[T], others: &[T]) -> bool {
    list.is_empty() || !others.is_empty() && others.iter().all(|other| list.contains(other))
}

/// Up to 18 digits as a number.
fn number(digits: &[u8]) -> Option<u64> {
    let good = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    good.then(|| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

impl Condition {
    /// How the configuration calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::ProcessingCode => "processing_code",
            Self::Amount => "amount_from to amount_to",
            Self::MerchantType => "mcc",
            Self::EntryMode => "entry_mode",
            Self::Acquirer => "acquirer",
            Self::Merchant => "merchant",
            Self::Currency => "currency",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro() -> Conditions {
        Conditions {
            currencies: vec![Currency::new(978).unwrap()],
            amount: Some((1_000, 5_000)),
            ..Conditions::default()
        }
    }

    #[test]
    fn each_condition_looks_at_its_own_element() {
        const CLASS: Class = Class::Financial;
        let values: [&[u8]; 7] =
            [b"003000", b"000000005000", b"5411", b"0510", b"12345", b"SHOP-7         ", b"978"];
        let lists = |text: &str| vec![text.as_bytes().to_vec()];
        let none = Conditions::default;
        let cases = [
            (Conditions { class: Some(CLASS), ..none() }, None),
            (Conditions { class: Some(Class::Network), ..none() }, Some(Condition::Class)),
            (Conditions { processing_code: b"00".to_vec(), ..none() }, None),
            (
                Conditions { processing_code: b"01".to_vec(), ..none() },
                Some(Condition::ProcessingCode),
            ),
            (Conditions { acquirers: lists("12345"), ..none() }, None),
            (Conditions { acquirers: lists("1234"), ..none() }, Some(Condition::Acquirer)),
            (Conditions { merchants: lists("SHOP-7"), ..none() }, None),
            (Conditions { merchants: lists("SHOP"), ..none() }, Some(Condition::Merchant)),
            (Conditions { merchant_types: vec![(5400, 5411)], ..none() }, None),
            (
                Conditions { merchant_types: vec![(5412, 5499)], ..none() },
                Some(Condition::MerchantType),
            ),
            (Conditions { entry_modes: vec![*b"05"], ..none() }, None),
            (Conditions { entry_modes: vec![*b"51"], ..none() }, Some(Condition::EntryMode)),
            (euro(), None),
            (Conditions { amount: Some((5_001, 9_000)), ..euro() }, Some(Condition::Amount)),
            (
                Conditions { currencies: vec![Currency::new(840).unwrap()], ..euro() },
                Some(Condition::Currency),
            ),
        ];
        for (conditions, fails) in cases {
            assert_eq!(conditions.fails(&Facts::new(CLASS, None, values)), fails, "{conditions:?}");
            // What is not asked for need not be read, and what is asked for is not in an empty message.
            let needs = conditions.needs();
            let read = |at: usize| match Facts::ELEMENTS.get(at) {
                Some(no) if needs.has(*no) => values.get(at).copied().unwrap_or_default(),
                _ => &[],
            };
            let read = std::array::from_fn(read);
            assert_eq!(conditions.fails(&Facts::new(CLASS, None, read)), fails, "{conditions:?}");
            let empty = conditions.fails(&Facts::new(CLASS, None, [&[]; 7]));
            assert_eq!(empty.is_none(), needs.is_empty() && fails.is_none(), "{conditions:?}");
        }
    }

    #[test]
    fn some_conditions_cover_others() {
        let none = Conditions::default();
        let two = Conditions {
            acquirers: vec![b"1".to_vec(), b"2".to_vec()],
            merchant_types: vec![(10, 20), (30, 40)],
            ..euro()
        };
        let one = Conditions {
            acquirers: vec![b"2".to_vec()],
            merchant_types: vec![(12, 12)],
            amount: Some((2_000, 5_000)),
            entry_modes: vec![*b"05"],
            ..euro()
        };
        for (first, second, covers) in [
            (&none, &none, true),
            (&none, &one, true),
            (&one, &none, false),
            (&two, &one, true),
            (&one, &two, false),
            (&two, &euro(), false),
            (&euro(), &two, true),
        ] {
            assert_eq!(first.cover(second), covers, "{first:?} {second:?}");
        }
    }
}
