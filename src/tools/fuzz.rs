//! What fuzzers attack: any two messages are told and compared.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::decode::{Show, decode_piece};
use super::diff::{Side, diff};
use super::explain::{Style, explain};
use crate::codec;
use crate::dialect::Dialect;
use crate::framing::Head;

/// What a fuzzer attacks: any bytes are told, and any two messages compared.
///
/// The nibbles of the first byte choose a dialect for each half of the rest; the second says where the first half ends.
#[doc(hidden)]
pub fn fuzz_messages_shown(data: &[u8]) {
    static DIALECTS: LazyLock<Vec<Arc<Dialect>>> = LazyLock::new(|| {
        let shipped = Dialect::shipped_names().iter().filter_map(|name| Dialect::shipped(name));
        shipped.map(Arc::new).collect()
    });
    let [choice, cut, rest @ ..] = data else { return };
    let (one, other) = rest.split_at(rest.len().min(4 * usize::from(*cut)));
    let mut sides = Vec::new();
    for (choice, body) in [(choice % 16, one), (choice / 16, other)] {
        let Some(dialect) = DIALECTS.get(usize::from(choice) % DIALECTS.len()) else { return };
        let body = Bytes::copy_from_slice(body);
        let found = || Ok((Head::default(), body.clone()));
        let read = codec::decode(dialect, body.clone());
        for unmask in [false, true] {
            let told = explain(dialect, "here", found(), Style { unmask, colours: unmask });
            assert_eq!(told.ok, read.is_ok(), "both read alike");
            let line = decode_piece(dialect, found(), Show { unmask, parts: true });
            assert_eq!(line.ok, read.is_ok(), "and so does decode");
            assert!(!line.text.contains('\n'), "one line");
        }
        sides.extend(read.map(|message| Side { head: Head::default(), message }));
    }
    if let [one, other] = sides.as_slice() {
        assert!(diff(one, one, true).is_empty(), "a message is like itself");
        assert_eq!(diff(one, other, false).is_empty(), diff(other, one, false).is_empty());
    }
}
