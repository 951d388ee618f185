//! How one link's messages become those of the house, and back; knows no sockets, and not what becomes of money.
//!
//! The house thinks in ISO 8583:1987. A link whose dialect is of that edition needs nothing of this. For one of 1993 a
//! mapping stands between its wire and the engine: what both editions say in different words is converted, and what only the
//! later one says is laid aside in elements 129 to 192, so that another link of that edition hears it unchanged. The changes
//! that a link's configuration asks for are made on its own side: of what it writes first, of what is written to it last.

mod codes;
mod edition;
mod entry;
mod house;
mod rules;

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{self, DecodeError, Draft, EncodeError, Fault, Message, Salvaged};
use crate::dialect::{Dialect, Version};
use crate::iso::{Class, ElementNo, ElementSet, Elements, Mti, ResponseCode, Wall};
use crate::planted::{self, Bug};
use crate::record::Reason;

use self::edition::Side;

pub use codes::{CodeFault, Codes};
pub use house::{NoHouse, checked as fits_1993};
pub use rules::{Change, Changes, Condition};

/// How the peers of a link speak: the dialect on its wire, and what stands between that and the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tongue {
    wire: Arc<Dialect>,
    mapping: Option<Arc<Mapping>>,
}

/// What a link's messages need so that the house understands them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Response codes of 1987 and of 1993, where the link's table differs from the usual one.
    pub codes: Codes,
    /// The MTI of network management requests that we send, in the link's edition; none is `0800` or `1804`.
    pub network: Option<Mti>,
    /// What is changed in messages that come from there, before anything else.
    pub read: Changes,
    /// What is changed in messages that go there, after everything else.
    pub write: Changes,
}

#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    wire: Arc<Dialect>,
    /// The dialect that the house knows the link by: the wire's own, or one of 1987 that holds all that it may say.
    house: Arc<Dialect>,
    /// Of 1993; otherwise of the house's own edition.
    later: bool,
    side: Side,
    settings: Settings,
}

impl Tongue {
    /// Of a link of the house's own edition, without changes: nothing stands between.
    pub const fn plain(wire: Arc<Dialect>) -> Self {
        Self { wire, mapping: None }
    }

    /// Of any link. A dialect of 2003 has no mapping, and one of 1993 none when it lacks what every message needs.
    pub fn new(wire: Arc<Dialect>, settings: Settings) -> Result<Self, NoHouse> {
        let later = match wire.version() {
            Version::Of1987 => false,
            Version::Of1993 => true,
            Version::Of2003 => return Err(NoHouse::Version),
        };
        if !later && settings.read.is_empty() && settings.write.is_empty() {
            return Ok(Self::plain(wire));
        }
        let house = if later {
            Arc::new(house::house_of(&wire, &settings.codes)?)
        } else {
            Arc::clone(&wire)
        };
        let mapping = Mapping { wire: Arc::clone(&wire), house, later, side: Side::Near, settings };
        Ok(Self { wire, mapping: Some(Arc::new(mapping)) })
    }

    /// The same for who sits at the other end of the link: a simulated peer, which thinks as the house does.
    #[must_use]
    pub fn of_peer(&self) -> Self {
        let mapping = self.mapping.as_ref().map(|mapping| Mapping {
            wire: Arc::clone(&mapping.wire),
            house: Arc::clone(&mapping.house),
            later: mapping.later,
            side: Side::Far,
            settings: Settings { codes: mapping.settings.codes.clone(), ..Settings::default() },
        });
        Self { wire: Arc::clone(&self.wire), mapping: mapping.map(Arc::new) }
    }

    /// The dialect on the wire.
    pub const fn wire(&self) -> &Arc<Dialect> {
        &self.wire
    }

    /// The dialect by which the house knows the link: always one of 1987.
    #[inline]
    pub fn house(&self) -> &Arc<Dialect> {
        self.mapping.as_ref().map_or(&self.wire, |mapping| &mapping.house)
    }

    /// The elements in which the house keeps what only the link's own edition says.
    pub fn aside(&self) -> ElementSet {
        self.later()
            .map_or(ElementSet::EMPTY, |mapping| mapping.house.defined().and(edition::ASIDE))
    }

    /// Of what a request from here has, that which another link may be told: all of it where that is of the same edition. Amounts
    /// that only this one's edition knows are not left out: such a request goes nowhere else.
    #[inline]
    pub fn sayable(&self, present: ElementSet, to: &Self) -> Result<ElementSet, EncodeError> {
        if self.later().is_none() || to.later().is_some() {
            return Ok(present);
        }
        match present.and(edition::MONEY_ASIDE).iter().next() {
            None => Ok(present.minus(self.aside())),
            Some(kept) => {
                let element = ElementNo::new(kept.get() - 128).unwrap_or(kept);
                Err(EncodeError { element, fault: Fault::NoCounterpart })
            }
        }
    }

    /// The elements that its configuration takes out of some message that goes there.
    pub fn dropped(&self) -> ElementSet {
        self.mapping.as_ref().map_or(ElementSet::EMPTY, |mapping| mapping.settings.write.dropped())
    }

    /// Whether a reversal towards this link can say that it is a partial one: by replacement amounts, element 95 of 1987, or by
    /// a function code and element 4 of 1993. What cannot be said would undo all.
    pub fn says_partial(&self) -> bool {
        let said = |no| self.wire.defined().minus(self.dropped()).has(no);
        if self.later().is_some() {
            return said(edition::FUNCTION) && said(ElementNo::AMOUNT);
        }
        let room = self.wire.row(edition::PARTIAL).map(|row| row.max);
        said(edition::PARTIAL) && room == Some(REPLACEMENT_LEN)
    }

    /// What a reversal towards this link repeats of its original besides what reversals of the house's edition repeat.
    pub fn repeated_aside(&self) -> ElementSet {
        self.later().map_or(ElementSet::EMPTY, |_| edition::REPEATED_ASIDE)
    }

    /// A message as the house has it. What is wrong with it is told as of the wire.
    #[inline]
    pub fn read(&self, body: Bytes) -> Result<Message, DecodeError> {
        match &self.mapping {
            None => codec::decode(&self.wire, body),
            Some(mapping) => self.mapped(mapping, body),
        }
    }

    fn mapped(&self, mapping: &Mapping, body: Bytes) -> Result<Message, DecodeError> {
        let message = match codec::decode(&self.wire, body) {
            Ok(message) => message,
            Err(mut error) => {
                // Its asker still has to hear why, in elements that the house knows.
                let mti = error.mti.unwrap_or_else(|| Mti::of(0));
                let (house, elements, _) =
                    mapping.read(mti, std::mem::take(&mut error.salvaged.elements));
                error.mti = error.mti.map(|_| house);
                error.salvaged.elements = elements.only(mapping.house.defined());
                return Err(error);
            }
        };
        let (mti, elements, lost) =
            mapping.read(message.mti(), message.elements(message.present()));
        let lost = lost.filter(|_| !mti.is_response());
        let own = elements.only(mapping.house.defined());
        let mut bytes = Vec::with_capacity(message.body().len() * 2 + 32);
        let refused = |EncodeError { element, fault }| {
            let salvaged = Salvaged { elements: own.clone(), ..Salvaged::default() };
            let element = Some(element.get());
            DecodeError { mti: Some(mti), element, offset: 0, fault, salvaged: Box::new(salvaged) }
        };
        if mapping.later && asks_undated(mti, &message) {
            let element = ElementNo::of(12);
            return Err(refused(EncodeError { element, fault: Fault::Missing }));
        }
        if let Some(element) = lost {
            return Err(refused(EncodeError { element, fault: Fault::NoCounterpart }));
        }
        (Draft { mti, own: &own, copied: None })
            .encode(&mapping.house, &mut bytes)
            .map_err(refused)?;
        codec::decode(&mapping.house, Bytes::from(bytes))
    }

    /// Appends a message of the house as the link's peers want it; on an error nothing is appended. `at` says which year
    /// is meant where the later edition names one, and when it was asked where nothing else does.
    #[inline]
    pub fn write(&self, draft: &Draft<'_>, at: Wall, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &self.mapping {
            None => draft.encode(&self.wire, out),
            Some(mapping) => {
                let (mti, own) = mapping.write(draft.mti, gathered(draft), at, true)?;
                (Draft { mti, own: &own, copied: None }).encode(&self.wire, out)
            }
        }
    }

    /// A message as the link's peers want it, without what they cannot be told: for what must go out.
    pub fn write_what_fits(&self, mti: Mti, elements: &Elements, at: Wall) -> Vec<u8> {
        self.write_what_is_said(mti, elements, at).0
    }

    /// The same, and what it says: elements of the link's own edition.
    pub fn write_what_is_said(
        &self,
        mti: Mti,
        elements: &Elements,
        at: Wall,
    ) -> (Vec<u8>, Elements) {
        match &self.mapping {
            None => what_fits(&self.wire, mti, elements),
            Some(mapping) => match mapping.write(mti, elements.clone(), at, false) {
                Ok((mti, elements)) => what_fits(&self.wire, mti, &elements),
                Err(_) => (Vec::new(), Elements::default()),
            },
        }
    }

    /// Whether an approval with this code, and what it adds, is one to the peers of the link.
    pub fn tells_approval(&self, added: &Elements) -> bool {
        let Some(mapping) = self.later() else { return true };
        let code = added.get(ElementNo::RESPONSE_CODE).unwrap_or_default();
        let action = edition::action(added, code, (&mapping.settings.codes, Class::Financial));
        ResponseCode::new(&action).is_ok_and(|action| self.wire.approves(action))
    }

    /// Whether a message towards this link can name another one: by element 90 of 1987, or 56 of 1993.
    pub fn names_originals(&self) -> bool {
        let no = if self.later().is_some() { ElementNo::of(56) } else { ElementNo::ORIGINAL };
        self.wire.defined().minus(self.dropped()).has(no)
    }

    /// Names the message that another is about, as the link's peers know it: element 90 of the house, and of 1993 its 56 with the
    /// moment at which the original said that it was asked.
    pub fn name_original(
        &self,
        elements: &mut Elements,
        data: &[u8],
        (original, at): (&Elements, Wall),
    ) {
        elements.set(ElementNo::ORIGINAL, data);
        if self.later().is_some() {
            elements.set(edition::ORIGINAL, &edition::original_of(original, data, at));
        }
    }

    /// Whether an advice towards this link can name the request that was approved in its issuer's place: by original data, and by
    /// the reference that both carry, element 37. What its configuration changes is not what both carry.
    pub fn names_requests(&self) -> bool {
        let write = self.mapping.as_ref().map(|mapping| &mapping.settings.write);
        let replaced = write.map_or(ElementSet::EMPTY, Changes::replaced);
        let said = self.wire.defined().minus(self.dropped().or(replaced));
        let room = |no| self.wire.row(no).map_or(0, |row| row.max);
        let names = if self.later().is_some() {
            said.has(ElementNo::of(56)) && ORIGINAL_LEN_1993 <= room(ElementNo::of(56))
        } else {
            said.has(ElementNo::ORIGINAL) && room(ElementNo::ORIGINAL) == ORIGINAL_LEN
        };
        names && said.has(ElementNo::RRN)
    }

    /// Whether what is said of an advice still has the reference and the name that it had in the house.
    pub fn still_names_request(&self, advice: &Elements, said: &Elements) -> bool {
        let kept = |wire, house| said.get(wire).is_some() && said.get(wire) == advice.get(house);
        let named = match self.later() {
            Some(_) => kept(ElementNo::of(56), edition::ORIGINAL),
            None => kept(ElementNo::ORIGINAL, ElementNo::ORIGINAL),
        };
        named && kept(ElementNo::RRN, ElementNo::RRN)
    }

    /// Whether a message names another one: then it has no element left to name one more.
    pub fn names_another(elements: &Elements) -> bool {
        !elements.present().and(Self::NAMES).is_empty()
    }

    /// The elements that name another message: 90, and what is kept aside of 56 of 1993.
    pub const NAMES: ElementSet = ElementSet::of(&[90, edition::ORIGINAL.get()]);

    /// Mentions another message, which is neither raised nor completed, or is what this is the advice of: element 90, and of
    /// 1993 element 56 alone. With 90 the function code would say that it is.
    pub fn mention(&self, elements: &mut Elements, data: &[u8], (original, at): (&Elements, Wall)) {
        if self.later().is_some() {
            elements.set(edition::ORIGINAL, &edition::original_of(original, data, at));
        } else {
            elements.set(ElementNo::ORIGINAL, data);
        }
    }

    /// Says why something is reversed, where the link's edition has a place for that.
    pub fn set_reason(&self, elements: &mut Elements, reason: Reason) {
        if self.later().is_some() && elements.get(edition::REASON).is_none() {
            elements.set(edition::REASON, edition::reason_code(reason));
        }
    }

    fn later(&self) -> Option<&Mapping> {
        self.mapping.as_deref().filter(|mapping| mapping.later)
    }
}

impl Mapping {
    /// From the wire's elements to the house's, and the first one that the house has no place for.
    fn read(&self, mti: Mti, mut elements: Elements) -> (Mti, Elements, Option<ElementNo>) {
        self.settings.read.apply(mti, &mut elements);
        if mti.is_response() {
            self.settings.write.take_back(&mut elements);
        }
        if !self.later {
            return (mti, elements, None);
        }
        let lost = edition::lost(&elements);
        let (house_mti, mut own) =
            edition::to_house(mti, &elements, (&self.settings.codes, self.side));
        let action = elements.get(ElementNo::RESPONSE_CODE);
        if action.is_some_and(|action| self.says_too_much(house_mti, action, &own)) {
            own.remove(ElementNo::RESPONSE_CODE);
        }
        (house_mti, own, lost)
    }

    /// Whether a code would move money in the house's words and does not in the wire's own: the wire's list decides, and what is
    /// on neither side of it cannot be read.
    fn says_too_much(&self, mti: Mti, action: &[u8], own: &Elements) -> bool {
        let listed = |dialect: &Dialect, code: &[u8]| {
            let listed = |code| {
                if edition::answers_request(mti) {
                    dialect.approves(code)
                } else {
                    dialect.accepts(code)
                }
            };
            ResponseCode::new(code).is_ok_and(listed)
        };
        let code = own.get(ElementNo::RESPONSE_CODE).unwrap_or_default();
        // What would be an approval in 1987 is none here unless the wire's list has it.
        let approves = listed(&self.house, code)
            || edition::answers_request(mti) && (action.starts_with(b"0") || codes::approves(code));
        // Of totals no code moves money: it says whether they agree, and no dialect lists that.
        let of_totals = mti.class() == Class::Other(5) && action.starts_with(b"5");
        mti.is_response()
            && mti.class() != Class::Network
            && !of_totals
            && approves
            && !listed(&self.wire, action)
    }

    /// From the house's elements to the wire's.
    fn write(
        &self,
        mti: Mti,
        elements: Elements,
        at: Wall,
        strict: bool,
    ) -> Result<(Mti, Elements), EncodeError> {
        let network = self.settings.network.filter(|_| is_network_request(mti));
        let (mti, mut elements) = if self.later {
            let unsayable = edition::unsayable(mti, &elements, self.settings.write.dropped());
            let refused = strict && !planted::is(Bug::MoneyLeftOut);
            if let Some(element) = unsayable.filter(|_| refused) {
                return Err(EncodeError { element, fault: Fault::NoCounterpart });
            }
            let with = (&self.settings.codes, self.side, at);
            edition::from_house(mti, &elements, with, self.wire.defined())
        } else {
            (mti, elements)
        };
        let network =
            network.or_else(|| (self.later && is_network_request(mti)).then_some(NETWORK_1993));
        let mti = network.unwrap_or(mti);
        if !self.settings.write.is_empty() {
            self.settings.write.apply(mti, &mut elements);
            edition::name_institutions(&mut elements, self.later);
        }
        Ok((mti, elements))
    }
}

/// Whether a message wants something and does not say when it was asked: nothing later could name it.
fn asks_undated(mti: Mti, wire: &Message) -> bool {
    let asks = !mti.is_response() && mti.class() != Class::Network;
    asks && mti.version() == 0 && wire.get(ElementNo::of(12)).is_none()
}

/// How long original data elements are in 1987.
const ORIGINAL_LEN: u16 = 42;

/// How long they may become in 1993: MTI, elements 11 and 12, and element 32 behind its length.
const ORIGINAL_LEN_1993: u16 = 35;

/// How long replacement amounts are: of the transaction and of the settlement 12, two fees of 9.
const REPLACEMENT_LEN: u16 = 42;

/// What links of 1993 send for network management unless told otherwise: a request of neither acquirer nor issuer.
const NETWORK_1993: Mti = Mti::of(1804);

fn is_network_request(mti: Mti) -> bool {
    mti.class() == Class::Network && !mti.is_response()
}

/// What a draft says, in one place.
fn gathered(draft: &Draft<'_>) -> Elements {
    match draft.copied {
        None => draft.own.clone(),
        Some((message, set)) => message.elements(set).overlaid(draft.own),
    }
}

/// Encodes what the dialect can say, and leaves out what it cannot; gives what is said, too.
fn what_fits(dialect: &Dialect, mti: Mti, elements: &Elements) -> (Vec<u8>, Elements) {
    let mut own = elements.only(dialect.defined());
    let mut body = Vec::with_capacity(256);
    for _ in 0..=own.present().len() {
        body.clear();
        match (Draft { mti, own: &own, copied: None }).encode(dialect, &mut body) {
            Ok(()) => break,
            Err(fault) => own.remove(fault.element),
        }
    }
    (body, own)
}

/// Where the house has what a link's own edition says in an element.
pub fn house_element(wire: &Dialect, no: ElementNo) -> ElementNo {
    let kept = wire.version() == Version::Of1993 && edition::kept_aside().any(|kept| kept == no);
    if kept { aside(no.get()) } else { no }
}

/// The element of the house that holds what the later edition says in this one, 2 to 64.
const fn aside(no: u8) -> ElementNo {
    ElementNo::of(128 + no)
}
