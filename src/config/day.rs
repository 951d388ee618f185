//! `[day]`: when a business day ends by the clock.

use super::read::Section;
use crate::switch::DaySettings;

/// The hour, and how far the clocks on which it is said are ahead of UTC.
pub(super) fn read(section: &Section<'_>) -> DaySettings {
    let cut_at = section.word("cut_at", |text| match text {
        "off" => Ok(None),
        _ => hour_ms(text)
            .map(Some)
            .ok_or("an hour and a minute like \"23:00\", from 00:00 to 23:59, or \"off\""),
    });
    let offset = section.word("utc_offset", |text| {
        let fault = "hours and minutes ahead of UTC like \"+01:00\", or behind it like \"-05:00\"";
        offset(text).ok_or(fault)
    });
    DaySettings {
        cut_at_ms: cut_at.and_then(|cut_at| cut_at.value),
        utc_offset_min: offset.map_or(0, |offset| offset.value),
    }
}

/// `HH:MM` as milliseconds after midnight.
pub(super) fn hour_ms(text: &str) -> Option<u32> {
    minutes(text).map(|minutes| minutes * 60_000)
}

/// `HH:MM` as minutes after midnight.
fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, below: u32| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| digits && *number < below)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}

/// `+HH:MM` or `-HH:MM` as minutes; no place on earth is further than 14 hours from UTC.
fn offset(text: &str) -> Option<i32> {
    let ahead = text.strip_prefix('+').and_then(minutes);
    let behind = text.strip_prefix('-').and_then(minutes);
    let minutes = i32::try_from(ahead.or(behind)?).ok().filter(|minutes| *minutes <= 14 * 60)?;
    Some(if ahead.is_some() { minutes } else { -minutes })
}
