//! What a process weighs.

use anyhow::{Context, Result};
use testing::memory_kib;

/// Its proportional share of memory, in KiB: pages that it shares with others are divided among them.
pub(crate) fn pss_kib(pid: u32) -> Result<f64> {
    kib(pid, "Pss")
}

/// One kind of memory, as `smaps_rollup` names it, in KiB.
pub(crate) fn kib(pid: u32, kind: &str) -> Result<f64> {
    Ok(memory_kib(pid, kind).with_context(|| format!("process {pid} is gone"))? as f64)
}
