//! A message to be: elements of our own over elements copied from another message.

use super::{EncodeError, Fault, Message, Plain, value};
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
        let Some((message, set)) = self.copied else {
            return self
                .own
                .iter()
                .try_for_each(|(no, value)| write_plain(dialect, no, value, out));
        };
        let there = message.present();
        let copied = there.and(set).minus(self.own.present());
        let unlike = unlike(message, copied, dialect);
        // Between these, the message's elements are written side by side as they lie in it.
        let breaks = self.own.present().or(there.minus(copied)).or(unlike);
        let (mut own, mut from) = (self.own.iter(), 0);
        for no in breaks.iter() {
            let rank = there.rank(no);
            out.extend_from_slice(message.stretch(from, rank));
            from = rank + usize::from(there.has(no));
            if self.own.present().has(no) {
                own.next().map_or(Ok(()), |(_, value)| write_plain(dialect, no, value, out))?;
            } else if copied.has(no) {
                let whole = message.stretch(rank, from);
                let plain = message.dialect().layout(no).and_then(|row| Plain::of(row, whole));
                write_plain(dialect, no, &plain.unwrap_or_default(), out)?;
            }
        }
        out.extend_from_slice(message.stretch(from, there.len() as usize));
        Ok(())
    }
}

/// Those of the message's elements that the dialect writes otherwise than the message's own.
fn unlike(message: &Message, copied: ElementSet, dialect: &Dialect) -> ElementSet {
    let from = message.dialect();
    if std::ptr::eq(&raw const **from, dialect) {
        return ElementSet::EMPTY;
    }
    copied.iter().filter(|no| from.layout(*no) != dialect.layout(*no)).collect()
}

/// Appends a plain value.
fn write_plain(
    dialect: &Dialect,
    no: ElementNo,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let layout = dialect.layout(no).ok_or(Fault::Undefined);
    layout
        .and_then(|layout| value::pack(layout, plain, out))
        .map_err(|fault| EncodeError { element: no, fault })
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
        write_bitmap(dialect.bitmap(), bits.to_be_bytes(), out);
    }
}

fn write_bitmap(coding: BitmapCoding, bytes: [u8; 8], out: &mut Vec<u8>) {
    match coding {
        BitmapCoding::Binary => out.extend_from_slice(&bytes),
        BitmapCoding::Hex(alphabet) => {
            let start = out.len();
            for four in bytes.as_chunks().0 {
                out.extend_from_slice(&value::hex_digits(*four));
            }
            if alphabet == Alphabet::Ebcdic {
                value::translate(CodePage::Cp037, out.get_mut(start..).unwrap_or_default());
            }
        }
    }
}
