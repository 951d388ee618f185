//! What the kernel says of a process: its processor time and its memory.

use std::fs;

/// Milliseconds of processor time so far, from `/proc/PID/stat`: user and system, in ticks of 10 ms.
pub(super) fn cpu_ms(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, the only field that may hold blanks, ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = |field: usize| fields.split_whitespace().nth(field)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) * 10)
}

/// What it has in memory now, in KiB.
pub(super) fn resident_kib(pid: u32) -> Option<u64> {
    status_kib(pid, "VmRSS:")
}

/// The most that it ever had in memory, in KiB.
pub(super) fn peak_kib(pid: u32) -> Option<u64> {
    status_kib(pid, "VmHWM:")
}

fn status_kib(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
