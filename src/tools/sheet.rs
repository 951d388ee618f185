//! A whole dialect as text in its own notation, aligned; what it holds is decided elsewhere.

use std::fmt;

use crate::dialect::{
    Alphabet, BitmapCoding, Class, CodePage, Coding, Content, Contents, Counts, Dialect, Filler,
    Inside, Length, LengthCoding, MtiCoding, Row, Rule, Scheme, Second, TagCoding, Tagged, Third,
    Version,
};
use crate::iso::{ElementNo, ElementSet, ResponseCode};

/// What a dialect file says, in the order in which it is written. Displayed, it is the file.
pub(super) struct Sheet {
    /// Lines of comment before the headers, without their `#`.
    pub(super) remarks: Vec<String>,
    /// One word.
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) mti: MtiCoding,
    pub(super) bitmap: BitmapCoding,
    pub(super) second: Second,
    pub(super) third: Third,
    pub(super) contents: Contents,
    pub(super) echo: ElementSet,
    pub(super) approve: Vec<ResponseCode>,
    pub(super) accept: Vec<ResponseCode>,
    pub(super) retry: Vec<ResponseCode>,
    /// What messages must have and may not have.
    pub(super) rules: Vec<Rule>,
    /// In ascending order.
    pub(super) rows: Vec<(ElementNo, Row)>,
    /// What lies within elements, in ascending order.
    pub(super) insides: Vec<(ElementNo, Inside)>,
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
            version: dialect.version(),
            mti: dialect.mti(),
            bitmap: dialect.bitmap(),
            second: dialect.second(),
            third: dialect.third(),
            contents: dialect.contents(),
            echo: dialect.echo(),
            approve: dialect.approve_codes().to_vec(),
            accept: dialect.accept_codes().to_vec(),
            retry: dialect.retry_codes().to_vec(),
            rules: dialect.rules().to_vec(),
            // Where 65 is the third bitmap, a row that it has from another dialect says nothing.
            rows: (dialect.rows().iter())
                .filter(|(no, _)| no.get() != 65 || dialect.third() != Third::Contiguous)
                .cloned()
                .collect(),
            insides: dialect
                .rows()
                .iter()
                .filter_map(|(no, _)| Some((*no, dialect.inside(*no)?.clone())))
                .collect(),
        }
    }

    /// The header lines: their word, and what follows it.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("dialect", self.name.clone()),
            ("version", version(self.version).to_owned()),
            ("mti", mti(self.mti).to_owned()),
            ("bitmap", bitmap(self.bitmap).to_owned()),
            ("second", second(self.second).to_owned()),
            ("third", third(self.third).to_owned()),
            ("contents", contents(self.contents).to_owned()),
            ("echo", numbers(self.echo)),
            ("approve", codes(&self.approve)),
            ("accept", codes(&self.accept)),
            ("retry", codes(&self.retry)),
        ];
        headers.extend(self.rules.iter().map(|rule| {
            let header = if rule.mandatory { "mandatory" } else { "forbidden" };
            (header, format!("{} {}", rule.pattern.as_text(), numbers(rule.elements)))
        }));
        headers
    }

    /// What lies within elements, in the order in which it is read: how parts are found, then the parts.
    pub(super) fn within(&self) -> Vec<Within<'_>> {
        let mut lines = Vec::new();
        for (no, inside) in &self.insides {
            within(&no.to_string(), inside, &mut lines);
        }
        lines
    }
}

/// A line about the inside of an element.
pub(super) enum Within<'a> {
    /// How the parts of what this path leads to are found.
    Scheme(String, String),
    /// The part that this path leads to.
    Part(String, Columns<'a>),
}

fn within<'a>(path: &str, inside: &'a Inside, lines: &mut Vec<Within<'a>>) {
    lines.push(Within::Scheme(path.to_owned(), scheme(inside.scheme)));
    for part in &inside.parts {
        lines.push(Within::Part(format!("{path}.{}", part.key), Columns::of(&part.row)));
    }
    for part in &inside.parts {
        if let Some(inside) = &part.inside {
            within(&format!("{path}.{}", part.key), inside, lines);
        }
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
        let width = if self.rules.is_empty() { 7 } else { 9 };
        for (header, value) in self.headers() {
            writeln!(f, "{header:<width$}  {value}")?;
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
        for line in self.within() {
            match line {
                Within::Scheme(path, scheme) => writeln!(f, "\nparts  {path:<6} {scheme}")?,
                Within::Part(path, row) => writeln!(
                    f,
                    "{path:>8}  {:<9} {:<9} {:<8} {:<10} {}",
                    row.content, row.length, row.coding, row.class, row.name
                )?,
            }
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

/// `n 12`, `n..19`.
pub(super) fn content(content: Content, varies: bool, max: u16) -> String {
    let between = if varies { ".." } else { " " };
    format!("{}{between}{max}", content.notation())
}

fn length(length: Length) -> String {
    let (digits, width, counts, itself) = match length {
        Length::Fixed | Length::Rest => return "-".to_owned(),
        Length::Until(end) => return format!("until {}", char::from(end)),
        Length::Prefixed { digits, width, counts, itself } => (digits, width, counts, itself),
    };
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
        Counts::Nibbles => " nibbles",
        Counts::Even => " even",
    };
    let itself = if itself { " itself" } else { "" };
    format!("{digits} {width}{counts}{itself}")
}

/// With the filler of packed digits where one is needed, or where it is not the usual one.
fn coding(coding: Coding, odd: bool) -> String {
    match coding {
        Coding::Ascii => "ascii",
        Coding::Bcd(Filler::LeftZero) if odd => "bcd l0",
        Coding::Bcd(Filler::LeftZero) => "bcd",
        Coding::Bcd(Filler::RightZero) => "bcd r0",
        Coding::Bcd(Filler::RightF) => "bcd rF",
        Coding::Bcd(Filler::LeftF) => "bcd lF",
        Coding::Zoned(Alphabet::Ascii) => "zoned",
        Coding::Zoned(Alphabet::Ebcdic) => "zoned-ebcdic",
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

pub(super) const fn mti(mti: MtiCoding) -> &'static str {
    match mti {
        MtiCoding::Ascii => "ascii",
        MtiCoding::Bcd => "bcd",
        MtiCoding::Ebcdic => "ebcdic",
    }
}

pub(super) const fn bitmap(bitmap: BitmapCoding) -> &'static str {
    match bitmap {
        BitmapCoding::Binary => "binary",
        BitmapCoding::Hex(Alphabet::Ascii) => "hex",
        BitmapCoding::Hex(Alphabet::Ebcdic) => "hex-ebcdic",
    }
}

const fn third(third: Third) -> &'static str {
    match third {
        Third::Refused => "refused",
        Third::Element => "element",
        Third::Contiguous => "contiguous",
    }
}

const fn contents(contents: Contents) -> &'static str {
    match contents {
        Contents::Checked => "checked",
        Contents::Unchecked => "unchecked",
    }
}

const fn second(second: Second) -> &'static str {
    match second {
        Second::AsNeeded => "as-needed",
        Second::Always => "always",
        Second::Fixed => "fixed",
        Second::Never => "never",
    }
}

const fn version(version: Version) -> &'static str {
    match version {
        Version::Of1987 => "1987",
        Version::Of1993 => "1993",
        Version::Of2003 => "2003",
    }
}

/// How parts are found, as a `parts` line says it behind the path.
fn scheme(scheme: Scheme) -> String {
    match scheme {
        Scheme::Positional { repeated: false } => "positional".to_owned(),
        Scheme::Positional { repeated: true } => "positional repeated".to_owned(),
        Scheme::Ber => "ber".to_owned(),
        Scheme::Tokens => "tokens".to_owned(),
        Scheme::Bitmap { hex, bytes } => {
            format!("bitmap {} {bytes}", if hex { "hex" } else { "binary" })
        }
        Scheme::Tagged(tagged) => tags(tagged),
    }
}

fn tags(tagged: Tagged) -> String {
    let coding = match tagged.tag {
        TagCoding::Characters(Alphabet::Ascii) => "ascii",
        TagCoding::Characters(Alphabet::Ebcdic) => "ebcdic",
        TagCoding::Bcd => "bcd",
        TagCoding::Binary => "binary",
    };
    let tag = format!("tag {coding} {}", tagged.tag_width);
    let field = Length::Prefixed {
        digits: tagged.length,
        width: tagged.length_width,
        counts: Counts::Units,
        itself: tagged.counts_itself,
    };
    let with_tag = if tagged.counts_tag { " with-tag" } else { "" };
    let field = format!("length {}{with_tag}", length(field));
    let lead = if tagged.lead > 0 { format!("lead {} ", tagged.lead) } else { String::new() };
    if tagged.length_first {
        format!("{lead}{field} {tag}")
    } else {
        format!("{lead}{tag} {field}")
    }
}

fn numbers(elements: ElementSet) -> String {
    let numbers: Vec<String> = elements.iter().map(|no| no.to_string()).collect();
    numbers.join(" ")
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
        rows.map(str::trim_end).take_while(|line| !line.is_empty()).collect()
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
    fn what_lies_within_is_written_too() {
        let text = include_str!("../../fuzz/every-coding.dialect");
        for dialect in Dialect::shipped_names()
            .iter()
            .map(|name| Dialect::shipped(name))
            .chain([Dialect::parse(text).ok()])
        {
            let dialect = dialect.unwrap();
            let sheet = Sheet::of(&dialect);
            assert!(sheet.within().len() > 10 || !dialect.name().starts_with("iso87-"));
            let again = Dialect::parse(&sheet.to_string()).unwrap();
            assert_eq!((again.rows(), again.rules()), (dialect.rows(), dialect.rules()));
            assert_eq!(Sheet::of(&again).insides, sheet.insides);
            assert_eq!(
                (again.version(), again.second(), again.echo()),
                (dialect.version(), dialect.second(), dialect.echo())
            );
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
            "ans..32000 ebcdic 6 cp037",
            "b..40 bcd 1 nibbles raw",
            "n..19 ascii 2 even bcd lF",
            "n..19 ascii 2 wire itself bcd rF",
            "x+n 8 - zoned",
            "x+n 8 - zoned-ebcdic",
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
