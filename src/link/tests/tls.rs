//! Links that encrypt: handshakes that hold, fail and never end; what has begun when a line breaks; and clean ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::tls::{
    Certificates, Name, PemFault, PrivateKey, RevocationLists, Terms, Tls, Trust, Version,
};
use super::*;
use crate::link::papers::{Authority, Paper};
use crate::link::talk::push;

fn trusted(ca: &Authority) -> Trust {
    let ca = Certificates::from_pem(ca.pem().as_bytes()).unwrap();
    Trust { ca: Some(ca), crl: None }
}

fn revoked(ca: &Authority, serial: u64, year: i32) -> RevocationLists {
    RevocationLists::from_pem(ca.revokes(serial, year).as_bytes()).unwrap()
}

fn read(paper: &Paper) -> (Certificates, PrivateKey) {
    let certificates = Certificates::from_pem(paper.certificate.as_bytes()).unwrap();
    (certificates, PrivateKey::from_pem(paper.key.as_bytes()).unwrap())
}

const TERMS: Terms = Terms { version_min: Version::Tls12, handshake_ms_max: 5_000 };

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| Name::from_text(name).unwrap()).collect()
}

/// A listening link of TLS.
fn secured(tls: Tls, change: Change) -> (Arc<Floor>, Arc<Links<Floor>>, SocketAddr) {
    listening(|settings| {
        settings.tls = Some(tls);
        change(settings);
    })
}

/// A peer over TLS; whether it is taken shows as it reads.
async fn calls(address: SocketAddr, tls: &Tls) -> Result<Box<dyn Both>, String> {
    let stream = TcpStream::connect(address).await.unwrap();
    let secured = tls.shake(stream, "switch.example").await.map_err(|fault| fault.why)?;
    Ok(secured.stream)
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

#[tokio::test]
async fn a_batch_up_an_answer_down_and_a_clean_end() {
    let ca = Authority::new("a CA");
    let (server, client) = (ca.signs("switch.example", 1), ca.signs("shop-7.example", 2));
    for version_min in [Version::Tls12, Version::Tls13] {
        let terms = Terms { version_min, ..TERMS };
        let clients = names(&["shop-6.example", "shop-7.example"]);
        let tls = Tls::listening(read(&server), trusted(&ca), clients, terms).unwrap();
        let (floor, links, address) = secured(tls, |_| {});
        let tls = Tls::dialling(Some(read(&client)), trusted(&ca), None, TERMS).unwrap();
        let mut peer = calls(address, &tls).await.unwrap();
        let session = links.session(floor.hears_up().await).unwrap();
        assert_eq!(session.clients(), [1]);
        peer.write_all(b"\0\x02ab\0\x01c").await.unwrap();
        peer.flush().await.unwrap();
        let two = |told: &Told| match told {
            Told::Frames(_, bodies) => Some(bodies.clone()),
            _ => None,
        };
        assert_eq!(floor.heard(two).await, ["ab", "c"]);
        // More than what waits for the socket within TLS.
        let long = [7; 900];
        for mark in 0..100 {
            session.post(Head::NONE, &long, Some(mark));
        }
        session.wake();
        let mut heard = vec![0; 902 * 100];
        peer.read_exact(&mut heard).await.unwrap();
        assert!(heard.chunks(902).all(|frame| frame.ends_with(&long)));
        session.post(Head::NONE, b"bye", None);
        session.end("enough");
        let mut rest = Vec::new();
        // Without a close_notify this were an error.
        peer.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"\0\x03bye");
        floor.hears_down(session.id()).await;
        let begun: usize = floor.told.lock().unwrap().iter().fold(0, |sum, told| match told {
            Told::Begun(marks) => sum + marks.len(),
            _ => sum,
        });
        assert_eq!((begun, session.never_begun().len()), (100, 0));
    }
}

/// Each of them is refused, and the next good one is served.
#[tokio::test]
async fn who_is_not_let_in() {
    let (ca, other) = (Authority::new("a CA"), Authority::new("another"));
    let server = ca.signs("switch.example", 1);
    let trust = Trust { crl: Some(revoked(&ca, 4, 2100)), ..trusted(&ca) };
    let clients = names(&["shop-7.example"]);
    let tls = Tls::listening(read(&server), trust, clients, TERMS).unwrap();
    let (floor, links, address) = secured(tls, |_| {});
    let strangers = [
        None,
        Some(other.signs("shop-7.example", 2)),
        Some(ca.signs("shop-8.example", 3)),
        Some(ca.signs("shop-7.example", 4)),
        Some(ca.signs_until("shop-7.example", 5, 2020)),
    ];
    for stranger in &strangers {
        let own = stranger.as_ref().map(read);
        let tls = Tls::dialling(own, trusted(&ca), None, TERMS).unwrap();
        if let Ok(mut peer) = calls(address, &tls).await {
            peer.read_exact(&mut [0]).await.unwrap_err();
        }
    }
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"\0\x02ab").await.unwrap();
    plain.read_to_end(&mut Vec::new()).await.ok();
    let good = ca.signs("shop-7.example", 6);
    let tls = Tls::dialling(Some(read(&good)), trusted(&ca), None, TERMS).unwrap();
    let _peer = calls(address, &tls).await.unwrap();
    assert_eq!(floor.hears_up().await, 1);
    assert_eq!(links.sessions_open(), 1);
}

/// Whoever begins a handshake and does not end it holds a place for as long as that may take, and no longer.
#[tokio::test]
async fn a_handshake_holds_a_place_and_ends_in_time() {
    let ca = Authority::new("a CA");
    let server = ca.signs("switch.example", 1);
    let terms = Terms { handshake_ms_max: 400, ..TERMS };
    let tls = Tls::listening(read(&server), Trust::default(), Vec::new(), terms).unwrap();
    let (floor, links, address) = secured(tls, |_| {});
    let silent = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    // The beginning of a ClientHello that is to be 512 bytes long.
    half.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03").await.unwrap();
    closes(TcpStream::connect(address).await.unwrap()).await;
    closes(silent).await;
    closes(half).await;
    let tls = Tls::dialling(None, trusted(&ca), None, TERMS).unwrap();
    let _peer = calls(address, &tls).await.unwrap();
    assert_eq!(floor.hears_up().await, 1);
    assert_eq!(links.sessions_open(), 1);
}

#[tokio::test]
async fn a_peer_that_does_not_read_ends() {
    let ca = Authority::new("a CA");
    let server = ca.signs("switch.example", 1);
    let tls = Tls::listening(read(&server), Trust::default(), Vec::new(), TERMS).unwrap();
    let (floor, links, address) = secured(tls, |settings| settings.stall_ms_max = 200);
    let tls = Tls::dialling(None, trusted(&ca), None, TERMS).unwrap();
    let _peer = calls(address, &tls).await.unwrap();
    let session = links.session(floor.hears_up().await).unwrap();
    let stalled = async {
        loop {
            session.post(Head::NONE, &[0; 900], Some(7));
            session.wake();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = floor.hears_down(session.id()) => {}
        () = stalled => {}
    }
    assert!(!session.never_begun().is_empty());
}

/// A link that dials finds the address that is who it should be.
#[tokio::test]
async fn dialled_until_the_name_is_right() {
    let ca = Authority::new("a CA");
    let mut doors = Vec::new();
    for name in ["other.example", "bank.example"] {
        let server = ca.signs(name, 1);
        let tls = Tls::listening(read(&server), Trust::default(), Vec::new(), TERMS).unwrap();
        doors.push(secured(tls, |_| {}));
    }
    let floor = Arc::new(Floor::default());
    let links = Links::new(Arc::clone(&floor), TaskTracker::new());
    let addresses = doors.iter().map(|(_, _, address)| address.to_string()).collect();
    let mut settings = settings(Way::Dial { addresses, sessions: 1 });
    let name = ServerName::try_from("bank.example").unwrap();
    settings.tls = Some(Tls::dialling(None, trusted(&ca), Some(name), TERMS).unwrap());
    links.open(settings).unwrap();
    let session = links.session(floor.hears_up().await).unwrap();
    let (bank, _, address) = &doors[1];
    assert_eq!(session.peer(), *address);
    bank.hears_up().await;
    session.post(Head::NONE, b"hello", None);
    session.wake();
    let hello = |told: &Told| matches!(told, Told::Frames(_, bodies) if bodies == &["hello"]);
    bank.heard(|told| hello(told).then_some(())).await;
}

/// A layer takes what it is offered, and fails as it sends it.
struct Torn;

impl AsyncWrite for Torn {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Of a socket that fails nothing has begun; of a layer that fails, whatever it was offered.
#[tokio::test]
async fn what_a_layer_was_offered_has_begun() {
    for (layered, begun) in [(false, 0), (true, 3)] {
        let mut outgoing = BytesMut::from(&b"abc"[..]);
        let (bytes, fault) = push(&mut Torn, &mut outgoing, layered).await;
        assert_eq!((bytes, fault.is_some()), (begun, true));
    }
}

/// A line that breaks under TLS: what the peer has read has begun, whatever the socket says afterwards.
#[tokio::test]
async fn what_the_peer_has_read_has_begun() {
    let ca = Authority::new("a CA");
    let server = ca.signs("switch.example", 1);
    let tls = Tls::listening(read(&server), Trust::default(), Vec::new(), TERMS).unwrap();
    let (floor, links, address) = secured(tls, |settings| settings.outbox_bytes_max = 1 << 24);
    let tls = Tls::dialling(None, trusted(&ca), None, TERMS).unwrap();
    let mut peer = calls(address, &tls).await.unwrap();
    let session = links.session(floor.hears_up().await).unwrap();
    let posted: u32 = 6000;
    for mark in 0..posted {
        session.post(Head::NONE, &[7; 900], Some(mark));
    }
    session.wake();
    let mut heard = vec![0; 902 * 300];
    peer.read_exact(&mut heard).await.unwrap();
    // Unread bytes make a reset of it.
    drop(peer);
    floor.hears_down(session.id()).await;
    let never = session.never_begun();
    let begun: u32 = floor.told.lock().unwrap().iter().fold(0, |sum, told| match told {
        Told::Begun(marks) => sum + u32::try_from(marks.len()).unwrap(),
        _ => sum,
    });
    assert!(300 <= begun && never.iter().all(|mark| begun <= *mark), "{begun} have begun");
    assert_eq!(begun + u32::try_from(never.len()).unwrap(), posted, "each is told once");
}

#[test]
fn papers_that_are_none() {
    let ca = Authority::new("a CA");
    let (one, two) = (ca.signs("a.example", 1), ca.signs("b.example", 2));
    let mixed = (read(&one).0, read(&two).1);
    let fault = Tls::listening(mixed, Trust::default(), Vec::new(), TERMS).unwrap_err();
    assert_eq!(fault.why, "it is not the key of the certificate");
    assert_eq!(
        Certificates::from_pem(one.key.as_bytes()).err(),
        Some(PemFault::Nothing("certificate"))
    );
    assert_eq!(
        PrivateKey::from_pem(one.certificate.as_bytes()).err(),
        Some(PemFault::Nothing("private key"))
    );
    let torn = one.key.get(..one.key.len() / 2).unwrap();
    assert_eq!(PrivateKey::from_pem(torn.as_bytes()).err(), Some(PemFault::NoPem));
    let secret = one.key.lines().nth(1).unwrap();
    let shown = format!("{:?} {:?}", read(&one).1, PrivateKey::from_pem(torn.as_bytes()));
    assert!(!shown.contains(secret.get(..8).unwrap()), "{shown}");
    let locked = one.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let fault = PrivateKey::from_pem(locked.as_bytes()).err().unwrap();
    assert!(fault.to_string().contains("passphrase"), "{fault}");
    // What ended, and what is to be renewed.
    let old = ca.signs_until("a.example", 3, 2020);
    let stale = Certificates::from_pem(old.certificate.as_bytes()).unwrap().stale();
    assert_eq!(stale.as_deref(), Some("it ended on 2020-01-01"));
    assert_eq!(read(&one).0.stale(), None);
    let stale = revoked(&ca, 1, 2021).stale();
    assert_eq!(stale.as_deref(), Some("a newer one was to be there on 2021-01-01"));
    assert_eq!(revoked(&ca, 1, 2100).stale(), None);
}

/// In the clear nobody is known by a name.
#[tokio::test]
async fn a_link_without_tls_meets_in_the_clear() {
    let (floor, links, address) = listening(|_| {});
    let _peer = TcpStream::connect(address).await.unwrap();
    let session = links.session(floor.hears_up().await).unwrap();
    assert!(session.clients().is_empty());
    assert_eq!(links.snapshot()[0].names, "");
}
