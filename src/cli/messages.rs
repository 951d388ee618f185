//! `decode` and `encode`: lines in, lines out.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Cursor, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::peer::{Frames, dialect};
use super::{Failure, colours, say};
use crate::dialect::{Dialect, MtiCoding};
use crate::framing::Framing;
use crate::tools::input::{self, Form, InputError, Options};
use crate::tools::{self, Line, Show, Style};

/// Show messages.
#[derive(Args)]
pub(super) struct Decode {
    #[command(flatten)]
    lines: Lines,
    /// What the input is; recognised by its beginning without this
    #[arg(long, value_enum)]
    input: Option<Input>,
    /// Of a capture, the TCP port on either side whose streams are messages; cut by --framing, else by two bytes of length
    #[arg(long)]
    port: Option<u16>,
    /// Tell each message to people: every element with its offset, bytes, coding and meaning; a caret below the first wrong byte
    #[arg(long)]
    explain: bool,
    /// Show what lies within elements, too, where the dialect says it; with --explain it is told anyway
    #[arg(long)]
    parts: bool,
    /// Show card numbers, tracks and PIN blocks in clear
    #[arg(long)]
    unmask: bool,
}

/// How messages are given.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Input {
    /// A message a line, hexadecimal digits
    Hex,
    /// A message a line
    Base64,
    /// As xxd, hexdump -C, tcpdump -X and Wireshark show bytes; a blank line or offset 0 begins a message
    Hexdump,
    /// The bytes themselves: one message, or with --framing a stream of frames
    Raw,
    /// A capture, pcap or pcapng
    Pcap,
}

/// Write messages.
#[derive(Args)]
pub(super) struct Encode {
    #[command(flatten)]
    lines: Lines,
}

/// Where the lines come from, and how messages are written.
#[derive(Args)]
struct Lines {
    /// A shipped dialect (iso87-ascii, iso87-bcd, iso93-ascii and others), or a file with a `/` or a `.` in its name
    #[arg(long, default_value = "iso87-ascii")]
    dialect: String,
    #[command(flatten)]
    frames: Frames,
    /// Files to read; stdin without any
    files: Vec<PathBuf>,
}

impl Decode {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let dialect = dialect(&self.lines.dialect)?;
        let options =
            options(self.input, self.lines.frames.framing(&dialect)?, self.port, &dialect);
        let style = Style { unmask: self.unmask, colours: colours(&io::stdout()) };
        let mut out = BufWriter::new(io::stdout().lock());
        let (mut all, mut bad, mut what) = (0_u64, 0_u64, "lines");
        let mut framed = None;
        for (name, mut input) in self.lines.inputs()? {
            let show = Show { unmask: self.unmask, parts: self.parts };
            let mut each = |piece: input::Piece| {
                let bytes = piece.found.as_ref().ok().map(|(_, bytes)| bytes.clone());
                let bytes = bytes.filter(|_| options.framing.is_none());
                let line = if self.explain {
                    tools::explain(&dialect, &piece.place, piece.found, style)
                } else {
                    tools::decode_piece(&dialect, piece.found, show)
                };
                all += 1;
                bad += u64::from(!line.ok);
                if let (false, None, Some(bytes)) = (line.ok, framed, bytes) {
                    framed = input::seems_framed(&bytes);
                }
                writeln!(out, "{}", line.text)
            };
            let form = input::read(&mut input, &options, &mut each)
                .map_err(|error| unreadable(name, error))?;
            if form != Form::Hex {
                what = "messages";
            }
        }
        out.flush().map_err(Failure::io("stdout"))?;
        if let Some(length) = framed {
            say(&format!(
                "help: before the message stands its length: add --length {length}; `iso8583d doctor` finds what else is around it"
            ));
        }
        if bad == 0 { Ok(()) } else { Err(Failure::Data { bad, all, what }) }
    }
}

/// What went wrong with an input of this name.
pub(super) fn unreadable(name: String, error: InputError) -> Failure {
    match error {
        InputError::Read(source) => Failure::Io { what: name, source },
        InputError::Show(source) => Failure::Io { what: String::from("stdout"), source },
        error @ InputError::Bad { .. } => Failure::Input(format!("{name}: {error}")),
    }
}

/// How messages are looked for.
pub(super) fn options(
    input: Option<Input>,
    framing: Option<Framing>,
    port: Option<u16>,
    dialect: &Dialect,
) -> Options {
    let text = dialect.mti() == MtiCoding::Ascii;
    let digits_first = framing.as_ref().map_or(text, |framing| {
        let framing = framing.settings();
        let bare = framing.length.is_none() && framing.header.is_empty();
        framing.prefix.is_empty() && (framing.length.is_ascii() || bare && text)
    });
    Options { form: input.map(Form::from), framing, port, digits_first, uncut: false }
}

impl From<Input> for Form {
    fn from(input: Input) -> Self {
        match input {
            Input::Hex => Self::Hex,
            Input::Base64 => Self::Base64,
            Input::Hexdump => Self::HexDump,
            Input::Raw => Self::Raw,
            Input::Pcap => Self::Pcap,
        }
    }
}

impl Encode {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let dialect = dialect(&self.lines.dialect)?;
        let framing = self.lines.frames.framing(&dialect)?;
        let mut number = 0_u64;
        self.lines.each(|line, out| {
            number += 1;
            let Line { ok, text } = tools::encode_line(&dialect, framing.as_ref(), line);
            if ok {
                writeln!(out, "{text}")?;
            } else {
                say(&format!("message {number}: {text}"));
            }
            Ok(ok)
        })
    }
}

impl Lines {
    /// Every line that is not blank, of every file; fails at the end when some were bad.
    fn each(
        &self,
        mut show: impl FnMut(&str, &mut dyn Write) -> io::Result<bool>,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        let (mut all, mut bad) = (0_u64, 0_u64);
        for (name, input) in self.inputs()? {
            for line in input.lines() {
                let line = line.map_err(Failure::io(name.clone()))?;
                if line.trim().is_empty() {
                    continue;
                }
                all += 1;
                bad += u64::from(!show(&line, &mut out).map_err(Failure::io("stdout"))?);
            }
        }
        out.flush().map_err(Failure::io("stdout"))?;
        if bad == 0 { Ok(()) } else { Err(Failure::Data { bad, all, what: "lines" }) }
    }

    fn inputs(&self) -> Result<Vec<Source>, Failure> {
        sources(&self.files)
    }
}

/// Each file, or stdin where there is none.
pub(super) fn sources(files: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    if files.is_empty() {
        return Ok(vec![(String::from("stdin"), Box::new(BufReader::new(io::stdin())))]);
    }
    let open = |path: &PathBuf| -> Result<Source, Failure> {
        let file = File::open(path).map_err(|source| unopened(path, source))?;
        Ok((path.display().to_string(), Box::new(BufReader::new(file))))
    };
    files.iter().map(open).collect()
}

/// One message as it is given on the command line: a file, `-` for stdin, or the message itself; `what` is what it is called.
pub(super) fn one_input(given: &str, what: &str) -> Result<Source, Failure> {
    Ok(match given {
        "-" => (format!("{what}, stdin"), Box::new(BufReader::new(io::stdin()))),
        // Pipes are files, too: a shell gives one for `<(...)`.
        file if Path::new(file).metadata().is_ok_and(|found| !found.is_dir()) => {
            let name = format!("{what}, {file}");
            let file = File::open(file).map_err(Failure::io(name.clone()))?;
            (name, Box::new(BufReader::new(file)))
        }
        // A literal may be a secret: it is not shown.
        literal => (what.to_owned(), Box::new(Cursor::new(literal.to_owned()))),
    })
}

/// A file that cannot be opened may be a message that was given in place of one: that is not shown.
fn unopened(path: &Path, source: io::Error) -> Failure {
    let text = path.to_string_lossy();
    if is_message(&text) && !path.parent().is_some_and(Path::is_dir) {
        return Failure::Usage(String::from(
            "no such file, and it looks like a message\n\
             help: files are named here; a message is given on standard input, e.g. echo 0800... | iso8583d decode",
        ));
    }
    Failure::Io { what: shown(&text), source }
}

/// Whether an argument may be a message: digits of the one or the other kind, or JSON.
fn is_message(text: &str) -> bool {
    let only = |good: fn(char) -> bool| text.chars().all(|c| good(c) || c.is_whitespace());
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    text.trim_start().starts_with('{')
        || 12 <= text.len() && only(|c| c.is_ascii_hexdigit())
        || 24 <= text.len() && only(base64)
}

/// A name as far as it is one: without its digits when they may be a card number's, and not too long.
fn shown(name: &str) -> String {
    const LEN_MAX: usize = 120;
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let masked = |c: char| if 12 <= digits && c.is_ascii_digit() { '*' } else { c };
    let mut shown: String = name.chars().take(LEN_MAX).map(masked).collect();
    if LEN_MAX < name.chars().count() {
        shown.push_str("...");
    }
    shown
}

/// What lines are read from, and what people call it.
pub(super) type Source = (String, Box<dyn BufRead>);
