//! Which signals a command heeds.

/// Whether this process ignores a signal, by its number: `nohup` lets SIGHUP be ignored, and whoever listens to it would undo that.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    mentions(&std::fs::read_to_string("/proc/self/status").unwrap_or_default(), signal)
}

/// Whether `/proc/PID/status` says so.
fn mentions(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (signal - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_is_ignored() {
        let [hup, int, pipe] = [1, 2, 13];
        let status = "Name:\tx\nSigIgn:\t0000000000001001\n";
        assert_eq!([hup, pipe, int].map(|signal| mentions(status, signal)), [true, true, false]);
        assert!(!mentions("", hup));
    }
}
