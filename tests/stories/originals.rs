//! Stories of messages that name another one: it is that one which they undo, complete or acknowledge, and no other.

use iso8583d::clearing;
use iso8583d::iso::{ElementNo, Elements};
use iso8583d::record::{DebtState, Standing};
use iso8583d::switch::Input;

use super::desk::{BANK, Desk, OTHER_BANK, SHOP, Seen, only, purchase, reversal};
use super::the_only_standing;

/// Something that the bank approved and the shop heard.
fn approved(desk: &mut Desk, mti: u16, asked: &Elements) -> Seen {
    let seen = only(&desk.shop_sends(SHOP, mti, asked));
    let told = only(&desk.bank_answers(&seen, "00", &[(38, "A1B2C3")]));
    desk.handle(Input::Begun { marks: vec![told.mark] });
    seen
}

/// What the shop hears.
fn told(seen: &[Seen]) -> String {
    seen.iter().find(|seen| seen.session == SHOP).unwrap().code()
}

/// Element 90 that names a message of the shop.
fn naming(mti: &str, stan: u32, moment: &str) -> String {
    format!("{mti}{stan:06}{moment}{:0>11}{:0>11}", "123456", "")
}

fn with(mut elements: Elements, changes: &[(u8, &str)]) -> Elements {
    for (no, value) in changes {
        elements.set(ElementNo::new(*no).unwrap(), value.as_bytes());
    }
    elements
}

/// Its sender would take the second purchase for undone.
#[test]
fn a_reversal_under_the_trace_of_another_is_none() {
    let mut desk = Desk::new();
    for stan in [1, 2] {
        approved(&mut desk, 200, &purchase(stan));
    }
    assert_eq!(told(&desk.shop_sends(SHOP, 420, &reversal(1, 9))), "00");
    assert_eq!(told(&desk.shop_sends(SHOP, 420, &reversal(2, 9))), "94");
    assert_eq!(told(&desk.shop_sends(SHOP, 421, &reversal(1, 9))), "00", "a copy is one");
    let stand = desk.standings().into_values().filter(Standing::stands_approved).count();
    assert_eq!(stand, 1);
}

#[test]
fn a_completion_under_the_trace_of_another_is_none() {
    let mut desk = Desk::new();
    for stan in [1, 2] {
        approved(&mut desk, 100, &purchase(stan));
    }
    let completion = |first| with(purchase(9), &[(90, &naming("0100", first, "1123183400"))]);
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &completion(1))), "00");
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &completion(2))), "94");
    assert_eq!(told(&desk.shop_sends(SHOP, 221, &completion(1))), "00", "a copy is one");
}

/// Some networks have a repeat name its own first, and some write an institution where others have zeros.
#[test]
fn a_copy_may_name_itself_or_the_same_in_other_words() {
    let mut desk = Desk::new();
    approved(&mut desk, 200, &purchase(1));
    let itself = with(purchase(1), &[(90, &naming("0200", 1, "1123183400"))]);
    assert_eq!(told(&desk.shop_sends(SHOP, 201, &itself)), "00");
    let advice = |forwarder: &str| {
        let original = format!("01000000071123183400{:0>11}{forwarder:0>11}", "123456");
        with(purchase(2), &[(90, &original)])
    };
    // What it completes is in nobody's books.
    desk.shop_sends(SHOP, 220, &advice(""));
    assert_eq!(told(&desk.books_answer()), "00");
    assert_eq!(told(&desk.shop_sends(SHOP, 221, &advice("654321"))), "00");
}

/// A purchase stays undone, whoever wants its reversal away.
#[test]
fn a_reversal_is_not_taken_back() {
    let mut desk = Desk::new();
    approved(&mut desk, 200, &purchase(1));
    assert_eq!(told(&desk.shop_sends(SHOP, 420, &reversal(1, 2))), "00");
    let again = with(reversal(1, 3), &[(90, &naming("0420", 2, "1123183430"))]);
    for mti in [420, 421] {
        assert_eq!(told(&desk.shop_sends(SHOP, mti, &again)), "12");
    }
    // Nor one that is still to come, so that it is taken when it does.
    approved(&mut desk, 200, &purchase(5));
    let ahead = with(reversal(5, 7), &[(90, &naming("0420", 6, "1123183430"))]);
    assert_eq!(told(&desk.shop_sends(SHOP, 420, &ahead)), "12");
    assert_eq!(told(&desk.shop_sends(SHOP, 420, &reversal(5, 6))), "00");
    let stand = desk.standings().into_values().filter(Standing::stands_approved).count();
    assert_eq!(stand, 0);
}

#[test]
fn and_stays_undone() {
    let mut desk = Desk::new();
    approved(&mut desk, 200, &purchase(1));
    assert_eq!(told(&desk.shop_sends(SHOP, 420, &reversal(1, 2))), "00");
    assert!(the_only_standing(&desk).is_undone());
}

/// Its issuer knows nothing of that card, and its own would never hear of it.
#[test]
fn a_completion_of_another_card_goes_to_the_issuer_of_that() {
    let mut desk = Desk::new();
    approved(&mut desk, 100, &purchase(1));
    let named = naming("0100", 1, "1123183400");
    let of_another = with(purchase(2), &[(2, "5413330000004111"), (90, &named)]);
    let seen = desk.shop_sends(SHOP, 220, &of_another);
    assert_eq!(told(&seen), "00");
    assert_eq!(seen.iter().find(|seen| seen.mti == 220).unwrap().session, OTHER_BANK);
    let completed = desk.standings().into_values().any(|one| one.completed_by.is_some());
    assert!(!completed, "the authorization is still to be completed");
    let seen = desk.shop_sends(SHOP, 220, &with(purchase(3), &[(90, &named)]));
    assert_eq!(seen.iter().find(|seen| seen.mti == 220).unwrap().session, BANK);
}

#[test]
fn an_acknowledgement_of_another_card_closes_nothing() {
    let mut desk = Desk::new();
    desk.shop_sends(SHOP, 200, &purchase(1));
    let owed = desk.passes(15_000).into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&owed, "00", &[(2, "4222222222222220")]);
    assert_eq!(the_only_standing(&desk).reversal.unwrap().state, DebtState::Open);
    // Some networks hide the number.
    desk.bank_answers(&owed, "00", &[(2, "")]);
    assert_ne!(the_only_standing(&desk).reversal.unwrap().state, DebtState::Open);
}

/// The till knows what it was told, and not what it had asked for.
#[test]
fn a_reversal_may_name_what_was_granted_of_what_was_asked() {
    for (amount, code) in [("000000000400", "00"), ("000000001000", "00"), ("000000000700", "94")] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        let granted = [(38, "A1B2C3"), (4, "000000000400")];
        let heard = only(&desk.bank_answers(&asked, "10", &granted));
        desk.handle(Input::Begun { marks: vec![heard.mark] });
        let undo = with(reversal(1, 2), &[(4, amount)]);
        assert_eq!(told(&desk.shop_sends(SHOP, 420, &undo)), code, "{amount}");
    }
}

/// Who granted 4.00 and says 7.00 afterwards is asked by a person; what was told stands.
#[test]
fn another_part_that_is_granted_later_undoes_nothing_that_stands() {
    for (code, amount) in [("10", "000000000700"), ("00", "000000001000")] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        only(&desk.bank_answers(&asked, "10", &[(38, "A1B2C3"), (4, "000000000400")]));
        assert!(desk.bank_answers(&asked, code, &[(38, "A1B2C3"), (4, amount)]).is_empty());
        assert!(the_only_standing(&desk).stands_approved(), "{code}");
        assert_eq!(super::strays::orphans(&desk), 1, "it is for the operator");
    }
}

/// An answer that comes twice, and once without its approval code, is one answer.
#[test]
fn a_copy_of_an_answer_may_lack_its_approval_code() {
    let mut desk = Desk::new();
    let asked = approved(&mut desk, 200, &purchase(1));
    assert!(desk.bank_answers(&asked, "00", &[]).is_empty());
    assert!(the_only_standing(&desk).stands_approved());
}

/// A till that declined offline says so to the issuer. No money moved.
#[test]
fn an_advice_of_a_decline_is_owed_and_clears_nothing() {
    for (code, clears) in
        [("05", false), ("Z1", false), ("51", false), ("00", true), ("Y1", true), ("  ", true)]
    {
        let mut desk = Desk::new();
        let seen = desk.shop_sends(SHOP, 220, &with(purchase(1), &[(39, code)]));
        assert_eq!(told(&seen), "00", "{code}");
        assert_eq!(seen.iter().filter(|seen| seen.mti == 220).count(), 1, "its issuer hears of it");
        assert_eq!(clearing::claims(&the_only_standing(&desk)), clears, "{code}");
        assert_eq!(told(&desk.shop_sends(SHOP, 221, &with(purchase(1), &[(39, code)]))), "00");
    }
}

#[test]
fn what_was_declined_completes_nothing() {
    let mut desk = Desk::new();
    approved(&mut desk, 100, &purchase(1));
    let declined = [(39, "05"), (90, &*naming("0100", 1, "1123183400"))];
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &with(purchase(2), &declined))), "00");
    assert!(desk.standings().into_values().all(|one| one.completed_by.is_none()));
}
