//! Percentiles of what was sampled.

/// By nearest rank: with fewer than a hundred samples the 99th is the worst.
pub fn percentile(samples: &[f64], share: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).checked_sub(1)?).copied()
}

/// The middle one.
pub fn median(samples: &[f64]) -> Option<f64> {
    percentile(samples, 0.5)
}
