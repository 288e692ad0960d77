//! Plots as SVG.

mod bars;
mod lines;

use std::path::Path;

use anyhow::Result;
use plotters::style::RGBColor;

use crate::run::{MACHINE, Run};

/// A plot that was drawn.
pub(crate) struct Drawn {
    /// Its file, without `.svg`.
    pub(crate) file: &'static str,
    /// What it shows.
    pub(crate) title: &'static str,
}

const SIZE: (u32, u32) = (900, 360);
const COLORS: [RGBColor; 5] = [
    RGBColor(31, 119, 180),
    RGBColor(221, 110, 10),
    RGBColor(44, 140, 60),
    RGBColor(130, 130, 130),
    RGBColor(150, 60, 150),
];
/// The usual order, and so the colours; others come after them.
const STORAGES: [&str; 3] = ["memory", "sqlite", "redis"];

/// Bars in groups, one a variant; its limit stands in the group, too.
struct Bars {
    file: &'static str,
    title: &'static str,
    /// Figures, and what their groups are called.
    groups: &'static [(&'static str, &'static str)],
}

/// A line a variant over numbers of something.
struct Lines {
    file: &'static str,
    title: &'static str,
    across: &'static str,
    /// Figures by that number.
    points: &'static [(f64, &'static str)],
    /// The machine's, by that number.
    limit: &'static [(f64, &'static str)],
}

const BARS: [Bars; 4] = [
    Bars {
        file: "events",
        title: "Events a second (more is better)",
        groups: &[
            ("events_one_task", "1 task"),
            ("events_16_tasks", "16 tasks"),
            ("events_200_sessions", "200 sessions"),
            ("replay", "replay"),
        ],
    },
    Bars {
        file: "latency",
        title: "Agent's write to client's read at 1,000 events/s, ms (less is better)",
        groups: &[("latency_p50", "p50"), ("latency_p99", "p99")],
    },
    Bars {
        file: "submit",
        title: "Answer to a submission, ms (less is better)",
        groups: &[
            ("submit_p50_c1", "1 caller, p50"),
            ("submit_p50_c8", "8 callers, p50"),
            ("submit_p50_c32", "32 callers, p50"),
            ("submit_p99_c32", "32 callers, p99"),
        ],
    },
    Bars {
        file: "real-cli",
        title: "POST to model request with the real CLI, ms (less is better)",
        groups: &[
            ("cli_cold_request", "cold"),
            ("cli_resume_request", "resumed"),
            ("cli_pool_request", "from the pool"),
            ("cli_warm_request", "alive"),
        ],
    },
];

const LINES: [Lines; 2] = [
    Lines {
        file: "fan-out",
        title: "Deliveries a second by subscribers of one task (more is better)",
        across: "subscribers",
        points: &[(1.0, "fan_out_1"), (10.0, "fan_out_10"), (100.0, "fan_out_100"), (500.0, "fan_out_500")],
        limit: &[
            (1.0, "fan_out_limit_1"),
            (10.0, "fan_out_limit_10"),
            (100.0, "fan_out_limit_100"),
            (500.0, "fan_out_limit_500"),
        ],
    },
    Lines {
        file: "sessions",
        title: "Memory of the server by sessions without an agent, MiB (less is better)",
        across: "sessions",
        points: &[
            (10.0, "memory_10_sessions"),
            (100.0, "memory_100_sessions"),
            (1000.0, "memory_1000_sessions"),
            (3000.0, "memory_3000_sessions"),
        ],
        limit: &[],
    },
];

/// One row of values with a name and a colour.
struct Series<T> {
    name: String,
    color: RGBColor,
    values: Vec<T>,
}

/// Draws what the run has figures for.
pub(crate) fn draw(run: &Run, folder: &Path) -> Result<Vec<Drawn>> {
    let mut drawn = Vec::new();
    for plot in &BARS {
        let series = bar_series(run, plot);
        if !series.is_empty() {
            bars::draw(&folder.join(format!("{}.svg", plot.file)), plot, &series)?;
            drawn.push(Drawn { file: plot.file, title: plot.title });
        }
    }
    for plot in &LINES {
        let series = line_series(run, plot);
        if !series.is_empty() {
            lines::draw(&folder.join(format!("{}.svg", plot.file)), plot, &series)?;
            drawn.push(Drawn { file: plot.file, title: plot.title });
        }
    }
    Ok(drawn)
}

/// All variants of a run that are no limits.
fn variants(run: &Run) -> Vec<&str> {
    let mut variants = STORAGES.to_vec();
    for figure in run.figures.iter().filter(|figure| figure.variant != MACHINE) {
        if !variants.contains(&figure.variant.as_str()) {
            variants.push(&figure.variant);
        }
    }
    variants
}

fn color(place: usize) -> RGBColor {
    COLORS.get(place % COLORS.len()).copied().unwrap_or(COLORS[0])
}

fn bar_series(run: &Run, plot: &Bars) -> Vec<Series<Option<f64>>> {
    let value = |name: &str, variant: &str| run.figure(name, variant).map(|figure| figure.value);
    let of = |variant: &str| plot.groups.iter().map(|(name, _)| value(name, variant)).collect::<Vec<_>>();
    let mut series: Vec<_> = variants(run)
        .into_iter()
        .enumerate()
        .map(|(place, name)| Series {
            name: name.to_owned(),
            color: color(if place < 3 { place } else { place + 1 }),
            values: of(name),
        })
        .collect();
    let limits = plot.groups.iter().map(|(name, _)| {
        let figures = STORAGES.iter().filter_map(|variant| run.figure(name, variant)?.limit.as_ref());
        figures.map(|limit| limit.value).next()
    });
    series.push(Series { name: "limit".to_owned(), color: COLORS[3], values: limits.collect() });
    series.retain(|series| series.values.iter().any(Option::is_some));
    series
}

fn line_series(run: &Run, plot: &Lines) -> Vec<Series<(f64, f64)>> {
    let of = |points: &[(f64, &str)], variant: &str| {
        let values = points.iter().filter_map(|(at, name)| Some((*at, run.figure(name, variant)?.value)));
        values.collect::<Vec<_>>()
    };
    let mut series: Vec<_> = variants(run)
        .into_iter()
        .enumerate()
        .map(|(place, name)| Series {
            name: name.to_owned(),
            color: color(place),
            values: of(plot.points, name),
        })
        .collect();
    series.push(Series { name: "limit".to_owned(), color: COLORS[3], values: of(plot.limit, MACHINE) });
    series.retain(|series| !series.values.is_empty());
    series
}
