//! What fuzzers attack: any bytes are a message or an error, and what was read survives being written again.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::{Draft, Message, decode, join, pieces, value, walk};
use crate::dialect::{Class, Dialect};
use crate::framing::Measure as _;
use crate::iso::ElementNo;
use crate::iso::{ElementSet, Elements};

/// Each way of writing that the shipped dialects do not have.
const EVERY_CODING: &str = include_str!("../../fuzz/every-coding.dialect");

/// What a fuzzer attacks: any bytes are a message or an error, and a message survives being written again.
///
/// The nibbles of the first byte choose the dialect it is re-coded to, and the one it is read by.
#[doc(hidden)]
pub fn fuzz_decode_encode_decode(data: &[u8]) {
    static DIALECTS: LazyLock<Vec<Arc<Dialect>>> = LazyLock::new(|| dialects(""));
    static UNCHECKED: LazyLock<Vec<Arc<Dialect>>> =
        LazyLock::new(|| dialects("\ncontents unchecked\n"));
    let [choice, body @ ..] = data else { return };
    let place = |choice: u8| usize::from(choice) % DIALECTS.len();
    let choose = |choice: u8| DIALECTS.get(place(choice));
    let (Some(dialect), Some(other)) = (choose(choice % 16), choose(choice / 16)) else { return };
    let taken =
        UNCHECKED.get(place(choice % 16)).and_then(|unchecked| as_it_comes(unchecked, body));
    let message = match decode(dialect, Bytes::copy_from_slice(body)) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= body.len(), "a fault lies within the message");
            return;
        }
    };
    assert_eq!(dialect.end(body), Ok(Some(body.len())), "a message ends where it ends");
    walked_alike(&message);
    picked_alike(&message);
    let same = |taken: Message| taken.spans(ElementSet::ALL).eq(message.spans(ElementSet::ALL));
    assert!(
        taken.is_some_and(same),
        "where contents are not checked, elements lie at the same places"
    );
    split_and_join(&message);
    let own = message.elements(ElementSet::ALL);
    assert_eq!(own.present(), message.present());
    let draft = Draft { mti: message.mti(), own: &own, copied: None };
    let mut bytes = Vec::new();
    assert!(draft.encode(dialect, &mut bytes).is_ok(), "what was read can be written");
    let again = decode(dialect, Bytes::from(bytes.clone()));
    assert!(again.is_ok_and(|again| again.elements(again.present()) == own), "and read again");
    let nothing = Elements::default();
    let copy = Draft { own: &nothing, copied: Some((&message, message.present())), ..draft };
    let mut copied = Vec::new();
    assert!(copy.encode(dialect, &mut copied).is_ok(), "a copy can be written");
    let again = decode(dialect, Bytes::from(copied));
    assert!(again.is_ok_and(|again| again.elements(again.present()) == own), "and says the same");
    let mut recoded = Vec::new();
    if copy.encode(other, &mut recoded).is_ok() {
        let again = decode(other, Bytes::from(recoded));
        assert!(
            again.is_ok_and(|again| again.present() == own.present()),
            "other dialects read what we write"
        );
    }
}

/// All that a fuzzer may choose from, with a line besides.
fn dialects(line: &str) -> Vec<Arc<Dialect>> {
    let shipped = Dialect::shipped_names().iter().filter_map(|name| Dialect::shipped_text(name));
    let texts = shipped.chain([EVERY_CODING]).map(|text| format!("{text}{line}"));
    texts.filter_map(|text| Dialect::parse(&text).ok()).map(Arc::new).collect()
}

/// A message whose values may be anything: all that is done with it goes well, or says why not.
fn as_it_comes(unchecked: &Arc<Dialect>, body: &[u8]) -> Option<Message> {
    let message = decode(unchecked, Bytes::copy_from_slice(body)).ok()?;
    assert_eq!(message.elements(ElementSet::ALL).present(), message.present());
    let draft = Draft {
        mti: message.mti(),
        own: &Elements::default(),
        copied: Some((&message, message.present())),
    };
    let mut copied = Vec::new();
    assert!(draft.encode(unchecked, &mut copied).is_ok(), "what came can go on as it came");
    let again = decode(unchecked, Bytes::from(copied));
    assert!(again.is_ok_and(|again| again.present() == message.present()), "and is read again");
    Some(message)
}

/// What is left of a message, and what is kept of it, is what those elements are by themselves.
fn picked_alike(message: &Message) {
    let body = message.body();
    let chosen = |no: &ElementNo| {
        body.get(usize::from(no.get()) % body.len().max(1)).is_some_and(|byte| byte & 1 == 1)
    };
    let set: ElementSet = message.present().iter().filter(chosen).collect();
    let kept = message.elements(set);
    assert!(kept.iter().all(|(no, value)| message.get(no).as_deref() == Some(value)));
    let mut reduced = message.clone();
    reduced.reduce(set);
    assert_eq!((reduced.present(), kept.present()), (set, set));
    assert!(reduced.elements(ElementSet::ALL) == kept, "nothing else is left");
}

/// The quick walk over a message found what a look at each element by itself finds.
fn walked_alike(message: &Message) {
    for (no, (start, end)) in message.present().iter().zip(message.spans(ElementSet::ALL)) {
        let rest = message.body().get(start..).unwrap_or_default();
        let layout = message.dialect().layout(no);
        let measured = layout.and_then(|layout| value::measure(layout, rest).ok());
        let alike = layout.zip(measured).is_some_and(|(layout, (units, len, behind))| {
            let wire = behind.get(..len).unwrap_or_default();
            let ends = start + rest.len() - behind.len() + len;
            ends == end && walk::is_right(layout.form, units, wire)
        });
        assert!(alike, "element {no} lies there, and is right");
    }
}

/// Parts that were read without a fault are put together to the same parts.
fn split_and_join(message: &Message) {
    for no in message.present().iter() {
        let (Some(inside), Some(plain)) = (message.dialect().inside(no), message.get(no)) else {
            continue;
        };
        let split = pieces(no, inside, Class::Unkept, &plain);
        let offset = split.fault.as_ref().and_then(|fault| fault.offset);
        assert!(offset.is_none_or(|offset| offset <= plain.len()), "a fault lies within the value");
        if split.fault.is_some() {
            continue;
        }
        let whole = split.pieces.into_iter().filter(|piece| !piece.divided);
        let keys =
            |path: &str| path.split_once('.').map_or(String::new(), |(_, keys)| keys.to_owned());
        let parts: Vec<_> = whole.map(|piece| (keys(&piece.path), piece.plain)).collect();
        let joined = join(inside, &parts);
        assert!(joined.is_ok(), "parts that were read can be put together");
        let joined = joined.unwrap_or_default();
        let again = pieces(no, inside, Class::Unkept, &joined);
        assert!(again.fault.is_none(), "and read again");
        let values =
            again.pieces.into_iter().filter(|piece| !piece.divided).map(|piece| piece.plain);
        assert!(values.eq(parts.into_iter().map(|(_, plain)| plain)), "and say the same");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialect_of_every_coding_is_whole() {
        if let Err(faults) = Dialect::parse(EVERY_CODING) {
            panic!("{faults:#?}");
        }
        assert_eq!(dialects("\ncontents unchecked\n").len(), 16);
    }
}
