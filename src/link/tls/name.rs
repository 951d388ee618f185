//! Whom a certificate names, and which of them a link knows; knows no certificates' bytes.

use std::fmt;
use std::net::IpAddr;

/// A name in a certificate: one of its subject alternative names. Two are the same when all of them is, letters of DNS names
/// large or small; a wildcard is a name like others and stands for none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A host, in small letters.
    Dns(String),
    /// A URI.
    Uri(String),
    /// An address.
    Ip(IpAddr),
}

impl Name {
    /// As people write it: an IP address, a URI, or else a DNS name.
    pub fn from_text(text: &str) -> Result<Self, &'static str> {
        let fault = "a DNS name, a URI or an IP address, as it stands in the certificate: shop-7.example, urn:shop:7, 192.0.2.7";
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let name = if text.contains(':') { Self::uri(text) } else { Self::dns(text) };
        name.filter(|name| !matches!(name, Self::Dns(host) if host.contains('*'))).ok_or(fault)
    }

    /// A DNS name; none when it has other letters than one.
    pub(super) fn dns(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte);
        let is_name = (1..=253).contains(&text.len()) && text.bytes().all(fits);
        is_name.then(|| Self::Dns(text.to_ascii_lowercase()))
    }

    /// A URI; none when it is not one line of ASCII.
    pub(super) fn uri(text: &str) -> Option<Self> {
        let is_uri = (1..=2048).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && text.split_once(':').is_some_and(|(scheme, rest)| {
                !scheme.is_empty()
                    && !rest.is_empty()
                    && scheme
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            });
        is_uri.then(|| Self::Uri(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(text) | Self::Uri(text) => f.write_str(text),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// The names that a link knows its clients by, in the order of its configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster(Vec<Name>);

impl Roster {
    pub(super) const fn new(names: Vec<Name>) -> Self {
        Self(names)
    }

    /// Whether any certificate will do that its CA has signed.
    pub(super) const fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// The places of those that a certificate names.
    pub(super) fn places(&self, names: &[Name]) -> Vec<usize> {
        let known = self.0.iter().enumerate().filter(|(_, known)| names.contains(known));
        known.map(|(place, _)| place).collect()
    }
}

/// Names for people: the first few, and how many more.
pub(super) fn listed(names: &[Name]) -> String {
    const SHOWN_MAX: usize = 8;
    if names.is_empty() {
        return String::from("no name that a link could know");
    }
    let shown: Vec<_> = names.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
    let more = names.len().saturating_sub(SHOWN_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_write_them() {
        for (text, name) in [
            ("Shop-7.Example", Some(Name::Dns("shop-7.example".to_owned()))),
            ("192.0.2.7", Some(Name::Ip("192.0.2.7".parse().unwrap()))),
            ("2001:db8::7", Some(Name::Ip("2001:db8::7".parse().unwrap()))),
            ("urn:shop:7", Some(Name::Uri("urn:shop:7".to_owned()))),
            ("https://shop.example/7", Some(Name::Uri("https://shop.example/7".to_owned()))),
            ("*.example", None),
            ("shop 7", None),
            ("shop\n7", None),
            ("", None),
            (":7", None),
            ("urn:", None),
            ("urn:a\nb", None),
        ] {
            assert_eq!(Name::from_text(text).ok(), name, "{text}");
        }
    }

    #[test]
    fn a_roster_knows_whole_names_alone() {
        let name = |text: &str| Name::from_text(text).unwrap();
        let roster = Roster::new(vec![name("a.example"), name("urn:b"), name("c.example")]);
        let places = |names: &[Name]| roster.places(names);
        assert_eq!(places(&[name("C.example"), name("a.example")]), [0, 2]);
        assert_eq!(places(&[name("urn:b")]), [1]);
        let wildcard = Name::dns("*.example").unwrap();
        let none = Vec::<usize>::new();
        assert_eq!(places(&[wildcard, name("x.a.example"), name("urn:B")]), none);
        assert_eq!(places(&[]), none);
        assert!(!roster.is_open());
    }

    #[test]
    fn a_list_of_names_is_short() {
        let many: Vec<_> = (0..10).map(|no| Name::dns(&format!("n{no}")).unwrap()).collect();
        assert_eq!(listed(&many), "n0, n1, n2, n3, n4, n5, n6, n7 and 2 more");
        assert_eq!(listed(&[]), "no name that a link could know");
    }
}
