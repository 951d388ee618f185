//! TLS of a link: whom it trusts, what it shows, and the handshake; knows no files and no messages.
//!
//! A link trusts the certificates that it names, and nothing that a system may have brought. Every session makes its own
//! handshake: nothing is resumed, so that no session stands on a certificate that was looked at for another one.

mod der;
mod hint;
mod name;
mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, InconsistentKeys, ProtocolVersion, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use zeroize::Zeroize as _;

use crate::iso::BusinessDate;
use name::{Roster, listed};
use verify::Known;

pub(super) use hint::fix_of;
pub use name::Name;

/// How much ciphertext may wait within a session for its peer: one full record, so that a peer that takes nothing is noticed.
const WAITING_BYTES_MAX: usize = 16 * 1024;

/// TLS of one link. Shows nothing of its key.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    side: Side,
    handshake: Duration,
    /// What tells it from one that was made of other things.
    print: [u8; 32],
}

/// Alike are those that were made of the same certificates, keys, lists, names and terms.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.0.print == other.0.print
    }
}

impl Eq for Tls {}

/// Who calls whom.
enum Side {
    Listening { acceptor: TlsAcceptor, roster: Roster },
    Dialling { connector: TlsConnector, server_name: Option<ServerName<'static>> },
}

/// Certificates in the order of their file: the own one first, then those between it and its CA; or CAs in any order.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificates(Vec<CertificateDer<'static>>);

/// A private key. Shows nothing of itself, and is wiped.
pub struct PrivateKey(PrivateKeyDer<'static>);

/// Revocation lists, one for each CA.
#[derive(Clone)]
pub struct RevocationLists(Vec<CertificateRevocationListDer<'static>>);

/// Whom a link trusts.
#[derive(Clone, Default)]
pub struct Trust {
    /// The CAs of its peers. None on a listening link: whoever comes shows no certificate.
    pub ca: Option<Certificates>,
    /// What they took back; none where nobody asks.
    pub crl: Option<RevocationLists>,
}

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.2, with forward secrecy and authenticated encryption alone.
    Tls12,
    /// 1.3.
    Tls13,
}

/// What a link asks of every handshake.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The oldest version that is spoken.
    pub version_min: Version,
    /// A handshake must end within, milliseconds.
    pub handshake_ms_max: u64,
}

/// Why a text is not what it should be. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemFault {
    /// It is not PEM, or not to its end.
    #[error("it is not PEM text, or it is damaged")]
    NoPem,
    /// Nothing of the kind is in it.
    #[error("there is no {0} in it")]
    Nothing(&'static str),
}

/// Why there is no TLS: what is wrong, of which part. Shows no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct TlsFault {
    /// Of which part.
    pub part: Part,
    /// What is wrong.
    pub why: String,
}

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A part of what TLS is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The own certificate.
    Certificate,
    /// Its private key.
    Key,
    /// The certificates of the peers' CAs.
    Ca,
    /// The revocation lists.
    Crl,
}

/// A session that is encrypted, and who is at its other end.
pub(super) struct Secured {
    pub(super) stream: Box<TlsStream<TcpStream>>,
    /// The names in the peer's certificate, for people; empty when it showed none.
    pub(super) peer_names: String,
    /// The places of those among the link's clients.
    pub(super) places: Vec<usize>,
    /// `1.2` or `1.3`.
    pub(super) version: &'static str,
}

/// Why a session is not encrypted, for people.
#[derive(Debug)]
pub(super) struct Unsecured {
    pub(super) why: String,
    pub(super) fix: &'static str,
}

impl Certificates {
    /// From PEM; whatever else is in the text is passed over.
    pub fn from_pem(text: &[u8]) -> Result<Self, PemFault> {
        pieces(text, "certificate").map(Self)
    }

    /// Since when, or until when the first that does not hold now does not; none when all do.
    pub fn stale(&self) -> Option<String> {
        self.stale_at(UnixTime::now().as_secs())
    }

    fn stale_at(&self, now: u64) -> Option<String> {
        self.0.iter().find_map(|certificate| match der::validity(certificate) {
            Some((_, until)) if until < now => Some(format!("it ended on {}", date(until))),
            Some((from, _)) if now < from => Some(format!("it begins on {}", date(from))),
            _ => None,
        })
    }

    /// Whether one of these is one of those.
    pub fn share_one(&self, other: &Self) -> bool {
        self.0.iter().any(|certificate| other.0.contains(certificate))
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, TlsFault> {
        let mut roots = RootCertStore::empty();
        for certificate in &self.0 {
            roots
                .add(certificate.clone())
                .map_err(|fault| fault_of(Part::Ca, format!("one is no certificate: {fault}")))?;
        }
        Ok(Arc::new(roots))
    }
}

impl PrivateKey {
    /// From PEM: PKCS#8, PKCS#1 or SEC 1, not encrypted.
    pub fn from_pem(text: &[u8]) -> Result<Self, PemFault> {
        let locked = text.windows(LOCKED.len()).any(|window| window == LOCKED);
        let nothing = if locked { "private key that needs no passphrase" } else { "private key" };
        PrivateKeyDer::from_pem_slice(text).map(Self).map_err(|fault| pem_fault(&fault, nothing))
    }
}

const LOCKED: &[u8] = b"ENCRYPTED";

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl RevocationLists {
    /// From PEM, one or several.
    pub fn from_pem(text: &[u8]) -> Result<Self, PemFault> {
        pieces(text, "revocation list").map(Self)
    }

    /// When the first that is out of date was to be replaced; none when all are young enough.
    pub fn stale(&self) -> Option<String> {
        self.stale_at(UnixTime::now().as_secs())
    }

    fn stale_at(&self, now: u64) -> Option<String> {
        let due = self.0.iter().filter_map(|list| der::next_update(list)).find(|due| *due < now)?;
        Some(format!("a newer one was to be there on {}", date(due)))
    }
}

impl Tls {
    /// Of a link to which peers come: the own certificate and its key, whom it trusts, and the names of its clients. With
    /// names only certificates that have one of them are taken; without, all of its CAs'.
    pub fn listening(
        own: (Certificates, PrivateKey),
        trust: Trust,
        clients: Vec<Name>,
        terms: Terms,
    ) -> Result<Self, TlsFault> {
        let print = Print::of(Some(&own), &trust, terms).and(&format!("{clients:?}"));
        let (provider, roster) = (provider(), Roster::new(clients));
        let begun = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(terms.version_min.spoken())
            .map_err(|fault| fault_of(Part::Certificate, fault.to_string()))?;
        let begun = match trust.ca {
            None => begun.with_no_client_auth(),
            Some(ca) => {
                let builder = WebPkiClientVerifier::builder_with_provider(ca.roots()?, provider);
                let verifier = builder.with_crls(trust.crl.map(|crl| crl.0).unwrap_or_default());
                let verifier = verifier.build().map_err(|fault| verifier_fault(&fault))?;
                begun.with_client_cert_verifier(Arc::new(Known::new(verifier, roster.clone())))
            }
        };
        let mut config = begun
            .with_single_cert(own.0.0, own.1.0.clone_key())
            .map_err(|fault| own_fault(&fault))?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self::new(Side::Listening { acceptor, roster }, terms, print))
    }

    /// Of a link that calls its peer: whom it trusts, the peer's name where that is not the host that is dialled, and its own
    /// certificate with its key, if it shows one.
    pub fn dialling(
        own: Option<(Certificates, PrivateKey)>,
        trust: Trust,
        server_name: Option<ServerName<'static>>,
        terms: Terms,
    ) -> Result<Self, TlsFault> {
        let print = Print::of(own.as_ref(), &trust, terms).and(&format!("{server_name:?}"));
        let provider = provider();
        let ca = trust.ca.ok_or_else(|| fault_of(Part::Ca, String::from("nobody is trusted")))?;
        let builder =
            WebPkiServerVerifier::builder_with_provider(ca.roots()?, Arc::clone(&provider));
        let verifier = builder.with_crls(trust.crl.map(|crl| crl.0).unwrap_or_default());
        let verifier = verifier.build().map_err(|fault| verifier_fault(&fault))?;
        let begun = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(terms.version_min.spoken())
            .map_err(|fault| fault_of(Part::Certificate, fault.to_string()))?
            .with_webpki_verifier(verifier);
        let mut config = match own {
            None => begun.with_no_client_auth(),
            Some((certificates, key)) => begun
                .with_client_auth_cert(certificates.0, key.0.clone_key())
                .map_err(|fault| own_fault(&fault))?,
        };
        config.resumption = Resumption::disabled();
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self::new(Side::Dialling { connector, server_name }, terms, print))
    }

    fn new(side: Side, terms: Terms, print: Print) -> Self {
        let handshake = Duration::from_millis(terms.handshake_ms_max);
        Self(Arc::new(Inner { side, handshake, print: print.0.finalize().into() }))
    }

    /// The handshake, whoever begins it; `host` is what was dialled. Ends within its time.
    pub(super) async fn shake(&self, stream: TcpStream, host: &str) -> Result<Secured, Unsecured> {
        let shaken = match timeout(self.0.handshake, self.shake_for_long(stream, host)).await {
            Ok(shaken) => shaken?,
            Err(_elapsed) => {
                let why = String::from("it did not end in time");
                return Err(Unsecured { why, fix: hint::SLOW });
            }
        };
        let (_, session) = shaken.get_ref();
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            _ => "1.2",
        };
        let shown = session.peer_certificates().and_then(|chain| chain.first());
        let names = shown.map(|certificate| der::names(certificate));
        let places = match &self.0.side {
            Side::Listening { roster, .. } => roster.places(names.as_deref().unwrap_or_default()),
            Side::Dialling { .. } => Vec::new(),
        };
        if let Side::Listening { roster, .. } = &self.0.side
            && !roster.is_open()
            && places.is_empty()
        {
            // The verifier has refused it; should it ever not, nobody is let in without a place.
            let why = String::from("its certificate names no client of this link");
            return Err(Unsecured { why, fix: "" });
        }
        let peer_names = names.map(|names| listed(&names)).unwrap_or_default();
        Ok(Secured { stream: Box::new(shaken), peer_names, places, version })
    }

    /// The handshake of a peer that is no link of a switch: its stream, or why there is none.
    pub async fn encrypt(&self, stream: TcpStream, host: &str) -> Result<Box<dyn Duplex>, String> {
        let shaken = self.shake(stream, host).await;
        let stream = shaken.map_err(|Unsecured { why, fix }| match fix {
            "" => why,
            fix => format!("{why}; {fix}"),
        })?;
        Ok(stream.stream)
    }

    async fn shake_for_long(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<TlsStream<TcpStream>, Unsecured> {
        let shaken = match &self.0.side {
            Side::Listening { acceptor, .. } => {
                let accept = acceptor.accept_with(stream, |session| {
                    session.set_buffer_limit(Some(WAITING_BYTES_MAX));
                });
                accept.await.map(TlsStream::Server)
            }
            Side::Dialling { connector, server_name } => {
                let own = || ServerName::try_from(host.to_owned()).ok();
                let Some(name) = server_name.clone().or_else(own) else {
                    let why = format!("{host:?} is no name that a certificate could have");
                    return Err(Unsecured { why, fix: "say which name it has: server_name" });
                };
                let connect = connector.connect_with(name, stream, |session| {
                    session.set_buffer_limit(Some(WAITING_BYTES_MAX));
                });
                connect.await.map(TlsStream::Client)
            }
        };
        shaken.map_err(|fault| hint::about(&fault))
    }
}

/// A hash over everything of which TLS is made; of a key nothing can be read out of it.
struct Print(Sha256);

impl Print {
    fn of(own: Option<&(Certificates, PrivateKey)>, trust: &Trust, terms: Terms) -> Self {
        let mut print = Self(Sha256::new());
        let certificates = own.iter().flat_map(|(certificates, _)| &certificates.0);
        print.pieces(certificates);
        print.pieces(own.iter().map(|(_, key)| key.0.secret_der()));
        print.pieces(trust.ca.iter().flat_map(|ca| &ca.0));
        print.pieces(trust.crl.iter().flat_map(|crl| &crl.0));
        print.and(&format!("{terms:?}"))
    }

    /// Pieces with their lengths, so that no two lists of them are alike.
    fn pieces<P: AsRef<[u8]>>(&mut self, pieces: impl Iterator<Item = P>) {
        for piece in pieces {
            let piece = piece.as_ref();
            self.0.update(piece.len().to_be_bytes());
            self.0.update(piece);
        }
        self.0.update(usize::MAX.to_be_bytes());
    }

    fn and(mut self, text: &str) -> Self {
        self.pieces(std::iter::once(text.as_bytes()));
        self
    }
}

impl Version {
    fn spoken(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Tls12 => &BOTH,
            Self::Tls13 => BOTH.get(..1).unwrap_or_default(),
        }
    }
}

/// A server's name as certificates have it: a DNS name or an IP address.
pub fn server_name(text: &str) -> Result<ServerName<'static>, &'static str> {
    ServerName::try_from(text.to_owned())
        .or(Err("a DNS name or an IP address, as it stands in the certificate"))
}

/// The host of `host:port`; an IPv6 address without its brackets.
pub fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Where every cipher comes from.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn pieces<T: PemObject>(text: &[u8], what: &'static str) -> Result<Vec<T>, PemFault> {
    let pieces: Result<Vec<T>, _> = T::pem_slice_iter(text).collect();
    let pieces = pieces.map_err(|fault| pem_fault(&fault, what))?;
    if pieces.is_empty() { Err(PemFault::Nothing(what)) } else { Ok(pieces) }
}

/// A fault of PEM text may quote a line of it, which may be of a key.
const fn pem_fault(fault: &rustls::pki_types::pem::Error, what: &'static str) -> PemFault {
    match fault {
        rustls::pki_types::pem::Error::NoItemsFound => PemFault::Nothing(what),
        _ => PemFault::NoPem,
    }
}

const fn fault_of(part: Part, why: String) -> TlsFault {
    TlsFault { part, why }
}

fn own_fault(fault: &rustls::Error) -> TlsFault {
    match fault {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            fault_of(Part::Key, String::from("it is not the key of the certificate"))
        }
        rustls::Error::InvalidCertificate(why) => {
            fault_of(Part::Certificate, format!("it cannot be read as a certificate: {why:?}"))
        }
        // Says what keys there are, and nothing of this one.
        other => fault_of(Part::Key, other.to_string()),
    }
}

fn verifier_fault(fault: &VerifierBuilderError) -> TlsFault {
    match fault {
        VerifierBuilderError::InvalidCrl(why) => {
            fault_of(Part::Crl, format!("one is no revocation list that is understood: {why:?}"))
        }
        other => fault_of(Part::Ca, other.to_string()),
    }
}

/// The day of a moment, in UTC.
fn date(seconds: u64) -> BusinessDate {
    BusinessDate(u32::try_from(seconds / 86_400).unwrap_or(u32::MAX))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match &self.0.side {
            Side::Listening { .. } => "listening",
            Side::Dialling { .. } => "dialling",
        };
        write!(f, "Tls({side})")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(...)")
    }
}
