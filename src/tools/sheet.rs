//! A whole dialect as text in its own notation, aligned; what it holds is decided elsewhere.

use std::fmt;

use crate::dialect::{
    Alphabet, BitmapCoding, Class, CodePage, Coding, Content, Counts, Dialect, Filler, Length,
    LengthCoding, MtiCoding, Row, Second,
};
use crate::iso::{ElementNo, ElementSet, ResponseCode};

/// What a dialect file says, in the order in which it is written. Displayed, it is the file.
pub(super) struct Sheet {
    /// Lines of comment before the headers, without their `#`.
    pub(super) remarks: Vec<String>,
    /// One word.
    pub(super) name: String,
    pub(super) mti: MtiCoding,
    pub(super) bitmap: BitmapCoding,
    pub(super) second: Second,
    /// Whether a message may have element 65.
    pub(super) third: bool,
    pub(super) echo: ElementSet,
    pub(super) approve: Vec<ResponseCode>,
    pub(super) accept: Vec<ResponseCode>,
    pub(super) retry: Vec<ResponseCode>,
    /// In ascending order.
    pub(super) rows: Vec<(ElementNo, Row)>,
}

/// The columns of one row behind its number, as text.
pub(super) struct Columns<'a> {
    pub(super) content: String,
    pub(super) length: String,
    pub(super) coding: String,
    pub(super) class: &'static str,
    pub(super) name: &'a str,
}

impl Sheet {
    /// A dialect with everything that it has from the one that it extends.
    pub(super) fn of(dialect: &Dialect) -> Self {
        Self {
            remarks: Vec::new(),
            name: dialect.name().to_owned(),
            mti: dialect.mti(),
            bitmap: dialect.bitmap(),
            second: dialect.second(),
            third: dialect.defined().has(EXTENDED),
            echo: dialect.echo(),
            approve: dialect.approve_codes().to_vec(),
            accept: dialect.accept_codes().to_vec(),
            retry: dialect.retry_codes().to_vec(),
            rows: dialect.rows().to_vec(),
        }
    }

    /// The header lines: their word, and what follows it.
    pub(super) fn headers(&self) -> [(&'static str, String); 9] {
        let echo: Vec<String> = self.echo.iter().map(|no| no.to_string()).collect();
        [
            ("dialect", self.name.clone()),
            ("mti", mti(self.mti).to_owned()),
            ("bitmap", bitmap(self.bitmap).to_owned()),
            ("second", second(self.second).to_owned()),
            ("third", if self.third { "element" } else { "refused" }.to_owned()),
            ("echo", echo.join(" ")),
            ("approve", codes(&self.approve)),
            ("accept", codes(&self.accept)),
            ("retry", codes(&self.retry)),
        ]
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for remark in &self.remarks {
            writeln!(f, "{}", format!("# {remark}").trim_end())?;
        }
        if !self.remarks.is_empty() {
            writeln!(f)?;
        }
        for (header, value) in self.headers() {
            writeln!(f, "{header:<7}  {value}")?;
        }
        let rows: Vec<_> = self.rows.iter().map(|(no, row)| (no.get(), Columns::of(row))).collect();
        let wide = |least: usize, column: fn(&Columns<'_>) -> usize| {
            rows.iter().map(|(_, columns)| column(columns)).max().unwrap_or(0).max(least)
        };
        // Never narrower than what comes with the program, so that files lie well beside one another.
        let content = wide(9, |columns| columns.content.len());
        let length = wide(13, |columns| columns.length.len());
        let coding = wide(8, |columns| columns.coding.len());
        writeln!(
            f,
            "\n#  no  {:<content$} {:<length$} {:<coding$} {:<10} name",
            "content", "length", "coding", "class"
        )?;
        for (no, row) in &rows {
            writeln!(
                f,
                "{no:>5}  {:<content$} {:<length$} {:<coding$} {:<10} {}",
                row.content, row.length, row.coding, row.class, row.name
            )?;
        }
        Ok(())
    }
}

impl<'a> Columns<'a> {
    pub(super) fn of(row: &'a Row) -> Self {
        let Row { name, content: kind, length: field, coding: way, class: may, max } = row;
        // The sign of x+n is not counted by the standard.
        let max = if *kind == Content::Signed { max.saturating_sub(1) } else { *max };
        let varies = *field != Length::Fixed;
        Self {
            content: content(*kind, varies, max),
            length: length(*field),
            coding: coding(*way, varies || max % 2 == 1),
            class: class(*may),
            name,
        }
    }
}

/// The element that some networks use as their third bitmap.
const EXTENDED: ElementNo = ElementNo::of(65);

/// `n 12`, `n..19`.
pub(super) fn content(content: Content, varies: bool, max: u16) -> String {
    let between = if varies { ".." } else { " " };
    format!("{}{between}{max}", content.notation())
}

fn length(length: Length) -> String {
    let Length::Prefixed { digits, width, counts } = length else { return "-".to_owned() };
    let digits = match digits {
        LengthCoding::Ascii => "ascii",
        LengthCoding::Bcd => "bcd",
        LengthCoding::Binary => "binary",
        LengthCoding::Ebcdic => "ebcdic",
        LengthCoding::Hex => "hex",
    };
    let counts = match counts {
        Counts::Units => "",
        Counts::Wire => " wire",
    };
    format!("{digits} {width}{counts}")
}

/// With the filler of packed digits where one is needed, or where it is not the usual one.
fn coding(coding: Coding, odd: bool) -> String {
    match coding {
        Coding::Ascii => "ascii",
        Coding::Bcd(Filler::LeftZero) if odd => "bcd l0",
        Coding::Bcd(Filler::LeftZero) => "bcd",
        Coding::Bcd(Filler::RightZero) => "bcd r0",
        Coding::Bcd(Filler::RightF) => "bcd rF",
        Coding::Raw => "raw",
        Coding::Hex(Alphabet::Ascii) => "hex",
        Coding::Hex(Alphabet::Ebcdic) => "hex-ebcdic",
        Coding::Ebcdic(CodePage::Cp037) => "cp037",
        Coding::Ebcdic(CodePage::Cp500) => "cp500",
        Coding::Ebcdic(CodePage::Cp1047) => "cp1047",
    }
    .to_owned()
}

const fn class(class: Class) -> &'static str {
    match class {
        Class::Keep => "keep",
        Class::Pan => "pan",
        Class::Sensitive => "sensitive",
        Class::Unkept => "-",
    }
}

const fn mti(mti: MtiCoding) -> &'static str {
    match mti {
        MtiCoding::Ascii => "ascii",
        MtiCoding::Bcd => "bcd",
        MtiCoding::Ebcdic => "ebcdic",
    }
}

const fn bitmap(bitmap: BitmapCoding) -> &'static str {
    match bitmap {
        BitmapCoding::Binary => "binary",
        BitmapCoding::Hex(Alphabet::Ascii) => "hex",
        BitmapCoding::Hex(Alphabet::Ebcdic) => "hex-ebcdic",
    }
}

const fn second(second: Second) -> &'static str {
    match second {
        Second::AsNeeded => "as-needed",
        Second::Always => "always",
    }
}

fn codes(codes: &[ResponseCode]) -> String {
    let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
    codes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a file as they stand in it, headers and comments apart.
    fn table(text: &str) -> Vec<&str> {
        let rows = text.lines().skip_while(|line| !line.starts_with("#  no"));
        rows.map(str::trim_end).collect()
    }

    #[test]
    fn what_comes_with_the_program_is_written_as_its_files_are() {
        for name in Dialect::shipped_names() {
            let dialect = Dialect::shipped(name).unwrap();
            let written = Sheet::of(&dialect).to_string();
            let again = Dialect::parse(&written).unwrap();
            assert_eq!(again.rows(), dialect.rows(), "{name}");
            assert_eq!(Sheet::of(&again).to_string(), written);
            let file = Dialect::shipped_text(name).unwrap();
            if !file.contains("\nextends") {
                assert_eq!(table(&written), table(file), "{name}");
            }
        }
    }

    #[test]
    fn each_notation_there_and_back() {
        for row in [
            "n 6 - ascii",
            "n 6 - bcd",
            "n 6 - bcd r0",
            "n 3 - bcd l0",
            "x+n 8 - bcd",
            "x+n 7 - bcd rF",
            "x+n..8 bcd 1 bcd r0",
            "z..37 bcd 1 bcd rF",
            "ans..9998 ebcdic 6 cp037",
            "ns 4 - cp1047",
            "a 4 - cp500",
            "an..99 hex 8 ascii",
            "b..255 ascii 3 wire hex",
            "b..255 binary 4 hex-ebcdic",
            "b..255 binary 2 raw",
            "b 8 - raw",
        ] {
            let text = format!(
                "dialect d\nmti ebcdic\nbitmap hex-ebcdic\nsecond always\nthird element\necho 4\napprove 00\naccept 00\nretry 91\n4 {row} - a name\n"
            );
            let dialect = Dialect::parse(&text).unwrap();
            let written = Sheet::of(&dialect).to_string();
            let shape: Vec<&str> = table(&written)[1].split_whitespace().collect();
            assert_eq!(shape.join(" "), format!("4 {row} - a name"));
            let again = Dialect::parse(&written).unwrap();
            assert_eq!(again.row(ElementNo::AMOUNT), dialect.row(ElementNo::AMOUNT), "{row}");
            assert_eq!(Sheet::of(&again).headers(), Sheet::of(&dialect).headers());
        }
    }
}
