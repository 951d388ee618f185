//! `stand_in` of a route: how far the switch goes while none of its issuers can be asked, or when one did not answer.

use super::links::Known;
use super::read::{Limit, Section};
use crate::iso::Currency;
use crate::switch::{LateApproval, StandIn};

/// None where the route has none.
pub(super) fn read(route: &Section<'_>, links: &[Known]) -> Option<StandIn> {
    route.has("stand_in")?;
    let section = route.section("stand_in");
    let currency = section.word("currency", |text| {
        let known = Currency::from_ascii(text.as_bytes()).is_ok();
        let digits = text.as_bytes().first_chunk::<3>().filter(|_| known && text.len() == 3);
        digits.copied().ok_or("three digits, the number of a currency: 978 is the euro")
    });
    for (key, example) in [
        ("currency", "currency = \"978\""),
        ("amount_max", "amount_max = 5000"),
        ("count_max", "count_max = 3"),
        ("total_max", "total_max = 10000"),
    ] {
        if section.has(key).is_none() {
            section.missing(key, example);
        }
    }
    let kinds: Vec<[u8; 2]> = section
        .texts("processing_codes")
        .into_iter()
        .filter_map(|text| {
            let digits = text.value.as_bytes().first_chunk::<2>().copied();
            let kind = digits
                .filter(|digits| text.value.len() == 2 && digits.iter().all(u8::is_ascii_digit));
            if kind.is_none() {
                let title = format!("`processing_codes` cannot be {:?}", text.value);
                let fault = section.faults().at(text.span, title);
                section.faults().tell(fault.label("two digits: how element 3 begins"));
            }
            kind
        })
        .collect();
    let (mut while_down, mut after_timeout) = (false, false);
    for text in section.texts("on") {
        match text.value {
            "down" => while_down = true,
            "timeout" => after_timeout = true,
            other => {
                let title = format!("`on` cannot be {other:?}");
                let fault = section.faults().at(text.span, title);
                section.faults().tell(fault.label("\"down\", \"timeout\", or both in a list"));
            }
        }
    }
    if let Some(span) = section.has_empty("on") {
        let fault = section.faults().at(span, "`on` has no value");
        section.faults().tell(fault.label("name one, or take the line out: it means \"down\""));
    }
    let limits = StandIn {
        currency: currency.map_or(*b"000", |currency| currency.value),
        amount_max: section.number("amount_max", AMOUNT),
        count_max: section.number_u32("count_max", COUNT),
        total_max: section.number("total_max", AMOUNT),
        kinds: if kinds.is_empty() { vec![*b"00"] } else { kinds },
        while_down: while_down || section.has("on").is_none(),
        after_timeout,
        late: late(&section, (route, links), after_timeout),
    };
    if limits.total_max < limits.amount_max
        && let Some(span) = section.has("total_max")
    {
        let fault = section.faults().at(span, "`total_max` is less than `amount_max`");
        section.faults().tell(fault.label("no request could be as large as `amount_max` says"));
    }
    section.end();
    Some(limits)
}

/// `late_approval`: only where something may be approved late, and a match only where every issuer of the route can be told of what.
fn late(
    section: &Section<'_>,
    (route, links): (&Section<'_>, &[Known]),
    after_timeout: bool,
) -> LateApproval {
    let choices = [("reverse", LateApproval::Reverse), ("match", LateApproval::Match)];
    let late = section.choice("late_approval", &choices).unwrap_or_default();
    let Some(span) = section.has("late_approval") else { return late };
    if !after_timeout {
        let title = "`late_approval` without \"timeout\" in `on`".to_owned();
        let fault = section.faults().at(span, title);
        let fault = fault.label("only what was sent can be approved late");
        section.faults().tell(fault.help("on = [\"down\", \"timeout\"], or take the line out"));
        return late;
    }
    let to = route.texts("to");
    let issuers = links.iter().filter(|link| to.iter().any(|name| name.value == link.name));
    let mut dumb = issuers.filter(|known| {
        let link = known.link.as_ref();
        link.is_some_and(|link| !link.tongue.names_requests())
    });
    if late == LateApproval::Match
        && let Some(known) = dumb.next()
    {
        let title = format!("link {:?} cannot say which request an advice is of", known.name);
        let fault = section.faults().at(span, title);
        let fault = fault.label(
            "to match them its dialect needs elements 37 and 90 (n 42), or 37 and 56 (n..35) in 1993, and no change of them",
        );
        let fault = fault.besides(known.span.clone(), "this link");
        section.faults().tell(fault.help("late_approval = \"reverse\""));
    }
    late
}

const AMOUNT: Limit = Limit::new(0, 1, 999_999_999_999);
const COUNT: Limit = Limit::new(1, 1, 1_000_000);
