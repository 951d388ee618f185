//! One pass over a message: where each element lies, and whether all of it is as the dialect says.
//!
//! The pass itself only says yes or no; what exactly is wrong is found out by a second look at the one place.

use super::check::Gathered;
use super::{Fault, check, value};
use crate::dialect::{
    Alphabet, BitmapCoding, Contents, Dialect, Filler, Form, Layout, Lead, MtiCoding, Second, Step,
    Third,
};
use crate::iso::{ElementNo, ElementSet, Mti};

/// Where the elements that are present begin, length fields included, by their rank; behind the last, where it ends.
pub(super) type Starts = [u16; ElementNo::MAX as usize + 1];

/// None yet.
pub(super) const NOWHERE: Starts = [0; ElementNo::MAX as usize + 1];

/// The longest body in bytes: offsets have sixteen bits, and the last of them lies beyond every body.
pub(super) const BODY_LEN_MAX: usize = BEYOND as usize - 1;

/// An offset beyond every body; where sums end that are too large.
const BEYOND: u16 = u16::MAX;

/// The element whose bit announces a third bitmap, where it is no element.
const EXTENDED: ElementNo = ElementNo::of(65);

/// What was read, and what stands behind it.
type Behind<'a, T> = (T, &'a [u8]);

/// Where a walk ended before the message did.
#[derive(Clone, Copy)]
pub(super) struct Stop {
    pub(super) element: Option<u8>,
    pub(super) offset: usize,
    pub(super) fault: Fault,
}

/// The MTI, which elements there are, and where they begin.
pub(super) type Head = (Mti, ElementSet, u16);

/// What precedes the elements: the MTI, which elements there are, and where they begin. On a fault, the MTI if it was read.
#[inline]
pub(super) fn head(dialect: &Dialect, body: &[u8]) -> Result<Head, (Option<Mti>, Stop)> {
    let len = body.len();
    let stop = |rest: &[u8], element, fault| Stop { element, offset: len - rest.len(), fault };
    if BODY_LEN_MAX < len {
        return Err((None, stop(body, None, Fault::TooLong { len, max: BODY_LEN_MAX })));
    }
    let (mti, rest) =
        read_mti(dialect.mti(), body).map_err(|fault| (None, stop(body, None, fault)))?;
    let (present, rest) = read_bitmaps(dialect, rest)
        .map_err(|(fault, rest)| (Some(mti), stop(rest, Some(1), fault)))?;
    if present.has(EXTENDED) && dialect.layout(EXTENDED).is_none() {
        // Who sets this bit sends a third bitmap here: nothing behind it lies where we would look.
        return Err((Some(mti), stop(rest, Some(EXTENDED.get()), Fault::Undefined)));
    }
    Ok((mti, present, u16::try_from(len - rest.len()).unwrap_or(BEYOND)))
}

/// Walks the elements and notes where they begin. On a fault, also the elements before it.
#[inline]
pub(super) fn walk(
    dialect: &Dialect,
    body: &[u8],
    (mti, present, begin): Head,
    starts: &mut Starts,
) -> Result<(), (ElementSet, Stop)> {
    let (mut at, mut rank) = (begin, 0);
    let (bits, unseen) = (present.bitmaps(), dialect.unseen().bitmaps());
    for (map, steps) in dialect.steps().iter().enumerate() {
        let (Some(&bits), Some(&unseen)) = (bits.get(map), unseen.get(map)) else { break };
        if bits == 0 {
            continue;
        }
        let map = OneMap { dialect, steps, first: 64 * map + 1, unseen, body };
        let starts = starts.get_mut(rank..).unwrap_or_default();
        at = map.walk(bits, at, starts).map_err(|wrong| found(dialect, body, present, wrong))?;
        rank += bits.count_ones() as usize;
    }
    if let Some(end) = starts.get_mut(rank) {
        *end = at;
    }
    match body.get(usize::from(at)..).unwrap_or_default() {
        [] if dialect.rules().is_empty() => Ok(()),
        [] => lacking(dialect, (mti, present, at), starts),
        rest => {
            let fault = Fault::Trailing { bytes: rest.len() };
            Err((present, Stop { element: None, offset: usize::from(at), fault }))
        }
    }
}

/// An element that the dialect wants in such a message and that is missing, or that may not be in it.
#[cold]
fn lacking(
    dialect: &Dialect,
    (mti, present, end): Head,
    starts: &Starts,
) -> Result<(), (ElementSet, Stop)> {
    for rule in dialect.rules().iter().filter(|rule| rule.pattern.fits(mti)) {
        let (wrong, fault) = if rule.mandatory {
            (rule.elements.minus(present), Fault::Missing)
        } else {
            (rule.elements.and(present), Fault::Forbidden)
        };
        if let Some(no) = wrong.iter().next() {
            let begin = starts.get(present.rank(no)).copied().filter(|_| present.has(no));
            let offset = usize::from(begin.unwrap_or(end));
            return Err((present, Stop { element: Some(no.get()), offset, fault }));
        }
    }
    Ok(())
}

/// What is wrong with an element, and what was read before it.
#[cold]
fn found(
    dialect: &Dialect,
    body: &[u8],
    present: ElementSet,
    (number, at): Wrong,
) -> (ElementSet, Stop) {
    let no = u8::try_from(number).ok().and_then(|number| ElementNo::new(number).ok());
    let offset = usize::from(at);
    let layout = no.and_then(|no| dialect.layout(no));
    let fault = diagnosis(layout, body.get(offset..).unwrap_or_default());
    let read = no.map_or(ElementSet::EMPTY, |no| present.below(no));
    (read, Stop { element: no.map(ElementNo::get), offset, fault })
}

/// The elements of one bitmap.
struct OneMap<'d> {
    dialect: &'d Dialect,
    steps: &'d [Step; 64],
    /// The number of the first.
    first: usize,
    /// Those whose values must be looked at.
    unseen: u64,
    body: &'d [u8],
}

/// The number of an element that is wrong, and where it begins.
type Wrong = (usize, u16);

impl OneMap<'_> {
    /// Walks the elements of these bits from an offset on; gives where they end, or the first that is wrong.
    fn walk(&self, bits: u64, begin: u16, starts: &mut [u16]) -> Result<u16, Wrong> {
        let end = match self.dialect.contents() {
            Contents::Checked => self.ends::<true>(bits, begin, starts),
            Contents::Unchecked => self.ends::<false>(bits, begin, starts),
        };
        match end.filter(|_| self.are_right(bits, starts)) {
            Some(end) => Ok(end),
            None => self.slowly(bits, begin, starts),
        }
    }

    /// Notes where each element begins, and where the last one ends; none when anything about their lengths is wrong, or
    /// about values that are short numbers, where those are checked. A function of its own, so that its few values stay in registers.
    #[inline(never)]
    fn ends<const CHECKED: bool>(&self, bits: u64, begin: u16, starts: &mut [u16]) -> Option<u16> {
        // The first element as the lowest bit.
        let (mut ahead, mut at, mut places) = (bits.reverse_bits(), begin, starts.iter_mut());
        let mut gathered = Gathered::default();
        while ahead != 0 {
            let place = ahead.trailing_zeros() as usize;
            ahead &= ahead - 1;
            *places.next()? = at;
            let step = self.steps.get(place & 63)?;
            if !CHECKED && step.lead == Lead::None && step.taken == 0 {
                at = at.saturating_add(step.base);
                continue;
            }
            let eight = self.eight(at)?;
            gathered.values(eight, step);
            at = at.saturating_add(step.base);
            if step.lead == Lead::None {
                continue;
            }
            let field = (eight ^ step.flip) >> (step.down & 63);
            let number = match step.lead {
                Lead::Digits => (field >> 16) * 100 + (field >> 8 & 0xFF) * 10 + (field & 0xFF),
                Lead::Packed => packed_number(field),
                Lead::Binary | Lead::None => field,
                Lead::Other => {
                    at = self.other(place, at)?;
                    continue;
                }
            };
            gathered.number(number, step);
            let counted = ((number << (step.left & 3)) + u64::from(step.up)) >> 1;
            // No length field that is walked over here holds more than two bytes do.
            at = at.saturating_add(u16::try_from(counted).ok()?);
        }
        *places.next()? = at;
        (gathered.is_right() && usize::from(at) <= self.body.len()).then_some(at)
    }

    /// The eight bytes that begin here, with zeros for those behind the end.
    #[inline]
    fn eight(&self, at: u16) -> Option<u64> {
        let at = usize::from(at);
        match self.body.get(at..at + 8).and_then(|eight| eight.first_chunk()) {
            Some(eight) => Some(u64::from_be_bytes(*eight)),
            None => self.body.get(at..).map(padded),
        }
    }

    /// Where an element ends that begins here and whose step does not tell.
    #[inline(never)]
    fn other(&self, zeros: usize, at: u16) -> Option<u16> {
        let layout = self.dialect.layouts().get(self.first + zeros).copied()??;
        let rest = self.body.get(usize::from(at)..)?;
        let (_, len, behind) = value::measure(layout, rest).ok()?;
        at.checked_add(u16::try_from(rest.len() - behind.len() + len).ok()?)
    }

    /// Whether the values consist of what they may, as far as a walk has not seen it.
    fn are_right(&self, bits: u64, starts: &[u16]) -> bool {
        let mut ahead = bits & self.unseen;
        while ahead != 0 {
            let zeros = ahead.leading_zeros() as usize;
            let bit = FIRST >> zeros;
            ahead &= !bit;
            // As many begin before it as there are higher bits.
            let rank = (bits & !(bit | (bit - 1))).count_ones() as usize;
            let Some([start, end, ..]) = starts.get(rank..) else { return true };
            if !self.is_right(zeros, *start, *end) {
                return false;
            }
        }
        true
    }

    fn is_right(&self, zeros: usize, start: u16, end: u16) -> bool {
        let layout = self.dialect.layouts().get(self.first + zeros).copied().flatten();
        let whole = self.body.get(usize::from(start)..usize::from(end));
        let (Some(layout), Some(whole)) = (layout, whole) else { return false };
        let Some(wire) = whole.get(layout.prefix.width()..) else { return false };
        right_whatever_units(layout.form, wire).unwrap_or_else(|| {
            value::measured(layout, whole)
                .is_some_and(|(units, wire)| is_right(layout.form, units, wire))
        })
    }

    /// As `is_right`; where contents are not checked, any value passes that the quick walk would not have looked at.
    fn passes(&self, zeros: usize, start: u16, end: u16) -> bool {
        let seen = |step: &Step| step.lead == Lead::None && step.taken != 0;
        let looked_at = self.dialect.contents() == Contents::Checked
            || self.unseen & (FIRST >> zeros) != 0
            || self.steps.get(zeros).is_some_and(seen);
        if looked_at {
            self.is_right(zeros, start, end)
        } else {
            usize::from(end) <= self.body.len()
        }
    }

    /// Walks again, one element after the other, to find the first that is wrong.
    #[cold]
    fn slowly(&self, bits: u64, begin: u16, starts: &mut [u16]) -> Result<u16, Wrong> {
        let (mut at, mut places) = (begin, starts.iter_mut());
        for zeros in (0..64).filter(|zeros| bits & (FIRST >> zeros) != 0) {
            places.next().into_iter().for_each(|place| *place = at);
            let end = self.other(zeros, at).filter(|end| self.passes(zeros, at, *end));
            at = end.ok_or((self.first + zeros, at))?;
        }
        Ok(at)
    }
}

/// The highest bit of 64: the first element of a bitmap.
const FIRST: u64 = 1 << 63;

/// Fewer than eight bytes as the high bytes of a number, and zeros behind them.
#[cold]
fn padded(rest: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    u64::from_be_bytes(eight)
}

/// The number of up to four packed digits.
#[inline]
const fn packed_number(field: u64) -> u64 {
    // Six less for each ten, then 156 less for each hundred.
    let pairs = field - 6 * (field >> 4 & 0x0F0F);
    pairs - 156 * (pairs >> 8)
}

/// What is wrong with the element at the front of `rest`.
#[cold]
fn diagnosis(layout: Option<Layout>, rest: &[u8]) -> Fault {
    let Some(layout) = layout else { return Fault::Undefined };
    match value::measure(layout, rest) {
        Err(fault) => fault,
        Ok((_, len, rest)) if rest.len() < len => Fault::Truncated,
        Ok(_) => Fault::Content(value::content(layout.form)),
    }
}

/// Whether a value on the wire consists of what it may.
pub(super) fn is_right(form: Form, units: usize, wire: &[u8]) -> bool {
    right_whatever_units(form, wire).unwrap_or_else(|| match form {
        Form::PackedTrack(filler) => packed_track(filler, units, wire),
        Form::PackedDigits(filler) => packed(filler, units, wire),
        Form::PackedSigned(filler) => match wire {
            [] => true,
            [b'C' | b'D', digits @ ..] => packed(filler, units - 1, digits),
            _ => false,
        },
        _ => true,
    })
}

/// As `is_right`; none where it depends on whether there is a filler.
#[inline]
fn right_whatever_units(form: Form, wire: &[u8]) -> Option<bool> {
    Some(match form {
        Form::Text | Form::Raw => true,
        Form::Digits => check::digits(wire),
        // A filler of zero may be any digit on the way in, and needs no look of its own.
        Form::PackedDigits(Filler::LeftZero | Filler::RightZero) => check::packed(wire),
        Form::Alphanumeric => check::alphanumeric(wire),
        Form::Track => check::track(wire),
        Form::Letters => check::letters(wire),
        Form::NumericSpecial => check::no_letters(wire),
        Form::Hex(Alphabet::Ascii) => check::hex(wire),
        Form::Zoned(alphabet) => zoned(alphabet, wire),
        Form::Hex(Alphabet::Ebcdic) => check::ebcdic_hex_digits(wire),
        Form::Ebcdic(page, content) => check::ebcdic(page, content, wire),
        Form::Signed => wire.is_empty() || check::signed(wire),
        Form::PackedDigits(_) | Form::PackedTrack(_) | Form::PackedSigned(_) => return None,
    })
}

/// Packed digits with their filler. Any digit may fill on the way in; what is sent is the filler of the dialect.
fn packed(filler: Filler, units: usize, wire: &[u8]) -> bool {
    match (filler, wire) {
        (Filler::RightF, [digits @ .., last]) if units % 2 == 1 && last & 0x0F == 0x0F => {
            check::packed(digits) && last >> 4 < 10
        }
        (Filler::LeftF, [first, digits @ ..]) if units % 2 == 1 && first >> 4 == 0x0F => {
            check::packed(digits) && first & 0x0F < 10
        }
        _ => check::packed(wire),
    }
}

/// As `packed`, with separators among the digits, but none for a filler.
fn packed_track(filler: Filler, units: usize, wire: &[u8]) -> bool {
    let filled = match (filler, wire) {
        _ if units.is_multiple_of(2) => return check::packed_track(wire),
        (Filler::LeftF, [first, digits @ ..]) if first >> 4 == 0x0F => {
            return check::packed_track(digits) && check::packed_track(&[first & 0x0F]);
        }
        (Filler::LeftZero | Filler::LeftF, [first, ..]) => first >> 4,
        (Filler::RightF, [digits @ .., last]) if last & 0x0F == 0x0F => {
            return check::packed_track(digits) && check::packed_track(&[last & 0xF0]);
        }
        (_, [.., last]) => last & 0x0F,
        _ => 0,
    };
    filled < 10 && check::packed_track(wire)
}

/// Digits, the last of them with a sign.
fn zoned(alphabet: Alphabet, wire: &[u8]) -> bool {
    let digits_before = |digits| match alphabet {
        Alphabet::Ascii => check::digits(digits),
        Alphabet::Ebcdic => check::ebcdic_digits(digits),
    };
    match wire {
        [] => true,
        [digits @ .., last] => {
            digits_before(digits) && value::zoned_last(alphabet, *last).is_some()
        }
    }
}

/// The MTI at the front of a message.
#[inline]
fn read_mti(coding: MtiCoding, body: &[u8]) -> Result<(Mti, &[u8]), Fault> {
    match coding {
        MtiCoding::Ascii => {
            let (digits, rest) = body.split_first_chunk::<4>().ok_or(Fault::Truncated)?;
            Ok((Mti::from_ascii(digits).or(Err(Fault::Mti))?, rest))
        }
        MtiCoding::Ebcdic => {
            let (digits, rest) = body.split_first_chunk::<4>().ok_or(Fault::Truncated)?;
            // EBCDIC digits are F0 to F9.
            let digits = digits.map(|digit| digit ^ 0xC0);
            Ok((Mti::from_ascii(&digits).or(Err(Fault::Mti))?, rest))
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

/// One to three bitmaps, without the bits that say how many; on a fault, what the faulty one begins.
#[inline]
fn read_bitmaps<'a>(
    dialect: &Dialect,
    rest: &'a [u8],
) -> Result<Behind<'a, ElementSet>, Behind<'a, Fault>> {
    let coding = dialect.bitmap();
    let (first, behind) = read_bitmap(coding, rest).map_err(|fault| (fault, rest))?;
    match (first >> 63, dialect.second()) {
        (0, Second::Fixed) | (1, Second::AsNeeded | Second::Always | Second::Fixed) => {}
        (1, Second::Never) => return Err((Fault::SecondBitmap, rest)),
        _ => return Ok((ElementSet::from_bitmaps([first, 0, 0]), behind)),
    }
    let (second, end) = read_bitmap(coding, behind).map_err(|fault| (fault, behind))?;
    if second & FIRST == 0 || dialect.third() != Third::Contiguous {
        return Ok((ElementSet::from_bitmaps([first, second, 0]), end));
    }
    let (third, beyond) = read_bitmap(coding, end).map_err(|fault| (fault, end))?;
    Ok((ElementSet::from_bitmaps([first, second & !FIRST, third]), beyond))
}

/// 64 bits.
#[inline]
fn read_bitmap(coding: BitmapCoding, rest: &[u8]) -> Result<(u64, &[u8]), Fault> {
    match coding {
        BitmapCoding::Binary => {
            let (bytes, rest) = rest.split_first_chunk::<8>().ok_or(Fault::Truncated)?;
            Ok((u64::from_be_bytes(*bytes), rest))
        }
        BitmapCoding::Hex(alphabet) => {
            let (digits, rest) = rest.split_first_chunk::<16>().ok_or(Fault::Truncated)?;
            let digits = match alphabet {
                Alphabet::Ascii => *digits,
                Alphabet::Ebcdic => digits.map(value::ebcdic_hex),
            };
            let (high, low) = digits.split_at(8);
            let half = |digits: &[u8]| digits.first_chunk().copied().and_then(check::hex_number);
            let (high, low) = half(high).zip(half(low)).ok_or(Fault::Bitmap)?;
            Ok((u64::from(high) << 32 | u64::from(low), rest))
        }
    }
}
