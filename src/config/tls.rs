//! `[links.NAME.tls]`: how a link encrypts, whom it trusts, and which of its peers may speak for whom; and the word for a link
//! that does not encrypt.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;

use super::key::{self, KeyError};
use super::links::Known;
use super::read::{Limit, Section, Spot};
use super::{Client, Place};
use crate::link::{
    Certificates, Name, Part, PemFault, PrivateKey, RevocationLists, Terms, Tls, Trust, Version,
    host_of, server_name,
};
use crate::switch::Grant;

/// What a link says about TLS.
#[derive(Default)]
pub(super) struct Papers {
    /// How it encrypts, when nothing that it needs is missing.
    pub(super) tls: Option<Tls>,
    pub(super) clients: Vec<Client>,
    /// Where the name of each client stands.
    spans: Vec<Range<usize>>,
    /// The CAs of those who come, and where they are named.
    ca: Option<Spot<Certificates>>,
}

/// Reads what a link says about TLS, and whether it may go without.
pub(super) fn read(section: &Section<'_>, place: Option<&Place>, home: &Path) -> Papers {
    let word = section.choice("plaintext", PLAINTEXT);
    if section.has("tls").is_none() {
        if let Some(place) = place.filter(|_| word != Some(true)) {
            in_the_clear(section, place);
        }
        return Papers::default();
    }
    if let Some(span) = section.has("plaintext") {
        let fault = section.faults().at(span, "`plaintext` is for links without TLS");
        let fault = fault.label("this link never speaks in the clear");
        section.faults().tell(fault.help("remove this line"));
    }
    let tls = section.section("tls");
    let papers = match section.has("dial") {
        None => listening(&tls, home),
        Some(_) => dialling(&tls, home),
    };
    tls.end();
    papers
}

/// A link without TLS that others than this machine could read.
fn in_the_clear(section: &Section<'_>, place: &Place) {
    let (key, beyond) = match place {
        Place::Listen { address, .. } => {
            let beyond = !address.ip().to_canonical().is_loopback();
            ("listen", beyond.then(|| address.to_string()))
        }
        Place::Dial { peers, .. } => {
            ("dial", peers.iter().find(|peer| !is_here(peer)).map(ToString::to_string))
        }
    };
    let Some(beyond) = beyond else { return };
    let span = section.has(key).unwrap_or_else(|| section.span());
    let title = "this link would speak in the clear, and not on this machine alone";
    let fault = section.faults().at(span, title);
    let fault = fault.label(format!("{beyond}: whoever is between reads card numbers"));
    section.faults().tell(fault.help(format!(
        "encrypt it: [{}.tls]; or, where nobody else is on that network, plaintext = \"anywhere\"",
        section.path()
    )));
}

/// Whether what is dialled is this machine.
fn is_here(peer: &str) -> bool {
    let host = host_of(peer);
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

fn listening(tls: &Section<'_>, home: &Path) -> Papers {
    only(tls, "server_name", "dial");
    let own = own(tls, home);
    if tls.has("certificate").is_none() {
        tls.missing("certificate", "certificate = \"server.pem\"");
    }
    if tls.has("key").is_none() {
        tls.missing("key", "key = \"file:server.key\"");
    }
    let trust = trust(tls, home);
    let (clients, spans) = clients(tls);
    let terms = terms(tls);
    for key in ["crl", "clients"] {
        if let (Some(span), None) = (tls.has(key), tls.has("peers_ca")) {
            let fault = tls.faults().at(span, format!("`{key}` is for peers with certificates"));
            let fault = fault.label("this link asks for none");
            tls.faults().tell(fault.help("add a line like: peers_ca = \"clients-ca.pem\""));
        }
    }
    let ca = trust.as_ref().ok().and_then(|trust| trust.ca.clone());
    let ca = ca.zip(tls.has("peers_ca")).map(|(value, span)| Spot { value, span });
    let names = clients.iter().map(|client| client.san.clone()).collect();
    let made = own.ok().flatten().zip(trust.ok());
    let made = made.map(|(own, trust)| Tls::listening(own, trust, names, terms));
    Papers { tls: made.and_then(|made| told(tls, made)), clients, spans, ca }
}

fn dialling(tls: &Section<'_>, home: &Path) -> Papers {
    only(tls, "clients", "listen");
    let own = own(tls, home);
    if tls.has("peers_ca").is_none() {
        tls.missing("peers_ca", "peers_ca = \"issuer-ca.pem\", the CA that signed its certificate");
    }
    for (one, other, example) in [
        ("certificate", "key", "key = \"file:client.key\""),
        ("key", "certificate", "certificate = \"client.pem\""),
    ] {
        if tls.has(one).is_some() && tls.has(other).is_none() {
            tls.missing(other, example);
        }
    }
    let (trust, terms) = (trust(tls, home), terms(tls));
    let name = tls.word("server_name", server_name).map(|name| name.value);
    let made = own.ok().zip(trust.ok()).filter(|_| tls.has("peers_ca").is_some());
    let made = made.map(|(own, trust)| Tls::dialling(own, trust, name, terms));
    Papers { tls: made.and_then(|made| told(tls, made)), ..Papers::default() }
}

/// A key that does nothing on a link of this kind.
fn only(tls: &Section<'_>, key: &'static str, way: &str) {
    if let Some(span) = tls.has(key) {
        let fault = tls.faults().at(span, format!("`{key}` is for links that {way}"));
        tls.faults().tell(fault.label("this link does not").help("remove it"));
    }
}

/// Something is wrong, and was told: what follows from it is not.
struct Told;

/// The certificate that the link shows, and its key; nothing when it has neither.
fn own(tls: &Section<'_>, home: &Path) -> Result<Option<(Certificates, PrivateKey)>, Told> {
    let certificates = file(tls, "certificate", home, Certificates::from_pem);
    if let Ok(Some(Spot { value, span })) = &certificates {
        stale(tls, "certificate", (span, value.stale()));
    }
    let key = tls.text("key").map(|text| private_key(tls, &text, home)).transpose();
    match (certificates?, key?) {
        (None, None) => Ok(None),
        (Some(certificates), Some(key)) => Ok(Some((certificates.value, key))),
        // That one of them is missing is told where both are wanted.
        _ => Err(Told),
    }
}

fn private_key(tls: &Section<'_>, text: &Spot<&str>, home: &Path) -> Result<PrivateKey, Told> {
    let fault = match key::read(text.value, home, KEY_LEN_MAX) {
        Ok((path, pem)) => match PrivateKey::from_pem(&pem) {
            Ok(key) => return Ok(key),
            Err(fault) => (format!("{}: {fault}", path.display()), String::from(NEW_KEY)),
        },
        Err(fault) => {
            let fix = match &fault {
                KeyError::Exposed { .. } => fault.fix(),
                KeyError::Shape | KeyError::NoCredentials => String::from(
                    "key = \"file:server.key\"; or key = \"credential:NAME\" below systemd",
                ),
                KeyError::Unreadable { .. } | KeyError::NoKey { .. } => String::from(NEW_KEY),
            };
            (fault.to_string(), fix)
        }
    };
    let told = tls.faults().at(text.span.clone(), "there is no private key for TLS");
    tls.faults().tell(told.label(fault.0).help(fault.1));
    Err(Told)
}

const NEW_KEY: &str = "(umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE), and a certificate for it";

/// Whom it trusts. What is named and cannot be read does not count as not named.
fn trust(tls: &Section<'_>, home: &Path) -> Result<Trust, Told> {
    let ca = file(tls, "peers_ca", home, Certificates::from_pem);
    let crl = file(tls, "crl", home, RevocationLists::from_pem);
    if let Ok(Some(Spot { value, span })) = &ca {
        stale(tls, "peers_ca", (span, value.stale()));
    }
    if let Ok(Some(Spot { value, span })) = &crl {
        stale(tls, "crl", (span, value.stale()));
    }
    Ok(Trust { ca: ca?.map(|ca| ca.value), crl: crl?.map(|crl| crl.value) })
}

/// What does not hold now ends nothing that runs, so it does not keep a switch from starting; `check` tells it all the same.
fn stale(tls: &Section<'_>, key: &str, (span, why): (&Range<usize>, Option<String>)) {
    if let Some(why) = why {
        let fault = tls.faults().at(span.clone(), format!("`{key}` does not hold today"));
        tls.faults().warn(fault.label(why).help("renew it; is the clock of this machine right?"));
    }
}

/// What a file of PEM holds; nothing where none is named.
fn file<T>(
    tls: &Section<'_>,
    key: &'static str,
    home: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, PemFault>,
) -> Result<Option<Spot<T>>, Told> {
    if tls.has(key).is_none() {
        return Ok(None);
    }
    let text = tls.text(key).ok_or(Told)?;
    let path = home.join(text.value);
    let fault = match load(&path) {
        Ok(bytes) => match parse(&bytes) {
            Ok(value) => return Ok(Some(Spot { value, span: text.span })),
            Err(fault) => fault.to_string(),
        },
        Err(fault) => fault.to_string(),
    };
    let told =
        tls.faults().at(text.span, format!("`{key}` names no file of PEM that it could use"));
    tls.faults().tell(told.label(format!("{}: {fault}", path.display())));
    Err(Told)
}

fn load(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The clients that the link knows, and where each is named.
fn clients(tls: &Section<'_>) -> (Vec<Client>, Vec<Range<usize>>) {
    if let Some(span) = tls.has_empty("clients") {
        let fault = tls.faults().at(span, "`clients` has nobody on it");
        tls.faults().tell(fault.label("a list of nobody").help(
            "list them; without the key every certificate will do that a CA of `peers_ca` has signed",
        ));
    }
    let (mut clients, mut spans) = (Vec::new(), Vec::new());
    for client in tls.array_sections("clients") {
        let san = client.word("san", Name::from_text);
        if client.has("san").is_none() {
            client.missing("san", "san = \"shop-7.example\", as it stands in its certificate");
        }
        let grant = Grant {
            terminals: ids(&client, "terminals", 8),
            merchants: ids(&client, "merchants", 15),
        };
        client.end();
        if let Some(Spot { value, span }) = san {
            clients.push(Client { san: value, grant });
            spans.push(span);
        }
    }
    (clients, spans)
}

/// Ids of terminals or merchants, without the blanks at their end.
fn ids(client: &Section<'_>, key: &'static str, len_max: usize) -> BTreeSet<Vec<u8>> {
    if let Some(span) = client.has_empty(key) {
        let fault = client.faults().at(span, format!("`{key}` has no value"));
        let fault = fault.label("a list of nothing");
        client.faults().tell(fault.help("without this line any will do"));
    }
    let mut ids = BTreeSet::new();
    for text in client.texts(key) {
        let id = text.value.trim_end();
        if (1..=len_max).contains(&id.len()) && id.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        {
            ids.insert(id.as_bytes().to_vec());
        } else {
            let fault = client.faults().at(text.span, format!("`{key}` cannot have {id:?}"));
            client.faults().tell(fault.label(format!("1 to {len_max} characters of ASCII")));
        }
    }
    ids
}

fn terms(tls: &Section<'_>) -> Terms {
    Terms {
        version_min: tls.choice("version_min", VERSIONS).unwrap_or(Version::Tls12),
        handshake_ms_max: tls.number("handshake_ms_max", HANDSHAKE_MS_MAX),
    }
}

/// What could not be made is told where its part is named.
fn told(tls: &Section<'_>, made: Result<Tls, crate::link::TlsFault>) -> Option<Tls> {
    made.map_err(|fault| {
        let key = match fault.part {
            Part::Certificate => "certificate",
            Part::Key => "key",
            Part::Ca => "peers_ca",
            Part::Crl => "crl",
        };
        let span = tls.has(key).unwrap_or_else(|| tls.span());
        let told = tls.faults().at(span, format!("`{key}` cannot be used")).label(fault.why);
        tls.faults().tell(told);
    })
    .ok()
}

/// Certificates that would open two doors: a name that two links know, and links without a list that trust the same CA.
pub(super) fn apart(root: &Section<'_>, links: &[Known]) {
    let mut names = HashMap::new();
    for known in links {
        for (client, span) in known.papers.clients.iter().zip(&known.papers.spans) {
            if let Some(first) = names.insert(&client.san, span) {
                let title = format!("{} is a client twice", client.san);
                let fault = root.faults().at(span.clone(), title).label("here again");
                let fault = fault.besides(first.clone(), "here it is one already");
                root.faults().tell(
                    fault.help("a certificate is good for one link, and has one entry there"),
                );
            }
        }
    }
    for (at, later) in links.iter().enumerate() {
        let Some(ca) = &later.papers.ca else { continue };
        let earlier = links.iter().take(at).find_map(|earlier| {
            let other = earlier.papers.ca.as_ref()?;
            let listed = !later.papers.clients.is_empty() && !earlier.papers.clients.is_empty();
            (!listed && other.value.share_one(&ca.value)).then_some((earlier, other))
        });
        if let Some((earlier, other)) = earlier {
            let title = format!(
                "every certificate for link `{}` would be good for link `{}`, or the other way round",
                later.name, earlier.name
            );
            let fault = root.faults().at(ca.span.clone(), title).label("this CA");
            let fault = fault.besides(other.span.clone(), "is this one");
            root.faults().tell(fault.help(
                "give both a list of their clients, [[links.NAME.tls.clients]]; or a CA to each",
            ));
        }
    }
}

const PLAINTEXT: &[(&str, bool)] = &[("loopback", false), ("anywhere", true)];
const VERSIONS: &[(&str, Version)] = &[("1.2", Version::Tls12), ("1.3", Version::Tls13)];
const HANDSHAKE_MS_MAX: Limit = Limit::new(10_000, 100, 600_000);
/// The largest key of RSA takes a few thousand bytes.
const KEY_LEN_MAX: usize = 64 << 10;
/// A revocation list may be long.
const FILE_LEN_MAX: u64 = 64 << 20;
