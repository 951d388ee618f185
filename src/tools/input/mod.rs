//! Messages out of whatever people have: digits, base64, a dump, plain bytes, a capture. Knows frames, and no elements.

mod capture;
mod cut;
mod dump;
mod form;
mod packet;
mod streams;
mod text;

use std::io::{self, BufRead, Cursor, Read as _};

use bytes::Bytes;

use crate::framing::{Framing, Head};

pub use form::Form;
pub(super) use text::hex_frame;

/// How an input is to be read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the input is; recognised by its beginning without this.
    pub form: Option<Form>,
    /// How frames are cut; without it, what is found is one message from its MTI on, and TCP streams have frames of two bytes of length.
    pub framing: Option<Framing>,
    /// The TCP port of a capture whose streams are read, on either side.
    pub port: Option<u16>,
    /// Whether what comes first, MTI or length, is ASCII digits: then text may be a plain message.
    pub digits_first: bool,
    /// Whether bytes are handed on as they are, not cut into messages: a line, a dump, a stream of a capture, each from its
    /// beginning as far as [`UNCUT_LEN_MAX`]. A framing is not looked at then.
    pub uncut: bool,
}

/// The most bytes of one piece that is not cut.
pub const UNCUT_LEN_MAX: usize = 1 << 20;

/// One message of an input, or what stands in its place.
#[derive(Debug)]
pub struct Piece {
    /// Where it was found, for people: `line 3`, `byte 17`, `packet 4, 10.0.0.1:40000 > 10.0.0.2:8583`.
    pub place: String,
    /// What preceded it and its bytes from the MTI on; or why there is none.
    pub found: Result<(Head, Bytes), String>,
}

/// Why an input could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file or stream is in trouble.
    #[error("{0}")]
    Read(io::Error),
    /// Whoever gets the pieces is.
    #[error("{0}")]
    Show(io::Error),
    /// It is not what it should be.
    #[error("{place}: {why}\nhelp: {cure}")]
    Bad {
        /// Where: a line, a byte, a packet.
        place: String,
        /// What is wrong.
        why: String,
        /// What to do.
        cure: String,
    },
}

/// Whoever gets the pieces, in the order of the input.
pub type Sink<'a> = dyn FnMut(Piece) -> io::Result<()> + 'a;

/// Finds the messages of an input and hands each on as it is complete; gives the form that it was read as.
///
/// Holds a bounded part of the input in memory.
pub fn read(
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<Form, InputError> {
    if let Some(form) = options.form {
        return read_as(form, input, options, sink).map(|()| form);
    }
    let head = beginning(input).map_err(InputError::Read)?;
    let form = form::recognise(&head, options.digits_first)?;
    read_as(form, &mut Cursor::new(head).chain(input), options, sink).map(|()| form)
}

fn read_as(
    form: Form,
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    let framing = options.framing.as_ref().filter(|_| !options.uncut);
    match form {
        Form::Hex => text::hex(input, framing, sink),
        Form::Base64 => text::base64(input, framing, sink),
        Form::HexDump => dump::read(input, framing, sink),
        Form::Raw if options.uncut => cut::beginning(input, sink),
        Form::Raw => cut::raw(input, framing, sink),
        Form::Pcap => streams::read(input, options, sink),
    }
}

/// The length before each message, `ascii-4` or `binary-2`, if these bytes are frames from their first to their last.
pub fn seems_framed(bytes: &[u8]) -> Option<&'static str> {
    cut::seems_framed(bytes)
}

/// What an input begins with: enough to recognise it, and of lines of digits no more than the first.
fn beginning(input: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while head.len() < BEGINNING_LEN && !text::is_hex_line(&head) {
        let some = input.fill_buf()?;
        let taken = some.len().min(BEGINNING_LEN - head.len());
        if taken == 0 {
            break;
        }
        head.extend_from_slice(some.get(..taken).unwrap_or_default());
        input.consume(taken);
    }
    Ok(head)
}

/// How much of an input is looked at to recognise it.
const BEGINNING_LEN: usize = 4096;

/// What a fuzzer attacks: any bytes are messages or faults, recognised or taken for each form, with and without frames.
#[doc(hidden)]
pub fn fuzz_tools_input(data: &[u8]) {
    let [choice, data @ ..] = data else { return };
    let forms = [Form::Hex, Form::Base64, Form::HexDump, Form::Raw, Form::Pcap];
    let options = Options {
        form: forms.get(usize::from(choice & 7)).copied(),
        framing: (choice & 8 != 0).then(|| Framing::new(crate::framing::Settings::default())),
        port: (choice & 16 != 0).then_some(8583),
        digits_first: choice & 32 != 0,
        uncut: choice & 64 != 0,
    };
    let mut found = 0;
    let read = read(&mut Cursor::new(data), &options, &mut |piece| {
        assert!(!piece.place.is_empty(), "everything has its place");
        found += piece.found.map_or(1, |(_, body)| body.len());
        Ok(())
    });
    if let Err(error) = read {
        assert!(matches!(error, InputError::Bad { .. }), "nothing else can be wrong with bytes");
    }
    // A line of a dump that repeats the one before is the only thing that grows.
    assert!(
        found <= 8 * data.len() + (data.len() / 2 + 1) * dump::MESSAGE_LEN_MAX,
        "no more than went in"
    );
}
