//! What the engine is asked to handle.

use std::sync::Arc;

use crate::clearing::{BatchVerdict, HostVerdict};
use crate::codec::{Message, Plain};
use crate::dialect::{Dialect, Form};
use crate::framing::Head;
use crate::iso::{BusinessDate, Class, ElementNo, ElementSet, Elements, Mti, Pan, Track2};
use crate::planted::{self, Bug};
use crate::record::{Card, LinkId, Lsn, Owing, Remark, Ruling, Secret, TxnId};
use crate::route::Facts;
use crate::seal::{Keys, Tag};
use crate::tranlog::Found;

use super::batch::PetitionId;
use super::docket::Denied;
use super::effect::{Mark, QuestionId};
use super::peers::LinkView;
use super::permit::Permit;
use super::reload::{Change, NotReloaded};
use super::totals::OwedTotals;

/// A connection of a link. Its number is never used again while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// An operator's order, by a number that its answer repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(pub u64);

/// What the engine is asked to handle.
#[derive(Debug)]
pub enum Input {
    /// The journal has been applied and the process begins. Once, before any other.
    Start,
    /// A session stands.
    Up {
        /// Which; never seen before.
        session: SessionId,
        /// Whose.
        link: LinkId,
        /// What may be asked there; none for everything.
        permit: Option<Arc<Permit>>,
    },
    /// A session has ended: nothing may be sent there any more. What is on its way is told by `Drained`.
    Lost {
        /// Which.
        session: SessionId,
    },
    /// After `Lost`: every effect made before it has been written, or is listed here.
    Drained {
        /// Which.
        session: SessionId,
        /// The messages of which no byte was handed to the socket.
        never_begun: Vec<Mark>,
    },
    /// A message.
    Arrived(Box<Arrival>),
    /// A frame that is no message.
    Unreadable(Box<Unreadable>),
    /// The first byte of these messages was handed to a socket.
    Begun {
        /// Which; only answers matter.
        marks: Vec<Mark>,
    },
    /// Time has passed.
    Tick,
    /// The books' answer.
    LookedUp {
        /// To which question.
        question: QuestionId,
        /// What they know.
        found: Found,
    },
    /// The ledger's answer.
    BatchAnswered {
        /// To which question.
        id: PetitionId,
        /// What the terminal hears.
        verdict: BatchVerdict,
    },
    /// The ledger's answer to totals of a host.
    Reconciled {
        /// To which question.
        id: PetitionId,
        /// What the host hears.
        verdict: HostVerdict,
    },
    /// The totals that the ledger has for an issuer, written down as owed.
    TotalsOwed {
        /// To whom.
        link: LinkId,
        /// Which.
        owed: Vec<OwedTotals>,
    },
    /// An operator wants something.
    Ordered {
        /// The number of the order.
        id: OrderId,
        /// What.
        order: Order,
    },
    /// The configuration was read again.
    Reload {
        /// The number of the order.
        id: OrderId,
        /// What is different from now on.
        change: Box<Change>,
    },
    /// Free space on the journal's disk fell below the reserve, or rose above it.
    Disk {
        /// Whether it is below.
        low: bool,
    },
    /// A link has the settings with which it begins anew: no session begins with the old ones any more.
    Reopened {
        /// Which.
        link: LinkId,
    },
    /// The process is to end: new requests are declined from now on.
    Drain,
}

/// What an operator may order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// End a day: what arrives from now on belongs to the next, and when nothing of the day is in flight it is cut.
    Cut(BusinessDate),
    /// Take a link out of service, put it back, or see whether it answers.
    Link(LinkId, LinkOrder),
    /// Send a dead letter again.
    Requeue {
        /// Of which transaction.
        txn: TxnId,
        /// Which of its debts; none where it has but one.
        owing: Option<Owing>,
        /// Who orders it.
        by: Remark,
    },
    /// Take a dead letter, or an approval that answers nothing, off the list.
    WriteOff {
        /// The transaction; or the record that put the approval on the list.
        about: Lsn,
        /// Which of its debts; none where it has but one.
        owing: Option<Owing>,
        /// Who orders it, and why.
        ruling: Ruling,
    },
}

/// What an operator may order of a link. It holds until the next order, or until the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOrder {
    /// In service: connected, signed on where we do that, open for what is new.
    Up,
    /// Nothing new: what is in flight is answered, and when nothing is, we sign off.
    Drain,
    /// Signed off and disconnected, at once; what is owed is kept.
    Down,
    /// An echo test on each of its sessions.
    Echo,
}

impl LinkOrder {
    /// As an operator writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Drain => "drain",
            Self::Down => "down",
            Self::Echo => "echo",
        }
    }
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderResult {
    /// The day is cut, by the record at this position.
    Cut {
        /// The position.
        at: Lsn,
    },
    /// The day was cut before.
    AlreadyCut,
    /// How the link is, just after the order.
    Link(LinkView),
    /// There is no such link.
    NoLink,
    /// The day has not begun.
    NotBegun {
        /// The day in force.
        current: BusinessDate,
    },
    /// The dead letter is sent again, by this order or an earlier one.
    Requeued {
        /// Which debt.
        owing: Owing,
    },
    /// It is off the list, by this order or an earlier one.
    WrittenOff {
        /// Which debt; none for an approval that answers nothing.
        owing: Option<Owing>,
    },
    /// It is not carried out.
    Denied(Denied),
    /// The change is made. Links that are closed and opened anew are opened when nothing on them is in flight any more.
    Reloaded,
    /// Nothing has changed.
    NotReloaded(NotReloaded),
}

/// A frame that is no message of its link's dialect.
#[derive(Debug)]
pub struct Unreadable {
    /// Where it came in.
    pub session: SessionId,
    /// Its head, for the answer.
    pub head: Head,
    /// Its MTI, if that could be read.
    pub mti: Option<Mti>,
    /// The elements before the fault.
    pub salvaged: Elements,
}

/// A message that came in, with all that can be worked out before it is the engine's turn.
#[derive(Debug)]
pub struct Arrival {
    /// Where it came in.
    pub session: SessionId,
    /// Whose session that is.
    pub link: LinkId,
    /// Its head, for the answer.
    pub head: Head,
    /// The message.
    pub message: Message,
    /// Of a message that asks: its elements that may be kept, without element 2.
    pub kept: Elements,
    /// Elements that may be kept and are not, since the card's number stands in them.
    pub withheld: ElementSet,
    /// Of a message that asks: its card.
    pub card: CardOf,
    /// Keyed hash of who asked; none when no date says when.
    pub key: Option<Tag>,
    /// Keyed hash of what was asked.
    pub content: Tag,
    /// For a reversal or a completion, the key of its original by element 90.
    pub original_key: Option<Tag>,
    /// Keyed hash of what element 90 names, without the institutions: class, element 11 and element 7. None where that is the
    /// message itself: some networks have a repeat name its first.
    pub named: Option<Tag>,
}

/// The card that a message names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardOf {
    /// None: neither element 2 nor 35.
    None,
    /// This one.
    One(Card),
    /// Elements 2 and 35 name different ones, or something that is no PAN.
    Contradiction,
}

impl Arrival {
    /// Works out what can be worked out without the engine: keys, hashes, and what is kept.
    ///
    /// An answer is found by its pair, so nothing of it is hashed, and only what it adds is kept.
    pub fn new(
        session: SessionId,
        link: LinkId,
        head: Head,
        message: Message,
        keys: &Keys,
    ) -> Self {
        let mut arrival = Self {
            session,
            link,
            head,
            message,
            kept: Elements::default(),
            withheld: ElementSet::EMPTY,
            card: CardOf::None,
            key: None,
            content: Tag::default(),
            original_key: None,
            named: None,
        };
        if !arrival.mti().is_response() {
            arrival.identify(keys);
        }
        arrival
    }

    /// Who asks, and what.
    fn identify(&mut self, keys: &Keys) {
        let message = &self.message;
        let keeps = message.dialect().keeps().without(ElementNo::PAN);
        self.kept = message.elements(keeps);
        self.card = CardOf::read(message, keys);
        if let Some(card) = self.card.one() {
            self.withheld = naming(card, &self.kept, message.dialect());
            if !self.withheld.is_empty() {
                self.kept = self.kept.only(keeps.minus(self.withheld));
            }
        }
        let card = self.card.one().map_or_else(Tag::default, |card| card.token);
        self.content = content_of(keys, message, card);
        self.key = Self::when(message, message.get(ElementNo::TRANSMISSION)).map(|when| {
            let (stan, acquirer) = (message.get(ElementNo::STAN), message.get(ElementNo::ACQUIRER));
            let class = message.mti().class();
            let named = (plain(stan.as_ref()), plain(acquirer.as_ref()));
            Self::key(keys, self.link, (class, message), named, &when)
        });
        self.original_key = message
            .get(ElementNo::ORIGINAL)
            .and_then(|original| Self::key_of_original(keys, self.link, message, &original));
        self.named = self.named_by(keys);
    }

    /// What routes look at. Elements that are not needed are not even read.
    pub fn with_facts<T>(&self, needs: ElementSet, look: impl FnOnce(&Facts<'_>) -> T) -> T {
        let pan = match self.card.one().map(|card| &card.secret) {
            Some(Secret::Clear(pan)) => Some(pan.expose()),
            Some(Secret::Sealed(_)) | None => None,
        };
        if needs.is_empty() {
            return look(&Facts::new(self.mti().class(), pan, [&[]; Facts::ELEMENTS.len()]));
        }
        let values = Facts::ELEMENTS.map(|no| if needs.has(no) { self.get(no) } else { None });
        let values = values.each_ref().map(|value| plain(value.as_ref()));
        look(&Facts::new(self.mti().class(), pan, values))
    }

    /// An element's plain value.
    pub fn get(&self, no: ElementNo) -> Option<Plain<'_>> {
        self.message.get(no)
    }

    fn named_by(&self, keys: &Keys) -> Option<Tag> {
        self.original_key.filter(|_| !self.names_itself())?;
        let original = self.get(ElementNo::ORIGINAL)?;
        let class = mti_named(&original)?.class();
        Some(keys.tag("named", &[&[class.digit()], original.get(4..20)?]))
    }

    /// Whether its element 90 names the message itself: its class and element 11, and when it was sent or nothing about that,
    /// whatever it says of institutions.
    pub(super) fn names_itself(&self) -> bool {
        if self.original_key.is_none() || self.original_key == self.key {
            return self.original_key.is_some();
        }
        let Some(named) = self.get(ElementNo::ORIGINAL) else { return false };
        let said = |no| self.get(no).unwrap_or_default();
        let class = mti_named(&named).map(Mti::class);
        let sent_at = said(ElementNo::TRANSMISSION);
        // Without element 7 a message is known by 13 and 12. With it these may be those of another message of its purchase.
        let is_local = |when: &[u8]| {
            let time = when.strip_prefix(&*said(ElementNo::LOCAL_DATE));
            sent_at.is_empty() && time == Some(&*said(ElementNo::LOCAL_TIME))
        };
        let when = named.get(10..20).unwrap_or_default();
        class == Some(self.mti().class())
            && named.get(4..10) == Some(&*said(ElementNo::STAN))
            && (is_zeros(when) || *when == *sent_at || is_local(when))
    }

    /// Whether it names itself as a repeat does: it says that it is one, or names the moment that is its own. Without either it
    /// may name another one of its number.
    pub(super) fn repeats_itself(&self) -> bool {
        let moment = self.get(ElementNo::ORIGINAL);
        let moment = moment.as_deref().and_then(|named| named.get(10..20));
        self.names_itself()
            && (self.mti().is_repeat() || moment.is_some_and(|digits| !is_zeros(digits)))
    }

    /// Whether it says that it repeats an earlier one.
    pub(super) fn is_repeat(&self) -> bool {
        self.mti().is_repeat() || self.names_itself()
    }

    /// Its MTI.
    pub fn mti(&self) -> Mti {
        self.message.mti()
    }

    /// Which elements it has.
    pub fn present(&self) -> ElementSet {
        self.message.present()
    }

    /// The key that element 90 names: MTI 4, STAN 6, element 7 10, acquirer 11, forwarder 11 (ISO 8583:1987).
    fn key_of_original(
        keys: &Keys,
        link: LinkId,
        message: &Message,
        original: &[u8],
    ) -> Option<Tag> {
        let class = mti_named(original)?.class();
        let stan = original.get(4..10)?;
        if original.starts_with(b"0000") || is_zeros(original.get(4..20)?) {
            // It says that there is none.
            return None;
        }
        let transmission = original.get(10..20).filter(|digits| !is_zeros(digits));
        let acquirer = original.get(20..31)?;
        // The field is zero-filled on the left; the message's own element 32 says how many digits are meant. Nothing but
        // zeros is how the field says that it leaves the acquirer out.
        let own = message.get(ElementNo::ACQUIRER);
        let own = plain(own.as_ref());
        let same = own.len() <= 11
            && acquirer.ends_with(own)
            && acquirer.iter().take(11 - own.len()).all(|digit| *digit == b'0');
        let trimmed = acquirer
            .iter()
            .position(|digit| *digit != b'0')
            .and_then(|first| acquirer.get(first..));
        let trimmed =
            if planted::is(Bug::AcquirerOfOriginalTaken) { Some(acquirer) } else { trimmed };
        let acquirer = if same { own } else { trimmed.unwrap_or(own) };
        let when = Self::when(message, transmission.map(Plain::from))?;
        Some(Self::key(keys, link, (class, message), (stan, acquirer), &when))
    }

    /// Element 7, or else 12 and 13 together: when the asker says that it asked.
    fn when<'a>(message: &'a Message, transmission: Option<Plain<'a>>) -> Option<When<'a>> {
        if let Some(transmission) = transmission {
            return Some([transmission, Plain::default()]);
        }
        Some([message.get(ElementNo::LOCAL_TIME)?, message.get(ElementNo::LOCAL_DATE)?])
    }

    fn key(
        keys: &Keys,
        link: LinkId,
        (class, message): (Class, &Message),
        (stan, acquirer): (&[u8], &[u8]),
        [first, then]: &When<'_>,
    ) -> Tag {
        let (terminal, merchant) =
            (message.get(ElementNo::TERMINAL), message.get(ElementNo::MERCHANT));
        keys.tag(
            "asker",
            &[
                &link.0.to_be_bytes()[..],
                &[class.digit()],
                stan,
                plain(terminal.as_ref()),
                plain(merchant.as_ref()),
                acquirer,
                first,
                then,
            ],
        )
    }
}

/// When an asker says that it asked: element 7 and nothing, or 12 and 13.
type When<'a> = [Plain<'a>; 2];

/// The MTI of the message that element 90 names.
pub(super) fn mti_named(original: &[u8]) -> Option<Mti> {
    Mti::from_ascii(original.get(..4)?).ok()
}

/// Whether digits say nothing.
fn is_zeros(digits: &[u8]) -> bool {
    digits.iter().all(|digit| *digit == b'0')
}

/// A value, or nothing where it is absent.
fn plain<'a>(value: Option<&'a Plain<'_>>) -> &'a [u8] {
    value.map(|value| &**value).unwrap_or_default()
}

/// Keyed hash of PAN, 3, 4, 49, 41 and 42, and of a partial reversal its replacement amounts.
fn content_of(keys: &Keys, message: &Message, card: Tag) -> Tag {
    const SAID: [ElementNo; 5] = [
        ElementNo::PROCESSING_CODE,
        ElementNo::AMOUNT,
        ElementNo::CURRENCY,
        ElementNo::TERMINAL,
        ElementNo::MERCHANT,
    ];
    let [code, amount, currency, terminal, merchant] = SAID.map(|no| message.get(no));
    let (card, code, amount) = (card.0.to_be_bytes(), plain(code.as_ref()), plain(amount.as_ref()));
    let (currency, terminal) = (plain(currency.as_ref()), plain(terminal.as_ref()));
    let merchant = plain(merchant.as_ref());
    match replacement(message) {
        None => keys.tag("content", &[&card, code, amount, currency, terminal, merchant]),
        // A partial reversal to another amount is another one.
        Some(left) => {
            keys.tag("content", &[&card, code, amount, currency, terminal, merchant, &left])
        }
    }
}

/// For how much its original is to stand, as a reversal says it: the first twelve characters of element 95. None when it says
/// nothing but zeros: then all is reversed.
pub(super) fn replacement(message: &Message) -> Option<Plain<'_>> {
    if message.mti().class() != Class::Reversal {
        return None;
    }
    let amounts = message.get(ElementNo::of(95))?;
    amounts.iter().take(12).any(|digit| *digit != b'0').then_some(amounts)
}

/// The elements in which a card's number stands, whatever their rows say of them: they are as secret as it is. The digits
/// that the books count with are never more than what they are.
pub(super) fn naming(card: &Card, elements: &Elements, dialect: &Dialect) -> ElementSet {
    const COUNTED: ElementSet = ElementSet::of(&[3, 4, 7, 11, 12, 13, 39, 49]);
    let Secret::Clear(pan) = &card.secret else { return ElementSet::EMPTY };
    // Two digits a byte, and one of them may stand apart.
    let shortest = pan.expose().len() / 2;
    let may_be_packed = |no| dialect.layout(no).is_some_and(|layout| layout.form == Form::Raw);
    let long = elements.iter().filter(|(_, value)| shortest <= value.len());
    let values = long.filter(|(no, _)| !COUNTED.has(*no));
    let naming = values.filter(|(no, value)| {
        if may_be_packed(*no) { pan.stands_packed_in(value) } else { pan.stands_in(value) }
    });
    naming.map(|(no, _)| no).collect()
}

impl CardOf {
    fn read(message: &Message, keys: &Keys) -> Self {
        let of_track = message
            .get(ElementNo::TRACK2)
            .map(|track| Track2::new(&track).and_then(|track| track.pan()));
        let named = message.get(ElementNo::PAN).map(|pan| Pan::new(&pan));
        let pan = match (named, of_track) {
            (None, None) => return Self::None,
            (Some(Ok(pan)), None) | (None, Some(Ok(pan))) => pan,
            (Some(Ok(pan)), Some(Ok(of_track))) if pan == of_track => pan,
            (Some(_), _) | (_, Some(_)) => return Self::Contradiction,
        };
        let (masked, token) = (pan.masked(), keys.tag("card", &[pan.expose()]));
        Self::One(Card { masked, token, secret: Secret::Clear(pan) })
    }

    /// The card, if there is just one.
    pub const fn one(&self) -> Option<&Card> {
        match self {
            Self::One(card) => Some(card),
            Self::None | Self::Contradiction => None,
        }
    }
}
