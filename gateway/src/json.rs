//! Writing JSON by hand into a buffer that is reused.
//!
//! Replies and events are the hot path: their shape is fixed, their values are numbers and short
//! texts, so that a serializer would only add work.

use rialto_engine::units::Nanos;

/// In which unit a client wants its times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds: the default of the dialect.
    #[default]
    Millisecond,
    /// Microseconds.
    Microsecond,
}

impl TimeUnit {
    /// The unit of this name, in capitals or not.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "MILLISECOND" | "millisecond" => Some(Self::Millisecond),
            "MICROSECOND" | "microsecond" => Some(Self::Microsecond),
            _ => None,
        }
    }

    /// A time in this unit, rounded down.
    #[must_use]
    pub const fn count(self, time: Nanos) -> u64 {
        match self {
            Self::Millisecond => time.0 / 1_000_000,
            Self::Microsecond => time.0 / 1_000,
        }
    }
}

/// Appends a time.
pub fn time(out: &mut Vec<u8>, time: Nanos, unit: TimeUnit) {
    number(out, unit.count(time));
}

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// The digits of a number at the end of a scratch array.
pub(crate) fn digits(value: u64, scratch: &mut [u8; 20]) -> &[u8] {
    let mut rest = value;
    let mut start = scratch.len();
    while rest >= 100 {
        let pair = usize::try_from(rest % 100).unwrap_or_default() * 2;
        rest /= 100;
        start -= 2;
        scratch[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    let pair = usize::try_from(rest).unwrap_or_default() * 2;
    if rest >= 10 {
        start -= 2;
        scratch[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        start -= 1;
        scratch[start] = PAIRS[pair + 1];
    }
    &scratch[start..]
}

/// Appends an unsigned number.
pub fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(digits(value, &mut [0; 20]));
}

/// Appends a signed number.
pub fn integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    number(out, value.unsigned_abs());
}

/// Appends a text in quotes.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let is_plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.bytes().all(|byte| is_plain(&byte)) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for character in text.chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                control if control < ' ' => {
                    out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes());
                }
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

/// Appends `true` or `false`.
pub fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a JSON array: `write` is called for each item.
pub fn array<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers_are_decimal() {
        for value in [0, 7, 9, 10, 99, 100, 101, 999, 1000, 12_345, 1_738_000_000_123, u64::MAX - 1, u64::MAX] {
            assert_eq!(written(|out| number(out, value)), value.to_string());
        }
        for value in [0, -1, -2010, i64::MIN, i64::MAX] {
            assert_eq!(written(|out| integer(out, value)), value.to_string());
        }
    }

    #[test]
    fn strings_survive_a_parser() {
        for text in ["", "plain", "a\"b", "back\\slash", "tab\tline\nfeed\r", "\u{1}\u{1f}", "ü€𝄞"] {
            let quoted = written(|out| string(out, text));
            assert_eq!(serde_json::from_str::<String>(&quoted).expect("JSON"), text, "{quoted}");
        }
    }

    #[test]
    fn times_are_in_the_unit_asked_for() {
        let stamp = Nanos(1_738_000_000_123_456_789);
        assert_eq!(written(|out| time(out, stamp, TimeUnit::Millisecond)), "1738000000123");
        assert_eq!(written(|out| time(out, stamp, TimeUnit::Microsecond)), "1738000000123456");
        assert_eq!(TimeUnit::named("microsecond"), Some(TimeUnit::Microsecond));
        assert_eq!(TimeUnit::named("Micro"), None);
    }
}
