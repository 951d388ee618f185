//! Tables of TOML read key by key: what is wrong is told and reading goes on; knows no key by name.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::report::{Faults, meant};

/// A table that is being read. What was never asked for is unknown.
pub(super) struct Section<'t> {
    faults: &'t Faults,
    /// How people write it, `[links.pos]`.
    title: String,
    /// Where it is named.
    span: Range<usize>,
    table: Option<&'t DeTable<'t>>,
    asked: RefCell<Vec<&'static str>>,
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Spot<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// What a number may be, and what it is when nobody says.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) default: u64,
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Limit {
    pub(super) const fn new(default: u64, min: u64, max: u64) -> Self {
        Self { default, min, max }
    }
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn root(faults: &'t Faults, table: &'t DeTable<'t>) -> Self {
        Self::new(faults, String::from("the file"), 0..0, Some(table))
    }

    fn new(
        faults: &'t Faults,
        title: String,
        span: Range<usize>,
        table: Option<&'t DeTable<'t>>,
    ) -> Self {
        Self { faults, title, span, table, asked: RefCell::default() }
    }

    pub(super) const fn faults(&self) -> &'t Faults {
        self.faults
    }

    /// Its name, without the brackets.
    pub(super) fn path(&self) -> &str {
        self.title.trim_matches(['[', ']'])
    }

    /// The name of a table within.
    fn below(&self, key: &str) -> String {
        if self.title.starts_with('[') { format!("{}.{key}", self.path()) } else { key.to_owned() }
    }

    /// Where the table is named.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Whether it has this key, whatever its value.
    pub(super) fn has(&self, key: &'static str) -> Option<Range<usize>> {
        self.take(key).map(|(span, _)| span)
    }

    /// Whether it has this key with a list of nothing.
    pub(super) fn has_empty(&self, key: &'static str) -> Option<Range<usize>> {
        let (span, value) = self.take(key)?;
        value.get_ref().as_array().is_some_and(|list| list.is_empty()).then_some(span)
    }

    /// A table within; an empty one when it is missing, so that defaults hold.
    pub(super) fn section(&self, key: &'static str) -> Self {
        let title = format!("[{}]", self.below(key));
        match self.take(key) {
            None => Self::new(self.faults, title, self.span(), None),
            Some((span, value)) => {
                let table = value.get_ref().as_table();
                if table.is_none() {
                    self.wrong_kind(key, value, "a table");
                }
                Self::new(self.faults, title, span, table)
            }
        }
    }

    /// The tables within a table that names them, `[links.pos]`.
    pub(super) fn named_sections(&self, key: &'static str) -> Vec<(Spot<String>, Self)> {
        let Some((_, value)) = self.take(key) else { return Vec::new() };
        let Some(tables) = value.get_ref().as_table() else {
            self.wrong_kind(key, value, "tables with names");
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (name, value) in tables {
            let (text, span) = (name.get_ref().to_string(), name.span());
            let title = format!("[{key}.{text}]");
            let table = value.get_ref().as_table();
            if table.is_none() {
                let fault =
                    self.faults.at(span.clone(), format!("`{text}` is not a table of its own"));
                self.faults.tell(fault.help(format!("write {title} on a line of its own")));
            }
            let section = Self::new(self.faults, title, span.clone(), table);
            sections.push((Spot { value: text, span }, section));
        }
        sections
    }

    /// The tables of an array of tables, `[[routes]]`.
    pub(super) fn array_sections(&self, key: &'static str) -> Vec<Self> {
        let Some((key_span, value)) = self.take(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_kind(key, value, &format!("a list of tables, [[{key}]]"));
            return Vec::new();
        };
        let section = |value: &'t Spanned<DeValue<'t>>| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                self.wrong_kind(key, value, "a table");
            }
            let span = if value.span().is_empty() { key_span.clone() } else { value.span() };
            Self::new(self.faults, format!("[[{}]]", self.below(key)), span, table)
        };
        array.iter().map(section).collect()
    }

    /// A text in quotes.
    pub(super) fn text(&self, key: &'static str) -> Option<Spot<&'t str>> {
        let (_, value) = self.take(key)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_kind(key, value, "a text in quotes");
            return None;
        };
        Some(Spot { value: text, span: value.span() })
    }

    /// A text, or a list of texts.
    pub(super) fn texts(&self, key: &'static str) -> Vec<Spot<&'t str>> {
        let Some((_, value)) = self.take(key) else { return Vec::new() };
        let one = |value: &'t Spanned<DeValue<'t>>| {
            let text =
                value.get_ref().as_str().map(|text| Spot { value: text, span: value.span() });
            if text.is_none() {
                self.wrong_kind(key, value, "a text in quotes, or a list of them");
            }
            text
        };
        match value.get_ref().as_array() {
            None => one(value).into_iter().collect(),
            Some(array) => array.iter().filter_map(one).collect(),
        }
    }

    /// A text that means something.
    pub(super) fn word<T, E: fmt::Display>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Spot<T>> {
        let text = self.text(key)?;
        self.meaning(key, &text, parse)
    }

    /// A text that means something, or a list of them.
    pub(super) fn words<T, E: fmt::Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let texts = self.texts(key);
        let words = texts.iter().filter_map(|text| self.meaning(key, text, &parse));
        words.map(|word| word.value).collect()
    }

    fn meaning<T, E: fmt::Display>(
        &self,
        key: &'static str,
        text: &Spot<&'t str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Spot<T>> {
        match parse(text.value) {
            Ok(value) => Some(Spot { value, span: text.span.clone() }),
            Err(fault) => {
                let title = format!("`{key}` does not say what it should");
                self.faults.tell(self.faults.at(text.span.clone(), title).label(fault.to_string()));
                None
            }
        }
    }

    /// One word of a few.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = choices.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let fault = self.faults.at(text.span, format!("`{key}` cannot be {:?}", text.value));
            let mut fault = fault.label(format!("one of {}", words.join(", ")));
            if let Some(word) = meant(text.value, choices.iter().map(|(word, _)| *word)) {
                fault = fault.help(format!("did you mean \"{word}\"?"));
            }
            self.faults.tell(fault);
        }
        found.map(|(_, value)| *value)
    }

    /// A whole number within its limits; the default when it is missing.
    pub(super) fn number(&self, key: &'static str, limit: Limit) -> u64 {
        let Some((_, value)) = self.take(key) else { return limit.default };
        self.within(key, value, limit).unwrap_or_else(|label| {
            if let Some(label) = label {
                let title = format!("`{key}` is out of range");
                let help = format!("without this line it is {}", limit.default);
                self.faults.tell(self.faults.at(value.span(), title).label(label).help(help));
            }
            limit.default
        })
    }

    /// Whole numbers in brackets, each within its limits.
    pub(super) fn numbers(&self, key: &'static str, limit: Limit) -> Vec<u64> {
        let Some((_, value)) = self.take(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_kind(key, value, "a list of whole numbers");
            return Vec::new();
        };
        let one = |value: &'t Spanned<DeValue<'t>>| {
            self.within(key, value, limit).unwrap_or_else(|label| {
                if let Some(label) = label {
                    let title = format!("a number of `{key}` is out of range");
                    self.faults.tell(self.faults.at(value.span(), title).label(label));
                }
                limit.default
            })
        };
        array.iter().map(one).collect()
    }

    /// Texts by numbers, `{ 33 = "123456" }`: what the keys may be is the limit.
    pub(super) fn texts_by_number(
        &self,
        key: &'static str,
        limit: Limit,
    ) -> Vec<(u64, Spot<&'t str>)> {
        let entries = self.by_number(key, limit);
        let text = |(number, value): (u64, &'t Spanned<DeValue<'t>>)| {
            let text = value.get_ref().as_str();
            if text.is_none() {
                self.wrong_kind(key, value, "a text in quotes");
            }
            Some((number, Spot { value: text?, span: value.span() }))
        };
        entries.into_iter().filter_map(text).collect()
    }

    /// Numbers by numbers, `{ 48 = 60 }`, all within the limit.
    pub(super) fn numbers_by_number(
        &self,
        key: &'static str,
        limit: Limit,
    ) -> Vec<(u64, Spot<u64>)> {
        let entries = self.by_number(key, limit);
        let number = |(to, value): (u64, &'t Spanned<DeValue<'t>>)| {
            let from = self.within(key, value, limit).map_err(|label| {
                if let Some(label) = label {
                    let title = format!("a number of `{key}` is out of range");
                    self.faults.tell(self.faults.at(value.span(), title).label(label));
                }
            });
            Some((to, Spot { value: from.ok()?, span: value.span() }))
        };
        entries.into_iter().filter_map(number).collect()
    }

    fn by_number(&self, key: &'static str, limit: Limit) -> Vec<(u64, &'t Spanned<DeValue<'t>>)> {
        let Some((_, value)) = self.take(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_kind(key, value, "a table with numbers as its keys");
            return Vec::new();
        };
        let entry = |(name, value): (&'t Spanned<DeString<'t>>, &'t Spanned<DeValue<'t>>)| {
            let number = name.get_ref().parse::<u64>().ok();
            let fits = number.filter(|number| (limit.min..=limit.max).contains(number));
            if fits.is_none() {
                let title = format!("`{}` in `{key}` is none of its keys", name.get_ref());
                let label = format!("a number from {} to {}", limit.min, limit.max);
                self.faults.tell(self.faults.at(name.span(), title).label(label));
            }
            Some((fits?, value))
        };
        table.iter().filter_map(entry).collect()
    }

    /// Texts by texts, `{ "85" = "000" }`, with the place of each key.
    pub(super) fn texts_by_text(&self, key: &'static str) -> Vec<(Spot<&'t str>, Spot<&'t str>)> {
        let Some((_, value)) = self.take(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_kind(key, value, "a table of texts in quotes");
            return Vec::new();
        };
        let entry = |(name, value): (&'t Spanned<DeString<'t>>, &'t Spanned<DeValue<'t>>)| {
            let text = value.get_ref().as_str();
            if text.is_none() {
                self.wrong_kind(key, value, "a text in quotes");
            }
            let name = Spot { value: &**name.get_ref(), span: name.span() };
            Some((name, Spot { value: text?, span: value.span() }))
        };
        table.iter().filter_map(entry).collect()
    }

    /// A whole number within its limits; or what these are, unless it is something else and that was told.
    fn within(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        limit: Limit,
    ) -> Result<u64, Option<String>> {
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong_kind(key, value, WHOLE);
            return Err(None);
        };
        let number = u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok();
        let fits = number.filter(|number| (limit.min..=limit.max).contains(number));
        fits.ok_or_else(|| Some(format!("from {} to {}", limit.min, limit.max)))
    }

    /// The same, for places that count in 32 bits; the limit sees to it that it fits.
    pub(super) fn number_u32(&self, key: &'static str, limit: Limit) -> u32 {
        u32::try_from(self.number(key, limit)).unwrap_or(u32::MAX)
    }

    /// The same, for sizes in memory.
    pub(super) fn number_usize(&self, key: &'static str, limit: Limit) -> usize {
        usize::try_from(self.number(key, limit)).unwrap_or(usize::MAX)
    }

    /// Yes or no.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some((_, value)) = self.take(key) else { return default };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_kind(key, value, "true or false");
        }
        flag.unwrap_or(default)
    }

    /// Tells that a key is missing, with a line that would do.
    pub(super) fn missing(&self, key: &str, example: &str) {
        // In a torn file it may stand where nothing can be read.
        if !self.faults.torn() {
            let lacks = if self.holds(key) { "empty" } else { "missing" };
            let fault =
                self.faults.at(self.span(), format!("`{key}` is {lacks} in {}", self.title));
            self.faults.tell(fault.help(format!("add a line like: {example}")));
        }
    }

    /// Done with this table: tells of every key that nobody asked for.
    pub(super) fn end(self) {
        self.unknown();
    }

    /// Tells of every key that nobody asked for.
    pub(super) fn unknown(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if asked.contains(&name) {
                continue;
            }
            let fault =
                self.faults.at(key.span(), format!("unknown key `{name}` in {}", self.title));
            let mut fault = fault.label("nothing reads this");
            let unused = || asked.iter().copied().filter(|known| !self.holds(known));
            fault = match meant(name, unused()).or_else(|| meant(name, asked.iter().copied())) {
                Some(known) => fault.help(format!("did you mean `{known}`?")),
                None => fault.help(format!("{} may have: {}", self.title, asked.join(", "))),
            };
            self.faults.tell(fault);
        }
    }

    fn holds(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.iter().any(|(name, _)| name.get_ref() == key))
    }

    fn take(&self, key: &'static str) -> Option<(Range<usize>, &'t Spanned<DeValue<'t>>)> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        let (name, value) = self.table?.iter().find(|(name, _)| name.get_ref() == key)?;
        Some((name.span(), value))
    }

    fn wrong_kind(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let title = format!("`{key}` in {} is not {wanted}", self.title);
        let label = format!("{}: {wanted} belongs here", article(value.get_ref().type_str()));
        let fault = self.faults.at(value.span(), title).label(label);
        self.faults.tell(match unit(key).filter(|_| wanted == WHOLE) {
            Some(unit) => fault.help(unit),
            None => fault,
        });
    }
}

const WHOLE: &str = "a whole number";

/// What a key counts, where its name says it.
fn unit(key: &str) -> Option<&'static str> {
    let holds = |part| key.split('_').any(|word| word == part);
    match () {
        () if holds("ms") => Some("it is milliseconds: 20000 is 20 s"),
        () if holds("amount") || key == "total_max" => {
            Some("it is minor units: 5000 is 50.00 of a currency with two decimals")
        }
        () => None,
    }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}
