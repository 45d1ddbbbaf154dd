//! Which keys a shadow may have rows for, in little memory: most events of a wide log touch a key for
//! the first time, and need not ask the table for a row that can't be there.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// 8 MiB: one key in a hundred of 6 million is asked for in vain, more of more.
const BITS: usize = 1 << 26;
/// Bits per key.
const PROBES: u64 = 4;

/// A Bloom filter (Bloom 1970, with the two hashes of Kirsch and Mitzenmacher 2006) of keys.
pub(super) struct Seen(Vec<u64>);

impl Seen {
    pub(super) fn none() -> Self {
        Self(vec![0; BITS / 64])
    }

    pub(super) fn insert(&mut self, key: &impl Hash) {
        for bit in bits(key) {
            self.0[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// False only if the key was never inserted.
    pub(super) fn may_have(&self, key: &impl Hash) -> bool {
        bits(key).all(|bit| self.0[bit / 64] & (1 << (bit % 64)) != 0)
    }
}

fn bits(key: &impl Hash) -> impl Iterator<Item = usize> {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let one = hasher.finish();
    hasher.write_u8(0);
    let other = hasher.finish() | 1;
    let bit = move |probe: u64| {
        let bit = one.wrapping_add(probe.wrapping_mul(other)) % BITS as u64;
        usize::try_from(bit).expect("fewer bits than a usize counts")
    };
    (0..PROBES).map(bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_never_denied_and_little_else_is_taken_for_it() {
        let mut seen = Seen::none();
        assert!(!seen.may_have(&"any"));
        (0..100_000).for_each(|key| seen.insert(&(key, "inserted")));
        assert!((0..100_000).all(|key| seen.may_have(&(key, "inserted"))));
        let others = (0..100_000).filter(|key| seen.may_have(&(key, "other"))).count();
        assert!(others < 100, "{others} of 100,000");
    }
}
