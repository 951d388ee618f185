//! TCP streams of a capture, each direction put in order and cut into messages.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::SocketAddr;

use super::cut::{Cutter, Found};
use super::packet::{self, Packet, Segment};
use super::{InputError, Options, Piece, Sink, capture};
use crate::framing::{Framing, Settings};

/// The most streams that are followed at once; beyond, the one that was silent the longest is forgotten.
const STREAMS_MAX: usize = 1024;

/// The most streams of which the beginning is gathered.
const UNCUT_STREAMS_MAX: usize = 32;

/// How many bytes may wait for what was lost before them, of one stream and of all.
const WAITING_MAX: usize = 256 << 10;
const WAITING_IN_ALL_MAX: usize = 16 << 20;

/// What a piece that waits takes besides its bytes, about.
const PIECE_OVERHEAD: usize = 64;

/// The messages of all streams to and from a port.
pub(super) fn read(
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    let framing = options.framing.clone().unwrap_or_else(|| Framing::new(Settings::default()));
    let framing = (!options.uncut).then_some(framing);
    let mut streams = Streams { framing, port: options.port, ..Streams::default() };
    let read = capture::packets(input, &mut |captured| {
        if !packet::is_known(captured.link) {
            return Err(InputError::Bad {
                place: format!("packet {}", captured.number),
                why: format!("link type {} is not read", captured.link),
                cure: String::from("capture on an Ethernet interface, or with `tcpdump -i any`"),
            });
        }
        match packet::read(captured.link, captured.bytes) {
            Packet::Tcp(segment) => streams.take(captured.number, &segment, sink),
            Packet::Fragment => {
                streams.fragments += 1;
                Ok(())
            }
            Packet::Tunnel => {
                streams.tunnels += 1;
                Ok(())
            }
            Packet::Other => Ok(()),
        }
    });
    // A capture that ends early has shown what it has; that it does so is told last.
    streams.finish(sink)?;
    read?;
    streams.judge()
}

#[derive(Default)]
struct Streams {
    /// None: streams are not cut.
    framing: Option<Framing>,
    port: Option<u16>,
    /// By who sends to whom.
    flows: BTreeMap<(SocketAddr, SocketAddr), Flow>,
    /// Bytes that wait in all of them.
    waiting: usize,
    /// Segments with something in them by port, the lower one of each pair.
    ports: BTreeMap<u16, u64>,
    fragments: u64,
    tunnels: u64,
    /// Something came by the port.
    is_seen: bool,
}

/// One direction of a connection.
struct Flow {
    cutter: Cutter,
    /// The sequence number of the byte that comes next.
    next: u32,
    /// How many bytes were in order so far.
    at: u64,
    /// What came too early, by where it belongs, and in which packet.
    waiting: BTreeMap<u64, (u64, Vec<u8>)>,
    /// How much memory that takes, about.
    held: usize,
    /// The packet that was the last of it.
    packet: u64,
    /// The one that the last bytes in order came in.
    cut_in: u64,
    /// Its end has come.
    is_over: bool,
}

impl Streams {
    fn take(
        &mut self,
        number: u64,
        segment: &Segment<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), InputError> {
        let (from, to) = (segment.from.port(), segment.to.port());
        if !segment.payload.is_empty() {
            *self.ports.entry(from.min(to)).or_default() += 1;
        }
        if !self.port.is_some_and(|port| port == from || port == to) {
            return Ok(());
        }
        self.is_seen |= !segment.payload.is_empty();
        let key = (segment.from, segment.to);
        let begins = segment.sequence.wrapping_add(u32::from(segment.syn));
        let known = self.flows.get(&key);
        // A SYN that is not the same once more: the port is used again.
        let renewed = segment.syn && known.is_some_and(|flow| flow.at != 0 || flow.next != begins);
        if renewed {
            self.forget(key, sink)?;
        }
        if !self.flows.contains_key(&key) {
            if segment.payload.is_empty() && !segment.syn {
                return Ok(());
            }
            if !self.make_room(sink)? {
                return Ok(());
            }
            self.flows.insert(key, Flow::new(self.framing.as_ref(), begins));
        }
        let Some(flow) = self.flows.get_mut(&key) else { return Ok(()) };
        flow.packet = number;
        let before = flow.held;
        flow.is_over |= segment.ends;
        flow.take(number, begins, segment.payload);
        show(key, flow, sink)?;
        let in_all = self.waiting + flow.held - before;
        if WAITING_MAX < flow.held || WAITING_IN_ALL_MAX < in_all {
            leap(key, flow, sink)?;
        }
        let len = u32::try_from(segment.payload.len()).unwrap_or(0);
        // What is before the end may still come.
        if segment.ends && flow.next == begins.wrapping_add(len) {
            end(key, flow, sink)?;
        }
        self.waiting = self.waiting + flow.held - before;
        Ok(())
    }

    /// Forgets the stream that was silent the longest when there are too many; of those that are gathered only one that is
    /// over, for the rest of it would be taken for another one's beginning. Whether there is room now.
    fn make_room(&mut self, sink: &mut Sink<'_>) -> Result<bool, InputError> {
        let is_cut = self.framing.is_some();
        if self.flows.len() < if is_cut { STREAMS_MAX } else { UNCUT_STREAMS_MAX } {
            return Ok(true);
        }
        let may_go = self.flows.iter().filter(|(_, flow)| is_cut || flow.is_over);
        let oldest = may_go.min_by_key(|(_, flow)| flow.packet).map(|(key, _)| *key);
        oldest.map_or(Ok(false), |key| self.forget(key, sink).map(|()| true))
    }

    fn forget(
        &mut self,
        key: (SocketAddr, SocketAddr),
        sink: &mut Sink<'_>,
    ) -> Result<(), InputError> {
        let Some(mut flow) = self.flows.remove(&key) else { return Ok(()) };
        self.waiting = self.waiting.saturating_sub(flow.held);
        close(key, &mut flow, sink)
    }

    fn finish(&mut self, sink: &mut Sink<'_>) -> Result<(), InputError> {
        let mut flows: Vec<_> = std::mem::take(&mut self.flows).into_iter().collect();
        flows.sort_by_key(|(_, flow)| flow.packet);
        flows.into_iter().try_for_each(|(key, mut flow)| close(key, &mut flow, sink))
    }

    /// What is wrong with a capture that holds nothing of what was asked for.
    fn judge(&self) -> Result<(), InputError> {
        let mut busiest: Vec<_> = self.ports.iter().map(|(port, count)| (*count, *port)).collect();
        busiest.sort_unstable_by(|one, other| other.cmp(one));
        let busiest: Vec<String> = busiest
            .iter()
            .take(5)
            .map(|(count, port)| format!("{port} ({count} segments)"))
            .collect();
        let mut seen = if busiest.is_empty() { String::from("none") } else { busiest.join(", ") };
        if self.tunnels != 0 {
            let inside = format!(
                "; {} packets are those of a tunnel (GRE, IP in IP or ESP), which is not looked into: capture where it ends",
                self.tunnels
            );
            seen.push_str(&inside);
        }
        let bad =
            |why, cure| Err(InputError::Bad { place: String::from("the capture"), why, cure });
        match self.port {
            None => bad(
                String::from("which streams are ISO 8583 is not said"),
                format!(
                    "say the TCP port of either side with --port; ports with data here: {seen}"
                ),
            ),
            Some(port) if !self.is_seen => bad(
                format!("no TCP data to or from port {port}"),
                format!("ports with data here: {seen}"),
            ),
            Some(_) if self.fragments != 0 => bad(
                format!("{} fragments of IP packets were passed over", self.fragments),
                String::from("capture where packets are whole, or put them together first"),
            ),
            Some(_) => Ok(()),
        }
    }
}

impl Flow {
    fn new(framing: Option<&Framing>, next: u32) -> Self {
        Self {
            cutter: framing.map_or_else(Cutter::uncut, Cutter::new),
            next,
            at: 0,
            waiting: BTreeMap::new(),
            held: 0,
            packet: 0,
            cut_in: 0,
            is_over: false,
        }
    }

    /// Takes the bytes of a segment, in order or not, once or twice.
    fn take(&mut self, packet: u64, sequence: u32, payload: &[u8]) {
        let ahead = i64::from(sequence.wrapping_sub(self.next).cast_signed());
        let Some(at) = self.at.checked_add_signed(ahead) else {
            // From before the capture, or before the stream.
            let known = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
            return self.in_order(packet, payload.get(known..).unwrap_or_default());
        };
        if at <= self.at {
            let known = usize::try_from(self.at - at).unwrap_or(usize::MAX);
            self.in_order(packet, payload.get(known..).unwrap_or_default());
        } else if !payload.is_empty() {
            let waits = self.waiting.get(&at).map_or(0, |(_, bytes)| bytes.len());
            if waits < payload.len() {
                let before = self.waiting.insert(at, (packet, payload.to_vec()));
                self.held -= before.map_or(0, |(_, before)| before.len() + PIECE_OVERHEAD);
                self.held += payload.len() + PIECE_OVERHEAD;
            }
        }
    }

    /// Takes the first of what waits, if what precedes it is there.
    fn take_waiting(&mut self) -> bool {
        let Some(first) = self.waiting.first_entry().filter(|first| *first.key() <= self.at) else {
            return false;
        };
        let (at, (packet, bytes)) = first.remove_entry();
        self.held -= bytes.len() + PIECE_OVERHEAD;
        let known = usize::try_from(self.at - at).unwrap_or(usize::MAX);
        self.in_order(packet, bytes.get(known..).unwrap_or_default());
        true
    }

    fn in_order(&mut self, packet: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.cut_in = packet;
        self.cutter.push(bytes);
        self.at += u64::try_from(bytes.len()).unwrap_or(0);
        // Sequence numbers wrap.
        self.next = self.next.wrapping_add(u32::try_from(bytes.len()).unwrap_or(0));
    }

    /// Gives up what was lost before the bytes that wait; how many that is.
    fn leap(&mut self) -> Option<u64> {
        let (at, (packet, _)) = self.waiting.first_key_value()?;
        let at = *at;
        self.cut_in = *packet;
        let lost = at - self.at;
        self.cutter.lose();
        self.at = at;
        self.next = self.next.wrapping_add(u32::try_from(lost).unwrap_or(0));
        Some(lost)
    }
}

/// Shows each message that is complete, by the packet that its end came in.
fn show(
    key: (SocketAddr, SocketAddr),
    flow: &mut Flow,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    loop {
        while let Some((_, found)) = flow.cutter.next() {
            tell(key, flow.cut_in, found, sink)?;
        }
        if !flow.take_waiting() {
            return Ok(());
        }
    }
}

/// Goes on behind what was lost, and says so.
fn leap(
    key: (SocketAddr, SocketAddr),
    flow: &mut Flow,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    if flow.waiting.is_empty() {
        return Ok(());
    }
    if let Some((_, found)) = flow.cutter.broken() {
        tell(key, flow.cut_in, found, sink)?;
    }
    while let Some(lost) = flow.leap() {
        let why = format!(
            "{lost} bytes of the stream are missing: the capture lost packets or cut them short; capture with `-s 0`"
        );
        tell(key, flow.cut_in, Err(why), sink)?;
        show(key, flow, sink)?;
    }
    Ok(())
}

/// Shows what a stream still holds.
fn close(
    key: (SocketAddr, SocketAddr),
    flow: &mut Flow,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    leap(key, flow, sink)?;
    end(key, flow, sink)
}

/// Tells what is left of a frame.
fn end(
    key: (SocketAddr, SocketAddr),
    flow: &mut Flow,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    let left = flow.cutter.end();
    left.map_or(Ok(()), |(_, found)| tell(key, flow.cut_in, found, sink))
}

fn tell(
    (from, to): (SocketAddr, SocketAddr),
    packet: u64,
    found: Found,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    let place = format!("packet {packet}, {from} > {to}");
    sink(Piece { place, found }).map_err(InputError::Show)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::tools::input::Form;

    const A: [u8; 4] = [10, 0, 0, 1];
    const B: [u8; 4] = [10, 0, 0, 2];
    const SYN: u8 = 2;
    const FIN: u8 = 1;
    const ACK: u8 = 16;

    /// A segment from port 40000 to 8583, or the other way.
    fn tcp(back: bool, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let ports = if back { [8583_u16, 40_000] } else { [40_000, 8583] };
        let mut bytes: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
        bytes.extend(sequence.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
        bytes.extend(payload);
        bytes
    }

    fn ipv4(back: bool, inner: &[u8]) -> Vec<u8> {
        let len = u16::try_from(20 + inner.len()).unwrap().to_be_bytes();
        let mut bytes = vec![0x45, 0, len[0], len[1], 0, 1, 0x40, 0, 64, 6, 0, 0];
        bytes.extend(if back { [B, A] } else { [A, B] }.as_flattened());
        bytes.extend(inner);
        bytes
    }

    /// With a hop-by-hop header, as an extension to be passed over.
    fn ipv6(inner: &[u8]) -> Vec<u8> {
        let len = u16::try_from(8 + inner.len()).unwrap().to_be_bytes();
        let mut bytes = vec![0x60, 0, 0, 0, len[0], len[1], 0, 64];
        for last in [1, 2] {
            bytes.extend([0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        bytes.extend([6, 0, 1, 4, 0, 0, 0, 0]);
        bytes.extend(inner);
        bytes
    }

    /// Behind a link layer's header.
    fn link(kind: u32, version: u8, inner: &[u8]) -> Vec<u8> {
        let protocol: [u8; 2] = if version == 4 { [8, 0] } else { [0x86, 0xDD] };
        let mut bytes = match kind {
            ETHERNET => vec![0; 12],
            COOKED => vec![0; 14],
            _ => vec![],
        };
        if kind != RAW {
            bytes.extend(protocol);
        }
        if kind == COOKED_2 {
            bytes.extend([0; 18]);
        }
        bytes.extend(inner);
        bytes
    }

    const ETHERNET: u32 = 1;
    const RAW: u32 = 101;
    const COOKED: u32 = 113;
    const COOKED_2: u32 = 276;

    fn pcap(kind: u32, low_first: bool, packets: &[Vec<u8>]) -> Vec<u8> {
        let number =
            |number: u32| if low_first { number.to_le_bytes() } else { number.to_be_bytes() };
        let mut bytes = number(0xA1B2_C3D4).to_vec();
        // Two sixteen-bit numbers that are not read, three numbers, the link type.
        bytes.extend([0, 2, 0, 4]);
        for value in [0, 0, 262_144, kind] {
            bytes.extend(number(value));
        }
        for packet in packets {
            let len = u32::try_from(packet.len()).unwrap();
            for value in [7, 8, len, len] {
                bytes.extend(number(value));
            }
            bytes.extend(packet);
        }
        bytes
    }

    fn pcapng(kind: u16, low_first: bool, packets: &[Vec<u8>]) -> Vec<u8> {
        let number =
            |number: u32| if low_first { number.to_le_bytes() } else { number.to_be_bytes() };
        let half =
            |number: u16| if low_first { number.to_le_bytes() } else { number.to_be_bytes() };
        let mut bytes = Vec::new();
        let mut block = |kind: u32, body: &[u8]| {
            let mut body = body.to_vec();
            body.resize(body.len().next_multiple_of(4), 0);
            let len = u32::try_from(12 + body.len()).unwrap();
            bytes.extend([&number(kind)[..], &number(len), &body[..], &number(len)].concat());
        };
        block(SECTION, &[&number(0x1A2B_3C4D)[..], &half(1), &half(0), &[0xFF; 8]].concat());
        block(1, &[&half(kind)[..], &half(0), &number(0)].concat());
        // A block that nobody knows.
        block(77, b"what is this");
        for (at, packet) in packets.iter().enumerate() {
            let len = number(u32::try_from(packet.len()).unwrap());
            if at % 2 == 0 {
                block(6, &[&number(0)[..], &number(0), &number(0), &len, &len, packet].concat());
            } else {
                block(3, &[&len[..], packet].concat());
            }
        }
        bytes
    }

    const SECTION: u32 = 0x0A0D_0D0A;

    /// What is found, each as who sends and the message or the fault; and how it ended.
    fn found(bytes: &[u8], port: Option<u16>) -> (Vec<String>, Result<Form, InputError>) {
        let mut found = Vec::new();
        let options = Options { port, ..Options::default() };
        let ended = super::super::read(&mut Cursor::new(bytes), &options, &mut |piece| {
            let sender = piece.place.split(", ").nth(1).unwrap().split(' ').next().unwrap();
            found.push(match piece.found {
                Ok((_, body)) => format!("{sender} {}", String::from_utf8_lossy(&body)),
                Err(fault) => format!("{sender} - {fault}"),
            });
            Ok(())
        });
        (found, ended)
    }

    fn frame(text: &str) -> Vec<u8> {
        let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes
    }

    /// Two frames there, one back, cut into segments of three bytes, in every way that a network has of disturbing them.
    fn conversation() -> Vec<(bool, Vec<u8>)> {
        let there = [frame("first"), frame("second")].concat();
        let back = frame("answer");
        let mut segments = vec![
            (false, tcp(false, u32::MAX - 4, SYN, b"")),
            (true, tcp(true, 99, SYN | ACK, b"")),
        ];
        let mut begin = u32::MAX - 3;
        for piece in there.chunks(3) {
            segments.push((false, tcp(false, begin, ACK, piece)));
            begin = begin.wrapping_add(u32::try_from(piece.len()).unwrap());
        }
        segments.push((true, tcp(true, 100, ACK, &back)));
        segments.push((false, tcp(false, begin, ACK | FIN, b"")));
        segments
    }

    #[test]
    fn every_container_and_link_layer() {
        let wanted = ["10.0.0.1:40000 first", "10.0.0.1:40000 second", "10.0.0.2:8583 answer"];
        let packets: Vec<_> = conversation().iter().map(|(back, tcp)| ipv4(*back, tcp)).collect();
        for kind in [ETHERNET, RAW, COOKED, COOKED_2] {
            let packets: Vec<_> = packets.iter().map(|packet| link(kind, 4, packet)).collect();
            for low_first in [false, true] {
                for bytes in [
                    pcap(kind, low_first, &packets),
                    pcapng(u16::try_from(kind).unwrap(), low_first, &packets),
                ] {
                    let (seen, ended) = found(&bytes, Some(8583));
                    assert_eq!(
                        (seen, ended.unwrap()),
                        (wanted.map(String::from).to_vec(), Form::Pcap)
                    );
                }
            }
        }
    }

    #[test]
    fn six_and_tags_and_padding() {
        let segment = tcp(false, 1, ACK, &frame("six"));
        for kind in [ETHERNET, RAW, COOKED, COOKED_2] {
            let (seen, _) = found(&pcap(kind, true, &[link(kind, 6, &ipv6(&segment))]), Some(8583));
            assert_eq!(seen, ["[2001:db8::1]:40000 six"]);
        }
        let mut tagged = vec![0; 12];
        tagged.extend([0x81, 0, 0, 7, 8, 0]);
        tagged.extend(ipv4(false, &tcp(false, 1, ACK, &frame("t"))));
        tagged.extend([0xEE; 9]);
        assert_eq!(found(&pcap(ETHERNET, true, &[tagged]), Some(8583)).0, ["10.0.0.1:40000 t"]);
    }

    fn raw(segments: &[(bool, Vec<u8>)]) -> Vec<u8> {
        let packets: Vec<_> = segments.iter().map(|(back, tcp)| ipv4(*back, tcp)).collect();
        pcap(RAW, true, &packets)
    }

    #[test]
    fn order_and_repetition_change_nothing() {
        let segments = conversation();
        let wanted = found(&raw(&segments), Some(8583)).0;
        assert_eq!(wanted.len(), 3);
        // Each segment of data is moved to each later place; and comes again at each one.
        for from in 2..segments.len() - 1 {
            for to in from + 1..segments.len() {
                let mut moved = segments.clone();
                let segment = moved.remove(from);
                moved.insert(to, segment.clone());
                let mut seen = found(&raw(&moved), Some(8583)).0;
                seen.sort();
                assert_eq!(seen, wanted, "{from} {to}");
                let mut repeated = segments.clone();
                repeated.insert(to, segment);
                assert_eq!(found(&raw(&repeated), Some(8583)).0, wanted, "{from} {to}");
            }
        }
        // A retransmission that is cut otherwise.
        let all = [frame("first"), frame("second")].concat();
        let overlap = [(0, &all[..4]), (2, &all[2..9]), (1, &all[1..]), (0, &all[..])];
        let overlap: Vec<_> =
            overlap.map(|(at, bytes)| (false, tcp(false, 50 + at, ACK, bytes))).to_vec();
        assert_eq!(found(&raw(&overlap), Some(8583)).0, wanted[..2]);
    }

    #[test]
    fn what_was_lost_is_told_and_the_rest_read() {
        let [a, b, c] = ["one", "two", "three"].map(frame);
        let at = |parts: &[&Vec<u8>]| {
            1 + u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>()).unwrap()
        };
        let segments = [
            (false, tcp(false, 1, ACK, &a)),
            (false, tcp(false, at(&[&a, &b]), ACK, &c)),
            (false, tcp(false, at(&[&a, &b, &c]), ACK, b"\0\x09half")),
        ];
        let (seen, ended) = found(&raw(&segments), Some(8583));
        assert!(ended.is_ok());
        let [one, lost, three, half] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((one.as_str(), three.as_str()), ("10.0.0.1:40000 one", "10.0.0.1:40000 three"));
        assert!(lost.contains("5 bytes of the stream are missing"), "{lost}");
        assert!(half.contains("ends early, after 6 bytes"), "{half}");
        // A port that is used again begins a stream of its own.
        let again = [
            (false, tcp(false, 1, ACK, &a)),
            (false, tcp(false, 900, SYN, b"")),
            (false, tcp(false, 901, ACK, &b)),
        ];
        assert_eq!(found(&raw(&again), Some(8583)).0, ["10.0.0.1:40000 one", "10.0.0.1:40000 two"]);
    }

    /// What is gathered of streams that are not cut.
    fn gathered(segments: &[(bool, Vec<u8>)]) -> Vec<Result<Vec<u8>, String>> {
        let options = Options { port: Some(8583), uncut: true, ..Options::default() };
        let mut gathered = Vec::new();
        super::super::read(&mut Cursor::new(raw(segments)), &options, &mut |piece| {
            gathered.push(piece.found.map(|(_, bytes)| bytes.to_vec()));
            Ok(())
        })
        .unwrap();
        gathered
    }

    /// Streams that are not cut: each from its beginning, and nothing behind what was lost.
    #[test]
    fn streams_that_are_not_cut() {
        let both = [
            (false, tcp(false, 1, ACK, b"abc")),
            (true, tcp(true, 1, ACK, b"xy")),
            (false, tcp(false, 7, ACK, b"g")),
            (false, tcp(false, 4, ACK, b"def")),
        ];
        let mut whole = gathered(&both);
        whole.sort();
        assert_eq!(whole, [Ok(b"abcdefg".to_vec()), Ok(b"xy".to_vec())]);
        let broken = gathered(&[both[0].clone(), both[2].clone()]);
        let [Ok(begins), Err(lost)] = &broken[..] else {
            panic!("the beginning, and that something is missing")
        };
        assert_eq!(begins, b"abc");
        assert!(lost.contains("3 bytes of the stream are missing"), "{lost}");
    }

    /// What waited for bytes that never came is told by the packets that it came in, and the loss by the first of them.
    #[test]
    fn a_loss_is_told_in_its_place() {
        let mut segments = vec![(false, tcp(false, 0, SYN, b""))];
        for (at, text) in (0..).zip(["one", "two", "lost", "four", "five"]) {
            let begin = 1 + 6 * at;
            let body = format!("{text:4}");
            segments.push((false, tcp(false, begin, ACK, &frame(&body))));
        }
        segments.remove(3);
        segments.push((false, tcp(false, 31, ACK | FIN, b"")));
        let mut told = Vec::new();
        let options = Options { port: Some(8583), ..Options::default() };
        super::super::read(&mut Cursor::new(raw(&segments)), &options, &mut |piece| {
            let place = piece.place.split(',').next().unwrap().to_owned();
            told.push((place, piece.found.map(|(_, body)| body.to_vec())));
            Ok(())
        })
        .unwrap();
        let places: Vec<_> = told.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["packet 2", "packet 3", "packet 4", "packet 4", "packet 5"]);
        assert!(told[2].1.as_ref().unwrap_err().contains("6 bytes of the stream are missing"));
        assert_eq!(told[3].1.as_deref(), Ok(&b"four"[..]));
    }

    /// Connections that are over make room for others, where only so many beginnings are gathered.
    #[test]
    fn scans_before_the_connection_do_not_hide_it() {
        let mut segments = Vec::new();
        for port in 0..100 {
            for (flags, sequence, text) in [(SYN, 0, &b""[..]), (ACK | FIN, 1, b"x")] {
                let mut bytes = tcp(false, sequence, flags, text);
                bytes[..2].copy_from_slice(&u16::to_be_bytes(10_000 + port));
                segments.push((false, bytes));
            }
        }
        segments.push((false, tcp(false, 1, ACK, b"the one")));
        assert!(gathered(&segments).contains(&Ok(b"the one".to_vec())));
    }

    #[test]
    fn no_stream_fills_the_memory() {
        // The first byte never comes.
        let piece = vec![0; 60_000];
        let mut segments = vec![(false, tcp(false, 1, SYN, b""))];
        for at in 0..40 {
            segments.push((false, tcp(false, 10 + 60_000 * at, ACK, &piece)));
        }
        let cut = Framing::new(Settings::default());
        for (framing, streams_max) in [(Some(cut), STREAMS_MAX), (None, UNCUT_STREAMS_MAX)] {
            let mut streams = Streams { framing, port: Some(8583), ..Streams::default() };
            let mut told = 0;
            for (number, (back, bytes)) in (1..).zip(&segments) {
                let packet = ipv4(*back, bytes);
                let Packet::Tcp(segment) = packet::read(RAW, &packet) else { panic!("a segment") };
                streams
                    .take(number, &segment, &mut |_| {
                        told += 1;
                        Ok(())
                    })
                    .unwrap();
                assert!(streams.waiting <= WAITING_MAX);
                let held: usize = streams.flows.values().map(|flow| flow.held).sum();
                assert_eq!(streams.waiting, held);
            }
            assert_eq!(told, 1, "what was lost is told once");
            for port in 0..2000 {
                let mut bytes = tcp(false, 1, ACK, b"\0\x09");
                bytes[..2].copy_from_slice(&u16::to_be_bytes(10_000 + port));
                let packet = ipv4(false, &bytes);
                let Packet::Tcp(segment) = packet::read(RAW, &packet) else { panic!("a segment") };
                streams.take(99, &segment, &mut |_| Ok(())).unwrap();
                assert!(streams.flows.len() <= streams_max);
            }
        }
    }

    #[test]
    fn faults_say_where_and_what_to_do() {
        let good = raw(&conversation());
        let cut = &good[..good.len() - 1];
        let (mut long, mut odd) = (good.clone(), good.clone());
        long[24 + 8..24 + 12].copy_from_slice(&[0xFF; 4]);
        odd[20] = 77;
        let mut fragment = ipv4(false, &tcp(false, 1, ACK, &frame("x")));
        fragment[6] = 0x20;
        let mut gre = ipv4(false, &[0; 24]);
        gre[9] = 47;
        let gre = pcap(RAW, true, &[gre]);
        let fragments = pcap(RAW, true, &[ipv4(false, &tcp(false, 1, ACK, &frame("x"))), fragment]);
        let ng = pcapng(101, true, &[vec![0; 4]]);
        for (bytes, port, why, cure) in [
            (&good[..], None, "which streams are ISO 8583", "8583 (6 segments)"),
            (&good, Some(1), "no TCP data to or from port 1", "8583 (6 segments)"),
            (cut, Some(8583), "the capture ends within packet 9", "what stands before was read"),
            (
                &good[..20],
                Some(8583),
                "the capture ends within a header",
                "write the capture again",
            ),
            (&long, Some(8583), "packet 1 has 4294967295 bytes", "editcap"),
            (&odd, Some(8583), "link type 77 is not read", "tcpdump -i any"),
            (
                &gre,
                Some(8583),
                "no TCP data to or from port 8583",
                "1 packets are those of a tunnel",
            ),
            (&fragments, Some(8583), "1 fragments", "put them together"),
            (&ng[..40], Some(8583), "the capture ends within a header", "write the capture again"),
        ] {
            let (_, ended) = found(bytes, port);
            let text = ended.unwrap_err().to_string();
            assert!(text.contains(why) && text.contains(cure), "{text}");
        }
        assert_eq!(found(cut, Some(8583)).0.len(), 3, "what was captured is shown first");
    }
}
