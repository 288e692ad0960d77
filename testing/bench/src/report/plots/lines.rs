//! Lines over numbers that grow by powers of ten.

use std::path::Path;

use anyhow::{Context, Result};
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

use super::{Lines, SIZE, Series};
use crate::report::number::number;

type Wrong = DrawingAreaErrorKind<std::io::Error>;

pub(super) fn draw(path: &Path, plot: &Lines, series: &[Series<(f64, f64)>]) -> Result<()> {
    draw_all(path, plot, series).with_context(|| format!("cannot draw {}", path.display()))
}

fn draw_all(path: &Path, plot: &Lines, series: &[Series<(f64, f64)>]) -> Result<(), Wrong> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let most = series.iter().flat_map(|series| &series.values).map(|(_, value)| *value).fold(0.0, f64::max);
    let least = plot.points.first().map_or(1.0, |(at, _)| *at);
    let last = plot.points.last().map_or(1.0, |(at, _)| *at);
    let mut chart = ChartBuilder::on(&root)
        .caption(plot.title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d((least..last * 1.1).log_scale(), 0.0..most * 1.15)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(plot.across)
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| number(*value))
        .draw()?;
    for Series { name, color, values } in series {
        let color = *color;
        let line = LineSeries::new(values.iter().copied(), color.stroke_width(2));
        chart
            .draw_series(line)?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
        chart.draw_series(values.iter().map(|point| Circle::new(*point, 4, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}
