//! A run: rounds of jobs, what they showed, and what became of those that failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::figure::{Figure, Limit, Spec};
use crate::machine::Machine;
use crate::statistics::{median, spread};

/// The variant of what the machine can do.
pub(crate) const MACHINE: &str = "machine";
/// Of the JSON of a run; raised when it changes.
pub(crate) const FORMAT: u32 = 2;
/// Beyond that a job hangs.
const JOB_WITHIN: Duration = Duration::from_secs(180);

/// What one job of one round showed.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<(&'static Spec, f64)>);

impl Samples {
    /// Adds a value.
    pub(crate) fn add(&mut self, spec: &'static Spec, value: f64) {
        self.0.push((spec, value));
    }
}

/// Something to be measured.
pub(crate) struct Job {
    /// Name of the measure.
    pub(crate) measure: &'static str,
    /// With what.
    pub(crate) variant: String,
    /// It takes long and varies little: only the first round has it.
    pub(crate) is_once: bool,
    /// Measures.
    pub(crate) run: Arc<dyn Fn() -> BoxFuture<'static, Result<Samples>> + Send + Sync>,
}

/// How a run was made and what it showed, as the JSON has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Of the JSON: [`FORMAT`].
    pub(crate) format: u32,
    /// When it began, RFC 3339.
    pub(crate) at: String,
    /// Rounds.
    pub(crate) rounds: usize,
    /// Whether sizes were small: such figures say only that everything works.
    pub(crate) quick: bool,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Where.
    pub(crate) machine: Machine,
    /// What was measured.
    pub(crate) figures: Vec<Figure>,
    /// What could not be.
    pub(crate) failures: Vec<Failure>,
}

/// A job that failed: it has no figure in that round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Name of the measure.
    pub(crate) measure: String,
    /// With what.
    pub(crate) variant: String,
    /// From 1.
    pub(crate) round: usize,
    /// Why.
    pub(crate) error: String,
}

impl Run {
    /// A figure by name and variant.
    pub(crate) fn figure(&self, name: &str, variant: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name && figure.variant == variant)
    }
}

/// The values of one figure, a round each.
struct Row {
    spec: &'static Spec,
    measure: &'static str,
    variant: String,
    values: Vec<f64>,
}

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    rows: Vec<Row>,
    failures: Vec<Failure>,
}

impl Seen {
    fn add(&mut self, Job { measure, variant, .. }: &Job, samples: Samples) {
        for (spec, value) in samples.0 {
            let row = self.rows.iter_mut().find(|row| row.spec.name == spec.name && row.variant == *variant);
            match row {
                Some(row) => row.values.push(value),
                None => {
                    let (variant, values) = (variant.clone(), vec![value]);
                    self.rows.push(Row { spec, measure, variant, values });
                }
            }
        }
    }

    fn figures(&self) -> Vec<Figure> {
        self.rows.iter().filter_map(|row| self.figure(row)).collect()
    }

    fn figure(&self, Row { spec, measure, variant, values }: &Row) -> Option<Figure> {
        let value = median(values)?;
        Some(Figure {
            name: spec.name.to_owned(),
            measure: (*measure).to_owned(),
            variant: variant.clone(),
            says: spec.says.to_owned(),
            unit: spec.unit.to_owned(),
            better: spec.better,
            value,
            spread: spread(values),
            rounds: values.clone(),
            target: spec.target(variant),
            tolerance: spec.tolerance,
            slack: spec.slack,
            limit: spec.yardstick.and_then(|name| self.limit(name, variant, value)),
        })
    }

    /// A limit of the machine, else a figure of the same variant.
    fn limit(&self, name: &str, variant: &str, value: f64) -> Option<Limit> {
        [MACHINE, variant].into_iter().find_map(|of| {
            let row = self.rows.iter().find(|row| row.spec.name == name && row.variant == of)?;
            let limit = median(&row.values).filter(|limit| *limit > 0.0)?;
            let (name, variant) = (name.to_owned(), of.to_owned());
            Some(Limit { name, variant, value: limit, ratio: value / limit })
        })
    }
}

/// Runs all jobs, round by round.
pub(crate) async fn run(jobs: &[Job], rounds: usize, quick: bool, machine: Machine) -> Run {
    let (at, began) = (chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true), Instant::now());
    let mut seen = Seen::default();
    for round in 0..rounds {
        for job in turned(jobs, round).filter(|job| round == 0 || !job.is_once) {
            let begun = Instant::now();
            let result = finish(job).await;
            tell(round + 1, rounds, job, begun.elapsed(), result.as_ref().err());
            match result {
                Ok(samples) => seen.add(job, samples),
                Err(error) => seen.failures.push(Failure {
                    measure: job.measure.to_owned(),
                    variant: job.variant.clone(),
                    round: round + 1,
                    error: format!("{error:#}"),
                }),
            }
        }
    }
    Run {
        format: FORMAT,
        at,
        rounds,
        quick,
        seconds: began.elapsed().as_secs_f64(),
        machine,
        figures: seen.figures(),
        failures: seen.failures,
    }
}

/// The jobs in a round's order: of each measure, another system is the first one.
fn turned(jobs: &[Job], round: usize) -> impl Iterator<Item = &Job> {
    let measures = jobs.chunk_by(|one, next| one.measure == next.measure);
    measures.flat_map(move |jobs| jobs.iter().cycle().skip(round % jobs.len()).take(jobs.len()))
}

/// The harness fails by panicking, as tests do: a task of its own makes that this job's failure and nobody else's.
async fn finish(job: &Job) -> Result<Samples> {
    let mut working = tokio::spawn((job.run)());
    match timeout(JOB_WITHIN, &mut working).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(reason(error)),
        Err(_) => {
            working.abort();
            Err(anyhow!("it was not done within {} s", JOB_WITHIN.as_secs()))
        }
    }
}

/// What a job said when it panicked.
fn reason(error: JoinError) -> anyhow::Error {
    let payload = match error.try_into_panic() {
        Ok(payload) => payload,
        Err(error) => return error.into(),
    };
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    anyhow!("{}", text.unwrap_or("it panicked without a word"))
}

/// For whoever waits.
fn tell(round: usize, rounds: usize, job: &Job, took: Duration, error: Option<&anyhow::Error>) {
    use std::io::Write;
    let failed = error.map(|error| format!(" FAILED: {error:#}")).unwrap_or_default();
    let (measure, variant, took) = (job.measure, &job.variant, took.as_secs_f64());
    // Nobody may be there to read it.
    writeln!(std::io::stderr(), "round {round} of {rounds}: {measure}, {variant}, {took:.1} s{failed}").ok();
}

#[cfg(test)]
mod tests;
