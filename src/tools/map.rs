//! A message of one link as another link would be told it, element by element.

use crate::codec::{self, Draft, EncodeError, Message};
use crate::dialect::Dialect;
use crate::iso::{ElementNo, ElementSet, Elements, Mti, Wall};
use crate::mapping::Tongue;

use super::show;

/// One side of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct End<'e> {
    /// The link's name.
    pub name: &'e str,
    /// How its peers speak.
    pub tongue: &'e Tongue,
}

/// A request or an advice of `from` as `to` would be told it, a line for each element of either, masked; `wire` is the message
/// as it came, and `read` the same as the house has it. Elements 7 and 11 are the switch's own in what goes out: they are shown
/// as zeros.
pub fn map(
    (from, wire): (End<'_>, &Message),
    (to, read): (End<'_>, &Message),
    at: Wall,
) -> Result<String, EncodeError> {
    const OURS: ElementSet = ElementSet::of(&[7, 11]);
    let mut own = Elements::default();
    own.set(ElementNo::TRANSMISSION, b"0000000000");
    own.set(ElementNo::STAN, b"000000");
    let copied = from.tongue.sayable(read.present(), to.tongue)?.minus(OURS);
    let draft = Draft { mti: read.mti().plain(), own: &own, copied: Some((read, copied)) };
    let mut body = Vec::new();
    to.tongue.write(&draft, at, &mut body)?;
    // What we wrote can be read: the dialects of links are checked for that.
    let written = codec::decode(to.tongue.wire(), body.into()).ok();
    Ok(written.map_or_else(String::new, |written| table((from, wire), (to, &written))))
}

/// A line for each element that either side has.
fn table((from, before): (End<'_>, &Message), (to, after): (End<'_>, &Message)) -> String {
    let head =
        |end: End<'_>, mti: Mti| format!("{mti} {} ({})", end.name, end.tongue.wire().name());
    let mut rows =
        vec![[String::new(), head(from, before.mti()), head(to, after.mti()), String::new()]];
    for no in before.present().or(after.present()).iter() {
        let (old, new) = (before.get(no), after.get(no));
        let mark = match (old.as_deref(), new.as_deref()) {
            (Some(old), Some(new)) if old == new => "",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "left out",
            (None, _) => "put in",
        };
        let [old, new] = [before, after].map(|message| value(message.dialect(), message, no));
        rows.push([format!("DE {}", no.get()), old, new, mark.to_owned()]);
    }
    let mut widths = [0; 4];
    for row in &rows {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = text.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 4]| {
        let cells = row.iter().zip(widths).map(|(text, width)| format!("{text:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn value(dialect: &Dialect, message: &Message, no: ElementNo) -> String {
    let Some(value) = message.get(no) else { return String::from("-") };
    show::harmless(&show::value(no, dialect.row(no), &value, false))
}
