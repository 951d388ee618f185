//! A street to test the real binary on: a switch on a directory of its own, peers on plain sockets.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use iso8583d::codec::{self, Draft, Message};
use iso8583d::daemon::caller::{self, ControlError};
use iso8583d::daemon::control;
use iso8583d::dialect::Dialect;
use iso8583d::framing::{Framing, Head, Length, Settings, Tpdu};
use iso8583d::iso::{ElementNo, Elements, Mti};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::codec::Decoder as _;

/// Longer than anything here takes; what takes longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A switch that runs, and everything around it.
pub(crate) struct Street {
    home: TempDir,
    daemon: Option<Child>,
    /// Where the issuer listens, whether or not it is there.
    issuer_port: u16,
}

/// One end of a connection, speaking a dialect.
pub(crate) struct Peer {
    socket: Box<dyn Wire>,
    framing: Framing,
    dialect: Arc<Dialect>,
    incoming: BytesMut,
}

/// What a peer speaks over.
pub(crate) trait Wire: Read + Write {
    /// Ends the connection at once.
    fn end(&self);
}

impl Wire for TcpStream {
    fn end(&self) {
        self.shutdown(Shutdown::Both).unwrap();
    }
}

impl Street {
    /// A configuration with two askers, `pos` (BCD, with a TPDU) and `host` (ASCII), and an issuer that is dialled.
    /// `more` is added to the issuer's link.
    pub(crate) fn new(more: &str) -> Self {
        Self::with("", more)
    }

    /// The same, with more in `[daemon]` too.
    pub(crate) fn with(daemon: &str, more: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        // Bound and let go: nobody else is given this port while the test runs.
        let issuer_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let key = home.path().join("pan.key");
        fs::write(&key, "5a".repeat(32)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            r#"
[daemon]
state = "state"
key = "file:pan.key"
console = "127.0.0.1:0"
drain_ms_max = 10000
{daemon}

[links.pos]
role = "asker"
listen = "127.0.0.1:0"
dialect = "iso87-bcd"
tpdu = "6000010000"
frame_ms_max = 500

[links.host]
role = "asker"
listen = "127.0.0.1:0"
dialect = "iso87-ascii"
length = "ascii-4"

[links.bank]
role = "issuer"
dial = ["127.0.0.1:{issuer_port}"]
dialect = "iso87-ascii-binary-bitmap"
{more}

[[routes]]
bin = "541333"
to = ["bank"]
"#
        );
        fs::write(home.path().join("c.toml"), text).unwrap();
        Self { home, daemon: None, issuer_port }
    }

    /// Adds lines to the configuration, for the next start.
    pub(crate) fn add(&self, lines: &str) {
        let path = self.home.path().join("c.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{text}{lines}")).unwrap();
    }

    /// A file beside the configuration that only its owner may read.
    pub(crate) fn keep(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Where a file beside the configuration lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Changes the configuration.
    pub(crate) fn configure(&self, change: impl FnOnce(String) -> String) {
        let path = self.home.path().join("c.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, change(text)).unwrap();
    }

    /// What `check` says of the configuration: its exit code, and the text.
    pub(crate) fn check(&self) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
            .arg("check")
            .arg(self.home.path().join("c.toml"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Starts the switch, and waits until it answers commands.
    pub(crate) fn start(&mut self) {
        self.daemon = Some(self.spawn());
        self.is_up();
    }

    /// Starts the switch on a disk that takes no file of more than a mebibyte or two.
    pub(crate) fn start_on_small_disk(&mut self) {
        self.start_limited("trap '' XFSZ; ulimit -f 2048");
    }

    /// Starts the switch where a shell has set limits.
    pub(crate) fn start_limited(&mut self, limits: &str) {
        let limited = format!("{limits}; exec \"$0\" run \"$1\"");
        let daemon = Command::new("sh")
            .args(["-c", &limited, env!("CARGO_BIN_EXE_iso8583d")])
            .arg(self.home.path().join("c.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        self.is_up();
    }

    fn is_up(&self) {
        self.wait(|street| caller::ask(&street.state(), &control::Command::Links).ok());
    }

    /// Starts a switch on this street's directory, and does not wait.
    pub(crate) fn spawn(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_iso8583d"))
            .arg("run")
            .arg(self.home.path().join("c.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts a switch that is to end by itself: its exit code, if no signal ended it, and what it said.
    pub(crate) fn start_and_end(&mut self) -> (Option<i32>, String) {
        let mut daemon = self.spawn();
        let began = Instant::now();
        while daemon.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        let ended = daemon.try_wait().unwrap().is_some();
        self.daemon = Some(daemon);
        assert!(ended, "the switch goes on");
        self.ended()
    }

    /// Asks again and again until there is something.
    pub(crate) fn wait<T>(&self, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "waited for too long");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    pub(crate) fn ask(&self, command: &control::Command) -> Result<Vec<Value>, ControlError> {
        caller::ask(&self.state(), command)
    }

    /// The operator's list of what is owed: each line's list.
    pub(crate) fn lists(&self) -> Vec<String> {
        let lines = self.ask(&control::Command::Owed { limit: 1000 }).unwrap();
        lines.iter().filter_map(|line| Some(line.get("list")?.as_str()?.to_owned())).collect()
    }

    /// How many descriptors the switch has open.
    pub(crate) fn descriptors(&self) -> usize {
        let pid = self.daemon.as_ref().unwrap().id();
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
    }

    /// The limits of the switch's process, as its kernel tells them.
    pub(crate) fn limits(&self) -> String {
        let pid = self.daemon.as_ref().unwrap().id();
        fs::read_to_string(format!("/proc/{pid}/limits")).unwrap()
    }

    /// What a command says about this street's directory: stdout and stderr.
    pub(crate) fn command(&self, arguments: &[&str]) -> (String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
            .args(arguments)
            .arg("--state")
            .arg(self.state())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    }

    /// Sends a signal to the switch.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.daemon.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for the switch's end: its exit code, if it was not killed, and what it said.
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let output = self.daemon.take().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// A terminal, or a host, at a link's door.
    pub(crate) fn asker(&self, link: &str) -> Peer {
        Self::asker_at(&self.door(link), link)
    }

    /// The same, speaking a dialect that does not come with the program.
    pub(crate) fn asker_speaking(&self, link: &str, dialect: Dialect) -> Peer {
        self.asker_framed(link, dialect, Settings::default())
    }

    /// The same, in frames of its own.
    pub(crate) fn asker_framed(&self, link: &str, dialect: Dialect, settings: Settings) -> Peer {
        let socket = TcpStream::connect(self.door(link)).unwrap();
        Peer::speaking(socket, dialect, settings)
    }

    /// Makes a dialect of a packager file, beside the configuration.
    pub(crate) fn import(&self, product: &str, packager: &str, dialect: &str) {
        let packager = format!("{}/tests/packagers/{packager}", env!("CARGO_MANIFEST_DIR"));
        let made = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
            .args(["dialect", "import", product, &packager, "--output"])
            .arg(self.home.path().join(dialect))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Where a link listens.
    pub(crate) fn door(&self, link: &str) -> String {
        let lines = self.ask(&control::Command::Links).unwrap();
        let line = lines.iter().find(|line| line["link"] == link).unwrap();
        line["listen"].as_str().unwrap().to_owned()
    }

    /// The same, where the switch need not be asked for its door.
    pub(crate) fn asker_at(door: &str, link: &str) -> Peer {
        let socket = TcpStream::connect(door).unwrap();
        let (name, settings) = Self::spoken(link);
        Peer::new(socket, name, settings)
    }

    /// How a link of this street writes.
    fn spoken(link: &str) -> (&'static str, Settings) {
        let (name, length) = match link {
            "pos" => ("iso87-bcd", Length::BINARY_2),
            _ => ("iso87-ascii", Length::ASCII_4),
        };
        let tpdu = || Head::tpdu(Tpdu::from_text("6000010000").unwrap());
        let header = if link == "pos" { tpdu() } else { Head::NONE };
        (name, Settings { length, header, ..Settings::default() })
    }

    /// The same over something else than a socket alone.
    pub(crate) fn asker_over(wire: Box<dyn Wire>, link: &str) -> Peer {
        let (name, settings) = Self::spoken(link);
        Peer::over(wire, Dialect::shipped(name).unwrap(), settings)
    }

    /// Where the switch dials its issuer; it has to be accepted before the switch gives up.
    pub(crate) fn bank(&self) -> TcpListener {
        self.wait(|street| TcpListener::bind(("127.0.0.1", street.issuer_port)).ok())
    }

    /// The issuer, once the switch has called it.
    pub(crate) fn issuer(&self, bank: &TcpListener) -> Peer {
        let (socket, _) = bank.accept().unwrap();
        // The kernel accepts before the switch knows.
        let near = socket.local_addr().unwrap().to_string();
        self.wait(|street| {
            let lines = caller::ask(&street.state(), &control::Command::Links).ok()?;
            let line = lines.iter().find(|line| line["link"] == "bank")?;
            let mut sessions = line["sessions"].as_array()?.iter();
            let session = sessions.find(|session| session["peer"] == *near)?;
            // Who keeps the sockets knows of it first, the engine a moment later, and a link without a sign-on is signed on
            // a moment after that; until then its cards hear 91.
            (!session["state"].is_null() && session["state"] != "connected").then_some(())
        });
        Peer::new(socket, "iso87-ascii-binary-bitmap", Settings::default())
    }

    pub(crate) fn console_address(&self) -> String {
        let lines = self.ask(&control::Command::Links).unwrap();
        lines.last().unwrap()["console"].as_str().unwrap().to_owned()
    }

    /// The business date in force, as the journal says.
    pub(crate) fn today(&self) -> String {
        let journal = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
            .args(["journal", "export", "--state"])
            .arg(self.state())
            .output()
            .unwrap();
        let text = String::from_utf8(journal.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut dates = lines.filter_map(|line| Some(line.get("date")?.as_str()?.to_owned()));
        dates.next_back().unwrap()
    }

    /// What the operator's window says.
    pub(crate) fn console(address: &str, path: &str) -> String {
        let mut socket = TcpStream::connect(address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[expect(clippy::print_stdout, reason = "a test that failed shows what the switch said")]
impl Drop for Street {
    fn drop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        // It may have ended by itself.
        daemon.kill().ok();
        let output = daemon.wait_with_output();
        if thread::panicking() {
            let said = output.map(|output| output.stderr).unwrap_or_default();
            println!("the switch said:\n{}", String::from_utf8_lossy(&said));
        }
    }
}

impl Peer {
    /// An issuer that the switch has called, as `bank` speaks.
    pub(crate) fn plain(socket: TcpStream) -> Self {
        Self::new(socket, "iso87-ascii-binary-bitmap", Settings::default())
    }

    /// The same, with a bitmap in digits.
    pub(crate) fn ascii(socket: TcpStream) -> Self {
        Self::new(socket, "iso87-ascii", Settings::default())
    }

    fn new(socket: TcpStream, dialect: &str, settings: Settings) -> Self {
        Self::speaking(socket, Dialect::shipped(dialect).unwrap(), settings)
    }

    fn speaking(socket: TcpStream, dialect: Dialect, settings: Settings) -> Self {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(Box::new(socket), dialect, settings)
    }

    pub(crate) fn over(socket: Box<dyn Wire>, dialect: Dialect, settings: Settings) -> Self {
        let dialect = Arc::new(dialect);
        Self { socket, framing: Framing::new(settings), dialect, incoming: BytesMut::new() }
    }

    pub(crate) fn send(&mut self, mti: u16, elements: &Elements) {
        self.send_body(&written(&self.dialect, mti, elements));
    }

    /// Bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// A frame around a body that need not be a message.
    pub(crate) fn send_body(&mut self, body: &[u8]) {
        let mut out = BytesMut::new();
        self.framing.put(self.framing.head(), body, &mut out).unwrap();
        self.socket.write_all(&out).unwrap();
    }

    /// The next message; none when the switch has closed the connection.
    pub(crate) fn hear(&mut self) -> Option<(Message, Head)> {
        loop {
            if let Some(frame) = self.framing.decode(&mut self.incoming).unwrap() {
                return Some((self.decode(frame.body), frame.head));
            }
            let mut piece = [0; 4096];
            match self.socket.read(&mut piece) {
                Ok(0) => return None,
                Ok(len) => self.incoming.extend_from_slice(&piece[..len]),
                Err(fault) if fault.kind() == ErrorKind::ConnectionReset => return None,
                // An end of TLS without a word.
                Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => return None,
                Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
                Err(fault) => panic!("nothing came: {fault}"),
            }
        }
    }

    fn decode(&self, body: Bytes) -> Message {
        codec::decode(&self.dialect, body).unwrap()
    }

    /// The next message's MTI and elements.
    pub(crate) fn heard(&mut self) -> (u16, Elements) {
        let (message, _) = self.hear().expect("the switch hung up");
        (message.mti().number(), message.elements(message.present()))
    }

    /// Answers a message with a code, and what an answer echoes.
    pub(crate) fn answer(&mut self, mti: u16, request: &Elements, code: &str) {
        let mut elements = request.clone();
        for no in [35, 45, 52, 55] {
            elements.remove(no_of(no));
        }
        elements.set(no_of(39), code.as_bytes());
        if code == "00" {
            elements.set(no_of(38), b"A1B2C3");
        }
        self.send(mti, &elements);
    }

    /// Ends the connection at once.
    pub(crate) fn hang_up(self) {
        self.socket.end();
    }
}

/// A message's bytes, without anything around them.
pub(crate) fn written(dialect: &Dialect, mti: u16, elements: &Elements) -> Vec<u8> {
    let mti = Mti::from_ascii(format!("{mti:04}").as_bytes()).unwrap();
    let mut body = Vec::new();
    Draft { mti, own: elements, copied: None }.encode(dialect, &mut body).unwrap();
    body
}

pub(crate) fn no_of(no: u8) -> ElementNo {
    ElementNo::new(no).unwrap()
}

pub(crate) fn text(elements: &Elements, no: u8) -> String {
    String::from_utf8(elements.get(no_of(no)).unwrap_or_default().to_vec()).unwrap()
}

/// A purchase, by its trace number.
pub(crate) fn purchase(stan: u32) -> Elements {
    let mut elements = Elements::default();
    for (no, value) in [
        (2, "5413330000004111"),
        (3, "000000"),
        (4, "000000001250"),
        (7, "1123184000"),
        (11, &*format!("{stan:06}")),
        (12, "184000"),
        (13, "1123"),
        (14, "2812"),
        (18, "5411"),
        (22, "051"),
        (25, "00"),
        (32, "12345678901"),
        (37, "000000000001"),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (43, "CORNER SHOP             GENT          BE"),
        (49, "978"),
    ] {
        elements.set(no_of(no), value.as_bytes());
    }
    elements
}
