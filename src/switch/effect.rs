//! What the engine wants done. Everything here leaves only when the journal is durable up to the
//! engine's tail at the moment at which it was made: written before it is sent, written before it is told.

use std::fmt;

use crate::clearing::HostVerdict;
use crate::codec::EncodeError;
use crate::framing::Head;
use crate::iso::{BusinessDate, Class, ElementNo, ElementSet, Mti, ResponseCode};
use crate::record::{LinkId, Lsn, Owing, Reason, Record, Remark, Ruling, Trace, TxnId, Verdict};
use crate::tranlog::Ask;

use super::batch::BatchQuestion;
use super::buckets::Limit;
use super::input::{OrderId, OrderResult, SessionId};
use super::named::Named;
use super::nearest::Nearest;
use super::reconcile::HostQuestion;
use super::totals::{TotalsAnswer, TotalsQuestion};

/// What one or more inputs brought about, in order.
#[derive(Debug, Default)]
pub struct Effects {
    /// Records for the journal; those of one input are committed together or not at all. The last
    /// one's position is the engine's tail.
    pub records: Vec<Record>,
    /// What to do when they are durable.
    pub actions: Vec<Action>,
    /// What happened, for counters and log lines; needs no durability.
    pub notes: Vec<Note>,
    /// Empty memory of bodies that have left, for those to come: they are made by one thread and leave by another.
    pub spare: Vec<Vec<u8>>,
}

impl Effects {
    /// Memory for a body of about so many bytes.
    pub(super) fn room(&mut self, bytes: usize) -> Vec<u8> {
        let mut room = self.spare.pop().unwrap_or_default();
        // What was in it was another peer's.
        room.clear();
        room.reserve(bytes);
        room
    }

    /// Gives back the memory of a body that has left.
    pub fn give_back(spare: &mut Vec<Vec<u8>>, mut body: Vec<u8>) {
        body.clear();
        if spare.len() < SPARE_MAX && body.capacity() <= SPARE_BYTES_MAX {
            spare.push(body);
        }
    }

    /// Tells of elements that may be kept and are not written down, if there are any.
    pub(super) fn note_withheld(&mut self, link: LinkId, withheld: ElementSet) {
        if !withheld.is_empty() {
            self.notes.push(Note::Withheld { link, elements: withheld });
        }
    }
}

/// How much memory of bodies is kept, and how large each may be: 2 MiB at most in each of the two queues that the daemon has.
const SPARE_MAX: usize = 2048;
const SPARE_BYTES_MAX: usize = 1024;

/// Something to be done.
pub enum Action {
    /// Send a message.
    Send {
        /// Where.
        session: SessionId,
        /// What goes before it.
        head: Head,
        /// The message.
        body: Vec<u8>,
        /// What it is, for `Drained` and `Begun`.
        mark: Mark,
    },
    /// Ask the books, once they have followed the journal up to `from`.
    Ask(Question),
    /// Ask the ledger about a batch, once the books have followed the journal that far.
    Batch(BatchQuestion),
    /// Ask it about the totals of a host, once the books have followed that far.
    Reconcile(HostQuestion),
    /// Ask it what a day that was cut came to with an issuer, and what else of the kind is owed there.
    Totals(TotalsQuestion),
    /// Tell it what an issuer answered to such totals.
    TotalsAnswered(TotalsAnswer),
    /// Let peers of a link come and be dialled, or not.
    Doors {
        /// Which.
        link: LinkId,
        /// Whether they are open.
        open: bool,
    },
    /// Every session of a link that is to have other settings has ended: it is opened anew, with those.
    Reopen {
        /// Which.
        link: LinkId,
    },
    /// End a session.
    Close {
        /// Which.
        session: SessionId,
        /// Why, for people.
        why: &'static str,
    },
    /// A day was cut, and not by an order that waits for it: its files are to be written.
    DayCut {
        /// Which.
        date: BusinessDate,
        /// The record that cut it.
        at: Lsn,
    },
    /// An order is carried out, or refused.
    Done {
        /// Which.
        id: OrderId,
        /// What became of it.
        result: OrderResult,
    },
}

/// A message is full of secrets: only its length is shown.
impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { session, head: _, body, mark } => {
                write!(f, "Send({session:?}, {} bytes, {mark:?})", body.len())
            }
            Self::Ask(question) => write!(f, "Ask({question:?})"),
            Self::Batch(question) => write!(f, "Batch({question:?})"),
            Self::Reconcile(question) => write!(f, "Reconcile({question:?})"),
            Self::Totals(question) => write!(f, "Totals({question:?})"),
            Self::TotalsAnswered(answer) => write!(f, "TotalsAnswered({answer:?})"),
            Self::Doors { link, open } => write!(f, "Doors({link:?}, {open})"),
            Self::Reopen { link } => write!(f, "Reopen({link:?})"),
            Self::Close { session, why } => write!(f, "Close({session:?}, {why})"),
            Self::DayCut { date, at } => write!(f, "DayCut({date}, {at:?})"),
            Self::Done { id, result } => write!(f, "Done({id:?}, {result:?})"),
        }
    }
}

/// What a message is, for whoever carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// Nothing hangs on it.
    Plain,
    /// A request to its issuer.
    Request(TxnId),
    /// An approval to its asker.
    Approval(TxnId),
    /// An owed message to its issuer, under this pair.
    Owed(TxnId, Owing, Trace),
}

/// The number of a question, repeated by its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(pub u64);

/// A question to the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its number.
    pub id: QuestionId,
    /// What is wanted.
    pub ask: Ask,
    /// How far the books must have followed before they answer.
    pub from: Lsn,
}

/// Why a message is refused, for people. Holds no value of any element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// In a sentence.
    Said(&'static str),
    /// What is wrong with one of its elements.
    Element {
        /// Which, in the words of its network.
        element: u8,
        /// What.
        why: &'static str,
    },
    /// What its issuer's network cannot say.
    Unsayable {
        /// The issuer's link.
        issuer: LinkId,
        /// Which element, and what is wrong with it there.
        fault: EncodeError,
    },
}

impl From<&'static str> for Why {
    fn from(said: &'static str) -> Self {
        Self::Said(said)
    }
}

/// What happened, for counters and log lines. Holds no card and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A request was forwarded.
    Forwarded {
        /** From. */
        asker: LinkId,
        /** To. */
        issuer: LinkId,
    },
    /// An issuer answered in time.
    Answered {
        /** Which. */
        issuer: LinkId,
        /** How. */
        verdict: Verdict,
        /** Its code. */
        code: Option<ResponseCode>,
        /** How long it took, milliseconds. */
        ms: u64,
    },
    /// An asker was told no by us.
    Declined {
        /** Whom. */
        asker: LinkId,
        /** Which message. */
        of: Box<Named>,
        /** What. */
        code: ResponseCode,
        /** Why, for people. */
        why: Why,
    },
    /// An asker was told a stored outcome.
    Replayed {
        /** Whom. */
        asker: LinkId,
    },
    /// A copy joined the wait for an answer.
    Joined {
        /** Whose. */
        asker: LinkId,
    },
    /// A copy had the key of another message and other content: 94.
    OtherContent {
        /** Whose. */
        asker: LinkId,
        /** Which. */
        of: Box<Named>,
    },
    /// An element that may be kept is not written down: the card's number stands in it.
    Withheld {
        /** From whom. */
        link: LinkId,
        /** Which. */
        elements: ElementSet,
    },
    /// An issuer did not answer in time.
    TimedOut {
        /** Which. */
        issuer: LinkId,
        /** Of which transaction. */
        txn: TxnId,
    },
    /// A request was never begun.
    Withdrawn {
        /** For whom. */
        issuer: LinkId,
    },
    /// A request that was never begun goes on elsewhere.
    Rerouted {
        /// From which link.
        from: LinkId,
        /// To which: the same, when another session of it lives.
        to: LinkId,
    },
    /// A message is longer than the frames of its link, and was not sent as it was.
    TooLong {
        /** Which. */
        link: LinkId,
    },
    /// An approval reached nobody.
    Undelivered {
        /** From whom. */
        issuer: LinkId,
        /** Of which transaction. */
        txn: TxnId,
    },
    /// An answer came after the end.
    Late {
        /** From whom. */
        issuer: LinkId,
        /** Whether it approves. */
        approved: bool,
        /** Whether its reversal had been acknowledged. */
        after_close: bool,
        /** Of which transaction. */
        txn: TxnId,
    },
    /// An answer's key fits and its content does not.
    Mismatched {
        /** From whom. */
        issuer: LinkId,
        /** The first element that differs; 0 when the code cannot be read. */
        element: u8,
        /** Of which transaction. */
        txn: TxnId,
    },
    /// An acknowledgement's key fits and its content does not: it closes nothing.
    Misacknowledged {
        /** From whom. */
        issuer: LinkId,
        /** The first element that differs. */
        element: ElementNo,
        /** Of which transaction. */
        txn: TxnId,
    },
    /// A response that nothing waits for, and what comes nearest.
    Unmatched {
        /** From whom. */
        link: LinkId,
        /** What. */
        mti: Mti,
        /** Its pair. */
        trace: Option<Trace>,
        /** Why, for people. */
        why: &'static str,
        /** What comes nearest to what it answers. */
        nearest: Option<Nearest>,
        /** How many requests wait for an answer on that link. */
        pending: u32,
    },
    /// An unmatched approval that the books do not know either.
    Orphan {
        /** From whom. */
        link: LinkId,
        /** The record that lists it. */
        at: Lsn,
    },
    /// A request was approved in its issuer's place.
    StoodIn {
        /** Whose. */
        asker: LinkId,
        /** In whose place. */
        issuer: LinkId,
        /** Of which transaction. */
        txn: TxnId,
    },
    /// An issuer declined late what was approved in its place, which stands.
    LateDecline {
        /** Who. */
        issuer: LinkId,
        /** What stands. */
        txn: TxnId,
    },
    /// An advice was stored.
    Stored {
        /** From. */
        asker: LinkId,
        /** For. */
        issuer: LinkId,
    },
    /// A reversal was asked for.
    Undone {
        /** By whom. */
        asker: LinkId,
        /** Whether its original is known. */
        known: bool,
        /** Whether that was in flight. */
        in_flight: bool,
        /** Which message asked, where its original is unknown. */
        of: Option<Box<Named>>,
    },
    /// A reversal is owed.
    Owed {
        /** To whom. */
        issuer: LinkId,
        /** Why. */
        reason: Reason,
    },
    /// An owed message was sent.
    OwedSent {
        /** To whom. */
        issuer: LinkId,
        /** What. */
        owing: Owing,
        /** Whether as a repeat. */
        repeat: bool,
    },
    /// An owed message is settled.
    OwedClosed {
        /** With whom. */
        issuer: LinkId,
        /** What. */
        owing: Owing,
        /** Whether it is asked once more after `settle`. */
        provisional: bool,
        /** Of which transaction. */
        txn: TxnId,
    },
    /// An owed message was given up: it is on the operator's list.
    Dead {
        /** With whom. */
        issuer: LinkId,
        /** What. */
        owing: Owing,
        /** What the issuer said. */
        code: Option<ResponseCode>,
        /** Of which transaction. */
        txn: TxnId,
    },
    /// An operator has a dead letter sent again.
    Requeued {
        /** To whom. */
        issuer: LinkId,
        /** Whose. */
        txn: TxnId,
        /** What. */
        owing: Owing,
        /** Who ordered it. */
        by: Remark,
    },
    /// An operator took something off the list.
    WrittenOff {
        /** With whom it was open; none for an approval that answers nothing. */
        issuer: Option<LinkId>,
        /** The transaction, or the record that listed the approval. */
        about: Lsn,
        /** What; none for an approval that answers nothing. */
        owing: Option<Owing>,
        /** Who, and why. */
        ruling: Ruling,
    },
    /// The books were asked.
    Asked,
    /// A message about a batch was answered.
    Batch {
        /// Whose.
        asker: LinkId,
        /// How.
        code: ResponseCode,
    },
    /// Totals of a host were compared.
    Reconciled {
        /// Whose.
        asker: LinkId,
        /// What it hears.
        verdict: HostVerdict,
    },
    /// An issuer answered our totals of a day.
    TotalsAnswered {
        /// Which.
        issuer: LinkId,
        /// Whether it has the same.
        verdict: HostVerdict,
    },
    /// A session is ready for financial messages.
    SignedOn {
        /** Which. */
        session: SessionId,
        /** Whose. */
        link: LinkId,
    },
    /// A session is not ready for financial messages any more.
    SignedOff {
        /** Which. */
        session: SessionId,
        /** Whose. */
        link: LinkId,
    },
    /// A network management message was answered.
    Network {
        /** Whose. */
        link: LinkId,
        /** Its class, always 8. */
        class: Class,
    },
    /// A peer did not answer an echo test or a sign-on.
    Silent {
        /** Which. */
        session: SessionId,
        /** Whose. */
        link: LinkId,
    },
    /// The wall clock is behind the last record.
    ClockBehind {
        /** How far, milliseconds. */
        ms: u64,
    },
    /// A frame was no message.
    Unreadable {
        /** Whose. */
        link: LinkId,
    },
    /// A request was answered 30.
    Refused {
        /** Whose. */
        asker: LinkId,
        /** Which message. */
        of: Box<Named>,
        /** Why, for people. */
        why: Why,
    },
    /// A request was one too many of this second.
    Limited {
        /** Whose. */
        asker: LinkId,
        /** By which limit. */
        by: Limit,
    },
    /// A link was cut off: its issuer answered none of its last requests.
    CutOff {
        /** Which. */
        link: LinkId,
        /** How many in a row. */
        missed: u32,
    },
    /// A link that was cut off may try one request at a time.
    OnTrial {
        /** Which. */
        link: LinkId,
    },
    /// A link that was cut off answers again.
    AnswersAgain {
        /** Which. */
        link: LinkId,
    },
    /// A message speaks for a terminal or a merchant that its session may not speak for: 58.
    Foreign {
        /** Where. */
        session: SessionId,
        /** Whose. */
        asker: LinkId,
        /** Which element names somebody else, or nobody. */
        element: ElementNo,
    },
    /// A request found every place taken.
    Overload {
        /** Whose. */
        asker: LinkId,
    },
    /// A business date opened: what arrives from now on belongs to it.
    DayOpened {
        /** Which. */
        date: BusinessDate,
        /** The one that ends; day 0 before the first. */
        ends: BusinessDate,
    },
    /// A peer said that the business day ends.
    CutOverHeard {
        /** Which. */
        link: LinkId,
        /** The date in force from now on. */
        date: BusinessDate,
        /** Whether it opened just now; else it was open already. */
        fresh: bool,
    },
    /// A peer knows that the business day ended.
    CutOverTold {
        /** Which. */
        link: LinkId,
        /** The date that opened. */
        date: BusinessDate,
    },
    /// A peer was told so often that the business day ended, and did not accept it.
    CutOverUnheard {
        /** Which. */
        link: LinkId,
        /** The date that opened. */
        date: BusinessDate,
        /** How often. */
        times: u32,
    },
    /// A business date was cut.
    DayCut {
        /** Which. */
        date: BusinessDate,
    },
    /// Everything open was written down again.
    Carried {
        /** How many. */
        open: u32,
    },
    /// A transaction came back from the books.
    Restored,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_in_memory_that_comes_back() {
        let mut fx = Effects::default();
        let (small, large) = (b"0200 and a card".to_vec(), vec![7; SPARE_BYTES_MAX + 1]);
        for body in [small.clone(), large] {
            Effects::give_back(&mut fx.spare, body);
        }
        assert_eq!(fx.spare, [b""], "what is large is not kept");
        fx.spare.push(small);
        for _ in 0..3 {
            let room = fx.room(100);
            assert!(room.is_empty() && room.capacity() >= 100);
        }
        for _ in 0..2 * SPARE_MAX {
            Effects::give_back(&mut fx.spare, Vec::new());
        }
        assert_eq!(fx.spare.len(), SPARE_MAX);
    }
}
