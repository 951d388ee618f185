//! Currencies by the letters that banks write (ISO 4217), and amounts as banks write them; knows no accounts.

use crate::iso::{Amount, Currency, NotOne};

/// Letters of currencies, in the order of their numbers.
const LETTERS: &[(u16, &str)] = &[
    (8, "ALL"),
    (12, "DZD"),
    (32, "ARS"),
    (36, "AUD"),
    (44, "BSD"),
    (48, "BHD"),
    (50, "BDT"),
    (51, "AMD"),
    (52, "BBD"),
    (60, "BMD"),
    (64, "BTN"),
    (68, "BOB"),
    (72, "BWP"),
    (84, "BZD"),
    (90, "SBD"),
    (96, "BND"),
    (104, "MMK"),
    (108, "BIF"),
    (116, "KHR"),
    (124, "CAD"),
    (132, "CVE"),
    (136, "KYD"),
    (144, "LKR"),
    (152, "CLP"),
    (156, "CNY"),
    (170, "COP"),
    (174, "KMF"),
    (188, "CRC"),
    (192, "CUP"),
    (203, "CZK"),
    (208, "DKK"),
    (214, "DOP"),
    (222, "SVC"),
    (230, "ETB"),
    (232, "ERN"),
    (238, "FKP"),
    (242, "FJD"),
    (262, "DJF"),
    (270, "GMD"),
    (292, "GIP"),
    (320, "GTQ"),
    (324, "GNF"),
    (328, "GYD"),
    (332, "HTG"),
    (340, "HNL"),
    (344, "HKD"),
    (348, "HUF"),
    (352, "ISK"),
    (356, "INR"),
    (360, "IDR"),
    (364, "IRR"),
    (368, "IQD"),
    (376, "ILS"),
    (388, "JMD"),
    (392, "JPY"),
    (398, "KZT"),
    (400, "JOD"),
    (404, "KES"),
    (408, "KPW"),
    (410, "KRW"),
    (414, "KWD"),
    (417, "KGS"),
    (418, "LAK"),
    (422, "LBP"),
    (426, "LSL"),
    (430, "LRD"),
    (434, "LYD"),
    (446, "MOP"),
    (454, "MWK"),
    (458, "MYR"),
    (462, "MVR"),
    (480, "MUR"),
    (484, "MXN"),
    (496, "MNT"),
    (498, "MDL"),
    (504, "MAD"),
    (512, "OMR"),
    (516, "NAD"),
    (524, "NPR"),
    (532, "ANG"),
    (533, "AWG"),
    (548, "VUV"),
    (554, "NZD"),
    (558, "NIO"),
    (566, "NGN"),
    (578, "NOK"),
    (586, "PKR"),
    (590, "PAB"),
    (598, "PGK"),
    (600, "PYG"),
    (604, "PEN"),
    (608, "PHP"),
    (634, "QAR"),
    (643, "RUB"),
    (646, "RWF"),
    (654, "SHP"),
    (682, "SAR"),
    (690, "SCR"),
    (702, "SGD"),
    (704, "VND"),
    (706, "SOS"),
    (710, "ZAR"),
    (728, "SSP"),
    (748, "SZL"),
    (752, "SEK"),
    (756, "CHF"),
    (760, "SYP"),
    (764, "THB"),
    (776, "TOP"),
    (780, "TTD"),
    (784, "AED"),
    (788, "TND"),
    (800, "UGX"),
    (807, "MKD"),
    (818, "EGP"),
    (826, "GBP"),
    (834, "TZS"),
    (840, "USD"),
    (858, "UYU"),
    (860, "UZS"),
    (882, "WST"),
    (886, "YER"),
    (901, "TWD"),
    (925, "SLE"),
    (927, "UYW"),
    (928, "VES"),
    (929, "MRU"),
    (930, "STN"),
    (933, "BYN"),
    (934, "TMT"),
    (936, "GHS"),
    (938, "SDG"),
    (940, "UYI"),
    (941, "RSD"),
    (943, "MZN"),
    (944, "AZN"),
    (946, "RON"),
    (949, "TRY"),
    (950, "XAF"),
    (951, "XCD"),
    (952, "XOF"),
    (953, "XPF"),
    (967, "ZMW"),
    (968, "SRD"),
    (969, "MGA"),
    (971, "AFN"),
    (972, "TJS"),
    (973, "AOA"),
    (975, "BGN"),
    (976, "CDF"),
    (977, "BAM"),
    (978, "EUR"),
    (980, "UAH"),
    (981, "GEL"),
    (985, "PLN"),
    (986, "BRL"),
    (990, "CLF"),
];

/// The letters of a currency; none of one that no bank pays in.
pub fn letters(currency: Currency) -> Option<&'static str> {
    let at = LETTERS.binary_search_by_key(&currency.number(), |(number, _)| *number).ok()?;
    LETTERS.get(at).map(|(_, letters)| *letters)
}

/// A currency by its three digits or its three letters.
pub fn currency(text: &str) -> Result<Currency, NotOne> {
    let fault = NotOne { expected: "a currency of three digits or letters, 978 or EUR" };
    match LETTERS.iter().find(|(_, letters)| *letters == text) {
        Some((number, _)) => Currency::new(*number),
        None => Currency::from_ascii(text.as_bytes()).or(Err(fault)),
    }
}

/// Minor units as people and banks write them: `-12.34`, with as many decimals as the currency has.
pub fn decimal(minor: i128, currency: Currency) -> String {
    let places = usize::from(currency.exponent());
    let digits = format!("{:0width$}", minor.unsigned_abs(), width = places + 1);
    let (whole, parts) = digits.split_at(digits.len() - places);
    let (sign, point) = (if minor < 0 { "-" } else { "" }, if places == 0 { "" } else { "." });
    format!("{sign}{whole}{point}{parts}")
}

/// Minor units of an amount as people write it: with exactly as many decimals as the currency has, so that nobody can mean
/// something else.
pub fn from_decimal(text: &str, currency: Currency) -> Result<Amount, String> {
    let places = usize::from(currency.exponent());
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, parts) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{parts}");
    let plain = !whole.is_empty() && digits.contains('.') == (places > 0);
    let minor = all.bytes().all(|byte| byte.is_ascii_digit()).then(|| all.parse::<i64>().ok());
    let minor = minor.flatten().filter(|_| plain && parts.len() == places);
    let minor = minor.ok_or_else(|| {
        let example = decimal(EXAMPLE * 10_i128.pow(u32::from(currency.exponent())), currency);
        format!("an amount in {currency} has {places} decimals, like {example}")
    })?;
    Ok(Amount { minor: if negative { -minor } else { minor }, currency })
}

/// An amount as it could be.
const EXAMPLE: i128 = 1_234;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_sorted_and_each_is_one() {
        assert!(LETTERS.windows(2).all(|two| two[0].0 < two[1].0));
        let mut all: Vec<_> = LETTERS.iter().map(|(_, letters)| *letters).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), LETTERS.len());
        assert_eq!(letters(Currency::new(978).unwrap()), Some("EUR"));
        assert_eq!(letters(Currency::new(1).unwrap()), None);
        assert_eq!(currency("KWD").unwrap().number(), 414);
        assert_eq!(currency("392").unwrap().number(), 392);
        assert!(currency("EURO").is_err());
    }

    #[test]
    fn decimals_there_and_back() {
        for (number, minor, text) in [
            (978, 1_234, "12.34"),
            (978, -5, "-0.05"),
            (392, 7, "7"),
            (414, 1_000_005, "1000.005"),
            (990, 1, "0.0001"),
            (927, 0, "0.0000"),
        ] {
            let currency = Currency::new(number).unwrap();
            assert_eq!(decimal(minor.into(), currency), text);
            assert_eq!(from_decimal(text, currency).unwrap().minor, minor);
        }
        let euro = Currency::new(978).unwrap();
        for bad in [
            "",
            "1",
            "1.2",
            "1.234",
            ".12",
            "1,23",
            "+1.00",
            "1.-2",
            "99999999999999999999.00",
            "--1.00",
        ] {
            assert!(from_decimal(bad, euro).is_err(), "{bad}");
        }
        let refused = from_decimal("100", euro).unwrap_err();
        assert_eq!(refused, "an amount in 978 has 2 decimals, like 1234.00");
    }
}
