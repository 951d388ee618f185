//! Stories of messages that other networks have and this switch does nothing with: they go nowhere, and what expects no answer gets none.

use iso8583d::iso::ElementNo;
use iso8583d::switch::Note;

use super::desk::{BANK, Desk, SHOP, bank, elements, only, purchase};
use super::the_only_standing;

/// Notifications and acknowledgements say that something is so, and expect nothing.
#[test]
fn what_notifies_or_acknowledges_goes_nowhere_and_hears_nothing() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let told = only(&desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]));
    let records = desk.records.len();
    let says = |desk: &mut Desk, session, mti| desk.shop_sends(session, mti, &purchase(2));
    for mti in [140, 180, 182, 240, 260, 280, 440, 640, 680] {
        for session in [SHOP, BANK] {
            desk.notes.clear();
            assert!(says(&mut desk, session, mti).is_empty(), "{mti:04}");
            let counted = matches!(desk.notes[..], [Note::Refused { .. }]);
            assert!(counted, "{mti:04}: {:?}", desk.notes);
        }
    }
    // By their third digit these are answers, and none answers anything.
    for mti in [150, 190, 290, 630, 690, 9610] {
        desk.notes.clear();
        assert!(says(&mut desk, SHOP, mti).is_empty(), "{mti:04}");
        assert!(matches!(desk.notes[..], [Note::Unmatched { .. }]), "{mti:04}: {:?}", desk.notes);
    }
    assert_eq!(desk.records.len(), records, "and nothing is written down");
    assert!(the_only_standing(&desk).stands_approved());
    assert_eq!(told.code(), "00");
}

/// An acknowledgement under the pair of a request is not its answer.
#[test]
fn a_negative_acknowledgement_ends_no_request() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 100, &purchase(1)));
    for mti in [180, 190] {
        assert!(desk.bank_sends((BANK, mti), &asked, "00", &[]).is_empty(), "{mti:04}");
    }
    assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00", "it waits as before");
}

/// What asks for an answer and is of no kind that is switched hears 30; of a link that may not ask, 12.
#[test]
fn administrative_messages_are_declined_where_they_came_in() {
    let mut desk = Desk::new();
    for (session, mti, answer, code) in [
        (SHOP, 620, 630, "30"),
        (SHOP, 600, 610, "30"),
        (SHOP, 9600, 9610, "30"),
        (BANK, 620, 630, "12"),
        (BANK, 9600, 9610, "30"),
    ] {
        let told = only(&desk.shop_sends(session, mti, &purchase(1)));
        assert_eq!((told.session, told.mti, told.code()), (session, answer, code.into()));
    }
    assert!(desk.standings().is_empty());
}

/// A confirmation (0102 or 0202 of 1987) has the key of what it confirms: it is taken for a copy of that, and no issuer hears it.
#[test]
fn a_confirmation_is_a_copy_of_what_it_confirms() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let told = only(&desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]));
    let records = desk.records.len();
    for mti in [202, 203] {
        let again = only(&desk.shop_sends(SHOP, mti, &purchase(1)));
        assert_eq!((again.session, again.code()), (SHOP, told.code()), "{mti:04}");
        assert_eq!(again.text(38), told.text(38));
    }
    assert_eq!(desk.records.len(), records);
    assert!(desk.shop_sends(SHOP, 212, &purchase(1)).is_empty(), "a confirmed answer is an answer");
}

/// No key is held here: whoever wants to change one hears so, and everything is as it was.
#[test]
fn a_key_exchange_is_declined_and_changes_nothing() {
    let mut desk = Desk::new();
    let records = desk.records.len();
    for session in [SHOP, BANK] {
        for code in ["101", "161", "162", "163", "180"] {
            let mut message = elements(&[(7, "1123183400"), (11, "000007"), (70, code)]);
            message.set(ElementNo::of(53), b"0123456789012345");
            let told = only(&desk.shop_sends(session, 800, &message));
            assert_eq!((told.session, told.mti, told.code()), (session, 810, "12".into()));
            assert_eq!((told.text(70).as_str(), told.text(53).as_str()), (code, ""), "no key back");
        }
    }
    assert_eq!(desk.records.len(), records);
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(asked.session, BANK, "the link is signed on as before");
    assert_eq!(the_only_standing(&desk).sent().unwrap().issuer, bank());
}
