//! Gives memory back when a load is over. The allocator returns what was freed a second later, but only if it is called then: a server
//! with nothing more to do would keep what its last load needed. A thread that ends makes it return all that is due (mimalloc 3,
//! `mi_thread_done`).

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// A load is looked for so often.
const PERIOD: Duration = Duration::from_secs(1);
/// Processor time in a period from which on there is one; timers and probes need less.
const LOAD: Duration = Duration::from_millis(5);
/// Periods after a load in which something may become due: the storage frees its caches in the second one.
const PERIODS_AFTER: u32 = 3;

/// Has memory given back after each load, until `closed`.
pub(super) async fn give_back(closed: CancellationToken) {
    closed.run_until_cancelled(after_each_load(processor_time, end_a_thread)).await;
}

async fn after_each_load(mut used: impl FnMut() -> Duration, mut give_back: impl FnMut()) {
    let mut periods = interval(PERIOD);
    periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
    periods.tick().await; // the first one is at once
    let (mut before, mut left) = (Duration::ZERO, 0);
    loop {
        periods.tick().await;
        let now = used();
        if now.saturating_sub(before) >= LOAD {
            left = PERIODS_AFTER;
        } else if left > 0 {
            left -= 1;
            give_back();
        }
        before = now;
    }
}

/// What this process has used so far.
fn processor_time() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ProcessCPUTime);
    Duration::from_secs(tv_sec.unsigned_abs()) + Duration::from_nanos(tv_nsec.unsigned_abs())
}

fn end_a_thread() {
    // One that cannot be started is made up for by the next.
    drop(std::thread::Builder::new().name("memory-return".into()).spawn(|| ()));
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_is_given_back_in_the_three_seconds_after_each_load_and_then_no_more() {
        let (began, used) = (Instant::now(), Cell::new(Duration::ZERO));
        let given_back = RefCell::new(Vec::new());
        let load = async {
            for (after, needs) in [(2_500, 5), (1_000, 900), (7_000, 4), (10_000, 4), (1_000, 6)] {
                sleep(Duration::from_millis(after)).await;
                used.set(used.get() + Duration::from_millis(needs));
            }
            sleep(Duration::from_secs(10)).await;
        };
        tokio::select! {
            () = after_each_load(|| used.get(), || given_back.borrow_mut().push(began.elapsed().as_secs())) => {}
            () = load => {}
        }
        assert_eq!(given_back.take(), [5, 6, 7, 23, 24, 25]);
    }

    #[test]
    fn processor_time_is_what_this_process_has_used() {
        let before = processor_time();
        while processor_time() == before {
            std::hint::spin_loop();
        }
        assert!(processor_time() > before);
    }
}
