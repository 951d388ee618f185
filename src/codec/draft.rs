//! A message to be: elements of our own over elements copied from another message.

use std::ops::Range;

use super::{EncodeError, Fault, Message, value};
use crate::dialect::{Alphabet, BitmapCoding, CodePage, Dialect, MtiCoding, Second};
use crate::iso::{ElementNo, ElementSet, Elements, Mti};

/// A message to be.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// What it is.
    pub mti: Mti,
    /// Elements of our own; they win over copied ones.
    pub own: &'a Elements,
    /// A message, and which of its elements are repeated where it has them.
    pub copied: Option<(&'a Message, ElementSet)>,
}

impl Draft<'_> {
    /// The elements that the message will have.
    pub fn present(&self) -> ElementSet {
        let copied =
            self.copied.map_or(ElementSet::EMPTY, |(message, set)| message.present().and(set));
        self.own.present().or(copied)
    }

    /// Appends the message as the dialect writes it; on an error nothing is appended.
    ///
    /// A copied element that both dialects write alike is copied as it lies on the wire; another is re-coded.
    pub fn encode(&self, dialect: &Dialect, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        self.write(dialect, out).inspect_err(|_| out.truncate(start))
    }

    fn write(&self, dialect: &Dialect, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let present = self.present();
        if let Some(element) = present.minus(dialect.defined()).iter().next() {
            return Err(EncodeError { element, fault: Fault::Undefined });
        }
        write_mti(dialect.mti(), self.mti, out);
        write_bitmaps(dialect, present, out);
        let mut own = self.own.iter();
        let mut copied = Copied { pending: 0..0 };
        for no in present.iter() {
            let written = if self.own.present().has(no) {
                copied.flush(self.copied, out);
                own.next().map_or(Ok(()), |(_, value)| write_plain(dialect, no, value, out))
            } else {
                copied.add(self.copied, dialect, no, out)
            };
            written.map_err(|fault| EncodeError { element: no, fault })?;
        }
        copied.flush(self.copied, out);
        Ok(())
    }
}

/// The message that is copied from, and which of its elements are.
type Source<'a> = Option<(&'a Message, ElementSet)>;

/// Copied elements that lie side by side and are written alike, until they are copied in one piece.
struct Copied {
    pending: Range<usize>,
}

impl Copied {
    /// Adds an element to what is pending, or appends it re-coded.
    fn add(
        &mut self,
        source: Source<'_>,
        dialect: &Dialect,
        no: ElementNo,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let (message, _) = source.ok_or(Fault::Undefined)?;
        let alike = std::ptr::eq(&raw const **message.dialect(), dialect)
            || message.dialect().layout(no) == dialect.layout(no);
        if alike {
            let (start, end) = message.span(no).ok_or(Fault::Undefined)?;
            if self.pending.end != start {
                self.flush(source, out);
                self.pending.start = start;
            }
            self.pending.end = end;
            return Ok(());
        }
        self.flush(source, out);
        let plain = message.get(no).ok_or(Fault::Undefined)?;
        write_plain(dialect, no, &plain, out)
    }

    /// Appends what is pending.
    fn flush(&mut self, source: Source<'_>, out: &mut Vec<u8>) {
        let pending = std::mem::replace(&mut self.pending, 0..0);
        if let Some(bytes) = source.and_then(|(message, _)| message.body().get(pending)) {
            out.extend_from_slice(bytes);
        }
    }
}

/// Appends a plain value.
fn write_plain(
    dialect: &Dialect,
    no: ElementNo,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let layout = dialect.layout(no).ok_or(Fault::Undefined)?;
    value::pack(layout, plain, out)
}

fn write_mti(coding: MtiCoding, mti: Mti, out: &mut Vec<u8>) {
    let [a, b, c, d] = mti.ascii();
    match coding {
        MtiCoding::Ascii => out.extend_from_slice(&[a, b, c, d]),
        MtiCoding::Ebcdic => out.extend([a, b, c, d].map(|digit| digit ^ 0xC0)),
        MtiCoding::Bcd => out.extend_from_slice(&[a << 4 | b & 15, c << 4 | d & 15]),
    }
}

/// Appends one bitmap; two when an element beyond 64 is present or the dialect always has two; three with one beyond 128.
fn write_bitmaps(dialect: &Dialect, present: ElementSet, out: &mut Vec<u8>) {
    /// The first bit of a bitmap: a further one follows.
    const FURTHER: u64 = 1 << 63;
    let [mut first, mut second, third] = present.bitmaps();
    if third != 0 {
        second |= FURTHER;
    }
    if second != 0 || matches!(dialect.second(), Second::Always | Second::Fixed) {
        first |= FURTHER;
    }
    let count = 1 + usize::from(first & FURTHER != 0) + usize::from(third != 0);
    for bits in [first, second, third].into_iter().take(count) {
        write_bitmap(dialect.bitmap(), &bits.to_be_bytes(), out);
    }
}

fn write_bitmap(coding: BitmapCoding, bytes: &[u8; 8], out: &mut Vec<u8>) {
    match coding {
        BitmapCoding::Binary => out.extend_from_slice(bytes),
        BitmapCoding::Hex(alphabet) => {
            let start = out.len();
            out.extend(
                bytes
                    .iter()
                    .flat_map(|byte| [value::hex_digit(byte >> 4), value::hex_digit(byte & 15)]),
            );
            if alphabet == Alphabet::Ebcdic {
                value::translate(CodePage::Cp037, out.get_mut(start..).unwrap_or_default());
            }
        }
    }
}
