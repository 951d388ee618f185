//! Links that encrypt, with peers that do not share a line with the switch's own TLS but the library below it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use iso8583d::daemon::control;
use iso8583d::dialect::Dialect;
use iso8583d::framing::Settings;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};
use tokio::time::Instant;

use super::papers::{Authority, Paper};
use super::street::{PATIENCE, Peer, Street, Wire, no_of, purchase, text};

type Client = StreamOwned<ClientConnection, TcpStream>;

impl Wire for Client {
    fn end(&self) {
        self.sock.shutdown(Shutdown::Both).unwrap();
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn end(&self) {
        self.sock.shutdown(Shutdown::Both).unwrap();
    }
}

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

fn roots(ca: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    roots
}

fn chain(paper: &Paper) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_slice(paper.certificate.as_bytes()).unwrap();
    (vec![certificate], PrivateKeyDer::from_pem_slice(paper.key.as_bytes()).unwrap())
}

/// A handshake with the switch, as far as the client sees.
fn shake(
    door: &str,
    ca: &Authority,
    own: Option<&Paper>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Client, std::io::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots(ca));
    let config = match own.map(chain) {
        Some((certificates, key)) => config.with_client_auth_cert(certificates, key).unwrap(),
        None => config.with_no_client_auth(),
    };
    let name = ServerName::try_from("switch.example").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(door).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(session, socket))
}

/// A terminal over TLS that is let in.
pub(crate) fn terminal(door: &str, ca: &Authority, own: &Paper) -> Peer {
    Street::asker_over(Box::new(shake(door, ca, Some(own), BOTH).unwrap()), "pos")
}

/// Whether a client is refused: by its handshake, or by what it reads first.
fn is_refused(shaken: Result<Client, std::io::Error>) -> bool {
    let Ok(mut client) = shaken else { return true };
    matches!(client.read(&mut [0; 16]), Err(fault) if fault.kind() != ErrorKind::WouldBlock)
}

/// Whether a terminal with this certificate is not let in.
pub(crate) fn is_turned_away(door: &str, ca: &Authority, own: &Paper) -> bool {
    is_refused(shake(door, ca, Some(own), &[&TLS13]))
}

/// A street whose `pos` link encrypts, with two clients and a list of what was taken back.
pub(crate) fn street(ca: &Authority, more: &str) -> Street {
    let street = Street::new(more);
    let server = ca.signs("switch.example", 1);
    street.keep("server.pem", &server.certificate);
    street.keep("server.key", &server.key);
    street.keep("ca.pem", &ca.pem());
    street.keep("crl.pem", &ca.revokes(13, 2100));
    street.configure(|text| {
        text.replace(
            "frame_ms_max = 500\n",
            r#"frame_ms_max = 500

[links.pos.tls]
certificate = "server.pem"
key = "file:server.key"
peers_ca = "ca.pem"
crl = "crl.pem"
handshake_ms_max = 1000

[[links.pos.tls.clients]]
san = "shop-1.example"
terminals = ["TERM0001", "T0000001"]

[[links.pos.tls.clients]]
san = "shop-2.example"
terminals = ["TERM0002"]
merchants = ["MERCHANT0000001"]
"#,
        )
    });
    street
}

/// A purchase that its issuer approves.
fn pays(asker: &mut Peer, issuer: &mut Peer, stan: u32) {
    asker.send(200, &purchase(stan));
    let (_, asked) = issuer.heard();
    issuer.answer(210, &asked, "00");
    assert_eq!(text(&asker.heard().1, 39), "00");
}

#[test]
fn a_purchase_encrypted_on_both_sides() {
    let (ca, issuers) = (Authority::new("clients"), Authority::new("issuers"));
    let tls = "\n[links.bank.tls]\npeers_ca = \"issuers.pem\"\nserver_name = \"bank.example\"\ncertificate = \"server.pem\"\nkey = \"file:server.key\"\n";
    let mut street = street(&ca, tls);
    street.keep("issuers.pem", &issuers.pem());
    assert_eq!(street.check().0, Some(0), "{}", street.check().1);
    let bank = street.bank();
    street.start();
    // The issuer wants to know who calls it.
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&ca)), Arc::clone(&provider));
    let (certificates, key) = chain(&issuers.signs("bank.example", 1));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(BOTH)
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(certificates, key)
        .unwrap();
    let (mut socket, _) = bank.accept().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut session = ServerConnection::new(Arc::new(config)).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut socket).unwrap();
    }
    let wire = Box::new(StreamOwned::new(session, socket));
    let dialect = Dialect::shipped("iso87-ascii-binary-bitmap").unwrap();
    let mut issuer = Peer::over(wire, dialect, Settings::default());
    let door = street.door("pos");
    for version in [&TLS12, &TLS13] {
        let client = ca.signs("shop-1.example", 2);
        let shaken = shake(&door, &ca, Some(&client), &[version]).unwrap();
        let mut pos = Street::asker_over(Box::new(shaken), "pos");
        let stan = if version.version == TLS12.version { 1 } else { 2 };
        pays(&mut pos, &mut issuer, stan);
        pos.send(201, &purchase(stan));
        assert_eq!(text(&pos.heard().1, 38), "A1B2C3");
    }
    street.signal("-TERM");
    // A clean end: a close_notify, and nothing else.
    assert!(issuer.hear().is_none());
    let (code, said) = street.ended();
    assert_eq!(code, Some(0), "{said}");
    for part in ["tls=\"1.2\" names=\"shop-1.example\"", "tls=\"1.3\"", "names=\"bank.example\""] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Each of those who may not come is refused, its reason is logged, and who may is served all the while.
#[test]
fn who_may_not_come_is_refused_and_others_are_served() {
    let (ca, other) = (Authority::new("clients"), Authority::new("others"));
    let mut street = street(&ca, "");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let door = street.door("pos");
    let (one, host) = (ca.signs("shop-1.example", 2), "host");
    let mut pos = terminal(&door, &ca, &one);
    pays(&mut pos, &mut issuer, 1);
    let revoked = ca.signs("shop-1.example", 13);
    let old = ca.signs_until("shop-1.example", 4, 2020);
    let (forged, strange) = (other.signs("shop-1.example", 2), ca.signs("shop-9.example", 5));
    for (no, stranger) in
        [Some(&revoked), Some(&old), Some(&forged), Some(&strange), None].into_iter().enumerate()
    {
        for version in [&TLS12, &TLS13] {
            assert!(is_refused(shake(&door, &ca, stranger, &[version])), "{no}");
        }
    }
    // A ClientHello that offers TLS 1.1 and nothing newer; no TLS at all; and a message in the clear.
    for bytes in [&old_hello()[..], b"GET / HTTP/1.1\r\n\r\n", b"\0\x20\x60\0\x01\0\0\x02\0"] {
        let mut socket = TcpStream::connect(&door).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(bytes).unwrap();
        let mut heard = Vec::new();
        // An alert at most, and the end.
        drop(socket.read_to_end(&mut heard));
        assert!(heard.len() <= 7, "{heard:?}");
    }
    pays(&mut pos, &mut issuer, 2);
    pays(&mut street.asker(host), &mut issuer, 3);
    let page = Street::console(&street.console_address(), "/metrics");
    let line = "iso8583d_link_refusals_total{link=\"pos\",why=\"handshake\"} 13";
    assert!(page.contains(line), "{page}");
    street.signal("-TERM");
    let (_, said) = street.ended();
    for part in [
        "the certificate of its peer was revoked",
        "its certificate names shop-9.example: no client of this link",
        "no CA of peers_ca has signed it",
        "it has to be renewed",
        "this link wants a certificate of its peers",
    ] {
        assert!(said.contains(part), "{part}\nis not in\n{said}");
    }
}

/// TLS 1.1, one suite, no extensions.
fn old_hello() -> Vec<u8> {
    let mut hello = b"\x03\x02".to_vec();
    hello.extend([7; 32]);
    hello.extend(b"\0\0\x02\xC0\x13\x01\0");
    let len = u8::try_from(hello.len()).unwrap();
    [&b"\x16\x03\x01\0"[..], &[len + 4], b"\x01\0\0", &[len], &hello].concat()
}

/// A client of another link's list is a stranger here, and what it asks for others is declined.
#[test]
fn a_certificate_speaks_for_its_own_terminals() {
    let ca = Authority::new("clients");
    let mut street = street(&ca, "");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let door = street.door("pos");
    let mut one = terminal(&door, &ca, &ca.signs("SHOP-1.example", 2));
    let mut two = terminal(&door, &ca, &ca.signs("shop-2.example", 3));
    pays(&mut one, &mut issuer, 1);
    let lines = street.ask(&control::Command::Links).unwrap();
    let line = lines.iter().find(|line| line["link"] == "pos").unwrap();
    let names: Vec<_> =
        line["sessions"].as_array().unwrap().iter().map(|one| &one["names"]).collect();
    assert_eq!(names, ["shop-1.example", "shop-2.example"]);
    for mti in [200, 201, 220] {
        two.send(mti, &purchase(1));
        assert_eq!(text(&two.heard().1, 39), "58");
    }
    let mut own = purchase(2);
    own.set(no_of(41), b"TERM0002");
    two.send(200, &own);
    let (_, asked) = issuer.heard();
    assert_eq!((text(&asked, 41), text(&asked, 37)), ("TERM0002".into(), "000000000001".into()));
    issuer.answer(210, &asked, "00");
    assert_eq!(text(&two.heard().1, 39), "00");
    let page = Street::console(&street.console_address(), "/metrics");
    assert!(page.contains("iso8583d_switch_declines_total{code=\"58\"} 3"), "{page}");
    street.signal("-TERM");
    let (_, said) = street.ended();
    assert!(said.contains("audit: a message was declined with 58"), "{said}");
}

/// Terminals that stop in the middle of the handshake are ended in time, and hold nobody up meanwhile.
#[test]
fn handshakes_that_do_not_end() {
    let ca = Authority::new("clients");
    let mut street = street(&ca, "");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let door = street.door("pos");
    let began = Instant::now();
    let stuck: Vec<_> = (0..60)
        .map(|no| {
            let mut socket = TcpStream::connect(&door).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let begun = &old_hello()[..];
            socket.write_all(&begun[..no % begun.len()]).unwrap();
            socket
        })
        .collect();
    let mut pos = terminal(&door, &ca, &ca.signs("shop-1.example", 2));
    pays(&mut pos, &mut issuer, 1);
    for mut socket in stuck {
        drop(socket.read_to_end(&mut Vec::new()));
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    pays(&mut pos, &mut issuer, 2);
    street.signal("-TERM");
    let (_, said) = street.ended();
    assert!(said.contains("it did not end in time"), "{said}");
}

/// What is out of date keeps no switch from starting, and `check` tells it.
#[test]
fn papers_out_of_date_are_told_and_the_switch_starts() {
    let ca = Authority::new("clients");
    let mut street = street(&ca, "");
    street.keep("crl.pem", &ca.revokes(13, 2021));
    let (code, said) = street.check();
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("a newer one was to be there on 2021-01-01"), "{said}");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    pays(&mut terminal(&street.door("pos"), &ca, &ca.signs("shop-1.example", 2)), &mut issuer, 1);
    street.signal("-TERM");
    let (code, said) = street.ended();
    assert_eq!(code, Some(0));
    assert!(said.contains("`crl` does not hold today"), "{said}");
}

/// A simulated terminal: its exit code, and what it said.
fn sim_pos(door: &str, papers: &[String], name: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
        .args(["sim", "pos", "--connect", door, "--dialect", "iso87-bcd", "--tpdu", "6000010000"])
        .args(["--tls-name", name])
        .args(papers)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// Simulated peers on both sides, told by their options.
#[test]
fn simulated_peers_encrypt() {
    let ca = Authority::new("all");
    let tls = "\n[links.bank.tls]\npeers_ca = \"ca.pem\"\nserver_name = \"bank.example\"\ncertificate = \"server.pem\"\nkey = \"file:server.key\"\n";
    let mut street = street(&ca, tls);
    for (name, paper) in
        [("bank", ca.signs("bank.example", 7)), ("shop", ca.signs("shop-1.example", 2))]
    {
        street.keep(&format!("{name}.pem"), &paper.certificate);
        street.keep(&format!("{name}.key"), &paper.key);
    }
    let path = |name: &str| street.path(name).to_str().unwrap().to_owned();
    let papers = |own: &str| {
        let [certificate, key] = ["pem", "key"].map(|kind| path(&format!("{own}.{kind}")));
        [
            "--tls-ca".to_owned(),
            path("ca.pem"),
            "--tls-cert".to_owned(),
            certificate,
            "--tls-key".to_owned(),
            key,
        ]
    };
    let port = street.bank().local_addr().unwrap();
    let mut issuer = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
        .args([
            "sim",
            "issuer",
            "--dialect",
            "iso87-ascii-binary-bitmap",
            "--listen",
            &port.to_string(),
        ])
        .args(papers("bank"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (shop, bank) = (papers("shop"), papers("bank"));
    street.start();
    street.wait(|street| {
        let lines = street.ask(&control::Command::Links).ok()?;
        lines
            .iter()
            .any(|line| line["link"] == "bank" && line["state"] == "signed on")
            .then_some(())
    });
    let door = street.door("pos");
    let (code, said) = sim_pos(&door, &shop, "switch.example");
    assert_eq!((code, said.matches("approved").count()), (Some(0), 4), "{said}");
    // Who is not who it should be, on either side.
    let (code, said) = sim_pos(&door, &shop, "other.example");
    assert!(code == Some(1) && said.contains("see server_name"), "{said}");
    let (code, said) = sim_pos(&door, &bank, "switch.example");
    assert!(code == Some(1) && !said.contains("approved"), "{said}");
    issuer.kill().unwrap();
    issuer.wait().unwrap();
}
