//! The command line from outside: exit codes, what is data and what is talk, and how faults are told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "../src/link/papers.rs"]
mod papers;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

use papers::Authority;

/// Runs the program; gives what it printed.
fn run(arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iso8583d"));
    command.env_remove("CREDENTIALS_DIRECTORY").args(arguments).write_stdin(stdin).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The reference configuration with a key of its own, changed line by line.
fn configuration(changes: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/iso8583d.toml");
    let mut text = fs::read_to_string(reference).unwrap();
    let own = [
        ("\"credential:pan-key\"", "\"file:pan.key\""),
        ("\"credential:server-key\"", "\"file:server.key\""),
        ("/var/lib/iso8583d", "state"),
    ];
    for (from, to) in own.iter().chain(changes) {
        assert!(text.contains(from), "the reference has no {from}");
        text = text.replace(from, to);
    }
    let config = home.path().join("iso8583d.toml");
    fs::write(&config, text).unwrap();
    let ca = Authority::new("of clients");
    let server = ca.signs("switch.example", 1);
    for (name, text) in [
        ("pan.key", "c0".repeat(32)),
        ("server.key", server.key),
        ("server.pem", server.certificate),
        ("clients-ca.pem", ca.pem()),
        ("clients-crl.pem", ca.revokes(2, 2100)),
        ("issuer-ca.pem", Authority::new("of issuers").pem()),
    ] {
        let path = home.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    (home, config)
}

#[test]
fn exit_codes() {
    let cases: [(&[&str], _); _] = [
        (&["--help"], 0),
        (&["--version"], 0),
        (&["help", "sim"], 0),
        (&[], 2),
        (&["chekc"], 2),
        (&["sim", "pos", "--connect", "127.0.0.1:1", "--tls-cert", "a.pem"], 2),
        (&["sim", "idle", "--connect", "127.0.0.1:1", "--byte", "0"], 2),
        (&["check"], 2),
        (&["decode", "--length", "ascii-7"], 2),
        (&["decode", "--tpdu", "6000010002"], 2),
        (&["decode", "--length", "none", "--reserved", "00"], 2),
        (&["decode", "--length", "binary-2", "--tpdu", "6000010002", "--header", "echo:00"], 2),
        (&["decode", "--dialect", "iso87-asci"], 78),
        (&["decode", "/nowhere/messages.hex"], 1),
        (&["check", "/nowhere/iso8583d.toml"], 78),
        (&["journal", "verify", "--state", "/nowhere"], 74),
        (&["ctl", "links", "--state", "/nowhere"], 1),
        (&["why", "--state", "/nowhere"], 2),
        (&["why", "stan=x", "--state", "/nowhere"], 2),
        (&["why", "17", "--state", "/nowhere"], 74),
    ];
    for (arguments, code) in cases {
        let output = run(arguments, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", stderr(&output));
        assert_eq!(output.stdout.is_empty(), code != 0, "{arguments:?}: stdout is for data");
    }
}

#[test]
fn every_command_explains_itself() {
    let mut waiting = vec![Vec::<String>::new()];
    let mut seen = 0;
    while let Some(command) = waiting.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let output = run(&arguments, "");
        let help = stdout(&output);
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
        assert!(help.contains("Usage: iso8583d"), "{arguments:?}\n{help}");
        let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
        for line in listed.lines().take_while(|line| line.starts_with("  ")) {
            let (name, about) = line.trim().split_once(' ').unwrap_or_else(|| (line.trim(), ""));
            assert!(!about.trim().is_empty(), "{arguments:?}: {name} says nothing of itself");
            if name != "help" {
                waiting.push(command.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
        seen += 1;
    }
    assert!(14 < seen, "only {seen} commands");
}

#[test]
fn a_good_configuration() {
    let (_home, config) = configuration(&[]);
    let output = run(&["check", config.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("is good: 2 links, 1 route, state"), "{}", stderr(&output));
    assert!(!config.with_file_name("state").exists(), "check changes nothing");
}

/// What an asker may say and an issuer's network cannot is told before the first payment; like dialects are passed over.
#[test]
fn dialects_that_do_not_fit_along_a_route_are_told() {
    let (_home, config) = configuration(&[]);
    let told = stderr(&run(&["check", config.to_str().unwrap()], ""));
    assert!(!told.contains("warning: link"), "{told}");
    assert!(told.contains("neither a clock nor a peer ends one"), "{told}");
    let (home, config) =
        configuration(&[("dialect = \"iso87-ascii\"", "dialect = \"./short.dialect\"")]);
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/iso87-ascii.dialect");
    let mut short = String::new();
    for line in fs::read_to_string(whole).unwrap().lines() {
        let no = line.split_whitespace().next().and_then(|no| no.parse::<u8>().ok());
        if no.is_some_and(|no| [48, 60, 61, 62, 63].contains(&no)) {
            continue;
        }
        let line = if no == Some(42) { line.replacen("15", "10", 1) } else { line.to_owned() };
        short.push_str(&line.replace("dialect  iso87-ascii", "dialect  short"));
        short.push('\n');
    }
    fs::write(home.path().join("short.dialect"), short).unwrap();
    let output = run(&["check", config.to_str().unwrap()], "");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let warnings: Vec<&str> =
        told.lines().filter(|line| line.starts_with("warning: link")).collect();
    assert_eq!(
        warnings,
        [
            "warning: link \"terminals\" may ask link \"issuer-a\" what that cannot be told: short does not have 48, 60-63, and has no room for all of 42 (10 instead of 15), unlike iso87-bcd; such requests are declined with 30"
        ]
    );
}

#[test]
fn an_issuer_that_no_route_names_is_told() {
    let idle = "[links.idle]\nrole = \"issuer\"\ndial = \"127.0.0.1:9\"\ndialect = \"iso87-ascii\"\n\n[links.terminals]";
    let (_home, config) = configuration(&[("[links.terminals]", idle)]);
    let output = run(&["check", config.to_str().unwrap()], "");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("warning: link \"idle\" is in the `to` of no route"), "{told}");
    assert_eq!(told.matches("of no route").count(), 1, "{told}");
}

#[test]
fn five_faults_in_one_report() {
    let (_home, config) = configuration(&[
        ("workers = 2 ", "workers = 200"),
        ("role = \"asker\"", "role = \"askr\""),
        ("dialect = \"iso87-bcd\"", "dialetc = \"iso87-bcd\"\ndialect = \"iso87-bdc\""),
        ("to = [\"issuer-a\"]", "to = [\"isuer-a\"]"),
    ]);
    let output = run(&["check", config.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stdout.is_empty());
    let told = stderr(&output);
    assert!(told.trim_end().ends_with("5 faults"), "{told}");
    let text = fs::read_to_string(&config).unwrap();
    for (wrong, why, fix) in [
        ("200 ", "from 1 to 64", "without this line it is 2"),
        ("\"askr\"", "one of \"asker\", \"issuer\", \"both\"", "did you mean \"asker\"?"),
        ("dialetc", "nothing reads this", "did you mean `dialect`?"),
        ("\"iso87-bdc\"", "none of this name is shipped", "did you mean \"iso87-bcd\"?"),
        ("\"isuer-a\"", "nowhere to go", "did you mean \"issuer-a\"?"),
    ] {
        let (line, column) = place(&text, wrong);
        let place = format!("{}:{line}:{column}", config.display());
        let fault = told.split("\n\n").find(|fault| fault.contains(&place));
        let fault = fault.unwrap_or_else(|| panic!("{place} is not in\n{told}"));
        let carets = format!("{} {why}", "^".repeat(wrong.trim_end().len()));
        assert!(fault.contains(&carets), "{carets}\nis not in\n{fault}");
        assert!(fault.contains(&format!("help: {fix}")), "{fix}\nis not in\n{fault}");
    }
}

#[test]
fn a_reserve_that_holds_no_write_ahead_logs() {
    for (mib, queue) in [(119, 67_108_864_u64), (256, 1 << 30)] {
        let (_home, config) = configuration(&[
            ("disk_reserve_mib = 256 ", &format!("disk_reserve_mib = {mib}")),
            ("queue_bytes_max = 67_108_864 ", &format!("queue_bytes_max = {queue} ")),
        ]);
        let output = run(&["check", config.to_str().unwrap()], "");
        let least = 56 + (queue >> 20);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains(&format!("help: disk_reserve_mib = {least}")), "{told}");
        assert!(told.contains("write-ahead logs"), "{told}");
        let text = fs::read_to_string(&config).unwrap();
        let enough = format!("disk_reserve_mib = {least}");
        fs::write(&config, text.replace(&format!("disk_reserve_mib = {mib}"), &enough)).unwrap();
        assert_eq!(run(&["check", config.to_str().unwrap()], "").status.code(), Some(0));
    }
}

/// Line and column, from 1 on, of the first place that has this text.
fn place(text: &str, wanted: &str) -> (usize, usize) {
    let found =
        text.lines().zip(1..).find_map(|(line, number)| Some((number, line.find(wanted)? + 1)));
    found.unwrap()
}

#[test]
fn a_dialect_with_faults() {
    let (home, config) =
        configuration(&[("dialect = \"iso87-bcd\"", "dialect = \"./own.dialect\"")]);
    fs::write(home.path().join("own.dialect"), "dialect own\nmti bdc\n").unwrap();
    let output = run(&["check", config.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("own.dialect:2:"), "{}", stderr(&output));
}

#[test]
fn the_key_is_looked_at_and_never_shown() {
    let (home, config) = configuration(&[]);
    let key = home.path().join("pan.key");
    for (text, mode, said) in [
        ("c0".repeat(32), 0o644, "may be read by everyone"),
        ("c0".repeat(31), 0o600, "holds no key"),
        ("zz".repeat(32), 0o600, "holds no key"),
    ] {
        fs::write(&key, &text).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let output = run(&["check", config.to_str().unwrap()], "");
        assert_eq!(output.status.code(), Some(78));
        let told = stderr(&output);
        assert!(told.contains(said) && !told.contains("c0c0") && !told.contains("zzzz"), "{told}");
    }
}

#[test]
fn messages_there_and_back() {
    let wanted = r#"{"mti":"0800","fields":{"7":"1123190000","11":"000001","70":"301"}}"#;
    let encoded = run(&["encode"], &format!("{wanted}\n\n{wanted}\n"));
    assert_eq!(encoded.status.code(), Some(0), "{}", stderr(&encoded));
    assert_eq!(stdout(&encoded).lines().count(), 2);
    let decoded = run(&["decode", "--unmask"], &stdout(&encoded));
    assert_eq!(decoded.status.code(), Some(0));
    assert_eq!(stdout(&run(&["encode"], &stdout(&decoded))), stdout(&encoded));
}

#[test]
fn bad_lines_are_counted_and_the_rest_is_shown() {
    let good = stdout(&run(&["encode"], r#"{"mti":"0800","fields":{"70":"301"}}"#));
    let output = run(&["decode"], &format!("30\n{good}zz\n"));
    assert_eq!(output.status.code(), Some(65));
    let lines: Vec<_> = stdout(&output).lines().map(|line| line.contains("\"ok\":true")).collect();
    assert_eq!(lines, [false, true, false]);
    assert!(stderr(&output).contains("2 of 3 lines are bad"), "{}", stderr(&output));
    let output = run(&["encode"], "{\"mti\":\"02\"}\n");
    assert_eq!(output.status.code(), Some(65));
    assert!(output.stdout.is_empty() && stderr(&output).contains("message 1: "));
}

#[test]
fn cards_are_masked_unless_asked() {
    let clear = r#"{"mti":"0200","fields":{"2":"5413330000004111","3":"000000","4":"000000001250","11":"000001"}}"#;
    let encoded = stdout(&run(&["encode"], clear));
    let masked = stdout(&run(&["decode"], &encoded));
    assert!(!masked.contains("5413330000004111") && masked.contains("541333"), "{masked}");
    let shown = stdout(&run(&["decode", "--unmask"], &encoded));
    assert!(shown.contains("5413330000004111"), "{shown}");
}

/// Parts as deep as decode reads are written; deeper ones are refused, however deep.
#[test]
fn parts_too_deep_are_refused() {
    let nested = |deep: usize| {
        let key = format!("55.{}9F02", "E1.".repeat(deep));
        run(
            &["encode", "--dialect", "iso87-bcd"],
            &format!(r#"{{"mti":"0200","fields":{{"{key}":"000000000100"}}}}"#),
        )
    };
    let good = nested(8);
    let key = format!("\"55.{}9F02\":\"000000000100\"", "E1.".repeat(8));
    let shown = run(&["decode", "--parts", "--dialect", "iso87-bcd"], &stdout(&good));
    assert!(stdout(&shown).contains(&key), "{}{}", stdout(&shown), stderr(&good));
    for deep in [9, 20_000] {
        let output = nested(deep);
        assert_eq!(output.status.code(), Some(65), "{deep}");
        let told = stderr(&output);
        assert!(told.contains("objects lie too deep within one another"), "{deep}: {told}");
        assert!(told.len() < 400, "{deep}: {told}");
    }
}

/// Files with very many faults, or parts, or rules are told about in a short report; were it quadratic, nobody would wait for it.
#[test]
fn many_faults_are_told_at_no_length() {
    let home = tempfile::tempdir().unwrap();
    let dialect = |name: &str, lines: String| {
        let path = home.path().join(name);
        let head = "dialect many\nextends iso87-bcd\n";
        fs::write(&path, format!("{head}{lines}")).unwrap();
        run(&["dialect", "check", path.to_str().unwrap()], "")
    };
    let lines = |line: &dyn Fn(usize) -> String, count: usize| -> String {
        (0..count).map(|at| line(at) + "\n").collect()
    };
    let tagged = "parts 48 tag ascii 5 length ascii 2\n";
    for (name, text, told) in [
        ("bad", lines(&|_| "foo bar".to_owned(), 20_000), "100 faults, and more"),
        ("rows", lines(&|_| "70 n 3 - bcd keep code".to_owned(), 20_000), "100 faults, and more"),
        ("rules", lines(&|_| "mandatory 0200 2".to_owned(), 20_000), "100 faults, and more"),
        (
            "patterns",
            lines(&|at| format!("mandatory {at:04} 11"), 10_000),
            "more than 1000 lines of what messages must or may not have",
        ),
        (
            "parts",
            tagged.to_owned() + &lines(&|at| format!("48.{at:05} ans..9 - ascii keep x"), 60_000),
            "more than 4096 parts of elements",
        ),
    ] {
        let output = dialect(name, text);
        let report = stderr(&output);
        assert_eq!(output.status.code(), Some(65), "{name}");
        assert!(report.contains(told) && report.ends_with("100 faults, and more\n"), "{name}");
        assert!(report.len() < 100_000, "{name}: {} bytes", report.len());
    }
    let good = lines(&|at| format!("48.{at:05} ans..9 - ascii keep x"), 4096);
    assert_eq!(dialect("good", tagged.to_owned() + &good).status.code(), Some(0));

    let route = "[[routes]]\nbin = \"9\"\nto = [\"issuer-a\"]\n";
    let (_home, config) = configuration(&[]);
    let whole = fs::read_to_string(&config).unwrap();
    let link = |at: usize| {
        format!(
            "[links.many{at}]\nrole = \"asker\"\ndialect = \"iso87-bcd\"\nlisten = \"127.0.0.1:9\""
        )
    };
    for (text, told) in [
        (whole.clone() + &route.repeat(5000), "\"9\" never gets here"),
        (whole + &lines(&link, 1000), "two links listen on 127.0.0.1:9"),
    ] {
        fs::write(&config, text).unwrap();
        let output = run(&["check", config.to_str().unwrap()], "");
        let report = stderr(&output);
        assert_eq!(output.status.code(), Some(78));
        assert!(report.contains(told) && report.ends_with("100 faults, and more\n"), "{report}");
        assert!(report.len() < 100_000, "{} bytes", report.len());
    }

    let keys = lines(&|at| format!("\"48.{at}\":\"1\","), 200_000).replace('\n', "");
    let message = format!("{{\"mti\":\"0200\",\"fields\":{{{}}}}}", keys.trim_end_matches(','));
    let output = run(&["encode", "--dialect", "mastercard-like"], &message);
    assert_eq!(output.status.code(), Some(65));
}

/// A message in place of a file's name is not shown: the error says where it belongs.
#[test]
fn a_message_in_place_of_a_file_is_not_shown() {
    let pan = "5413339876543210";
    let hex = format!("02007000000000008000165{}", pan.get(1..).unwrap());
    let base64 = "AgBwAAAAAACAABZUEzOYdlQyEAAAAAAAAAAA/AEyUDk3OA==";
    let json = format!(r#"{{"mti":"0200","fields":{{"2":"{pan}"}}}}"#);
    let dump = format!("0000: {pan} |{}", "....".repeat(40));
    for tool in ["decode", "encode", "doctor"] {
        for message in [&hex, pan, base64, &json] {
            let output = run(&[tool, message], "");
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{tool} {message}\n{told}");
            assert!(told.contains("a message is given on standard input"), "{told}");
            assert!(!told.contains(message.get(2..10).unwrap()) && told.len() < 300, "{told}");
        }
        let output = run(&[tool, &dump], "");
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("****: **************** |..") && told.len() < 220, "{told}");
        // A file that is merely not there has its name.
        let told = stderr(&run(&[tool, "/nowhere/abcdefghijklmnopqrstuvwx.hex"], ""));
        assert!(told.contains("/nowhere/abcdefghijklmnopqrstuvwx.hex: No such file"), "{told}");
    }
}

/// An echo request as it lies on the wire in iso87-bcd, and as `decode` shows it.
const ECHO: [u8; 13] = [8, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 1, 0x23];
const ECHO_SHOWN: &str = "{\"ok\":true,\"mti\":\"0800\",\"fields\":{\"11\":\"000123\"}}\n";

/// Runs the program on any bytes.
fn run_on(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iso8583d"));
    command.args(arguments).write_stdin(stdin).output().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A capture with a TCP segment from port 40000 to 8583 for each payload, in Ethernet frames.
fn capture(payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [0xA1B2_C3D4_u32, 0x0002_0004, 0, 0, 65_535, 1].map(u32::to_be_bytes).concat();
    let mut sequence = 1_u32;
    for payload in payloads {
        let len = u16::try_from(40 + payload.len()).unwrap();
        let mut packet = [&[0; 12][..], &[8, 0, 0x45, 0], &len.to_be_bytes()].concat();
        packet
            .extend([0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9C, 0x40, 0x21, 0x87]);
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
        packet.extend(*payload);
        let captured = u32::try_from(packet.len()).unwrap();
        bytes.extend([0, 0, captured, captured].map(u32::to_be_bytes).concat());
        bytes.extend(packet);
        sequence += u32::try_from(payload.len()).unwrap();
    }
    bytes
}

#[test]
fn decode_knows_what_it_is_given() {
    let xxd = "00000000: 0800 0020 0000 0000 0000 0001 23         ... ........#\n";
    let hexdump =
        "00000000  08 00 00 20 00 00 00 00  00 00 00 01 23           |... ........#|\n0000000d\n";
    let framed = [&[0, 13][..], &ECHO].concat();
    let capture = capture(&[&framed[..7], &framed[7..], &framed]);
    let twice = ECHO_SHOWN.repeat(2);
    let (digits, dumps) = (hex(&ECHO), format!("{xxd}{hexdump}"));
    let cases: [(&str, &[u8], &[&str], &str); _] = [
        ("hex", digits.as_bytes(), &[], ECHO_SHOWN),
        ("base64", b"CAAAIAAAAAAAAAABIw==\n", &[], ECHO_SHOWN),
        ("hexdump", xxd.as_bytes(), &[], ECHO_SHOWN),
        ("hexdump", dumps.as_bytes(), &[], &twice),
        ("raw", &ECHO, &[], ECHO_SHOWN),
        ("raw", &framed.repeat(2), &["--framing", "binary-2"], &twice),
        ("pcap", &capture, &["--port", "8583"], &twice),
        ("pcap", &capture, &["--port", "40000", "--length", "binary-2"], &twice),
    ];
    for (form, input, options, shown) in cases {
        let recognised = [&["decode", "--dialect", "iso87-bcd"], options].concat();
        let forced = [&recognised[..], &["--input", form]].concat();
        for arguments in [recognised, forced] {
            let output = run_on(&arguments, input);
            assert_eq!(stdout(&output), shown, "{arguments:?}\n{}", stderr(&output));
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        }
    }
}

#[test]
fn decode_says_what_is_wrong_with_its_input() {
    let capture = capture(&[&ECHO]);
    let cases: [(&[u8], &[&str], &str, &str); _] = [
        (
            &capture,
            &[],
            "",
            "help: say the TCP port of either side with --port; ports with data here: 8583",
        ),
        (&capture, &["--port", "1"], "", "no TCP data to or from port 1"),
        (&capture[..60], &["--port", "1"], "", "byte 60: the capture ends within packet 1"),
        (b"\x1F\x8B\x08\0\0", &[], "", "help: unpack it first"),
        (b"nothing", &["--input", "pcap"], "", "neither pcap nor pcapng"),
        (
            b"0000  08 0G\n",
            &[],
            "column 10: not bytes as pairs of hexadecimal digits",
            "1 of 1 messages are bad",
        ),
        // A length of 2048 bytes is announced, and they do not come.
        (&capture, &["--port", "8583"], "the frame ends early, after 13 bytes", "1 of 1 messages"),
        (&ECHO, &["--framing", "binary-2"], "the frame ends early", "1 of 1 messages are bad"),
    ];
    for (input, options, data, talk) in cases {
        let arguments = [&["decode", "--dialect", "iso87-bcd"], options].concat();
        let output = run_on(&arguments, input);
        let (out, told) = (stdout(&output), stderr(&output));
        assert!(out.contains(data) && out.is_empty() == data.is_empty(), "{arguments:?}\n{out}");
        assert!(told.contains(talk), "{arguments:?}\n{told}");
        assert_eq!(output.status.code(), Some(65), "{arguments:?}\n{told}");
    }
}

/// A sale with everything that must not be shown, as `encode` takes it.
const SALE: &str = r#"{"mti":"0200","fields":{"2":"5413330000004111","3":"000000","4":"000000001250","22":"051","35":"5413330000004111=29122010000","49":"978","52":"0123456789ABCDEF","55":"9F2608A1B2C3D4E5F60718"}}"#;

/// A message as a line of hexadecimal digits.
fn encoded(dialect: &str, json: &str) -> String {
    let output = run(&["encode", "--dialect", dialect], json);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).trim().to_owned()
}

#[test]
fn a_message_is_explained() {
    let line = encoded("iso87-bcd", SALE);
    let output = run(&["decode", "--explain", "--dialect", "iso87-bcd"], &line);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stdout(&output);
    for wanted in [
        "line 1: 69 bytes, iso87-bcd\n",
        "    0  MTI 0200: ISO 8583:1987, financial, request, from the acquirer\n            bcd   02 00\n",
        "    2  bitmap: 2 3 4 22 35 49 52 55\n            binary   70 00 04 00 20 00 92 00\n",
        "   10    2  primary account number: 541333******4111\n            n..19, length bcd 1, bcd r0   16 ** ** ** ** ** ** ** **\n",
        "   19    3  processing code: 000000  (goods and services, from default account, to default account)\n",
        "   22    4  amount, transaction: 000000001250  (12.50 978)\n            n 12, bcd   00 00 00 00 12 50\n",
        "   28   22  point of service entry mode: 051  (chip, PIN can be entered)\n",
        "52  PIN data: <sensitive 8 bytes>\n            b 8, raw   ** ** ** ** ** ** ** **\n",
    ] {
        assert!(told.contains(wanted), "{wanted}\nis not in\n{told}");
    }
    assert!(!told.contains('\u{1B}'), "this is no terminal");
    let twice = run(&["decode", "--explain", "--dialect", "iso87-bcd"], &format!("{line}\n0G\n"));
    assert_eq!(twice.status.code(), Some(65));
    assert!(stdout(&twice).contains("line 2:\nerror: not an even number of hexadecimal digits\n"));
}

#[test]
fn a_caret_stands_below_the_first_wrong_byte() {
    let (ascii, bcd) = (encoded("iso87-ascii", SALE), encoded("iso87-bcd", SALE));
    let cases = [
        // The MTI, the bitmap, a length field, a nibble.
        ("iso87-ascii", &ascii, 2, "2D", "the MTI is not four digits"),
        ("iso87-ascii", &ascii, 11, "47", "element 1 at offset 4: the bitmap is not hexadecimal"),
        ("iso87-ascii", &ascii, 21, "3A", "element 2 at offset 20: the length is not digits"),
        ("iso87-bcd", &bcd, 1, "0A", "the MTI is not four digits"),
        ("iso87-bcd", &bcd, 10, "1F", "element 2 at offset 10: the length is not digits"),
        ("iso87-bcd", &bcd, 26, "1B", "element 4 at offset 22: the value is not of content n"),
    ];
    for (dialect, line, at, byte, fault) in cases {
        let mut wrong = line.clone();
        wrong.replace_range(2 * at..2 * at + 2, byte);
        let output = run(&["decode", "--explain", "--dialect", dialect], &wrong);
        let told = stdout(&output);
        assert_eq!(output.status.code(), Some(65), "{told}");
        assert!(told.contains(fault), "{fault}\nis not in\n{told}");
        assert_eq!(pointed(&told), (byte.to_owned(), at), "{told}");
    }
    // An element that is cut off: the caret stands where its next byte should be.
    let output =
        run(&["decode", "--explain", "--dialect", "iso87-bcd"], bcd.get(..2 * 25).unwrap());
    let told = stdout(&output);
    assert_eq!(pointed(&told), (String::new(), 25), "{told}");
    assert!(told.contains("help: expected n 12, bcd; 3 bytes of it are there\n"), "{told}");
}

/// The byte above the caret, and the offset beside it.
fn pointed(told: &str) -> (String, usize) {
    let mut pairs = told.lines().zip(told.lines().skip(1));
    let (above, below) = pairs.find(|(_, below)| below.trim_start().starts_with('^')).unwrap();
    let byte = above.chars().skip(below.find('^').unwrap()).take(2).collect();
    (byte, below.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn two_messages_are_compared() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.hex");
    let [one, other] = ["iso87-bcd", "iso87-ebcdic"].map(|dialect| encoded(dialect, SALE));
    fs::write(&file, &one).unwrap();
    let file = file.to_str().unwrap();
    let across = ["--dialect", "iso87-bcd", "--dialect-b", "iso87-ebcdic"];
    // Standard input is a pipe here, as what a shell gives for `<(...)` is.
    for arguments in [["diff", file, &other], ["diff", &one, "-"], ["diff", file, "/dev/stdin"]] {
        let output = run(&[&arguments[..], &across].concat(), &other);
        assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
        assert!(output.stdout.is_empty() && output.stderr.is_empty());
    }
    let changed = SALE.replace("\"0200\"", "\"0210\"").replace("1250", "1260");
    let changed = changed.replace("\"22\":\"051\",", "").replace("ABCDEF", "ABCDEE");
    let changed = encoded("iso87-ebcdic", &changed.replace("\"52\"", "\"39\":\"00\",\"52\""));
    let output = run(&[&["diff", file, &changed], &across[..]].concat(), "");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "\
differs     MTI: 0200 | 0210  (from digit 3 on)
differs      4  amount, transaction: 000000001250 | 000000001260  (from character 11 on)
only in A   22  point of service entry mode: 051
only in B   39  response code: 00
differs     52  PIN data: <sensitive 8 bytes> | <sensitive 8 bytes>  (masked values differ)
"
    );
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
    for (arguments, said) in [
        (["diff", file, "0200zz"], "B: line 1: not an even number of hexadecimal digits"),
        (["diff", file, "02"], "B: line 1: offset 0: the message ends early"),
        (["diff", file, "-"], "B, stdin: the input: 2 messages are here"),
        (["diff", file, ""], "B: the input: 0 messages are here"),
    ] {
        let output = run(&[&arguments[..], &["--dialect", "iso87-bcd"]].concat(), "0200\n0200\n");
        assert!(stderr(&output).contains(said), "{said}\nis not in\n{}", stderr(&output));
        assert!(stderr(&output).contains("\nhelp: "), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(65), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn frames_that_differ_are_told_of() {
    // 0004 and 0800 in ASCII.
    let frame = "3030303430383030";
    let output = run(&["diff", "--length", "ascii-4", frame, "000830383030"], "");
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr(&output).contains("hold for both sides"), "{}", stderr(&output));
    // Frames that nobody said to be ones.
    for (frame, length) in
        [("303030383038303030303030", "ascii-4"), ("0006303830307A7A", "binary-2")]
    {
        let told = stderr(&run(&["decode"], frame));
        assert!(
            told.contains(&format!(
                "help: before the message stands its length: add --length {length}"
            )),
            "{told}"
        );
    }
    assert!(!stderr(&run(&["decode"], "30383030")).contains("help"));
}

/// The settings that doctor prints, without the comments.
fn settings(told: &str) -> Vec<&str> {
    told.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn doctor_finds_framing_and_dialect_in_every_form() {
    let sale = r#"{"mti":"0200","fields":{"2":"4000000000000002","3":"000000","4":"000000001250","7":"1123184000","32":"12345678901"}}"#;
    let framed = run(
        &["encode", "--dialect", "iso87-bcd", "--framing", "binary-2", "--tpdu", "6000010007"],
        sale,
    );
    let digits = stdout(&framed);
    let pairs = digits.trim().as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let frame: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let dump: Vec<_> = frame
        .chunks(16)
        .enumerate()
        .map(|(row, bytes)| {
            let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:04x}  {}\n", 16 * row, bytes.join(" "))
        })
        .collect();
    let (dump, three) = (dump.concat(), frame.repeat(3));
    let parts = capture(&[&frame[..7], &frame[7..], &frame]);
    let wanted = ["dialect = \"iso87-bcd\"", "length = \"binary-2\"", "tpdu = \"6000010007\""];
    let cases: [(&str, &[u8], &[&str]); _] = [
        ("hex", digits.as_bytes(), &[]),
        ("hexdump", dump.as_bytes(), &[]),
        ("raw", &three, &[]),
        ("pcap", &parts, &["--port", "8583"]),
    ];
    for (form, input, options) in cases {
        for forced in [&[][..], &["--input", form]] {
            let output = run_on(&[&["doctor"], options, forced].concat(), input);
            let told = stdout(&output);
            assert_eq!(settings(&told), wanted, "{form}\n{told}");
            assert_eq!(output.status.code(), Some(0), "{form}");
            assert!(!told.contains("0000000002"), "no card: {told}");
        }
    }
}

#[test]
fn doctor_says_when_nothing_fits() {
    let cases: [(&[u8], &[&str], &str, &str); _] = [
        (b"", &[], "", "there are no bytes to look at"),
        (b"nothing\n", &[], "", "line 1: not an even number of hexadecimal digits"),
        (&capture(&[&ECHO]), &[], "", "say the TCP port of either side with --port"),
        (b"0102030405\n", &[], "# nothing fits", "error: no framing and no dialect fit"),
    ];
    for (input, options, told, said) in cases {
        let output = run_on(&[&["doctor"], options].concat(), input);
        assert_eq!(output.status.code(), Some(65), "{}", stderr(&output));
        assert!(stdout(&output).contains(told) && settings(&stdout(&output)).is_empty());
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
    let output = run(&["doctor", "--dialect", "./nowhere.dialect"], "00");
    assert_eq!(output.status.code(), Some(78));
}

/// A dialect that is not shipped is tried when it is given.
#[test]
fn doctor_tries_the_dialects_that_it_is_given() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("mine.dialect");
    let text = "dialect mine\nextends iso87-bcd\n41 ans 8 - cp500 keep terminal\n49 n 3 - bcd rF keep currency\n";
    fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap();
    let sale =
        r#"{"mti":"0200","fields":{"3":"000000","7":"1123184000","41":"TERM0001","49":"978"}}"#;
    let line = encoded(name, sale);
    let told = stdout(&run(&["doctor", "--dialect", name], &line));
    let wanted = format!("dialect = \"{name}\"");
    assert_eq!(settings(&told), [wanted.as_str(), "length = \"none\""], "{told}");
    assert!(told.contains("nothing stands around the messages"), "{told}");
    assert_ne!(settings(&stdout(&run(&["doctor"], &line))), settings(&told));
}

/// Whatever is asked, and whatever is wrong with it: no digits of card, track, PIN and chip without `--unmask`.
#[test]
fn no_tool_shows_a_secret() {
    let secrets =
        ["33300000041", "41330000004", "3330303030", "F3F0F0F0F0", "29122010", "6789ABCD"];
    let secrets =
        [&secrets[..], &["3031323334353637", "F0F1F2F3F4F5F6F7", "A1B2C3D4E5", "B2C3D4E5F6"]];
    let secrets = secrets.concat();
    let shows = |arguments: &[&str], stdin: &str| {
        let output = run(arguments, stdin);
        let told: String = [stdout(&output), stderr(&output)].concat();
        let told: String = told.chars().filter(|letter| !letter.is_whitespace()).collect();
        let shown: Vec<_> =
            secrets.iter().copied().filter(|secret| told.contains(secret)).collect();
        (!shown.is_empty(), format!("{arguments:?} shows {shown:?}:\n{told}"))
    };
    for dialect in ["iso87-ascii", "iso87-bcd", "iso87-ebcdic"] {
        let good = encoded(dialect, SALE);
        let bytes = good.len() / 2;
        // Every fourth byte wrong, and every fourth place cut.
        let wrong = (0..bytes).step_by(4).map(|at| {
            let mut wrong = good.clone();
            wrong.replace_range(2 * at..2 * at + 2, "FF");
            wrong
        });
        let cut = (0..bytes).step_by(4).map(|at| good.get(..2 * at).unwrap().to_owned());
        let all: Vec<String> = wrong.chain(cut).chain([good.clone(), good.repeat(2)]).collect();
        let lines = all.join("\n");
        for arguments in
            [&["decode", "--dialect", dialect][..], &["decode", "--explain", "--dialect", dialect]]
        {
            let (shown, told) = shows(arguments, &lines);
            assert!(!shown, "{told}");
            let (shown, told) = shows(&[arguments, &["--unmask"]].concat(), &good);
            assert!(shown, "{told}");
        }
        for line in &all {
            let (shown, told) = shows(&["doctor"], line);
            assert!(!shown, "{told}");
        }
        let other = SALE.replace("00004111", "00005111").replace("ABCDEF", "ABCDEE");
        let other = encoded(dialect, &other.replace("F60718", "F60719"));
        let arguments = ["diff", "--dialect", dialect, "-", &other];
        let (shown, told) = shows(&arguments, &good);
        assert!(!shown, "{told}");
        let (shown, told) = shows(&[&arguments[..], &["--unmask"]].concat(), &good);
        assert!(shown, "{told}");
    }
}

/// Each `$ command` of the page, run by a shell that finds the program; what it prints is what stands below it.
#[test]
fn the_page_on_messages_is_true() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(home.join("docs/messages.md")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_iso8583d"));
    let path = std::env::var_os("PATH").unwrap();
    let beside = std::iter::once(program.parent().unwrap().to_owned());
    let path = std::env::join_paths(beside.chain(std::env::split_paths(&path))).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let mut commands = 0;
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let mut example = block.split("$ ").skip(1).peekable();
        assert!(example.peek().is_some(), "a block without a command:\n{block}");
        for example in example {
            let (command, wanted) = example.split_once('\n').unwrap();
            let mut shell = Command::new("sh");
            let told = shell.arg("-c").arg(format!("({command}) 2>&1")).env("PATH", &path);
            let told = told.current_dir(scratch.path()).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&told.stdout), wanted, "{command}");
            commands += 1;
        }
    }
    assert!(commands > 6, "only {commands} commands");
}

#[test]
fn dialects_are_looked_through_without_a_configuration() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let files = [
        ("good.dialect", "dialect good\nextends iso87-bcd\n"),
        ("one.dialect", "dialect one\nextends iso87-bcd\nmti ebdcic\n"),
        ("two.dialect", "dialect two\nextends iso87-bcd\n4 n 12 - bdc keep amount\n"),
    ];
    for (name, text) in files {
        fs::write(path(name), text).unwrap();
    }
    let output = run(&["dialect", "check", &path("good.dialect")], "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty(), "there is no data");
    assert!(stderr(&output).contains("good.dialect is good: good, 126 elements"));
    let all: Vec<String> = files.iter().map(|(name, _)| path(name)).collect();
    let output = run(&["dialect", "check", &all[0], &all[1], &all[2]], "");
    assert_eq!(output.status.code(), Some(65));
    let told = stderr(&output);
    for part in [
        "one.dialect:3:5",
        "help: did you mean \"ebcdic\"?",
        "two.dialect:3:10",
        "help: did you mean \"bcd\"?",
        "2 faults",
    ] {
        assert!(told.contains(part), "{part}\nis not in\n{told}");
    }
    assert!(told.contains("^^^^^^") && output.stdout.is_empty(), "{told}");
}

#[test]
fn dialects_are_listed_and_shown() {
    let list = stdout(&run(&["dialect", "list"], ""));
    assert!(
        list.contains("\niso87-bcd                  ISO 8583:1987 with packed digits"),
        "{list}"
    );
    for name in list.lines().map(|line| line.split_once(' ').unwrap().0) {
        let shown = run(&["dialect", "show", name], "");
        assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
        assert!(stdout(&shown).starts_with(&format!("dialect  {name}\n")));
        // What is shown is a dialect, and the same one.
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("shown.dialect");
        fs::write(&file, &shown.stdout).unwrap();
        let again = run(&["dialect", "show", file.to_str().unwrap()], "");
        assert_eq!(stdout(&again), stdout(&shown));
        let markdown = stdout(&run(&["dialect", "show", "--markdown", name], ""));
        assert!(markdown.contains("\n| 2 | n..19 | "), "{markdown}");
    }
    let output = run(&["dialect", "show", "iso87-bdc"], "");
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr(&output).contains("did you mean \"iso87-bcd\"?"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("--dialect"), "nobody wrote that: {}", stderr(&output));
    // Where 65 is a third bitmap it has no row, though the dialect that this one extends has one.
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("three.dialect");
    fs::write(&file, "dialect three\nextends iso87-bcd\nthird contiguous\n").unwrap();
    let shown = stdout(&run(&["dialect", "show", file.to_str().unwrap()], ""));
    assert!(shown.contains("\n   66  ") && !shown.contains("\n   65  "), "{shown}");
    fs::write(&file, shown).unwrap();
    let output = run(&["dialect", "check", file.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn where_no_configuration_is_a_journal_asks_for_one() {
    assert!(!Path::new("/etc/iso8583d/iso8583d.toml").exists(), "not on a machine with a switch");
    let output = run(&["journal", "cat"], "");
    assert_eq!(output.status.code(), Some(2));
    let told = "error: there is no /etc/iso8583d/iso8583d.toml\nhelp: give --config FILE, or --state DIRECTORY\n";
    assert_eq!(stderr(&output), told);
}

#[test]
fn what_is_to_look_at_is_counted() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("acquirer.xml");
    let [(_, _, jpos), ..] = packagers();
    fs::write(
        &file,
        jpos.replace("org.example.Tagged", "org.jpos.iso.IFA_LLLLLLCHAR")
            .replace("name 48", "CVC2"),
    )
    .unwrap();
    let output = run(&["dialect", "import", "jpos", file.to_str().unwrap()], "");
    let told = stderr(&output);
    assert!(told.ends_with("2 elements taken over, 0 left out, 1 to look at\n"), "{told}");
}

/// A packager of jPOS, a specification of moov's and one of pyiso8583: each describes MTI, bitmap and elements 4 and 48.
fn packagers() -> [(&'static str, &'static str, String); 3] {
    let jpos = |id: u8, length: u16, class: &str| {
        format!(
            "<isofield id=\"{id}\" length=\"{length}\" name=\"name {id}\" class=\"{class}\"/>\n"
        )
    };
    let jpos = [
        "<isopackager>\n",
        &jpos(0, 4, "org.jpos.iso.IFA_NUMERIC"),
        &jpos(1, 16, "org.jpos.iso.IFA_BITMAP"),
        &jpos(4, 12, "org.jpos.iso.IFA_NUMERIC"),
        &jpos(48, 99, "org.example.Tagged"),
        "</isopackager>\n",
    ];
    let moov = |length: u16, enc: &str, prefix: &str| {
        format!(
            "{{\"type\": \"String\", \"length\": {length}, \"enc\": \"{enc}\", \"prefix\": \"{prefix}\"}}"
        )
    };
    let moov = format!(
        "{{\"fields\": {{\n\"0\": {},\n\"1\": {},\n\"4\": {},\n\"48\": {}}}}}",
        moov(4, "ASCII", "ASCII.Fixed"),
        moov(8, "HexToASCII", "Hex.Fixed"),
        moov(12, "ASCII", "ASCII.Fixed"),
        moov(99, "ASCIIToHex", "ASCII.LL"),
    );
    let key = |data: &str, len_type: u8, max_len: u16| {
        format!(
            "{{\"data_enc\": \"{data}\", \"len_enc\": \"ascii\", \"len_type\": {len_type}, \"max_len\": {max_len}, \"desc\": \"\"}}"
        )
    };
    let pyiso8583 = format!(
        "{{\"t\": {},\n\"p\": {},\n\"4\": {},\n\"48\": {}}}",
        key("ascii", 0, 4),
        key("ascii", 0, 16),
        key("ascii", 0, 12),
        key("ascii", 7, 99),
    );
    [
        ("jpos", "acquirer.xml", jpos.concat()),
        ("moov", "acquirer.json", moov),
        ("pyiso8583", "acquirer.json", pyiso8583),
    ]
}

#[test]
fn a_packager_file_becomes_a_dialect() {
    for (product, name, text) in packagers() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        fs::write(path(name), text).unwrap();
        let output = run(&["dialect", "import", product, &path(name)], "");
        assert_eq!(output.status.code(), Some(0), "{product}: {}", stderr(&output));
        let (made, told) = (stdout(&output), stderr(&output));
        assert!(
            made.contains("\ndialect  acquirer\nversion  1987\nmti      ascii\nbitmap   hex\n"),
            "{made}"
        );
        assert!(made.contains("\n    4  n 12      -             ascii    keep       "), "{made}");
        // What has no row is told with its place, and named in the file.
        assert!(!made.contains("\n   48 ") && made.contains("\n#   element 48: "), "{made}");
        assert!(told.contains(": element 48: left out: "), "{told}");
        assert!(told.starts_with(&path(name)), "{told}");
        assert!(told.trim_end().ends_with("1 element taken over, 1 left out"), "{told}");
        assert!(!made.contains(home.path().to_str().unwrap()), "a dialect names no directory");

        let own = path("own.dialect");
        let import = ["dialect", "import", product, &path(name), "-o", &own];
        let output = run(&import, "");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
        assert_eq!(fs::read_to_string(&own).unwrap(), made.replace("  acquirer\n", "  own\n"));
        assert_eq!(run(&["dialect", "check", &own], "").status.code(), Some(0));
        let of_1993 =
            run(&["dialect", "import", product, &path(name), "--base", "iso93-ascii"], "");
        assert!(stdout(&of_1993).contains("\nversion  1993\n"), "{}", stderr(&of_1993));
        assert!(stdout(&of_1993).contains("are those of iso93-ascii"), "{}", stdout(&of_1993));
        // It is never overwritten unasked.
        fs::write(&own, "mine").unwrap();
        let output = run(&import, "");
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("own.dialect is there already; --force overwrites it"));
        assert_eq!(fs::read_to_string(&own).unwrap(), "mine");
        let named = [&import[..], &["--force", "--name", "bank one"]].concat();
        assert_eq!(run(&named, "").status.code(), Some(0));
        assert!(fs::read_to_string(&own).unwrap().contains("\ndialect  bank-one\n"));
    }
}

#[test]
fn load_speaks_iso_8583_1987_alone() {
    for (arguments, name, parts) in [
        (
            &["sim", "load", "--asker"][..],
            "iso93-ascii",
            &["it is not one of ISO 8583:1987", "its version is 1993"][..],
        ),
        (&["sim", "load", "--issuer"], "iso93-bcd", &["its version is 1993"]),
        (
            &["sim", "pos", "--connect", "127.0.0.1:1", "--dialect"],
            "iso2003-binary",
            &["its version is 2003"],
        ),
        (
            &["sim", "issuer", "--listen", "127.0.0.1:0", "--dialect"],
            "ipm-latin1",
            &["simulated peers cannot speak"],
        ),
    ] {
        let output = run(&[arguments, &[name]].concat(), "");
        let told = stderr(&output);
        assert!(!output.status.success() && output.stdout.is_empty(), "{told}");
        for part in parts {
            assert!(told.contains(name) && told.contains(part), "{part}\nis not in\n{told}");
        }
    }
}

/// A terminal's purchase as an issuer of 1993 would be told it; what it cannot be told is refused by name.
#[test]
fn a_message_as_another_link_would_be_told_it() {
    let (home, config, text) = routed();
    let later = text.replacen("dialect = \"iso87-ascii\"", "dialect = \"iso93-ascii\"", 1);
    let changes = "\n[[links.issuer-a.write]]\nset = { 33 = \"999999\" }\ndrop = [60]\n";
    fs::write(&config, format!("{later}{changes}")).unwrap();
    let (config, card) = (config.to_str().unwrap(), r#""2":"4111111511111111""#);
    let map = |more: &str| {
        let message = payment(&format!("{card},{more}"));
        run(&["map", config, "terminals", "issuer-a", &message], "")
    };
    let output = map(r#""12":"183400","13":"1123","22":"051","60":"private""#);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stdout(&output);
    let words: Vec<Vec<&str>> =
        told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["0200", "terminals", "(iso87-bcd)", "1200", "issuer-a", "(iso93-ascii)"]);
    for line in [
        &["DE", "2", "411111******1111", "411111******1111"][..],
        &["DE", "13", "1123", "-", "left", "out"],
        &["DE", "22", "051", "510101500004", "changed"],
        &["DE", "24", "-", "200", "put", "in"],
        &["DE", "33", "-", "999999", "put", "in"],
        &["DE", "60", "private", "-", "left", "out"],
    ] {
        assert!(words.iter().any(|words| words == line), "{line:?}\nis not in\n{told}");
    }
    assert!(!told.contains("4111111511111111"), "{told}");
    let output = map(r#""28":"D00000100""#);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("element 28: nothing in the other edition"), "{told}");
    let output = run(&["map", config, "terminals", "bank", "00"], "");
    assert!(
        stderr(&output).contains("those are issuer-a, issuer-b, terminals"),
        "{}",
        stderr(&output)
    );
    drop(home);
}

#[test]
fn what_is_no_packager_file_is_told_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    let [(_, _, jpos), (_, _, moov), (_, _, pyiso8583)] = packagers();
    for (product, bytes, parts) in [
        ("jpos", jpos.replace("\"48\"", "\"4\"").into_bytes(), ["file:5:1", "4 a second time"]),
        ("jpos", b"{}".to_vec(), ["file:1:1", "not XML"]),
        ("jpos", b"<isopackager>\xFF".to_vec(), ["file:1:14", "this is not UTF-8"]),
        ("jpos", jpos.replace("IFA_BITMAP", "IFA_BTMAP").into_bytes(), ["file:3:1", "^^^^^^^^^"]),
        ("moov", moov.replace("ASCII.LL", "ASCI.LL").into_bytes(), ["file:5:7", "prefix"]),
        ("moov", jpos.into_bytes(), ["file:1:1", "expected value"]),
        ("pyiso8583", pyiso8583.replace("99", "-99").into_bytes(), ["file:4:", "-99"]),
        ("pyiso8583", moov.into_bytes(), ["file:1:12", "is not a key of a specification"]),
        ("pyiso8583", vec![b' '; (4 << 20) + 1], ["longer than 4194304 bytes", ""]),
    ] {
        fs::write(&file, bytes).unwrap();
        let output = run(&["dialect", "import", product, file.to_str().unwrap()], "");
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(65), "{told}");
        assert!(output.stdout.is_empty(), "{told}");
        for part in parts {
            assert!(told.contains(part), "{part}\nis not in\n{told}");
        }
    }
}

/// What a payment says besides its card, as JSON.
const PAYMENT: &str = r#""3":"000000","4":"000000001000","11":"000001","18":"6011","49":"978""#;

const ROUTES: &str = r#"
[[routes]]
bins = "cards.csv"
mcc = ["5411", "5500-5599"]
to = ["issuer-a"]

[[routes]]
bin = "411111"
class = "authorization"
to = ["issuer-a"]

[links.issuer-b]
role = "issuer"
dial = "127.0.0.1:9"
dialect = "iso87-ascii"

[[routes]]
bin = "4111"
currency = "978"
amount_from = 1000
to = ["issuer-b", "issuer-a"]
weights = [3, 1]
"#;

/// The reference, and routes that pass a payment on from one to the next.
fn routed() -> (TempDir, PathBuf, String) {
    let (home, config) = configuration(&[]);
    fs::write(home.path().join("cards.csv"), "first,last\n41111111,41111119\n").unwrap();
    let text = fs::read_to_string(&config).unwrap() + ROUTES;
    fs::write(&config, &text).unwrap();
    (home, config, text)
}

/// An 0200 of the terminals' dialect, in hexadecimal digits.
fn payment(card: &str) -> String {
    let json = format!("{{\"mti\":\"0200\",\"fields\":{{{card},{PAYMENT}}}}}");
    let output = run(&["encode", "--dialect", "iso87-bcd"], &json);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output).trim().to_owned()
}

/// The facts, the routes in turn with why each was passed over, and the links; the card is masked wherever it is told.
#[test]
fn why_a_message_goes_where_it_goes() {
    let (_home, config, text) = routed();
    for card in [r#""2":"4111111511111111""#, r#""35":"4111111511111111=29122010000""#] {
        let output = run(&["route", config.to_str().unwrap(), &payment(card)], "");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let told = stdout(&output);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines[..2], ["message  0200, class financial", "card     411111******1111"]);
        assert_eq!(lines[2..5], ["DE 4     000000001000", "DE 18    6011", "DE 49    978"]);
        for (at, begins, ends) in [
            (
                5,
                "route 2  cards 41111111-41111119 (line ",
                "`mcc` does not have what element 18 says",
            ),
            (6, "route 3  cards 411111 (line ", "passed over, `class` is the other one"),
            (7, "route 4  cards 4111 (line ", ": chosen"),
        ] {
            assert!(lines[at].starts_with(begins) && lines[at].ends_with(ends), "{told}");
            let number = lines[at].split_once("(line ").unwrap().1.split(')').next().unwrap();
            let place = text.lines().nth(number.parse::<usize>().unwrap() - 1);
            assert_eq!(place, Some("[[routes]]"), "{told}");
        }
        assert_eq!(lines[8..10], ["link 1   issuer-b, 3 of 4", "link 2   issuer-a, 1 of 4"]);
        assert!(lines[10].contains("by their weights"), "{told}");
        assert!(!told.contains("4111111511111111"), "{told}");
    }
}

/// As a file, on standard input, and as a frame with what its link has around it.
#[test]
fn a_message_to_be_routed_is_given_in_any_way() {
    let (home, config, _) = routed();
    let (config, message) = (config.to_str().unwrap(), payment(r#""2":"4111111511111111""#));
    let file = home.path().join("message.hex");
    fs::write(&file, &message).unwrap();
    let frame = format!("{:04X}6000010000{message}", message.len() / 2 + 5);
    for (arguments, stdin) in [
        (&["route", config, file.to_str().unwrap()][..], ""),
        (&["route", config, "-", "--link", "terminals"], message.as_str()),
        (&["route", "--framed", config, &frame], ""),
    ] {
        let output = run(arguments, stdin);
        assert!(
            stdout(&output).contains("link 1   issuer-b"),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn messages_that_no_route_takes() {
    let (_home, config, text) = routed();
    let config = config.to_str().unwrap();
    let good = payment(r#""2":"4111111511111111""#);
    let nobodys = payment(r#""2":"3111111511111111""#);
    let two = payment(r#""2":"4111111511111111","35":"3111111511111111=29122010000""#);
    let reversal = good.replacen("0200", "0400", 1);
    for (arguments, code, said) in [
        (&["route", config, &nobodys][..], 1, "no route takes this message"),
        (&["route", config, &two], 65, "elements 2 and 35 name no card, or two"),
        (&["route", config, &reversal], 65, "a reversal goes where its original went"),
        (&["route", config, "0200F"], 65, "help: "),
        (&["route", config, &good, "--link", "issuer-a"], 2, "that asks; those are terminals"),
        (&["route", "/nowhere/iso8583d.toml", &good], 78, "cannot be read"),
    ] {
        let output = run(arguments, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert!(!stderr(&output).contains("4111111511111111"), "{}", stderr(&output));
    }
    let output = run(&["route", config, &nobodys], "");
    let told = stdout(&output);
    assert!(
        told.ends_with("besides  4 routes for other cards\nchosen   none: its asker hears 92\n")
    );
    let both = text.replace("role = \"issuer\"\ndial = \"127", "role = \"both\"\ndial = \"127");
    fs::write(config, both).unwrap();
    let output = run(&["route", config, &good], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("one of issuer-b, terminals"), "{}", stderr(&output));
}
