//! The bytes that stand for kinds of records and for plain choices. A number is never used again.

use super::{Approval, Closing, Owing, Reason, Unanswered, Verdict};

pub(super) mod kind {
    //! The first byte of a record. Numbers are never used again.
    pub(in crate::record) const SENT: u8 = 1;
    pub(in crate::record) const STORED: u8 = 2;
    pub(in crate::record) const UNDONE: u8 = 3;
    pub(in crate::record) const ANSWERED: u8 = 4;
    pub(in crate::record) const TOLD: u8 = 5;
    pub(in crate::record) const OVER: u8 = 6;
    pub(in crate::record) const LATE: u8 = 7;
    pub(in crate::record) const OWED: u8 = 8;
    pub(in crate::record) const CLOSED: u8 = 9;
    pub(in crate::record) const UNMATCHED: u8 = 10;
    pub(in crate::record) const RESTORED: u8 = 11;
    pub(in crate::record) const OPENED: u8 = 12;
    pub(in crate::record) const CUT: u8 = 13;
    pub(in crate::record) const CARRY_BEGINS: u8 = 14;
    pub(in crate::record) const CARRIED: u8 = 15;
    pub(in crate::record) const CARRY_ENDS: u8 = 16;
    pub(in crate::record) const REQUEUED: u8 = 17;
    pub(in crate::record) const WRITTEN_OFF: u8 = 18;
    pub(in crate::record) const ORPHAN_WRITTEN_OFF: u8 = 19;
    pub(in crate::record) const STOOD_IN: u8 = 20;
    pub(in crate::record) const SPENT: u8 = 21;
    pub(in crate::record) const LOWERED: u8 = 22;
    pub(in crate::record) const REROUTED: u8 = 23;
    pub(in crate::record) const STOOD_IN_AFTER: u8 = 24;
    pub(in crate::record) const STOOD_IN_MATCHED: u8 = 25;
}

/// Gives an enum of plain choices its byte, and back.
macro_rules! coded {
    ($name:ident { $($choice:ident = $code:literal),+ }) => {
        impl $name {
            pub(super) const fn code(self) -> u8 {
                match self { $(Self::$choice => $code),+ }
            }
            pub(super) const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$choice),)+ _ => None }
            }
        }
    };
}

coded!(Verdict { Approved = 1, Declined = 2, Mismatched = 3 });
coded!(Unanswered { Deadline = 1, Restart = 2, Reversed = 3, NeverBegun = 4, StoodIn = 5 });
coded!(Reason {
    Unanswered = 1,
    Mismatched = 2,
    Undelivered = 3,
    Asked = 4,
    Late = 5,
    Settle = 6,
    Lowered = 7
});
coded!(Owing { Advice = 1, Reversal = 2 });
coded!(Closing { Final = 1, Provisional = 2, Dead = 3, WrittenOff = 4 });
coded!(Approval { Never = 0, Declined = 1, Approved = 2 });
