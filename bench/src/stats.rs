//! Medians of rounds, and of ratios within a round.

/// The median; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted.get(middle.checked_sub(1)?)? + upper) / 2.0)
}

/// The median over the rounds of `values[round] / reference[round]`.
pub fn median_ratio(values: &[f64], reference: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = values
        .iter()
        .zip(reference)
        .filter(|(_, reference)| **reference > 0.0)
        .map(|(value, reference)| value / reference)
        .collect();
    median(&ratios)
}

#[cfg(test)]
mod tests;
