//! The table for the terminal.

use std::fmt;

use super::number::number;
use crate::figure::Figure;
use crate::run::Run;

/// A run as lines of text.
pub(crate) struct Table<'a>(pub &'a Run);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { rounds, quick, seconds, figures, failures, machine, .. } = self.0;
        writeln!(
            f,
            "{}, {} cores, commit {}, rounds: {rounds}, in {seconds:.0} s",
            machine.cpu, machine.cores, machine.commit
        )?;
        if *quick {
            writeln!(f, "a quick run: it shows that everything works, and its figures say nothing")?;
        }
        let titles = ["figure", "with", "value", "unit", "spread", "target", "of"];
        line(f, titles.map(str::to_owned))?;
        figures.iter().try_for_each(|figure| line(f, cells(figure)))?;
        for failure in failures {
            writeln!(
                f,
                "FAILED: {}, {}, round {}: {}",
                failure.measure, failure.variant, failure.round, failure.error
            )?;
        }
        Ok(())
    }
}

fn cells(figure: &Figure) -> [String; 7] {
    let target = match (figure.target, figure.meets_target()) {
        (Some(target), Some(true)) => format!("{} met", number(target)),
        (Some(target), _) => format!("{} MISSED", number(target)),
        (None, _) => String::new(),
    };
    let limit = figure.limit.as_ref();
    [
        figure.name.clone(),
        figure.variant.clone(),
        number(figure.value),
        figure.unit.clone(),
        format!("{:.0} %", figure.spread * 100.0),
        target,
        limit.map_or(String::new(), |limit| format!("{} × {}", number(limit.ratio), limit.name)),
    ]
}

fn line(
    f: &mut fmt::Formatter<'_>,
    [name, variant, value, unit, spread, target, limit]: [String; 7],
) -> fmt::Result {
    let text = format!("{name:<26} {variant:<8} {value:>10} {unit:<11} {spread:>6}  {target:<16} {limit}");
    writeln!(f, "{}", text.trim_end())
}
