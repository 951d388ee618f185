//! Records back from their bytes: fields from the front, and the name of the one that is wrong.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a disk chose these bytes"
)]

use std::sync::Arc;

use super::bytes::{COMPLETED, DECLINED, LOWERED, MATCHED, NAMED, OF_ADVICE, REQUEUED, SAYS_ALL};
use super::codes::kind;
use super::{
    Approval, Card, Closing, Debt, DebtState, LinkId, Lsn, Opening, Outcome, Owing, Reason, Record,
    Remark, Ruling, Secret, Sent, Spending, Standing, Trace, TxnId, Unanswered, Undo, Verdict,
};
use crate::iso::{BusinessDate, Elements, MaskedPan, Mti, ResponseCode, Stan, Transmission, Wall};
use crate::seal::{Sealed, Tag};

/// Takes fields from the front. `what` names the field being read, for the error.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
    pub(super) what: &'static str,
}

#[expect(clippy::option_option, reason = "outside: damaged; inside: absent")]
impl Reader<'_> {
    pub(super) fn record(&mut self) -> Option<Record> {
        Some(match self.u8("its kind")? {
            kind::SENT => Record::Sent(Arc::new(self.sent()?)),
            kind::STORED => Record::Stored(Arc::new(self.sent()?)),
            kind::STOOD_IN => {
                Record::StoodIn { sent: Arc::new(self.sent()?), added: Arc::new(self.elements()?) }
            }
            kind::STOOD_IN_AFTER => self.stood_in_after()?,
            kind::STOOD_IN_MATCHED => self.stood_in_matched()?,
            kind::SPENT => Record::Spent { cards: self.list(31, Self::spending)? },
            kind::UNDONE => Record::Undone(Arc::new(self.undo()?)),
            kind::LOWERED => self.lowered()?,
            kind::REROUTED => self.rerouted()?,
            kind::ANSWERED => Record::Answered {
                txn: self.txn()?,
                at: self.wall()?,
                verdict: self.one_of("a verdict", Verdict::from_code)?,
                added: Arc::new(self.elements()?),
            },
            kind::TOLD => Record::Told { txns: self.list(8, Self::txn)? },
            kind::OVER => Record::Over {
                txn: self.txn()?,
                at: self.wall()?,
                why: self.one_of("why it is over", Unanswered::from_code)?,
            },
            kind::LATE => {
                Record::Late { txn: self.txn()?, at: self.wall()?, approved: self.flag()? }
            }
            kind::OWED => Record::Owed {
                txn: self.txn()?,
                at: self.wall()?,
                trace: self.trace()?,
                reason: self.one_of("why it is owed", Reason::from_code)?,
            },
            kind::CLOSED => Record::Closed {
                txn: self.txn()?,
                at: self.wall()?,
                owing: self.one_of("what is owed", Owing::from_code)?,
                trace: self.trace()?,
                closing: self.one_of("how it closed", Closing::from_code)?,
                code: self.code()?,
            },
            kind::REQUEUED => Record::Requeued {
                txn: self.txn()?,
                at: self.wall()?,
                owing: self.one_of("what is owed", Owing::from_code)?,
                trace: self.trace()?,
                by: self.remark()?,
            },
            kind::WRITTEN_OFF => Record::WrittenOff {
                txn: self.txn()?,
                at: self.wall()?,
                owing: self.one_of("what is owed", Owing::from_code)?,
                trace: self.trace()?,
                ruling: self.ruling()?,
            },
            kind::ORPHAN_WRITTEN_OFF => Record::OrphanWrittenOff {
                orphan: Lsn(self.u64("a position")?),
                at: self.wall()?,
                ruling: self.ruling()?,
            },
            kind::UNMATCHED => self.unmatched()?,
            kind::RESTORED => Record::Restored(Box::new(self.standing()?)),
            kind::OPENED => Record::Opened { date: self.date()?, at: self.wall()? },
            kind::CUT => Record::Cut { date: self.date()?, at: self.wall()? },
            kind::CARRY_BEGINS => self.carry_begins()?,
            kind::CARRIED => Record::Carried(Box::new(self.standing()?)),
            kind::CARRY_ENDS => Record::CarryEnds { open: self.u32("a count")? },
            _ => return None,
        })
    }

    fn stood_in_after(&mut self) -> Option<Record> {
        Some(Record::StoodInAfter {
            attempt: self.txn()?,
            sent: Arc::new(self.sent()?),
            added: Arc::new(self.elements()?),
        })
    }

    fn stood_in_matched(&mut self) -> Option<Record> {
        Some(Record::StoodInMatched {
            txn: self.txn()?,
            at: self.wall()?,
            trace: self.trace()?,
            added: Arc::new(self.elements()?),
        })
    }

    fn lowered(&mut self) -> Option<Record> {
        Some(Record::Lowered {
            undo: Arc::new(self.undo()?),
            amount: self.u64("an amount")?,
            trace: self.trace()?,
        })
    }

    fn rerouted(&mut self) -> Option<Record> {
        Some(Record::Rerouted {
            txn: self.txn()?,
            at: self.wall()?,
            issuer: LinkId(self.u32("a link")?),
            trace: self.trace()?,
        })
    }

    fn unmatched(&mut self) -> Option<Record> {
        let (link, at, mti) = (LinkId(self.u32("a link")?), self.wall()?, self.mti()?);
        let (known, trace) = (self.flag()?, self.trace()?);
        let trace = known.then_some(trace);
        Some(Record::Unmatched {
            link,
            at,
            mti,
            trace,
            approved: self.flag()?,
            orphan: self.flag()?,
        })
    }

    fn spending(&mut self) -> Option<Spending> {
        Some(Spending {
            card: self.tag()?,
            currency: *self.take(3, "a currency")?.first_chunk::<3>()?,
            count: self.u32("a count")?,
            total: self.u64("a sum")?,
        })
    }

    fn carry_begins(&mut self) -> Option<Record> {
        Some(Record::CarryBegins {
            at: self.wall()?,
            date: self.date()?,
            cut: self.date()?,
            closing: Some(self.date()?).filter(|date| date.0 != u32::MAX),
            traces: self.list(12, |from| Some((LinkId(from.u32("a link")?), from.trace()?)))?,
            open: self.u32("a count")?,
        })
    }

    fn sent(&mut self) -> Option<Sent> {
        let (asker, key, content) = (LinkId(self.u32("a link")?), self.tag()?, self.tag()?);
        let (mti, beside) = self.mti_beside(DECLINED | NAMED)?;
        let named = if beside & NAMED == 0 { None } else { Some(self.tag()?) };
        Some(Sent {
            asker,
            key,
            content,
            mti,
            named,
            declined: beside & DECLINED != 0,
            issuer: LinkId(self.u32("a link")?),
            trace: self.trace()?,
            date: self.date()?,
            at: self.wall()?,
            card: self.card()?,
            completes: Some(self.txn()?).filter(|txn| txn.0 != 0),
            elements: self.elements()?,
        })
    }

    fn undo(&mut self) -> Option<Undo> {
        let (asker, key, content) = (LinkId(self.u32("a link")?), self.tag()?, self.tag()?);
        let (mti, beside) = self.mti_beside(OF_ADVICE | SAYS_ALL)?;
        Some(Undo {
            asker,
            key,
            content,
            mti,
            original_key: self.tag()?,
            original: Some(self.txn()?).filter(|txn| txn.0 != 0),
            of_advice: beside & OF_ADVICE != 0,
            says_all: beside & SAYS_ALL != 0,
            code: self.code()??,
            at: self.wall()?,
        })
    }

    fn standing(&mut self) -> Option<Standing> {
        let mut standing = Standing {
            id: self.txn()?,
            opening: match self.u8("what opened it")? {
                1 | MATCHED => Opening::Request(Arc::new(self.sent()?)),
                2 => Opening::Advice(Arc::new(self.sent()?)),
                3 => Opening::Reversal(Arc::new(self.undo()?)),
                _ => return None,
            },
            outcome: match self.u8("an outcome")? {
                1 => Outcome::InFlight,
                2 => Outcome::Answered {
                    verdict: self.one_of("a verdict", Verdict::from_code)?,
                    added: Arc::new(self.elements()?),
                    at: self.wall()?,
                },
                3 => Outcome::Over {
                    why: self.one_of("why it is over", Unanswered::from_code)?,
                    at: self.wall()?,
                },
                4 => Outcome::Stored,
                _ => return None,
            },
            heard: self.one_of("what was heard", Approval::from_code)?,
            told: false,
            advice: None,
            reversal: None,
            undone_by: None,
            lowered: None,
            completed_by: None,
        };
        let told = self.u8("a yes or no")?;
        standing.told = match told & !(LOWERED | COMPLETED) {
            0 => false,
            1 => true,
            _ => return None,
        };
        standing.advice = self.debt()?;
        standing.reversal = self.debt()?;
        standing.undone_by = Some(self.txn()?).filter(|txn| txn.0 != 0);
        if told & LOWERED != 0 {
            standing.lowered = Some(self.u64("an amount")?);
        }
        if told & COMPLETED != 0 {
            standing.completed_by = Some(self.txn()?);
        }
        Some(standing)
    }

    fn debt(&mut self) -> Option<Option<Debt>> {
        if !self.flag()? {
            return Some(None);
        }
        let (trace, since) = (self.trace()?, self.wall()?);
        let reason = self.one_of("why it is owed", Reason::from_code)?;
        let state = self.u8("how far it is")?;
        let requeued = state & REQUEUED != 0;
        let state = match state & !REQUEUED {
            0 => DebtState::Open,
            closing => DebtState::Closed(Closing::from_code(closing)?),
        };
        Some(Some(Debt { trace, since, reason, state, code: self.code()?, requeued }))
    }

    fn ruling(&mut self) -> Option<Box<Ruling>> {
        Some(Box::new(Ruling { by: self.remark()?, why: self.remark()? }))
    }

    fn remark(&mut self) -> Option<Remark> {
        let len = usize::try_from(self.u32("an operator's words")?).ok()?;
        Remark::read(self.take(len, "an operator's words")?)
    }

    fn card(&mut self) -> Option<Option<Card>> {
        let len = self.u8("a card")?;
        if len == 0 {
            return Some(None);
        }
        let masked = MaskedPan::from_bytes(self.take(usize::from(len), "a masked PAN")?).ok()?;
        let token = self.tag()?;
        let (key, position, len) =
            (self.u32("a key")?, self.u64("a position")?, self.u8("a sealed PAN")?);
        let text = self.take(usize::from(len), "a sealed PAN")?.to_vec();
        Some(Some(Card { masked, token, secret: Secret::Sealed(Sealed { key, position, text }) }))
    }

    fn elements(&mut self) -> Option<Elements> {
        let len = usize::try_from(self.u32("elements")?).ok()?;
        Elements::read(self.take(len, "elements")?)
    }

    /// A counted list; `least` is the size of its smallest entry, so that a count cannot ask for more than is there.
    fn list<T>(
        &mut self,
        least: usize,
        mut entry: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = usize::try_from(self.u32("a count")?).ok()?;
        if count > self.rest.len().checked_div(least)? {
            return None;
        }
        (0..count).map(|_| entry(self)).collect()
    }

    fn code(&mut self) -> Option<Option<ResponseCode>> {
        let len = self.u8("a response code")?;
        if len == 0 {
            return Some(None);
        }
        let text = self.take(usize::from(len), "a response code")?;
        ResponseCode::new(text).ok().map(Some)
    }

    fn one_of<T>(&mut self, what: &'static str, from_code: fn(u8) -> Option<T>) -> Option<T> {
        from_code(self.u8(what)?)
    }

    fn trace(&mut self) -> Option<Trace> {
        let transmission = Transmission(self.u32("element 7")?);
        Some(Trace { transmission, stan: Stan::new(self.u32("element 11")?).ok()? })
    }

    fn mti(&mut self) -> Option<Mti> {
        self.mti_beside(0).map(|(mti, _)| mti)
    }

    /// An MTI, and which of these bits are set beside it.
    fn mti_beside(&mut self, bits: u16) -> Option<(Mti, u16)> {
        let (digits, rest) = self.rest.split_first_chunk::<2>()?;
        (self.rest, self.what) = (rest, "an MTI");
        let digits = u16::from_le_bytes(*digits);
        Some((Mti::new(digits & !bits).ok()?, digits & bits))
    }

    fn tag(&mut self) -> Option<Tag> {
        let (bytes, rest) = self.rest.split_first_chunk::<16>()?;
        (self.rest, self.what) = (rest, "a keyed hash");
        Some(Tag(u128::from_le_bytes(*bytes)))
    }

    fn flag(&mut self) -> Option<bool> {
        match self.u8("a yes or no")? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn date(&mut self) -> Option<BusinessDate> {
        self.u32("a date").map(BusinessDate)
    }

    fn txn(&mut self) -> Option<TxnId> {
        self.u64("a transaction").map(TxnId)
    }

    fn wall(&mut self) -> Option<Wall> {
        self.u64("a time").map(Wall)
    }

    fn u64(&mut self, what: &'static str) -> Option<u64> {
        self.what = what;
        let (bytes, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn u32(&mut self, what: &'static str) -> Option<u32> {
        self.what = what;
        let (bytes, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn u8(&mut self, what: &'static str) -> Option<u8> {
        self.what = what;
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn take(&mut self, len: usize, what: &'static str) -> Option<&[u8]> {
        self.what = what;
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }
}
