//! A running fingerprint of what a state machine has done.
//!
//! Two machines with the same digest after the same number of inputs have, for all practical
//! purposes, emitted the same things in the same order. It detects divergence; it is not a
//! defence against an adversary.

/// A running 64-bit fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Digest {
    /// Takes one word in. A multiply and a fold mix every bit of the word into every bit of the
    /// state.
    #[inline]
    pub fn add(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        let folded = (product >> 64) ^ (product & u128::from(u64::MAX));
        // The rotation makes the order of equal words matter.
        self.0 = u64::try_from(folded).unwrap_or(0).rotate_left(23).wrapping_add(word);
    }

    /// Takes money in.
    pub fn add_amount(&mut self, amount: i128) {
        let bytes = amount.to_le_bytes();
        let (low, high) = bytes.split_at(8);
        self.add(u64::from_le_bytes(low.try_into().unwrap_or_default()));
        self.add(u64::from_le_bytes(high.try_into().unwrap_or_default()));
    }

    /// Takes bytes in, with their length.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_content_matter() {
        let digest = |words: &[u64]| {
            let mut digest = Digest::default();
            words.iter().for_each(|word| digest.add(*word));
            digest
        };
        assert_eq!(digest(&[1, 2, 3]), digest(&[1, 2, 3]));
        assert_ne!(digest(&[1, 2, 3]), digest(&[2, 1, 3]));
        assert_ne!(digest(&[0]), digest(&[0, 0]));
    }
}
