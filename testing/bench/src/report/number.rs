//! Numbers for people.

/// Three digits that count, and groups of three: 181000, 12.3, 0.0045.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = value.abs().log10().floor() as i32;
    let scale = 10_f64.powi(2 - digits);
    let rounded = (value * scale).round() / scale;
    let decimals = usize::try_from(2 - digits).unwrap_or_default();
    let text = format!("{rounded:.decimals$}");
    match text.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", grouped(whole)),
        None => grouped(&text),
    }
}

fn grouped(whole: &str) -> String {
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let left = whole.len() - place;
        if place > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let values =
            [0.0, 0.004_567, 0.5, 1.0, 9.996, 12.34, 123.4, 1_234.0, 181_423.0, 1_234_567.0, -1_234.0];
        let expected = [
            "0",
            "0.00457",
            "0.500",
            "1.00",
            "10.00",
            "12.3",
            "123",
            "1,230",
            "181,000",
            "1,230,000",
            "-1,230",
        ];
        assert_eq!(values.map(number), expected);
    }
}
