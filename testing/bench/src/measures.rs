//! What is measured of a system.

mod fan_out;
mod health;
mod idle;
mod instances;
mod interrupt;
mod latency;
mod queue;
mod real_cli;
mod real_task;
mod replay;
mod sessions;
mod start;
mod stream;
mod submit;
mod wire;

use std::sync::Arc;

use anyhow::Result;
use futures_util::future::BoxFuture;

use crate::run::{Job, Samples};
use crate::systems::System;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Whether it only has to be seen that everything works.
    pub(crate) is_quick: bool,
}

impl Scale {
    /// One of two sizes.
    pub(crate) fn of(self, usual: usize, quick: usize) -> usize {
        if self.is_quick { quick } else { usual }
    }

    /// Events of one task of a system: fewer for a slow one.
    pub(crate) fn events(self, system: &dyn System, usual: usize, quick: usize) -> usize {
        (self.of(usual, quick) as f64 * system.share()) as usize
    }
}

/// On which systems something is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// All, others than ours too.
    Everything,
    /// Our server with each storage.
    Storages,
    /// With these storages.
    These(&'static [&'static str]),
}

impl On {
    fn has(self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Storages => ["memory", "sqlite", "redis"].contains(&name),
            Self::These(names) => names.contains(&name),
        }
    }
}

/// Something to be measured.
struct Measure {
    name: &'static str,
    on: On,
    is_once: bool,
    run: fn(Arc<dyn System>, Scale) -> BoxFuture<'static, Result<Samples>>,
}

const ALL: &[Measure] = &[
    Measure {
        name: "idle",
        on: On::Everything,
        is_once: false,
        run: |on, scale| Box::pin(idle::measure(on, scale)),
    },
    Measure {
        name: "submit",
        on: On::Everything,
        is_once: false,
        run: |on, scale| Box::pin(submit::measure(on, scale)),
    },
    Measure {
        name: "stream",
        on: On::Everything,
        is_once: false,
        run: |on, scale| Box::pin(stream::one(on, scale)),
    },
    Measure {
        name: "streams",
        on: On::Storages,
        is_once: false,
        run: |on, scale| Box::pin(stream::many(on, scale)),
    },
    Measure {
        name: "latency",
        on: On::Everything,
        is_once: false,
        run: |on, scale| Box::pin(latency::measure(on, scale)),
    },
    Measure {
        name: "interrupt",
        on: On::Everything,
        is_once: false,
        run: |on, scale| Box::pin(interrupt::measure(on, scale)),
    },
    Measure {
        name: "fan_out",
        on: On::Storages,
        is_once: false,
        run: |on, scale| Box::pin(fan_out::measure(on, scale)),
    },
    Measure {
        name: "replay",
        on: On::Storages,
        is_once: false,
        run: |on, scale| Box::pin(replay::measure(on, scale)),
    },
    Measure {
        name: "sessions",
        on: On::Storages,
        is_once: false,
        run: |on, scale| Box::pin(sessions::measure(on, scale)),
    },
    Measure {
        name: "queue",
        on: On::Storages,
        is_once: true,
        run: |on, scale| Box::pin(queue::measure(on, scale)),
    },
    Measure {
        name: "health",
        on: On::These(&["sqlite"]),
        is_once: false,
        run: |on, scale| Box::pin(health::measure(on, scale)),
    },
    Measure {
        name: "start",
        on: On::These(&["sqlite", "redis"]),
        is_once: true,
        run: |on, scale| Box::pin(start::measure(on, scale)),
    },
    Measure {
        name: "wire",
        on: On::These(&["redis"]),
        is_once: true,
        run: |on, scale| Box::pin(wire::measure(on, scale)),
    },
    Measure {
        name: "instances",
        on: On::These(&["redis"]),
        is_once: true,
        run: |on, scale| Box::pin(instances::measure(on, scale)),
    },
    Measure {
        name: "real_task",
        on: On::These(&["sqlite", "python"]),
        is_once: true,
        run: |on, scale| Box::pin(real_task::measure(on, scale)),
    },
    Measure {
        name: "real_cli",
        on: On::These(&["sqlite"]),
        is_once: true,
        run: |on, scale| Box::pin(real_cli::measure(on, scale)),
    },
];

/// Names of all measures.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|measure| measure.name)
}

/// The jobs of a round: each measure with each system that it is for, one system after the other.
pub(crate) fn jobs(systems: &[Arc<dyn System>], scale: Scale) -> Vec<Job> {
    let pairs = ALL.iter().flat_map(|measure| systems.iter().map(move |system| (measure, system)));
    pairs
        .filter(|(measure, system)| measure.on.has(system.name()))
        .map(|(measure, system)| {
            let (system, run, variant) = (Arc::clone(system), measure.run, system.name().to_owned());
            let run = Arc::new(move || run(Arc::clone(&system), scale));
            Job { measure: measure.name, variant, is_once: measure.is_once, run }
        })
        .collect()
}
