//! The few things that a certificate or a revocation list says about itself: names and dates. Knows no signatures: whoever
//! asks has verified them, or asks about files of his own.

use std::net::IpAddr;

use super::name::Name;
use crate::iso::BusinessDate;

/// Values one after another, each a tag, a length and that many bytes. What is none ends them.
struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        // Tags of several bytes stand in no certificate.
        if tag & 0x1F == 0x1F {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (len, rest) = match usize::from(*first) {
            short @ 0..=0x7F => (short, rest),
            long @ 0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(long - 0x80)?;
                (digits.iter().fold(0, |len, digit| (len << 8) | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((*tag, value))
    }
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// Version and extensions of a certificate; kinds of names.
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;
/// 2.5.29.17, subject alternative names.
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1D, 0x11];

/// What is within a value of this tag that comes next.
fn within<'a>(values: &mut Values<'a>, tag: u8) -> Option<Values<'a>> {
    values.next().filter(|(found, _)| *found == tag).map(|(_, value)| Values(value))
}

/// The part of a certificate or a list that is signed.
fn signed(der: &[u8]) -> Option<Values<'_>> {
    within(&mut within(&mut Values(der), SEQUENCE)?, SEQUENCE)
}

/// When a certificate begins to hold and when it ends to, in seconds since 1970 (RFC 5280, 4.1).
pub(super) fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    let signed = signed(certificate)?;
    let version = Values(signed.0).next().is_some_and(|(tag, _)| tag == VERSION);
    // Version, serial number, algorithm, issuer.
    let mut rest = signed.skip(3 + usize::from(version));
    let (tag, dates) = rest.next()?;
    let mut dates = Values(dates);
    let mut date = || dates.next().and_then(|(tag, text)| seconds(tag, text));
    (tag == SEQUENCE).then_some(())?;
    Some((date()?, date()?))
}

/// When the next revocation list is to be there, in seconds since 1970 (RFC 5280, 5.1); none where a list does not say.
pub(super) fn next_update(list: &[u8]) -> Option<u64> {
    let mut signed = signed(list)?;
    let version = Values(signed.0).next().is_some_and(|(tag, _)| tag == INTEGER);
    // Version, algorithm, issuer, this update.
    let (tag, text) = signed.nth(3 + usize::from(version))?;
    seconds(tag, text)
}

/// The subject alternative names of a certificate that a link may name: DNS, URI and IP, in their order (RFC 5280, 4.2.1.6).
pub(super) fn names(certificate: &[u8]) -> Vec<Name> {
    let extensions = || {
        let (_, extensions) = signed(certificate)?.find(|(tag, _)| *tag == EXTENSIONS)?;
        within(&mut Values(extensions), SEQUENCE)
    };
    let mut names = Vec::new();
    for (_, extension) in extensions().into_iter().flatten() {
        let mut parts = Values(extension);
        if parts.next() != Some((OBJECT_ID, &ALTERNATIVE_NAMES)) {
            continue;
        }
        // A flag may stand between.
        let value = parts.find(|(tag, _)| *tag == OCTETS);
        let list = value.and_then(|(_, value)| within(&mut Values(value), SEQUENCE));
        names.extend(list.into_iter().flatten().filter_map(|(tag, value)| name(tag, value)));
    }
    names
}

fn name(tag: u8, value: &[u8]) -> Option<Name> {
    let text = || str::from_utf8(value).ok();
    match tag {
        DNS => Name::dns(text()?),
        URI => Name::uri(text()?),
        IP => {
            let four = <[u8; 4]>::try_from(value).ok().map(IpAddr::from);
            let sixteen = || <[u8; 16]>::try_from(value).ok().map(IpAddr::from);
            four.or_else(sixteen).map(Name::Ip)
        }
        _ => None,
    }
}

/// `YYMMDDhhmmssZ`, of 1950 to 2049, or `YYYYMMDDhhmmssZ`. What was before 1970 is 1970.
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        UTC_TIME if "50" <= text.get(..2)? => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if text.get(..4)? < "1970" {
        return Some(0);
    }
    let date = format!("{}-{}-{}", text.get(..4)?, text.get(4..6)?, text.get(6..8)?);
    let days = BusinessDate::from_text(&date).ok()?.0;
    let of_day = |from: usize| text.get(from..from + 2)?.parse::<u64>().ok();
    Some(u64::from(days) * 86_400 + of_day(8)? * 3600 + of_day(10)? * 60 + of_day(12)?)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType, date_time_ymd};

    use super::*;

    fn certificate() -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2055, 3, 1);
        params.subject_alt_names = vec![
            SanType::DnsName("Shop-7.example".try_into().unwrap()),
            SanType::Rfc822Name("shop@shop.example".try_into().unwrap()),
            SanType::URI("urn:shop:7".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
        ];
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_dates_of_a_certificate() {
        let certificate = certificate();
        let names: Vec<_> = names(&certificate).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["shop-7.example", "urn:shop:7", "192.0.2.7", "2001:db8::7"]);
        // The one of UTCTime, the other of GeneralizedTime.
        assert_eq!(validity(&certificate), Some((1_767_225_600, 2_687_472_000)));
    }

    /// Whatever is cut or changed: no panic, and no name that the whole one does not have.
    #[test]
    fn what_is_no_certificate() {
        let certificate = certificate();
        for len in 0..certificate.len() {
            let cut = &certificate[..len];
            assert_eq!((names(cut), validity(cut), next_update(cut)), (Vec::new(), None, None));
        }
        for at in 0..certificate.len() {
            for byte in [0, 0x1F, 0x30, 0x7F, 0x80, 0x84, 0x85, 0xFF] {
                let mut changed = certificate.clone();
                changed[at] = byte;
                let _read = (names(&changed), validity(&changed), next_update(&changed));
            }
        }
    }

    #[test]
    fn dates() {
        for (tag, text, date) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "500101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20260230000000Z", None),
            (UTC_TIME, "260101000000+0100", None),
            (UTC_TIME, "", None),
            (SEQUENCE, "260101000000Z", None),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), date, "{text}");
        }
    }
}
