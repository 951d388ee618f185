//! One network's way of writing, as text in the standard's own notation; knows no other network and no message.

mod fault;
mod inside;
mod page;
mod row;
mod rule;
mod step;
mod text;

use crate::iso::{ElementNo, ElementSet, ResponseCode};

pub use fault::Fault;
pub use inside::{Inside, Part, Scheme, TagCoding, Tagged};
pub use page::CodePage;
pub use row::{
    Alphabet, Class, Coding, Content, Counts, Filler, Form, Layout, Length, LengthCoding, Prefix,
    Row,
};
pub use rule::{MtiPattern, Rule};
pub use step::{Lead, Step};

/// A network's way of writing: parsed, checked and flattened once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    name: String,
    version: Version,
    mti: MtiCoding,
    bitmap: BitmapCoding,
    second: Second,
    third: Third,
    contents: Contents,
    echo: ElementSet,
    keeps: ElementSet,
    defined: ElementSet,
    approve: Vec<ResponseCode>,
    accept: Vec<ResponseCode>,
    retry: Vec<ResponseCode>,
    rules: Vec<Rule>,
    rows: Vec<(ElementNo, Row)>,
    insides: Vec<(ElementNo, Inside)>,
    /// By element number; 0 and 1 are never there.
    layouts: [Option<Layout>; ElementNo::MAX as usize + 1],
    /// By bitmap and place in it: element 1 is the first of the first.
    steps: [[Step; 64]; 3],
    /// Those whose values a walk has not seen.
    unseen: ElementSet,
    /// Those whose plain values are longer than they are on the wire.
    packed: ElementSet,
}

/// Which edition of the standard its messages follow: the first digit of their MTI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// ISO 8583:1987.
    Of1987,
    /// ISO 8583:1993.
    Of1993,
    /// ISO 8583:2003.
    Of2003,
}

/// How the four digits of the MTI are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtiCoding {
    /// Four bytes.
    Ascii,
    /// Two bytes.
    Bcd,
    /// Four bytes, the same in all code pages.
    Ebcdic,
}

/// How a bitmap of 64 bits is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitmapCoding {
    /// Eight bytes.
    Binary,
    /// Sixteen hexadecimal digits.
    Hex(Alphabet),
}

/// When the second bitmap is sent, and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// Sent when an element beyond 64 is present; read when the first bit says that it is there.
    AsNeeded,
    /// Always sent; read when the first bit says that it is there.
    Always,
    /// Always sent, and read whatever the first bit says.
    Fixed,
    /// Never: there are no elements beyond 64, and the first bit is an error.
    Never,
}

/// What the first bit of the second bitmap, that of element 65, means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Third {
    /// Nothing: it is an error.
    Refused,
    /// Element 65, an element like others.
    Element,
    /// A third bitmap follows the second, that of elements 129 to 192; sent when one of them is present. There is no element 65.
    Contiguous,
}

/// Whether the values of a message are held against what their rows say they consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// All of them.
    Checked,
    /// Those only that the books add up or that would be read as something else: amounts, currencies, zoned and hexadecimal
    /// digits. The others are taken and passed on as they come; lengths are checked all the same.
    Unchecked,
}

/// The dialects that come with the binary: their names, and with each its text in `specs/`.
macro_rules! shipped {
    ($($name:literal,)*) => {
        const NAMES: &[&str] = &[$($name),*];
        const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../specs/", $name, ".dialect")))),*];
    };
}

shipped![
    "iso87-ascii",
    "iso87-ascii-binary-bitmap",
    "iso87-bcd",
    "iso87-ebcdic",
    "iso87-bcd-left",
    "iso93-ascii",
    "iso93-bcd",
    "iso93-ebcdic",
    "iso2003-binary",
    "ipm-latin1",
    "ipm-cp500",
    "visa-base1-like",
    "mastercard-like",
    "base24-like",
    "postilion-like",
];

impl Dialect {
    /// From the text of a dialect file, or everything that is wrong with it, in the order of lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        text::parse(text)
    }

    /// A dialect that comes with the binary.
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Self::parse(text).ok()
    }

    /// The names of the dialects that come with the binary.
    pub const fn shipped_names() -> &'static [&'static str] {
        NAMES
    }

    /// The text of a dialect that comes with the binary, comments included.
    pub fn shipped_text(name: &str) -> Option<&'static str> {
        SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
    }

    /// Its name, as its file says it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which edition of the standard its messages follow.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// How the MTI is written.
    pub const fn mti(&self) -> MtiCoding {
        self.mti
    }

    /// How bitmaps are written.
    pub const fn bitmap(&self) -> BitmapCoding {
        self.bitmap
    }

    /// When the second bitmap is sent.
    pub const fn second(&self) -> Second {
        self.second
    }

    /// What the first bit of the second bitmap means.
    pub const fn third(&self) -> Third {
        self.third
    }

    /// Whether values are held against what their rows say.
    pub const fn contents(&self) -> Contents {
        self.contents
    }

    /// The elements that a response repeats from its request, where the request has them.
    pub const fn echo(&self) -> ElementSet {
        self.echo
    }

    /// The elements that may be journaled as they are; the PAN is not among them.
    pub const fn keeps(&self) -> ElementSet {
        self.keeps
    }

    /// The elements that a message may have.
    pub const fn defined(&self) -> ElementSet {
        self.defined
    }

    /// Whether this response code approves.
    pub fn approves(&self, code: ResponseCode) -> bool {
        self.approve.contains(&code)
    }

    /// Whether this response code settles an advice or a reversal that was sent.
    pub fn accepts(&self, code: ResponseCode) -> bool {
        self.accept.contains(&code)
    }

    /// Whether an advice or a reversal goes again after this response code.
    pub fn retries(&self, code: ResponseCode) -> bool {
        self.retry.contains(&code)
    }

    /// The response codes that approve, in the order of the file.
    pub fn approve_codes(&self) -> &[ResponseCode] {
        &self.approve
    }

    /// The response codes that settle an advice or a reversal, in the order of the file.
    pub fn accept_codes(&self) -> &[ResponseCode] {
        &self.accept
    }

    /// The response codes after which an advice or a reversal goes again, in the order of the file.
    pub fn retry_codes(&self) -> &[ResponseCode] {
        &self.retry
    }

    /// Whether a response repeats element 7, so that it can be part of what a response is matched by.
    pub const fn echoes_transmission(&self) -> bool {
        self.echo.has(ElementNo::TRANSMISSION)
    }

    /// Whether any byte may stand in a message because of what it says, without a fault of its sender.
    pub fn writes_any_byte(&self) -> bool {
        let any = |layout: &Layout| {
            let packed = matches!(layout.prefix, Prefix::Bcd(_) | Prefix::Binary(_));
            packed || layout.form == Form::Raw || layout.form.is_packed()
        };
        self.mti == MtiCoding::Bcd
            || self.bitmap == BitmapCoding::Binary
            || self.layouts.iter().flatten().any(any)
    }

    /// The elements that both dialects write alike, byte for byte.
    pub fn same_rows(&self, other: &Self) -> ElementSet {
        let both = self.defined.and(other.defined);
        both.iter().filter(|no| self.layout(*no) == other.layout(*no)).collect()
    }

    /// How an element is written, as its file says it.
    pub fn row(&self, no: ElementNo) -> Option<&Row> {
        let at = self.rows.binary_search_by_key(&no, |(no, _)| *no).ok()?;
        self.rows.get(at).map(|(_, row)| row)
    }

    /// What lies within an element, where its file says so.
    pub fn inside(&self, no: ElementNo) -> Option<&Inside> {
        let at = self.insides.binary_search_by_key(&no, |(no, _)| *no).ok()?;
        self.insides.get(at).map(|(_, inside)| inside)
    }

    /// What messages must have and may not have.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How to walk over each element, by bitmap and place in it, for the codec; element 1 is the first of the first.
    #[inline]
    pub const fn steps(&self) -> &[[Step; 64]; 3] {
        &self.steps
    }

    /// The elements whose values are not seen to be right by walking over them, for the codec.
    #[inline]
    pub const fn unseen(&self) -> ElementSet {
        self.unseen
    }

    /// For the codec: the elements whose plain values may be longer than they are on the wire, at most twice as long.
    pub const fn packed(&self) -> ElementSet {
        self.packed
    }

    /// How each element is written, by its number, for the codec; 0 and 1 are never there.
    #[inline]
    pub const fn layouts(&self) -> &[Option<Layout>; ElementNo::MAX as usize + 1] {
        &self.layouts
    }

    /// The rows, in ascending order of the element; 65 is there even where messages may not have it.
    pub fn rows(&self) -> &[(ElementNo, Row)] {
        &self.rows
    }

    /// How an element is written, for the codec; `None` for an element that a message may not have.
    pub fn layout(&self, no: ElementNo) -> Option<Layout> {
        self.layouts.get(usize::from(no.get())).copied().flatten()
    }
}

/// What a fuzzer attacks: any text is a dialect or a list of faults that lie within it.
#[doc(hidden)]
pub fn fuzz_dialect_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Dialect::parse(text) {
        Ok(dialect) => {
            for no in dialect.defined().iter() {
                assert!(dialect.layout(no).is_some() && dialect.row(no).is_some());
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(text.get(fault.offset..fault.offset + fault.len).is_some());
            }
        }
    }
}
