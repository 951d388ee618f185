//! Everything that answers may say, in any order.

use proptest::prelude::*;

use super::*;

/// Something that an answer may say.
#[derive(Clone, Debug)]
enum Saying {
    Rejects(u32),
    RejectsFile,
    Charges(i64, u64),
    Totals(i64, i64),
    Unknown,
}

fn saying() -> impl Strategy<Value = Saying> {
    prop_oneof![
        3 => (1_u32..9).prop_map(Saying::Rejects),
        1 => Just(Saying::RejectsFile),
        4 => (1_i64..7, 1_u64..3_000).prop_map(|(item, amount)| Saying::Charges(item, amount)),
        2 => (0_i64..3).prop_map(|less| Saying::Totals(15_000 - less * 1_000, 6 - less)),
        1 => Just(Saying::Unknown),
    ]
}

fn say(answers: &mut Answers, saying: &Saying) {
    match saying {
        Saying::Rejects(number) => rejects(answers, *number),
        Saying::RejectsFile => answers.reject_file(OURS.as_bytes(), b"P0301000519000").unwrap(),
        Saying::Charges(item, amount) => charges(answers, *item, *amount),
        Saying::Totals(credits, count) => totals(answers, (*credits, 500), *count),
        Saying::Unknown => charges(answers, 4_000, 1),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// The same answers in any order, in any form, and some of them more than once: the same states, items and exceptions.
    #[test]
    fn any_order_any_form_any_repeats(
        files in proptest::collection::vec(proptest::collection::vec(saying(), 1..4), 1..6),
        order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(),
        repeats in proptest::collection::vec((0..6_usize, 0..4_usize), 0..4),
    ) {
        let bytes = |at: usize, form| {
            let sequence = u32::try_from(at).unwrap() + 1;
            answer(sequence, form, |answers| files[at].iter().for_each(|saying| say(answers, saying)))
        };
        let (mut one, mut other) = (Desk::new(), Desk::new());
        for at in 0..files.len() {
            one.take(&bytes(at, 0));
        }
        let order = order.into_iter().map(|at| (at, 1)).chain(repeats).filter(|(at, _)| *at < files.len());
        for (at, form) in order {
            other.take(&bytes(at, form));
        }
        prop_assert_eq!(one.states(), other.states());
        prop_assert_eq!(one.made(), other.made());
        prop_assert_eq!(one.open(), other.open());
        let state = "SELECT state FROM files ORDER BY file";
        prop_assert_eq!(one.rows(state), other.rows(state));
        // Never more than was presented.
        let over = "SELECT i.item FROM items i WHERE item <= 7 AND amount < (SELECT coalesce(sum(amount), 0) FROM items c WHERE c.about = i.item)";
        prop_assert_eq!(one.rows(over), [""; 0]);
    }
}
