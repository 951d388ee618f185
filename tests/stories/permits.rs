//! Who may speak for whom: sessions whose certificates stand for some terminals and merchants, and what they ask for others.

use std::sync::Arc;

use iso8583d::iso::{ElementNo, Elements};
use iso8583d::record::Outcome;
use iso8583d::switch::{Grant, Note, Permit};

use super::desk::{Desk, SHOP, Seen, elements, only, purchase, reversal, shop};

/// A session of the shop's link that stands for some terminals and merchants.
const OWN: u64 = 5;

fn permit(terminals: &[&str], merchants: &[&str]) -> Option<Arc<Permit>> {
    let set = |ids: &[&str]| ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    Permit::of([&Grant { terminals: set(terminals), merchants: set(merchants) }])
}

/// A desk with such a session.
fn desk(terminals: &[&str], merchants: &[&str]) -> Desk {
    let mut desk = Desk::new();
    desk.up_permitted(OWN, shop(), permit(terminals, merchants));
    desk
}

/// A purchase at another terminal.
fn purchase_at(stan: u32, terminal: &str) -> Elements {
    let mut purchase = purchase(stan);
    purchase.set(ElementNo::TERMINAL, terminal.as_bytes());
    purchase
}

/// Declined with 58: nobody is asked, and nothing is written down.
fn refused(desk: &mut Desk, mti: u16, elements: &Elements, element: ElementNo) -> Seen {
    let (records, notes) = (desk.records.len(), desk.notes.len());
    let told = only(&desk.shop_sends(OWN, mti, elements));
    assert_eq!((told.session, told.code()), (OWN, "58".into()));
    assert_eq!(desk.records.len(), records);
    let foreign = |note: &Note| {
        matches!(note, Note::Foreign { session, asker, element: named }
            if session.0 == OWN && *asker == shop() && *named == element)
    };
    assert!(matches!(&desk.notes[notes..], [note] if foreign(note)), "{:?}", &desk.notes[notes..]);
    told
}

#[test]
fn a_session_asks_for_its_own_terminals_alone() {
    let mut desk = desk(&["TERM0001", "T2"], &["MERCHANT0000001"]);
    let asked = only(&desk.shop_sends(OWN, 200, &purchase(1)));
    assert_eq!(asked.mti, 200);
    assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00");
    // Blanks at the end are none of an id.
    let asked = only(&desk.shop_sends(OWN, 100, &purchase_at(2, "T2      ")));
    assert_eq!(asked.mti, 100);
    let terminal = ElementNo::TERMINAL;
    let told = refused(&mut desk, 200, &purchase_at(3, "TERM0002"), terminal);
    assert_eq!((told.mti, told.text(11)), (210, "000003".into()));
    refused(&mut desk, 201, &purchase_at(3, "TERM0002"), terminal);
    refused(&mut desk, 100, &purchase_at(4, "TERM000 "), terminal);
    let mut nobody = purchase(5);
    nobody.remove(terminal);
    refused(&mut desk, 200, &nobody, terminal);
    let mut other = purchase(6);
    other.set(ElementNo::MERCHANT, b"MERCHANT0000002");
    refused(&mut desk, 200, &other, ElementNo::MERCHANT);
    // What is nobody's money is answered, whoever asks; and others of the link are as free as before.
    let echo = elements(&[(7, "1123183400"), (11, "000009"), (70, "301")]);
    assert_eq!(only(&desk.shop_sends(OWN, 800, &echo)).code(), "00");
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase_at(7, "TERM0002"))).mti, 200);
}

/// Whoever speaks for another terminal hears nothing of what it asked, and spoils nothing that it may yet ask.
#[test]
fn what_a_terminal_asks_is_its_own() {
    let mut desk = desk(&["TERM0009"], &[]);
    let terminal = ElementNo::TERMINAL;
    // Before the terminal itself, while its request is in flight, and after it was approved.
    refused(&mut desk, 200, &purchase(1), terminal);
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(asked.mti, 200, "what was refused is not held");
    refused(&mut desk, 201, &purchase(1), terminal);
    let told = desk.bank_answers(&asked, "00", &[(38, "ABC123")]);
    assert_eq!((told.len(), only(&told).session), (1, SHOP));
    let told = refused(&mut desk, 201, &purchase(1), terminal);
    assert_eq!(told.text(38), "");
    assert_eq!(only(&desk.shop_sends(SHOP, 201, &purchase(1))).text(38), "ABC123");
}

#[test]
fn a_reversal_and_an_advice_are_of_its_own_terminals() {
    let mut desk = desk(&["TERM0002"], &[]);
    let terminal = ElementNo::TERMINAL;
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "00", &[]);
    for mti in [400, 420, 421] {
        refused(&mut desk, mti, &reversal(1, 2), terminal);
    }
    // With a terminal of its own it names another original: one that was never seen.
    let mut own = reversal(1, 3);
    own.set(terminal, b"TERM0002");
    desk.shop_sends(OWN, 420, &own);
    let told = only(&desk.books_answer());
    assert_eq!(told.code(), "25");
    let standing = desk.standings().into_values().find(|one| one.sent().is_some()).unwrap();
    assert!(standing.stands_approved() && standing.reversal.is_none());
    for mti in [120, 220, 221] {
        refused(&mut desk, mti, &purchase(4), terminal);
    }
    let stored = desk.shop_sends(OWN, 220, &purchase_at(5, "TERM0002"));
    assert_eq!(stored.iter().map(|seen| seen.mti).collect::<Vec<_>>(), [230, 220]);
    desk.bank_answers(&stored[1], "00", &[]);
    // Its own request is reversed like anybody's.
    let asked = only(&desk.shop_sends(OWN, 200, &purchase_at(6, "TERM0002")));
    desk.bank_answers(&asked, "00", &[]);
    let mut undo = reversal(6, 7);
    undo.set(terminal, b"TERM0002");
    let undone = desk.shop_sends(OWN, 420, &undo);
    assert_eq!(undone.iter().map(|seen| seen.mti).collect::<Vec<_>>(), [420, 430]);
    let answered = |outcome: &Outcome| matches!(outcome, Outcome::Answered { .. });
    assert!(desk.standings().values().filter(|one| answered(&one.outcome)).count() >= 2);
}
