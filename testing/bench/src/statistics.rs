//! What is said of many samples.

/// The value that a share of the samples (from 0 to 1) does not exceed, by nearest rank; `None` without samples.
pub(crate) fn quantile(samples: &[f64], share: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // A share of a count of samples is far from what a float cannot hold.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "explained above")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// The one in the middle, or the mean of the two in the middle; `None` without samples.
pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// How far the samples lie apart: greatest less least, as a share of the median. 0 when there is nothing to compare.
pub(crate) fn spread(samples: &[f64]) -> f64 {
    let least = samples.iter().copied().min_by(f64::total_cmp);
    let greatest = samples.iter().copied().max_by(f64::total_cmp);
    match (least, greatest, median(samples)) {
        (Some(least), Some(greatest), Some(median)) if median != 0.0 => (greatest - least) / median.abs(),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_least_sample_that_the_share_does_not_exceed() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let shares = [0.0, 0.01, 0.5, 0.501, 0.99, 1.0];
        let found = shares.map(|share| quantile(&samples, share));
        assert_eq!(found, [1.0, 1.0, 50.0, 51.0, 99.0, 100.0].map(Some));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        let samples: [&[f64]; 4] = [&[], &[3.0], &[4.0, 1.0, 2.0, 3.0], &[9.0, 1.0, 5.0]];
        assert_eq!(samples.map(median), [None, Some(3.0), Some(2.5), Some(5.0)]);
    }

    #[test]
    fn the_spread_is_a_share_of_the_median() {
        let samples: [&[f64]; 4] = [&[], &[3.0], &[90.0, 100.0, 115.0], &[0.0, 0.0]];
        assert_eq!(samples.map(spread), [0.0, 0.0, 0.25, 0.0]);
    }
}
