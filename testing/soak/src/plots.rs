//! Plots of a run.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use crate::plan::Ending;
use crate::record::Record;
use crate::sample::Sample;

const SIZE: (u32, u32) = (900, 300);
const MIB: f64 = 1024.0 * 1024.0;

/// One line of a plot.
struct Line {
    name: &'static str,
    color: RGBColor,
    of: fn(&Sample) -> Option<f64>,
}

/// One plot.
pub(crate) struct Plot {
    /// Its file, without `.svg`.
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    lines: &'static [Line],
}

const BLUE: RGBColor = RGBColor(31, 119, 180);
const ORANGE: RGBColor = RGBColor(221, 110, 10);
const GREEN: RGBColor = RGBColor(44, 140, 60);

/// All of them.
pub(crate) const PLOTS: [Plot; 7] = [
    Plot {
        file: "memory",
        title: "Memory of the server, MiB",
        lines: &[
            Line { name: "resident", color: BLUE, of: |sample| Some(sample.resident_bytes as f64 / MIB) },
            Line {
                name: "proportional",
                color: ORANGE,
                of: |sample| Some(sample.proportional_bytes as f64 / MIB),
            },
            Line { name: "anonymous", color: GREEN, of: |sample| Some(sample.anonymous_bytes as f64 / MIB) },
        ],
    },
    Plot {
        file: "handles",
        title: "Descriptors, threads and child processes of the server",
        lines: &[
            Line { name: "descriptors", color: BLUE, of: |sample| Some(sample.descriptors as f64) },
            Line { name: "threads", color: ORANGE, of: |sample| Some(sample.threads as f64) },
            Line { name: "children", color: GREEN, of: |sample| Some(sample.children as f64) },
        ],
    },
    Plot {
        file: "database",
        title: "Database with its log, MiB",
        lines: &[Line {
            name: "database",
            color: BLUE,
            of: |sample| Some(sample.database_bytes as f64 / MIB),
        }],
    },
    Plot {
        file: "files",
        title: "Files in the data folder",
        lines: &[Line { name: "files", color: BLUE, of: |sample| Some(sample.data_files as f64) }],
    },
    Plot {
        file: "processor",
        title: "Processor time of the server, percent of a core",
        lines: &[Line { name: "server", color: BLUE, of: |sample| Some(sample.cpu_percent) }],
    },
    Plot {
        file: "arrival",
        title: "Agent's write to arrival at a reader, ms",
        lines: &[
            Line {
                name: "p50",
                color: BLUE,
                of: |sample| some(sample.arrival_ms.count, sample.arrival_ms.p50),
            },
            Line {
                name: "p99",
                color: ORANGE,
                of: |sample| some(sample.arrival_ms.count, sample.arrival_ms.p99),
            },
        ],
    },
    Plot {
        file: "submission",
        title: "POST of a task to its answer, ms",
        lines: &[
            Line {
                name: "p50",
                color: BLUE,
                of: |sample| some(sample.submission_ms.count, sample.submission_ms.p50),
            },
            Line {
                name: "p99",
                color: ORANGE,
                of: |sample| some(sample.submission_ms.count, sample.submission_ms.p99),
            },
        ],
    },
];

fn some(count: u64, value: f64) -> Option<f64> {
    (count > 0).then_some(value)
}

/// Writes one as SVG. Vertical lines are restarts: grey by SIGTERM, red by SIGKILL.
pub(crate) fn draw(plot: &Plot, record: &Record, folder: &Path) -> anyhow::Result<()> {
    let file = folder.join(format!("{}.svg", plot.file));
    // The plotting library's errors borrow what they are about.
    draw_into(plot, record, &file).map_err(|error| anyhow!("{} cannot be drawn: {error}", file.display()))
}

fn draw_into(plot: &Plot, record: &Record, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let values = |line: &Line| record.samples.iter().filter_map(line.of).fold(0.0, f64::max);
    let top = plot.lines.iter().map(values).fold(0.0, f64::max).max(0.001) * 1.1;
    let minutes = (record.seconds / 60.0).max(0.1);
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(plot.title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..minutes, 0.0..top)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc("minutes").draw()?;
    for life in &record.lives {
        let color = match life.how {
            Some(Ending::Killed | Ending::Died) => RED.mix(0.5),
            _ => BLACK.mix(0.25),
        };
        let at = life.ended / 60.0;
        chart.draw_series([PathElement::new([(at, 0.0), (at, top)], color)])?;
    }
    for line in plot.lines {
        draw_line(&mut chart, line, record)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

type Chart<'a> = ChartContext<
    'a,
    SVGBackend<'a>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// A line breaks where a server ended.
fn draw_line(chart: &mut Chart<'_>, line: &Line, record: &Record) -> Result<(), Box<dyn std::error::Error>> {
    let color = line.color;
    for (place, life) in record.lives.iter().enumerate() {
        let of_life = record.samples.iter().filter(|sample| sample.life == life.number);
        let points = of_life.filter_map(|sample| Some((sample.at / 60.0, (line.of)(sample)?)));
        let series = chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
        if place == 0 {
            series
                .label(line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
        }
    }
    Ok(())
}
