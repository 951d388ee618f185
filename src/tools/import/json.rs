//! JSON objects of which every member keeps its place in the text, twice-told ones included.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::place::Text;
use crate::dialect::Fault;

/// The members of the object that `part` is: their names, and the text of their values.
pub(super) fn members<'t>(text: Text<'t>, part: &'t str) -> Result<Vec<(String, &'t str)>, Fault> {
    value::<Members<'t>>(text, part).map(|Members(members)| members)
}

/// The same of a part whose faults are nobody's business.
pub(super) fn members_of(part: &str) -> Option<Vec<(String, &str)>> {
    serde_json::from_str::<Members<'_>>(part).ok().map(|Members(members)| members)
}

/// What `part` is, as its type wants it.
pub(super) fn value<'t, T: Deserialize<'t>>(text: Text<'t>, part: &'t str) -> Result<T, Fault> {
    serde_json::from_str(part).map_err(|error| {
        // The column counts bytes.
        let line = Text(part).at(error.line(), 1);
        let at = text.offset(part) + line + error.column().saturating_sub(1);
        // The place is the fault's own, within the whole file.
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
        text.fault(at..at, message.to_owned(), "")
    })
}

struct Members<'t>(Vec<(String, &'t str)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, {...}")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            members.push((name, map.next_value::<&RawValue>()?.get()));
        }
        Ok(Members(members))
    }
}
