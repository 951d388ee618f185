//! Records as bytes: one byte of kind, then the fields in order; numbers little-endian, lists counted.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a disk chose these bytes"
)]

use super::codes::kind;
use super::reader::Reader;
use super::{
    Card, Debt, DebtState, Lsn, Opening, Outcome, Record, Remark, Secret, Sent, Standing, Trace,
    TxnId, Undo,
};
use crate::iso::{Elements, Mti, ResponseCode, Wall};
use crate::seal::{Keys, Sealed, Tag};

/// Bytes that are no record: which field of which kind is wrong. Shows none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {lsn:?} is damaged: {what}")]
pub struct BadRecord {
    /// The position at which the record stands.
    pub lsn: Lsn,
    /// The field that is wrong.
    pub what: &'static str,
}

/// Appends a record's length (four bytes) and bytes. PANs leave memory sealed, under the position of their transaction.
pub fn encode(record: &Record, lsn: Lsn, keys: &Keys, out: &mut Vec<u8>) {
    counted(out, |out| Writer { out, keys }.record(record, lsn));
}

/// Appends the bytes of `Record::Carried`, without making one.
pub fn encode_standing(standing: &Standing, keys: &Keys, out: &mut Vec<u8>) {
    counted(out, |out| {
        Writer { out, keys }.u8(kind::CARRIED).standing(standing);
    });
}

fn counted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let len = out.len().saturating_sub(start).saturating_sub(4);
    let len = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(prefix) = out.get_mut(start..).and_then(|tail| tail.first_chunk_mut::<4>()) {
        *prefix = len;
    }
}

/// Reads one record from the front of `bytes`; gives it and the rest. Cards stay sealed.
pub fn decode(bytes: &[u8], lsn: Lsn) -> Result<(Record, &[u8]), BadRecord> {
    let cut = BadRecord { lsn, what: "it ends early" };
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or(cut)?;
    let len = usize::try_from(u32::from_le_bytes(*len)).or(Err(cut))?;
    let (body, rest) = rest.split_at_checked(len).ok_or(cut)?;
    let mut reader = Reader { rest: body, what: "its kind" };
    let record = reader.record();
    match record {
        Some(record) if reader.rest.is_empty() => Ok((record, rest)),
        Some(_) => Err(BadRecord { lsn, what: "it is longer than its fields" }),
        None => Err(BadRecord { lsn, what: reader.what }),
    }
}

/// Reads the records of one commit, the first at `first`. All or none.
pub fn decode_all(mut bytes: &[u8], first: Lsn) -> Result<Vec<Record>, BadRecord> {
    let mut records = Vec::new();
    let mut lsn = first;
    while !bytes.is_empty() {
        let (record, rest) = decode(bytes, lsn)?;
        records.push(record);
        bytes = rest;
        lsn = Lsn(lsn.0.saturating_add(1));
    }
    Ok(records)
}

/// For fuzzing: any bytes decode or are refused, and what decodes is written as bytes that decode to the same.
pub fn fuzz_records(data: &[u8]) {
    let first = Lsn(1);
    let Ok(records) = decode_all(data, first) else { return };
    let keys = Keys::new(&[0; 32]);
    let mut bytes = Vec::with_capacity(data.len());
    for (lsn, record) in (first.0..).map(Lsn).zip(&records) {
        encode(record, lsn, &keys, &mut bytes);
    }
    let again = decode_all(&bytes, first);
    assert_eq!(again.as_ref(), Ok(&records), "records differ from their own bytes");
}

/// In the byte that says how far a debt is: an operator had it sent again.
pub(super) const REQUEUED: u8 = 0x80;

/// In the byte that says whether an answer was told: at the end stands for how much the transaction does since a partial reversal.
pub(super) const LOWERED: u8 = 0x80;

/// In the same byte: behind that stands which completion it has.
pub(super) const COMPLETED: u8 = 0x40;

/// What opened a transaction: a request of which an advice is owed besides.
pub(super) const MATCHED: u8 = 4;

/// Beside an MTI: the advice tells of a decline.
pub(super) const DECLINED: u16 = 1 << 15;

/// Beside an MTI: the hash of what its element 90 names follows.
pub(super) const NAMED: u16 = 1 << 14;

/// Beside the MTI of a reversal: its element 90 names an advice.
pub(super) const OF_ADVICE: u16 = 1 << 15;

/// Beside the MTI of a reversal: it says card, kind, amount and currency.
pub(super) const SAYS_ALL: u16 = 1 << 14;

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    keys: &'a Keys,
}

impl Writer<'_> {
    fn record(&mut self, record: &Record, lsn: Lsn) {
        let opened = TxnId(lsn.0);
        match record {
            Record::Sent(sent) => self.u8(kind::SENT).sent(sent, opened),
            Record::Stored(sent) => self.u8(kind::STORED).sent(sent, opened),
            Record::StoodIn { sent, added } => {
                self.u8(kind::STOOD_IN).sent(sent, opened).elements(added)
            }
            Record::StoodInAfter { attempt, sent, added } => {
                self.u8(kind::STOOD_IN_AFTER).txn(*attempt).sent(sent, opened).elements(added)
            }
            Record::StoodInMatched { txn, at, trace, added } => {
                self.u8(kind::STOOD_IN_MATCHED).txn(*txn).wall(*at).trace(*trace).elements(added)
            }
            Record::Spent { cards } => {
                self.u8(kind::SPENT).count(cards.len());
                cards.iter().fold(self, |to, of| {
                    to.tag(of.card).bytes(&of.currency).u32(of.count).u64(of.total)
                })
            }
            Record::Undone(undo) => self.u8(kind::UNDONE).undo(undo),
            Record::Lowered { undo, amount, trace } => {
                self.u8(kind::LOWERED).undo(undo).u64(*amount).trace(*trace)
            }
            Record::Rerouted { txn, at, issuer, trace } => {
                self.u8(kind::REROUTED).txn(*txn).wall(*at).u32(issuer.0).trace(*trace)
            }
            Record::Answered { txn, at, verdict, added } => {
                self.u8(kind::ANSWERED).txn(*txn).wall(*at).u8(verdict.code()).elements(added)
            }
            Record::Told { txns } => {
                self.u8(kind::TOLD).count(txns.len());
                txns.iter().fold(self, |to, txn| to.txn(*txn))
            }
            Record::Over { txn, at, why } => self.u8(kind::OVER).txn(*txn).wall(*at).u8(why.code()),
            Record::Late { txn, at, approved } => {
                self.u8(kind::LATE).txn(*txn).wall(*at).u8(u8::from(*approved))
            }
            Record::Owed { txn, at, trace, reason } => {
                self.u8(kind::OWED).txn(*txn).wall(*at).trace(*trace).u8(reason.code())
            }
            Record::Closed { txn, at, owing, trace, closing, code } => self
                .u8(kind::CLOSED)
                .txn(*txn)
                .wall(*at)
                .u8(owing.code())
                .trace(*trace)
                .u8(closing.code())
                .code(*code),
            Record::Requeued { .. }
            | Record::WrittenOff { .. }
            | Record::OrphanWrittenOff { .. } => self.order(record),
            Record::Unmatched { link, at, mti, trace, approved, orphan } => self
                .u8(kind::UNMATCHED)
                .u32(link.0)
                .wall(*at)
                .mti(*mti)
                .some_trace(*trace)
                .u8(u8::from(*approved))
                .u8(u8::from(*orphan)),
            Record::Restored(standing) => self.u8(kind::RESTORED).standing(standing),
            Record::Opened { date, at } => self.u8(kind::OPENED).u32(date.0).wall(*at),
            Record::Cut { date, at } => self.u8(kind::CUT).u32(date.0).wall(*at),
            Record::CarryBegins { .. } => self.carry_begins(record),
            Record::Carried(standing) => self.u8(kind::CARRIED).standing(standing),
            Record::CarryEnds { open } => self.u8(kind::CARRY_ENDS).u32(*open),
        };
    }

    /// The counters with which a carry begins.
    fn carry_begins(&mut self, record: &Record) -> &mut Self {
        let Record::CarryBegins { at, date, cut, closing, traces, open } = record else {
            return self;
        };
        self.u8(kind::CARRY_BEGINS).wall(*at).u32(date.0).u32(cut.0);
        self.u32(closing.map_or(u32::MAX, |date| date.0)).count(traces.len());
        traces.iter().fold(self, |to, (link, trace)| to.u32(link.0).trace(*trace)).u32(*open)
    }

    /// What an operator ordered.
    fn order(&mut self, record: &Record) -> &mut Self {
        match record {
            Record::Requeued { txn, at, owing, trace, by } => self
                .u8(kind::REQUEUED)
                .txn(*txn)
                .wall(*at)
                .u8(owing.code())
                .trace(*trace)
                .remark(by),
            Record::WrittenOff { txn, at, owing, trace, ruling } => self
                .u8(kind::WRITTEN_OFF)
                .txn(*txn)
                .wall(*at)
                .u8(owing.code())
                .trace(*trace)
                .remark(&ruling.by)
                .remark(&ruling.why),
            Record::OrphanWrittenOff { orphan, at, ruling } => self
                .u8(kind::ORPHAN_WRITTEN_OFF)
                .u64(orphan.0)
                .wall(*at)
                .remark(&ruling.by)
                .remark(&ruling.why),
            _ => self,
        }
    }

    fn sent(&mut self, sent: &Sent, txn: TxnId) -> &mut Self {
        self.u32(sent.asker.0).tag(sent.key).tag(sent.content);
        // No MTI is so large: whoever does not know these bits reads no record that has one.
        let declined = if sent.declined { DECLINED } else { 0 };
        let named = if sent.named.is_some() { NAMED } else { 0 };
        self.mti_beside(sent.mti, declined | named);
        if let Some(named) = sent.named {
            self.tag(named);
        }
        self.u32(sent.issuer.0);
        self.trace(sent.trace).u32(sent.date.0).wall(sent.at).card(sent.card.as_ref(), txn);
        self.u64(sent.completes.map_or(0, |txn| txn.0)).elements(&sent.elements)
    }

    fn undo(&mut self, undo: &Undo) -> &mut Self {
        let of_advice = if undo.of_advice { OF_ADVICE } else { 0 };
        let says_all = if undo.says_all { SAYS_ALL } else { 0 };
        self.u32(undo.asker.0)
            .tag(undo.key)
            .tag(undo.content)
            .mti_beside(undo.mti, of_advice | says_all)
            .tag(undo.original_key)
            .u64(undo.original.map_or(0, |txn| txn.0))
            .code(Some(undo.code))
            .wall(undo.at)
    }

    fn standing(&mut self, standing: &Standing) -> &mut Self {
        self.txn(standing.id);
        match &standing.opening {
            // A byte of its own: whoever does not know such advices would not name in them what was sent.
            Opening::Request(sent) if standing.is_matched() => {
                self.u8(MATCHED).sent(sent, standing.id)
            }
            Opening::Request(sent) => self.u8(1).sent(sent, standing.id),
            Opening::Advice(sent) => self.u8(2).sent(sent, standing.id),
            Opening::Reversal(undo) => self.u8(3).undo(undo),
        };
        match &standing.outcome {
            Outcome::InFlight => self.u8(1),
            Outcome::Answered { verdict, added, at } => {
                self.u8(2).u8(verdict.code()).elements(added).wall(*at)
            }
            Outcome::Over { why, at } => self.u8(3).u8(why.code()).wall(*at),
            Outcome::Stored => self.u8(4),
        };
        let lowered = if standing.lowered.is_some() { LOWERED } else { 0 };
        let completed = if standing.completed_by.is_some() { COMPLETED } else { 0 };
        self.u8(standing.heard.code()).u8(u8::from(standing.told) | lowered | completed);
        self.debt(standing.advice.as_ref()).debt(standing.reversal.as_ref());
        self.u64(standing.undone_by.map_or(0, |txn| txn.0));
        if let Some(amount) = standing.lowered {
            self.u64(amount);
        }
        if let Some(by) = standing.completed_by {
            self.txn(by);
        }
        self
    }

    fn debt(&mut self, debt: Option<&Debt>) -> &mut Self {
        let Some(debt) = debt else { return self.u8(0) };
        self.u8(1).trace(debt.trace).wall(debt.since).u8(debt.reason.code());
        let state = match debt.state {
            DebtState::Open => 0,
            DebtState::Closed(closing) => closing.code(),
        };
        self.u8(state | if debt.requeued { REQUEUED } else { 0 }).code(debt.code)
    }

    fn card(&mut self, card: Option<&Card>, txn: TxnId) -> &mut Self {
        let Some(card) = card else { return self.u8(0) };
        let masked = card.masked.as_bytes();
        self.u8(u8::try_from(masked.len()).unwrap_or(0));
        self.out.extend_from_slice(masked);
        self.tag(card.token);
        match &card.secret {
            Secret::Clear(pan) => {
                let sealed = self.keys.seal(pan, txn.0);
                self.sealed(&sealed)
            }
            Secret::Sealed(sealed) => self.sealed(sealed),
        }
    }

    fn sealed(&mut self, sealed: &Sealed) -> &mut Self {
        self.u32(sealed.key).u64(sealed.position).u8(u8::try_from(sealed.text.len()).unwrap_or(0));
        self.out.extend_from_slice(&sealed.text);
        self
    }

    fn elements(&mut self, elements: &Elements) -> &mut Self {
        self.count(elements.written_len());
        elements.write(self.out);
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    fn remark(&mut self, remark: &Remark) -> &mut Self {
        self.count(remark.as_str().len());
        self.out.extend_from_slice(remark.as_str().as_bytes());
        self
    }

    fn code(&mut self, code: Option<ResponseCode>) -> &mut Self {
        let bytes = code.as_ref().map_or(&[][..], ResponseCode::as_bytes);
        self.u8(u8::try_from(bytes.len()).unwrap_or(0));
        self.out.extend_from_slice(bytes);
        self
    }

    fn some_trace(&mut self, trace: Option<Trace>) -> &mut Self {
        self.u8(u8::from(trace.is_some())).trace(trace.unwrap_or_default())
    }

    fn trace(&mut self, trace: Trace) -> &mut Self {
        self.u32(trace.transmission.0).u32(trace.stan.get())
    }

    fn mti(&mut self, mti: Mti) -> &mut Self {
        self.mti_beside(mti, 0)
    }

    /// An MTI, and bits beside it.
    fn mti_beside(&mut self, mti: Mti, bits: u16) -> &mut Self {
        self.out.extend_from_slice(&(mti.number() | bits).to_le_bytes());
        self
    }

    fn txn(&mut self, txn: TxnId) -> &mut Self {
        self.u64(txn.0)
    }

    fn wall(&mut self, wall: Wall) -> &mut Self {
        self.u64(wall.0)
    }

    fn tag(&mut self, tag: Tag) -> &mut Self {
        self.out.extend_from_slice(&tag.0.to_le_bytes());
        self
    }

    fn count(&mut self, count: usize) -> &mut Self {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn u8(&mut self, value: u8) -> &mut Self {
        self.out.push(value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use super::super::{
        Approval, Card, Closing, LinkId, Owing, Reason, Ruling, Unanswered, Verdict,
    };
    use crate::iso::{BusinessDate, Stan, Transmission};
    use crate::iso::{ElementNo, Pan};

    const AT: Wall = Wall(1_795_459_600_123);

    fn elements(values: &[(u8, &str)]) -> Elements {
        let mut elements = Elements::default();
        for (no, value) in values {
            elements.set(ElementNo::of(*no), value.as_bytes());
        }
        elements
    }

    fn trace(stan: u32) -> Trace {
        Trace { transmission: Transmission(1_795_459_600), stan: Stan::new(stan).unwrap() }
    }

    fn sent(card: Option<Card>, completes: Option<TxnId>) -> Arc<Sent> {
        Arc::new(Sent {
            asker: LinkId(7),
            key: Tag(u128::MAX - 5),
            content: Tag(6),
            mti: Mti::new(221).unwrap(),
            issuer: LinkId(u32::MAX),
            trace: trace(Stan::MAX),
            date: BusinessDate(20_780),
            at: AT,
            card,
            elements: elements(&[(3, "000000"), (4, "000000001000"), (43, ""), (128, "\u{0}x")]),
            completes,
            named: completes.map(|_| Tag(u128::MAX / 3)),
            declined: completes.is_none(),
        })
    }

    fn undo(original: Option<TxnId>) -> Arc<Undo> {
        Arc::new(Undo {
            asker: LinkId(7),
            key: Tag(1),
            content: Tag(2),
            mti: Mti::new(420).unwrap(),
            original_key: Tag(3),
            original,
            of_advice: original.is_none(),
            says_all: original.is_some(),
            code: ResponseCode::NOT_FOUND,
            at: AT,
        })
    }

    fn card(keys: &Keys) -> Card {
        let pan = Pan::new(b"5413330000004111").unwrap();
        let secret = Secret::Sealed(keys.seal(&pan, 9));
        Card { masked: pan.masked(), token: keys.tag("card", &[pan.expose()]), secret }
    }

    /// Every way to stand: each opening with each outcome, debts in every state, every reason and code.
    fn standings(card: &Card) -> Vec<Standing> {
        let openings = [
            Opening::Request(sent(None, None)),
            Opening::Advice(sent(Some(card.clone()), Some(TxnId(3)))),
            Opening::Reversal(undo(Some(TxnId(8)))),
        ];
        let added = Arc::new(elements(&[(38, "A1B2C3"), (39, "00")]));
        let answered = |verdict| Outcome::Answered { verdict, added: Arc::clone(&added), at: AT };
        let outcomes = [Outcome::InFlight, Outcome::Stored]
            .into_iter()
            .chain([Verdict::Approved, Verdict::Declined, Verdict::Mismatched].map(answered))
            .chain(UNANSWERED.map(|why| Outcome::Over { why, at: AT }));
        let states = [DebtState::Open].into_iter().chain(CLOSINGS.map(DebtState::Closed));
        let debts: Vec<_> = REASONS
            .into_iter()
            .zip(states.cycle())
            .zip(
                [None, Some(ResponseCode::MALFUNCTION), Some(ResponseCode::new(b"9107").unwrap())]
                    .into_iter()
                    .cycle(),
            )
            .map(|((reason, state), code)| {
                let requeued = reason == Reason::Late;
                Debt { trace: trace(1), since: AT, reason, state, code, requeued }
            })
            .collect();
        let mut standings = Vec::new();
        for (at, outcome) in outcomes.enumerate() {
            for opening in &openings {
                let debt = |offset: usize| {
                    debts
                        .iter()
                        .cycle()
                        .nth(at.saturating_add(offset))
                        .cloned()
                        .filter(|_| at % 3 != offset % 3)
                };
                standings.push(Standing {
                    id: TxnId(u64::MAX),
                    opening: opening.clone(),
                    outcome: outcome.clone(),
                    heard: [Approval::Never, Approval::Declined, Approval::Approved][at % 3],
                    told: at % 2 == 0,
                    advice: debt(0),
                    reversal: debt(1),
                    undone_by: (at % 2 == 1).then_some(TxnId(4)),
                    lowered: (at % 4 > 1).then_some(400),
                    completed_by: (at % 3 > 1).then_some(TxnId(5)),
                });
            }
        }
        standings
    }

    const UNANSWERED: [Unanswered; 5] = [
        Unanswered::Deadline,
        Unanswered::Restart,
        Unanswered::Reversed,
        Unanswered::NeverBegun,
        Unanswered::StoodIn,
    ];
    const REASONS: [Reason; 7] = [
        Reason::Unanswered,
        Reason::Mismatched,
        Reason::Undelivered,
        Reason::Asked,
        Reason::Late,
        Reason::Settle,
        Reason::Lowered,
    ];
    const CLOSINGS: [Closing; 4] =
        [Closing::Final, Closing::Provisional, Closing::Dead, Closing::WrittenOff];

    /// Every kind of record with every choice in it.
    fn specimens(keys: &Keys) -> Vec<Record> {
        let (txn, card) = (TxnId(5), card(keys));
        let date = BusinessDate(20_780);
        let mut records = vec![
            Record::Sent(sent(None, None)),
            Record::Sent(sent(Some(card.clone()), Some(TxnId(1)))),
            Record::Stored(sent(Some(card.clone()), None)),
            Record::Undone(undo(None)),
            Record::Undone(undo(Some(TxnId(1)))),
            Record::Lowered { undo: undo(Some(TxnId(1))), amount: 400, trace: trace(8) },
            Record::Told { txns: vec![] },
            Record::Told { txns: vec![TxnId(1), TxnId(u64::MAX)] },
            Record::Opened { date, at: AT },
            Record::Cut { date, at: AT },
            Record::CarryEnds { open: 2 },
            Record::Rerouted { txn, at: AT, issuer: LinkId(u32::MAX), trace: trace(Stan::MAX) },
        ];
        let (attempt, added) = (TxnId(u64::MAX), Arc::new(elements(&[(38, "A1B2C3"), (39, "00")])));
        for card in [None, Some(card.clone())] {
            let (sent, added) = (sent(card, None), Arc::clone(&added));
            records.push(Record::StoodIn { sent: Arc::clone(&sent), added: Arc::clone(&added) });
            records.push(Record::StoodInAfter { attempt, sent, added });
        }
        records.push(Record::StoodInMatched { txn, at: AT, trace: trace(7), added });
        for verdict in [Verdict::Approved, Verdict::Declined, Verdict::Mismatched] {
            let added = Arc::new(elements(&[(39, "00")]));
            records.push(Record::Answered { txn, at: AT, verdict, added });
        }
        records.extend(UNANSWERED.map(|why| Record::Over { txn, at: AT, why }));
        records.extend(REASONS.map(|reason| Record::Owed { txn, at: AT, trace: trace(0), reason }));
        for approved in [false, true] {
            records.push(Record::Late { txn, at: AT, approved });
            let mti = Mti::new(210).unwrap();
            let trace = approved.then(|| trace(3));
            records.push(Record::Unmatched {
                link: LinkId(2),
                at: AT,
                mti,
                trace,
                approved,
                orphan: !approved,
            });
            let (closing, traces) = (
                approved.then_some(date),
                vec![(LinkId(1), self::trace(1)), (LinkId(2), self::trace(2))],
            );
            let traces = if approved { traces } else { vec![] };
            records.push(Record::CarryBegins { at: AT, date, cut: date, closing, traces, open: 1 });
        }
        for owing in [Owing::Advice, Owing::Reversal] {
            records.extend(CLOSINGS.map(|closing| {
                let code = (closing != Closing::Dead).then_some(ResponseCode::APPROVED);
                Record::Closed { txn, at: AT, owing, trace: trace(9), closing, code }
            }));
        }
        let by = || Remark::name("anna (front desk)").unwrap();
        let why = Remark::reason("paid by hand, \u{20ac} 10.00; ticket 4711").unwrap();
        let ruling = Box::new(Ruling { by: by(), why });
        for owing in [Owing::Advice, Owing::Reversal] {
            let (trace, ruling) = (trace(9), ruling.clone());
            records.push(Record::Requeued { txn, at: AT, owing, trace, by: by() });
            records.push(Record::WrittenOff { txn, at: AT, owing, trace, ruling });
        }
        records.push(Record::OrphanWrittenOff { orphan: Lsn(4), at: AT, ruling });
        for standing in standings(&card) {
            records.push(Record::Restored(Box::new(standing.clone())));
            records.push(Record::Carried(Box::new(standing)));
        }
        records
    }

    fn bytes_of(record: &Record, keys: &Keys) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(record, Lsn(17), keys, &mut bytes);
        bytes
    }

    #[test]
    fn every_record_there_and_back() {
        let keys = Keys::new(&[7; 32]);
        let mut all = Vec::new();
        let records = specimens(&keys);
        for record in &records {
            let bytes = bytes_of(record, &keys);
            assert_eq!(decode(&bytes, Lsn(17)), Ok((record.clone(), &[][..])));
            all.extend_from_slice(&bytes);
        }
        for record in &records {
            let Record::Carried(standing) = record else { continue };
            let mut bytes = Vec::new();
            encode_standing(standing, &keys, &mut bytes);
            assert_eq!(bytes, bytes_of(record, &keys));
        }
        assert_eq!(decode_all(&all, Lsn(17)), Ok(records));
        fuzz_records(&all);
    }

    #[test]
    fn a_record_cut_short_or_lengthened_is_refused() {
        let keys = Keys::new(&[7; 32]);
        for record in specimens(&keys) {
            let bytes = bytes_of(&record, &keys);
            for end in 0..bytes.len() {
                assert!(decode(&bytes[..end], Lsn(17)).is_err(), "{record:?} cut at {end}");
                // Also when the length says so: a shorter body is never a whole record.
                let Some(len) = end.checked_sub(4) else { continue };
                let mut shorter = bytes[..end].to_vec();
                shorter[..4].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
                assert!(decode(&shorter, Lsn(17)).is_err(), "{record:?} shortened to {end}");
            }
            let mut longer = bytes.clone();
            longer.push(0);
            longer[..4].copy_from_slice(&u32::try_from(bytes.len() - 3).unwrap().to_le_bytes());
            assert!(decode(&longer, Lsn(17)).is_err(), "{record:?} lengthened");
        }
    }

    #[test]
    fn a_record_with_any_byte_changed_is_read_or_refused() {
        let keys = Keys::new(&[7; 32]);
        for record in specimens(&keys) {
            let bytes = bytes_of(&record, &keys);
            for at in 0..bytes.len() {
                for value in [0, 1, 0x7f, 0xff, bytes[at].wrapping_add(1)] {
                    let mut changed = bytes.clone();
                    changed[at] = value;
                    fuzz_records(&changed);
                }
            }
        }
    }

    /// Nothing but the MTI where there is nothing else to say: so it is read of an earlier version, and by one.
    #[test]
    fn an_advice_of_an_approval_that_names_nothing_is_written_as_ever() {
        // Length, kind, asker, key, content.
        const MTI_AT: usize = 4 + 1 + 4 + 16 + 16;
        let keys = Keys::new(&[7; 32]);
        let bytes = |change: fn(&mut Sent)| {
            let mut plain = Sent::clone(&sent(None, None));
            plain.declined = false;
            change(&mut plain);
            let record = Record::Stored(Arc::new(plain));
            let bytes = bytes_of(&record, &keys);
            assert_eq!(decode(&bytes, Lsn(17)).unwrap().0, record);
            bytes
        };
        let plain = bytes(|_| {});
        assert_eq!(plain[MTI_AT..][..2], 221_u16.to_le_bytes());
        let declined = bytes(|sent| sent.declined = true);
        assert_eq!(declined.len(), plain.len());
        let named = bytes(|sent| sent.named = Some(Tag(3)));
        assert_eq!(named.len(), plain.len() + 16);
        for other in [&declined, &named] {
            let digits = u16::from_le_bytes([other[MTI_AT], other[MTI_AT + 1]]);
            assert!(Mti::new(digits).is_err(), "an earlier version refuses it");
        }
    }

    #[test]
    fn a_clear_card_is_sealed_as_it_leaves_memory() {
        let keys = Keys::new(&[7; 32]);
        let pan = Pan::new(b"5413330000004111").unwrap();
        let clear = Card { secret: Secret::Clear(pan.clone()), ..card(&keys) };
        let bytes = bytes_of(&Record::Sent(sent(Some(clear), None)), &keys);
        assert!(!bytes.windows(16).any(|window| window == pan.expose()));
        let (Record::Sent(read), _) = decode(&bytes, Lsn(17)).unwrap() else {
            panic!("another kind")
        };
        let read = read.card.clone().unwrap();
        assert_eq!(read.open(&keys), Ok(pan.clone()));
        // The nonce is the transaction's position.
        assert_eq!(read.secret, Secret::Sealed(keys.seal(&pan, 17)));
    }
}
