//! The page.

use std::fmt::Write;

use super::number::number;
use super::plots::Drawn;
use crate::figure::{Better, Figure};
use crate::run::{MACHINE, Run};

/// What a run says for itself.
const HEAD: &str = "\
# Benchmarks

What the server does beside what the machine can do, measured in one run. Made by `bench report` from the run's JSON; do not edit it.

```sh
testing/bench/run.sh                                 # measures: a quarter of an hour, on a machine that does nothing else
target/release/bench report target/bench.json docs/  # writes this page
testing/bench/check.sh                               # measures, and says whether anything has become worse since the run below
```

`testing/bench/README.md` says how it is measured, and how another system is put beside the server.
";

const NOTES: &str = "\
Agents, server and clients share the machine's cores, so only ratios carry over to another machine. A figure is the median of the rounds, in
which storages take turns; the spread is between the least and the greatest round. Each measure starts a server of its own and lets it
warm up. Agents are stubs that write as fast as they are read, but for what is said to be the real CLI. An event is 512 bytes as the
agent writes it. Rates count from the request that lets the agents go, their start included, to the last event at the last reader. Every event of every measure is received and checked: none may be missing, come twice or out of order.

With SQLite (`STORAGE_SYNC=normal`) and Redis (`appendfsync everysec`), a submission is answered when it is committed, and an event is sent when
it is. With the storage in memory nothing outlives the server. `python` is a service of FastAPI and the official SDK, which keeps all in memory and
answers a submission before it has done anything; it is measured with fewer events, and only where both do the same. A session whose memory
is weighed has had one short task.
";

/// The page of a run.
pub(crate) fn page(run: &Run, drawn: &[Drawn]) -> String {
    let mut page = HEAD.to_owned();
    about(&mut page, run);
    targets(&mut page, run);
    page.push_str("\n## Plots\n");
    for plot in drawn {
        push(&mut page, format_args!("\n![{}](benchmarks/{}.svg)\n", plot.title, plot.file));
    }
    page.push_str("\n## What the machine can do\n\nWithout the server.\n\n");
    all(&mut page, run, &[MACHINE.to_owned()]);
    page.push_str("\n## All figures\n\n");
    let variants = variants(run);
    all(&mut page, run, &variants);
    failures(&mut page, run);
    page
}

/// Writing to a text does not fail.
fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).ok();
}

fn about(page: &mut String, run: &Run) {
    let (machine, versions) = (&run.machine, &run.machine.versions);
    if run.quick {
        page.push_str("\n**A quick run: it shows that everything works, and its figures say nothing.**\n");
    }
    push(
        page,
        format_args!(
            "\n## The run\n\n{}, {} cores, {} MiB, Linux {}. Commit {}; rounds: {}, in {:.0} s, {}. Server {}, Claude Code CLI {}, Redis {}, SQLite \
             {}, built by rustc {}.\n\n{NOTES}",
            machine.cpu,
            machine.cores,
            machine.memory_mib,
            machine.kernel,
            machine.commit,
            run.rounds,
            run.seconds,
            run.at,
            versions.server,
            versions.cli,
            versions.redis,
            versions.sqlite,
            versions.rustc
        ),
    );
}

fn targets(page: &mut String, run: &Run) {
    let aimed: Vec<_> = run.figures.iter().filter(|figure| figure.target.is_some()).collect();
    let met = aimed.iter().filter(|figure| figure.meets_target() == Some(true)).count();
    push(
        page,
        format_args!(
            "\n## Targets\n\n{met} of {} are met. A limit is what the machine can do, or another figure.\n\n",
            aimed.len()
        ),
    );
    page.push_str("| | with | figure | target | met | of its limit |\n|---|---|---|---|---|---|\n");
    for figure in aimed {
        let bound = if figure.better == Better::Higher { "≥" } else { "≤" };
        let target = figure.target.map_or(String::new(), |target| format!("{bound} {}", number(target)));
        let met = if figure.meets_target() == Some(true) { "yes" } else { "**no**" };
        let (says, variant, limit) = (&figure.says, &figure.variant, of_limit(figure));
        let value = format!("{} {}", number(figure.value), figure.unit);
        push(page, format_args!("| {says} | {variant} | {value} | {target} | {met} | {limit} |\n"));
    }
}

fn of_limit(figure: &Figure) -> String {
    figure.limit.as_ref().map_or(String::new(), |limit| format!("{} × `{}`", number(limit.ratio), limit.name))
}

/// Those beside the machine, in their order.
fn variants(run: &Run) -> Vec<String> {
    let mut variants: Vec<String> = Vec::new();
    for figure in run.figures.iter().filter(|figure| figure.variant != MACHINE) {
        if !variants.contains(&figure.variant) {
            variants.push(figure.variant.clone());
        }
    }
    // Rounds turn, but the page does not.
    variants.sort_by_key(|name| {
        ["memory", "sqlite", "redis"].iter().position(|known| known == name).unwrap_or(3)
    });
    variants
}

/// A line a figure, a column a variant.
fn all(page: &mut String, run: &Run, variants: &[String]) {
    push(
        page,
        format_args!(
            "| figure | | unit | {} |\n|---|---|---|{}\n",
            variants.join(" | "),
            "---|".repeat(variants.len())
        ),
    );
    let mut told: Vec<&str> = Vec::new();
    for figure in run.figures.iter().filter(|figure| variants.contains(&figure.variant)) {
        if told.contains(&figure.name.as_str()) {
            continue;
        }
        told.push(&figure.name);
        let cell = |variant: &String| {
            let found = run.figure(&figure.name, variant);
            found.map_or(String::new(), |found| {
                format!("{} ± {:.0} %", number(found.value), found.spread * 50.0)
            })
        };
        let cells: Vec<_> = variants.iter().map(cell).collect();
        push(
            page,
            format_args!(
                "| `{}` | {} | {} | {} |\n",
                figure.name,
                figure.says,
                figure.unit,
                cells.join(" | ")
            ),
        );
    }
}

fn failures(page: &mut String, run: &Run) {
    if run.failures.is_empty() {
        return;
    }
    page.push_str("\n## Failed\n\nThese have no figure of that round.\n\n");
    for failure in &run.failures {
        push(
            page,
            format_args!(
                "- {}, {}, round {}: {}\n",
                failure.measure, failure.variant, failure.round, failure.error
            ),
        );
    }
}
