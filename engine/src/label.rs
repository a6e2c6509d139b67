//! Names that outsiders give to things.

use std::fmt;

use crate::digest::Digest;

/// The longest label in bytes.
pub const LABEL_MAX: usize = 64;

/// A name that somebody outside chose: the business id of a transaction, a rail's reference of a
/// payment, the name of an operator. 1 to 64 bytes of printable ASCII without spaces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    length: u8,
    bytes: [u8; LABEL_MAX],
}

impl Label {
    /// Takes a text over, or `None` if it is empty, too long or holds a foreign character.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let source = text.as_bytes();
        if source.is_empty() || source.len() > LABEL_MAX || !source.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; LABEL_MAX];
        bytes[..source.len()].copy_from_slice(source);
        Some(Self { length: u8::try_from(source.len()).ok()?, bytes })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only `new` makes one, and it admits ASCII alone.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    /// Who answers for an operator of this name. The name of one whom another operator has made ends in `@` and
    /// the name of that one; everybody else answers for himself.
    #[must_use]
    pub fn answerable(&self) -> &str {
        self.as_str().rsplit_once('@').map_or(self.as_str(), |(_, maker)| maker)
    }

    /// Whether two operators count as one where four eyes are needed: by their name, or because one and the same
    /// answers for both.
    #[must_use]
    pub fn is_of_one_with(&self, other: &Self) -> bool {
        let (name, others) = (self.as_str().split('@').next(), other.as_str().split('@').next());
        name == others || self.answerable() == other.answerable()
    }

    /// A fingerprint of 128 bits: two labels share one with a probability that nobody lives to see.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let (mut low, mut high) = (Digest(0x51), Digest(0xa7));
        for digest in [&mut low, &mut high] {
            digest.add(u64::from(self.length));
        }
        for chunk in self.bytes.chunks_exact(8).take(usize::from(self.length).div_ceil(8)) {
            let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
            low.add(word);
            high.add(word.rotate_left(32));
        }
        u128::from(high.0) << 64 | u128::from(low.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_keeps_its_text_and_refuses_what_could_not_be_printed_on_one_line() {
        for text in ["a", "dep-2026-11-25/0001", "12345678901234567890123456789012345678901234567890123456789012=#"] {
            assert_eq!(Label::new(text).expect("it is one").as_str(), text);
        }
        for text in ["", "with space", "ü", "tab\t", &"x".repeat(65)] {
            assert_eq!(Label::new(text), None, "{text}");
        }
    }

    #[test]
    fn labels_that_differ_have_other_fingerprints() {
        let label = |text: &str| Label::new(text).expect("it is one").fingerprint();
        assert_eq!(label("abc"), label("abc"));
        assert_ne!(label("abc"), label("abd"));
        assert_ne!(label("abcdefgh"), label("abcdefgha"));
        assert_ne!(label("12345678abcdefgh"), label("abcdefgh12345678"));
    }
}
