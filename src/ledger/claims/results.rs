//! What a merchant hears of a file: every record with its state, the sums of each state, as CSV and as JSON Lines. Decides nothing.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::super::ahead::{Scout, beside, side_by_side};
use super::super::{Fate, Inbox, Ledger, LedgerError, tables};
use super::{Counted, Read};
use crate::clearing::claim::Reason;
use crate::clearing::csv_cell;
use crate::iso::Wall;

/// A result of more records than this is large.
const LARGE: i64 = if cfg!(test) { 4 } else { 1_000 };

/// The columns of a result, in order; in JSON those without a value are left out.
const COLUMNS: [&str; 25] = [
    "type",
    "file_id",
    "sha256",
    "received",
    "finished",
    "state",
    "currency",
    "count",
    "amount",
    "seq",
    "line",
    "op",
    "capture_ref",
    "merchant_id",
    "terminal_id",
    "rrn",
    "auth_code",
    "card",
    "reason",
    "field",
    "expected",
    "got",
    "transaction",
    "retryable",
    "fault",
];

/// What stands in one column.
enum Cell<'a> {
    Text(Cow<'a, str>),
    Number(i64),
    Flag(bool),
}

/// One line of a result.
struct Row<'a>(Vec<(&'static str, Cell<'a>)>);

impl<'a> Row<'a> {
    fn of(kind: &'static str) -> Self {
        Self(Vec::with_capacity(COLUMNS.len())).text("type", Some(kind))
    }

    fn text(mut self, column: &'static str, text: Option<impl Into<Cow<'a, str>>>) -> Self {
        self.0.extend(text.map(|text| (column, Cell::Text(text.into()))));
        self
    }

    fn number(mut self, column: &'static str, number: Option<i64>) -> Self {
        self.0.extend(number.map(|number| (column, Cell::Number(number))));
        self
    }

    fn flag(mut self, column: &'static str, flag: bool) -> Self {
        self.0.push((column, Cell::Flag(flag)));
        self
    }

    fn csv(&self, out: &mut impl io::Write) -> io::Result<()> {
        let mut cells = self.0.iter().peekable();
        for (at, column) in COLUMNS.iter().enumerate() {
            if at > 0 {
                out.write_all(b",")?;
            }
            let Some((_, cell)) = cells.next_if(|(name, _)| name == column) else { continue };
            match cell {
                Cell::Number(number) => serde_json::to_writer(&mut *out, number)?,
                Cell::Flag(flag) => out.write_all(if *flag { b"Y" } else { b"N" })?,
                Cell::Text(text) => out.write_all(csv_cell(text).as_bytes())?,
            }
        }
        out.write_all(b"\n")
    }

    fn json(&self, out: &mut impl io::Write) -> io::Result<()> {
        for (at, (column, cell)) in self.0.iter().enumerate() {
            out.write_all(if at == 0 { b"{\"" } else { b",\"" })?;
            out.write_all(column.as_bytes())?;
            out.write_all(b"\":")?;
            match cell {
                Cell::Number(number) => serde_json::to_writer(&mut *out, number)?,
                Cell::Flag(flag) => out.write_all(if *flag { b"true" } else { b"false" })?,
                Cell::Text(text) => serde_json::to_writer(&mut *out, text)?,
            }
        }
        out.write_all(b"}\n")
    }
}

/// The two forms of a result.
#[derive(Clone, Copy)]
enum Form {
    Csv,
    Json,
}

impl Form {
    const ALL: [Self; 2] = [Self::Csv, Self::Json];

    /// How file names end.
    const fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "jsonl",
        }
    }

    /// The name of a part until it is whole.
    fn hidden(self, (shelf, name): (&Path, &str), part: usize) -> PathBuf {
        let number = if part == 0 { String::new() } else { format!(".{part}") };
        shelf.join(format!(".{name}.{}{number}.part", self.word()))
    }

    /// Puts further parts behind the first, and brings all of it to the disk.
    fn join(self, place: (&Path, &str), parts: usize) -> Result<(), LedgerError> {
        let path = self.hidden(place, 0);
        let mut whole = OpenOptions::new().write(true).open(&path).map_err(fault("open", &path))?;
        whole.seek(SeekFrom::End(0)).map_err(fault("open", &path))?;
        for part in 1..parts {
            let path = self.hidden(place, part);
            let copied = File::open(&path).and_then(|mut part| io::copy(&mut part, &mut whole));
            copied.and_then(|_| fs::remove_file(&path)).map_err(fault("copy", &path))?;
        }
        whole.sync_all().map_err(fault("sync", &path))
    }

    fn put(self, row: &Row<'_>, out: &mut impl io::Write) -> io::Result<()> {
        match self {
            Self::Csv => row.csv(out),
            Self::Json => row.json(out),
        }
    }
}

/// Gives both forms their names, durably; gives the path without its ending.
fn show((shelf, name): (&Path, &str)) -> Result<PathBuf, LedgerError> {
    for form in Form::ALL {
        let path = shelf.join(format!("{name}.{}", form.word()));
        fs::rename(form.hidden((shelf, name), 0), &path).map_err(fault("rename to", &path))?;
    }
    let open = File::open(shelf).and_then(|shelf| shelf.sync_all());
    open.map_err(fault("sync", shelf))?;
    Ok(shelf.join(name))
}

fn fault(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io { what, path, source }
}

impl Ledger {
    /// Writes what became of a file beside where the file goes; gives the counts, and the path without its ending.
    pub(super) fn write_results(
        &self,
        name: &str,
        (inbox, fate): (&Inbox, Fate),
        read: &Read,
        now: Wall,
    ) -> Result<(Vec<Counted>, PathBuf), LedgerError> {
        let (shelf, shelved) = inbox.place(name, fate);
        let result = format!("{shelved}.result");
        let about = Row::of("file")
            .text("file_id", read.file.clone())
            .text("sha256", Some(hex(&read.digest)));
        let counts = match (&read.outcome, &read.counted) {
            (Err(_), _) => Vec::new(),
            (Ok(_), Some(counted)) => counted.clone(),
            (Ok(accepted), None) => self.counted(accepted.submission)?,
        };
        if cfg!(debug_assertions)
            && let Ok(accepted) = &read.outcome
        {
            debug_assert_eq!(counts, self.counted(accepted.submission)?);
        }
        let (heads, range) = match &read.outcome {
            Err(why) => {
                let now = Some(now.to_string());
                let about = about
                    .text("received", now.clone())
                    .text("finished", now)
                    .text("state", Some("refused"))
                    .text("merchant_id", read.merchant.clone())
                    .text("fault", Some(why.clone()));
                (vec![about], None)
            }
            Ok(accepted) => {
                let sql =
                    "SELECT received, finished, first, last FROM submissions WHERE submission = ?";
                let (received, finished, first, last): (i64, i64, Option<i64>, Option<i64>) =
                    self.connection.query_row(sql, [accepted.submission], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?;
                let when = |ms: i64| Some(Wall(ms.cast_unsigned()).to_string());
                let about = about
                    .text("received", when(received))
                    .text("finished", when(finished))
                    .text("state", Some("taken"))
                    .text("merchant_id", read.merchant.clone());
                let heads = [about].into_iter().chain(sums(&counts)).collect();
                (heads, first.zip(last))
            }
        };
        let place = (&*shelf, &*result);
        self.write_parts(place, &heads, range)?;
        drop(heads);
        Ok((counts, show(place)?))
    }

    /// Writes all forms of a result under their hidden names, of a large one each half by itself; meanwhile the ledger is brought to its
    /// place.
    fn write_parts(
        &self,
        place: (&Path, &str),
        heads: &[Row<'_>],
        range: Option<(i64, i64)>,
    ) -> Result<(), LedgerError> {
        let halves = match range {
            Some((first, last)) if last - first >= LARGE => {
                let middle = i64::midpoint(first, last);
                vec![(0, Some((first, middle))), (1, Some((middle + 1, last)))]
            }
            range => vec![(0, range)],
        };
        let parts = halves.len();
        let scouts = halves.iter().map(|_| self.scout()).collect::<Result<_, _>>()?;
        let work = |scout: &Scout, (part, range)| {
            let heads = if part == 0 { heads } else { &[] };
            scout.part(place, part, heads, range)
        };
        let write = || side_by_side(scouts, halves, work, |()| Ok::<_, LedgerError>(()));
        if parts == 1 {
            write()?;
            return Form::ALL.into_iter().try_for_each(|form| form.join(place, parts));
        }
        let meanwhile = || {
            tables::checkpoint(&self.connection)?;
            Ok(())
        };
        beside(write, meanwhile)?;
        let [first, second] = Form::ALL;
        beside(|| first.join(place, parts), || second.join(place, parts))
    }

    /// How many records of a file are in which state.
    fn counted(&self, submission: i64) -> Result<Vec<Counted>, LedgerError> {
        let sql = "SELECT claims.state, currency, count(*), sum(amount)
            FROM submissions JOIN claims ON claim BETWEEN first AND last WHERE submissions.submission = ?
            GROUP BY 1, 2 ORDER BY 1, 2";
        let mut ask = self.connection.prepare_cached(sql)?;
        let counts = ask.query_map([submission], |row| {
            Ok(Counted {
                state: row.get(0)?,
                currency: row.get(1)?,
                count: row.get(2)?,
                amount: row.get(3)?,
            })
        })?;
        Ok(counts.collect::<Result<_, _>>()?)
    }
}

/// A result on its way to the disk, under its hidden name.
struct Sheet {
    form: Form,
    path: PathBuf,
    out: BufWriter<File>,
}

impl Sheet {
    fn create(form: Form, place: (&Path, &str), part: usize) -> Result<Self, LedgerError> {
        let path = form.hidden(place, part);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&path).map_err(fault("create", &path))?;
        let mut out = BufWriter::with_capacity(1 << 16, file);
        if matches!(form, Form::Csv) && part == 0 {
            writeln!(out, "{}", COLUMNS.join(",")).map_err(fault("write", &path))?;
        }
        Ok(Self { form, path, out })
    }

    fn put(&mut self, row: &Row<'_>) -> Result<(), LedgerError> {
        self.form.put(row, &mut self.out).map_err(fault("write", &self.path))
    }

    /// Its bytes are with the system; `Form::join` brings them to the disk.
    fn end(mut self) -> Result<(), LedgerError> {
        self.out.flush().map_err(fault("write", &self.path))
    }
}

impl Scout {
    /// A part of a result in all forms: its first lines, and what became of such claims.
    fn part(
        &self,
        place: (&Path, &str),
        part: usize,
        heads: &[Row<'_>],
        range: Option<(i64, i64)>,
    ) -> Result<(), LedgerError> {
        let mut sheets = Vec::with_capacity(Form::ALL.len());
        for form in Form::ALL {
            sheets.push(Sheet::create(form, place, part)?);
        }
        let mut put = |row: &Row<'_>| sheets.iter_mut().try_for_each(|sheet| sheet.put(row));
        heads.iter().try_for_each(&mut put)?;
        if let Some(range) = range {
            self.records(range, &mut put)?;
        }
        sheets.into_iter().try_for_each(Sheet::end)
    }

    fn records(
        &self,
        range: (i64, i64),
        put: &mut dyn FnMut(&Row<'_>) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let sql = "SELECT state, currency, amount, seq, place, op, reference, merchant, terminal, rrn, approval, token, reason,
                field, expected, got, txn
            FROM claims WHERE claim BETWEEN ? AND ? ORDER BY claim";
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query(range)?;
        while let Some(row) = rows.next()? {
            let text = |at| row.get_ref(at)?.as_str_or_null().map_err(rusqlite::Error::from);
            let reason = text(12)?;
            let known =
                reason.and_then(|word| Reason::ALL.iter().find(|reason| reason.word() == word));
            let mut line = Row::of("record")
                .text("state", text(0)?)
                .text("currency", text(1)?)
                .number("amount", row.get(2)?)
                .number("seq", row.get(3)?)
                .number("line", row.get(4)?)
                .text("op", text(5)?)
                .text("capture_ref", text(6)?)
                .text("merchant_id", text(7)?)
                .text("terminal_id", text(8)?)
                .text("rrn", text(9)?)
                .text("auth_code", text(10)?)
                .text("card", text(11)?.map(masked))
                .text("reason", reason)
                .text("field", text(13)?)
                .text("expected", text(14)?)
                .text("got", text(15)?)
                .number("transaction", row.get(16)?);
            if text(0)? == Some("rejected") {
                line = line.flag("retryable", known.is_some_and(|reason| reason.is_retryable()));
            }
            put(&line)?;
        }
        Ok(())
    }
}

/// A line for each state and currency, and one for all.
fn sums(counts: &[Counted]) -> Vec<Row<'_>> {
    let (mut lines, mut all) = (Vec::new(), (0, 0));
    for one in counts {
        all = (all.0 + one.count, all.1 + one.amount);
        lines.push(
            Row::of("sum")
                .text("state", Some(&*one.state))
                .text("currency", Some(&*one.currency))
                .number("count", Some(one.count))
                .number("amount", Some(one.amount)),
        );
    }
    lines.push(Row::of("total").number("count", Some(all.0)).number("amount", Some(all.1)));
    lines
}

/// First six and last four characters at most, as of a card.
fn masked(token: &str) -> String {
    let length = token.chars().count();
    let (front, back) = if length >= 14 { (6, length - 4) } else { (0, length.saturating_sub(4)) };
    let shown = |at: usize| at < front || (back <= at && length > 4);
    token.chars().enumerate().map(|(at, char)| if shown(at) { char } else { '*' }).collect()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
