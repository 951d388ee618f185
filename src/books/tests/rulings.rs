//! What operators order about dead letters and orphans, as the books have it.

use super::*;
use crate::record::{Remark, Ruling};

fn ruling() -> Ruling {
    let (by, why) = (Remark::name("anna").unwrap(), Remark::reason("paid by hand").unwrap());
    Ruling { by, why }
}

impl Story {
    /// An operator goes through the list.
    pub(super) fn rule(&mut self) {
        let at = self.at;
        if self.pick(3) == 0 {
            if !self.orphans.is_empty() {
                let place = self.pick(self.orphans.len());
                let orphan = self.orphans.remove(place);
                self.push(&Record::OrphanWrittenOff { orphan, at, ruling: Box::new(ruling()) });
            }
            return;
        }
        let owing = [Owing::Advice, Owing::Reversal][self.pick(2)];
        let Some(txn) = self.one(|one| dead(one, owing).is_some()) else { return };
        let trace = dead(&self.standings[&txn], owing).unwrap();
        if self.pick(2) == 0 {
            self.push(&Record::WrittenOff { txn, at, owing, trace, ruling: Box::new(ruling()) });
            return;
        }
        let issuer = self.standings[&txn].sent().unwrap().issuer;
        let trace = match owing {
            Owing::Advice => trace,
            Owing::Reversal => self.log.fresh_trace(issuer, Class::Reversal, at).unwrap(),
        };
        self.push(&Record::Requeued { txn, at, owing, trace, by: ruling().by });
    }
}

/// The pair of a debt that is a dead letter.
fn dead(standing: &Standing, owing: Owing) -> Option<Trace> {
    let debt = match owing {
        Owing::Advice => standing.advice.as_ref(),
        Owing::Reversal => standing.reversal.as_ref(),
    };
    debt.filter(|debt| debt.state == DebtState::Closed(Closing::Dead)).map(|debt| debt.trace)
}

/// A story with a dead reversal and an orphan: gives both.
fn story(directory: &Path) -> (Story, TxnId, Lsn) {
    let mut story = Story::new(directory, 3);
    let (txn, at) = (TxnId(story.next.0), story.at);
    let sent = story.sent();
    story.push(&Record::Sent(sent));
    story.end(txn);
    let (owing, closing, code) = (Owing::Reversal, Closing::Dead, None);
    let trace = story.standings[&txn].reversal.as_ref().unwrap().trace;
    story.push(&Record::Closed { txn, at, owing, trace, closing, code });
    let (orphan, link, mti) = (story.next, LinkId(11), Mti::new(210).unwrap());
    story.push(&Record::Unmatched { link, at, mti, trace: None, approved: true, orphan: true });
    (story, txn, orphan)
}

#[test]
fn what_an_operator_orders_stays_in_the_books() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut story, txn, orphan) = story(scratch.path());
    let (at, owing) = (story.at, Owing::Reversal);
    let issuer = story.standings[&txn].sent().unwrap().issuer;
    let fresh = story.log.fresh_trace(issuer, Class::Reversal, at).unwrap();
    story.push(&Record::Requeued { txn, at, owing, trace: fresh, by: ruling().by });
    let (closing, code) = (Closing::Dead, Some(ResponseCode::MALFUNCTION));
    story.push(&Record::Closed { txn, at, owing, trace: fresh, closing, code });
    story.push(&Record::WrittenOff { txn, at, owing, trace: fresh, ruling: Box::new(ruling()) });
    story.push(&Record::OrphanWrittenOff { orphan, at, ruling: Box::new(ruling()) });
    story.durable();
    let mut books = Books::open(scratch.path(), Arc::clone(&story.keys)).unwrap();
    let mut reader = Reader::open(&scratch.path().join("journal"));
    while books.follow(&mut reader).unwrap().records > 0 {}
    assert!(books.owed(9).unwrap().is_empty() && books.orphans(9).unwrap().is_empty());
    let totals = books.totals(at).unwrap();
    assert_eq!((totals.owed, totals.orphans), (0, 0));
    let about = Lsn(txn.0);
    let requeued = books.ordered("requeued", about, Some(owing)).unwrap().unwrap();
    assert_eq!((requeued.who.as_str(), requeued.reason), ("anna", None));
    let written_off = books.ordered("written_off", about, Some(owing)).unwrap().unwrap();
    assert_eq!(written_off.reason.as_deref(), Some("paid by hand"));
    assert!(requeued.lsn < written_off.lsn);
    assert_eq!(books.ordered("written_off", about, Some(Owing::Advice)).unwrap(), None);
    assert_eq!(
        books.ordered("orphan_written_off", orphan, None).unwrap().map(|order| order.who),
        Some("anna".to_owned())
    );
    let found = books.lookup(&Ask::Record(orphan)).unwrap();
    assert_eq!(found, Found::Orphan { written_off: true });
    let found = books.lookup(&Ask::Record(about)).unwrap().standing().unwrap();
    let (link, debt) = (found.sent().unwrap().issuer, found.reversal.unwrap());
    assert_eq!((debt.state, debt.requeued), (DebtState::Closed(Closing::WrittenOff), true));
    assert_eq!(books.lookup(&Ask::Record(Lsn(1))).unwrap(), Found::Nothing);
    // Each pair that its issuer saw leads to it.
    let ask = Ask::Trace { link, class: Class::Reversal, trace: fresh };
    assert_eq!(books.lookup(&ask).unwrap().standing().map(|one| one.id), Some(txn));
}

/// Books of the format before have what the journal may have no more: they are kept, and brought up to date.
#[test]
fn books_of_the_format_before_are_taken_over() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut story, txn, orphan) = story(scratch.path());
    story.durable();
    let mut reader = Reader::open(&scratch.path().join("journal"));
    let mut books = Books::open(scratch.path(), Arc::clone(&story.keys)).unwrap();
    while books.follow(&mut reader).unwrap().records > 0 {}
    drop(books);
    let before = Connection::open(scratch.path().join("books.db")).unwrap();
    before
        .execute_batch(
            "DROP TABLE orders; ALTER TABLE orphans DROP COLUMN written_off;
            DROP VIEW positions; DROP VIEW batches; DROP VIEW captures; DROP INDEX by_lowered;
            ALTER TABLE transactions DROP COLUMN lowered; ALTER TABLE transactions DROP COLUMN amount_before;
            DROP TABLE earlier_files; CREATE TABLE sequences (date INTEGER, issuer INTEGER, sequence INTEGER);
            CREATE TABLE files (date INTEGER, name TEXT, digest BLOB);
            INSERT INTO files VALUES (20261123, 'clearing-bank-2026-11-23.ipm', x'00'), (20261123, 'positions-2026-11-23.csv', x'00');
            PRAGMA user_version = 2",
        )
        .unwrap();
    drop(before);
    let (at, owing) = (story.at, Owing::Reversal);
    let trace = story.standings[&txn].reversal.as_ref().unwrap().trace;
    story.push(&Record::OrphanWrittenOff { orphan, at, ruling: Box::new(ruling()) });
    story.push(&Record::WrittenOff { txn, at, owing, trace, ruling: Box::new(ruling()) });
    story.durable();
    let mut books = Books::open(scratch.path(), Arc::clone(&story.keys)).unwrap();
    assert_eq!(books.owed(9).unwrap().len() + books.orphans(9).unwrap().len(), 2);
    // The days whose files it wrote are known: they are not written again under other names.
    let earlier = View::open(scratch.path(), Arc::clone(&story.keys)).unwrap().earlier().unwrap();
    assert_eq!(earlier, [BusinessDate::from_text("2026-11-23").unwrap()]);
    while books.follow(&mut reader).unwrap().records > 0 {}
    assert_eq!(books.owed(9).unwrap().len() + books.orphans(9).unwrap().len(), 0);
}
