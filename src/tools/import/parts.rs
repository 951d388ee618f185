//! What a packager file says of the inside of an element, as `parts` lines can say it; or why they cannot. Knows no product's notation.

use super::Collected;
use super::fit::{self, Described};
use super::secret;
use crate::dialect::{
    BitmapCoding, Class, Content, Contents, Dialect, Inside, Length, MtiCoding, Part, Row, Scheme,
    Second, Third,
};
use crate::iso::{ElementNo, ElementSet};
use crate::tools::sheet::Sheet;

/// How many parts a file may describe: each is compared with the others.
pub(super) const PARTS_MAX: usize = 4000;

/// How many remarks are made on the parts of one element.
const REMARKS_MAX: usize = 20;

/// How many keys a path to a part may have.
const DEPTH_MAX: usize = 3;

/// The parts of one element, while they are read.
pub(super) struct Divider<'c> {
    /// What may become of them, where nobody says more.
    class: Class,
    /// What ISO 8583:1987 has within the element.
    base: Option<&'c Inside>,
    /// How many more parts are read of this file.
    left: usize,
    /// What to look at: the path of a part, and what.
    notes: Vec<(String, String)>,
}

/// The path of a part, if a dialect's paths reach so deep.
pub(super) fn deeper(holder: &str, key: &str) -> Result<String, String> {
    if holder.split('.').count() <= DEPTH_MAX {
        return Ok(format!("{holder}.{key}"));
    }
    Err(format!("parts of {holder} would lie deeper than {DEPTH_MAX} keys"))
}

impl Divider<'_> {
    /// A part as a dialect has it.
    pub(super) fn part(&mut self, path: &str, described: &Described<'_>) -> Result<Part, String> {
        let mut part = self.plain(path, described)?;
        if let Some(what) = secret::spoken(described.name, described.max) {
            self.hide(path, &mut part, fit::speaks_of(what));
        }
        Ok(part)
    }

    /// That secrets lie within a part, in what has a row or not: shown whole, the part would show them.
    pub(super) fn cover(&mut self, path: &str, part: &mut Part, what: Option<&str>) {
        if let Some(what) = what {
            self.hide(path, part, holds(what));
        }
    }

    fn hide(&mut self, path: &str, part: &mut Part, why: String) {
        if matches!(part.row.class, Class::Keep | Class::Unkept) {
            part.row.class = Class::Sensitive;
            self.note(path, why);
        }
    }

    /// A part of the class that all parts here have.
    fn plain(&mut self, path: &str, described: &Described<'_>) -> Result<Part, String> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            format!("the file describes more than {PARTS_MAX} sub-elements, which no packager does")
        })?;
        let key = path.rsplit_once('.').map_or(path, |(_, key)| key);
        let (mut row, notes) =
            fit::part(path, described).map_err(|why| format!("{path}: {why}"))?;
        row.class = self.class;
        self.notes.extend(notes.into_iter().map(|note| (path.to_owned(), note)));
        Ok(Part { key: key.to_owned(), row, inside: None })
    }

    /// Something to look at.
    pub(super) fn note(&mut self, path: &str, what: String) {
        self.notes.push((path.to_owned(), what));
    }

    /// The parts of ICC data mean the same in every file.
    pub(super) fn objects(&self) -> Vec<Part> {
        self.base
            .filter(|inside| inside.scheme == Scheme::Ber)
            .map_or(Vec::new(), |inside| inside.parts.clone())
    }

    /// What is known of the object of ICC data to which a path leads.
    pub(super) fn known(&self, path: &str) -> Option<Part> {
        let known = self.base.filter(|inside| inside.scheme == Scheme::Ber)?;
        let (holder, key) = path.rsplit_once('.')?;
        let is_outermost = !holder.contains('.');
        known.part(key).filter(|_| is_outermost).cloned()
    }

    /// An object of ICC data. Its tag means the same in every file; any other part is no less secret than its element.
    pub(super) fn object(&mut self, path: &str, described: &Described<'_>) -> Result<Part, String> {
        let Some(known) = self.known(path) else { return self.part(path, described) };
        let mut part = self.plain(path, described)?;
        // Only digits are shown as a card number is.
        let is_card = part.row.content == Content::Digits && part.row.max <= 19;
        part.row.class = match known.row.class {
            Class::Pan if !is_card => Class::Sensitive,
            class => class,
        };
        Ok(part)
    }
}

/// What is said of what holds a secret.
fn holds(what: &str) -> String {
    format!("{what} lies within it, so its class is `sensitive`, too: it is shown whole")
}

/// How many parts, as the subject of a sentence on what is not done with them.
fn none_of(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "its sub-element is not taken over, ".to_owned(),
        _ => format!("its {count} sub-elements are not taken over, "),
    }
}

/// What may not be shown among parts that have rows.
fn secret_of(inside: &Inside) -> Option<&'static str> {
    inside.parts.iter().find_map(|part| match part.row.class {
        Class::Pan => Some("a card number"),
        Class::Sensitive => Some("what may not be shown"),
        Class::Keep | Class::Unkept => part.inside.as_ref().and_then(secret_of),
    })
}

/// That parts of fixed lengths do not fill an element of a fixed length.
fn unfilled(row: &Row, inside: &Inside) -> Option<String> {
    if inside.scheme != (Scheme::Positional { repeated: false }) || row.length != Length::Fixed {
        return None;
    }
    let lengths = inside.parts.iter().map(|part| {
        let layout = part.row.layout().filter(|_| part.row.length == Length::Fixed)?;
        Some(usize::from(layout.wire))
    });
    let together: usize = lengths.sum::<Option<usize>>()?;
    (together != usize::from(row.max)).then(|| {
        format!("its parts are {together} long together, and it is {}: ask which is right", row.max)
    })
}

impl Collected<'_> {
    /// Gives an element that has its row what lies within; or says why it is one value. It has `count` parts, and their names
    /// speak of `secret`.
    pub(super) fn divide(
        &mut self,
        no: ElementNo,
        at: usize,
        (count, secret): (usize, Option<&'static str>),
        read: impl FnOnce(&mut Divider<'_>, &str) -> Result<Inside, String>,
    ) {
        let Some(row) = self.rows.get_mut(&no) else { return };
        let mut divider = Divider {
            class: row.class,
            base: self.base.inside(no),
            left: self.parts_left,
            notes: Vec::new(),
        };
        let made = if row.class == Class::Pan {
            Err("a card number is sealed as a whole".to_owned())
        } else {
            read(&mut divider, &no.to_string())
        };
        let mut own = Vec::new();
        let secret = secret.or_else(|| made.as_ref().ok().and_then(secret_of));
        if let (Some(what), Class::Keep | Class::Unkept) = (secret, row.class) {
            row.class = Class::Sensitive;
            own.push(holds(what));
        }
        let made = made.and_then(|inside| sound(&self.base, no, row, inside));
        self.parts_left = divider.left;
        let notes = divider.notes;
        match made {
            Ok(inside) => {
                own.extend(unfilled(row, &inside));
                let more = notes.len().saturating_sub(REMARKS_MAX);
                for (path, note) in notes.into_iter().take(REMARKS_MAX) {
                    self.remark(at, &format!("element {path}"), &note);
                }
                if 0 < more {
                    own.push(format!("{more} more remarks on its parts"));
                }
                self.insides.insert(no, inside);
            }
            Err(why) => own.push(format!("{}it is one value: {why}", none_of(count))),
        }
        for note in own {
            self.remark(at, &format!("element {no}"), &note);
        }
    }
}

/// An inside that a dialect's text can have: written and read again, alone with its element.
fn sound(base: &Dialect, no: ElementNo, row: &Row, inside: Inside) -> Result<Inside, String> {
    let sheet = Sheet {
        remarks: Vec::new(),
        name: "parts".to_owned(),
        mti: MtiCoding::Ascii,
        bitmap: BitmapCoding::Binary,
        version: base.version(),
        second: Second::AsNeeded,
        third: if 128 < no.get() { Third::Contiguous } else { Third::Element },
        contents: Contents::Checked,
        echo: [no].into_iter().collect::<ElementSet>(),
        approve: base.approve_codes().to_vec(),
        accept: base.accept_codes().to_vec(),
        retry: base.retry_codes().to_vec(),
        rules: Vec::new(),
        rows: vec![(no, row.clone())],
        insides: vec![(no, inside.clone())],
    };
    match Dialect::parse(&sheet.to_string()) {
        Ok(_) => Ok(inside),
        Err(faults) => Err(faults.first().map_or_else(String::new, |fault| fault.message.clone())),
    }
}
