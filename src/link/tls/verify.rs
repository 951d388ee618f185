//! Whether a client's certificate is one that a link knows: signed by its CA, not taken back, and of a name on its list.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

use super::der;
use super::name::{Roster, listed};

/// Asks the verifier of rustls, and then the list.
#[derive(Debug)]
pub(super) struct Known {
    verifier: Arc<dyn ClientCertVerifier>,
    roster: Roster,
}

/// A certificate that is good, and of nobody whom the link knows.
#[derive(Debug, thiserror::Error)]
#[error("its certificate names {names}: no client of this link")]
pub(super) struct Stranger {
    names: String,
}

impl Known {
    pub(super) const fn new(verifier: Arc<dyn ClientCertVerifier>, roster: Roster) -> Self {
        Self { verifier, roster }
    }
}

impl ClientCertVerifier for Known {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verifier.verify_client_cert(end_entity, intermediates, now)?;
        let names = der::names(end_entity);
        if self.roster.is_open() || !self.roster.places(&names).is_empty() {
            return Ok(verified);
        }
        let stranger = Stranger { names: listed(&names) };
        Err(CertificateError::Other(OtherError(Arc::new(stranger))).into())
    }

    fn offer_client_auth(&self) -> bool {
        self.verifier.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
