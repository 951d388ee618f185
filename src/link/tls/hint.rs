//! What a handshake that failed says about the peer, and which setting to look at.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::Unsecured;

/// For a handshake that takes too long.
pub(super) const SLOW: &str =
    "does its peer speak TLS, and is it awake? A slow network may need a larger handshake_ms_max";

/// What is known of a handshake that failed, for people.
pub(super) fn about(fault: &io::Error) -> Unsecured {
    let Some(inner) = of_tls(fault) else {
        let why = match fault.kind() {
            io::ErrorKind::UnexpectedEof => String::from("its peer hung up within the handshake"),
            _ => fault.to_string(),
        };
        let fix = "does its peer speak TLS, and does it trust the certificate of this link?";
        return Unsecured { why, fix };
    };
    let why = match inner {
        Error::InvalidCertificate(CertificateError::Other(other)) => other.0.to_string(),
        Error::InvalidCertificate(CertificateError::Revoked) => {
            String::from("the certificate of its peer was revoked")
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            String::from("what its peer sends is not TLS")
        }
        other => other.to_string(),
    };
    Unsecured { why, fix: fix(inner) }
}

/// What to do about a fault of a session, when it is one of TLS.
pub(in crate::link) fn fix_of(fault: &io::Error) -> &'static str {
    of_tls(fault).map_or("", fix)
}

fn of_tls(fault: &io::Error) -> Option<&Error> {
    fault.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
}

fn fix(fault: &Error) -> &'static str {
    match fault {
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "its peer speaks in the clear, or not ISO 8583: switch TLS on there, or off on this link"
        }
        Error::NoCertificatesPresented => {
            "this link wants a certificate of its peers: give this peer one that a CA of peers_ca has signed"
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        )
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the two have no version in common: see version_min, and what its peer speaks"
        }
        Error::InvalidCertificate(why) => fix_of_certificate(why),
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied,
        ) => {
            "its peer does not take the certificate of this link: does it know the CA, the name and the dates?"
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "its peer wants a certificate of this link: see certificate and key"
        }
        _ => "",
    }
}

fn fix_of_certificate(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no CA of peers_ca has signed it: put the right one there, or let the peer send what stands between"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has to be renewed; is the clock of this machine right?"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it does not hold yet; is the clock of this machine right?"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it has another name than the one that is dialled: see server_name"
        }
        CertificateError::UnknownRevocationStatus => {
            "crl has no list of the CA that signed it: put one there for each CA"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its extended key usage does not allow it: clientAuth for clients, serverAuth for servers"
        }
        CertificateError::Other(_) => {
            "put its name on the list of this link's clients, or let it go to its own link"
        }
        _ => "",
    }
}
