//! Element numbers, sets of them, and elements with their values in the house's own plain form.

use std::fmt;

use super::NotOne;

/// The number of a data element, 2 to 192: those of three bitmaps. The first is the bitmap's business and 0 is the MTI's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementNo(u8);

/// A set of element numbers, 1 to 192, as the bits of three bitmaps: the first of 64 elements is the highest bit of its map.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ElementSet([u64; 3]);

/// Elements and their values, apart from any network's way of writing them.
///
/// A value is plain: digits and text as one byte a character (ASCII, above it latin-1), the track
/// separator as `=`, binary elements as their bytes. 0 to 999 bytes each; ascending order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Elements {
    present: ElementSet,
    /// For each element in ascending order its length as two bytes, low first, and its value.
    bytes: Vec<u8>,
}

/// The highest bit of a bitmap: its first element.
const FIRST: u64 = 1 << 63;

impl ElementNo {
    /// The largest of them.
    pub const MAX: u8 = 192;

    /// From 2 to 192.
    pub const fn new(number: u8) -> Result<Self, NotOne> {
        if matches!(number, 2..=Self::MAX) {
            Ok(Self(number))
        } else {
            Err(NotOne { expected: "an element number from 2 to 192" })
        }
    }

    /// The number itself, 2 to 192.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// For numbers that stand in the source.
    ///
    /// Evaluated at compile time wherever it is used in a `const`; a number out of range does not compile there.
    pub const fn of(number: u8) -> Self {
        assert!(matches!(number, 2..=Self::MAX), "an element number from 2 to 192");
        Self(number)
    }

    /// Its bit in the bitmap that it is in.
    const fn bit(self) -> u64 {
        FIRST >> ((self.0 - 1) % 64)
    }

    /// The bits above its own, which are those of the lower numbers of its bitmap.
    const fn above(self) -> u64 {
        let bit = self.bit();
        !(bit | (bit - 1))
    }

    /// 2, primary account number.
    pub const PAN: Self = Self::of(2);
    /// 3, processing code.
    pub const PROCESSING_CODE: Self = Self::of(3);
    /// 4, amount, transaction.
    pub const AMOUNT: Self = Self::of(4);
    /// 7, transmission date and time.
    pub const TRANSMISSION: Self = Self::of(7);
    /// 11, systems trace audit number.
    pub const STAN: Self = Self::of(11);
    /// 12, time, local transaction.
    pub const LOCAL_TIME: Self = Self::of(12);
    /// 13, date, local transaction.
    pub const LOCAL_DATE: Self = Self::of(13);
    /// 15, date, settlement.
    pub const SETTLEMENT_DATE: Self = Self::of(15);
    /// 18, merchant type.
    pub const MERCHANT_TYPE: Self = Self::of(18);
    /// 22, point of service entry mode.
    pub const ENTRY_MODE: Self = Self::of(22);
    /// 32, acquiring institution identification code.
    pub const ACQUIRER: Self = Self::of(32);
    /// 33, forwarding institution identification code.
    pub const FORWARDER: Self = Self::of(33);
    /// 35, track 2 data.
    pub const TRACK2: Self = Self::of(35);
    /// 37, retrieval reference number.
    pub const RRN: Self = Self::of(37);
    /// 38, authorization identification response.
    pub const APPROVAL_CODE: Self = Self::of(38);
    /// 39, response code.
    pub const RESPONSE_CODE: Self = Self::of(39);
    /// 41, card acceptor terminal identification.
    pub const TERMINAL: Self = Self::of(41);
    /// 42, card acceptor identification code.
    pub const MERCHANT: Self = Self::of(42);
    /// 43, card acceptor name and location.
    pub const MERCHANT_NAME: Self = Self::of(43);
    /// 49, currency code, transaction.
    pub const CURRENCY: Self = Self::of(49);
    /// 70, network management information code.
    pub const NETWORK_CODE: Self = Self::of(70);
    /// 90, original data elements.
    pub const ORIGINAL: Self = Self::of(90);
}

impl ElementSet {
    /// No element.
    pub const EMPTY: Self = Self([0; 3]);

    /// Every element.
    pub const ALL: Self = Self([u64::MAX >> 1, u64::MAX, u64::MAX]);

    /// From numbers that stand in the source, 2 to 192.
    pub const fn of(numbers: &[u8]) -> Self {
        let mut set = Self::EMPTY;
        let mut rest = numbers;
        while let [number, tail @ ..] = rest {
            set = set.with(ElementNo::of(*number));
            rest = tail;
        }
        set
    }

    /// From the bits of three bitmaps. The first bit of the first map is no element.
    pub const fn from_bitmaps([first, second, third]: [u64; 3]) -> Self {
        Self([first & !FIRST, second, third])
    }

    /// The bits of three bitmaps.
    pub const fn bitmaps(self) -> [u64; 3] {
        self.0
    }

    /// Whether the element is in it.
    #[inline]
    pub const fn has(self, no: ElementNo) -> bool {
        let Self([first, second, third]) = self;
        let map = match no.0 {
            ..=64 => first,
            65..=128 => second,
            _ => third,
        };
        map & no.bit() != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        let Self([first, second, third]) = self;
        first | second | third == 0
    }

    /// How many are in it, 0 to 191.
    pub const fn len(self) -> u32 {
        let Self([first, second, third]) = self;
        if second | third == 0 {
            return first.count_ones();
        }
        first.count_ones() + second.count_ones() + third.count_ones()
    }

    /// How many members lie below the element: its place in ascending order, 0 to 190.
    #[inline]
    pub const fn rank(self, no: ElementNo) -> usize {
        let Self([first, second, third]) = self;
        let above = no.above();
        // Counting bits is dear on processors that are not named to the compiler: no more of them than needed.
        let rank = match no.0 {
            ..=64 => (first & above).count_ones(),
            65..=128 => first.count_ones() + (second & above).count_ones(),
            _ => first.count_ones() + second.count_ones() + (third & above).count_ones(),
        };
        rank as usize
    }

    /// With the element.
    #[must_use]
    #[inline]
    pub const fn with(self, no: ElementNo) -> Self {
        self.or(Self::only(no))
    }

    /// Without the element.
    #[must_use]
    pub const fn without(self, no: ElementNo) -> Self {
        self.minus(Self::only(no))
    }

    /// That element and no other.
    #[inline]
    const fn only(no: ElementNo) -> Self {
        let bit = no.bit();
        match no.0 {
            ..=64 => Self([bit, 0, 0]),
            65..=128 => Self([0, bit, 0]),
            _ => Self([0, 0, bit]),
        }
    }

    /// The members with a lower number.
    #[must_use]
    #[inline]
    pub const fn below(self, no: ElementNo) -> Self {
        let Self([first, second, third]) = self;
        let above = no.above();
        match no.0 {
            ..=64 => Self([first & above, 0, 0]),
            65..=128 => Self([first, second & above, 0]),
            _ => Self([first, second, third & above]),
        }
    }

    /// Whether every member is a lower number.
    #[inline]
    pub const fn is_below(self, no: ElementNo) -> bool {
        self.minus(self.below(no)).is_empty()
    }

    /// Members of both.
    #[must_use]
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        let Self([first, second, third]) = self;
        let Self([other_first, other_second, other_third]) = other;
        Self([first & other_first, second & other_second, third & other_third])
    }

    /// Members of either.
    #[must_use]
    #[inline]
    pub const fn or(self, other: Self) -> Self {
        let Self([first, second, third]) = self;
        let Self([other_first, other_second, other_third]) = other;
        Self([first | other_first, second | other_second, third | other_third])
    }

    /// Members of this one and not of the other.
    #[must_use]
    #[inline]
    pub const fn minus(self, other: Self) -> Self {
        let Self([first, second, third]) = self;
        let Self([other_first, other_second, other_third]) = other;
        Self([first & !other_first, second & !other_second, third & !other_third])
    }

    /// The members, ascending.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = ElementNo> {
        let Self([mut bits, second, third]) = self;
        let (mut first, mut behind) = (1, [(second, 65), (third, 129), (0, 0)].into_iter());
        std::iter::from_fn(move || {
            while bits == 0 {
                (bits, first) = behind.next()?;
            }
            let zeros = bits.leading_zeros();
            bits &= !(FIRST >> zeros);
            u8::try_from(first + zeros).ok().map(ElementNo)
        })
    }
}

impl FromIterator<ElementNo> for ElementSet {
    fn from_iter<I: IntoIterator<Item = ElementNo>>(numbers: I) -> Self {
        numbers.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl Elements {
    /// None, with room for about `capacity` bytes of values.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { present: ElementSet::EMPTY, bytes: Vec::with_capacity(capacity) }
    }

    /// Elements in ascending order, each value as it is written by `write`. `capacity` is at least about the bytes of values,
    /// each with two more; what is not used of it is given back, if it is much. Values beyond 65,535 bytes are cut.
    pub fn collect(
        present: ElementSet,
        capacity: usize,
        mut write: impl FnMut(ElementNo, &mut Vec<u8>),
    ) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        for no in present.iter() {
            let at = bytes.len();
            bytes.extend_from_slice(&[0; 2]);
            write(no, &mut bytes);
            let len = u16::try_from(bytes.len() - at - 2).unwrap_or(u16::MAX);
            bytes.truncate(at + 2 + usize::from(len));
            if let Some(prefix) = bytes.get_mut(at..).and_then(|tail| tail.first_chunk_mut::<2>()) {
                *prefix = len.to_le_bytes();
            }
        }
        // Memory comes in steps of about an eighth: less than that is nobody's gain.
        if bytes.capacity() / 8 < bytes.capacity() - bytes.len() {
            bytes.shrink_to_fit();
        }
        Self { present, bytes }
    }

    /// Which elements are here.
    pub const fn present(&self) -> ElementSet {
        self.present
    }

    /// The value of an element; `None` when it is absent.
    pub fn get(&self, no: ElementNo) -> Option<&[u8]> {
        if !self.present.has(no) {
            return None;
        }
        self.values().nth(self.present.rank(no))
    }

    /// The values of some elements, found in one walk. They are asked for in ascending order; what is not is not found.
    #[inline]
    pub fn pick<const N: usize>(&self, wanted: [ElementNo; N]) -> [Option<&[u8]>; N] {
        let mut found = [None; N];
        let (mut values, mut passed) = (self.values(), 0);
        for (no, place) in wanted.into_iter().zip(&mut found) {
            let rank = Some(no).filter(|no| self.present.has(*no)).map(|no| self.present.rank(no));
            if let Some(ahead) = rank.and_then(|rank| rank.checked_sub(passed)) {
                *place = values.nth(ahead);
                passed += ahead + 1;
            }
        }
        found
    }

    /// Each element and its value, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (ElementNo, &[u8])> {
        self.present.iter().zip(self.values())
    }

    /// Sets the value of an element, replacing what was there. Values beyond 65,535 bytes are cut.
    pub fn set(&mut self, no: ElementNo, value: &[u8]) {
        if self.present.is_below(no) {
            // Ascending insertion is the usual case, and needs no shifting.
            return self.push(no, value);
        }
        self.remove(no);
        let at = self.place(no);
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        let value = value.get(..usize::from(len)).unwrap_or_default();
        self.bytes.splice(at..at, len.to_le_bytes().into_iter().chain(value.iter().copied()));
        self.present = self.present.with(no);
    }

    /// Takes an element out.
    pub fn remove(&mut self, no: ElementNo) {
        if !self.present.has(no) {
            return;
        }
        let at = self.place(no);
        let len = 2 + self.get(no).map_or(0, <[u8]>::len);
        self.bytes.drain(at..at + len);
        self.present = self.present.without(no);
    }

    /// The elements that are in the set, too.
    #[must_use]
    pub fn only(&self, set: ElementSet) -> Self {
        let mut kept = Self::with_capacity(self.bytes.len());
        for (no, value) in self.iter().filter(|(no, _)| set.has(*no)) {
            kept.push(no, value);
        }
        kept
    }

    /// These elements, and over them the other's.
    #[must_use]
    pub fn overlaid(&self, other: &Self) -> Self {
        let mut both = Self::with_capacity(self.bytes.len() + other.bytes.len());
        let (mut under, mut over) = (self.iter(), other.iter());
        for no in self.present.or(other.present).iter() {
            let below = if self.present.has(no) { under.next() } else { None };
            let above = if other.present.has(no) { over.next() } else { None };
            if let Some((_, value)) = above.or(below) {
                both.push(no, value);
            }
        }
        both
    }

    /// As bytes: two bitmaps, a third when the first bit says so, then each length and value. The form that records hold.
    pub fn write(&self, out: &mut Vec<u8>) {
        let [first, second, third] = self.present.0;
        let announced = if third == 0 { first } else { first | FIRST };
        out.extend_from_slice(&announced.to_be_bytes());
        out.extend_from_slice(&second.to_be_bytes());
        if third != 0 {
            out.extend_from_slice(&third.to_be_bytes());
        }
        out.extend_from_slice(&self.bytes);
    }

    /// How many bytes `write` appends.
    pub const fn written_len(&self) -> usize {
        let [_, _, third] = self.present.0;
        let bitmaps = if third == 0 { 16 } else { 24 };
        bitmaps + self.bytes.len()
    }

    /// Back from the bytes of `write`, all of them; `None` when they are not such bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut values = bytes;
        let mut bitmap = || {
            let (map, rest) = values.split_first_chunk::<8>()?;
            values = rest;
            Some(u64::from_be_bytes(*map))
        };
        let (first, second) = (bitmap()?, bitmap()?);
        let third = if first & FIRST == 0 { 0 } else { bitmap()? };
        // A third that says nothing would have been left out.
        if (third == 0) != (first & FIRST == 0) {
            return None;
        }
        let present = ElementSet::from_bitmaps([first, second, third]);
        let mut rest = values;
        for _ in 0..present.len() {
            let (len, tail) = rest.split_first_chunk::<2>()?;
            rest = tail.get(usize::from(u16::from_le_bytes(*len))..)?;
        }
        rest.is_empty().then(|| Self { present, bytes: values.to_vec() })
    }

    /// Adds an element beyond all that are here.
    fn push(&mut self, no: ElementNo, value: &[u8]) {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(value.get(..usize::from(len)).unwrap_or_default());
        self.present = self.present.with(no);
    }

    fn values(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first_chunk::<2>()?;
            let (value, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
            rest = tail;
            Some(value)
        })
    }

    /// The offset at which the element stands, or would stand.
    fn place(&self, no: ElementNo) -> usize {
        if self.present.is_below(no) {
            return self.bytes.len();
        }
        self.values().take(self.present.rank(no)).map(|value| value.len() + 2).sum()
    }
}

impl fmt::Display for ElementNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ElementNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DE {}", self.0)
    }
}

impl fmt::Debug for ElementSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Values may be secrets: only the numbers and lengths are shown.
impl fmt::Debug for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(no, value)| (no, value.len()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_counts_as_a_bitmap_does() {
        let numbers = [2, 3, 64, 65, 128, 129, 192];
        let set = ElementSet::of(&numbers);
        assert_eq!(set.bitmaps(), [0x6000_0000_0000_0001, FIRST | 1, FIRST | 1]);
        assert_eq!(set.iter().map(ElementNo::get).collect::<Vec<_>>(), numbers);
        assert_eq!(ElementSet::ALL.iter().count(), 191);
        for (rank, no) in set.iter().enumerate() {
            assert_eq!(set.rank(no), rank);
            assert!(set.below(no).is_below(no) && !set.is_below(no));
            assert!(set.has(no) && !set.without(no).has(no));
        }
    }

    #[test]
    fn elements_in_any_order_of_setting() {
        let mut elements = Elements::default();
        let values = [(39, "00"), (4, "000000001000"), (38, "A1B2C3"), (4, "7"), (128, "")];
        for (no, value) in values {
            elements.set(ElementNo::of(no), value.as_bytes());
        }
        elements.set(ElementNo::of(70), b"001");
        elements.set(ElementNo::of(12), b"121212");
        elements.remove(ElementNo::of(38));
        elements.remove(ElementNo::of(11));
        let seen: Vec<_> = elements.iter().map(|(no, value)| (no.get(), value)).collect();
        assert_eq!(seen, [(4, &b"7"[..]), (12, b"121212"), (39, b"00"), (70, b"001"), (128, b"")]);
        is_read_again(&elements);
        elements.set(ElementNo::of(192), b"third");
        elements.set(ElementNo::of(129), b"");
        is_read_again(&elements);
    }

    #[test]
    fn elements_are_picked_in_ascending_order() {
        let mut elements = Elements::default();
        for (no, value) in [(3, "three"), (4, ""), (64, "last"), (65, "first"), (130, "third")] {
            elements.set(ElementNo::of(no), value.as_bytes());
        }
        let wanted = [2, 3, 4, 5, 65, 129, 130, 192].map(ElementNo::of);
        assert_eq!(elements.pick(wanted), wanted.map(|no| elements.get(no)));
        assert_eq!(
            elements.pick([4, 3, 64].map(ElementNo::of)),
            [Some(&b""[..]), None, Some(b"last")]
        );
        assert_eq!(Elements::default().pick(wanted), [None; 8]);
    }

    fn is_read_again(elements: &Elements) {
        let mut bytes = Vec::new();
        elements.write(&mut bytes);
        assert_eq!(bytes.len(), elements.written_len());
        assert_eq!(Elements::read(&bytes).as_ref(), Some(elements));
        for cut in 0..bytes.len() {
            assert_eq!(Elements::read(&bytes[..cut]), None);
        }
    }

    #[test]
    fn a_third_bitmap_that_says_nothing_was_not_written_by_us() {
        let mut bytes = [0; 24];
        bytes[0] = 0x80;
        assert_eq!(Elements::read(&bytes), None);
    }
}
