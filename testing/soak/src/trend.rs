//! Whether a row of values stays where it is.

use serde::{Deserialize, Serialize};

/// With fewer values, nothing is said.
pub(crate) const FEWEST: usize = 6;

/// How much a value may grow over the time that was watched: by a share of its median or by an amount, whichever is more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tolerance {
    pub(crate) share: f64,
    pub(crate) amount: f64,
}

/// What is said of a row of values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trend {
    pub(crate) values: usize,
    pub(crate) median: f64,
    /// Growth per unit of what the values stand at, such as a second: the median of the slopes between any two of them.
    pub(crate) slope: f64,
    /// The slope times the length of the row.
    pub(crate) growth: f64,
    /// The growth that is allowed.
    pub(crate) allowed: f64,
    /// Whether the growth is no more than that; `None` when there are too few values.
    pub(crate) is_flat: Option<bool>,
}

/// The middle one; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let (below, above) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    f64::midpoint(at(below), at(above))
}

/// The slope after Theil and Sen, which single outliers do not move.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let later = |place: usize| points.iter().skip(place + 1);
    let slopes = points.iter().enumerate().flat_map(|(place, (x, y))| {
        later(place).filter(move |(other, _)| other != x).map(move |(u, v)| (v - y) / (u - x))
    });
    median(slopes.collect())
}

/// Judges a row of values, in order of what they stand at.
pub(crate) fn judge(points: &[(f64, f64)], tolerance: Tolerance) -> Trend {
    let ends = points.first().zip(points.last());
    let length = ends.map_or(0.0, |(first, last)| last.0 - first.0);
    let (median, slope) = (median(points.iter().map(|point| point.1).collect()), slope(points));
    let (growth, allowed) = (slope * length, tolerance.amount.max(tolerance.share * median));
    let is_flat = (points.len() >= FEWEST).then_some(growth <= allowed);
    Trend { values: points.len(), median, slope, growth, allowed, is_flat }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Tolerance = Tolerance { share: 0.05, amount: 2.0 };

    fn row(values: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..=100).map(|at| (f64::from(at), values(f64::from(at)))).collect()
    }

    #[test]
    fn a_steady_row_with_noise_and_outliers_is_flat() {
        let row = row(|at| if at % 10.0 == 0.0 { 500.0 } else { 20.0 + at % 3.0 });
        let trend = judge(&row, TOLERANCE);
        assert_eq!((trend.values, trend.median, trend.slope, trend.growth), (101, 21.0, 0.0, 0.0));
        assert_eq!((trend.allowed, trend.is_flat), (2.0, Some(true)));
    }

    #[test]
    fn a_slow_leak_is_seen_under_noise() {
        let trend = judge(&row(|at| 20.0 + 0.05 * at + at % 2.0), TOLERANCE);
        assert_eq!(trend.is_flat, Some(false), "{trend:?}");
        assert!((trend.slope - 0.05).abs() < 0.005, "{trend:?}");
    }

    #[test]
    fn what_shrinks_is_flat_and_a_large_value_may_grow_by_a_share() {
        assert_eq!(judge(&row(|at| 100.0 - at), TOLERANCE).is_flat, Some(true));
        let trend = judge(&row(|at| 1000.0 + at / 2.0), TOLERANCE);
        assert_eq!(trend.growth, 50.0);
        assert!(trend.allowed > 51.0 && trend.is_flat == Some(true), "{trend:?}");
        assert_eq!(judge(&row(|at| 1000.0 + at), TOLERANCE).is_flat, Some(false));
    }

    #[test]
    fn of_few_values_nothing_is_said() {
        let trend = judge(&[(0.0, 1.0), (1.0, 9.0)], TOLERANCE);
        let expected = Trend { values: 2, median: 5.0, slope: 8.0, growth: 8.0, allowed: 2.0, is_flat: None };
        assert_eq!(trend, expected);
        assert_eq!(judge(&[], TOLERANCE).is_flat, None);
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
        assert_eq!(median(Vec::new()), 0.0);
    }
}
