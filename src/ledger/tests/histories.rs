//! Any sequence of approvals, claims, cuts, restarts and kills: each claim that was accepted is in exactly one record of one file.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::prelude::*;

use super::*;
use crate::iso::has_check_digit;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A sale, or an authorization, at one of the banks, in one of two currencies.
    Approved { hold: bool, bank: usize, yen: bool },
    /// One of the authorizations is claimed, or paid back.
    Claimed { which: usize, refund: bool, amount: i64 },
    /// One of the transactions is reversed.
    Reversed { which: usize },
    /// One of the authorizations is reversed, or lowered.
    Undone { which: usize, left: Option<u64> },
    /// One of the claims is taken back.
    TakenBack { which: usize },
    /// The day ends, and nobody writes its files.
    DayEnds,
    /// The files of the last day, or those of a cycle, are written; the process dies after so many steps, if it comes to them.
    Cut { now: bool, dies_after: usize },
    /// Another process finishes what it finds.
    Restarts,
}

fn event() -> impl Strategy<Value = Event> {
    let approved = (any::<bool>(), 0_usize..2, any::<bool>())
        .prop_map(|(hold, bank, yen)| Event::Approved { hold, bank, yen });
    let claimed = (any::<usize>(), any::<bool>(), 1_i64..500)
        .prop_map(|(which, refund, amount)| Event::Claimed { which, refund, amount });
    prop_oneof![
        6 => approved,
        5 => claimed,
        2 => any::<usize>().prop_map(|which| Event::Reversed { which }),
        2 => (any::<usize>(), prop::option::of(1_u64..900)).prop_map(|(which, left)| Event::Undone { which, left }),
        2 => any::<usize>().prop_map(|which| Event::TakenBack { which }),
        2 => Just(Event::DayEnds),
        4 => (any::<bool>(), 0_usize..12).prop_map(|(now, dies_after)| Event::Cut { now, dies_after }),
        2 => Just(Event::Restarts),
    ]
}

/// What a history remembers.
#[derive(Default)]
struct Past {
    sales: Vec<TxnId>,
    holds: Vec<(TxnId, &'static str)>,
    /// What authorizations stand for that were reversed or lowered.
    left: BTreeMap<TxnId, u64>,
    claims: Vec<i64>,
    last: Option<BusinessDate>,
    /// What was seen once never changes.
    seen: BTreeMap<String, Vec<u8>>,
}

impl Past {
    fn takes(&mut self, world: &mut World, event: Event) {
        match event {
            Event::Approved { hold, bank, yen } => {
                let currency = if yen { "392" } else { "978" };
                let ask = if hold { HOLD } else { SALE };
                let txn = world.approved(Ask { bank, currency, ..ask });
                if hold { self.holds.push((txn, currency)) } else { self.sales.push(txn) }
            }
            Event::Claimed { which, refund, amount } if !self.holds.is_empty() => {
                let (txn, currency) = self.holds[which % self.holds.len()];
                let op = if refund { "refund" } else { "capture" };
                let is_final = amount % 2 == 0;
                let claim = Claim { op, currency, is_final, ..Claim::of(txn, amount) };
                self.claims.push(world.claims(claim));
            }
            Event::Reversed { which } if !self.sales.is_empty() => {
                let txn = self.sales.remove(which % self.sales.len());
                world.is_reversed(txn);
            }
            Event::Undone { which, left } if !self.holds.is_empty() => {
                let (txn, _) = self.holds[which % self.holds.len()];
                match (left, self.left.get(&txn)) {
                    (Some(left), None) => world.is_lowered(txn, left),
                    _ => world.is_undone(txn),
                }
                let only_lowered = left.filter(|_| !self.left.contains_key(&txn));
                self.left.insert(txn, only_lowered.unwrap_or(0));
            }
            Event::TakenBack { which } if !self.claims.is_empty() => {
                let original = self.claims[which % self.claims.len()];
                let claim =
                    Claim { op: "reversal", original: Some(original), ..Claim::of(TxnId(1), 1) };
                let claim = world.claims(claim);
                // What was not presented need not be: it is void then, if that is seen in time.
                let sql = "UPDATE claims SET voided = ? WHERE claim IN (SELECT claim FROM to_cut WHERE claim = ? AND ?)";
                let values = (claim, original, which % 2 == 0);
                if world.ledger.connection.execute(sql, values).unwrap() > 0 {
                    let sql = "DELETE FROM to_cut WHERE claim = ?";
                    world.ledger.connection.execute(sql, [original]).unwrap();
                }
            }
            Event::DayEnds => self.last = Some(world.day_ends()),
            Event::Cut { now, dies_after } => self.cut(world, now, dies_after),
            Event::Restarts => Self::restarts(world),
            Event::Claimed { .. }
            | Event::Reversed { .. }
            | Event::Undone { .. }
            | Event::TakenBack { .. } => {}
        }
        let seen = world.seen();
        let kept = |(name, bytes): (&String, &Vec<u8>)| seen.get(name) == Some(bytes);
        assert!(self.seen.iter().all(kept), "a file that was seen is another, or gone");
        self.seen = seen;
    }

    fn cut(&self, world: &mut World, now: bool, dies_after: usize) {
        let asked = match self.last {
            Some(date) if !now => Asked::End(date),
            _ => Asked::Now(world.today),
        };
        let order = world.order(asked);
        world.ledger.step = 2;
        let mut steps = 0;
        let killed = catch_unwind(AssertUnwindSafe(|| {
            world.ledger.cut_watched(&order, &mut |_| {
                steps += 1;
                if steps > dies_after {
                    resume_unwind(Box::new("killed"));
                }
            })
        }));
        match killed {
            Ok(done) => drop(done.unwrap()),
            Err(_) => world.restarts(),
        }
    }

    fn restarts(world: &mut World) {
        world.restarts();
        for asked in world.ledger.unfinished().unwrap() {
            world.cut(asked).unwrap();
        }
    }
}

/// All files against all items: each item that claims something is one record, and each record one item.
fn is_whole(world: &World) {
    let files: Vec<(String, String, String)> = {
        let sql = "SELECT name, party, currency FROM files ORDER BY file";
        let mut ask = world.ledger.connection.prepare(sql).unwrap();
        let rows = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut records = BTreeSet::new();
    let mut fresh = BTreeSet::new();
    for (name, party, currency) in &files {
        for (line, number) in world.lines(name).into_iter().zip(2..) {
            let bank = BANKS.iter().position(|bank| bank == party).unwrap();
            assert!(line.card.starts_with(&format!("5413330{bank}")), "{name}: another's card");
            assert!(has_check_digit(line.reference.as_bytes()));
            if line.back.is_none() {
                assert!(fresh.insert(line.reference.clone()), "{} twice", line.reference);
            }
            let back = line.back.is_some();
            records.insert((name.clone(), number, line.amount, line.reference, back));
        }
        assert!(name.contains(&format!("-{currency}-")));
    }
    let sql = "SELECT name, number, amount, reference, kind <> 'presentment' FROM items JOIN files USING (file)";
    let mut ask = world.ledger.connection.prepare(sql).unwrap();
    let items = ask.query_map([], |row| {
        let key: (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((key.0, key.1, key.2, row.get::<_, String>(3)?, row.get::<_, bool>(4)?))
    });
    let items: Vec<_> = items.unwrap().map(Result::unwrap).collect();
    assert_eq!(items.len(), records.len());
    assert!(items.into_iter().collect::<BTreeSet<_>>() == records);
    for (what, sql) in [
        ("an accepted claim is in no file, or in two", "SELECT count(*) FROM claims WHERE state = 'accepted' AND voided IS NULL
            AND claim NOT IN (SELECT voided FROM claims WHERE voided IS NOT NULL)
            AND NOT (op = 'refund' AND claim IN to_cut AND NOT EXISTS (SELECT 1 FROM items AS p
                WHERE p.txn = claims.txn AND p.kind = 'presentment' AND p.refund = 0))
            AND (claim IN to_cut OR 1 <> (SELECT count(*) FROM items WHERE items.claim = claims.claim AND file IS NOT NULL))"),
        ("a claim that was rejected is in a file", "SELECT count(*) FROM claims JOIN items USING (claim) WHERE claims.state <> 'accepted'"),
        ("references do not ascend with their items", "SELECT count(*) FROM items
            WHERE kind = 'presentment' AND CAST(substr(reference, 12, 11) AS INTEGER) <> item"),
        ("a claim that is void is in a file", "SELECT count(*) FROM claims JOIN items USING (claim) WHERE voided IS NOT NULL"),
        ("something was taken back twice", "SELECT count(*) - count(DISTINCT about) FROM items WHERE kind = 'opposite'"),
        ("the numbers of a day's files have a gap", "SELECT count(*) FROM (SELECT max(sequence) <> count(*) AS gap FROM files GROUP BY day) WHERE gap"),
        ("a cut is not written", "SELECT count(*) FROM cuts WHERE state <> 'written'"),
        ("a reference is of another day than its file", "SELECT count(*) FROM items WHERE kind = 'presentment'
            AND substr(reference, 8, 4) <> CASE day WHEN 20261124 THEN '6328' WHEN 20261125 THEN '6329' ELSE substr(reference, 8, 4) END"),
    ] {
        assert_eq!(world.asks::<i64>(sql), 0, "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_accepted_claim_is_in_one_record_of_one_file(events in prop::collection::vec(event(), 1..40)) {
        let home = tempfile::tempdir().unwrap();
        let (mut world, mut past) = (World::new(home.path()), Past::default());
        for event in events {
            past.takes(&mut world, event);
        }
        // What was presented and taken back at once is taken back by the next cut.
        for _ in 0..2 {
            past.last = Some(world.day_ends());
            past.cut(&mut world, false, usize::MAX);
        }
        Past::restarts(&mut world);
        is_whole(&world);
        for (txn, left) in &past.left {
            let sum = |refund: bool| -> i64 { world.asks(&format!("SELECT ifnull(sum(CASE kind WHEN 'presentment' THEN amount
                ELSE -amount END), 0) FROM items WHERE txn = {} AND refund = {refund}", txn.0)) };
            let kept = sum(true).max(i64::try_from(*left).unwrap());
            prop_assert!(sum(false) <= kept, "{txn:?}: {} of {left}, {} refunded", sum(false), sum(true));
        }
        // Sales that stand are claimed once; those that were reversed stand nowhere.
        let standing = past.sales.iter().map(|txn| txn.0.to_string()).collect::<Vec<_>>().join(",");
        let claimed: i64 = world.asks(&format!("SELECT count(*) FROM items WHERE kind = 'presentment' AND claim IS NULL AND txn IN ({standing})"));
        prop_assert_eq!(claimed, i64::try_from(past.sales.len()).unwrap());
        let sql = format!("SELECT count(*) FROM items WHERE kind = 'presentment' AND claim IS NULL AND txn NOT IN ({standing})");
        let taken_back: i64 = world.asks("SELECT count(*) FROM items WHERE kind = 'opposite'
            AND about IN (SELECT item FROM items WHERE claim IS NULL)");
        // What was reversed after the last cut before this one is taken back in it.
        prop_assert_eq!(world.asks::<i64>(&sql), taken_back);
        // All again: nothing is added.
        let seen = world.seen();
        past.cut(&mut world, false, usize::MAX);
        Past::restarts(&mut world);
        prop_assert!(world.seen() == seen);
    }
}
