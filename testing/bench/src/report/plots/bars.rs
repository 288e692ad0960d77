//! Bars in groups.

use std::path::Path;

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Bars, SIZE, Series};
use crate::report::number::number;

/// Of a group's width, so much is between it and the next one.
const GAP: f64 = 0.2;
/// Of a bar's place, so much is filled.
const FILLED: f64 = 0.92;
const FONT: (&str, i32) = ("sans-serif", 13);

type Wrong = DrawingAreaErrorKind<std::io::Error>;

pub(super) fn draw(path: &Path, plot: &Bars, series: &[Series<Option<f64>>]) -> Result<()> {
    draw_all(path, plot, series).with_context(|| format!("cannot draw {}", path.display()))
}

fn draw_all(path: &Path, plot: &Bars, series: &[Series<Option<f64>>]) -> Result<(), Wrong> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let most = series.iter().flat_map(|series| series.values.iter().flatten()).copied().fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption(plot.title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..plot.groups.len() as f64, 0.0..most * 1.15)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(TRANSPARENT)
        .y_label_formatter(&|value| number(*value))
        .draw()?;
    let width = (1.0 - GAP) / series.len() as f64;
    for (place, series) in series.iter().enumerate() {
        row(&mut chart, series, GAP / 2.0 + place as f64 * width, width)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    names(&root, &chart, plot)?;
    root.present()?;
    Ok(())
}

/// The bars of one series, one in each group, with their values above them.
fn row<'a>(chart: &mut Chart<'a>, series: &Series<Option<f64>>, from: f64, width: f64) -> Result<(), Wrong> {
    let color = series.color;
    let bars =
        series.values.iter().enumerate().filter_map(|(group, value)| Some((group as f64 + from, (*value)?)));
    let bars: Vec<(f64, f64)> = bars.collect();
    let shapes = bars
        .iter()
        .map(|(left, value)| Rectangle::new([(*left, 0.0), (left + width * FILLED, *value)], color.filled()));
    chart
        .draw_series(shapes)?
        .label(&series.name)
        .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
    let style = FONT.into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Bottom));
    let middle = width * FILLED / 2.0;
    let texts =
        bars.iter().map(|(left, value)| Text::new(number(*value), (left + middle, *value), style.clone()));
    chart.draw_series(texts)?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// What the groups are called, below them.
fn names<'a>(root: &Area<'a>, chart: &Chart<'a>, plot: &Bars) -> Result<(), Wrong> {
    let style = FONT.into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Top));
    for (group, (_, name)) in plot.groups.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(group as f64 + 0.5, 0.0));
        root.draw(&Text::new(*name, (x, y + 8), style.clone()))?;
    }
    Ok(())
}
