//! Framings of the field over real sockets. What peers write, and what they insist on hearing, is put together here by hand.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use iso8583d::codec::{self, Message};
use iso8583d::daemon::control::Command;
use iso8583d::dialect::Dialect;
use iso8583d::iso::Elements;

use crate::street::{PATIENCE, Street, no_of, purchase, text, written};

/// A peer's way around a message.
struct Way {
    /// What the link's configuration says.
    lines: &'static str,
    dialect: &'static str,
    /// A message as the peer writes it.
    wrap: fn(&[u8]) -> Vec<u8>,
    /// The message in what came, once all of it is there.
    open: fn(&[u8]) -> Option<&[u8]>,
}

/// The message behind `before`, if what came begins and ends so and nothing is missing.
fn within<'a>(came: &'a [u8], before: &[u8], behind: &[u8]) -> Option<&'a [u8]> {
    came.strip_prefix(before)?.strip_suffix(behind)
}

fn ebcdic(len: usize) -> Vec<u8> {
    format!("{len:04}").bytes().map(|digit| 0xF0 | digit & 0x0F).collect()
}

fn short(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap().to_be_bytes()
}

fn bcd(len: usize) -> [u8; 2] {
    u16::from_str_radix(&len.to_string(), 16).unwrap().to_be_bytes()
}

fn lrc(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

/// Twenty-two bytes: its length, format, text format, total length, destination, source, and eleven that say nothing.
fn visa(message: usize, destination: [u8; 3], source: [u8; 3]) -> Vec<u8> {
    let total = short(22 + message);
    [&[0x16, 1, 2], &total[..], &destination, &source, &[0; 11]].concat()
}

const NEAR: [u8; 3] = [0x40, 0, 0x01];
const FAR: [u8; 3] = [0x50, 0, 0x02];

const WAYS: &[Way] = &[
    Way {
        lines: "length = \"ebcdic-4\"",
        dialect: "iso87-ebcdic",
        wrap: |message| [&ebcdic(message.len()), message].concat(),
        open: |came| within(came, &ebcdic(came.len().checked_sub(4)?), b""),
    },
    Way {
        lines: "length = \"binary-2-le\"\nlength_counts = [\"itself\"]",
        dialect: "iso87-ascii",
        wrap: |message| {
            let [high, low] = short(message.len() + 2);
            [&[low, high], message].concat()
        },
        open: |came| {
            let [high, low] = short(came.len());
            within(came, &[low, high], b"")
        },
    },
    Way {
        lines: "length = \"none\"\nprefix = \"02\"\ntrailer = \"03\"\nlrc = true",
        dialect: "iso87-ascii",
        wrap: |message| {
            let ended = [message, b"\x03"].concat();
            [b"\x02", &ended[..], &[lrc(&ended)]].concat()
        },
        open: |came| {
            let (sum, summed) = came.get(1..)?.split_last()?;
            (*sum == lrc(summed)).then(|| within(came, b"\x02", &[3, *sum])).flatten()
        },
    },
    Way {
        lines: "header = \"base24:ISO025000050\"\ntrailer = \"03\"\nlength_counts = [\"header\", \"trailer\"]",
        dialect: "iso87-ascii",
        wrap: |message| {
            [&short(message.len() + 13), &b"ISO025000060"[..], message, b"\x03"].concat()
        },
        // Who answers writes its code into the last digit.
        open: |came| {
            let before = [&short(came.len().checked_sub(2)?), &b"ISO025000065"[..]].concat();
            within(came, &before, b"\x03")
        },
    },
    Way {
        lines: "length = \"none\"\nheader = \"base24:ISO025000050\"\ntrailer = \"03\"",
        dialect: "iso87-ascii",
        wrap: |message| [b"ISO025000060", message, b"\x03"].concat(),
        open: |came| within(came, b"ISO025000065", b"\x03"),
    },
    Way {
        lines: "reserved = \"0000\"\nheader = \"visa:500002:400001\"",
        dialect: "iso87-bcd",
        wrap: |message| {
            let header = visa(message.len(), NEAR, FAR);
            [&short(message.len() + 22), &[0, 0], &header[..], message].concat()
        },
        open: |came| {
            let message = came.len().checked_sub(26)?;
            let header = visa(message, FAR, NEAR);
            within(came, &[&short(message + 22), &[0, 0], &header[..]].concat(), b"")
        },
    },
    Way {
        lines: "length = \"bcd-2\"\ntpdu = \"6000010000\"",
        dialect: "iso87-bcd",
        wrap: |message| [&bcd(message.len() + 5), &b"\x60\0\x01\0\x07"[..], message].concat(),
        open: |came| {
            let before = [&bcd(came.len().checked_sub(2)?), &b"\x60\0\x07\0\x01"[..]].concat();
            within(came, &before, b"")
        },
    },
    Way {
        lines: "length = \"hex-4\"",
        dialect: "iso87-ascii",
        wrap: |message| [format!("{:04X}", message.len()).as_bytes(), message].concat(),
        open: |came| within(came, format!("{:04X}", came.len().checked_sub(4)?).as_bytes(), b""),
    },
    Way {
        lines: "prefix = \"D04A\"\nreserved = \"0000\"",
        dialect: "iso87-ascii-binary-bitmap",
        wrap: |message| [b"\xD0\x4A", &short(message.len())[..], b"\0\0", message].concat(),
        open: |came| {
            let before = [b"\xD0\x4A", &short(came.len().checked_sub(6)?)[..], b"\0\0"].concat();
            within(came, &before, b"")
        },
    },
    // Nothing but messages: whether one is whole, its elements say.
    Way {
        lines: "length = \"none\"",
        dialect: "iso87-bcd",
        wrap: <[u8]>::to_vec,
        open: |came| Some(came),
    },
];

/// Reads until there is a message, and no byte more.
fn hear(socket: &mut TcpStream, way: &Way, dialect: &Arc<Dialect>) -> Message {
    let mut came = Vec::new();
    loop {
        let mut piece = [0; 4096];
        match socket.read(&mut piece) {
            Ok(0) => panic!("{}: the switch hung up after {came:02X?}", way.lines),
            Ok(len) => came.extend_from_slice(&piece[..len]),
            Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
            Err(fault) => panic!("{}: {fault} after {came:02X?}", way.lines),
        }
        let message = (way.open)(&came).map(Bytes::copy_from_slice);
        let message = message.and_then(|message| codec::decode(dialect, message).ok());
        if let Some(message) = message {
            return message;
        }
    }
}

fn socket_at(door: &str) -> TcpStream {
    let socket = TcpStream::connect(door).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn a_purchase_in_each_framing_of_the_field() {
    let links: Vec<_> = WAYS.iter().enumerate().map(|(number, Way { lines, dialect, .. })| {
        format!("[links.way-{number}]\nrole = \"asker\"\nlisten = \"127.0.0.1:0\"\ndialect = \"{dialect}\"\n{lines}\n")
    }).collect();
    let mut street = Street::new(&links.concat());
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    for (number, way) in WAYS.iter().enumerate() {
        let dialect = Arc::new(Dialect::shipped(way.dialect).unwrap());
        let mut socket = socket_at(&street.door(&format!("way-{number}")));
        // Two on one connection: the second begins where the first ended, and arrives in two pieces.
        for (stan, code) in [(1, "00"), (2, "51")] {
            let frame = (way.wrap)(&written(&dialect, 200, &purchase(stan)));
            let (first, second) = frame.split_at(if stan == 1 { 0 } else { frame.len() / 2 });
            socket.write_all(first).unwrap();
            socket.write_all(second).unwrap();
            let (mti, asked) = issuer.heard();
            assert_eq!((mti, text(&asked, 41)), (200, text(&purchase(stan), 41)), "{}", way.lines);
            issuer.answer(210, &asked, code);
            let answer = hear(&mut socket, way, &dialect);
            let answered = answer.elements(answer.present());
            let (stan, code) = (format!("{stan:06}"), code.to_owned());
            assert_eq!((text(&answered, 11), text(&answered, 39)), (stan, code), "{}", way.lines);
        }
    }
}

/// An echo test of a peer's, as a whole frame with four digits before it.
fn echo_test(dialect: &Dialect) -> Vec<u8> {
    let mut echo = Elements::default();
    for (no, value) in [(7, "1123184000"), (11, "000009"), (70, "301")] {
        echo.set(no_of(no), value.as_bytes());
    }
    let message = written(dialect, 800, &echo);
    [format!("{:04}", message.len()).as_bytes(), &message].concat()
}

#[test]
fn keep_alives_are_ignored_echoed_or_end_the_connection() {
    let links: Vec<_> = ["ignore", "echo", "close"].map(|word| {
        format!("[links.{word}]\nrole = \"asker\"\nlisten = \"127.0.0.1:0\"\ndialect = \"iso87-ascii\"\nlength = \"ascii-4\"\nkeep_alive = \"{word}\"\n")
    }).to_vec();
    let mut street = Street::new(&links.concat());
    street.start();
    let dialect = Dialect::shipped("iso87-ascii").unwrap();
    for (link, came) in [("ignore", None), ("echo", Some(&b"0000"[..])), ("close", Some(b""))] {
        let mut socket = socket_at(&street.door(link));
        let mut heard = [0; 4];
        socket.write_all(b"0000").unwrap();
        if let Some(came) = came {
            let len = socket.read(&mut heard).unwrap_or(0);
            assert_eq!(&heard[..len], came, "{link}");
        }
        if came == Some(b"") {
            continue;
        }
        // What follows a keep-alive is a message as ever, and answered.
        socket.write_all(&echo_test(&dialect)).unwrap();
        socket.read_exact(&mut heard).unwrap();
        let mut message = vec![0; std::str::from_utf8(&heard).unwrap().parse().unwrap()];
        socket.read_exact(&mut message).unwrap();
        assert!(message.starts_with(b"0810"), "{link}");
    }
    let console = Street::console(&street.console_address(), "/metrics");
    for link in ["ignore", "echo"] {
        let counted = format!("link_keep_alives_total{{link=\"{link}\"}} 1");
        assert!(console.contains(&counted), "{counted} is not in\n{console}");
    }
}

/// The next frame at an issuer that has headers of Visa's: its header, and the message.
fn asked(socket: &mut TcpStream, dialect: &Arc<Dialect>) -> (Vec<u8>, Elements) {
    let mut before = [0; 4];
    socket.read_exact(&mut before).unwrap();
    let [high, low, zero, reserved] = before;
    assert_eq!([zero, reserved], [0, 0]);
    let mut frame = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    socket.read_exact(&mut frame).unwrap();
    let message = frame.split_off(22);
    assert_eq!(frame, visa(message.len(), NEAR, FAR), "our header");
    let message = codec::decode(dialect, Bytes::from(message)).unwrap();
    (frame, message.elements(message.present()))
}

/// An issuer behind a network with headers: it is asked under ours, answers under its own, and what the network
/// sends back rejected is nobody's answer.
#[test]
fn an_issuer_behind_headers_answers_and_rejects() {
    let mut street = Street::new(
        "[links.network]\nrole = \"issuer\"\nlisten = \"127.0.0.1:0\"\ndialect = \"iso87-bcd\"\nreserved = \"0000\"\n\
         header = \"visa:400001:500002\"\ntimeout_ms = 300\n[[routes]]\nbin = \"400000\"\nto = \"network\"\n",
    );
    street.start();
    let dialect = Arc::new(Dialect::shipped("iso87-bcd").unwrap());
    let mut network = socket_at(&street.door("network"));
    street.wait(|street| {
        let lines = street.ask(&Command::Links).unwrap();
        let line = lines.iter().find(|line| line["link"] == "network")?;
        (!line["sessions"].as_array()?.is_empty()).then_some(())
    });
    let mut pos = street.asker("pos");
    let sale = |stan| {
        let mut sale = purchase(stan);
        sale.set(no_of(2), b"4000000000000002");
        sale
    };
    pos.send(200, &sale(1));
    let (_, mut elements) = asked(&mut network, &dialect);
    elements.set(no_of(39), b"00");
    elements.set(no_of(38), b"A1B2C3");
    let answer = written(&dialect, 210, &elements);
    let header = visa(answer.len(), FAR, NEAR);
    network
        .write_all(&[&short(answer.len() + 22), &[0, 0], &header[..], &answer].concat())
        .unwrap();
    assert_eq!(text(&pos.heard().1, 39), "00");
    pos.send(200, &sale(2));
    let (header, elements) = asked(&mut network, &dialect);
    let message = written(&dialect, 200, &elements);
    let wrapper = [b"\x1A\x81", &header[2..], b"\x80\0\x02\x91"].concat();
    let whole = [&wrapper[..], &header, &message].concat();
    network.write_all(&[&short(whole.len()), &[0, 0], &whole[..]].concat()).unwrap();
    assert_eq!(text(&pos.heard().1, 39), "91");
    street.signal("-TERM");
    let (code, said) = street.ended();
    assert_eq!(code, Some(0), "{said}");
    let told = said.lines().find(|line| line.contains("messages of ours back"));
    assert!(told.is_some_and(|line| line.contains("291")), "{said}");
}
