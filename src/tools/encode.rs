//! The way back from `decode`: the same JSON in, hexadecimal digits out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::BytesMut;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::Line;
use crate::codec::{self, Draft};
use crate::dialect::{Content, Dialect, Inside};
use crate::framing::{Framing, Head};
use crate::iso::{ElementNo, Elements, Mti};

/// Writes one message from the JSON that `decode_line` shows unmasked; or says what is wrong with it.
///
/// With a framing the line becomes a whole frame, with what `tpdu` or `header` says before the message, or else the framing's own.
pub fn encode_line(dialect: &Dialect, framing: Option<&Framing>, line: &str) -> Line {
    match encode(dialect, framing, line) {
        Ok(bytes) => {
            let mut text = String::with_capacity(2 * bytes.len());
            super::push_hex(&bytes, &mut text);
            Line { ok: true, text }
        }
        Err(fault) => Line { ok: false, text: fault },
    }
}

/// What `decode_line` shows of a message.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = r#"a message, e.g. {"mti":"0800","fields":{"70":"301"}}"#)]
struct Shown {
    #[serde(default = "yes")]
    ok: bool,
    mti: String,
    #[serde(default)]
    tpdu: Option<String>,
    #[serde(default)]
    header: Option<String>,
    #[serde(default)]
    fields: Fields,
    /// What is wrong with a message that is none.
    #[serde(default, rename = "error")]
    _error: Option<serde_json::Value>,
}

const fn yes() -> bool {
    true
}

fn encode(dialect: &Dialect, framing: Option<&Framing>, line: &str) -> Result<Vec<u8>, String> {
    let shown: Shown = serde_json::from_str(line)
        .map_err(|error| format!("not a message as JSON: {}", told(&error)))?;
    if !shown.ok {
        return Err("this line says that it is no message".to_owned());
    }
    let mti = Mti::from_ascii(shown.mti.as_bytes()).map_err(|fault| format!("mti: {fault}"))?;
    let own = elements(dialect, &shown.fields)?;
    let mut body = Vec::new();
    let draft = Draft { mti, own: &own, copied: None };
    draft.encode(dialect, &mut body).map_err(|error| error.to_string())?;
    let Some(framing) = framing else { return Ok(body) };
    let head = head(framing.head(), shown.tpdu.as_deref(), shown.header.as_deref())?;
    let mut frame = BytesMut::new();
    framing.put(head, &body, &mut frame).map_err(|error| error.to_string())?;
    Ok(frame.to_vec())
}

/// What was expected and where, without what stands there: it may be a card number, and serde's own text quotes it.
pub(super) fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(", expected ") {
        Some((_, expected)) if error.is_data() => format!("expected {expected}"),
        _ => text,
    }
}

/// A key of the line for people. One that is none may be a card number: then its length is told.
pub(super) fn shown(key: &str) -> String {
    let shown = |name: &str| {
        let digits = name.bytes().filter(u8::is_ascii_digit).count();
        if name.len() <= NAME_LEN_MAX && digits <= NAME_DIGITS_MAX {
            name.to_owned()
        } else {
            format!("<{} characters>", name.chars().count())
        }
    };
    let names: Vec<String> = key.split('.').take(NAMES_MAX).map(shown).collect();
    let more = if NAMES_MAX < key.split('.').count() { ".<and more>" } else { "" };
    names.join(".") + more
}

/// The longest name that is shown; tags have up to eight digits, and `#2` may follow.
const NAME_LEN_MAX: usize = 12;

/// With more digits than a tag it may be part of a card number.
const NAME_DIGITS_MAX: usize = 9;

/// How many names of a key are shown: no parts lie deeper.
const NAMES_MAX: usize = 10;

/// What precedes the message: what the line says, or else the framing's own.
fn head(own: Head, tpdu: Option<&str>, header: Option<&str>) -> Result<Head, String> {
    let (key, text) = match (tpdu, header) {
        (None, None) => return Ok(own),
        (Some(text), _) => ("tpdu", text),
        (None, Some(text)) => ("header", text),
    };
    if own.is_empty() || own.is_tpdu() != (key == "tpdu") || (tpdu.is_some() && header.is_some()) {
        return Err(format!("{key}: this framing has none"));
    }
    let bytes = unhex(text).map_err(|fault| format!("{key}: {fault}"))?;
    own.with_bytes(&bytes).ok_or_else(|| format!("{key}: not one of this framing's kind"))
}

/// The elements of these fields; where there are parts of one, the value that they are together.
fn elements(dialect: &Dialect, Fields(fields): &Fields) -> Result<Elements, String> {
    let mut own = Elements::default();
    let mut parts: BTreeMap<ElementNo, Vec<(String, Vec<u8>)>> = BTreeMap::new();
    for (key, text) in fields {
        let (number, path) =
            key.split_once('.').map_or((key.as_str(), None), |(no, path)| (no, Some(path)));
        let no = number.parse().ok().and_then(|no| ElementNo::new(no).ok());
        let no = no.ok_or_else(|| {
            format!("\"{}\" is not an element number from 2 to 192", shown(number))
        })?;
        let row = dialect
            .row(no)
            .ok_or_else(|| format!("element {no}: the dialect has no such element"))?;
        let content = match path {
            None => row.content,
            Some(path) => inside(dialect, no)?.content_at(path),
        };
        let value = if content == Content::Bytes { unhex(text) } else { characters(text) };
        let value = value.map_err(|fault| format!("element {}: {fault}", shown(key)))?;
        match path {
            None => own.set(no, &value),
            Some(path) => parts.entry(no).or_default().push((path.to_owned(), value)),
        }
    }
    for (no, parts) in parts {
        let joined = codec::join(inside(dialect, no)?, &parts).map_err(|error| {
            let path = shown(&error.path);
            format!("element {no}: {}", codec::JoinError { path, ..error })
        })?;
        if own.get(no).is_some_and(|value| value != joined) {
            return Err(format!(
                "element {no}: its value is not that of its parts; give one of them"
            ));
        }
        own.set(no, &joined);
    }
    Ok(own)
}

fn inside(dialect: &Dialect, no: ElementNo) -> Result<&Inside, String> {
    dialect.inside(no).ok_or_else(|| format!("element {no}: the dialect says of no parts of it"))
}

/// Elements and parts in the order in which they are given: that of parts with tags is theirs on the wire.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Names and texts, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (key.as_str(), text.as_str()))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts by element number")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, String)> = Vec::new();
                let mut seen = BTreeSet::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("\"{}\" a second time", shown(&key))));
                    }
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(Pairs)
    }
}

/// One byte a character, up to U+00FF.
pub(super) fn characters(text: &str) -> Result<Vec<u8>, &'static str> {
    text.chars().map(|letter| u8::try_from(letter).or(Err("a character beyond latin-1"))).collect()
}

/// The bytes of hexadecimal digits.
pub(super) fn unhex(text: &str) -> Result<Vec<u8>, &'static str> {
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(super::byte).collect();
    bytes.ok_or("not an even number of hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{Settings, Tpdu};

    #[test]
    fn faults_say_what_and_where() {
        let dialect = Dialect::shipped("iso87-bcd").unwrap();
        for (line, text) in [
            (
                r#"{"mti":"0800","fields":{"70":"301","11":"1"}}"#,
                "0800802000000000000004000000000000000000010301",
            ),
            (r#"{"mti":"08x0"}"#, "mti: not an MTI of four digits"),
            (
                r#"{"mti":"0800","fields":{"1":"x"}}"#,
                "\"1\" is not an element number from 2 to 192",
            ),
            (
                r#"{"mti":"0800","fields":{"65":"00"}}"#,
                "element 65: the dialect has no such element",
            ),
            (
                r#"{"mti":"0200","fields":{"2":"541333******4111"}}"#,
                "element 2: the value is not of content n",
            ),
            (
                r#"{"mti":"0200","fields":{"52":"<sensitive 8 bytes>"}}"#,
                "element 52: not an even number of hexadecimal digits",
            ),
            (r#"{"mti":"0200","fields":{"41":"€"}}"#, "element 41: a character beyond latin-1"),
            (r#"{"ok":false,"mti":"0200","error":{}}"#, "this line says that it is no message"),
        ] {
            assert_eq!(encode_line(&dialect, None, line).text, text, "{line}");
        }
        let framed = |header| Framing::new(Settings { header, ..Settings::default() });
        let none = framed(Head::NONE);
        let tpdu = framed(Head::tpdu(Tpdu::from_text("6000010002").unwrap()));
        let base24 = framed(Head::from_text("base24:ISO025000050").unwrap());
        for (framing, key, text) in [
            (&none, r#""tpdu":"6000020001""#, "tpdu: this framing has none"),
            (&none, r#""header":"60""#, "header: this framing has none"),
            (&tpdu, r#""header":"6000020001""#, "header: this framing has none"),
            (&base24, r#""tpdu":"6000020001""#, "tpdu: this framing has none"),
            (&tpdu, r#""tpdu":"6""#, "tpdu: not an even number of hexadecimal digits"),
            (&tpdu, r#""tpdu":"60""#, "tpdu: not one of this framing's kind"),
            (&tpdu, r#""tpdu":"6000020001""#, "000F600002000108000000000000000000"),
            (
                &base24,
                r#""header":"49534F303136303030303731""#,
                "001649534F30313630303030373108000000000000000000",
            ),
            (
                &base24,
                r#""header":"000000000000000000000000""#,
                "header: not one of this framing's kind",
            ),
        ] {
            let line = format!(r#"{{"mti":"0800",{key}}}"#);
            assert_eq!(encode_line(&dialect, Some(framing), &line).text, text, "{line}");
        }
        let broken = encode_line(&dialect, None, "{");
        assert!(!broken.ok && broken.text.starts_with("not a message as JSON"));
    }

    /// A card number where it does not belong: as a number, a key, a name, and in place of anything else.
    #[test]
    fn faults_show_no_value() {
        let dialect = Dialect::shipped("iso87-bcd").unwrap();
        for (line, text) in [
            (
                r#"{"mti":"0200","fields":{"2":PAN}}"#,
                "not a message as JSON: expected a string at line 1 column 44",
            ),
            (r#"{"mti":PAN}"#, "not a message as JSON: expected a string at line 1 column 23"),
            (r#"{"mti":"PAN"}"#, "mti: not an MTI of four digits"),
            (
                r#"{"mti":"0200","fields":"PAN"}"#,
                "not a message as JSON: expected an object of texts by element number at line 1 column 41",
            ),
            (
                r#"{"mti":"0200","fields":{"2":{"PAN":1}}}"#,
                "not a message as JSON: expected a string at line 1 column 28",
            ),
            (
                r#"{"mti":"0200","PAN":1}"#,
                "not a message as JSON: expected one of `ok`, `mti`, `tpdu`, `header`, `fields`, `error` at line 1 column 32",
            ),
            (
                r#"{"mti":"0200","ok":"PAN"}"#,
                "not a message as JSON: expected a boolean at line 1 column 37",
            ),
            (
                "PAN",
                r#"not a message as JSON: expected a message, e.g. {"mti":"0800","fields":{"70":"301"}} at line 1 column 16"#,
            ),
            (
                r#"{"mti":"0200","fields":{"PAN":"1"}}"#,
                "\"<16 characters>\" is not an element number from 2 to 192",
            ),
            (
                r#"{"mti":"0200","fields":{"5413 3398 7654 3210":"1"}}"#,
                "\"<19 characters>\" is not an element number from 2 to 192",
            ),
            (
                r#"{"mti":"0200","fields":{"PAN":"1","PAN":"1"}}"#,
                "not a message as JSON: \"<16 characters>\" a second time at line 1 column 70",
            ),
            (
                r#"{"mti":"0200","fields":{"3.PAN":"1"}}"#,
                "element 3: part <16 characters>: the dialect has no such part",
            ),
            (
                r#"{"mti":"0200","fields":{"55.E1.xPAN":"00"}}"#,
                "element 55: part E1.<17 characters>: the dialect has no such part",
            ),
            (
                r#"{"mti":"0200","fields":{"3.PAN":"€"}}"#,
                "element 3.<16 characters>: a character beyond latin-1",
            ),
            (
                r#"{"mti":"0200","fields":{"55.1.2.3.4.5.6.7.8.9.A":"€"}}"#,
                "element 55.1.2.3.4.5.6.7.8.9.<and more>: not an even number of hexadecimal digits",
            ),
        ] {
            let line = line.replace("PAN", "5413339876543210");
            assert_eq!(encode_line(&dialect, None, &line).text, text, "{line}");
        }
    }

    #[test]
    fn parts_become_the_value_that_they_are() {
        let dialect = Dialect::shipped("iso87-bcd").unwrap();
        for (line, text) in [
            (
                r#"{"mti":"0800","fields":{"3.2":"30","3.1":"00","3.3":"00"}}"#,
                "08002000000000000000003000",
            ),
            (
                r#"{"mti":"0800","fields":{"55.9F02":"000000001000","55.DF01":"FF"}}"#,
                "0800000000000000020000139F0206000000001000DF0101FF",
            ),
            (
                r#"{"mti":"0800","fields":{"3":"003000","3.1":"01","3.2":"30","3.3":"00"}}"#,
                "element 3: its value is not that of its parts; give one of them",
            ),
            (
                r#"{"mti":"0800","fields":{"4.1":"01"}}"#,
                "element 4: the dialect says of no parts of it",
            ),
            (
                r#"{"mti":"0800","fields":{"3.2":"01"}}"#,
                "element 3: part 2: part 1 before it is missing",
            ),
            (
                r#"{"mti":"0800","fields":{"3":"1","3":"2"}}"#,
                "not a message as JSON: \"3\" a second time at line 1 column 40",
            ),
        ] {
            assert_eq!(encode_line(&dialect, None, line).text, text, "{line}");
        }
    }
}
