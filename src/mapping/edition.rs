//! The elements of ISO 8583:1987 said in those of 1993, and the other way.
//!
//! Most elements mean the same in both. Those that do not fall in three groups: what can be converted (MTI, 12 and 13, 15, 22,
//! 39, 43, 90 and 56, the code of network management, the merchant's category), what only one edition knows and may be left
//! out where the other is spoken (kept aside for links of the same edition), and what may not be left out: a request with that
//! is refused, unless the configuration says `drop`.

use crate::iso::{Class, ElementNo, ElementSet, Elements, Function, Mti, Transmission, Wall};
use crate::planted::{self, Bug};
use crate::record::Reason;

use super::aside;
use super::codes::Codes;
use super::entry::{self, Circumstances};

/// Element 25 of 1993, the reason of a message, where the house keeps it.
pub(super) const REASON: ElementNo = aside(25);

/// Element 56 of 1993, original data elements, where the house keeps it.
pub(super) const ORIGINAL: ElementNo = aside(56);

/// Elements that mean the same in both editions, or are nobody's business but of those who use them.
const SAME: ElementSet = ElementSet::of(&[
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 16, 17, 18, 19, 20, 21, 23, 27, 32, 33, 34, 35, 36, 37, 38,
    40, 41, 42, 44, 45, 47, 48, 49, 50, 51, 52, 54, 55, 59, 60, 61, 62, 63, 67, 68, 69, 73, 74, 75,
    76, 77, 78, 79, 80, 81, 86, 87, 88, 89, 97, 98, 99, 100, 101, 102, 103, 104, 111, 112, 113,
    114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,
]);

/// Where the house keeps what the later edition says in elements that the earlier one uses otherwise, or not at all.
const KEPT_ASIDE: [u8; 18] =
    [7, 12, 13, 15, 22, 24, 25, 26, 28, 29, 30, 31, 39, 43, 46, 53, 57, 58];

/// The same as elements of the house, and 56.
pub(super) const ASIDE: ElementSet = ElementSet::of(&[
    135, 140, 141, 143, 150, 152, 153, 154, 156, 157, 158, 159, 167, 171, 174, 181, 184, 185, 186,
]);

/// Amounts of the later edition, as the house keeps them: nobody may be asked for something else than was meant.
pub(super) const MONEY_ASIDE: ElementSet = ElementSet::of(&[158, 174]);

/// What a reversal repeats of its original, of what is kept aside.
pub(super) const REPEATED_ASIDE: ElementSet = ElementSet::of(&[140, 150, 154, 171]);

/// Elements of the later edition that have no place in the house. Codes that authenticate a message (64, 128) are neither here
/// nor anywhere: they are made for one link.
const NO_PLACE: ElementSet = ElementSet::of(&[
    65, 66, 71, 72, 82, 83, 84, 85, 90, 91, 92, 93, 94, 95, 96, 105, 106, 107, 108, 109, 110,
]);

/// Elements of the earlier edition that nothing in the later one means.
const NO_COUNTERPART: ElementSet = ElementSet::of(&[
    28, 29, 30, 31, 46, 56, 57, 58, 65, 66, 71, 72, 82, 83, 84, 85, 91, 92, 93, 94, 95, 96, 105,
    106, 107, 108, 109, 110,
]);

/// Converted elements of the earlier edition, and what the later one needs for them.
pub(super) const CONVERTED: [(ElementNo, ElementNo); 11] = [
    (ElementNo::LOCAL_TIME, ElementNo::of(12)),
    (ElementNo::LOCAL_DATE, ElementNo::of(12)),
    (ElementNo::SETTLEMENT_DATE, ElementNo::of(15)),
    (ElementNo::MERCHANT_TYPE, ElementNo::of(26)),
    (ElementNo::ENTRY_MODE, ElementNo::of(22)),
    (ElementNo::RESPONSE_CODE, ElementNo::of(39)),
    (ElementNo::MERCHANT_NAME, ElementNo::of(43)),
    (ElementNo::NETWORK_CODE, ElementNo::of(24)),
    (ElementNo::ORIGINAL, ElementNo::of(56)),
    (PARTIAL, ElementNo::of(24)),
    // What says how the point of service was goes into element 22.
    (ElementNo::of(25), ElementNo::of(22)),
];

/// Elements of the earlier edition that are left out where the later one is spoken: the address of a terminal's network, how
/// many digits of a PIN are taken, and what secures one link.
pub(super) const LEFT_OUT: ElementSet = ElementSet::of(&[24, 26, 53, 64, 128]);

/// 95, replacement amounts: they make a reversal a partial one.
pub(super) const PARTIAL: ElementNo = ElementNo::of(95);
const PIN: ElementNo = ElementNo::of(52);

/// The elements that both editions use alike.
pub(super) const fn same() -> ElementSet {
    SAME
}

/// The elements of 1993 that are kept aside.
pub(super) fn kept_aside() -> impl Iterator<Item = ElementNo> {
    KEPT_ASIDE.into_iter().chain([56]).map(ElementNo::of)
}

/// The first element of a message of 1993 that the house cannot hold.
pub(super) fn lost(elements: &Elements) -> Option<ElementNo> {
    elements.present().and(NO_PLACE).iter().next()
}

/// The first element of a message of the house that 1993 cannot say.
pub(super) fn unsayable(mti: Mti, elements: &Elements, dropped: ElementSet) -> Option<ElementNo> {
    let said = if mti.class() == Class::Reversal {
        ElementSet::EMPTY.with(PARTIAL)
    } else {
        ElementSet::EMPTY
    };
    elements.present().and(NO_COUNTERPART).minus(dropped.or(said)).iter().next()
}

/// Whether replacement amounts (95 of 1987) leave something of the original. None, or nothing but zeros, is all of it reversed.
pub(super) fn is_partial(amounts: &[u8]) -> bool {
    amounts.iter().take(12).any(|digit| *digit != b'0')
}

/// The same MTI in the other edition; one of neither is left as it is.
fn other_edition(mti: Mti) -> Mti {
    let number = match mti.version() {
        _ if planted::is(Bug::EditionUnchanged) => mti.number(),
        0 => mti.number() + 1000,
        1 => mti.number() - 1000,
        _ => mti.number(),
    };
    Mti::new(number).unwrap_or(mti)
}

/// On which side of the link the house stands: its own, or, for simulated peers, the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Who asks gave elements 7 and 12, and what goes out under 7 is ours.
    Near,
    /// The other way round: element 7 is what a peer of ours has to repeat.
    Far,
}

/// A message of 1993 as the house has it.
pub(super) fn to_house(
    mti: Mti,
    elements: &Elements,
    (codes, side): (&Codes, Side),
) -> (Mti, Elements) {
    let mut own = elements.only(SAME);
    let put_aside = |own: &mut Elements, no: u8| {
        if let Some(value) = elements.get(ElementNo::of(no)) {
            own.set(aside(no), value);
        }
    };
    for no in [30, 46, 57, 58] {
        put_aside(&mut own, no);
    }
    if let Some(action) = elements.get(ElementNo::RESPONSE_CODE)
        && let Some(code) = codes.to_1987(action)
    {
        own.set(ElementNo::RESPONSE_CODE, code.as_bytes());
        put_aside(&mut own, 39);
    }
    if let Some(date) = elements.get(ElementNo::SETTLEMENT_DATE) {
        own.set(ElementNo::SETTLEMENT_DATE, date.get(2..).unwrap_or_default());
        put_aside(&mut own, 15);
    }
    if let Some(function) = elements.get(FUNCTION).filter(|_| mti.class() == Class::Network) {
        own.set(ElementNo::NETWORK_CODE, function);
    }
    // What an answer repeats of these its asker has said itself.
    if !mti.is_response() {
        asked_to_house((mti, side), elements, &mut own);
        for no in [13, 22, 24, 25, 26, 28, 29, 31, 43, 53, 56] {
            put_aside(&mut own, no);
        }
    }
    (other_edition(mti), own)
}

/// 24, function code (1993).
pub(super) const FUNCTION: ElementNo = ElementNo::of(24);

/// Function codes of an authorization that raises another: of an accurate amount, of an estimated one, and the one that most
/// networks have.
const SUPPLEMENTARY: [&[u8]; 3] = [b"106", b"107", b"187"];

/// Element 90 that names what nobody has.
const NAMES_NOTHING: &[u8; 42] = b"010000000000000000000000000000000000000000";

/// Function code of a partial reversal.
const FUNCTION_PARTIAL: &[u8] = b"401";

fn asked_to_house((mti, side): (Mti, Side), elements: &Elements, own: &mut Elements) {
    let get = |no| elements.get(ElementNo::of(no));
    if let Some(moment) = get(12).filter(|moment| moment.len() == 12) {
        let (date, time) = moment.split_at(6);
        own.set(ElementNo::LOCAL_TIME, time);
        own.set(ElementNo::LOCAL_DATE, date.get(2..).unwrap_or_default());
        own.set(aside(12), moment);
        // In this edition element 12 says when something was asked, and original data elements repeat it: to the house that
        // is what element 7 is.
        if mti.class() != Class::Network && side == Side::Near {
            if let Some(transmission) = get(7) {
                own.set(aside(7), transmission);
            }
            own.set(ElementNo::TRANSMISSION, moment.get(2..).unwrap_or_default());
        }
    }
    if let Some(mode) = get(22).and_then(entry::to_1987) {
        own.set(ElementNo::ENTRY_MODE, &mode);
    }
    if let Some(category) = get(26).filter(|_| get(18).is_none()) {
        own.set(ElementNo::MERCHANT_TYPE, category);
    }
    if let Some(place) = get(43) {
        own.set(ElementNo::MERCHANT_NAME, &place_of_1987(place));
    }
    // A function code says whether an authorization raises the one that it names; it may be the same once more, or another
    // one in its place.
    let authorizes = mti.class() == Class::Authorization;
    let raises = get(24).is_some_and(|code| SUPPLEMENTARY.contains(&code));
    let original = get(56).filter(|_| raises || !authorizes);
    if let Some(original) = original.and_then(|original| original_of_1987(original, side)) {
        own.set(ElementNo::ORIGINAL, &original);
    } else if authorizes && raises && mti.function() == Function::Request {
        own.set(ElementNo::ORIGINAL, NAMES_NOTHING);
    }
    if mti.class() == Class::Reversal && get(24) == Some(FUNCTION_PARTIAL) {
        // Here element 4 says for how much the original stands from now on, and element 30 what it was.
        let amount = get(4).filter(|amount| amount.len() == 12).unwrap_or(&[b'X'; 12]);
        own.set(PARTIAL, &[amount, &[b'0'; 30]].concat());
    }
}

/// A message of the house as 1993 says it. Of what is made here, only what is `defined` on the wire is said.
pub(super) fn from_house(
    mti: Mti,
    elements: &Elements,
    (codes, side, at): (&Codes, Side, Wall),
    defined: ElementSet,
) -> (Mti, Elements) {
    let mut own = elements.only(SAME);
    let mut made = Elements::with_capacity(256);
    for no in KEPT_ASIDE {
        if let Some(value) = elements.get(aside(no)) {
            made.set(ElementNo::of(no), value);
        }
    }
    if !mti.is_response() {
        // Between us and the link these are ours.
        made.remove(ElementNo::TRANSMISSION);
        made.remove(ElementNo::RESPONSE_CODE);
        asked_from_house(mti, elements, at, &mut made);
    } else if side == Side::Near && mti.class() != Class::Network {
        // What the house calls so was made of element 12; the asker's own is kept aside.
        own.remove(ElementNo::TRANSMISSION);
    }
    if let Some(code) = elements.get(ElementNo::RESPONSE_CODE) {
        made.set(ElementNo::RESPONSE_CODE, &action(elements, code, (codes, mti.class())));
    } else {
        made.remove(ElementNo::RESPONSE_CODE);
    }
    if let Some(date) = elements.get(ElementNo::SETTLEMENT_DATE)
        && elements.get(aside(15)).is_none_or(|full| full.get(2..) != Some(date))
    {
        let day = moment(date, b"120000", at);
        made.set(ElementNo::SETTLEMENT_DATE, day.get(..6).unwrap_or_default());
    }
    if let Some(code) =
        elements.get(ElementNo::NETWORK_CODE).filter(|_| mti.class() == Class::Network)
    {
        made.set(FUNCTION, code);
    }
    if mti.class() == Class::Reversal
        && !mti.is_response()
        && let Some(amounts) = elements.get(PARTIAL).filter(|amounts| is_partial(amounts))
    {
        // Here element 4 says for how much the original stands from now on, and element 30 what it was.
        let before = elements.get(ElementNo::AMOUNT).unwrap_or(&[b'0'; 12]);
        made.set(ElementNo::of(30), &[before, &[b'0'; 12]].concat());
        made.set(ElementNo::AMOUNT, amounts.get(..12).unwrap_or_default());
        made.set(FUNCTION, FUNCTION_PARTIAL);
    }
    let made = made.only(defined);
    if !mti.is_response()
        && made.present().has(ElementNo::of(26))
        && elements.get(aside(26)).is_none()
    {
        // One of the two says it; networks that want both are told by `copy`.
        own.remove(ElementNo::MERCHANT_TYPE);
    }
    (other_edition(mti), own.overlaid(&made))
}

fn asked_from_house(mti: Mti, elements: &Elements, at: Wall, made: &mut Elements) {
    let get = |no| elements.get(no);
    let kept = |no| elements.get(aside(no)).is_some();
    if !kept(12) {
        made.set(ElementNo::of(12), &asked_at(elements, at));
    }
    if !kept(22)
        && let Some(mode) = get(ElementNo::ENTRY_MODE)
    {
        let condition = get(ElementNo::of(25)).unwrap_or_default();
        let about = Circumstances { condition, pin: get(PIN).is_some() };
        if let Some(code) = entry::to_1993(mode, about) {
            made.set(ElementNo::of(22), &code);
        }
    }
    if !kept(24)
        && let Some(function) = function_of(mti, get(ElementNo::ORIGINAL).is_some_and(names))
    {
        made.set(FUNCTION, function);
    }
    if !kept(26)
        && let Some(category) = get(ElementNo::MERCHANT_TYPE)
    {
        made.set(ElementNo::of(26), category);
    }
    if !kept(43)
        && let Some(place) = get(ElementNo::MERCHANT_NAME)
    {
        made.set(ElementNo::of(43), &place_of_1993(place));
    }
    let original = get(ElementNo::ORIGINAL)
        .filter(|original| mti.class() == Class::Reversal || names(original) && !kept(56));
    if let Some(original) = original {
        let when = made.get(ElementNo::of(12)).unwrap_or(&[b'0'; 12]).to_vec();
        let mut text = original_of_1993(original, &when, get(ElementNo::ACQUIRER));
        if planted::is(Bug::OriginalOfItself)
            && let (Some(place), Some(own)) = (text.get_mut(4..10), get(ElementNo::STAN))
        {
            place.iter_mut().zip(own).for_each(|(to, from)| *to = *from);
        }
        made.set(ElementNo::of(56), &text);
    } else if let Some(original) = get(aside(56)) {
        made.set(ElementNo::of(56), original);
    }
}

/// The action code of an answer: as its issuer said it, where that is what the house's code means; else what comes nearest.
pub(super) fn action(elements: &Elements, code: &[u8], (codes, class): (&Codes, Class)) -> Vec<u8> {
    let heard = elements
        .get(aside(39))
        .filter(|action| codes.to_1987(action).is_some_and(|heard| heard.as_bytes() == code));
    heard.map_or_else(|| codes.to_1993(code, class).to_vec(), <[u8]>::to_vec)
}

/// Whether element 90 names anything: zeros are how many say that it does not.
fn names(original: &[u8]) -> bool {
    original.iter().any(|digit| *digit != b'0')
}

/// Element 24 where its asker's edition has no such code: the ordinary kind of each class.
const fn function_of(mti: Mti, names: bool) -> Option<&'static [u8; 3]> {
    match mti.number() / 100 % 10 {
        1 if names => Some(b"187"),
        1 => Some(b"100"),
        2 if names => Some(b"201"),
        2 => Some(b"200"),
        4 => Some(b"400"),
        _ => None,
    }
}

/// Element 12 of a message of the house: as its asker said it, else from its date and time, else the moment at which it came.
fn asked_at(elements: &Elements, at: Wall) -> [u8; 12] {
    if let Some(kept) = elements.get(aside(12)).and_then(|kept| kept.first_chunk::<12>()) {
        return *kept;
    }
    let here = at.transmission().ascii();
    let (today, now) = here.split_at(4);
    let date = elements.get(ElementNo::LOCAL_DATE).unwrap_or(today);
    moment(date, elements.get(ElementNo::LOCAL_TIME).unwrap_or(now), at)
}

/// Element 56 that names a message, which came `at` that moment, by its element 90.
pub(super) fn original_of(original: &Elements, data: &[u8], at: Wall) -> Vec<u8> {
    original_of_1993(data, &asked_at(original, at), original.get(ElementNo::ACQUIRER))
}

/// `MMDD` and `hhmmss` as `YYMMDDhhmmss`, of the year that brings it nearest to `at`; `at` itself where they are none.
fn moment(date: &[u8], time: &[u8], at: Wall) -> [u8; 12] {
    let near = at.transmission();
    let meant = Transmission::from_ascii(&[date, time].concat(), near).unwrap_or(near);
    let day = Wall(u64::from(meant.0) * 1000).date().yymmdd();
    let mut text = [b'0'; 12];
    let meant = meant.ascii();
    let parts = day.iter().chain(meant.get(4..).unwrap_or_default());
    text.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    text
}

/// Original data elements of 1993 (56: MTI 4, STAN 6, date and time 12, acquirer with two digits of length) as those of 1987
/// (90: MTI 4, STAN 6, element 7 10, acquirer 11, forwarder 11). The date and time stand for element 7, as they do in the
/// original; at a peer of ours, where 7 is another, zeros do.
fn original_of_1987(original: &[u8], side: Side) -> Option<[u8; 42]> {
    let (fixed, acquirer) = original.split_at_checked(22)?;
    let acquirer = acquirer.get(2..).unwrap_or_default();
    let mti = Mti::from_ascii(fixed.get(..4)?).ok()?;
    let mut text = [b'0'; 42];
    let head = other_edition(mti).ascii();
    let digits = head.iter().chain(fixed.get(4..10)?);
    text.iter_mut().zip(digits).for_each(|(to, from)| *to = *from);
    if side == Side::Near {
        text.get_mut(10..20)?.copy_from_slice(fixed.get(12..22)?);
    }
    let acquirer = acquirer.get(..acquirer.len().min(11))?;
    let place = text.get_mut(31 - acquirer.len()..31)?;
    place.copy_from_slice(acquirer);
    Some(text)
}

/// The other way. `when` is the date and time of the original, which its reversal repeats; the acquirer is as long as it was
/// in element 32, else without the zeros before it.
fn original_of_1993(original: &[u8], when: &[u8], acquirer: Option<&[u8]>) -> Vec<u8> {
    let mti =
        original.get(..4).and_then(|mti| Mti::from_ascii(mti).ok()).unwrap_or_else(|| Mti::of(0));
    let named = original.get(20..31).unwrap_or_default();
    let first = named.iter().position(|digit| *digit != b'0').unwrap_or(named.len());
    let trimmed = named.get(first..).unwrap_or_default();
    let acquirer = acquirer.filter(|own| named.ends_with(own)).unwrap_or(trimmed);
    let mut text = Vec::with_capacity(35);
    text.extend_from_slice(&other_edition(mti).ascii());
    text.extend_from_slice(original.get(4..10).unwrap_or(b"000000"));
    text.extend_from_slice(when);
    text.extend(format!("{:02}", acquirer.len()).into_bytes());
    text.extend_from_slice(acquirer);
    text
}

/// Original data elements name the institutions as the original did: with what the link's changes made of elements 32 and 33.
pub(super) fn name_institutions(elements: &mut Elements, later: bool) {
    let no = ElementNo::of(if later { 56 } else { 90 });
    let Some(mut original) = elements.get(no).map(<[u8]>::to_vec) else { return };
    let acquirer = elements.get(ElementNo::ACQUIRER).unwrap_or_default();
    if later {
        original.truncate(22);
        original.extend(format!("{:02}", acquirer.len()).into_bytes());
        original.extend_from_slice(acquirer);
    } else {
        let forwarder = elements.get(ElementNo::FORWARDER).unwrap_or_default();
        for (from, id) in [(20, acquirer), (31, forwarder)] {
            let id = id.get(..id.len().min(11)).unwrap_or_default();
            let zeros = 11 - id.len();
            let place = original.get_mut(from..from + 11).unwrap_or_default();
            let digits = std::iter::repeat_n(&b'0', zeros).chain(id);
            place.iter_mut().zip(digits).for_each(|(to, from)| *to = *from);
        }
    }
    elements.set(no, &original);
}

/// Who and where the merchant is: `name\street\city\`, postcode (10), region (3) and country (3) as 1987's 40 characters: 22 and
/// a blank, 13 of a city, 2 of a region, 2 of a country.
fn place_of_1987(place: &[u8]) -> [u8; 40] {
    let parts: Vec<&[u8]> = place.split(|byte| *byte == b'\\').collect();
    let mut text = [b' '; 40];
    let mut put = |from: usize, to: usize, part: &[u8]| {
        let slots = text.get_mut(from..to).unwrap_or_default();
        slots.iter_mut().zip(part.trim_ascii()).for_each(|(to, from)| *to = *from);
    };
    if let [name, _, city, tail] = parts.as_slice() {
        put(0, 22, name);
        put(23, 36, city);
        put(36, 38, tail.get(10..13).unwrap_or_default());
        put(38, 40, tail.get(13..).unwrap_or_default());
    } else {
        put(0, 40, place);
    }
    text
}

/// The other way. What cannot be told from 40 characters stays blank.
fn place_of_1993(place: &[u8]) -> Vec<u8> {
    let part = |from: usize, to: usize| {
        let part = place.get(from..to.min(place.len())).unwrap_or_default().trim_ascii();
        part.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte })
    };
    let mut text = Vec::with_capacity(64);
    text.extend(part(0, 23));
    text.extend_from_slice(b"\\\\");
    text.extend(part(23, 36));
    text.push(b'\\');
    text.extend_from_slice(&[b' '; 10]);
    for (from, to) in [(36, 38), (38, 40)] {
        let mut three = [b' '; 3];
        three.iter_mut().zip(part(from, to)).for_each(|(to, from)| *to = from);
        text.extend_from_slice(&three);
    }
    text
}

/// Element 25 of a reversal (ISO 8583:1993, message reason codes 4000 to 4021).
pub(super) const fn reason_code(reason: Reason) -> &'static [u8; 4] {
    match reason {
        Reason::Asked => b"4000",
        Reason::Lowered => b"4004",
        Reason::Late => b"4006",
        Reason::Undelivered => b"4013",
        Reason::Mismatched => b"4020",
        Reason::Unanswered | Reason::Settle => b"4021",
    }
}

/// Whether a message of a class and function says its code as an approval, or as an acceptance.
pub(super) fn answers_request(mti: Mti) -> bool {
    matches!(mti.class(), Class::Authorization | Class::Financial)
        && mti.function() == Function::RequestResponse
}
