//! Stories of answers that went astray: the pair is ours, and what they speak of is not what we asked.

use std::sync::Arc;

use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, Elements};
use iso8583d::mapping::Tongue;
use iso8583d::record::{Closing, DebtState, Reason, Record};
use iso8583d::switch::{AnswerOn, Differs, Nearest, Note, Settings, Why};

use super::desk::{BANK_AGAIN, Desk, OTHER_BANK, SHOP, bank, only, purchase, reversal, settings};
use super::the_only_standing;

/// What an answer has otherwise than its request.
type Changes = &'static [(u8, &'static str)];

const ANOTHER_AMOUNT: Changes = &[(4, "000000009999")];

pub(super) fn orphans(desk: &Desk) -> usize {
    let listed = |record: &Record| matches!(record, Record::Unmatched { orphan: true, .. });
    desk.records.iter().filter(|(_, record)| listed(record)).count()
}

/// What the asker was told is not taken back because of money that is somebody else's.
/// A decline of another amount says nothing of this request: what its issuer has not answered may still be approved.
#[test]
fn rule_8_a_late_decline_of_something_else_makes_no_acknowledgement_final() {
    for (amount, closing) in
        [("000000001000", Closing::Final), ("000000007777", Closing::Provisional)]
    {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        let reversal = desk.passes(15_000).into_iter().find(|seen| seen.mti == 420).unwrap();
        desk.bank_answers(&asked, "51", &[(4, amount)]);
        desk.bank_answers(&reversal, "25", &[]);
        let standing = the_only_standing(&desk);
        assert_eq!(standing.reversal.unwrap().state, DebtState::Closed(closing), "{amount}");
    }
}

#[test]
fn rule_8_an_approval_of_another_amount_undoes_nothing_that_stands() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(only(&desk.bank_answers(&asked, "00", &[(38, "A1B2C3")])).code(), "00");
    assert!(desk.bank_answers(&asked, "00", ANOTHER_AMOUNT).is_empty());
    assert!(the_only_standing(&desk).stands_approved());
    assert_eq!(orphans(&desk), 1, "it is for the operator");
    assert_eq!(
        only(&desk.bank_answers(&asked, "00", &[(38, "ZZZZZZ")])).mti,
        420,
        "this one is ours"
    );
}

/// With `answer_on = "session"` it waits for the books meanwhile, and the real answer is told.
#[test]
fn rule_8_nor_does_one_that_the_books_were_asked_about() {
    let mut settings: Settings = settings();
    for link in &mut settings.links {
        link.answer_on = AnswerOn::Session;
    }
    let mut desk = Desk::with(settings);
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert!(desk.bank_answers_on(BANK_AGAIN, &asked, "00", ANOTHER_AMOUNT).is_empty());
    assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00");
    assert!(desk.books_answer().is_empty());
    assert!(the_only_standing(&desk).stands_approved());
    assert_eq!(orphans(&desk), 1);
}

/// The reversal may overtake a request whose true answer is still to come: its first x30 is not believed.
#[test]
fn rule_8_an_x30_for_what_was_answered_with_another_amount_is_provisional() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let follows = desk.bank_answers(&asked, "00", ANOTHER_AMOUNT);
    let first = follows.into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&first, "00", &[]);
    let debt = the_only_standing(&desk).reversal.unwrap();
    assert_eq!(debt.state, DebtState::Closed(Closing::Provisional));
    let once_more = only(&desk.passes(60_000));
    assert_eq!((once_more.mti, once_more.text(11) == first.text(11)), (420, false));
    desk.bank_answers(&once_more, "00", &[]);
    let debt = the_only_standing(&desk).reversal.unwrap();
    assert_eq!((debt.reason, debt.state), (Reason::Settle, DebtState::Closed(Closing::Final)));
}

#[test]
fn rule_9_an_acknowledgement_of_another_amount_closes_nothing() {
    let mut desk = Desk::new();
    desk.shop_sends(SHOP, 200, &purchase(1));
    let owed = desk.passes(15_000).into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&owed, "00", ANOTHER_AMOUNT);
    assert_eq!(the_only_standing(&desk).reversal.unwrap().state, DebtState::Open);
    desk.bank_answers(&owed, "00", &[(4, "")]);
    let debt = the_only_standing(&desk).reversal.unwrap();
    assert_eq!(debt.state, DebtState::Closed(Closing::Provisional), "it may leave the amount out");
}

/// A 0210 answers a 0200. Under the pair of a 0220 it is nobody's.
#[test]
fn rule_9_an_approval_is_no_acknowledgement_of_an_advice() {
    let mut desk = Desk::new();
    let mut advice: Elements = purchase(1);
    advice.set(ElementNo::APPROVAL_CODE, b"A1B2C3");
    let follows = desk.shop_sends(SHOP, 220, &advice);
    let mut owed = follows.into_iter().find(|seen| seen.mti == 220).unwrap();
    owed.mti = 200;
    desk.bank_answers(&owed, "00", &[]);
    desk.books_answer();
    assert_eq!(the_only_standing(&desk).advice.unwrap().state, DebtState::Open);
    assert_eq!(orphans(&desk), 1);
    owed.mti = 220;
    desk.bank_answers(&owed, "00", &[]);
    assert_eq!(the_only_standing(&desk).advice.unwrap().state, DebtState::Closed(Closing::Final));
}

/// Under the pair of a 0200 neither a message of another version nor of another origin is its answer; a repeat digit changes nothing.
#[test]
fn rule_4_an_answer_of_another_version_or_origin_is_none() {
    for mti in [1210, 2210, 212, 214, 219] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        assert!(desk.bank_sends((asked.session, mti), &asked, "00", &[]).is_empty(), "{mti}");
        assert!(desk.books_answer().is_empty(), "{mti}");
        assert_eq!(orphans(&desk), 1, "{mti}: an approval that is nobody's is for the operator");
        let stray = |note: &&Note| matches!(note, Note::Unmatched { mti: seen, .. } if seen.number() == mti);
        assert_eq!(desk.notes.iter().filter(stray).count(), 1, "{mti}");
        assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00", "{mti}");
        assert!(the_only_standing(&desk).stands_approved(), "{mti}");
    }
    for (mti, answer) in [(200, 211), (202, 212), (202, 213)] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, mti, &purchase(1)));
        let told = only(&desk.bank_sends((asked.session, answer), &asked, "00", &[]));
        assert_eq!((told.mti, told.code().as_str()), (mti + 10, "00"), "{answer}");
    }
}

#[test]
fn rule_9_an_acknowledgement_of_another_version_closes_nothing() {
    let mut desk = Desk::new();
    desk.shop_sends(SHOP, 200, &purchase(1));
    let owed = desk.passes(15_000).into_iter().find(|seen| seen.mti == 420).unwrap();
    for mti in [1430, 1410, 432] {
        desk.bank_sends((owed.session, mti), &owed, "00", &[]);
        assert_eq!(the_only_standing(&desk).reversal.unwrap().state, DebtState::Open, "{mti}");
    }
    desk.bank_sends((owed.session, 431), &owed, "00", &[]);
    let debt = the_only_standing(&desk).reversal.unwrap();
    assert_eq!(debt.state, DebtState::Closed(Closing::Provisional));
}

/// What came nearest to the last response that nothing waited for, and how many requests waited on its link.
fn nearest(desk: &Desk) -> (Option<Nearest>, u32) {
    let unmatched = |note: &Note| match note {
        Note::Unmatched { nearest, pending, .. } => Some((*nearest, *pending)),
        _ => None,
    };
    desk.notes.iter().rev().find_map(unmatched).unwrap()
}

/// Which element of the key differs is told, with what was pending.
#[test]
fn rule_4_an_unmatched_response_is_compared_with_what_is_pending() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let changed: [(u64, u16, Changes, Differs); _] = [
        (asked.session, 210, &[(7, "1123183459")], Differs::Transmission),
        (asked.session, 210, &[(7, "")], Differs::Transmission),
        (asked.session, 210, &[(11, "000777")], Differs::Stan),
        (asked.session, 210, &[(11, "")], Differs::Stan),
        (asked.session, 110, &[], Differs::Class),
        (asked.session, 230, &[], Differs::Mti),
        (OTHER_BANK, 210, &[], Differs::Link),
    ];
    for (session, mti, changes, differs) in changed {
        desk.bank_sends((session, mti), &asked, "05", changes);
        let (near, pending) = nearest(&desk);
        let near = near.unwrap_or_else(|| panic!("{mti} {changes:?}: nothing is near"));
        assert_eq!(
            (near.differs, near.link, near.mti.number()),
            (differs, bank(), 200),
            "{changes:?}"
        );
        assert_eq!(near.trace.stan.to_string(), asked.text(11), "{changes:?}");
        assert_eq!(pending, u32::from(session != OTHER_BANK));
    }
    // Nothing is alike: neither number nor time.
    desk.bank_sends((asked.session, 210), &asked, "05", &[(7, "1001000000"), (11, "000777")]);
    assert_eq!(nearest(&desk), (None, 1));
    assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00", "its own answer is taken");
}

/// A reversal that is owed is compared, too; and an open one is found among many more than are looked at, if it is new.
#[test]
fn rule_4_what_is_owed_is_compared_and_the_look_is_bounded() {
    let mut settings = settings();
    settings.in_flight_max = 1000;
    for link in &mut settings.links {
        link.in_flight_max = 1000;
    }
    let mut desk = Desk::with(settings);
    let oldest = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    for stan in 2..400 {
        desk.shop_sends(SHOP, 200, &purchase(stan));
    }
    let newest = only(&desk.shop_sends(SHOP, 200, &purchase(400)));
    let other_time: &[(u8, &str)] = &[(7, "1001000000")];
    desk.bank_answers(&oldest, "05", other_time);
    assert_eq!(nearest(&desk), (None, 400), "it is too far back to be looked at");
    desk.bank_answers(&newest, "05", other_time);
    assert_eq!(nearest(&desk).0.unwrap().differs, Differs::Transmission);
    let owed = desk.shop_sends(SHOP, 400, &reversal(400, 401));
    let owed = owed.into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&owed, "00", other_time);
    let near = nearest(&desk).0.unwrap();
    assert_eq!((near.mti.number(), near.differs), (420, Differs::Transmission));
}

/// Why a request is refused names the element, and what is wrong with it.
#[test]
fn what_an_issuers_network_cannot_say_is_named() {
    let mut settings = settings();
    let whole = Dialect::shipped_text("iso87-ascii").unwrap();
    let short = Dialect::parse(&whole.replace("\n   48 ", "\n#  48 "));
    for link in settings.links.iter_mut().filter(|link| link.id == bank()) {
        link.tongue = Tongue::plain(Arc::new(short.clone().unwrap()));
    }
    for mti in [200, 220] {
        let mut desk = Desk::with(settings.clone());
        let mut asked = purchase(1);
        asked.set(ElementNo::new(48).unwrap(), b"SECRET");
        let told = only(&desk.shop_sends(SHOP, mti, &asked));
        assert_eq!(told.code(), "30");
        let why = desk.notes.iter().find_map(|note| match note {
            Note::Declined { why: Why::Unsayable { issuer, fault }, .. } => Some((*issuer, *fault)),
            _ => None,
        });
        let (issuer, fault) = why.unwrap();
        assert_eq!(
            (issuer, fault.to_string().as_str()),
            (bank(), "element 48: the dialect has no such element")
        );
    }
}
