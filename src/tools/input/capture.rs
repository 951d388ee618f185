//! The packets of a capture, pcap or pcapng, one in memory; knows nothing of what is in them.

use std::io::{self, BufRead, Read as _};

use super::InputError;

/// A packet as it was captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Captured<'a> {
    /// From 1 on, as Wireshark counts.
    pub(super) number: u64,
    /// The link type.
    pub(super) link: u32,
    pub(super) bytes: &'a [u8],
}

/// Whoever gets the packets.
pub(super) type Each<'a> = dyn FnMut(Captured<'_>) -> Result<(), InputError> + 'a;

/// The longest packet in bytes; programs that capture stop at 262,144.
const PACKET_LEN_MAX: u32 = 1 << 20;

/// The most interfaces of a pcapng section.
const INTERFACES_MAX: usize = 1024;

/// Hands on each packet of a capture.
pub(super) fn packets(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<(), InputError> {
    let mut source = Source { input, at: 0, is_swapped: false, number: 0, packet: Vec::new() };
    let Some(magic) = source.first()? else {
        return Err(source.bad("this is empty", NO_CAPTURE));
    };
    match magic {
        SECTION => source.pcapng(each),
        magic if [MICROSECONDS, NANOSECONDS].contains(&magic) => source.pcap(each),
        magic if [MICROSECONDS, NANOSECONDS].contains(&magic.swap_bytes()) => {
            source.is_swapped = true;
            source.pcap(each)
        }
        _ => Err(source.bad("this is neither pcap nor pcapng", NO_CAPTURE)),
    }
}

const MICROSECONDS: u32 = 0xA1B2_C3D4;
const NANOSECONDS: u32 = 0xA1B2_3C4D;

/// Blocks of pcapng. The first reads the same either way round.
const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const NO_CAPTURE: &str =
    "save the capture as pcap or pcapng; for another form say --input hex, base64, hexdump or raw";
const DAMAGED: &str =
    "what stands before was read; write the capture again, or repair it with `editcap`";

/// An interface of a pcapng section: its link type, and how much of each packet it keeps.
type Interface = (u32, u32);

struct Source<'a> {
    input: &'a mut dyn BufRead,
    /// How many bytes were read.
    at: u64,
    /// Numbers have their low byte first.
    is_swapped: bool,
    /// Packets so far.
    number: u64,
    packet: Vec<u8>,
}

impl Source<'_> {
    fn bad(&self, why: impl Into<String>, cure: &str) -> InputError {
        InputError::Bad {
            place: format!("byte {}", self.at),
            why: why.into(),
            cure: cure.to_owned(),
        }
    }

    /// pcap, behind its magic.
    fn pcap(&mut self, each: &mut Each<'_>) -> Result<(), InputError> {
        let [_, _, _, _, link] = self.numbers()?;
        // The upper bits say how long checksums are.
        let link = link & 0x0FFF_FFFF;
        while let Some(_seconds) = self.first()? {
            let [_, len, _] = self.numbers()?;
            self.packet(len, link, each)?;
        }
        Ok(())
    }

    /// pcapng, behind the type of its first block.
    fn pcapng(&mut self, each: &mut Each<'_>) -> Result<(), InputError> {
        let mut interfaces: Vec<Interface> = Vec::new();
        let mut next = Some(SECTION);
        while let Some(kind) = next {
            let rest = if kind == SECTION {
                interfaces.clear();
                self.section()?
            } else {
                let [len] = self.numbers()?;
                self.behind(len, 8)?
            };
            let rest = match kind {
                INTERFACE => {
                    let [link, keeps] = self.numbers()?;
                    if interfaces.len() == INTERFACES_MAX {
                        return Err(self.bad("too many interfaces", DAMAGED));
                    }
                    let link = if self.is_swapped { link & 0xFFFF } else { link >> 16 };
                    interfaces.push((link, keeps));
                    self.behind(rest, 8)?
                }
                ENHANCED_PACKET | OBSOLETE_PACKET => {
                    let [interface, _, _, len, _] = self.numbers()?;
                    let interface = match (kind, self.is_swapped) {
                        (ENHANCED_PACKET, _) => interface,
                        (_, true) => interface & 0xFFFF,
                        (_, false) => interface >> 16,
                    };
                    let rest = self.behind(rest, 20)?;
                    self.of_interface(&interfaces, (interface, len, rest), each)?
                }
                SIMPLE_PACKET => {
                    let [original] = self.numbers()?;
                    let rest = self.behind(rest, 4)?;
                    let keeps = interfaces.first().map_or(0, |(_, keeps)| *keeps);
                    let len = if keeps == 0 { original } else { original.min(keeps) };
                    // The last four bytes repeat the block's length.
                    let len = len.min(rest.saturating_sub(4));
                    self.of_interface(&interfaces, (0, len, rest), each)?
                }
                _ => rest,
            };
            self.skip(rest)?;
            next = self.first()?;
        }
        Ok(())
    }

    /// A packet of an interface, and how much of its block stands behind it.
    fn of_interface(
        &mut self,
        interfaces: &[Interface],
        (interface, len, rest): (u32, u32, u32),
        each: &mut Each<'_>,
    ) -> Result<u32, InputError> {
        let found = usize::try_from(interface).ok().and_then(|at| interfaces.get(at));
        let Some((link, _)) = found.copied() else {
            return Err(self.bad(
                format!("a packet of interface {interface}, which is not described"),
                DAMAGED,
            ));
        };
        let rest = self.behind(rest, len)?;
        self.packet(len, link, each)?;
        Ok(rest)
    }

    /// The header of a section: which way round its numbers are; gives how much of the block is left.
    fn section(&mut self) -> Result<u32, InputError> {
        let [len, order] = self.plain_numbers()?;
        match order {
            0x1A2B_3C4D => self.is_swapped = false,
            0x4D3C_2B1A => self.is_swapped = true,
            _ => return Err(self.bad("a section without its byte order", DAMAGED)),
        }
        let len = if self.is_swapped { len.swap_bytes() } else { len };
        self.behind(len, 12)
    }

    /// How much of a block is left behind some bytes of it.
    fn behind(&self, len: u32, read: u32) -> Result<u32, InputError> {
        len.checked_sub(read)
            .ok_or_else(|| self.bad("a block is shorter than what is in it", DAMAGED))
    }

    fn packet(&mut self, len: u32, link: u32, each: &mut Each<'_>) -> Result<(), InputError> {
        self.number += 1;
        if PACKET_LEN_MAX < len {
            return Err(self.bad(
                format!("packet {} has {len} bytes, and no packet is that long", self.number),
                DAMAGED,
            ));
        }
        self.packet.clear();
        let mut limited = (&mut *self.input).take(u64::from(len));
        let read = limited.read_to_end(&mut self.packet).map_err(InputError::Read)?;
        self.at += u64::try_from(read).unwrap_or(0);
        if u32::try_from(read) != Ok(len) {
            return Err(
                self.bad(format!("the capture ends within packet {}", self.number), DAMAGED)
            );
        }
        each(Captured { number: self.number, link, bytes: &self.packet })
    }

    fn skip(&mut self, len: u32) -> Result<(), InputError> {
        let mut limited = (&mut *self.input).take(u64::from(len));
        let skipped = io::copy(&mut limited, &mut io::sink()).map_err(InputError::Read)?;
        self.at += skipped;
        if skipped == u64::from(len) {
            Ok(())
        } else {
            Err(self.bad("the capture ends within a block", DAMAGED))
        }
    }

    /// The first number of what comes next; none at the end.
    fn first(&mut self) -> Result<Option<u32>, InputError> {
        if self.input.fill_buf().map_err(InputError::Read)?.is_empty() {
            return Ok(None);
        }
        let [number] = self.numbers()?;
        Ok(Some(number))
    }

    fn numbers<const N: usize>(&mut self) -> Result<[u32; N], InputError> {
        let plain = self.plain_numbers()?;
        Ok(if self.is_swapped { plain.map(u32::swap_bytes) } else { plain })
    }

    /// Numbers with their high byte first.
    fn plain_numbers<const N: usize>(&mut self) -> Result<[u32; N], InputError> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            let mut four = [0; 4];
            self.input.read_exact(&mut four).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    self.bad("the capture ends within a header", DAMAGED)
                }
                _ => InputError::Read(error),
            })?;
            self.at += 4;
            *number = u32::from_be_bytes(four);
        }
        Ok(numbers)
    }
}
