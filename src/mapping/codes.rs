//! Response codes of 1987 and action codes of 1993: which says what the other means.

use crate::iso::{Class, ResponseCode};
use crate::planted::{self, Bug};

/// Where a link's table differs from the usual one: pairs of a code of 1987 and one of 1993.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    pairs: Vec<([u8; 2], [u8; 3])>,
}

/// Why two codes are no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// The first is none of 1987.
    #[error("two letters or digits: a response code of 1987")]
    Code,
    /// The second is none of 1993.
    #[error("three digits: an action code of 1993")]
    Action,
    /// 00 is what the switch itself says.
    #[error("00 is 000, 400 or 800, by what is answered, and nothing else")]
    Approved,
    /// The code, or the action, has a pair already.
    #[error("this code, or this action, stands here twice")]
    Twice,
    /// One of them approves, and the other does not.
    #[error("one of the two approves and the other declines")]
    Contradicts,
}

impl Codes {
    /// Adds a pair, which goes before the usual ones in both directions.
    pub fn add(&mut self, code: &str, action: &str) -> Result<(), CodeFault> {
        let code: [u8; 2] = code.as_bytes().try_into().or(Err(CodeFault::Code))?;
        let action: [u8; 3] = action.as_bytes().try_into().or(Err(CodeFault::Action))?;
        if !code.iter().all(u8::is_ascii_alphanumeric) {
            return Err(CodeFault::Code);
        }
        if !action.iter().all(u8::is_ascii_digit) {
            return Err(CodeFault::Action);
        }
        if code == *b"00" {
            return Err(CodeFault::Approved);
        }
        let usual =
            usual_action(&code).is_some_and(|usual| (usual[0] == b'0') != (action[0] == b'0'));
        if usual {
            return Err(CodeFault::Contradicts);
        }
        if self.pairs.iter().any(|(known, other)| *known == code || *other == action) {
            return Err(CodeFault::Twice);
        }
        self.pairs.push((code, action));
        Ok(())
    }

    /// What an action code means in 1987; none for one that says neither yes nor no in any way known here.
    pub(super) fn to_1987(&self, action: &[u8]) -> Option<ResponseCode> {
        if planted::is(Bug::CodesUntranslated) {
            return ResponseCode::new(action.get(1..)?).ok();
        }
        let own = self.pairs.iter().find(|(_, known)| known == action).map(|(code, _)| code);
        let usual = || USUAL.iter().find(|(known, _)| *known == action).map(|(_, code)| *code);
        let by_kind = || match action {
            [b'1', _, _] => Some(b"05"),
            [b'2', _, _] => Some(b"04"),
            [b'9', _, _] => Some(b"96"),
            _ => None,
        };
        ResponseCode::new(own.or_else(usual).or_else(by_kind)?).ok()
    }

    /// What a code of 1987 means in 1993, in an answer to a message of this class.
    pub(super) fn to_1993(&self, code: &[u8], class: Class) -> [u8; 3] {
        if code == ResponseCode::APPROVED.as_bytes() {
            return match class {
                Class::Reversal => *b"400",
                Class::Network => *b"800",
                RECONCILIATION => *b"500",
                _ => *b"000",
            };
        }
        let own = self.pairs.iter().find(|(known, _)| known == code).map(|(_, action)| *action);
        let reconciled = match code {
            b"95" if class == RECONCILIATION => Some(*b"501"),
            b"77" if class == RECONCILIATION => Some(*b"503"),
            _ => None,
        };
        own.or(reconciled).or_else(|| usual_action(code)).unwrap_or(*b"100")
    }
}

/// Whose answers say whether totals agree: 500 they do, 501 they do not, 503 there are none.
const RECONCILIATION: Class = Class::Other(5);

/// What a code of 1987 becomes where nobody says otherwise; none for one that means nothing everywhere.
fn usual_action(code: &[u8]) -> Option<[u8; 3]> {
    let back = BACK.iter().find(|(known, _)| *known == code).map(|(_, action)| **action);
    back.or_else(|| USUAL.iter().find(|(_, known)| *known == code).map(|(action, _)| **action))
}

/// Whether a code of 1987 says yes everywhere.
pub(super) fn approves(code: &[u8]) -> bool {
    usual_action(code).is_some_and(|action| action.starts_with(b"0"))
}

/// Action codes (ISO 8583:1993, annex A) and what comes nearest to them in 1987. Of several actions with one code the first is
/// what that code becomes.
const USUAL: &[(&[u8; 3], &[u8; 2])] = &[
    (b"000", b"00"),
    (b"001", b"08"),
    (b"002", b"10"),
    (b"003", b"11"),
    (b"004", b"16"),
    (b"005", b"00"),
    (b"006", b"10"),
    (b"007", b"00"),
    (b"100", b"05"),
    (b"101", b"54"),
    (b"102", b"59"),
    (b"103", b"60"),
    (b"104", b"62"),
    (b"105", b"66"),
    (b"106", b"75"),
    (b"107", b"01"),
    (b"108", b"02"),
    (b"109", b"03"),
    (b"110", b"13"),
    (b"111", b"14"),
    (b"112", b"55"),
    (b"113", b"23"),
    (b"114", b"52"),
    (b"115", b"40"),
    (b"116", b"51"),
    (b"117", b"55"),
    (b"118", b"56"),
    (b"119", b"57"),
    (b"120", b"58"),
    (b"121", b"61"),
    (b"122", b"63"),
    (b"123", b"65"),
    (b"124", b"93"),
    (b"125", b"05"),
    (b"126", b"55"),
    (b"127", b"55"),
    (b"128", b"96"),
    (b"129", b"59"),
    (b"200", b"04"),
    (b"201", b"33"),
    (b"202", b"34"),
    (b"203", b"35"),
    (b"204", b"36"),
    (b"205", b"37"),
    (b"206", b"38"),
    (b"207", b"07"),
    (b"208", b"41"),
    (b"209", b"43"),
    (b"210", b"34"),
    (b"400", b"00"),
    (b"480", b"25"),
    (b"500", b"00"),
    (b"501", b"95"),
    (b"503", b"77"),
    (b"800", b"00"),
    (b"900", b"00"),
    (b"901", b"00"),
    (b"902", b"12"),
    (b"903", b"19"),
    (b"904", b"30"),
    (b"905", b"31"),
    (b"906", b"90"),
    (b"907", b"91"),
    (b"908", b"92"),
    (b"909", b"96"),
    (b"910", b"91"),
    (b"911", b"91"),
    (b"912", b"91"),
    (b"913", b"94"),
    (b"914", b"25"),
    (b"915", b"95"),
    (b"923", b"09"),
    (b"950", b"57"),
];

/// Codes of 1987 that say in more ways what 1993 says in one, and those whose first action above is not the usual one.
const BACK: &[(&[u8; 2], &[u8; 3])] = &[
    (b"06", b"909"),
    (b"15", b"908"),
    (b"25", b"914"),
    (b"39", b"114"),
    (b"42", b"114"),
    (b"44", b"114"),
    (b"53", b"114"),
    (b"55", b"117"),
    (b"67", b"200"),
    (b"68", b"911"),
    (b"96", b"909"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn there(codes: &Codes, action: &[u8]) -> Option<String> {
        codes.to_1987(action).map(|code| code.to_string())
    }

    #[test]
    fn what_each_edition_calls_it() {
        let mut codes = Codes::default();
        for (action, code) in [
            (b"000", Some("00")),
            (b"002", Some("10")),
            (b"116", Some("51")),
            (b"117", Some("55")),
            (b"199", Some("05")),
            (b"299", Some("04")),
            (b"911", Some("91")),
            (b"914", Some("25")),
            (b"999", Some("96")),
            (b"080", None),
            (b"300", None),
        ] {
            assert_eq!(there(&codes, action).as_deref(), code, "{}", action.escape_ascii());
        }
        let back = |codes: &Codes, code: &[u8; 2], class| codes.to_1993(code, class);
        for (code, class, action) in [
            (b"00", Class::Financial, b"000"),
            (b"00", Class::Reversal, b"400"),
            (b"00", Class::Network, b"800"),
            (b"55", Class::Financial, b"117"),
            (b"25", Class::Reversal, b"914"),
            (b"91", Class::Financial, b"907"),
            (b"96", Class::Financial, b"909"),
            (b"85", Class::Financial, b"100"),
        ] {
            assert_eq!(back(&codes, code, class), *action, "{}", code.escape_ascii());
        }
        codes.add("85", "080").unwrap();
        assert_eq!(there(&codes, b"080").as_deref(), Some("85"));
        assert_eq!(&back(&codes, b"85", Class::Financial), b"080");
        assert_eq!(codes.add("85", "081"), Err(CodeFault::Twice));
        assert_eq!(codes.add("86", "080"), Err(CodeFault::Twice));
        assert_eq!(codes.add("51", "000"), Err(CodeFault::Contradicts));
        assert_eq!(codes.add("10", "116"), Err(CodeFault::Contradicts));
        assert_eq!(codes.add("00", "081"), Err(CodeFault::Approved));
        assert_eq!(codes.add("855", "081"), Err(CodeFault::Code));
        assert_eq!(codes.add("86", "81"), Err(CodeFault::Action));
    }

    /// What came as one action and went on as a code is that action's kind when it comes back: a no never becomes a yes.
    #[test]
    fn a_decline_stays_one_there_and_back() {
        let codes = Codes::default();
        for action in 100..1000_u16 {
            let digits = [action / 100, action / 10 % 10, action % 10];
            let action = digits.map(|digit| b'0' + u8::try_from(digit).unwrap());
            let Some(code) = codes.to_1987(&action) else { continue };
            if code == ResponseCode::APPROVED {
                continue;
            }
            let back = codes.to_1993(code.as_bytes(), Class::Financial);
            assert!(back[0] != b'0', "{} became {}", action.escape_ascii(), back.escape_ascii());
        }
    }
}
