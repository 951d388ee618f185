//! Deliberate mistakes that the simulator or a scenario must find; without the feature `planted` each is a constant `false`.

/// Names each mistake once: for the enum, for the lists and for people.
macro_rules! bugs {
    (
        [simulated] $($(#[$doc:meta])* $name:ident,)+
        [told] $($(#[$told_doc:meta])* $told:ident,)+
    ) => {
        /// One mistake, named after the rule that it breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[$doc])* $name,)+
            $($(#[$told_doc])* $told,)+
        }

        impl Bug {
            /// Those that the simulator must find.
            pub const SIMULATED: &[Self] = &[$(Self::$name,)+];

            /// Those that switch one rule of `tests/rules.md` off, which the simulator need not notice: its scenario must.
            pub const TOLD: &[Self] = &[$(Self::$told,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    $(Self::$told => stringify!($told),)+
                }
            }
        }
    };
}

bugs! {
    [simulated]
    /// Trace 1: a late approval leaves its reversal as it stands.
    LateApprovalIgnored,
    /// Trace 1: a reversal is opened again under its old key.
    ReopenedUnderTheSameKey,
    /// Trace 2: the first answer to a reversal is final though the request was never answered.
    NoSettle,
    /// Trace 3: any answer to a reversal closes it.
    RefusedAcknowledgementTaken,
    /// Trace 4: a request that was never begun is declined and leaves all the same.
    NotWithdrawn,
    /// A request that was begun goes to another link when its session ends.
    ReroutedThoughBegun,
    /// A request that goes to another link keeps the pair of the first.
    ReroutedUnderTheSamePair,
    /// Trace 5: an unmatched approval is only journaled.
    UnmatchedNotLookedUp,
    /// Trace 6: a reversal of an unknown original is forgotten.
    ReversalForgotten,
    /// Trace 7: a decline of what was never forwarded is not held.
    DeclineForgotten,
    /// Trace 8: a key that is being looked up is not in the window.
    LookUpRace,
    /// Trace 9: the records of one input are committed apart.
    TornInput,
    /// Trace 10: the cut takes the books as they stand.
    CutFromLaggingBooks,
    /// A terminal's totals are compared with books that have not followed yet.
    BatchAgainstLaggingBooks,
    /// Trace 11: a late answer to a dead-lettered advice takes it off the list.
    DeadAdviceRevived,
    /// Trace 12: an approval is reversed when any copy of it was not begun.
    ToldThenReversed,
    /// Trace 13: element 7 comes from the wall clock as it is.
    TraceRecurs,
    /// Effects leave before their records are durable.
    EffectBeforeDurable,
    /// An approval whose reversal is owed is replayed.
    ReplayAfterReversal,
    /// A link whose peer signed off goes on getting requests.
    SignedOffServed,
    /// A link that an operator drains goes on getting requests.
    DrainedServed,
    /// A session is served that asks for somebody else's terminal.
    ForeignTerminalServed,
    /// Session ids are used again.
    SessionIdReused,
    /// At a restart an unacknowledged advice is reversed instead of sent again.
    AdviceReversedAtRestart,
    /// Nothing is owed for what was unanswered at a crash.
    NoReversalAtRestart,
    /// A response is matched whatever link brings it.
    AnswerFromAnotherLink,
    /// The echoed amount, currency, PAN and processing code are not compared.
    MismatchAccepted,
    /// A response without a readable code counts as a decline.
    UnknownCodeIsDecline,
    /// A repeat with other content is answered like the original.
    ContentIgnored,
    /// A repeat in flight is forwarded again.
    RepeatForwarded,
    /// One original gets a reversal from each who asks.
    TwoReversals,
    /// A partial reversal is booked as one of all.
    PartialUndoesAll,
    /// What was lowered is lowered again.
    LoweredTwice,
    /// A time-out owes nothing.
    TimeOutOwesNothing,
    /// An approval that reaches nobody is left alone.
    UndeliveredLeft,
    /// A date is cut while something stamped with it is in flight.
    CutInFlight,
    /// An approval that is longer than its asker's frames counts as told.
    UnframedIsTold,
    /// A decline of an advice for lack of room is held.
    LackOfRoomHeld,
    /// A late approval of another amount undoes what stands approved.
    StrayApprovalUndoes,
    /// An acknowledgement of another amount is taken.
    StrayAcknowledgementTaken,
    /// An answer without the card that its request names is accepted.
    AbsentCardAccepted,
    /// What is owed for one card is sent out of order.
    OwedOutOfOrder,
    /// A reversal that an operator has sent again keeps its old key.
    RequeuedUnderTheSameKey,
    /// An advice that an operator has sent again goes out as new.
    RequeuedAsNew,
    /// An advice that was reversed is sent again when an operator says so.
    RequeuedThoughReversed,
    /// An order that was carried out is carried out again.
    OrderedTwice,
    /// What was approved in an issuer's place is not released when it is reversed.
    StandInNotReleased,
    /// What was sent and not answered stays as it is when it is approved in its issuer's place.
    StandInAndAttemptBothStand,
    /// What was sent and not answered keeps its asker's key though it was approved in its issuer's place.
    StandInLeavesTheKey,
    /// A late approval is reversed though its issuer matches it with the advice of what was approved in its place.
    MatchedApprovalReversed,
    /// The advice of what its issuer is to match does not name what was sent.
    MatchUnnamed,
    /// The reversal of that names the advice, under which the issuer does not know it.
    MatchedNamedByItsAdvice,
    /// What was approved in issuers' places is not counted.
    StandInUnlimited,
    /// Original data elements of 1993 name the reversal itself.
    OriginalOfItself,
    /// The business date goes back with the wall clock.
    DayReopened,
    /// A link that asks too much a second is not declined.
    RateIgnored,
    /// A copy of a known request counts as a new one and is declined when there are too many.
    RepeatLimited,
    /// A link whose issuer answers nothing goes on getting requests.
    BreakerNeverOpens,
    /// A link that was cut off stays so though its issuer answers again.
    BreakerNeverCloses,
    /// A link that was cut off is never probed.
    BreakerNotProbed,
    /// A link that was cut off gets everything at once when it is probed.
    TrialOfMany,
    /// A link is taken away by a reload though it owes.
    ReloadForgetsWhatIsOwed,
    /// A message that ends the day, and comes again, ends another.
    CutOverTwice,
    /// An authorization that raises another is one of its own.
    IncrementUntied,
    /// A copy that names another original hears what the first of its key heard.
    CopyNamesAnother,
    /// A reversal is reversed, and what it undid is said to stand.
    ReversalTakenBack,
    /// A reversal that names what was granted of what was asked is none.
    ReversalNamesWhatWasAsked,
    /// A completion of another card is tied to the authorization that it names, and goes to its issuer.
    CompletionOfAnyCard,
    /// An acknowledgement that names another card is taken.
    AcknowledgementOfAnyCard,
    /// An advice of what was declined counts as one of an approval.
    AdvisedDeclineClears,
    /// A late approval of another part than was granted undoes what stands.
    OtherPartUndoes,
    /// An answer that comes again without its approval code undoes what it approved.
    CopyWithoutItsCodeUndoes,
    /// An advice that is another one than the reversal under its key had meant is said to be taken.
    ForestalledAdviceSwallowed,

    [told]
    /// Rule 1.1: an answer of another version or origin than its request is taken.
    AnswerOfAnyOrigin,
    /// Rule 1.2: the answer to a repeat has its repeat digit.
    RepeatDigitAnswered,
    /// Rule 1.3: an advice is stored, and its sender hears nothing.
    AdviceUnanswered,
    /// Rule 1.4: a response that nobody asked for is answered.
    ResponseAnswered,
    /// Rule 1.5: a notification is declined like a request.
    NotificationAnswered,
    /// Rule 1.6: an MTI keeps its version in the other edition.
    EditionUnchanged,
    /// Rule 2.3: an answer to network management without element 41 is none.
    NetworkAnswerNeedsTerminal,
    /// Rule 2.5: what matches nothing is told without what comes nearest.
    NearestUntold,
    /// Rule 3.1: a repeat of what was approved is declined.
    RepeatDeclined,
    /// Rule 3.3: a duplicate is never refused with 94.
    DuplicateServed,
    /// Rule 4.2: what is owed goes again without a repeat digit.
    RepeatAsNew,
    /// Rule 4.4: a late decline opens the reversal again.
    LateDeclineReversed,
    /// Rule 4.8: the acquirer in element 90 is taken as it stands, zeros or not.
    AcquirerOfOriginalTaken,
    /// Rule 4.10: 25 closes the reversal of what was approved.
    NotFoundBelieved,
    /// Rule 4.11: a reversal of 1993 gives no reason.
    ReasonUnsaid,
    /// Rule 5.2: any number of advices may be owed.
    OwedUnbounded,
    /// Rule 5.4: what is owed goes to a link that is cut off.
    OwedThoughCutOff,
    /// Rule 6.1: a request that cannot be read hears nothing.
    UnreadableUnanswered,
    /// Rule 6.2: what has no route is declined as if its issuer were away.
    NoRouteIsAway,
    /// Rule 6.4: an action code of 1993 loses its first digit, and that is all.
    CodesUntranslated,
    /// Rule 7.1: the usual codes of network management count on every link.
    UsualCodesOnly,
    /// Rule 7.3: each session has a state of its own, shared or not.
    StateUnshared,
    /// Rule 7.4: a session may miss echo tests for ever.
    MissedEchoesIgnored,
    /// Rule 7.7: a key is said to be changed.
    KeyExchangeAccepted,
    /// Rule 8.2: what was approved in an issuer's place is not said to the issuer.
    StandInUntold,
    /// Rule 8.7: nobody hears of a late decline of what was approved in its issuer's place.
    LateDeclineUnsaid,
    /// Rule 9.1: a partial approval clears for what was asked.
    PartialInFull,
    /// Rule 9.7: a partial reversal may name more than was approved.
    RaisedByReversal,
    /// Rule 9.8: what is lowered may be unheard, and be reversed as such.
    LoweredUnheard,
    /// Rule 9.10: what was lowered clears for all that was approved.
    LoweredInFull,
    /// Rule 9.12: what was claimed of an authorization stays claimed when that is undone.
    ClaimKeptThoughUndone,
    /// Rule 9.2: an amount that the other edition has no place for is left out.
    MoneyLeftOut,
    /// Rule 9.3: a completion names its authorization as its asker does.
    CompletionUnnamed,
    /// Rule 9.12: claims are held against the first authorization, as if nothing had raised it.
    IncrementForgotten,
    /// Rule 10.2: a link takes any number of requests at once.
    LinkUnlimited,
    /// Rule 11.2: what a closed batch has is in the next one, too.
    BatchClosedTwice,
    /// Rule 11.3: a transaction that is uploaded twice counts twice.
    UploadCountedTwice,
    /// Rule 11.4: what is in flight when a batch is closed is in none.
    InFlightLeftOut,
    /// Rule 12.1: a host's totals are compared with books that have not followed yet.
    ReconciledAgainstLaggingBooks,
    /// Rule 12.2: of a host's totals the counts are compared, and not the amounts.
    ReconciliationCountsOnly,
    /// Rule 12.3: a repeat of a host's totals is compared anew.
    ReconciliationRepeated,
    /// Rule 12.4: totals that are not ours are told to their host alone.
    ReconciliationUnexplained,
    /// Rule 12.5: a reversal counts on the day of what it reverses.
    ReversalOnOriginalDay,
    /// Rule 12.6: any number of a reconciliation will do.
    ReconciliationNumberIgnored,
    /// Rule 12.7: nobody looks whether a host's net is what its sums come to.
    ReconciliationNetUnchecked,
    /// Rule 12.8: whatever an issuer answers to totals of ours is taken as agreement.
    TotalsAnswerTaken,
}

impl Bug {
    /// The mistake of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|bug| bug.name() == name)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::SIMULATED.iter().chain(Self::TOLD).copied()
    }
}

#[cfg(feature = "planted")]
mod switchboard {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = Cell::new(of_the_process());
    }

    /// The mistake that every thread of this process makes from its beginning: the one that the environment names.
    #[expect(clippy::disallowed_methods, reason = "a switch for tests, in builds for tests alone")]
    fn of_the_process() -> Option<Bug> {
        std::env::var("ISO8583D_PLANTED").ok().as_deref().and_then(Bug::named)
    }

    /// Plants one mistake, or none, for whatever this thread does from now on.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether this mistake is to be made.
    pub fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Plants in another thread what is planted in this one.
    pub fn handed() -> impl FnOnce() + Send + Clone {
        let bug = PLANTED.get();
        move || plant(bug)
    }
}

#[cfg(feature = "planted")]
pub use switchboard::{handed, is, plant};

/// Whether this mistake is to be made: never, in a build without the feature.
#[cfg(not(feature = "planted"))]
pub const fn is(_: Bug) -> bool {
    false
}

/// Nothing, in a build without the feature.
#[cfg(not(feature = "planted"))]
pub fn handed() -> impl FnOnce() + Send + Clone {
    || ()
}
