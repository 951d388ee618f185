//! Stories of increments: a hotel that authorizes what it expects, and raises that with further authorizations that name the
//! first. Each is one of its own at its issuer; what may be captured of all of them is the ledger's business.

use std::sync::Arc;

use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, Elements};
use iso8583d::mapping::{self, Tongue};
use iso8583d::record::{LinkId, Standing, TxnId};
use iso8583d::switch::{Input, LateApproval, Settings, StandIn};

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, Seen, bank, elements, only, purchase, settings, shop,
};

/// Element 90 that names an 0100 of the shop as the shop knows it.
fn naming(stan: u32) -> String {
    format!("0100{stan:06}1123183400{:0>11}{:0>11}", "123456", "")
}

/// The hotel wants so much more than its authorization has.
fn increment(first: u32, own: u32, amount: u64) -> Elements {
    let mut increment = purchase(own);
    increment.set(ElementNo::TRANSMISSION, b"1124090000");
    increment.set(ElementNo::AMOUNT, format!("{amount:012}").as_bytes());
    increment.set(ElementNo::ORIGINAL, naming(first).as_bytes());
    increment
}

/// What the reversal of an 0100 names it by, sent under a trace number of its own.
fn undoing(of: &Elements, own: u32) -> Elements {
    let text = |no| String::from_utf8(of.get(no).unwrap().to_vec()).unwrap();
    let (stan, moment) = (text(ElementNo::STAN), text(ElementNo::TRANSMISSION));
    let mut undo = of.clone();
    undo.set(ElementNo::STAN, format!("{own:06}").as_bytes());
    let original = format!("0100{stan}{moment}{:0>11}{:0>11}", "123456", "");
    undo.set(ElementNo::ORIGINAL, original.as_bytes());
    undo
}

/// A message goes to the bank and is approved there; gives it as the bank saw it.
fn approved(desk: &mut Desk, asked: &Elements) -> Seen {
    let seen = only(&desk.shop_sends(SHOP, 100, asked));
    assert_eq!(seen.mti, 100, "{}", seen.code());
    let told = only(&desk.bank_answers(&seen, "00", &[(38, "A1B2C3")]));
    assert_eq!((told.session, told.code()), (SHOP, "00".into()));
    desk.handle(Input::Begun { marks: vec![told.mark] });
    seen
}

/// What the journal says of an authorization.
fn standing(desk: &Desk, seen: &Seen) -> Standing {
    desk.standings()[&super::txn_of(seen)].clone()
}

fn raises(desk: &Desk, seen: &Seen) -> Option<TxnId> {
    standing(desk, seen).sent().unwrap().raises()
}

#[test]
fn a_hotel_raises_its_authorization_and_its_issuer_hears_which() {
    let mut desk = Desk::new();
    let first = approved(&mut desk, &purchase(1));
    let asked = increment(1, 2, 500);
    let raised = only(&desk.shop_sends(SHOP, 100, &asked));
    assert_eq!((raised.mti, raised.text(4)), (100, "000000000500".into()));
    let named = format!("0100{}{}0000012345600000000000", first.text(11), first.text(7));
    assert_eq!(raised.text(90), named, "as its issuer knows it");
    // Whatever the issuer says of element 90, the hotel hears its own words.
    let told = only(&desk.bank_answers(&raised, "00", &[(38, "D4E5F6"), (90, &named)]));
    assert_eq!((told.mti, told.code(), told.text(38)), (110, "00".into(), "D4E5F6".into()));
    assert!([naming(1), String::new()].contains(&told.text(90)), "{}", told.text(90));
    assert_eq!(raises(&desk, &raised), Some(super::txn_of(&first)));
    assert_eq!(raises(&desk, &first), None);
    // A repeat hears the same, and nothing goes out twice.
    let records = desk.records.len();
    let again = only(&desk.shop_sends(SHOP, 101, &asked));
    assert_eq!((again.session, again.code(), again.text(38)), (SHOP, "00".into(), told.text(38)));
    assert_eq!(desk.records.len(), records);
}

/// One that names an increment raises the first authorization, and nothing stands between.
#[test]
fn an_increment_of_an_increment_raises_the_first() {
    let mut desk = Desk::new();
    let first = approved(&mut desk, &purchase(1));
    approved(&mut desk, &increment(1, 2, 500));
    let mut third = increment(2, 3, 200);
    let named = naming(2).replace("1123183400", "1124090000");
    third.set(ElementNo::ORIGINAL, named.as_bytes());
    let raised = approved(&mut desk, &third);
    assert_eq!(raises(&desk, &raised), Some(super::txn_of(&first)));
    assert!(raised.text(90).starts_with(&format!("0100{}{}", first.text(11), first.text(7))));
    // So does a completion.
    let mut completion = third;
    completion.set(ElementNo::STAN, b"000004");
    let seen = desk.shop_sends(SHOP, 220, &completion);
    let sent = seen.iter().find(|seen| seen.session != SHOP).unwrap();
    assert_eq!(standing(&desk, sent).sent().unwrap().completed(), Some(super::txn_of(&first)));
    assert!(sent.text(90).starts_with(&format!("0100{}{}", first.text(11), first.text(7))));
}

/// It goes to the issuer that knows the first, wherever the route would lead; to nobody else while that is away.
#[test]
fn it_goes_where_the_first_went() {
    let mut desk = Desk::new();
    for session in [BANK, BANK_AGAIN] {
        desk.down(session, Vec::new());
    }
    let first = only(&desk.shop_sends(SHOP, 100, &purchase(1)));
    assert_eq!(first.session, OTHER_BANK);
    desk.bank_answers(&first, "00", &[]);
    desk.up(31, bank());
    let raised = only(&desk.shop_sends(SHOP, 100, &increment(1, 2, 500)));
    assert_eq!(raised.session, OTHER_BANK);
    // It never left: another link would not know what it raises.
    let told = {
        desk.seen.clear();
        desk.down(OTHER_BANK, vec![raised.mark]);
        only(&desk.seen.clone())
    };
    assert_eq!((told.session, told.code()), (SHOP, "91".into()));
    assert_eq!(only(&desk.shop_sends(SHOP, 100, &increment(1, 3, 500))).code(), "91");
    assert_eq!(only(&desk.shop_sends(SHOP, 100, &purchase(4))).session, 31, "others go on");
}

#[test]
fn what_does_not_stand_open_is_not_raised() {
    let declined = |desk: &mut Desk, code: &str| {
        let records = desk.records.len();
        let told = only(&desk.shop_sends(SHOP, 100, &increment(1, 2, 500)));
        assert_eq!((told.session, told.code()), (SHOP, code.into()));
        assert_eq!(only(&desk.shop_sends(SHOP, 101, &increment(1, 2, 500))).code(), code);
        assert_eq!(desk.records.len(), records, "it is counted, and written nowhere");
    };
    // Never seen.
    let mut desk = Desk::new();
    assert!(desk.shop_sends(SHOP, 100, &increment(1, 2, 500)).is_empty(), "the books are asked");
    assert_eq!(only(&desk.books_answer()).code(), "25");
    // In flight, declined, out of time.
    let mut desk = Desk::new();
    let first = only(&desk.shop_sends(SHOP, 100, &purchase(1)));
    declined(&mut desk, "25");
    desk.bank_answers(&first, "05", &[]);
    assert_eq!(only(&desk.shop_sends(SHOP, 100, &increment(1, 3, 500))).code(), "25");
    let mut desk = Desk::new();
    desk.shop_sends(SHOP, 100, &purchase(1));
    desk.passes(15_000);
    declined(&mut desk, "25");
    // Reversed.
    let mut desk = Desk::new();
    approved(&mut desk, &purchase(1));
    desk.shop_sends(SHOP, 420, &undoing(&purchase(1), 9));
    declined(&mut desk, "25");
    // Completed, until the completion is reversed.
    let mut desk = Desk::new();
    approved(&mut desk, &purchase(1));
    let completion = increment(1, 9, 1_000);
    desk.shop_sends(SHOP, 220, &completion);
    declined(&mut desk, "12");
    let mut undo = undoing(&completion, 10);
    let original = String::from_utf8(undo.get(ElementNo::ORIGINAL).unwrap().to_vec()).unwrap();
    undo.set(ElementNo::ORIGINAL, original.replacen("0100", "0220", 1).as_bytes());
    desk.shop_sends(SHOP, 420, &undo);
    let again = desk.shop_sends(SHOP, 100, &increment(1, 3, 500));
    assert_eq!(only(&again).mti, 100);
    // A payment, and somebody else's authorization.
    let mut desk = Desk::new();
    let paid = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&paid, "00", &[]);
    let mut of_paid = increment(1, 2, 500);
    of_paid.set(ElementNo::ORIGINAL, naming(1).replacen("0100", "0200", 1).as_bytes());
    assert_eq!(only(&desk.shop_sends(SHOP, 100, &of_paid)).code(), "12");
    for (no, other) in [(2, "4222222222222220"), (49, "840"), (3, "200000")] {
        let mut desk = Desk::new();
        approved(&mut desk, &purchase(1));
        let mut other_purchase = increment(1, 2, 500);
        other_purchase.set(ElementNo::of(no), other.as_bytes());
        assert_eq!(only(&desk.shop_sends(SHOP, 100, &other_purchase)).code(), "12", "DE {no}");
    }
    // Nothing but zeros names nothing: it is an authorization like any other.
    let mut desk = Desk::new();
    let mut plain = purchase(1);
    plain.set(ElementNo::ORIGINAL, &[b'0'; 42]);
    let seen = approved(&mut desk, &plain);
    assert_eq!(raises(&desk, &seen), None);
}

/// Each message is reversed alone: what falls is what that one held.
#[test]
fn each_is_reversed_alone() {
    let mut desk = Desk::new();
    let first = approved(&mut desk, &purchase(1));
    let asked = increment(1, 2, 500);
    let raised = approved(&mut desk, &asked);
    let seen = desk.shop_sends(SHOP, 420, &undoing(&asked, 3));
    let sent = seen.iter().find(|seen| seen.session != SHOP).unwrap();
    assert!(sent.text(90).starts_with(&format!("0100{}{}", raised.text(11), raised.text(7))));
    desk.bank_answers(sent, "00", &[]);
    assert!(standing(&desk, &first).stands_approved());
    assert!(!standing(&desk, &raised).stands_approved());
    // And the first, while another increment stands.
    let other = approved(&mut desk, &increment(1, 4, 300));
    desk.shop_sends(SHOP, 420, &undoing(&purchase(1), 5));
    assert!(!standing(&desk, &first).stands_approved());
    assert!(standing(&desk, &other).stands_approved());
}

/// What memory has let go of is looked up, the first authorization behind an increment too; and a crash changes nothing.
#[test]
fn what_memory_forgot_is_raised_all_the_same() {
    let mut desk = Desk::with(Settings { window_ms: 1_000, ..settings() });
    let first = approved(&mut desk, &purchase(1));
    approved(&mut desk, &increment(1, 2, 500));
    desk.passes(700_000);
    desk.shop_sends(SHOP, 200, &purchase(7));
    let mut third = increment(2, 3, 200);
    let named = naming(2).replace("1123183400", "1124090000");
    third.set(ElementNo::ORIGINAL, named.as_bytes());
    assert!(desk.shop_sends(SHOP, 100, &third).is_empty(), "the books are asked for what it names");
    assert!(desk.books_answer().is_empty(), "and for the first");
    let raised = only(&desk.books_answer());
    assert_eq!(raised.mti, 100);
    desk.bank_answers(&raised, "00", &[]);
    assert_eq!(raises(&desk, &raised), Some(super::txn_of(&first)));
    // A completion is remembered over restarts.
    desk.shop_sends(SHOP, 220, &increment(1, 8, 1_700));
    let records = desk.records.len();
    desk.crashes_after(records);
    assert!(desk.shop_sends(SHOP, 100, &increment(1, 9, 100)).is_empty(), "the books know");
    assert_eq!(only(&desk.books_answer()).code(), "12", "what it raises is completed");
    assert_eq!(standing(&desk, &raised).sent().unwrap().raises(), Some(super::txn_of(&first)));
}

/// What was in flight at a crash is reversed, under its own name, and the first stands.
#[test]
fn a_crash_in_the_middle_reverses_the_increment_alone() {
    let mut desk = Desk::new();
    let first = approved(&mut desk, &purchase(1));
    let raised = only(&desk.shop_sends(SHOP, 100, &increment(1, 2, 500)));
    let records = desk.records.len();
    let seen = desk.crashes_after(records);
    let undo = seen.iter().find(|seen| seen.mti == 420 || seen.mti == 421).unwrap();
    assert!(undo.text(90).starts_with(&format!("0100{}{}", raised.text(11), raised.text(7))));
    assert!(standing(&desk, &first).stands_approved());
    assert_eq!(only(&desk.shop_sends(SHOP, 101, &increment(1, 2, 500))).code(), "91");
}

/// Approved in its issuer's place, the advice says what it raises.
#[test]
fn in_its_issuers_place_it_is_told_with_what_it_raises() {
    let limits = StandIn {
        currency: *b"978",
        amount_max: 1_500,
        count_max: 3,
        total_max: 3_500,
        kinds: vec![*b"00"],
        while_down: true,
        after_timeout: false,
        late: LateApproval::Reverse,
    };
    let mut desk = Desk::with(Settings { stand_in: vec![Some(limits), None], ..settings() });
    let first = approved(&mut desk, &purchase(1));
    for session in [BANK, BANK_AGAIN, OTHER_BANK] {
        desk.down(session, Vec::new());
    }
    assert_eq!(only(&desk.shop_sends(SHOP, 100, &increment(1, 2, 500))).code(), "00");
    desk.seen.clear();
    desk.up(31, bank());
    let advice = only(&desk.seen.clone());
    assert_eq!(advice.mti, 120);
    assert!(advice.text(90).starts_with(&format!("0100{}{}", first.text(11), first.text(7))));
    assert_eq!(raises(&desk, &advice), Some(super::txn_of(&first)));
}

/// An issuer that cannot be told what is raised would take it for something new.
#[test]
fn an_issuer_whose_network_names_no_originals_is_not_asked() {
    let mut settings = settings();
    let whole = Dialect::shipped_text("iso87-ascii")
        .unwrap()
        .replace("\n   90 ", "\n#  90 ")
        .replace(" 70 90 ", " 70 ");
    let whole = whole.split_once("\nparts").unwrap().0;
    let short = Arc::new(Dialect::parse(whole).unwrap());
    for link in settings.links.iter_mut().filter(|link| link.id == bank()) {
        link.tongue = Tongue::plain(Arc::clone(&short));
    }
    let mut desk = Desk::with(settings);
    approved(&mut desk, &purchase(1));
    assert_eq!(only(&desk.shop_sends(SHOP, 100, &increment(1, 2, 500))).code(), "12");
}

fn of_1993(link: LinkId, dialect: &str) -> Desk {
    let mut settings = settings();
    let wire = Arc::new(Dialect::shipped(dialect).unwrap());
    let mut links = settings.links.iter_mut();
    links.find(|other| other.id == link).unwrap().tongue =
        Tongue::new(wire, mapping::Settings::default()).unwrap();
    Desk::with(settings)
}

#[test]
fn a_terminal_of_1987_raises_at_an_issuer_of_1993() {
    let mut desk = of_1993(bank(), "iso93-ascii");
    let first = only(&desk.shop_sends(SHOP, 100, &purchase(1)));
    assert_eq!((first.mti, first.text(24)), (1100, "100".into()));
    desk.bank_answers(&first, "000", &[(38, "A1B2C3")]);
    let raised = only(&desk.shop_sends(SHOP, 100, &increment(1, 2, 500)));
    assert_eq!((raised.mti, raised.text(24), raised.text(90)), (1100, "187".into(), String::new()));
    assert_eq!(raised.text(56), format!("1100{}26112318340006123456", first.text(11)));
    assert_eq!(only(&desk.bank_answers(&raised, "000", &[])).code(), "00");
    assert_eq!(raises(&desk, &raised), Some(super::txn_of(&first)));
    // Zeros name nothing there, either.
    let mut plain = purchase(3);
    plain.set(ElementNo::ORIGINAL, &[b'0'; 42]);
    let seen = only(&desk.shop_sends(SHOP, 100, &plain));
    assert_eq!((seen.text(24), seen.text(56)), ("100".into(), String::new()));
}

/// An authorization of 1993.
fn authorization(stan: u32, moment: &str, function: &str) -> Elements {
    elements(&[
        (2, "4111111111111111"),
        (3, "000000"),
        (4, "000000001000"),
        (7, "1123173400"),
        (11, &format!("{stan:06}")),
        (12, moment),
        (24, function),
        (32, "123456"),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (49, "978"),
    ])
}

#[test]
fn a_terminal_of_1993_raises_at_an_issuer_of_1987() {
    let mut desk = of_1993(shop(), "iso93-bcd");
    let first = only(&desk.shop_sends(SHOP, 1100, &authorization(1, "261123183400", "101")));
    desk.bank_answers(&first, "00", &[(38, "A1B2C3")]);
    let original = (56, "110000000126112318340006123456");
    let mut asked = authorization(2, "261124090000", "187");
    asked.set(ElementNo::of(original.0), original.1.as_bytes());
    let raised = only(&desk.shop_sends(SHOP, 1100, &asked));
    assert_eq!(raised.mti, 100);
    assert!(raised.text(90).starts_with(&format!("0100{}{}", first.text(11), first.text(7))));
    let told = only(&desk.bank_answers(&raised, "00", &[(38, "D4E5F6")]));
    assert_eq!((told.mti, told.code()), (1110, "000".into()));
    assert_eq!(raises(&desk, &raised), Some(super::txn_of(&first)));
    // Its code says that it raises something, and nothing says what.
    let nameless = authorization(3, "261124090100", "187");
    let told = only(&desk.shop_sends(SHOP, 1100, &nameless));
    assert_eq!((told.session, told.mti, told.code()), (SHOP, 1110, "904".into()));
    // The same once more for another amount raises nothing, whatever it names.
    let mut instead = authorization(4, "261124090200", "103");
    instead.set(ElementNo::of(original.0), original.1.as_bytes());
    let seen = only(&desk.shop_sends(SHOP, 1100, &instead));
    assert_eq!((seen.mti, seen.text(90), raises(&desk, &seen)), (100, String::new(), None));
    // And so does an advice of that.
    let mut replaced = authorization(5, "261124090300", "102");
    replaced.set(ElementNo::of(original.0), original.1.as_bytes());
    let seen = desk.shop_sends(SHOP, 1120, &replaced);
    let sent = seen.iter().find(|seen| seen.mti == 120).unwrap();
    assert_eq!((sent.text(90), raises(&desk, sent)), (String::new(), None));
}
