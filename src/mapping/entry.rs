//! Element 22: three digits in 1987, twelve characters in 1993.
//!
//! The three digits say how the card number came (two) and whether PINs can be entered (one); the twelve say that, what the
//! terminal is capable of, and who was there. What the shorter form does not say is put as the usual case: a cardholder with a
//! card before an attended terminal.

/// What else a message of 1987 says about the point of service.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circumstances<'a> {
    /// Element 25, two digits; empty when it is absent.
    pub(super) condition: &'a [u8],
    /// Whether element 52 is there.
    pub(super) pin: bool,
}

/// The two digits of 1987 for each way that 1993 tells apart, and its character. The first with a character is what it becomes.
const MODES: &[(&[u8; 2], u8)] = &[
    (b"00", b'0'),
    (b"01", b'6'),
    (b"01", b'1'),
    (b"02", b'2'),
    (b"90", b'2'),
    (b"80", b'2'),
    (b"91", b'2'),
    (b"03", b'3'),
    (b"04", b'4'),
    (b"05", b'5'),
    (b"07", b'5'),
    (b"95", b'5'),
    (b"81", b'6'),
];

/// Three digits of 1987 as the twelve characters of 1993; none of anything else.
pub(super) fn to_1993(mode: &[u8], about: Circumstances<'_>) -> Option<[u8; 12]> {
    let [first, second, pin] = *mode.first_chunk::<3>().filter(|_| mode.len() == 3)?;
    let input =
        MODES.iter().find(|(known, _)| **known == [first, second]).map_or(b'0', |(_, to)| *to);
    let capability = input;
    let can_pin = if pin == b'1' { b'1' } else { b'0' };
    let electronic = [first, second] == *b"81" || about.condition == b"59";
    let cardholder = match about.condition {
        b"08" => b'2',
        b"01" => b'1',
        _ if electronic => b'1',
        _ => b'0',
    };
    let card = if cardholder != b'0' || about.condition == b"05" { b'0' } else { b'1' };
    let operating = match about.condition {
        b"02" => b'2',
        _ if cardholder != b'0' => b'0',
        _ => b'1',
    };
    let (method, entity) = if about.pin { (b'1', b'3') } else { (b'0', b'0') };
    let capture = match pin {
        b'0' => b'1',
        b'1' => b'4',
        _ => b'0',
    };
    Some([
        capability, can_pin, b'0', operating, cardholder, card, input, method, entity, b'0', b'0',
        capture,
    ])
}

/// The twelve characters of 1993 as three digits of 1987; none of anything else.
pub(super) fn to_1987(code: &[u8]) -> Option<[u8; 3]> {
    let code = code.first_chunk::<12>().filter(|_| code.len() == 12)?;
    let [_, can_pin, _, _, _, _, input, _, _, _, _, capture] = *code;
    let [first, second] =
        MODES.iter().find(|(_, from)| *from == input).map_or(*b"00", |(to, _)| **to);
    let pin = match capture {
        b'0' => b'2',
        b'1' if can_pin != b'1' => b'0',
        _ => b'1',
    };
    Some([first, second, pin])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_service_there_and_back() {
        let to = |mode: &[u8; 3], condition: &[u8], pin| {
            String::from_utf8(to_1993(mode, Circumstances { condition, pin }).unwrap().to_vec())
                .unwrap()
        };
        assert_eq!(to(b"051", b"00", true), "510101513004");
        assert_eq!(to(b"021", b"00", false), "210101200004");
        assert_eq!(to(b"012", b"08", false), "600020600000");
        assert_eq!(to(b"812", b"59", false), "600010600000");
        assert_eq!(to(b"052", b"02", false), "500201500000");
        for mode in [b"051", b"052", b"021", b"022", b"012", b"000"] {
            let there = to_1993(mode, Circumstances::default()).unwrap();
            assert_eq!(to_1987(&there).unwrap(), *mode, "{}", mode.escape_ascii());
        }
        assert!(to_1993(b"05", Circumstances::default()).is_none());
        assert!(to_1987(b"51010151300").is_none());
    }
}
