//! Stories of messages that name another one: it is that one which they undo, complete or acknowledge, and no other.

use std::sync::Arc;

use iso8583d::clearing;
use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, Elements};
use iso8583d::mapping::Tongue;
use iso8583d::record::{DebtState, Record, Standing};
use iso8583d::switch::Input;

use super::desk::{BANK, Desk, OTHER_BANK, SHOP, Seen, only, purchase, reversal, settings};
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

/// Some networks have a repeat name its own first, with more or less of what element 90 has room for, and some fill it with zeros.
#[test]
fn a_copy_may_name_itself_or_nothing() {
    let itself = |rest: &str| format!("0200000001{rest:0<32}");
    for original in [
        naming("0200", 1, "1123183400"),
        naming("0200", 1, "0000000000"),
        itself("112318340000000654321"),
        itself("112318340012345600000"),
        itself(""),
        "0".repeat(42),
    ] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        let copy = with(purchase(1), &[(90, &original)]);
        assert!(
            desk.shop_sends(SHOP, 201, &copy).is_empty(),
            "it waits with the first: {original}"
        );
        desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]);
        assert_eq!(told(&desk.shop_sends(SHOP, 201, &copy)), "00", "{original}");
    }
    // Of what asks without an institution, and names one.
    let mut desk = Desk::new();
    let mut bare = purchase(1);
    bare.remove(ElementNo::ACQUIRER);
    approved(&mut desk, 200, &bare);
    let copy = with(bare, &[(90, &naming("0200", 1, "1123183400"))]);
    assert_eq!(told(&desk.shop_sends(SHOP, 201, &copy)), "00");
}

/// Whatever is left of what they named.
#[test]
fn copies_are_held_to_what_their_first_named_when_that_has_left_memory() {
    let mut desk = Desk::new();
    approved(&mut desk, 100, &purchase(1));
    desk.passes(300_000);
    let completion = |first| with(purchase(9), &[(90, &naming("0100", first, "1123183400"))]);
    let seen = desk.shop_sends(SHOP, 220, &completion(1));
    assert_eq!(told(&seen), "00");
    let advice = seen.into_iter().find(|seen| seen.mti == 220).unwrap();
    desk.bank_answers(&advice, "00", &[]);
    for first in [2, 77] {
        assert_eq!(told(&desk.shop_sends(SHOP, 221, &completion(first))), "94");
    }
    desk.passes(400_000);
    assert_eq!(told(&desk.shop_sends(SHOP, 221, &completion(2))), "94");
    let all = desk.records.len();
    desk.crashes_after(all);
    assert_eq!(told(&desk.shop_sends(SHOP, 221, &completion(2))), "94");
    assert_eq!(told(&desk.shop_sends(SHOP, 221, &completion(1))), "00");
}

/// Some write an institution where others have zeros.
#[test]
fn a_copy_may_name_the_same_in_other_words() {
    let mut desk = Desk::new();
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

/// It takes nothing back: it is the same reversal once more.
#[test]
fn a_repeat_of_a_reversal_may_name_its_first() {
    let mut desk = Desk::new();
    approved(&mut desk, 200, &purchase(1));
    assert_eq!(told(&desk.shop_sends(SHOP, 420, &reversal(1, 9))), "00");
    let again = with(reversal(1, 9), &[(90, &naming("0420", 9, "1123183430"))]);
    assert_eq!(told(&desk.shop_sends(SHOP, 421, &again)), "00");
    // Long after, the books know it.
    desk.passes(700_000);
    approved(&mut desk, 200, &purchase(2));
    assert!(desk.shop_sends(SHOP, 421, &again).is_empty(), "the books are asked");
    assert_eq!(told(&desk.books_answer()), "00");
    // One that nobody sent before names nothing that could be undone.
    let first = with(reversal(1, 10), &[(90, &naming("0420", 10, "1123183430"))]);
    assert!(desk.shop_sends(SHOP, 421, &first).is_empty(), "the books are asked");
    assert_eq!(told(&desk.books_answer()), "12");
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

/// Some terminals count to 999999 and go on with zeros.
#[test]
fn a_purchase_of_the_number_zero_is_one() {
    let mut desk = Desk::new();
    approved(&mut desk, 200, &purchase(0));
    assert_eq!(told(&desk.shop_sends(SHOP, 420, &reversal(0, 3))), "00");
    assert!(the_only_standing(&desk).is_undone());
}

/// Issuers that match advices with requests would take it for the purchase itself.
#[test]
fn an_advice_of_the_reference_of_what_it_names_leaves_it_unnamed() {
    let mut desk = Desk::new();
    let first = approved(&mut desk, 200, &purchase(1));
    let of_it = [(3, "200000"), (90, &*naming("0200", 1, "1123183400"))];
    for (stan, reference, named) in [(2, purchase(1), false), (3, purchase(3), true)] {
        let mut refund = with(purchase(stan), &of_it);
        refund.set(ElementNo::RRN, reference.get(ElementNo::RRN).unwrap());
        if named {
            refund.set(ElementNo::RRN, b"000000000777");
        }
        desk.shop_sends(SHOP, 220, &refund);
        let (_, last) = desk.standings().pop_last().unwrap();
        let ours = format!("0200{}{}", first.text(11), first.text(7));
        let original = last.sent().unwrap().elements.get(ElementNo::ORIGINAL);
        assert_eq!(original.is_some_and(|original| original.starts_with(ours.as_bytes())), named);
        assert_eq!(original.is_some(), named);
    }
}

/// ISO has one number, and one local time, for all messages of a purchase; here 7 has the time of Greenwich, too.
#[test]
fn an_increment_of_the_number_and_time_of_what_it_raises_names_it() {
    let mut desk = Desk::new();
    let first = approved(&mut desk, 100, &purchase(1));
    let raise = with(purchase(1), &[(7, "1123190000"), (90, &naming("0100", 1, "1123183400"))]);
    let asked = only(&desk.shop_sends(SHOP, 100, &raise));
    assert!(asked.text(90).starts_with(&format!("0100{}{}", first.text(11), first.text(7))));
}

/// What it completed, or raised, would be the second message that its asker takes for done.
#[test]
fn a_copy_that_names_something_where_its_first_named_nothing_is_none() {
    let mut desk = Desk::new();
    for stan in [1, 2] {
        approved(&mut desk, 100, &purchase(stan));
    }
    let naming_the_first = |stan| with(purchase(stan), &[(90, &naming("0100", 1, "1123183400"))]);
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &purchase(9))), "00");
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &naming_the_first(9))), "94");
    assert_eq!(told(&desk.shop_sends(SHOP, 100, &naming_the_first(2))), "94");
}

/// It is a repeat by what it names, whatever its digits say.
#[test]
fn a_message_that_names_itself_is_looked_up() {
    for (mti, own) in [(200, "0200"), (100, "0100"), (220, "0220")] {
        let mut desk = Desk::new();
        if mti == 220 {
            let stored = desk.shop_sends(SHOP, mti, &purchase(1));
            let advice = stored.into_iter().find(|seen| seen.session != SHOP).unwrap();
            desk.bank_answers(&advice, "00", &[]);
        } else {
            approved(&mut desk, mti, &purchase(1));
        }
        desk.passes(700_000);
        approved(&mut desk, 200, &purchase(7));
        let again = with(purchase(1), &[(90, &naming(own, 1, "1123183400"))]);
        assert!(desk.shop_sends(SHOP, mti, &again).is_empty(), "the books are asked");
        assert_eq!(told(&desk.books_answer()), "00", "{own}");
    }
    // One that nobody knows is new, and its issuer hears nothing of its asker's numbers.
    for moment in ["1123183400", "0000000000"] {
        let mut desk = Desk::new();
        let never_seen = with(purchase(1), &[(90, &naming("0100", 1, moment))]);
        let mut seen = desk.shop_sends(SHOP, 101, &never_seen);
        while !desk.questions.is_empty() {
            seen.extend(desk.books_answer());
        }
        let asked = only(&seen);
        assert_eq!((asked.mti, asked.text(90)), (100, String::new()));
    }
}

/// Whoever asked first, both hear one word.
#[test]
fn a_repeat_that_names_its_first_waits_with_it() {
    let mut desk = Desk::new();
    approved(&mut desk, 200, &purchase(1));
    desk.passes(700_000);
    approved(&mut desk, 200, &purchase(7));
    assert!(desk.shop_sends(SHOP, 420, &reversal(1, 2)).is_empty(), "the books are asked");
    let again = with(reversal(1, 2), &[(90, &naming("0420", 2, "1123183430"))]);
    assert!(desk.shop_sends(SHOP, 421, &again).is_empty());
    let mut heard = Vec::new();
    while !desk.questions.is_empty() {
        heard.extend(desk.books_answer());
    }
    let words = |heard: &[Seen]| {
        let shop = heard.iter().filter(|seen| seen.session == SHOP);
        shop.map(|seen| (seen.mti, seen.code())).collect::<Vec<_>>()
    };
    assert_eq!(words(&heard), [(430, "00".into()), (430, "00".into())]);
    // Its first waits for what another one asked.
    let mut desk = Desk::new();
    approved(&mut desk, 200, &purchase(1));
    desk.passes(700_000);
    approved(&mut desk, 200, &purchase(7));
    let again = with(reversal(1, 3), &[(90, &naming("0420", 3, "1123183430"))]);
    for (mti, message) in [(201, purchase(1)), (420, reversal(1, 3)), (421, again)] {
        assert!(desk.shop_sends(SHOP, mti, &message).is_empty(), "the books are asked");
    }
    let mut heard = Vec::new();
    while !desk.questions.is_empty() {
        heard.extend(desk.books_answer());
    }
    assert_eq!(words(&heard).split_off(1), [(430, "00".into()), (430, "00".into())]);
}

/// The asker's pair may be that of another authorization there.
#[test]
fn an_issuer_never_hears_the_pair_of_an_asker() {
    let mut desk = Desk::new();
    let second = approved(&mut desk, 100, &purchase(2));
    let first = approved(&mut desk, 100, &purchase(1));
    assert_eq!((second.text(11), first.text(11)), ("000001".into(), "000002".into()));
    let named = naming("0100", 2, "1123183400");
    let to_bank = |seen: Vec<Seen>| seen.into_iter().find(|seen| seen.mti == 220).unwrap();
    let declined = with(purchase(3), &[(39, "05"), (90, &named)]);
    let named_to_bank = to_bank(desk.shop_sends(SHOP, 220, &declined)).text(90);
    assert!(named_to_bank.starts_with(&format!("0100000001{}", second.text(7))), "{named_to_bank}");
    // Of another card of the same bank: what it names there is not what it says.
    let of_another = with(purchase(4), &[(2, "4111111111111129"), (90, &named)]);
    assert_eq!(to_bank(desk.shop_sends(SHOP, 220, &of_another)).text(90), "");
    // What is neither completed nor raised is named all the same: here a refund tells of its purchase.
    let ours = format!("0100000001{}", second.text(7));
    let refund = |stan, card: &str| with(purchase(stan), &[(2, card), (3, "200000"), (90, &named)]);
    let (own, other) = ("4111111111111111", "4111111111111129");
    for (stan, card) in [(5, own), (6, other)] {
        let asked = only(&desk.shop_sends(SHOP, 200, &refund(stan, card)));
        assert_eq!(asked.text(90).starts_with(&ours), card == own, "{}", asked.text(90));
        assert_eq!(asked.text(90).is_empty(), card == other);
    }
    for (stan, card) in [(7, own), (8, other)] {
        desk.shop_sends(SHOP, 220, &refund(stan, card));
        let (_, last) = desk.standings().pop_last().unwrap();
        let named = last.sent().unwrap().elements.get(ElementNo::ORIGINAL).map(<[u8]>::to_vec);
        assert_eq!(named.is_some_and(|named| named.starts_with(ours.as_bytes())), card == own);
    }
}

#[test]
fn an_acknowledgement_of_another_card_closes_nothing() {
    let mut desk = Desk::new();
    desk.shop_sends(SHOP, 200, &purchase(1));
    let owed = desk.passes(15_000).into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&owed, "00", &[(2, "4222222222222220")]);
    assert_eq!(the_only_standing(&desk).reversal.unwrap().state, DebtState::Open);
}

/// Some networks hide the number.
#[test]
fn an_acknowledgement_may_hide_its_card() {
    for hidden in ["", "4111110000001111", "0000000000000000", "411111"] {
        let mut desk = Desk::new();
        desk.shop_sends(SHOP, 200, &purchase(1));
        let owed = desk.passes(15_000).into_iter().find(|seen| seen.mti == 420).unwrap();
        desk.bank_answers(&owed, "00", &[(2, hidden)]);
        assert_ne!(the_only_standing(&desk).reversal.unwrap().state, DebtState::Open, "{hidden}");
    }
}

/// Who says so afterwards, under our pair, speaks of something else.
#[test]
fn a_late_approval_of_another_card_undoes_nothing_that_stands() {
    let mut desk = Desk::new();
    let asked = approved(&mut desk, 200, &purchase(1));
    let of_another = [(2, "4222222222222220"), (38, "999999")];
    assert!(desk.bank_answers(&asked, "00", &of_another).is_empty());
    assert!(the_only_standing(&desk).stands_approved());
    assert_eq!(super::strays::orphans(&desk), 1, "it is for the operator");
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
    for (first, again) in [("A1B2C3", ""), ("", "A1B2C3"), ("", "      "), ("A1B2C3", "      ")] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        let told = only(&desk.bank_answers(&asked, "00", &[(38, first)]));
        desk.handle(Input::Begun { marks: vec![told.mark] });
        assert!(desk.bank_answers(&asked, "00", &[(38, again)]).is_empty(), "{first} {again}");
        assert!(the_only_standing(&desk).stands_approved());
    }
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

/// Its till would take the sale for done, and nobody would ever present it.
#[test]
fn under_the_trace_of_an_advice_nobody_is_told_of_an_approval_that_is_none() {
    let advice = |code: &str| match code {
        "" => purchase(1),
        code => with(purchase(1), &[(39, code)]),
    };
    for (first, then, mti) in [
        ("05", "", 200),
        ("00", "", 200),
        ("05", "00", 221),
        ("05", "", 221),
        ("Z1", "Y1", 220),
        ("00", "05", 221),
    ] {
        let mut desk = Desk::new();
        assert_eq!(told(&desk.shop_sends(SHOP, 220, &advice(first))), "00");
        let seen = desk.shop_sends(SHOP, mti, &advice(then));
        assert_eq!((seen.len(), told(&seen)), (1, "94".into()), "{first}, then {mti} {then}");
        assert_eq!(clearing::claims(&the_only_standing(&desk)), first == "00");
    }
    let mut desk = Desk::new();
    approved(&mut desk, 200, &purchase(1));
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &advice("05"))), "94", "it stands approved");
    // It does not: the advice says the same.
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "05", &[]);
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &advice("05"))), "05");
}

/// It stays what it was there, and its copies are copies.
#[test]
fn an_advice_that_an_earlier_version_took_is_what_it_was() {
    let mut desk = Desk::new();
    let declined = with(purchase(1), &[(39, "05")]);
    desk.shop_sends(SHOP, 220, &declined);
    let left = format!("{:0>12}{:0>30}", 400, 0);
    for (_, record) in &mut desk.records {
        if let Record::Stored(sent) = record {
            Arc::make_mut(sent).declined = false;
        }
    }
    let all = desk.records.len();
    desk.crashes_after(all);
    assert!(clearing::claims(&the_only_standing(&desk)));
    assert_eq!(told(&desk.shop_sends(SHOP, 221, &declined)), "00");
    let lower = [(90, &*naming("0220", 1, "1123183400")), (95, &left)];
    assert_eq!(told(&desk.shop_sends(SHOP, 420, &with(reversal(1, 2), &lower))), "00");
    let all = desk.records.len();
    desk.crashes_after(all);
    assert_eq!(desk.standings().into_values().find_map(|one| one.lowered), Some(400));
}

/// A network has codes of its own.
#[test]
fn an_advice_approves_by_the_codes_of_its_dialect() {
    let mut settings = settings();
    let text = Dialect::shipped_text("iso87-ascii").unwrap();
    let text = text.replace("\napprove ", "\napprove 76 ");
    let text = text.split_once("\nparts").unwrap().0;
    let shop = settings.links.iter_mut().find(|link| link.asks).unwrap();
    shop.tongue = Tongue::plain(Arc::new(Dialect::parse(text).unwrap()));
    let mut desk = Desk::with(settings);
    desk.shop_sends(SHOP, 220, &with(purchase(1), &[(39, "76")]));
    assert!(clearing::claims(&the_only_standing(&desk)));
}

#[test]
fn what_was_declined_completes_nothing() {
    let mut desk = Desk::new();
    approved(&mut desk, 100, &purchase(1));
    let declined = [(39, "05"), (90, &*naming("0100", 1, "1123183400"))];
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &with(purchase(2), &declined))), "00");
    assert!(desk.standings().into_values().all(|one| one.completed_by.is_none()));
}

/// The till gave up its 0200, took the money offline, and says so: by 12 and 13 alone both have one key. And a reversal of another
/// amount says nothing of this one.
#[test]
fn an_advice_that_its_reversal_overtook_is_taken_for_nothing_else() {
    for (named, amount, code) in [
        ("0220", "000000001000", "00"),
        ("0200", "000000001000", "91"),
        ("0220", "000000000500", "94"),
        // It does not say how much: nothing speaks against it.
        ("0220", "", "00"),
    ] {
        let mut desk = Desk::new();
        let bare = |mut elements: Elements| {
            elements.remove(ElementNo::TRANSMISSION);
            elements
        };
        let mut undo = with(bare(reversal(1, 9)), &[(90, &naming(named, 1, "0000000000"))]);
        undo.remove(ElementNo::AMOUNT);
        if !amount.is_empty() {
            undo.set(ElementNo::AMOUNT, amount.as_bytes());
        }
        let mut seen = desk.shop_sends(SHOP, 420, &undo);
        while !desk.questions.is_empty() {
            seen.extend(desk.books_answer());
        }
        assert_eq!(told(&seen), "25");
        for mti in [220, 221] {
            assert_eq!(
                told(&desk.shop_sends(SHOP, mti, &bare(purchase(1)))),
                code,
                "{named} {amount}"
            );
        }
        assert!(desk.standings().into_values().all(|one| one.sent().is_none()));
    }
}

/// It has no repeat digit, and says of no moment that it is its own: it may raise another one of its number.
#[test]
fn what_names_its_own_number_and_no_moment_may_be_an_increment() {
    for (mti, code) in [(100, "25"), (101, "")] {
        let mut desk = Desk::new();
        approved(&mut desk, 100, &purchase(1));
        let raise = [(7, "1123190000"), (90, &*naming("0100", 1, "0000000000"))];
        let mut seen = desk.shop_sends(SHOP, mti, &with(purchase(1), &raise));
        while !desk.questions.is_empty() {
            seen.extend(desk.books_answer());
        }
        let heard = seen.iter().find(|seen| seen.session == SHOP).map(Seen::code);
        assert_eq!(heard.unwrap_or_default(), code, "{mti}");
    }
}

#[test]
fn a_refund_completes_no_purchase() {
    let mut desk = Desk::new();
    approved(&mut desk, 100, &purchase(1));
    let of_it = [(3, "200000"), (90, &*naming("0100", 1, "1123183400"))];
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &with(purchase(2), &of_it))), "00");
    assert!(desk.standings().into_values().all(|one| one.completed_by.is_none()));
}

/// It was meant for the bank, and the completion names it there: nowhere else would anybody know what that completes.
#[test]
fn what_was_completed_before_it_left_goes_nowhere_else() {
    let mut desk = Desk::new();
    let first = only(&desk.shop_sends(SHOP, 100, &purchase(1)));
    let completes = with(purchase(2), &[(90, &*naming("0100", 1, "1123183400"))]);
    assert_eq!(told(&desk.shop_sends(SHOP, 220, &completes)), "00");
    desk.seen.clear();
    desk.down(BANK, vec![first.mark]);
    assert!(desk.seen.iter().all(|seen| seen.mti != 100));
    assert_eq!(told(&desk.seen), "91");
}
