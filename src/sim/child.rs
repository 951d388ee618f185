//! A switch of our own: a fresh directory with a key and a configuration, and the process that runs
//! on it. Knows the daemon only by its command line.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::SimError;

/// What the switch is to be.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Its links.
    pub links: Vec<Link>,
    /// BIN prefixes or ranges, and the links that own them in order of preference.
    pub routes: Vec<(String, Vec<String>)>,
    /// Its worker threads.
    pub workers: u32,
    /// Further lines of configuration: of `[daemon]`, then whole tables.
    pub more: String,
}

/// One link of the switch.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// `asker` or `issuer`.
    pub role: &'static str,
    /// Where the switch listens, or whom it dials.
    pub place: LinkPlace,
    /// A shipped dialect's name.
    pub dialect: String,
    /// `binary-2` or `ascii-4`.
    pub length: &'static str,
    /// Further lines of configuration.
    pub more: String,
}

/// Which way a link's connections are made, seen from the switch.
#[derive(Clone, Copy, Debug)]
pub enum LinkPlace {
    /// It listens there.
    Listens(SocketAddr),
    /// It dials, with this many sessions.
    Dials(SocketAddr, u32),
}

/// A directory with all that a switch needs, and its process when it runs.
#[derive(Debug)]
pub struct Switch {
    program: PathBuf,
    directory: PathBuf,
    child: Option<Child>,
    kept: bool,
}

impl Switch {
    /// Makes a fresh directory below `parent`, with a key of its own; starts nothing.
    pub fn prepare(program: PathBuf, parent: &Path) -> Result<Self, SimError> {
        let directory = fresh_directory(&absolute(parent)?)?;
        Self::with_key(program, directory)
    }

    /// The same in a directory of this name, which is made, or empty.
    pub fn prepare_in(program: PathBuf, directory: &Path) -> Result<Self, SimError> {
        let directory = absolute(directory)?;
        let fault = |source| SimError::File { path: directory.clone(), source };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        let entry = made.and_then(|()| fs::read_dir(&directory)).map_err(fault)?.next();
        if entry.is_some() {
            return Err(fault(std::io::ErrorKind::DirectoryNotEmpty.into()));
        }
        Self::with_key(program, directory)
    }

    fn with_key(program: PathBuf, directory: PathBuf) -> Result<Self, SimError> {
        let switch = Self { program, directory, child: None, kept: true };
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| SimError::System {
            what: "random bytes for a key",
            source: std::io::Error::other(error.to_string()),
        })?;
        let mut digits = String::with_capacity(64);
        for byte in key {
            // Writing to a string does not fail.
            write!(digits, "{byte:02x}").unwrap_or_default();
        }
        switch.write("pan.key", 0o600, &digits)?;
        Ok(switch)
    }

    /// Writes the configuration; once.
    pub fn configure(&self, plan: &Plan) -> Result<(), SimError> {
        self.write("iso8583d.toml", 0o644, &plan.text(&self.directory))
    }

    /// Whether the directory stays when this is dropped; it does without this.
    pub const fn keep(&mut self, kept: bool) {
        self.kept = kept;
    }

    /// Where everything lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The program that runs.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.directory.join("iso8583d.toml")
    }

    /// Its state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// What the process says.
    pub fn log(&self) -> PathBuf {
        self.directory.join("switch.log")
    }

    /// The process.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the process; its standard error goes to the log.
    pub fn start(&mut self) -> Result<(), SimError> {
        let path = self.log();
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| SimError::File { path, source })?;
        let child = Command::new(&self.program)
            .arg("run")
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C at the terminal is for us; the switch is told by us.
            .process_group(0)
            .spawn()
            .map_err(|source| SimError::System { what: "starting the switch", source })?;
        self.child = Some(child);
        Ok(())
    }

    /// Whether the process has ended by itself.
    pub fn ended(&mut self) -> bool {
        match self.child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => false,
            None | Some(Ok(Some(_)) | Err(_)) => true,
        }
    }

    /// SIGKILL: no warning, no last words.
    pub fn kill(&mut self) -> Result<(), SimError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let done = child.kill().and_then(|()| child.wait());
        done.map(drop).map_err(|source| SimError::System { what: "killing the switch", source })
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(&mut self) -> Result<Option<ExitStatus>, SimError> {
        let Some(mut child) = self.child.take() else { return Ok(None) };
        let asked = rustix::process::kill_process(Pid::from_child(&child), Signal::TERM);
        let done = asked.map_err(std::io::Error::from).and_then(|()| child.wait());
        done.map(Some).map_err(|source| SimError::System { what: "stopping the switch", source })
    }

    /// Runs another command of the same program and waits for it.
    pub fn command(&self, arguments: &[OsString]) -> Result<Output, SimError> {
        Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| SimError::System { what: "running a command of ours", source })
    }

    /// The lines that a command of ours answers about this switch.
    pub fn ask(&self, command: &[&str]) -> Result<Vec<Value>, SimError> {
        let mut arguments: Vec<OsString> = command.iter().map(OsString::from).collect();
        arguments.extend([OsString::from("--state"), self.state().into_os_string()]);
        let output = self.command(&arguments)?;
        let lines = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let source = std::io::Error::other(said.trim().to_owned());
            return Err(SimError::System { what: "asking the switch", source });
        }
        Ok(lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// How much is owed to issuers, given up or an orphan. Approvals that may not have been heard are no debts.
    pub fn debts(&self) -> Result<usize, SimError> {
        let lines = self.ask(&["ctl", "owed"])?;
        let list = |line: &Value| line.get("list").and_then(Value::as_str).map(str::to_owned);
        Ok(lines.iter().filter_map(list).filter(|list| list != "delivery-unknown").count())
    }

    fn write(&self, name: &str, mode: u32, text: &str) -> Result<(), SimError> {
        let path = self.directory.join(name);
        let file = File::options().create_new(true).write(true).mode(mode).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|source| SimError::File { path, source })
    }
}

/// A switch never outlives whoever started it.
impl Drop for Switch {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already; then there is nothing to kill.
            drop(child.kill());
            drop(child.wait());
        }
        if !self.kept {
            // What cannot be removed is left to whoever empties the directory for temporary files.
            drop(fs::remove_dir_all(&self.directory));
        }
    }
}

impl Plan {
    /// The configuration, its state below `directory`.
    fn text(&self, directory: &Path) -> String {
        let directory = directory.display();
        let mut text = format!(
            "# Written by a simulation; the switch it describes lives as long as that.\n\
             [daemon]\nstate = \"{directory}/state\"\nkey = \"file:{directory}/pan.key\"\n\
             workers = {}\nconsole = \"off\"\n{}\n",
            self.workers, self.more
        );
        for link in &self.links {
            text.push_str(&link.text());
        }
        for (bin, to) in &self.routes {
            // Writing to a string does not fail; debug form is a valid TOML array of plain names.
            write!(text, "\n[[routes]]\nbin = \"{bin}\"\nto = {to:?}\n").unwrap_or_default();
        }
        text
    }
}

impl Link {
    fn text(&self) -> String {
        let place = match self.place {
            LinkPlace::Listens(at) => format!("listen = \"{at}\""),
            LinkPlace::Dials(to, sessions) => format!("dial = [\"{to}\"]\nsessions = {sessions}"),
        };
        format!(
            "\n[links.{}]\nrole = \"{}\"\n{place}\ndialect = \"{}\"\nlength = \"{}\"\n{}",
            self.name, self.role, self.dialect, self.length, self.more
        )
    }
}

/// A loopback port that nobody uses at this moment.
pub fn free_port() -> Result<SocketAddr, SimError> {
    let refused = |source| SimError::System { what: "a free port", source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(refused)?;
    listener.local_addr().map_err(refused)
}

/// A configuration names it, and what a configuration names begins where that lies.
fn absolute(path: &Path) -> Result<PathBuf, SimError> {
    std::path::absolute(path)
        .map_err(|source| SimError::System { what: "the current directory", source })
}

/// A directory that did not exist before, for our eyes only.
fn fresh_directory(parent: &Path) -> Result<PathBuf, SimError> {
    let mut number = std::process::id();
    loop {
        let path = parent.join(format!("iso8583d-{number}"));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                number = number.wrapping_add(1);
            }
            Err(source) => return Err(SimError::File { path, source }),
        }
    }
}
