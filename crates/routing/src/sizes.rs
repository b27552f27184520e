//! Numbers of bytes as nginx writes them.

/// nginx's sizes: `1024`, `8k`, `8M`, `1g`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..)? {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count = if is_number { digits.parse::<u64>().ok()? } else { return None };
    count.checked_mul(1 << shift)
}
