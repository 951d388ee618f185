//! After the cut: the shops are paid, and what everybody has at the end adds up to nothing. Tells what it finds.

use std::ffi::OsString;
use std::fmt::Write as _;

use serde_json::Value;

use crate::sim::SimError;
use crate::sim::child::Switch;
use crate::sim::purchase::Shop;

use super::Voice;
use super::settle::Money;

/// Who is paid, and what it costs: lines of configuration.
pub(super) fn terms(shops: impl Iterator<Item = u32>) -> String {
    let mut text = String::from(
        "\n[clearing.settlement]\nname = \"Demonstration\"\niban = \"DE89370400440532013000\"\n\
         \n[[clearing.fees]]\nname = \"shops\"\nkind = \"discount\"\nrate_ppm = 15_000\nfixed = 5\n\
         \n[[clearing.fees]]\nname = \"banks\"\nkind = \"interchange\"\nrate_ppm = 2_000\n",
    );
    for number in shops {
        // Writing to a string does not fail.
        write!(
            text,
            "\n[[clearing.settlement.merchants]]\nid = \"{}\"\nname = \"Shop {number}\"\niban = \"GB82WEST12345698765432\"\n",
            Shop::numbered(number).merchant
        )
        .unwrap_or_default();
    }
    text
}

/// Has the shops paid. True when all that everybody has adds up to nothing.
pub(super) fn pay_shops(
    switch: &Switch,
    date: &str,
    voice: &mut Voice<'_>,
) -> Result<bool, SimError> {
    for paid in switch.ask(&["clearing", "pay-out", "--date", date])? {
        let text = |key| paid.get(key).and_then(Value::as_str).unwrap_or_default();
        if let Some(count) = paid.get("payments") {
            voice.say(format_args!(
                "  {count} shops are paid {}, worth something on {}: {}",
                text("sum"),
                text("value_date"),
                text("file")
            ))?;
        }
    }
    let asked = ["clearing", "report", "positions", "--date", date, "--format", "json", "--state"];
    let mut asked: Vec<OsString> = asked.iter().map(OsString::from).collect();
    asked.push(switch.state().into_os_string());
    let report = switch.command(&asked)?;
    let report: Value = serde_json::from_slice(&report.stdout).unwrap_or_default();
    let rows = report.get("rows").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let sum: i64 = rows.iter().filter_map(|row| row.get("net")?.as_i64()).sum();
    voice.say(format_args!(
        "  {} positions of shops, banks and us, fees taken off, add up to {}",
        rows.len(),
        Money(sum)
    ))?;
    Ok(sum == 0 && !rows.is_empty())
}
