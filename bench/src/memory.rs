//! Peak resident memory of this process, and what it wrote.

use std::fs;

use crate::Result;

/// Forgets the peak so far and returns what is resident now, in bytes.
pub fn reset_peak() -> Result<u64> {
    // The kernel's proc(5): 5 resets the peak to the current value.
    fs::write("/proc/self/clear_refs", "5")?;
    status_bytes("VmRSS:")
}

/// The peak since [`reset_peak`], in bytes.
pub fn peak() -> Result<u64> {
    status_bytes("VmHWM:")
}

fn status_bytes(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .ok_or_else(|| format!("/proc/self/status has no {name}"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}

/// Bytes that this process has handed to write calls so far, by proc(5).
pub fn written() -> Result<u64> {
    let counts = fs::read_to_string("/proc/self/io")?;
    let line = counts
        .lines()
        .find_map(|line| line.strip_prefix("wchar:"))
        .ok_or("/proc/self/io has no wchar")?;
    Ok(line.trim().parse()?)
}
