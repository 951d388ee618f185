//! Deliberate mistakes that the simulator must find; without the feature `planted` each is a constant `false`.

/// Names each mistake once: for the enum, for the list and for people.
macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// One mistake, named after the rule that it breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[$doc])* $name,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

bugs! {
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
}

impl Bug {
    /// The mistake of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bug| bug.name() == name)
    }
}

#[cfg(feature = "planted")]
mod switchboard {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants one mistake, or none, for whatever this thread does from now on.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether this mistake is to be made.
    pub fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "planted")]
pub use switchboard::{is, plant};

/// Whether this mistake is to be made: never, in a build without the feature.
#[cfg(not(feature = "planted"))]
pub const fn is(_: Bug) -> bool {
    false
}
