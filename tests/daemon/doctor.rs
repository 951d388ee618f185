//! A link made of nothing but what `doctor` said about a capture.

use std::fs;
use std::process::Command;

use iso8583d::dialect::Dialect;
use iso8583d::framing::{Head, Length, Settings, Tpdu};

use crate::pays;
use crate::street::{Street, purchase, written};

/// A capture of a connection between port 40000 and port 8583, in Ethernet frames: each payload, and whether the terminal
/// sent it.
fn capture(payloads: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = [0xA1B2_C3D4_u32, 0x0002_0004, 0, 0, 65_535, 1].map(u32::to_be_bytes).concat();
    let mut sequences = [1_u32, 1];
    for (ours, payload) in payloads {
        let len = u16::try_from(40 + payload.len()).unwrap();
        let ends = [[10, 0, 0, 1], [10, 0, 0, 2]];
        let ports = [40_000_u16, 8583].map(u16::to_be_bytes);
        let (from, to) = if *ours { (0, 1) } else { (1, 0) };
        let packet = [
            &[0; 12][..],
            &[8, 0, 0x45, 0],
            &len.to_be_bytes(),
            &[0, 1, 0x40, 0, 64, 6, 0, 0],
            &ends[from],
            &ends[to],
            &ports[from],
            &ports[to],
            &sequences[from].to_be_bytes(),
            &[0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0],
            payload,
        ]
        .concat();
        let captured = u32::try_from(packet.len()).unwrap();
        bytes.extend([0, 0, captured, captured].map(u32::to_be_bytes).concat());
        bytes.extend(packet);
        sequences[from] += u32::try_from(payload.len()).unwrap();
    }
    bytes
}

/// Two packed bytes of length, a TPDU, a message.
fn frame(tpdu: [u8; 5], message: &[u8]) -> Vec<u8> {
    let len = u16::from_str_radix(&(tpdu.len() + message.len()).to_string(), 16).unwrap();
    [&len.to_be_bytes(), &tpdu[..], message].concat()
}

#[test]
fn a_link_made_of_what_doctor_said_of_a_capture_completes_a_payment() {
    let dialect = Dialect::shipped("iso87-bcd-left").unwrap();
    let said = |number| {
        let mut answer = purchase(number);
        answer.set(crate::street::no_of(39), b"00");
        [
            (true, frame(*b"\x60\0\x01\0\x07", &written(&dialect, 200, &purchase(number)))),
            (false, frame(*b"\x60\0\x07\0\x01", &written(&dialect, 210, &answer))),
        ]
    };
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("day.pcap");
    fs::write(&file, capture(&[said(1), said(2), said(3)].concat())).unwrap();
    let doctor = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
        .args(["doctor", "--port", "8583"])
        .arg(&file)
        .output()
        .unwrap();
    let told = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.status.success(), "{told}");
    let mut street =
        Street::new(&format!("[links.found]\nrole = \"asker\"\nlisten = \"127.0.0.1:0\"\n{told}"));
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    // What the terminal speaks does not come from what was said.
    let settings = Settings {
        length: Length::from_text("bcd-2").unwrap(),
        header: Head::tpdu(Tpdu::from_text("6000010007").unwrap()),
        ..Settings::default()
    };
    let mut asker = street.asker_framed("found", dialect, settings);
    for stan in 1..=3 {
        pays(&mut asker, &mut issuer, stan);
    }
}
