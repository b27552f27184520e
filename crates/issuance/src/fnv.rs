//! FNV-1 with 32 bits: the hash in the names of cert-manager's Orders and Challenges. Not for anything secret.

/// The hash of a text.
pub(crate) fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5_u32, |hash, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte))
}

/// A number from 0 to below 1 that differs from text to text, and is always the same for one.
pub(crate) fn fraction(text: &str) -> f64 {
    // FNV's last step leaves texts with one last letter apart close together: a multiplication spreads them.
    f64::from(hash(text).wrapping_mul(0x9e37_79b1)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_of_the_reference() {
        assert_eq!((hash(""), hash("a"), hash("foobar")), (0x811c_9dc5, 0x050c_5d7e, 0x31f0_b262));
    }

    #[test]
    fn fractions_are_spread_evenly() {
        let mut tenths = [0_u32; 10];
        for n in 0..10_000 {
            let fraction = fraction(&format!("default/web-{n} 1"));
            tenths[(fraction * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (700..1300).contains(count)), "{tenths:?}");
    }
}
