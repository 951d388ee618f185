//! What a packet carries: from the link layer to the bytes of a TCP segment. Knows no streams.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// Of its first byte, or of its SYN.
    pub(super) sequence: u32,
    /// It begins a stream.
    pub(super) syn: bool,
    /// It ends one, in order (FIN) or not (RST).
    pub(super) ends: bool,
    /// As much of what it carries as was captured.
    pub(super) payload: &'a [u8],
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Tcp(Segment<'a>),
    /// A part of an IP packet.
    Fragment,
    /// Packets within a packet.
    Tunnel,
    /// Anything else, or cut too short to tell.
    Other,
}

/// Link types of <https://www.tcpdump.org/linktypes.html>.
const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const RAW: [u32; 5] = [12, 14, 101, 228, 229];
const LOOP: u32 = 108;
const LINUX_COOKED: u32 = 113;
const LINUX_COOKED_2: u32 = 276;

/// Whether packets of this link type can be read.
pub(super) fn is_known(link: u32) -> bool {
    RAW.contains(&link) || [NULL, ETHERNET, LOOP, LINUX_COOKED, LINUX_COOKED_2].contains(&link)
}

/// Reads a packet as it was captured on a link of this type.
pub(super) fn read(link: u32, bytes: &[u8]) -> Packet<'_> {
    network(link, bytes).and_then(ip).unwrap_or(Packet::Other)
}

/// What a packet carries whose bytes somebody pasted: none unless they are Ethernet or IP headers of just this length.
pub(super) fn payload(bytes: &[u8]) -> Option<&[u8]> {
    let inner = network(ETHERNET, bytes).filter(|inner| is_whole_ip(inner, true));
    let inner = inner.or_else(|| is_whole_ip(bytes, false).then_some(bytes))?;
    match ip(inner)? {
        Packet::Tcp(segment) => Some(segment.payload),
        _ => None,
    }
}

/// Whether an IP packet ends where the bytes do. Short packets on Ethernet are padded.
fn is_whole_ip(bytes: &[u8], may_be_padded: bool) -> bool {
    let declared = match bytes {
        [0x45..=0x4F, _, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
        [0x60..=0x6F, _, _, _, high, low, ..] => {
            40 + usize::from(u16::from_be_bytes([*high, *low]))
        }
        _ => return false,
    };
    declared == bytes.len() || may_be_padded && declared < bytes.len() && bytes.len() <= 46
}

/// The IP packet behind the link layer's header; none when it is no IP.
fn network(link: u32, bytes: &[u8]) -> Option<&[u8]> {
    match link {
        ETHERNET => {
            let mut rest = bytes.get(12..)?;
            // VLAN tags, at most a few of them.
            for _ in 0..4 {
                let ([high, low], behind) = rest.split_first_chunk::<2>()?;
                match u16::from_be_bytes([*high, *low]) {
                    IPV4 | IPV6 => return Some(behind),
                    0x8100 | 0x88A8 | 0x9100 => rest = behind.get(2..)?,
                    _ => return None,
                }
            }
            None
        }
        LINUX_COOKED => cooked(bytes.get(14..16)?, bytes.get(16..)?),
        LINUX_COOKED_2 => cooked(bytes.get(..2)?, bytes.get(20..)?),
        NULL | LOOP => bytes.get(4..),
        _ => Some(bytes),
    }
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;

fn cooked<'a>(protocol: &[u8], behind: &'a [u8]) -> Option<&'a [u8]> {
    let protocol = u16::from_be_bytes(*protocol.first_chunk()?);
    matches!(protocol, IPV4 | IPV6).then_some(behind)
}

/// An IP packet of either version; none when its headers are not all there.
fn ip(bytes: &[u8]) -> Option<Packet<'_>> {
    match bytes.first()? >> 4 {
        4 => ipv4(bytes),
        6 => ipv6(bytes),
        _ => None,
    }
}

fn ipv4(bytes: &[u8]) -> Option<Packet<'_>> {
    let header = bytes.first_chunk::<20>()?;
    let [first, _, high, low, _, _, flags, offset, _, protocol, ..] = *header;
    let len = 4 * usize::from(first & 15);
    // Zero where the network card splits what the kernel gives it.
    let declared = match usize::from(u16::from_be_bytes([high, low])) {
        0 => bytes.len(),
        declared => declared,
    };
    if len < 20 {
        return None;
    }
    if u16::from_be_bytes([flags, offset]) & 0x3FFF != 0 {
        return Some(Packet::Fragment);
    }
    if protocol != TCP {
        return Some(if TUNNELS.contains(&protocol) { Packet::Tunnel } else { Packet::Other });
    }
    let address = |at: usize| {
        let four = header.get(at..)?.first_chunk::<4>()?;
        Some(IpAddr::V4(Ipv4Addr::from(*four)))
    };
    let inner = bytes.get(len..declared.min(bytes.len()))?;
    tcp(address(12)?, address(16)?, inner)
}

const TCP: u8 = 6;

/// IP in IP, IPv6 in IPv4, GRE, ESP.
const TUNNELS: [u8; 4] = [4, 41, 47, 50];

fn ipv6(bytes: &[u8]) -> Option<Packet<'_>> {
    let header = bytes.first_chunk::<40>()?;
    let [_, _, _, _, high, low, protocol, ..] = *header;
    let address = |at: usize| {
        let sixteen = header.get(at..)?.first_chunk::<16>()?;
        Some(IpAddr::V6(Ipv6Addr::from(*sixteen)))
    };
    let behind = bytes.get(40..)?;
    let declared = match usize::from(u16::from_be_bytes([high, low])) {
        0 => behind.len(),
        declared => declared,
    };
    let (mut next, mut rest) = (protocol, behind.get(..declared.min(behind.len()))?);
    // Extension headers, at most as many as there are kinds.
    for _ in 0..8 {
        let extension = |rest: &[u8]| Some((*rest.first()?, usize::from(*rest.get(1)?)));
        let (then, len) = match next {
            TCP => return tcp(address(8)?, address(24)?, rest),
            // Hop by hop, routing, destination options.
            0 | 43 | 60 => extension(rest).map(|(then, len)| (then, 8 * (len + 1)))?,
            // Authentication.
            51 => extension(rest).map(|(then, len)| (then, 4 * (len + 2)))?,
            44 => {
                let [then, _, high, low, ..] = *rest.first_chunk::<8>()?;
                if u16::from_be_bytes([high, low]) & 0xFFF9 != 0 {
                    return Some(Packet::Fragment);
                }
                (then, 8)
            }
            other if TUNNELS.contains(&other) => return Some(Packet::Tunnel),
            _ => return Some(Packet::Other),
        };
        (next, rest) = (then, rest.get(len..)?);
    }
    None
}

fn tcp(from: IpAddr, to: IpAddr, bytes: &[u8]) -> Option<Packet<'_>> {
    let header = bytes.first_chunk::<20>()?;
    let [from_high, from_low, to_high, to_low, a, b, c, d, _, _, _, _, offset, flags, ..] = *header;
    let len = 4 * usize::from(offset >> 4);
    if len < 20 {
        return None;
    }
    Some(Packet::Tcp(Segment {
        from: SocketAddr::new(from, u16::from_be_bytes([from_high, from_low])),
        to: SocketAddr::new(to, u16::from_be_bytes([to_high, to_low])),
        sequence: u32::from_be_bytes([a, b, c, d]),
        syn: flags & 2 != 0,
        ends: flags & 5 != 0,
        payload: bytes.get(len..)?,
    }))
}
