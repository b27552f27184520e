//! Consistent hashing exactly as ingress-nginx does it (`resty.chash` of lua-resty-balancer 0.05), so that the key of
//! a cookie that it gave leads to the same endpoint here.
//!
//! Each endpoint has 160 points on a ring of 32 bits; a key belongs to the first point at or after its own number.
//! The number of an endpoint's point is the CRC-32 (ISO-HDLC) of its name and of the point before, in little endian.

/// The points of an upstream's endpoints, in order.
#[derive(Clone, Debug, Default)]
pub struct Ring(Vec<Point>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    at: u32,
    endpoint: u32,
}

/// `CONSISTENT_POINTS`: points of one endpoint.
const POINTS: usize = 160;

impl Ring {
    /// The ring of endpoints with these names (`ADDRESS:PORT`), which are numbered from 0.
    #[must_use]
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        let mut points = Vec::new();
        for (name, endpoint) in names.into_iter().zip(0..) {
            let base = update(!0, name.as_ref().as_bytes());
            let step = |before: &u32| Some(!update(base, &before.to_le_bytes()));
            let own = std::iter::successors(step(&0), step).take(POINTS);
            points.extend(own.map(|at| Point { at, endpoint }));
        }
        points.sort_unstable();
        Self(points)
    }

    /// The open endpoint that `key` ([`key_of`]) belongs to; `None` if none is open. When an endpoint closes, only
    /// the keys that belong to it move.
    pub fn find(&self, key: u32, is_open: impl Fn(usize) -> bool) -> Option<usize> {
        let first = self.0.partition_point(|point| point.at < key);
        let (before, after) = self.0.split_at_checked(first)?;
        let mut round = after.iter().chain(before).map(|point| point.endpoint as usize);
        round.find(|endpoint| is_open(*endpoint))
    }
}

/// The number of a key on every ring.
#[must_use]
pub fn key_of(text: &[u8]) -> u32 {
    !update(!0, text)
}

/// CRC-32 without its first and last inversion.
fn update(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default() ^ (crc >> 8)
    })
}

const TABLE: [u32; 256] = table();

#[expect(clippy::indexing_slicing, reason = "a constant: out of bounds does not compile")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by `chash.c` of lua-resty-balancer 0.05 with the search of its `chash.lua`.
    #[test]
    fn keys_lead_where_ingress_nginx_leads_them() {
        let four = ["10.244.0.5:8080", "10.244.0.6:8080", "10.244.1.7:8080"];
        let six = ["[fd00::5]:80", "[fd00::6]:80"];
        let found = |names: &[&str], key: &str| {
            let found = Ring::new(names).find(key_of(key.as_bytes()), |_| true);
            found.and_then(|index| names.get(index).copied().map(str::to_owned))
        };
        for (key, expected) in [
            ("1732489200.123.31.123456", "10.244.0.5:8080"),
            ("1732489201.5.32.7", "10.244.1.7:8080"),
            ("key", "10.244.0.5:8080"),
            ("user-1", "10.244.0.6:8080"),
            ("user-2", "10.244.1.7:8080"),
            ("/a", "10.244.0.6:8080"),
            ("/b", "10.244.0.5:8080"),
        ] {
            assert_eq!(found(&four, key).as_deref(), Some(expected), "{key}");
        }
        for (key, expected) in [
            ("key", "[fd00::5]:80"),
            ("user-1", "[fd00::5]:80"),
            ("user-2", "[fd00::6]:80"),
            ("user-3", "[fd00::6]:80"),
        ] {
            assert_eq!(found(&six, key).as_deref(), Some(expected), "{key}");
        }
    }

    #[test]
    fn the_number_of_a_key_is_its_crc() {
        assert_eq!(key_of(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn an_empty_ring_and_a_closed_one_lead_nowhere() {
        assert_eq!(Ring::default().find(7, |_| true), None);
        assert_eq!(Ring::new(["a:1", "b:1"]).find(7, |_| false), None);
    }
}
