//! Rare states, counted: a checker that never saw one has shown nothing about it. Knows no reasons, only names.

use std::fmt;

/// Names each state once, for the count, the list and the line that people read.
macro_rules! rare {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// A state that a run should have met.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rare {
            $($(#[$doc])* $name,)+
        }

        impl Rare {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// What people read.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

rare! {
    /// A connection broke.
    Broken = "connection broken",
    /// What travelled on a connection that broke did not arrive.
    SegmentLost = "segment lost with its connection",
    /// A frame lay half delivered when its session ended.
    HalfFrame = "half a frame delivered",
    /// What travelled arrived late.
    SegmentDelayed = "segment delayed",
    /// What was written at once arrived in pieces.
    SegmentSplit = "segment arrived in pieces",
    /// A writer took its time.
    WriterStalled = "writer stalled",
    /// Nobody reached a link for a while.
    Outage = "link out of reach",
    /// The process died.
    Crash = "crash",
    /// The process died between reading its journal and making its first records durable.
    CrashInRecovery = "crash during recovery",
    /// The commit in flight at a crash was lost.
    CommitLost = "commit lost in a crash",
    /// The commit in flight at a crash lay half written on the disk.
    TornTail = "torn tail refused at recovery",
    /// The commit in flight at a crash survived unacknowledged.
    UnacknowledgedSurvived = "commit survived a crash unacknowledged",
    /// A sync of the disk took seconds.
    SlowSync = "disk slow to commit",
    /// New requests were declined because the disk is nearly full.
    DiskLow = "disk below its reserve",
    /// The wall clock went back.
    WallBack = "wall clock stepped back",
    /// The wall clock went ahead by a jump.
    WallAhead = "wall clock stepped ahead",
    /// An asker sent a message again.
    AskedAgain = "message repeated by its asker",
    /// An asker sent bytes that are no message.
    Garbage = "garbage sent",
    /// An issuer decided and said nothing.
    AnswerWithheld = "answer never sent",
    /// An issuer took its time.
    AnswerLate = "answer held back",
    /// An issuer said an answer twice.
    AnswerTwice = "answer duplicated",
    /// An answer was due before one that was asked for earlier.
    AnswerReordered = "answer overtook an earlier one",
    /// An answer said something else than was asked, or no code.
    AnswerSpoilt = "answer spoilt",
    /// An approval was said again without its approval code.
    AnswerWithoutItsCode = "approval said again without its code",
    /// An approval of a part was followed by one of another part.
    AnswerOfAnotherPart = "another part granted after the first",
    /// An approval was followed by one of another card.
    AnswerOfAnotherCard = "approval of another card after the first",
    /// An owed message was acknowledged as one of another card, and lost.
    OwedOfAnotherCard = "acknowledgement of another card",
    /// An answer went over another issuer's link.
    AnswerAstray = "answer sent over another link",
    /// A request was approved in its issuer's place.
    StoodIn = "approved in an issuer's place",
    /// A request was approved in its issuer's place after a time-out.
    StoodInAfter = "approved in an issuer's place after a time-out",
    /// What was sent then was approved by its issuer, and undone.
    StandInAttemptApproved = "late approval of what was approved in its issuer's place",
    /// A request was approved so, and its advice names what was sent.
    StoodInMatched = "approved in an issuer's place after a time-out, to be matched",
    /// What was sent then was approved by its issuer, and nothing is undone.
    MatchedApproved = "late approval of what its issuer matches",
    /// What was sent then was declined by its issuer, and the approval stands.
    MatchedDeclined = "late decline of what its issuer matches",
    /// An issuer made one line of its ledger of both.
    Matched = "advice matched with its request by the issuer",
    /// In the other order.
    MatchedBefore = "request reached its issuer behind the advice that names it",
    /// A reversal gave back what a card had spent so.
    StandInReleased = "reversed on its day what was approved in an issuer's place",
    /// A partial reversal was accepted.
    Lowered = "partial reversal accepted",
    /// Of what was approved in an issuer's place.
    LoweredStandIn = "partial reversal of what was approved in an issuer's place",
    /// An issuer lowered what it had approved.
    LoweredAtIssuer = "partial reversal booked by its issuer",
    /// After the day was cut.
    LoweredAfterCut = "partial reversal after the cut",
    /// What was lowered was to be reversed once more.
    LoweredAgain = "second reversal of what was lowered refused",
    /// A partial reversal was refused.
    NotLowered = "partial reversal refused: nothing to lower",
    /// A partial reversal went again under a fresh pair, since its issuer may have booked all of its original meanwhile.
    LoweredBehind = "partial reversal sent again behind its advice",
    /// A request that raises an earlier one reached its issuer.
    Raised = "authorization raised",
    /// What it was to raise does not stand open.
    NotRaised = "authorization not raised: it does not stand",
    /// A completion of an authorization reached its issuer.
    Completed = "authorization completed",
    /// One that names an authorization of another card reached the issuer of its own.
    CompletedOfAnotherCard = "completion of another card than it names",
    /// An issuer booked an advice of what was declined.
    DeclineAdvised = "advice of a decline booked by its issuer",
    /// A copy named another message than the first of its key did.
    OtherOriginal = "copy that names another original",
    /// A reversal was to be reversed.
    NotTakenBack = "reversal of a reversal refused",
    /// A reversal named what was granted of what was asked, and was taken.
    GrantedNamed = "reversal that names what was granted",
    /// A request reached an issuer in another edition of the standard than its asker's.
    OtherEdition = "request said in another edition",
    /// An answer came after the end.
    Late = "late answer",
    /// An approval came after the end.
    LateApproval = "late approval",
    /// An approval came when its reversal had been acknowledged.
    LateAfterClose = "late approval after its reversal's acknowledgement",
    /// A request found every place taken.
    Overload = "overload decline",
    /// A link, or a merchant, asked too much a second.
    Limited = "rate limit decline",
    /// A link was cut off, since its issuer did not answer.
    CutOff = "link cut off",
    /// A link that was cut off was tried.
    OnTrial = "link on trial",
    /// A link that was cut off answered again.
    AnswersAgain = "link answers again",
    /// The books knew what they were asked for.
    LookUpFound = "look-up found",
    /// The books did not know what they were asked for.
    LookUpMissed = "look-up missed",
    /// The original arrived while its key was being looked up.
    LookUpRaced = "a copy arrived during its look-up",
    /// A terminal's totals were held against the books.
    BatchCompared = "batch compared",
    /// A host's totals were.
    HostReconciled = "host reconciled",
    /// The asker's reversal was read before its original.
    ReversalFirst = "reversal overtook its original at the switch",
    /// A reversal of ours was read before its original.
    ReversalFirstAtIssuer = "reversal overtook its original at the issuer",
    /// A reversal closed a request in flight.
    ReversedInFlight = "asker reversed a request in flight",
    /// An approval reached nobody.
    Undelivered = "undelivered approval",
    /// A stored outcome was told again.
    Replayed = "stored outcome told again",
    /// A stored outcome was told again by a process that had not heard it.
    ReplayedAfterRestart = "stored outcome told again after a restart",
    /// A copy joined the wait for the one answer.
    Joined = "repeat in flight joined",
    /// A copy had other content.
    OtherContent = "copy with other content",
    /// Trace numbers ran out and began again.
    Wrapped = "trace numbers wrapped",
    /// An operator took a link out of service.
    TakenOut = "link drained or taken out of service",
    /// The configuration was read again and taken.
    Reloaded = "configuration read again",
    /// A link was to be taken away that owed.
    ReloadRefused = "reload refused for what a link owes",
    /// A link that had been taken away came back.
    LinkBack = "link taken away and back again",
    /// A peer signed off.
    SignedOff = "peer signed off",
    /// A cut had to wait for what was in flight.
    CutWaited = "cut waited for requests in flight",
    /// A date was cut.
    Cut = "date cut",
    /// The clock ended a day.
    DayByClock = "day ended by the clock",
    /// A peer ended a day.
    DayByMessage = "day ended by a message",
    /// A peer said again that the day ends.
    CutOverAgain = "cut-over said again",
    /// A peer heard that the day ended.
    CutOverTold = "cut-over told",
    /// A reversal after the cut became the opposite presentment.
    Opposite = "opposite presentment",
    /// An owed message was given up.
    Dead = "dead letter",
    /// An operator had an advice sent again.
    AdviceRequeued = "dead advice sent again",
    /// An operator had a reversal sent again.
    ReversalRequeued = "dead reversal sent again",
    /// What an operator had sent again was settled.
    RequeuedSettled = "dead letter sent again and settled",
    /// An operator wrote a dead letter off.
    WrittenOff = "dead letter written off",
    /// An operator wrote an approval off that answers nothing.
    OrphanWrittenOff = "orphan written off",
    /// What was written off was opened again by what its issuer said later.
    WrittenOffReopened = "written-off reversal opened by a late approval",
    /// An order about a dead letter was given twice, or was none to carry out.
    OrderDenied = "order about a dead letter denied",
    /// A reversal was asked once more after `settle`.
    Settled = "reversal sent once more after settle",
    /// The second reversal found what the first one had missed.
    SettleFound = "the reversal after settle undid an approval",
    /// An issuer refused a reversal, and it went again.
    Retried = "owed message repeated",
    /// An answer's key fitted and its content did not.
    Mismatched = "mismatched answer",
    /// An answer fitted nothing.
    Unmatched = "unmatched response",
    /// An unmatched approval is on the operator's list.
    Orphan = "unmatched approval orphaned",
    /// A transaction came back from the books.
    Restored = "transaction restored from the books",
    /// A message was longer than the frames of its link.
    TooLong = "message longer than its link's frames",
    /// A session ended with messages that were never begun.
    NeverBegun = "session lost with messages never begun",
    /// A request was withdrawn before it left.
    Withdrawn = "request withdrawn",
    /// A withdrawn request went to another session of its link.
    Rerouted = "request sent on after its withdrawal",
    /// A withdrawn request went to another link of its route.
    ReroutedToAnotherLink = "request sent to another link after its withdrawal",
    /// A request that went elsewhere was approved there.
    ReroutedApproved = "request sent on and approved",
    /// An advice was stored for its issuer.
    Stored = "advice stored",
    /// No route leads to a card's issuer.
    Declined = "declined by the switch itself",
    /// A request was answered 30.
    Refused = "request refused",
    /// A session asked for another's terminal.
    Foreign = "message for another's terminal declined",
    /// A frame was no message.
    Unreadable = "unreadable frame",
    /// A request timed out.
    TimedOut = "time-out",
    /// A clean end and a new beginning.
    CleanStop = "clean stop and start",
    /// Recovery had something to read before the last carry.
    RecoveredFromCarry = "recovery began at a carry",
}

impl Rare {
    /// Whether the world did it to the switch: the first ones. The others are what the switch met in its course.
    pub fn is_fault(self) -> bool {
        self <= Self::AnswerAstray
    }
}

/// How often each state was met.
#[derive(Clone, Debug)]
pub struct Reached {
    counts: Vec<u64>,
}

impl Default for Reached {
    fn default() -> Self {
        Self { counts: vec![0; Rare::ALL.len()] }
    }
}

impl Reached {
    /// Counts one.
    pub(super) fn count(&mut self, rare: Rare) {
        self.add(rare, 1);
    }

    /// Counts several.
    pub(super) fn add(&mut self, rare: Rare, times: u64) {
        if let Some(count) = self.place(rare).and_then(|place| self.counts.get_mut(place)) {
            *count += times;
        }
    }

    /// How often it was met.
    pub fn times(&self, rare: Rare) -> u64 {
        self.place(rare).and_then(|place| self.counts.get(place)).copied().unwrap_or(0)
    }

    /// What was never met.
    pub fn missing(&self) -> Vec<Rare> {
        Rare::ALL.iter().copied().filter(|rare| self.times(*rare) == 0).collect()
    }

    /// Adds what another run met.
    pub fn absorb(&mut self, other: &Self) {
        for rare in Rare::ALL {
            self.add(*rare, other.times(*rare));
        }
    }

    fn place(&self, rare: Rare) -> Option<usize> {
        Rare::ALL.binary_search(&rare).ok().filter(|place| *place < self.counts.len())
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rare in Rare::ALL {
            writeln!(f, "{:>10}  {}", self.times(*rare), rare.text())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_met_is_missing() {
        let mut reached = Reached::default();
        reached.count(Rare::TornTail);
        let mut sum = Reached::default();
        sum.absorb(&reached);
        sum.absorb(&reached);
        assert_eq!(sum.times(Rare::TornTail), 2);
        assert_eq!(sum.missing().len(), Rare::ALL.len() - 1);
        assert!(!sum.missing().contains(&Rare::TornTail));
    }
}
