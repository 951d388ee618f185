//! What the name of an element, or of a part, says of a secret in it. Packager files say no class, but they do say names.

/// What may not be shown of something that is called this, if anything; `max` is its longest value.
pub(super) fn spoken(name: &str, max: u32) -> Option<&'static str> {
    let words = words(name);
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let follows = |first: &str, second: &str| {
        words.iter().zip(words.iter().skip(1)).any(|(a, b)| a == first && b == second)
    };
    // What became of a check is no secret, and neither is whether there was one.
    if has(&["result", "results", "presence"]) {
        return None;
    }
    let code = has(&["validation", "verification", "security"])
        && has(&["code", "value", "number"])
        && has(&["card"]);
    if code || has(&["cvc", "cvv", "cvn", "icvv", "dcvv", "cavv"]) {
        return Some("a card verification value");
    }
    // How a PIN comes in, and how often, is something else than a PIN.
    let about_pins = &[
        "capture",
        "capability",
        "capabilities",
        "entry",
        "mode",
        "length",
        "service",
        "retry",
        "try",
        "tries",
    ];
    if has(&["pin", "pinblock"]) && !has(about_pins) {
        return Some("a PIN");
    }
    if has(&["track", "trackdata"]) {
        return Some("a track");
    }
    if has(&["cryptogram", "arqc", "arpc"]) && !has(&["information", "version"]) {
        return Some("a cryptogram");
    }
    let card = has(&["pan", "cardnumber"])
        || follows("card", "number")
        || follows("primary", "account") && has(&["number"]);
    // A country or a sequence number of a card is shorter than any card number, packed or not.
    if card && 6 <= max {
        return Some("a card number");
    }
    None
}

/// The words of a name in small letters, without the digits at their ends: `CVC2`, `track 2` and `cardNumber` too.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for letter in name.chars().take(NAME_MAX).chain([' ']) {
        let begins = before.is_lowercase() && letter.is_uppercase();
        if begins || !letter.is_alphanumeric() {
            let plain = word.trim_end_matches(|digit: char| digit.is_ascii_digit());
            if !plain.is_empty() {
                words.push(plain.to_lowercase());
            }
            word.clear();
        }
        if letter.is_alphanumeric() {
            word.push(letter);
        }
        before = letter;
    }
    words
}

/// How much of a name is looked at; what people write is shorter.
const NAME_MAX: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Class, Dialect};

    #[test]
    fn names_speak_of_secrets() {
        for (name, what) in [
            ("CVC2", Some("a card verification value")),
            ("CVV 2 value", Some("a card verification value")),
            ("Card Validation Code 2", Some("a card verification value")),
            ("cardSecurityCode", Some("a card verification value")),
            ("CVC2 result", None),
            ("message security code", None),
            ("cardholder verification method", None),
            ("PIN", Some("a PIN")),
            ("NEW_PIN-BLOCK", Some("a PIN")),
            ("POINT OF SERVICE PIN CAPTURE CODE", None),
            ("shipping address", None),
            ("TRACK2 equivalent", Some("a track")),
            ("systems trace audit number, tracking", None),
            ("ARQC", Some("a cryptogram")),
            ("Cryptogram information data", None),
            ("PAN", Some("a card number")),
            ("Primary (account) number", Some("a card number")),
            ("cardNumber", Some("a card number")),
            ("company", None),
            ("", None),
        ] {
            assert_eq!(spoken(name, 19), what, "{name}");
        }
        assert_eq!(spoken("PAN sequence number", 3), None);
    }

    #[test]
    fn the_names_of_iso_8583_say_what_its_classes_say() {
        for name in ["iso87-ascii", "iso87-bcd", "iso93-ascii", "iso2003-binary"] {
            let dialect = Dialect::shipped(name).unwrap();
            for (no, row) in dialect.rows() {
                let secret = matches!(row.class, Class::Pan | Class::Sensitive);
                assert!(secret || spoken(&row.name, row.max.into()).is_none(), "{name} {no}");
            }
        }
    }
}
