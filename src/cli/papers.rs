//! Options by which a simulated peer encrypts: what it shows, and whom it trusts.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::Failure;
use crate::link::{Certificates, PrivateKey, Terms, Tls, Trust, Version, server_name};

/// Certificates and a key; without any, a peer speaks in the clear.
#[derive(Args)]
pub(super) struct Papers {
    /// Encrypt, and trust who shows a certificate that this CA has signed; PEM
    #[arg(id = "tls-ca", long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Encrypt, and show this certificate; PEM
    #[arg(id = "tls-cert", long, value_name = "FILE", requires = "tls-key")]
    certificate: Option<PathBuf>,
    /// The private key of that certificate; PEM
    #[arg(id = "tls-key", long, value_name = "FILE", requires = "tls-cert")]
    key: Option<PathBuf>,
    /// The name that the switch's certificate must have, where it is dialled; the host that is dialled without this
    #[arg(id = "tls-name", long, value_name = "NAME", requires = "tls-ca")]
    name: Option<String>,
}

impl Papers {
    /// For a peer that dials the switch.
    pub(super) fn dialling(&self) -> Result<Option<Tls>, Failure> {
        let own = self.own()?;
        let Some(ca) = self.trust()? else {
            let alone = "--tls-cert needs --tls-ca, the CA of the switch's certificate";
            return own.map_or(Ok(None), |_| Err(Failure::Usage(alone.to_owned())));
        };
        let name = self.name.as_deref().map(server_name).transpose();
        let name = name.map_err(|why| Failure::Usage(format!("--tls-name: {why}")))?;
        Tls::dialling(own, ca, name, TERMS).map(Some).map_err(|why| Failure::Usage(why.to_string()))
    }

    /// For a peer that the switch dials.
    pub(super) fn listening(&self) -> Result<Option<Tls>, Failure> {
        let trust = self.trust()?;
        let Some(own) = self.own()? else {
            let alone = "--tls-ca needs --tls-cert and --tls-key, which are shown to the switch";
            return trust.map_or(Ok(None), |_| Err(Failure::Usage(alone.to_owned())));
        };
        if self.name.is_some() {
            let useless = "--tls-name is for a peer that dials the switch";
            return Err(Failure::Usage(useless.to_owned()));
        }
        let made = Tls::listening(own, trust.unwrap_or_default(), Vec::new(), TERMS);
        made.map(Some).map_err(|why| Failure::Usage(why.to_string()))
    }

    fn own(&self) -> Result<Option<(Certificates, PrivateKey)>, Failure> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            return Ok(None);
        };
        let certificates = Certificates::from_pem(&read(certificate)?).map_err(bad(certificate))?;
        let key = PrivateKey::from_pem(&read(key)?).map_err(bad(key))?;
        Ok(Some((certificates, key)))
    }

    fn trust(&self) -> Result<Option<Trust>, Failure> {
        let Some(path) = &self.ca else { return Ok(None) };
        let ca = Certificates::from_pem(&read(path)?).map_err(bad(path))?;
        Ok(Some(Trust { ca: Some(ca), crl: None }))
    }
}

const TERMS: Terms = Terms { version_min: Version::Tls12, handshake_ms_max: 10_000 };

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    fs::read(path).map(Zeroizing::new).map_err(Failure::io(path.display().to_string()))
}

fn bad<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Failure {
    let path = path.display().to_string();
    move |fault| Failure::Input(format!("{path}: {fault}"))
}
