//! The same file as lines of comma-separated values, for issuers that read no IPM; knows no disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::text::{of_latin1, quoted};
use super::{ClearingError, File, Format, Head, Line, Settings, Totals, Turn};
use crate::iso::{ElementNo, Elements};

/// A file that is being written, in whichever form its issuer reads.
#[derive(Debug)]
pub enum Sheet<'a> {
    /// IPM-compatible records.
    Ipm(File<'a>),
    /// Lines of comma-separated values.
    Csv(Csv<'a>),
}

/// Lines of comma-separated values (RFC 4180, UTF-8): names of columns, a header `H`, lines `D`, and a trailer `T`.
#[derive(Debug)]
pub struct Csv<'a> {
    settings: &'a Settings,
    head: Head,
    ready: Vec<u8>,
    digest: Sha256,
    totals: Totals,
}

impl<'a> Sheet<'a> {
    /// Begins with the header.
    pub fn begin(
        settings: &'a Settings,
        format: Format,
        head: Head,
    ) -> Result<Self, ClearingError> {
        Ok(match format {
            Format::Ipm => Self::Ipm(File::begin(settings, head)?),
            Format::Csv => Self::Csv(Csv::begin(settings, head)),
        })
    }

    /// Adds a line, and gives its number in the file.
    pub fn add(&mut self, line: &Line) -> Result<u32, ClearingError> {
        match self {
            Self::Ipm(file) => file.add(line),
            Self::Csv(file) => file.add(line),
        }
    }

    /// How many bytes are ready to be taken.
    pub const fn ready_len(&self) -> usize {
        match self {
            Self::Ipm(file) => file.ready_len(),
            Self::Csv(file) => file.ready.len(),
        }
    }

    /// The bytes that are ready, each once.
    pub fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Ipm(file) => file.take(),
            Self::Csv(file) => file.take(),
        }
    }

    /// Ends with the trailer: the last bytes, and what went in.
    pub fn end(self) -> Result<(Vec<u8>, Totals), ClearingError> {
        match self {
            Self::Ipm(file) => file.end(),
            Self::Csv(file) => Ok(file.end()),
        }
    }
}

impl<'a> Csv<'a> {
    fn begin(settings: &'a Settings, head: Head) -> Self {
        let file_id = head.id.to_string();
        let totals = Totals { file_id, records: 0, checksum: 0, sums: BTreeMap::new() };
        let (ready, digest) = (Vec::new(), Sha256::new());
        let mut file = Self { settings, head, ready, digest, totals };
        let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        let names = format!("type,number,{},exponent,takes_back,sha256\n", names.join(","));
        file.ready.extend_from_slice(names.as_bytes());
        let mode = if settings.production { "P" } else { "T" };
        file.row("H", |name, _| match name {
            "reference" => file_id_of(head),
            "function" => mode.to_owned(),
            _ => String::new(),
        });
        file.ready.extend_from_slice(b",,\n");
        file
    }

    fn add(&mut self, line: &Line) -> Result<u32, ClearingError> {
        let capture = &line.capture;
        if capture.issuer != self.head.issuer || capture.amount.currency != self.head.currency {
            return Err(ClearingError::OtherFile { txn: capture.txn });
        }
        self.totals.add(line)?;
        let record = line.record(self.totals.records.saturating_add(1), self.settings);
        self.row("D", |name, no| value(&record, name, no));
        let takes_back = match line.turn {
            Turn::Back { presented } => presented.to_string(),
            _ => String::new(),
        };
        let end = format!("{},{takes_back},\n", capture.amount.currency.exponent());
        self.ready.extend_from_slice(end.as_bytes());
        Ok(self.totals.records)
    }

    fn take(&mut self) -> Vec<u8> {
        self.digest.update(&self.ready);
        std::mem::take(&mut self.ready)
    }

    /// The trailer has the digest of everything before it.
    fn end(mut self) -> (Vec<u8>, Totals) {
        let mut last = self.take();
        let digest = self.digest.clone().finalize();
        let (head, checksum) = (self.head, self.totals.checksum);
        self.row("T", |name, _| match name {
            "reference" => file_id_of(head),
            "amount" => checksum.to_string(),
            "currency" => head.currency.to_string(),
            _ => String::new(),
        });
        last.append(&mut self.ready);
        let mut end = format!("{},,", head.currency.exponent());
        for byte in digest {
            if write!(end, "{byte:02x}").is_err() {
                // Nothing keeps a text from growing.
            }
        }
        last.extend_from_slice(end.as_bytes());
        last.push(b'\n');
        (last, self.totals)
    }

    /// The beginning of a row, up to the columns that only some have.
    fn row(&mut self, kind: &str, value: impl Fn(&str, u8) -> String) {
        self.totals.records += 1;
        let begin = format!("{kind},{},", self.totals.records);
        self.ready.extend_from_slice(begin.as_bytes());
        for (name, no) in COLUMNS {
            self.ready.extend_from_slice(quoted(&value(name, no)).as_bytes());
            self.ready.push(b',');
        }
    }
}

fn file_id_of(head: Head) -> String {
    head.id.to_string()
}

/// An element as a text; amounts without leading zeros.
fn value(record: &Elements, column: &str, no: u8) -> String {
    let text = record.get(ElementNo::of(no)).map(<[u8]>::trim_ascii_end).unwrap_or_default();
    let number = (column == "amount").then(|| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
    number.flatten().map_or_else(|| of_latin1(text), |amount| amount.to_string())
}

/// The columns that are elements of the record.
const COLUMNS: [(&str, u8); 21] = [
    ("card", 2),
    ("processing_code", 3),
    ("amount", 4),
    ("local", 12),
    ("expiry", 14),
    ("pos", 22),
    ("card_sequence", 23),
    ("function", 24),
    ("reason", 25),
    ("mcc", 26),
    ("reference", 31),
    ("acquirer", 32),
    ("forwarder", 33),
    ("rrn", 37),
    ("approval", 38),
    ("service_code", 40),
    ("terminal", 41),
    ("merchant", 42),
    ("place", 43),
    ("currency", 49),
    ("originator", 94),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clearing::capture::tests::standing;
    use crate::clearing::{Capture, FileId, Part, Reference};
    use crate::iso::{BusinessDate, Currency};
    use crate::record::{LinkId, TxnId};
    use crate::seal::Keys;

    #[test]
    fn lines_add_up_to_their_trailer() {
        let (settings, day) = (Settings::default(), BusinessDate(20_780));
        let id = FileId::new(&settings, day, 7).unwrap();
        let head = Head { id, issuer: LinkId(2), currency: Currency::new(978).unwrap() };
        let line = |number, turn, changes: &[(u8, &str)]| {
            let standing = standing(number, 200, changes);
            let capture = Capture::of(&standing, Part::Standing, &Keys::new(&[7; 32])).unwrap();
            Line { capture, turn, reference: Reference::new(&settings.acquirer_bin, day, number) }
        };
        let lines = [
            line(5, Turn::First, &[(43, "A, \"B\""), (38, "A1B2C3")]),
            line(6, Turn::Back { presented: day }, &[(4, "000000000250")]),
        ];
        let mut file = Sheet::begin(&settings, Format::Csv, head).unwrap();
        for (line, number) in lines.iter().zip(2..) {
            assert_eq!(file.add(line), Ok(number));
        }
        let (bytes, totals) = file.end().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        let [names, header, sale, back, trailer] = rows.as_slice() else { panic!("{text}") };
        assert!(names.starts_with("type,number,card,processing_code,amount,local,"), "{names}");
        assert_eq!(*header, format!("H,1,,,,,,,,T,,,{id},,,,,,,,,,,,,"));
        assert_eq!(
            *sale,
            "D,2,5413330000004111,000000,1000,261123193400,,,,200,,5999,29999996327000000000056,,,,A1B2C3,,,MERCHANT 7,\
             \"A, \"\"B\"\"\\ \\ \\             ZZZ\",978,999999,2,,"
        );
        assert!(back.ends_with(",978,999999,2,2026-11-23,"), "{back}");
        let before = bytes.len() - trailer.len() - 1;
        let digest = Sha256::digest(&bytes[..before]);
        let digest = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        assert_eq!(*trailer, format!("T,4,,,1250,,,,,,,,{id},,,,,,,,,978,,2,,{digest}"));
        assert_eq!((totals.records, totals.checksum), (4, 1250));
        // The same, however often it is taken.
        let mut often = Sheet::begin(&settings, Format::Csv, head).unwrap();
        let mut taken = often.take();
        for line in &lines {
            often.add(line).unwrap();
            taken.extend(often.take());
        }
        taken.extend(often.end().unwrap().0);
        assert_eq!(taken, bytes);
        let mut other =
            Sheet::begin(&settings, Format::Csv, Head { issuer: LinkId(3), ..head }).unwrap();
        let refused = other.add(&lines[0]);
        assert_eq!(refused, Err(ClearingError::OtherFile { txn: TxnId(5) }));
    }
}
