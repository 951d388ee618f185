//! How a simulated issuer decides: by the last two digits of the amount. Knows no message.

use std::time::Duration;

use crate::iso::ResponseCode;
use crate::sim::SimError;

/// What an issuer does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// Says yes at once.
    Approve,
    /// Says no at once, with this code.
    Decline(ResponseCode),
    /// Says yes after a while; beyond the switch's patience that is a late approval.
    Delay(Duration),
    /// Says yes in its books and never tells.
    Silent,
}

/// Conduct by amount ending; everything else is approved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    endings: Vec<(u64, Conduct)>,
}

impl Rules {
    /// The rules that a newcomer finds: 05, 14, 51, 54 and 61 decline with that code, 68 answers after
    /// 15 s, 91 never.
    pub fn usual() -> Self {
        let declines = [5_u64, 14, 51, 54, 61].into_iter().filter_map(|ending| {
            let code = ResponseCode::new(format!("{ending:02}").as_bytes()).ok()?;
            Some((ending, Conduct::Decline(code)))
        });
        let others = [(68, Conduct::Delay(Duration::from_secs(20))), (91, Conduct::Silent)];
        Self { endings: declines.chain(others).collect() }
    }

    /// No rules: everything is approved.
    pub const fn approve_all() -> Self {
        Self { endings: Vec::new() }
    }

    /// Adds a rule like `51=decline:51`, `68=delay:20000`, `91=silent` or `05=approve`; it replaces one
    /// for the same ending.
    pub fn add(&mut self, text: &str) -> Result<(), SimError> {
        let fault = || SimError::Rule { rule: text.to_owned() };
        let (ending, conduct) = text.split_once('=').ok_or_else(fault)?;
        let digits = ending.len() == 2 && ending.bytes().all(|byte| byte.is_ascii_digit());
        let ending: u64 = ending.parse().ok().filter(|_| digits).ok_or_else(fault)?;
        let conduct = match conduct.split_once(':').unwrap_or((conduct, "")) {
            ("approve", "") => Conduct::Approve,
            ("silent", "") => Conduct::Silent,
            ("decline", code) => {
                Conduct::Decline(ResponseCode::new(code.as_bytes()).ok().ok_or_else(fault)?)
            }
            ("delay", ms) => {
                Conduct::Delay(Duration::from_millis(ms.parse().ok().ok_or_else(fault)?))
            }
            _ => return Err(fault()),
        };
        self.endings.retain(|(other, _)| *other != ending);
        self.endings.push((ending, conduct));
        Ok(())
    }

    /// What to do with this amount, in minor units.
    pub fn conduct(&self, amount: u64) -> Conduct {
        let ending = amount % 100;
        let found = self.endings.iter().find(|(listed, _)| *listed == ending);
        found.map_or(Conduct::Approve, |(_, conduct)| *conduct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_by_ending() {
        let mut rules = Rules::usual();
        rules.add("68=delay:20").unwrap();
        rules.add("05=approve").unwrap();
        for (amount, conduct) in [
            (1251, Conduct::Decline(ResponseCode::new(b"51").unwrap())),
            (1291, Conduct::Silent),
            (1268, Conduct::Delay(Duration::from_millis(20))),
            (1205, Conduct::Approve),
            (1200, Conduct::Approve),
        ] {
            assert_eq!(rules.conduct(amount), conduct, "{amount}");
        }
        for bad in
            ["5=approve", "05", "05=", "05=decline", "05=decline:***", "05=delay:x", "+5=silent"]
        {
            assert!(rules.add(bad).is_err(), "{bad}");
        }
    }
}
