//! Stories of links that write by another edition of the standard than the house, and of what a link's configuration changes.
//! Peers speak their own edition here, element by element: nothing of what is tested converts for them.

use std::sync::Arc;

use iso8583d::codec::{EncodeError, Fault};
use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, ElementSet, Elements, Mti, Wall};
use iso8583d::mapping::{self, Change, Changes, Condition, Tongue};
use iso8583d::record::LinkId;
use iso8583d::switch::{Note, Settings, SignOn, Why};

use super::desk::{
    BANK, Desk, SHOP, SHOP_AGAIN, Seen, bank, elements, only, purchase, reversal, settings, shop,
};

fn speaking(link: LinkId, dialect: &str, with: mapping::Settings) -> Settings {
    let mut settings = settings();
    let wire = Arc::new(Dialect::shipped(dialect).unwrap());
    let tongue = Tongue::new(wire, with).unwrap();
    let mut links = settings.links.iter_mut();
    links.find(|other| other.id == link).unwrap().tongue = tongue;
    settings
}

/// The first bank is of 1993.
fn later_bank() -> Desk {
    Desk::with(speaking(bank(), "iso93-ascii", mapping::Settings::default()))
}

/// The shop is.
fn later_shop() -> Desk {
    Desk::with(speaking(shop(), "iso93-bcd", mapping::Settings::default()))
}

/// The purchase of the other stories as a shop of 1993 writes it.
fn purchase_of_1993(stan: u32) -> Elements {
    elements(&[
        (2, "4111111111111111"),
        (3, "000000"),
        (4, "000000001000"),
        (7, "1123173400"),
        (11, &format!("{stan:06}")),
        (12, "261123183400"),
        (22, "510101513344"),
        (24, "200"),
        (26, "5411"),
        (32, "123456"),
        (37, &format!("632718{stan:06}")),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (43, "ACME\\HIGH STREET 1\\BERLIN\\10115     BE DEU"),
        (49, "978"),
    ])
}

fn reversal_of_1993(stan: u32, own: u32) -> Elements {
    let mut undo = purchase_of_1993(stan);
    let original = format!("1200{stan:06}26112318340006123456");
    for (no, value) in
        [(7, "1123173500"), (11, &format!("{own:06}")), (24, "400"), (25, "4000"), (56, &original)]
    {
        undo.set(ElementNo::of(no), value.as_bytes());
    }
    undo
}

fn says(seen: &Seen, values: &[(u8, &str)]) {
    for (no, value) in values {
        assert_eq!(seen.text(*no), *value, "DE {no} of {:04}", seen.mti);
    }
}

#[test]
fn a_terminal_of_1987_pays_at_an_issuer_of_1993() {
    let mut desk = later_bank();
    let mut asked = purchase(1);
    asked.set(ElementNo::of(25), b"00");
    asked.set(ElementNo::of(43), b"ACME HIGH STREET       BERLIN         DE");
    let sent = only(&desk.shop_sends(SHOP, 200, &asked));
    assert_eq!((sent.session, sent.mti), (BANK, 1200));
    says(
        &sent,
        &[
            (2, "4111111111111111"),
            (4, "000000001000"),
            (12, "261123183400"),
            (13, ""),
            (18, ""),
            (22, "510101500004"),
            (24, "200"),
            (25, ""),
            (26, "5411"),
            (32, "123456"),
            (37, "632718000001"),
            (41, "TERM0001"),
            (43, "ACME HIGH STREET\\\\BERLIN\\             DE "),
            (49, "978"),
        ],
    );
    let answer = [(24, "200"), (38, "A1B2C3"), (58, "12345")];
    let told = only(&desk.bank_answers(&sent, "000", &answer));
    assert_eq!((told.session, told.mti), (SHOP, 210));
    says(
        &told,
        &[
            (39, "00"),
            (38, "A1B2C3"),
            (11, "000001"),
            (7, "1123183400"),
            (12, "183400"),
            (13, "1123"),
        ],
    );
    says(&told, &[(22, ""), (24, ""), (26, ""), (58, "")]);
    let again = only(&desk.shop_sends(SHOP_AGAIN, 201, &asked));
    assert_eq!(again.elements, told.elements, "and a repeat hears the same");
}

#[test]
fn what_an_issuer_of_1993_declines_is_declined_in_the_words_of_1987() {
    for (action, code) in
        [("116", "51"), ("117", "55"), ("121", "61"), ("199", "05"), ("907", "91")]
    {
        let mut desk = later_bank();
        let sent = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        let told = only(&desk.bank_answers(&sent, action, &[]));
        assert_eq!((told.mti, told.code().as_str()), (210, code), "{action}");
        assert!(desk.passes(60_000).is_empty());
    }
}

/// The lower amount counts; and what the issuer's own list does not call an approval is none, whatever it would be in 1987.
#[test]
fn what_an_issuer_of_1993_approves_is_what_its_dialect_says() {
    let mut desk = later_bank();
    let sent = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let told = only(&desk.bank_answers(&sent, "002", &[(4, "000000000600"), (38, "A1B2C3")]));
    says(&told, &[(39, "10"), (4, "000000000600"), (38, "A1B2C3")]);
    for action in ["900", "400", "080", ""] {
        let sent = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
        let seen = desk.bank_answers(&sent, action, &[]);
        let [undo, told] = seen.as_slice() else { panic!("{action}: {seen:?}") };
        assert_eq!((undo.mti, told.mti, told.code().as_str()), (1420, 210, "96"), "{action}");
        says(undo, &[(25, "4020")]);
        desk = later_bank();
    }
}

#[test]
fn what_an_issuer_of_1993_does_not_answer_is_reversed_there() {
    let mut desk = later_bank();
    let sent = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let seen = desk.passes(15_000);
    let [undo, told] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((told.mti, told.code().as_str()), (210, "91"));
    assert_eq!((undo.session, undo.mti), (BANK, 1420));
    let original = format!("1200{}26112318340006123456", sent.text(11));
    says(
        undo,
        &[
            (4, "000000001000"),
            (12, "261123183400"),
            (22, "510101500004"),
            (24, "400"),
            (25, "4021"),
            (26, "5411"),
            (56, &original),
            (90, ""),
        ],
    );
    assert_ne!(undo.text(11), sent.text(11));
    let again = only(&desk.passes(10_000));
    assert_eq!((again.mti, &again.elements), (1421, &undo.elements));
    desk.bank_answers(&again, "400", &[]);
    // Once more after the time that its network may hold a request.
    let last = only(&desk.passes(60_000));
    assert_eq!(last.mti, 1420);
    desk.bank_answers(&last, "400", &[]);
    assert!(desk.passes(600_000).is_empty());
}

/// Its asker takes back what was approved, and the issuer does not know it: 914 is 25, and the approval was heard.
#[test]
fn a_terminal_of_1987_takes_back_what_an_issuer_of_1993_approved() {
    let mut desk = later_bank();
    let sent = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&sent, "000", &[(38, "A1B2C3")]);
    let seen = desk.shop_sends(SHOP, 400, &reversal(1, 2));
    let undo = seen.iter().find(|seen| seen.session != SHOP).unwrap().clone();
    let told = seen.iter().find(|seen| seen.session == SHOP).unwrap();
    assert_eq!((undo.mti, told.mti, told.code().as_str()), (1420, 410, "00"));
    says(&undo, &[(25, "4000"), (38, "A1B2C3"), (24, "400")]);
    desk.bank_answers(&undo, "914", &[]);
    let listed = desk.standings().into_values().any(|standing| {
        let state = standing.reversal.as_ref().map(|debt| debt.state);
        state == Some(iso8583d::record::DebtState::Closed(iso8583d::record::Closing::Dead))
    });
    assert!(listed, "an issuer that denies what it approved is for the operator");
}

#[test]
fn a_shop_of_1993_pays_at_an_issuer_of_1987_and_takes_it_back() {
    let mut desk = later_shop();
    let sent = only(&desk.shop_sends(SHOP, 1200, &purchase_of_1993(1)));
    assert_eq!((sent.session, sent.mti), (BANK, 200));
    says(
        &sent,
        &[
            (12, "183400"),
            (13, "1123"),
            (18, "5411"),
            (22, "051"),
            (24, ""),
            (26, ""),
            (32, "123456"),
            (43, "ACME                   BERLIN       BEDE"),
            (140, ""),
        ],
    );
    let told = only(&desk.bank_answers(&sent, "00", &[(38, "A1B2C3")]));
    assert_eq!((told.session, told.mti), (SHOP, 1210));
    says(
        &told,
        &[(39, "000"), (38, "A1B2C3"), (7, "1123173400"), (11, "000001"), (12, "261123183400")],
    );
    let again = only(&desk.shop_sends(SHOP_AGAIN, 1201, &purchase_of_1993(1)));
    assert_eq!(again.elements, told.elements, "and a repeat hears the same");
    let seen = desk.shop_sends(SHOP, 1420, &reversal_of_1993(1, 2));
    let undo = seen.iter().find(|seen| seen.session != SHOP).unwrap().clone();
    let told = seen.iter().find(|seen| seen.session == SHOP).unwrap();
    assert_eq!((undo.mti, told.mti, told.code().as_str()), (420, 1430, "400"));
    says(&undo, &[(24, ""), (25, "")]);
    assert!(undo.text(90).starts_with(&format!("0200{}{}", sent.text(11), sent.text(7))));
    let again = only(&desk.shop_sends(SHOP, 1421, &reversal_of_1993(1, 2)));
    assert_eq!(again.code(), "400");
    let late = only(&desk.shop_sends(SHOP, 1201, &purchase_of_1993(1)));
    assert_eq!(late.code(), "907", "what is taken back is declined for ever");
}

#[test]
fn a_reversal_of_1993_finds_no_other_original() {
    let mut desk = later_shop();
    let sent = only(&desk.shop_sends(SHOP, 1200, &purchase_of_1993(1)));
    desk.bank_answers(&sent, "00", &[]);
    let mut other = reversal_of_1993(1, 2);
    other.set(ElementNo::of(56), b"120000000126112318340106123456");
    assert!(desk.shop_sends(SHOP, 1420, &other).is_empty(), "the books are asked");
    let told = only(&desk.books_answer());
    assert_eq!((told.session, told.code().as_str()), (SHOP, "914"));
}

/// What only 1993 says is lost between its links by nothing but a link of 1987.
#[test]
fn between_links_of_1993_nothing_is_lost() {
    let mut settings = speaking(bank(), "iso93-ascii", mapping::Settings::default());
    let wire = Arc::new(Dialect::shipped("iso93-bcd").unwrap());
    settings.links[0].tongue = Tongue::new(wire, mapping::Settings::default()).unwrap();
    let mut desk = Desk::with(settings);
    let mut asked = purchase_of_1993(1);
    for (no, value) in [
        (22, "A10101A13344"),
        (25, "1506"),
        (28, "261124"),
        (30, "000000001000000000000000"),
        (58, "99"),
    ] {
        asked.set(ElementNo::of(no), value.as_bytes());
    }
    let sent = only(&desk.shop_sends(SHOP, 1200, &asked));
    for (no, value) in asked.iter().filter(|(no, _)| !matches!(no.get(), 7 | 11)) {
        assert_eq!(sent.elements.get(no), Some(value), "{no}");
    }
    let told = only(&desk.bank_answers(
        &sent,
        "006",
        &[(4, "000000000600"), (30, "000000001000000000000000")],
    ));
    says(&told, &[(39, "006"), (4, "000000000600"), (30, "000000001000000000000000")]);
    let again = only(&desk.shop_sends(SHOP, 1201, &asked));
    assert_eq!(again.elements, told.elements);
    // An advice is stored with all of it.
    let mut advice = asked.clone();
    advice.set(ElementNo::STAN, b"000009");
    advice.set(ElementNo::of(24), b"201");
    let seen = desk.shop_sends(SHOP, 1220, &advice);
    let stored = seen.iter().find(|seen| seen.session != SHOP).unwrap();
    says(stored, &[(24, "201"), (22, "A10101A13344"), (30, "000000001000000000000000")]);
}

fn refused(desk: &Desk) -> Option<EncodeError> {
    desk.notes.iter().rev().find_map(|note| match note {
        Note::Declined { why: Why::Unsayable { fault, .. }, .. } => Some(*fault),
        _ => None,
    })
}

/// Fees, and amounts that only one edition knows, are not left out: nobody is asked for something else than was meant.
#[test]
fn money_that_the_other_edition_has_no_place_for_is_refused() {
    let mut desk = later_bank();
    let mut asked = purchase(1);
    asked.set(ElementNo::of(28), b"D00000100");
    let told = only(&desk.shop_sends(SHOP, 200, &asked));
    assert_eq!((told.session, told.code().as_str()), (SHOP, "30"));
    let fault = Fault::NoCounterpart;
    assert_eq!(refused(&desk), Some(EncodeError { element: ElementNo::of(28), fault }));
    let mut desk = later_shop();
    for mti in [1200, 1220] {
        let mut asked = purchase_of_1993(u32::from(mti));
        asked.set(ElementNo::of(46), b"00978D0000010000000000D00000000978");
        let told = only(&desk.shop_sends(SHOP, mti, &asked));
        assert_eq!((told.session, told.code().as_str()), (SHOP, "904"));
        assert_eq!(refused(&desk), Some(EncodeError { element: ElementNo::of(46), fault }));
    }
    // What has no place in the house at all is refused before anything else is done.
    let mut asked = purchase_of_1993(2);
    asked.set(ElementNo::of(93), b"123456");
    assert_eq!(only(&desk.shop_sends(SHOP, 1200, &asked)).code(), "904");
    // With `drop` it goes on without.
    let drop = Change { drop: ElementSet::of(&[28, 29, 30, 31]), ..Change::default() };
    let write = Changes::new(vec![drop]);
    let with = mapping::Settings { write, ..mapping::Settings::default() };
    let mut desk = Desk::with(speaking(bank(), "iso93-ascii", with));
    let mut asked = purchase(1);
    asked.set(ElementNo::of(28), b"D00000100");
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &asked)).session, BANK);
}

#[test]
fn the_year_is_that_of_the_nearest_day() {
    let mut desk = later_bank();
    // Five seconds into 2027.
    desk.now.wall = Wall(1_798_761_605_000);
    for (stan, date, time, moment) in
        [(1, "1231", "235958", "261231235958"), (2, "0101", "000004", "270101000004")]
    {
        let mut asked = purchase(stan);
        asked.set(ElementNo::LOCAL_DATE, date.as_bytes());
        asked.set(ElementNo::LOCAL_TIME, time.as_bytes());
        let sent = only(&desk.shop_sends(SHOP, 200, &asked));
        says(&sent, &[(12, moment)]);
    }
    let mut undated = purchase(3);
    undated.remove(ElementNo::LOCAL_DATE);
    undated.remove(ElementNo::LOCAL_TIME);
    let sent = only(&desk.shop_sends(SHOP, 200, &undated));
    says(&sent, &[(12, "270101000005")]);
}

#[test]
fn network_management_of_1993() {
    let mut settings = speaking(bank(), "iso93-ascii", mapping::Settings::default());
    let network = &mut settings.links[1].network;
    network.sign_on = SignOn::Send;
    network.codes = iso8583d::switch::NetworkCodes::USUAL_1993;
    let mut desk = Desk::with(settings);
    let asked = desk.seen.iter().find(|seen| seen.session == BANK).unwrap().clone();
    assert_eq!(asked.mti, 1804);
    says(&asked, &[(24, "801"), (70, ""), (12, "261123183400")]);
    desk.bank_answers(&asked, "800", &[]);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(1))).session, BANK);
    // It asks for an echo, by the other of the two usual types.
    let echo = elements(&[(11, "000077"), (12, "261124133400"), (24, "831")]);
    desk.seen.clear();
    desk.arrives(BANK, 1820, &echo);
    let told = only(&desk.seen);
    assert_eq!((told.mti, told.code().as_str()), (1830, "800"));
    says(&told, &[(11, "000077"), (24, "831")]);
    // A message of the other edition is answered in its own, and refused.
    desk.seen.clear();
    desk.arrives(BANK, 800, &elements(&[(11, "000078"), (24, "831")]));
    let told = only(&desk.seen);
    assert_eq!((told.mti, told.code().as_str()), (810, "904"));
}

fn value(no: u8, text: &str) -> (ElementNo, Vec<u8>) {
    (ElementNo::of(no), text.as_bytes().to_vec())
}

/// The configuration changes what goes to a bank and what comes from a shop, and neither hears of the other's ways.
#[test]
fn a_links_own_ways_stay_its_own() {
    let for_bank = Change {
        set: vec![value(33, "999999")],
        default: vec![value(32, "111111")],
        copy: vec![(ElementNo::of(48), ElementNo::of(60))],
        drop: ElementSet::of(&[60, 61]),
        ..Change::default()
    };
    let for_refunds = Change {
        messages: vec![Mti::of(200)],
        when: vec![Condition { element: ElementNo::of(3), begins: b"20".to_vec() }],
        set: vec![value(62, "REFUND")],
        ..Change::default()
    };
    let write = Changes::new(vec![for_bank, for_refunds]);
    let with = mapping::Settings { write, ..mapping::Settings::default() };
    let mut settings = speaking(bank(), "iso87-bcd", with);
    let from_shop = Change { set: vec![value(63, "SHOP")], ..Change::default() };
    let read = Changes::new(vec![from_shop]);
    let with = mapping::Settings { read, ..mapping::Settings::default() };
    let wire = Arc::new(Dialect::shipped("iso87-ascii").unwrap());
    settings.links[0].tongue = Tongue::new(wire, with).unwrap();
    let mut desk = Desk::with(settings);
    let mut asked = purchase(1);
    asked.remove(ElementNo::ACQUIRER);
    asked.set(ElementNo::of(60), b"private");
    let sent = only(&desk.shop_sends(SHOP, 200, &asked));
    says(
        &sent,
        &[(32, "111111"), (33, "999999"), (48, "private"), (60, ""), (62, ""), (63, "SHOP")],
    );
    // The bank repeats all that it was told, and says something of its own.
    let told = only(&desk.bank_answers(&sent, "00", &[(61, "hello")]));
    says(&told, &[(32, ""), (33, ""), (61, "hello"), (39, "00")]);
    let seen = desk.shop_sends(SHOP, 420, &{
        let mut undo = reversal(1, 2);
        undo.remove(ElementNo::ACQUIRER);
        undo.set(ElementNo::of(90), format!("0200{:06}1123183400{:022}", 1, 0).as_bytes());
        undo
    });
    let undo = seen.iter().find(|seen| seen.session != SHOP).unwrap();
    says(undo, &[(32, "111111"), (33, "999999")]);
    assert!(undo.text(90).ends_with("0000011111100000999999"), "{}", undo.text(90));
    let mut refund = purchase(3);
    refund.set(ElementNo::PROCESSING_CODE, b"200000");
    says(&only(&desk.shop_sends(SHOP, 200, &refund)), &[(32, "123456"), (62, "REFUND")]);
}

/// An issuer's approval that its asker's network has no word for is none that can be told: it is reversed, not told as a decline and kept.
#[test]
fn an_approval_without_a_word_for_it_is_reversed() {
    let mut settings = speaking(shop(), "iso93-bcd", mapping::Settings::default());
    let text = "dialect ours\nextends iso87-bcd\napprove 00 85";
    let wire = Arc::new(Dialect::parse(text).unwrap());
    settings.links[1].tongue = Tongue::plain(wire);
    let mut desk = Desk::with(settings);
    let sent = only(&desk.shop_sends(SHOP, 1200, &purchase_of_1993(1)));
    let seen = desk.bank_answers(&sent, "85", &[(38, "A1B2C3")]);
    let [undo, told] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((undo.mti, told.mti), (420, 1210));
    assert_eq!((told.code().as_str(), told.text(38).as_str()), ("907", ""));
}

#[test]
fn a_request_of_1993_that_says_no_moment_is_refused() {
    let mut desk = later_shop();
    let mut asked = purchase_of_1993(1);
    asked.remove(ElementNo::LOCAL_TIME);
    assert_eq!(only(&desk.shop_sends(SHOP, 1200, &asked)).code(), "904");
}

/// What its dialect does not list is no approval, partial ones among them.
#[test]
fn a_partial_approval_that_is_not_listed_is_none() {
    let text = "dialect strict\nextends iso93-ascii\napprove 000";
    let mut settings = settings();
    let wire = Arc::new(Dialect::parse(text).unwrap());
    settings.links[1].tongue = Tongue::new(wire, mapping::Settings::default()).unwrap();
    let mut desk = Desk::with(settings);
    let sent = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let seen = desk.bank_answers(&sent, "002", &[(4, "000000000600")]);
    let [undo, told] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((undo.mti, told.code().as_str()), (1420, "96"));
}

/// The same at an issuer of 1993: element 56 says our trace number, and when the authorization was asked.
#[test]
fn a_completion_names_its_authorization_in_1993_too() {
    let mut desk = later_bank();
    let asked = only(&desk.shop_sends(SHOP, 100, &purchase(1)));
    assert_eq!(asked.mti, 1100);
    desk.bank_answers(&asked, "000", &[(38, "A1B2C3")]);
    let mut completion = purchase(2);
    completion.set(ElementNo::LOCAL_TIME, b"201500");
    completion.set(ElementNo::ORIGINAL, b"010000000111231834000000012345600000000000");
    let seen = desk.shop_sends(SHOP, 220, &completion);
    let sent = seen.iter().find(|seen| seen.session != SHOP).unwrap();
    let original = format!("1100{}26112318340006123456", asked.text(11));
    assert_eq!(sent.mti, 1220);
    says(sent, &[(12, "261123201500"), (24, "201"), (56, &original)]);
}
