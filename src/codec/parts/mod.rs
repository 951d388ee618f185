//! What lies within an element, read and written: only for those who ask. A message that is passed on never pays for its insides.

mod ber;
mod join;
mod take;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::{Fault, value};
use crate::dialect::{
    Alphabet, Class, CodePage, Content, Form, Inside, Length, LengthCoding, Part, Row, Scheme,
    TagCoding, Tagged,
};
use crate::iso::ElementNo;

pub use join::{JoinError, JoinFault, join};

/// One part of an element.
pub struct Piece<'d> {
    /// The element's number and the keys that lead to it, e.g. `55.9F02`; of another one by the same path also which, e.g. `54.1#2`.
    pub path: String,
    /// What the dialect says of it, if anything.
    pub row: Option<&'d Row>,
    /// What may become of its value: what its row says, or else what is said of what holds it.
    pub class: Class,
    /// What its value consists of.
    pub content: Content,
    /// Where it lies in the element's plain value, tag and length included; none within a part that is itself re-coded.
    pub at: Option<Range<usize>>,
    /// Its plain value. Not to be shown without a look at the class.
    pub plain: Vec<u8>,
    /// Whether its own parts follow.
    pub divided: bool,
}

/// The parts of an element, and what is wrong behind the last of them.
pub struct Pieces<'d> {
    /// In the order in which they lie there; what holds parts precedes them.
    pub pieces: Vec<Piece<'d>>,
    /// Where reading them ended before the value did.
    pub fault: Option<PieceFault>,
}

/// What is wrong within an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceFault {
    /// The element's number and the keys that lead to the wrong part, or to what holds it.
    pub path: String,
    /// Where in the element's plain value, in bytes; none within a part that is itself re-coded.
    pub offset: Option<usize>,
    /// What is wrong there.
    pub fault: Fault,
}

/// `48.42, 7 bytes into the value: the message ends early`
impl fmt::Display for PieceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => {
                write!(f, "{}, {offset} bytes into the value: {}", self.path, self.fault)
            }
            None => write!(f, "{}: {}", self.path, self.fault),
        }
    }
}

/// Reads what lies within an element from its plain value, as far as it can be read.
pub fn pieces<'d>(no: ElementNo, inside: &'d Inside, class: Class, plain: &[u8]) -> Pieces<'d> {
    let mut reader = Reader { pieces: Vec::new(), counts: BTreeMap::new() };
    let holder = Holder { inside, path: no.to_string(), class, base: Some(0), depth: 0 };
    let fault = reader.inside(&holder, plain).err();
    Pieces { pieces: reader.pieces, fault }
}

/// How deep objects may lie within one another.
const DEPTH: usize = 8;

/// What holds the parts that are read.
struct Holder<'d> {
    inside: &'d Inside,
    path: String,
    class: Class,
    /// Where its value begins in the element's, where it lies there as it is.
    base: Option<usize>,
    depth: usize,
}

impl Holder<'_> {
    fn fault(&self, at: usize, fault: Fault) -> PieceFault {
        PieceFault { path: self.path.clone(), offset: self.base.map(|base| base + at), fault }
    }

    fn fault_of(&self, key: &str, at: usize, fault: Fault) -> PieceFault {
        PieceFault { path: format!("{}.{key}", self.path), ..self.fault(at, fault) }
    }
}

/// A part that was found: its key, where it lies, and where its value does.
struct Found {
    key: String,
    whole: Range<usize>,
    value: Range<usize>,
}

struct Reader<'d> {
    pieces: Vec<Piece<'d>>,
    /// How many parts there are by each path.
    counts: BTreeMap<String, usize>,
}

impl<'d> Reader<'d> {
    fn inside(&mut self, holder: &Holder<'d>, plain: &[u8]) -> Result<(), PieceFault> {
        if DEPTH < holder.depth {
            return Err(holder.fault(0, Fault::TooDeep));
        }
        match holder.inside.scheme {
            Scheme::Positional { repeated } => self.positional(holder, repeated, plain),
            Scheme::Tagged(tagged) => self.tagged(holder, tagged, plain),
            Scheme::Ber => self.ber(holder, plain),
            Scheme::Bitmap { hex, bytes } => self.bitmap(holder, (hex, bytes), plain),
            Scheme::Tokens => self.tokens(holder, plain),
        }
    }

    fn positional(
        &mut self,
        holder: &Holder<'d>,
        repeated: bool,
        plain: &[u8],
    ) -> Result<(), PieceFault> {
        let mut at = 0;
        loop {
            for part in &holder.inside.parts {
                if at == plain.len() && !(repeated && part.key != "1") {
                    break;
                }
                at = self.measured(holder, part, at, plain)?;
            }
            if !repeated || plain.len() <= at {
                break;
            }
        }
        ended(holder, at, plain)
    }

    fn bitmap(
        &mut self,
        holder: &Holder<'d>,
        (hex, bytes): (bool, u8),
        plain: &[u8],
    ) -> Result<(), PieceFault> {
        let bytes = usize::from(bytes);
        let mut at = if hex { 2 * bytes } else { bytes };
        let field = plain.get(..at).ok_or_else(|| holder.fault(0, Fault::Truncated))?;
        if hex && !super::check::hex(field) {
            return Err(holder.fault(0, Fault::Bitmap));
        }
        for bit in 0..8 * bytes {
            if take::bit(hex, field, bit) {
                let key = (bit + 1).to_string();
                let part = holder.inside.part(&key);
                let part = part.ok_or_else(|| holder.fault_of(&key, at, Fault::Undefined))?;
                at = self.measured(holder, part, at, plain)?;
            }
        }
        ended(holder, at, plain)
    }

    fn tagged(
        &mut self,
        holder: &Holder<'d>,
        tagged: Tagged,
        plain: &[u8],
    ) -> Result<(), PieceFault> {
        let mut at = usize::from(tagged.lead).min(plain.len());
        if 0 < at {
            let found = Found { key: "lead".to_owned(), whole: 0..at, value: 0..at };
            self.found(holder, &found, plain)?;
        }
        while at < plain.len() {
            let rest = plain.get(at..).unwrap_or_default();
            let (key, head, len) =
                take::tag(tagged, rest).map_err(|fault| holder.fault(at, fault))?;
            if rest.len() - head < len {
                return Err(holder.fault_of(&key, at, Fault::Truncated));
            }
            let end = at + head + len;
            self.found(holder, &Found { key, whole: at..end, value: at + head..end }, plain)?;
            at = end;
        }
        Ok(())
    }

    fn ber(&mut self, holder: &Holder<'d>, plain: &[u8]) -> Result<(), PieceFault> {
        let mut at = 0;
        while let Some(first) = plain.get(at) {
            if matches!(first, 0x00 | 0xFF) {
                at += 1;
                continue;
            }
            let rest = plain.get(at..).unwrap_or_default();
            let object = ber::object(rest).map_err(|fault| holder.fault(at, fault))?;
            let end = at + object.head + object.len;
            if plain.len() < end {
                return Err(holder.fault_of(&object.tag, at, Fault::Truncated));
            }
            let found = Found { key: object.tag, whole: at..end, value: at + object.head..end };
            if object.constructed {
                self.constructed(holder, &found, plain)?;
            } else {
                self.found(holder, &found, plain)?;
            }
            at = end;
        }
        Ok(())
    }

    /// An object of objects; they are known by the same rows.
    fn constructed(
        &mut self,
        holder: &Holder<'d>,
        found: &Found,
        plain: &[u8],
    ) -> Result<(), PieceFault> {
        let part = holder.inside.part(&found.key);
        let value = plain.get(found.value.clone()).unwrap_or_default();
        let path = self.push(holder, found, value.to_vec(), true);
        let inner = Holder {
            inside: part.and_then(|part| part.inside.as_ref()).unwrap_or(holder.inside),
            path,
            class: part.map_or(holder.class, |part| part.row.class),
            base: holder.base.map(|base| base + found.value.start),
            depth: holder.depth + 1,
        };
        self.inside(&inner, value)
    }

    fn tokens(&mut self, holder: &Holder<'d>, plain: &[u8]) -> Result<(), PieceFault> {
        let (count, total) = take::token_header(plain).map_err(|fault| holder.fault(0, fault))?;
        if total != plain.len() {
            return Err(holder.fault(0, Fault::Disagrees));
        }
        let (mut at, mut tokens) = (take::TOKEN_HEADER, 1);
        while at < plain.len() {
            let rest = plain.get(at..).unwrap_or_default();
            let (key, len) = take::token(rest).map_err(|fault| holder.fault(at, fault))?;
            let value = at + take::TOKEN_HEAD..at + take::TOKEN_HEAD + len;
            if plain.len() < value.end {
                return Err(holder.fault_of(&key, at, Fault::Truncated));
            }
            let end = value.end;
            self.found(holder, &Found { key, whole: at..end, value }, plain)?;
            (at, tokens) = (end, tokens + 1);
        }
        if count == tokens { Ok(()) } else { Err(holder.fault(0, Fault::Disagrees)) }
    }

    /// A part that says its own length; gives where it ends.
    fn measured(
        &mut self,
        holder: &Holder<'d>,
        part: &'d Part,
        at: usize,
        plain: &[u8],
    ) -> Result<usize, PieceFault> {
        let rest = plain.get(at..).unwrap_or_default();
        let fault = |fault| holder.fault_of(&part.key, at, fault);
        let taken = take::part(&part.row, rest).map_err(fault)?;
        let value = at + taken.head..at + taken.head + taken.len;
        let end = value.end + taken.tail;
        self.found(holder, &Found { key: part.key.clone(), whole: at..end, value }, plain)?;
        Ok(end)
    }

    /// A part whose length is known. If it has a row its value must be as that says, and its own parts follow.
    fn found(
        &mut self,
        holder: &Holder<'d>,
        found: &Found,
        plain: &[u8],
    ) -> Result<(), PieceFault> {
        let wire = plain.get(found.value.clone()).unwrap_or_default();
        let Some(part) = holder.inside.part(&found.key) else {
            self.push(holder, found, wire.to_vec(), false);
            return Ok(());
        };
        let unpacked = take::unpacked(&part.row, wire)
            .map_err(|fault| holder.fault_of(&part.key, found.whole.start, fault))?;
        let path = self.push(holder, found, unpacked.plain.clone(), part.inside.is_some());
        let Some(inside) = &part.inside else { return Ok(()) };
        let base =
            if unpacked.in_place { holder.base.map(|base| base + found.value.start) } else { None };
        let inner = Holder { inside, path, class: part.row.class, base, depth: holder.depth + 1 };
        self.inside(&inner, &unpacked.plain)
    }

    /// Notes a part; gives its path.
    fn push(
        &mut self,
        holder: &Holder<'d>,
        found: &Found,
        plain: Vec<u8>,
        divided: bool,
    ) -> String {
        let path = self.path(holder, &found.key);
        let row = holder.inside.part(&found.key).map(|part| &part.row);
        self.pieces.push(Piece {
            path: path.clone(),
            row,
            class: row.map_or(holder.class, |row| row.class),
            content: row.map_or_else(|| holder.inside.scheme.unknown(), |row| row.content),
            at: holder.base.map(|base| base + found.whole.start..base + found.whole.end),
            plain,
            divided,
        });
        path
    }

    /// The path of one more part by this key.
    fn path(&mut self, holder: &Holder<'_>, key: &str) -> String {
        let path = format!("{}.{key}", holder.path);
        let count = self.counts.entry(path.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { path } else { format!("{path}#{count}") }
    }
}

/// Nothing may stand behind the last part.
fn ended(holder: &Holder<'_>, at: usize, plain: &[u8]) -> Result<(), PieceFault> {
    match plain.len().saturating_sub(at) {
        0 => Ok(()),
        bytes => Err(holder.fault(at, Fault::Trailing { bytes })),
    }
}

#[cfg(test)]
mod tests;
