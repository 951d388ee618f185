//! Which file, message or presentment of ours a record is about: found within what its issuer was sent, and nowhere else.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::exceptions::{self, Trouble};
use crate::clearing::Reference;
use crate::clearing::answers::{Said, Word};
use crate::ledger::LedgerError;
use crate::ledger::tables::ITEMS_OF_REFERENCE;
use crate::record::LinkId;

/// What a record was found to be about.
#[derive(Debug, Default)]
struct About {
    file: Option<i64>,
    item: Option<i64>,
    /// Why it cannot be followed, and under which heading.
    trouble: Option<(&'static str, String)>,
}

/// Enters what a record says, with what it is about. Tells whether it is on the list of exceptions.
pub(super) fn enter(
    connection: &Connection,
    (answer, issuer): (i64, LinkId),
    said: &Said,
    at: i64,
) -> Result<bool, LedgerError> {
    let about = about(connection, issuer, said)?;
    let line = said.line.as_ref().and_then(|line| serde_json::to_string(line).ok());
    // What is not about one of ours decides nothing.
    let followed = about.trouble.is_none();
    let (file, item) = (about.file.filter(|_| followed), about.item.filter(|_| followed));
    let mut insert = connection.prepare_cached(
        "INSERT INTO said (answer, number, kind, file, item, about_file, about_number, reference,
             function, reason, amount, currency, detail)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    insert.execute(params![
        answer,
        said.number,
        said.word.word(),
        file,
        item,
        said.about_file,
        said.about_number,
        said.reference,
        said.function,
        said.reason,
        said.amount,
        said.currency,
        line.or_else(|| said.detail.clone())
    ])?;
    if let (Word::Asks, Some(item)) = (said.word, item) {
        let detail = format!(
            "answer {answer}, message {}, reason {}",
            said.number,
            said.reason.as_deref().unwrap_or("-")
        );
        event(connection, (Some(item), None), "asked_for", &detail, at)?;
    }
    let Some((kind, detail)) = about.trouble else { return Ok(false) };
    let trouble = Trouble {
        place: Some(i64::from(said.number)),
        item: about.item,
        file: about.file,
        amount: said.amount,
        currency: said.currency.as_deref(),
        ..Trouble::of(
            kind,
            (answer, issuer),
            format!("{} {}: {detail}", said.function, said.word.word().replace('_', " ")),
        )
    };
    exceptions::open(connection, &trouble, at)?;
    Ok(true)
}

/// Something that became of an item or a file.
pub(super) fn event(
    connection: &Connection,
    (item, file): (Option<i64>, Option<i64>),
    kind: &str,
    detail: &str,
    at: i64,
) -> Result<(), LedgerError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO events (at, item, file, kind, detail) VALUES (?, ?, ?, ?, ?)",
    )?;
    insert.execute(params![at, item, file, kind, detail])?;
    Ok(())
}

fn about(connection: &Connection, issuer: LinkId, said: &Said) -> Result<About, LedgerError> {
    match said.word {
        Word::RejectsFile | Word::Rejects | Word::Totals => about_file(connection, issuer, said),
        Word::ChargesBack => charged(connection, issuer, said),
        Word::TakesBack | Word::Asks => {
            let mut about = presented(connection, issuer, said)?;
            if said.word == Word::TakesBack {
                let text =
                    "it takes a charge-back back: agree with the issuer, and book it by hand";
                about.trouble = Some(("unmatched", text.to_owned()));
            }
            Ok(about)
        }
        Word::Text => Ok(About::default()),
        Word::Collects => {
            let text = "it collects a fee, which nothing here pays by itself";
            Ok(About { trouble: Some(("fee", text.to_owned())), ..About::default() })
        }
    }
}

fn unmatched(text: impl Into<String>) -> (&'static str, String) {
    ("unmatched", text.into())
}

fn about_file(connection: &Connection, issuer: LinkId, said: &Said) -> Result<About, LedgerError> {
    let Some(about_file) = &said.about_file else {
        // A settlement position is of a day, and not of a file.
        let of_day = said.word == Word::Totals && said.function == "1644/688";
        let trouble = if of_day { None } else { Some(unmatched("it names no file of ours")) };
        return Ok(About { trouble, ..About::default() });
    };
    let mut ask =
        connection.prepare_cached("SELECT file FROM files WHERE file_id = ? AND issuer = ?")?;
    let file: Option<i64> =
        ask.query_row(params![about_file, issuer.0], |row| row.get(0)).optional()?;
    let Some(file) = file else {
        // Whether another issuer has a file of that id is not its business.
        let trouble = Some(unmatched(format!("no file {about_file} was sent to this issuer")));
        return Ok(About { trouble, ..About::default() });
    };
    if said.word != Word::Rejects {
        return Ok(About { file: Some(file), ..About::default() });
    }
    let Some(number) = said.about_number else {
        let trouble = Some(unmatched("it names no message of the file"));
        return Ok(About { file: Some(file), trouble, ..About::default() });
    };
    let mut ask = connection.prepare_cached(
        "SELECT item, reference, amount, currency FROM items WHERE file = ? AND number = ?",
    )?;
    let found = ask
        .query_row(params![file, number], |row| {
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((item, reference, amount, currency)) = found else {
        let trouble =
            Some(unmatched(format!("file {about_file} has no presentment with number {number}")));
        return Ok(About { file: Some(file), trouble, ..About::default() });
    };
    let (amount, currency): (i64, String) = (amount, currency);
    let same = said.reference.as_ref().is_none_or(|said| reference.as_ref() == Some(said))
        && said.amount.is_none_or(|said| said == amount)
        && said.currency.as_ref().is_none_or(|said| *said == currency);
    let trouble = if same {
        None
    } else {
        Some(unmatched(format!(
            "the message that it gives back is not number {number} of file {about_file}"
        )))
    };
    // Under its item it would be counted as being about it.
    Ok(About { file: None, item: Some(item), trouble })
}

/// A presentment as charge-backs name it.
struct Candidate {
    item: i64,
    about: Option<i64>,
    card: Option<String>,
    currency: String,
    amount: i64,
}

/// What was sent to the issuer under a reference, oldest first. A first charge-back is about a presentment, an arbitration
/// charge-back about a second one.
fn candidates(
    connection: &Connection,
    issuer: LinkId,
    said: &Said,
) -> Result<Vec<Candidate>, LedgerError> {
    let second = matches!(said.function.as_str(), "1442/451" | "1442/454");
    let Some(reference) = &said.reference else { return Ok(Vec::new()) };
    let mut ask = connection.prepare_cached(&format!(
        "SELECT item, about, card, currency, amount FROM items
         WHERE item IN ({ITEMS_OF_REFERENCE}) AND reference = ?2 AND issuer = ?3 AND file IS NOT NULL
             AND CASE WHEN ?4 THEN kind = 'representment' ELSE kind IN ('presentment', 'again') END
         ORDER BY item LIMIT 100"
    ))?;
    let number = Reference::from_text(reference).map_or(0, |one| one.number()).cast_signed();
    let rows = ask.query_map(params![number, reference, issuer.0, second], |row| {
        Ok(Candidate {
            item: row.get(0)?,
            about: row.get(1)?,
            card: row.get(2)?,
            currency: row.get(3)?,
            amount: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn presented(connection: &Connection, issuer: LinkId, said: &Said) -> Result<About, LedgerError> {
    let found = candidates(connection, issuer, said)?;
    let item = found.last().map(|candidate| candidate.item);
    let trouble = match (item, &said.reference) {
        (Some(_), _) => None,
        (None, Some(reference)) => Some(unmatched(format!(
            "nothing was presented to this issuer under reference {reference}"
        ))),
        (None, None) => Some(unmatched("it names no reference of 23 digits in element 31")),
    };
    Ok(About { item, trouble, ..About::default() })
}

fn charged(connection: &Connection, issuer: LinkId, said: &Said) -> Result<About, LedgerError> {
    let all = candidates(connection, issuer, said)?;
    let reference = said.reference.as_deref().unwrap_or("-");
    if all.is_empty() {
        let second = if said.function.ends_with("451") || said.function.ends_with("454") {
            "a second time "
        } else {
            ""
        };
        let trouble = Some(unmatched(format!(
            "nothing was presented {second}to this issuer under reference {reference}"
        )));
        return Ok(About { trouble, ..About::default() });
    }
    let card = |candidate: &Candidate| match (&said.card, &candidate.card) {
        (Some(said), Some(ours)) => said == ours,
        _ => true,
    };
    let currency = |candidate: &Candidate| said.currency.as_deref() == Some(&candidate.currency);
    let fits: Vec<&Candidate> =
        all.iter().filter(|candidate| card(candidate) && currency(candidate)).collect();
    // What was rejected and presented once more is one presentment: the last of it counts.
    let last_of =
        |candidate: &&&Candidate| !fits.iter().any(|other| other.about == Some(candidate.item));
    let ends: Vec<&&Candidate> = fits.iter().filter(last_of).collect();
    match *ends {
        [one] => Ok(About { item: Some(one.item), ..About::default() }),
        [] => {
            let what = if all.iter().any(card) { "currency" } else { "card" };
            let trouble = Some(unmatched(format!(
                "what was presented under reference {reference} has another {what}"
            )));
            Ok(About {
                item: all.last().map(|candidate| candidate.item),
                trouble,
                ..About::default()
            })
        }
        _ => {
            let mut exact = ends.iter().filter(|end| said.amount == Some(end.amount));
            if let (Some(one), None) = (exact.next(), exact.next()) {
                return Ok(About { item: Some(one.item), ..About::default() });
            }
            let items: Vec<String> = ends.iter().take(5).map(|end| end.item.to_string()).collect();
            let text = format!(
                "several presentments have reference {reference}: items {}",
                items.join(", ")
            );
            Ok(About { trouble: Some(("ambiguous", text)), ..About::default() })
        }
    }
}
