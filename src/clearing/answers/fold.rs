//! How a file and an item stand, from the set of everything that was said of them: the order in which it came does not matter.

use std::collections::BTreeSet;

use super::Layout;
use super::totals::{Agreement, Line, Sent, compare};

/// Which record: the id of its file, which its issuer never uses again, and its number there.
pub type Key = (String, u32);

/// What may be said of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileWord {
    /// None of it was taken.
    Rejects,
    /// So much of it was taken.
    Totals(Line),
}

/// How a file stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileVerdict {
    /// As its issuer left it.
    pub stand: Stand,
    /// Where totals and what was sent differ.
    pub differs: Option<String>,
}

/// How something that was sent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It was sent, and nothing decides it.
    Sent,
    /// It was taken.
    Accepted,
    /// It was not.
    Rejected,
    /// It was taken, and charged back since, all or a part.
    ChargedBack,
}

/// How a file stands. `sent` is what it held and was not rejected alone.
pub fn file(words: &BTreeSet<FileWord>, sent: &[Sent], layout: &Layout) -> FileVerdict {
    let rejected = words.contains(&FileWord::Rejects);
    let lines = words.iter().filter_map(|word| match word {
        FileWord::Totals(line) => Some(line.clone()),
        FileWord::Rejects => None,
    });
    // Of a file that was rejected nothing can have been taken.
    match compare(&lines.collect(), if rejected { &[] } else { sent }, layout) {
        agreement if rejected => {
            let differs = match agreement {
                Agreement::Differs(text) => Some(format!("the file was rejected: {text}")),
                Agreement::Untold | Agreement::Whole => None,
            };
            FileVerdict { stand: Stand::Rejected, differs }
        }
        Agreement::Untold => FileVerdict { stand: Stand::Sent, differs: None },
        Agreement::Whole => FileVerdict { stand: Stand::Accepted, differs: None },
        Agreement::Differs(text) => FileVerdict { stand: Stand::Sent, differs: Some(text) },
    }
}

/// What was presented, and what is known of it beside what its issuer said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presented {
    /// Minor units.
    pub amount: i64,
    /// So much of it was taken back by us.
    pub taken_back: i64,
    /// Its file was accepted.
    pub file_accepted: bool,
    /// Its file was rejected.
    pub file_rejected: bool,
    /// Charge-backs that are in a position, or were answered: they stay.
    pub settled: BTreeSet<Key>,
}

/// What may be said of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemWord {
    /// It was not taken.
    Rejects,
    /// So much is charged back.
    ChargesBack(i64),
}

/// How an item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemVerdict {
    /// As its issuer left it.
    pub stand: Stand,
    /// Whether it waits in suspense.
    pub rejected: bool,
    /// The records that charge it back.
    pub charged_back: BTreeSet<Key>,
    /// Records that cannot be followed, and why.
    pub refused: Vec<(Key, String)>,
}

/// How an item stands. What was rejected cannot be charged back, and no more is charged back than was presented: of records that
/// want more together, those go first that are settled, then those with the lower key.
pub fn item(presented: &Presented, words: &BTreeSet<(Key, ItemWord)>) -> ItemVerdict {
    let mut left = i128::from(presented.amount) - i128::from(presented.taken_back);
    let mut charged_back = BTreeSet::new();
    let mut refused = Vec::new();
    let wants = |settled: bool| {
        words.iter().filter_map(move |(key, word)| match word {
            ItemWord::ChargesBack(amount) if presented.settled.contains(key) == settled => {
                Some((key, i128::from(*amount)))
            }
            _ => None,
        })
    };
    for (key, amount) in wants(true) {
        left -= amount;
        charged_back.insert(key.clone());
    }
    let said_so = words.iter().filter(|(_, word)| *word == ItemWord::Rejects);
    let mut rejected = presented.file_rejected;
    for (key, _) in said_so {
        if presented.settled.is_empty() {
            rejected = true;
        } else {
            let why =
                "it was charged back, and that is in a position: it cannot be rejected any more";
            refused.push((key.clone(), why.to_owned()));
        }
    }
    rejected &= presented.settled.is_empty();
    for (key, amount) in wants(false) {
        if rejected {
            let why = "what was rejected cannot be charged back";
            refused.push((key.clone(), why.to_owned()));
        } else if amount > left {
            let why = format!(
                "{amount} is charged back, and of {} that were presented {} are left",
                presented.amount,
                left.max(0)
            );
            refused.push((key.clone(), why));
        } else {
            left -= amount;
            charged_back.insert(key.clone());
        }
    }
    let stand = match () {
        () if rejected => Stand::Rejected,
        () if !charged_back.is_empty() => Stand::ChargedBack,
        () if presented.file_accepted => Stand::Accepted,
        () => Stand::Sent,
    };
    refused.sort();
    ItemVerdict { stand, rejected, charged_back, refused }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u32) -> Key {
        ("0012611240000000000100001".to_owned(), number)
    }

    fn words(words: &[(u32, ItemWord)]) -> BTreeSet<(Key, ItemWord)> {
        words.iter().map(|(number, word)| (key(*number), word.clone())).collect()
    }

    fn presented() -> Presented {
        Presented { amount: 1_000, ..Presented::default() }
    }

    #[test]
    fn an_item_is_what_was_said_of_it() {
        use ItemWord::{ChargesBack, Rejects};
        for (said, stand, charged_back, refused) in [
            (&[][..], Stand::Sent, &[][..], 0),
            (&[(2, Rejects)], Stand::Rejected, &[], 0),
            (&[(2, Rejects), (3, Rejects)], Stand::Rejected, &[], 0),
            (&[(2, ChargesBack(1_000))], Stand::ChargedBack, &[2], 0),
            (&[(2, ChargesBack(1_001))], Stand::Sent, &[], 1),
            (&[(2, ChargesBack(600)), (3, ChargesBack(600))], Stand::ChargedBack, &[2], 1),
            (&[(2, ChargesBack(600)), (3, ChargesBack(400))], Stand::ChargedBack, &[2, 3], 0),
            (&[(2, ChargesBack(600)), (3, Rejects)], Stand::Rejected, &[], 1),
        ] {
            let verdict = item(&presented(), &words(said));
            let numbers: Vec<u32> = verdict.charged_back.iter().map(|key| key.1).collect();
            assert_eq!(
                (verdict.stand, numbers.as_slice(), verdict.refused.len()),
                (stand, charged_back, refused),
                "{said:?}"
            );
        }
        // What is in a position stays, whatever is said later.
        let settled = Presented { settled: [key(3)].into(), ..presented() };
        let verdict =
            item(&settled, &words(&[(2, ChargesBack(600)), (3, ChargesBack(600)), (4, Rejects)]));
        assert_eq!((verdict.stand, verdict.refused.len()), (Stand::ChargedBack, 2));
        assert!(!verdict.rejected && verdict.charged_back == [key(3)].into());
        let lowered = Presented { taken_back: 500, ..presented() };
        assert_eq!(item(&lowered, &words(&[(2, ChargesBack(600))])).refused.len(), 1);
        let accepted = Presented { file_accepted: true, ..presented() };
        assert_eq!(item(&accepted, &BTreeSet::new()).stand, Stand::Accepted);
        let gone = Presented { file_rejected: true, ..presented() };
        assert!(item(&gone, &BTreeSet::new()).rejected);
    }

    #[test]
    fn a_file_is_what_was_said_of_it() {
        let layout = Layout::default();
        let sent = [Sent {
            turn: super::super::Turn::First,
            refund: false,
            takes_back: false,
            currency: "978".to_owned(),
            count: 1,
            amount: 1_000,
        }];
        let line = |credits| {
            FileWord::Totals(Line {
                currency: "978".to_owned(),
                credits: Some(credits),
                ..Line::default()
            })
        };
        for (words, stand, differs) in [
            (vec![], Stand::Sent, false),
            (vec![line(1_000)], Stand::Accepted, false),
            (vec![line(999)], Stand::Sent, true),
            (vec![FileWord::Rejects], Stand::Rejected, false),
            (vec![FileWord::Rejects, line(1_000)], Stand::Rejected, true),
            (vec![FileWord::Rejects, line(0)], Stand::Rejected, false),
        ] {
            let verdict = file(&words.iter().cloned().collect(), &sent, &layout);
            assert_eq!((verdict.stand, verdict.differs.is_some()), (stand, differs), "{words:?}");
        }
    }

    proptest! {
        /// Said one after the other, in any order and more than once, the same comes of it; and never more than was presented.
        #[test]
        fn any_order_any_repeats(
            amounts in proptest::collection::vec(prop_oneof![Just(None), (0_i64..1_500).prop_map(Some)], 0..6),
            order in proptest::collection::vec(0_usize..6, 0..20),
        ) {
            let all: Vec<(Key, ItemWord)> = (2..).zip(&amounts).map(|(number, amount)| {
                (key(number), amount.map_or(ItemWord::Rejects, ItemWord::ChargesBack))
            }).collect();
            let at_once = item(&presented(), &all.iter().cloned().collect());
            let mut came = BTreeSet::new();
            for at in order {
                came.extend(all.get(at).cloned());
                let so_far = item(&presented(), &came);
                let sum: i64 = all.iter().filter(|(key, _)| so_far.charged_back.contains(key)).map(|(_, word)| match word {
                    ItemWord::ChargesBack(amount) => *amount,
                    ItemWord::Rejects => 0,
                }).sum();
                prop_assert!(sum <= 1_000 && !(so_far.rejected && sum > 0));
            }
            came.extend(all.iter().rev().cloned());
            prop_assert_eq!(item(&presented(), &came), at_once);
        }
    }
}
