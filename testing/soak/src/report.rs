//! A run as a page: what ran, what was counted, what stayed flat.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::measures::MEASURES;
use crate::plan::Ending;
use crate::plots::{PLOTS, draw};
use crate::record::{Record, Verdict};
use crate::trend::median;

/// Writes `soak.md` and `soak/*.svg` into a folder.
pub(crate) fn write(record: &Record, folder: &Path) -> anyhow::Result<()> {
    let plots = folder.join("soak");
    fs::create_dir_all(&plots).with_context(|| format!("{} cannot be made", plots.display()))?;
    PLOTS.iter().try_for_each(|plot| draw(plot, record, &plots))?;
    let page = folder.join("soak.md");
    fs::write(&page, text(record)?).with_context(|| format!("{} cannot be written", page.display()))
}

/// The end of a run in a few lines.
pub(crate) fn summary(record: &Record) -> Vec<String> {
    let counts = &record.counted.counts;
    let mut lines = vec![format!(
        "{:.1} minutes, {} lives, {} tasks, {} events read over {} connections",
        record.seconds / 60.0,
        record.lives.len(),
        counts.tasks,
        counts.events_read,
        counts.connections
    )];
    let faults = record.counted.faults.iter().filter(|(_, count)| **count > 0);
    lines.extend(faults.map(|(fault, count)| format!("FAULT {fault:?}: {count}")));
    lines.extend(
        record
            .counted
            .accounts
            .iter()
            .take(20)
            .map(|account| format!("  {:.0} s {:?}: {}", account.at, account.fault, account.what)),
    );
    for (over, verdicts) in [("one life", &record.one_life), ("all lives", &record.all_lives)] {
        let growing = verdicts.iter().filter(|verdict| verdict.trend.is_flat == Some(false));
        lines.extend(growing.map(|verdict| format!("GROWS over {over}: {}", told(verdict))));
    }
    let verdict = match (record.passed, record.ran_to_its_end) {
        (true, _) => "passed",
        (false, true) => "NOT PASSED",
        (false, false) => "ended before its time, so NOT PASSED",
    };
    lines.push(verdict.to_owned());
    lines
}

fn told(verdict: &Verdict) -> String {
    let Verdict { name, unit, trend } = verdict;
    format!(
        "{name}: median {:.2} {unit}, growth {:.2}, allowed {:.2}",
        trend.median, trend.growth, trend.allowed
    )
}

fn text(record: &Record) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    what_ran(record, &mut page)?;
    what_was_counted(record, &mut page)?;
    what_was_measured(record, &mut page)?;
    writeln!(page, "\n## What grew in the longest life\n")?;
    let longest = record.lives.iter().map(|life| life.seconds()).fold(0.0, f64::max) / 60.0;
    writeln!(
        page,
        "It lasted {longest:.1} minutes; the first five, or the first quarter when it was shorter, do not count. The slope is the \
         median of the slopes between any two samples (Theil and Sen); what it comes to over the watched time may be as much as is \
         allowed: a share of the median or an amount, whichever is more.\n"
    )?;
    verdicts(&record.one_life, "an hour", 60.0, &mut page)?;
    writeln!(page, "\n## What grew from life to life\n")?;
    writeln!(
        page,
        "Each life but the first, which begins with an empty database, at the age that all of them reached.\n"
    )?;
    verdicts(&record.all_lives, "a life", 1.0, &mut page)?;
    what_lived(record, &mut page)?;
    writeln!(page, "\n## Plots\n\nGrey lines are ends by SIGTERM, red ones by SIGKILL.")?;
    for plot in &PLOTS {
        writeln!(page, "\n![{}](soak/{}.svg)", plot.title, plot.file)?;
    }
    Ok(page)
}

fn what_ran(record: &Record, page: &mut String) -> std::fmt::Result {
    let (machine, load) = (&record.machine, &record.load);
    let restarts = |how: Ending| record.lives.iter().filter(|life| life.how == Some(how)).count();
    writeln!(page, "# The soak\n\nMade by `soak report` from the record of a run; do not edit it.\n")?;
    let verdict = match (record.passed, record.ran_to_its_end) {
        (true, _) => "Nothing was lost, and nothing grew.",
        (false, true) => "It did **not** pass: see below.",
        (false, false) => "It was ended before its time.",
    };
    writeln!(
        page,
        "{verdict} A release of the server ran under load for {:.1} minutes: {} lives, {} ended by SIGTERM (the last one after the \
         run), {} by SIGKILL, each time with tasks at work and readers connected.\n",
        record.seconds / 60.0,
        record.lives.len(),
        restarts(Ending::Terminated),
        restarts(Ending::Killed),
    )?;
    writeln!(page, "| what ran | |\n|---|---|")?;
    writeln!(page, "| when | {} |\n| server | {} |", record.started_at, record.server)?;
    writeln!(
        page,
        "| machine | {} cores ({}), {} MiB, Linux {}; agents, callers and readers on the same cores |",
        machine.cores, machine.processor, machine.memory_mib, machine.kernel
    )?;
    writeln!(
        page,
        "| short tasks | {} a second, each with a session and an agent process of its own |\n\
         | streams | {} at a time, {} events a second each, with a reader that stays and one that comes and goes |\n\
         | conversations | {} at a time, one task after the other, each has to recall all earlier prompts |\n\
         | interrupts | {} a second, up to 1.5 s after the submission |\n\
         | real CLI | {} tasks a minute, behind the scripted model |\n\
         | chance | seed {} |",
        load.short_tasks_per_second,
        load.streams,
        load.stream_events_per_second,
        load.conversations,
        load.interrupts_per_second,
        load.real_tasks_per_minute,
        record.seed
    )?;
    let settings: Vec<_> = record.settings.iter().map(|(name, value)| format!("`{name}={value}`")).collect();
    writeln!(page, "| settings | {} |", settings.join(", "))
}

fn what_was_counted(record: &Record, page: &mut String) -> std::fmt::Result {
    let (counts, faults) = (&record.counted.counts, &record.counted.faults);
    writeln!(page, "\n## What was counted\n\n| may happen | |\n|---|---|")?;
    for (name, count) in [
        ("tasks admitted", counts.tasks),
        ("of these, tasks of the real CLI", counts.real_tasks),
        ("completed", counts.completed),
        ("of these, over a restart (`on_restart=resume`)", counts.outlasted_restarts),
        ("interrupted by callers", counts.interrupted_by_callers),
        ("interrupted with their server (`on_restart=interrupt`)", counts.interrupted_by_restarts),
        (
            "told that a kill cut off their session's conversation before its first prompt",
            counts.conversations_cut_by_restarts,
        ),
        (
            "calls of the real CLI cut off by a restart, which the scripted model does not make again",
            counts.calls_cut_by_restarts,
        ),
        ("submissions made again for want of room", counts.refused_for_room),
        ("requests made again after a restart", counts.repeated_requests),
        ("events read, each checked", counts.events_read),
        ("connections of readers", counts.connections),
        ("readers that left and came back with their cursor", counts.readers_came_back),
        ("earlier prompts recalled", counts.prompts_recalled),
        ("sessions deleted by callers", counts.deleted_sessions),
    ] {
        writeln!(page, "| {name} | {count} |")?;
    }
    writeln!(page, "\n| must not happen | |\n|---|---|")?;
    for (fault, count) in faults {
        writeln!(page, "| {} | {count} |", words(&format!("{fault:?}")))?;
    }
    if !record.logged.is_empty() {
        writeln!(page, "\n| the servers' log, from WARN on | times |\n|---|---|")?;
        for (line, count) in record.logged.iter().take(20) {
            writeln!(page, "| {} | {count} |", line.replace('|', "\\|").replace('<', "&lt;"))?;
        }
    }
    Ok(())
}

/// `MissedEvent` as `missed event`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn what_was_measured(record: &Record, page: &mut String) -> std::fmt::Result {
    writeln!(page, "\n## What was measured\n\nOver all samples, one each ten seconds.\n")?;
    writeln!(page, "| | least | median | most |\n|---|---|---|---|")?;
    let own = [
        ("events read a second", record.samples.iter().map(|sample| sample.events_per_second).collect()),
        ("submissions a second", record.samples.iter().map(|sample| sample.submissions_per_second).collect()),
    ];
    let measures = MEASURES.iter().map(|measure| {
        (measure.name, measure.unit, record.samples.iter().filter_map(measure.of).collect::<Vec<_>>())
    });
    for (name, unit, values) in own.into_iter().map(|(name, values)| (name, "", values)).chain(measures) {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        if !values.is_empty() {
            writeln!(page, "| {} | {least:.2} | {:.2} | {most:.2} |", named(name, unit), median(values))?;
        }
    }
    let Some(after) = &record.after else { return Ok(()) };
    let mib = after.resident_bytes as f64 / 1_048_576.0;
    writeln!(
        page,
        "\nWhen all tasks had ended, the server had {mib:.1} MiB, {} descriptors, {} threads and {} agents that waited.",
        after.descriptors, after.threads, after.children
    )
}

fn named(name: &str, unit: &str) -> String {
    if unit.is_empty() { name.to_owned() } else { format!("{name}, {unit}") }
}

fn verdicts(verdicts: &[Verdict], per: &str, times: f64, page: &mut String) -> std::fmt::Result {
    writeln!(
        page,
        "| | values | median | slope, {per} | growth | allowed | |\n|---|---|---|---|---|---|---|"
    )?;
    for Verdict { name, unit, trend } in verdicts {
        let flat = match trend.is_flat {
            Some(true) => "flat",
            Some(false) => "**grows**",
            None => "too few values",
        };
        writeln!(
            page,
            "| {} | {} | {:.2} | {:+.2} | {:+.2} | {:.2} | {flat} |",
            named(name, unit),
            trend.values,
            trend.median,
            trend.slope * times,
            trend.growth,
            trend.allowed
        )?;
    }
    Ok(())
}

fn what_lived(record: &Record, page: &mut String) -> std::fmt::Result {
    writeln!(page, "\n## Lives\n")?;
    writeln!(
        page,
        "| | minutes | start to first answer, ms | ended by | end, ms | last agent gone after, ms | agents left |\n|---|---|---|---|---|---|---|"
    )?;
    for life in &record.lives {
        let how = match life.how {
            Some(Ending::Terminated) => "SIGTERM",
            Some(Ending::Killed) => "SIGKILL",
            Some(Ending::Died) => "itself",
            None => "",
        };
        writeln!(
            page,
            "| {} | {:.1} | {:.0} | {how} | {:.0} | {:.0} | {} |",
            life.number,
            life.seconds() / 60.0,
            life.ready_ms,
            life.stop_ms,
            life.agents_gone_ms,
            life.processes_left
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_capitals_becomes_words() {
        assert_eq!(words("MissedEvent"), "missed event");
    }
}
