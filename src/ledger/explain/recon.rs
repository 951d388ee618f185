//! What can make a host's totals differ from ours: each class, and each transaction of the day whose way is out of the ordinary.

use serde_json::{Map, Value};

use super::tell::{Teller, number, text};
use super::{Step, money};
use crate::books::Deed;
use crate::clearing::{Share, TallyClass, Total};
use crate::iso::{BusinessDate, Currency, ElementNo};
use crate::ledger::reconciliations::difference;
use crate::ledger::{ClassLine, LedgerError, day_text, tables};
use crate::record::{Approval, LinkId, Outcome, Standing, TxnId};

/// So many transactions are told of one reconciliation.
const TOLD_MAX: usize = 200;

/// A reconciliation whose day is looked through.
struct About {
    link: LinkId,
    date: BusinessDate,
    currency: Currency,
    /// The record up to which the books were compared.
    lsn: u64,
    /// The classes that differ.
    classes: Vec<(TallyClass, ClassLine)>,
}

impl Teller<'_> {
    /// A reconciliation: what was said and what is here, and what may make the difference.
    pub(super) fn reconciliation(&mut self, wanted: i64) -> Result<(), LedgerError> {
        let sql = "SELECT * FROM reconciliations WHERE reconciliation = ?";
        for facts in self.rows(sql, [wanted])? {
            let of = |column| text(&facts, column);
            let link = number(&facts, "link").and_then(|link| u32::try_from(link).ok());
            let link = LinkId(link.unwrap_or_default());
            let day = number(&facts, "day").unwrap_or(0);
            let name = self.ledger.books.link_name(link)?.unwrap_or_else(|| of("link"));
            let said = format!(
                "reconciliation {wanted} of {name}: {} in {}; its host heard {} ({})",
                day_text(day),
                of("currency"),
                of("code"),
                of("settled").replace('_', " ")
            );
            let currency = Currency::from_ascii(of("currency").as_bytes());
            let lsn = number(&facts, "lsn").unwrap_or(0).cast_unsigned();
            let exception = number(&facts, "exception");
            self.push("reconciliation", facts, (Some("at"), said));
            let classes = self.ledger.classes(wanted)?;
            let (Some(date), Ok(currency)) = (tables::date(day), currency) else { continue };
            let classes = self.tell_classes(classes, currency);
            if !classes.is_empty() {
                self.tell_causes(&About { link, date, currency, lsn, classes })?;
            }
            for facts in self.rows("SELECT * FROM exceptions WHERE exception = ?", [exception])? {
                self.push_exception(facts);
            }
        }
        Ok(())
    }

    /// Tells each class, and gives those that differ.
    fn tell_classes(
        &mut self,
        classes: Vec<ClassLine>,
        currency: Currency,
    ) -> Vec<(TallyClass, ClassLine)> {
        let mut differing = Vec::new();
        for line in classes {
            let Some(class) = TallyClass::of_word(&line.class) else { continue };
            let total = |count: i64, minor| Total { count: count.cast_unsigned(), minor };
            let (said, own) =
                (total(line.count, line.amount), total(line.own_count, line.own_amount));
            let mut facts = Map::new();
            facts.insert("class".to_owned(), Value::from(line.class.clone()));
            for (name, value) in [
                ("count", line.count),
                ("amount", line.amount),
                ("own_count", line.own_count),
                ("own_amount", line.own_amount),
            ] {
                facts.insert(name.to_owned(), Value::from(value));
            }
            self.push("class", facts, (None, difference(class, (said, own), currency)));
            if line.differs() {
                differing.push((class, line));
            }
        }
        differing
    }

    /// The transactions of the day that the two sides may count otherwise.
    fn tell_causes(&mut self, about: &About) -> Result<(), LedgerError> {
        let mut steps = Vec::new();
        self.ledger.books.deeds(about.link, about.date, &mut |deed| {
            if let Some(cause) = about.cause(&deed)
                && steps.len() < TOLD_MAX
            {
                steps.push(cause);
            }
        })?;
        steps.sort_by_key(|(class, step)| (*class, step.number));
        self.steps.extend(steps.into_iter().map(|(_, step)| step));
        Ok(())
    }
}

impl About {
    /// Why a transaction may be counted otherwise; none of what is as usual.
    fn cause(&self, deed: &Deed) -> Option<(Option<TallyClass>, Step)> {
        let (standing, share, why) = match deed {
            Deed::Asked(standing) => (standing, Share::of(standing), self.why_asked(standing)),
            Deed::Reversed { by, original } => {
                (original, Share::of_reversal(original), self.why_reversed(*by, original))
            }
            Deed::Beside(standing) => {
                let why = standing.date().map(|date| {
                    format!("came on that day, and belongs to {date}: its host may have counted it")
                });
                (standing, Share::of(standing), why)
            }
        };
        let alone = share.and_then(|share| self.alone(share, matches!(deed, Deed::Asked(_))));
        let why = match (why, alone) {
            (Some(why), Some(alone)) => format!("{why}; {alone}"),
            (Some(why), None) => why,
            // What is as usual, and may have reached its host all the same as nothing.
            (None, Some(alone)) => format!("counted here; {alone}"),
            (None, None) => return None,
        };
        let (minor, txn) = (amount(standing), standing.id.0.cast_signed());
        let sent = standing.sent()?;
        let named = |no| {
            let text = sent.elements.get(no).map(<[u8]>::trim_ascii).unwrap_or_default();
            String::from_utf8_lossy(text).into_owned()
        };
        let currency = named(ElementNo::CURRENCY);
        let class = share.map(|share| share.class);
        let head = class.map_or("not counted", TallyClass::word).replace('_', " ");
        let (stan, rrn) = (named(ElementNo::STAN), named(ElementNo::RRN));
        let said = format!(
            "{head}: transaction {txn}, {} {stan} {rrn}, {}: {why}",
            sent.mti,
            money(minor, &currency)
        );
        let mut facts = Map::new();
        for (name, value) in [
            ("txn", Value::from(txn)),
            ("class", Value::from(class.map(TallyClass::word))),
            ("stan", Value::from(stan)),
            ("rrn", Value::from(rrn)),
            ("amount", Value::from(minor)),
            ("currency", Value::from(currency)),
            ("why", Value::from(why)),
        ] {
            facts.insert(name.to_owned(), value);
        }
        let at = i64::try_from(sent.at.0).ok();
        Some((class, Step { at, what: "cause", number: Some(txn), said, facts }))
    }

    fn why_asked(&self, standing: &Standing) -> Option<String> {
        let counted = Share::of(standing);
        if self.lsn < standing.id.0 {
            return Some("came after the totals were compared".to_owned());
        }
        if let Some(other) =
            counted.and_then(|share| share.currency).filter(|it| *it != self.currency)
        {
            return counted.map(|_| format!("counted in currency {other}"));
        }
        let why = match (&standing.outcome, counted) {
            (Outcome::InFlight, _) => "its answer is still waited for",
            (_, Some(_))
                if !standing.told && matches!(standing.outcome, Outcome::Answered { .. }) =>
            {
                "counted: approved, and nobody knows whether its host heard that"
            }
            (_, Some(_)) if standing.undone_by.is_some_and(|by| self.lsn < by.0) => {
                "reversed since the totals were compared"
            }
            (_, Some(_)) if standing.lowered.is_some() => {
                "counted for what was approved; a partial reversal is counted beside it"
            }
            (_, Some(_)) if standing.stood_in() => "counted: approved here in its issuer's place",
            (Outcome::Over { .. }, None) if standing.heard == Approval::Approved => {
                "its approval came too late: its host was told no, and it was reversed"
            }
            (Outcome::Over { .. }, None) if standing.undone_by.is_some() => {
                "reversed by its host before it was answered: neither of the two is counted"
            }
            (Outcome::Answered { .. }, None) if standing.is_undone() => {
                "approved, and reversed here because nobody can have heard it"
            }
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn why_reversed(&self, by: TxnId, original: &Standing) -> Option<String> {
        if self.lsn < by.0 {
            return Some("reversed after the totals were compared".to_owned());
        }
        let date = original.date().filter(|date| *date != self.date);
        date.map(|date| format!("reversed on that day; what it reverses is of {date}"))
    }

    /// Whether one transaction makes all the difference of its class.
    fn alone(&self, share: Share, asked: bool) -> Option<String> {
        let (_, line) = self.classes.iter().find(|(class, _)| *class == share.class)?;
        let count = line.own_count - line.count;
        let amount = line.own_amount - line.amount;
        let fits = share.class.has_amount() && count == 1 && amount == share.minor;
        let what = if asked { "it" } else { "this reversal" };
        fits.then(|| {
            format!(
                "without {what} the two sides agree on {}",
                share.class.word().replace('_', " ")
            )
        })
    }
}

fn amount(standing: &Standing) -> i64 {
    standing.granted().and_then(|amount| i64::try_from(amount).ok()).unwrap_or(0)
}
