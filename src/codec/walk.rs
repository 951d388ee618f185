//! One pass over a message: where each element lies, and whether all of it is as the dialect says.
//!
//! The pass itself only says yes or no; what exactly is wrong is found out by a second look at the one place.

use super::value;
use super::{Fault, check};
use crate::dialect::{BitmapCoding, Dialect, Filler, Form, Layout, MtiCoding, Prefix};
use crate::iso::{ElementNo, ElementSet, Mti};

/// Where the elements that are present begin, length fields included, by their rank; behind the last, where it ends.
pub(super) type Starts = [u16; 129];

/// The longest body in bytes: offsets have sixteen bits.
const BODY_LEN_MAX: usize = 65_535;

/// The element whose bit announces a third bitmap, where it is no element.
const EXTENDED: ElementNo = ElementNo::of(65);

/// What was read, and what stands behind it.
type Behind<'a, T> = (T, &'a [u8]);

/// What a walk has found out so far.
pub(super) struct Found {
    /// The MTI, once it was read.
    pub(super) mti: Option<Mti>,
    /// The elements that were read and are right.
    pub(super) read: ElementSet,
}

/// Where a walk ended before the message did.
#[derive(Clone, Copy)]
pub(super) struct Stop {
    pub(super) element: Option<u8>,
    pub(super) offset: usize,
    pub(super) fault: Fault,
}

/// Walks a whole body.
#[inline]
pub(super) fn walk(
    dialect: &Dialect,
    body: &[u8],
    found: &mut Found,
    starts: &mut Starts,
) -> Result<(), Stop> {
    let len = body.len();
    let stop = |rest: &[u8], element, fault| Stop { element, offset: len - rest.len(), fault };
    if BODY_LEN_MAX < len {
        return Err(stop(body, None, Fault::TooLong { len, max: BODY_LEN_MAX }));
    }
    let (mti, rest) = read_mti(dialect.mti(), body).map_err(|fault| stop(body, None, fault))?;
    found.mti = Some(mti);
    let (present, rest) =
        read_bitmaps(dialect.bitmap(), rest).map_err(|(fault, rest)| stop(rest, Some(1), fault))?;
    if present.has(EXTENDED) && dialect.layout(EXTENDED).is_none() {
        // Who sets this bit sends a third bitmap here: nothing behind it lies where we would look.
        return Err(stop(rest, Some(EXTENDED.get()), Fault::Undefined));
    }
    let (mut rest, mut rank) = (rest, 0);
    for (bits, before) in present.halves() {
        if bits == 0 {
            continue;
        }
        let half = Half { dialect, before, len };
        rest = half.walk(bits, rest, starts.get_mut(rank..).unwrap_or_default()).map_err(
            |(number, rest)| {
                let no = u8::try_from(number).ok().and_then(|number| ElementNo::new(number).ok());
                found.read = no.map_or(ElementSet::EMPTY, |no| present.below(no));
                stop(
                    rest,
                    no.map(ElementNo::get),
                    diagnosis(no.and_then(|no| dialect.layout(no)), rest),
                )
            },
        )?;
        rank += bits.count_ones() as usize;
    }
    if let (Some(end), Ok(offset)) = (starts.get_mut(rank), u16::try_from(len - rest.len())) {
        *end = offset;
    }
    found.read = present;
    if rest.is_empty() {
        Ok(())
    } else {
        Err(stop(rest, None, Fault::Trailing { bytes: rest.len() }))
    }
}

/// The elements of one bitmap.
struct Half<'d> {
    dialect: &'d Dialect,
    /// The number of the element before the first.
    before: usize,
    /// The length of the whole body.
    len: usize,
}

impl Half<'_> {
    /// Walks the elements of these bits; gives what stands behind them, or the first wrong element and where it begins.
    ///
    /// What is wrong with elements that are masks is gathered and looked at once: where the next element begins
    /// does not depend on it, and the processor need not wait for it.
    fn walk<'a>(
        &self,
        bits: u64,
        body: &'a [u8],
        starts: &mut [u16],
    ) -> Result<&'a [u8], Wrong<'a>> {
        let (mut ahead, mut rest, mut wrong) = (bits, body, 0);
        for start in starts {
            if ahead == 0 {
                break;
            }
            let zeros = ahead.leading_zeros();
            ahead &= !(FIRST >> zeros);
            // A body has no more than 65,535 bytes.
            *start = u16::try_from(self.len - rest.len()).unwrap_or(u16::MAX);
            let number = self.before + zeros as usize;
            let quick = self.dialect.quick().get(number).filter(|quick| quick.wire != 0);
            rest = match (quick, rest.first_chunk::<8>()) {
                (Some(quick), Some(eight)) if usize::from(quick.wire) <= rest.len() => {
                    wrong |= check::masked(u64::from_be_bytes(*eight), quick.nibbles, quick.digits);
                    rest.get(usize::from(quick.wire)..).unwrap_or_default()
                }
                _ => match slow(self.dialect, number, rest) {
                    Some(behind) => behind,
                    None => return self.first_wrong(bits, body),
                },
            };
        }
        if wrong == 0 { Ok(rest) } else { self.first_wrong(bits, body) }
    }

    /// Walks again, to find the first element that is wrong.
    #[cold]
    fn first_wrong<'a>(&self, bits: u64, body: &'a [u8]) -> Result<&'a [u8], Wrong<'a>> {
        let mut rest = body;
        for zeros in (0..64).filter(|zeros| bits & (FIRST >> zeros) != 0) {
            let number = self.before + zeros;
            rest = slow(self.dialect, number, rest).ok_or((number, rest))?;
        }
        Ok(rest)
    }
}

/// The number of an element that is wrong, and what of the body begins with it.
type Wrong<'a> = (usize, &'a [u8]);

/// The highest bit of 64: the first element of a bitmap.
const FIRST: u64 = 1 << 63;

/// What stands behind any element that is right. Apart from the loop, whose few values then stay in registers.
#[inline(never)]
fn slow<'a>(dialect: &Dialect, number: usize, rest: &'a [u8]) -> Option<&'a [u8]> {
    let layout = dialect.layouts().get(number)?.as_ref()?;
    rest.get(right_len(layout, rest)?..)
}

/// How many bytes the element at the front of `rest` takes, length field included; none when anything about it is wrong.
#[inline]
fn right_len(layout: &Layout, rest: &[u8]) -> Option<usize> {
    let (prefix, units) = match (layout.prefix, rest) {
        (Prefix::None, _) => {
            let wire = usize::from(layout.wire);
            let units = usize::from(layout.max);
            return is_right(layout.form, units, rest.get(..wire)?).then_some(wire);
        }
        (Prefix::Bcd(1), [pair, ..]) => (1, packed_pair(*pair)?),
        (Prefix::Ascii(2), [tens, ones, ..]) if layout.form != Form::HexByDigits => {
            (2, digit(*tens)? * 10 + digit(*ones)?)
        }
        _ => {
            let (units, _, behind) = value::measure(layout, rest).ok()?;
            (rest.len() - behind.len(), units)
        }
    };
    if usize::from(layout.max) < units {
        return None;
    }
    let end = prefix + layout.form.wire_len(units);
    is_right(layout.form, units, rest.get(prefix..end)?).then_some(end)
}

/// What is wrong with the element at the front of `rest`.
#[cold]
fn diagnosis(layout: Option<Layout>, rest: &[u8]) -> Fault {
    let Some(layout) = layout else { return Fault::Undefined };
    match value::measure(&layout, rest) {
        Err(fault) => fault,
        Ok((_, len, rest)) if rest.len() < len => Fault::Truncated,
        Ok(_) => Fault::Content(value::content(layout.form)),
    }
}

/// The digit of a length field.
#[inline]
fn digit(byte: u8) -> Option<usize> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(usize::from(digit))
}

/// Two packed digits of a length field.
#[inline]
fn packed_pair(byte: u8) -> Option<usize> {
    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
    (high < 10 && low < 10).then_some(high * 10 + low)
}

/// Whether a value on the wire consists of what it may.
#[inline]
fn is_right(form: Form, units: usize, wire: &[u8]) -> bool {
    match form {
        Form::Text | Form::Raw => true,
        Form::Digits => check::digits(wire),
        // A filler of zero may be any digit on the way in, and needs no look of its own.
        Form::PackedDigits(Filler::LeftZero | Filler::RightZero) => check::packed(wire),
        Form::PackedDigits(Filler::RightF) => packed(Filler::RightF, units, wire),
        Form::PackedTrack(filler) => packed_track(filler, units, wire),
        Form::Alphanumeric => check::alphanumeric(wire),
        Form::Track => check::track(wire),
        Form::Letters => check::letters(wire),
        Form::NumericSpecial => check::no_letters(wire),
        Form::Hex | Form::HexByDigits => check::hex(wire),
        Form::Signed => wire.is_empty() || check::signed(wire),
        Form::PackedSigned(filler) => match wire {
            [] => true,
            [b'C' | b'D', digits @ ..] => packed(filler, units - 1, digits),
            _ => false,
        },
    }
}

/// Packed digits with their filler. Any digit may fill on the way in; what is sent is the filler of the dialect.
fn packed(filler: Filler, units: usize, wire: &[u8]) -> bool {
    match (filler, wire) {
        (Filler::RightF, [digits @ .., last]) if units % 2 == 1 && last & 0x0F == 0x0F => {
            check::packed(digits) && last >> 4 < 10
        }
        _ => check::packed(wire),
    }
}

/// As `packed`, with separators among the digits, but none for a filler.
fn packed_track(filler: Filler, units: usize, wire: &[u8]) -> bool {
    let filled = match (filler, wire) {
        _ if units % 2 == 0 => return check::packed_track(wire),
        (Filler::LeftZero, [first, ..]) => first >> 4,
        (Filler::RightF, [digits @ .., last]) if last & 0x0F == 0x0F => {
            return check::packed_track(digits) && check::packed_track(&[last & 0xF0]);
        }
        (_, [.., last]) => last & 0x0F,
        _ => 0,
    };
    filled < 10 && check::packed_track(wire)
}

/// The MTI at the front of a message.
#[inline]
fn read_mti(coding: MtiCoding, body: &[u8]) -> Result<(Mti, &[u8]), Fault> {
    match coding {
        MtiCoding::Ascii => {
            let (digits, rest) = body.split_first_chunk::<4>().ok_or(Fault::Truncated)?;
            Ok((Mti::from_ascii(digits).or(Err(Fault::Mti))?, rest))
        }
        MtiCoding::Bcd => {
            let ([high, low], rest) = body.split_first_chunk::<2>().ok_or(Fault::Truncated)?;
            if !check::packed(&[*high, *low]) {
                return Err(Fault::Mti);
            }
            let pair = |byte: u8| u16::from(byte >> 4) * 10 + u16::from(byte & 15);
            Ok((Mti::new(pair(*high) * 100 + pair(*low)).or(Err(Fault::Mti))?, rest))
        }
    }
}

/// One or two bitmaps, without the bit that says which; on a fault, what the faulty one begins.
#[inline]
fn read_bitmaps(
    coding: BitmapCoding,
    rest: &[u8],
) -> Result<Behind<'_, ElementSet>, Behind<'_, Fault>> {
    let (first, behind) = read_bitmap(coding, rest).map_err(|fault| (fault, rest))?;
    let bits = u128::from(first) << 64;
    if first >> 63 == 0 {
        return Ok((ElementSet::from_bits(bits), behind));
    }
    let (second, end) = read_bitmap(coding, behind).map_err(|fault| (fault, behind))?;
    Ok((ElementSet::from_bits((bits | u128::from(second)) & (u128::MAX >> 1)), end))
}

/// 64 bits.
#[inline]
fn read_bitmap(coding: BitmapCoding, rest: &[u8]) -> Result<(u64, &[u8]), Fault> {
    match coding {
        BitmapCoding::Binary => {
            let (bytes, rest) = rest.split_first_chunk::<8>().ok_or(Fault::Truncated)?;
            Ok((u64::from_be_bytes(*bytes), rest))
        }
        BitmapCoding::Hex => {
            let (digits, rest) = rest.split_first_chunk::<16>().ok_or(Fault::Truncated)?;
            if !check::hex(digits) {
                return Err(Fault::Bitmap);
            }
            Ok((
                digits.iter().fold(0, |bits, digit| bits << 4 | u64::from(value::nibble(*digit))),
                rest,
            ))
        }
    }
}
