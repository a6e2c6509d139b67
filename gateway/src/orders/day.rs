//! When a tenant's day ends: orders for the day stand till then.

use rialto_engine::units::Nanos;

const SECOND: u64 = 1_000_000_000;
/// The seconds of a day.
const DAY: i64 = 86_400;

/// A time of day, every day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayEnd {
    /// Seconds after midnight UTC.
    seconds: u32,
}

impl DayEnd {
    /// Reads `17:00`, on a clock that is so many minutes ahead of UTC, or `17:00 +08:00` on another.
    #[must_use]
    pub fn parse(text: &str, ahead: i16) -> Option<Self> {
        let (time, ahead) = match text.find([' ', '+', '-']) {
            Some(at) => (&text[..at], utc_offset(text[at..].trim_start())?),
            None => (text, ahead),
        };
        let local = i64::from(minutes(time)?) * 60;
        let ahead = i64::from(ahead) * 60;
        Some(Self { seconds: u32::try_from((local - ahead).rem_euclid(DAY)).ok()? })
    }

    /// The next end of the day behind a time.
    #[must_use]
    pub const fn next(self, now: Nanos) -> Nanos {
        let day = DAY.unsigned_abs();
        let second = now.0 / SECOND;
        let today = second - second % day + self.seconds as u64;
        Nanos((if today > second { today } else { today + day }) * SECOND)
    }
}

/// Minutes ahead of UTC of `+HH:MM` or `-HH:MM`.
#[must_use]
pub fn utc_offset(text: &str) -> Option<i16> {
    let (sign, text) = match text.split_at_checked(1)? {
        ("+", text) => (1, text),
        ("-", text) => (-1, text),
        _ => return None,
    };
    Some(sign * i16::try_from(minutes(text)?).ok()?)
}

/// Minutes after midnight of `HH:MM`.
#[must_use]
pub fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, below: u32| {
        let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse().ok().filter(|number: &u32| digits && *number < below)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Midnight of a day, in seconds.
    const MIDNIGHT: u64 = 1_499_817_600;

    fn next(end: &str, hours: u64) -> Option<u64> {
        let end = DayEnd::parse(end, 0)?.next(Nanos((MIDNIGHT + hours * 3_600) * SECOND));
        assert_eq!(end.0 % SECOND, 0);
        Some((end.0 / SECOND - MIDNIGHT) / 3_600)
    }

    #[test]
    fn the_day_ends_at_its_time_wherever_it_is() {
        assert_eq!(next("00:00", 0), Some(24));
        assert_eq!(next("00:00", 23), Some(24));
        assert_eq!(next("17:00", 16), Some(17));
        assert_eq!(next("17:00", 17), Some(41));
        assert_eq!(next("00:00 +08:00", 0), Some(16));
        assert_eq!(next("00:00+08:00", 16), Some(40));
        assert_eq!(next("17:00 -05:00", 0), Some(22));
        assert_eq!(next("20:00 -05:00", 0), Some(1));
        assert_eq!(DayEnd::parse("17:00", 480), DayEnd::parse("17:00 +08:00", 0));
        assert_eq!(DayEnd::parse("17:00 +00:00", 480), DayEnd::parse("17:00", 0));
        assert_eq!((utc_offset("-03:30"), utc_offset("+00:00")), (Some(-210), Some(0)));
        assert_eq!(DayEnd::default().next(Nanos(MIDNIGHT * SECOND)), Nanos((MIDNIGHT + 86_400) * SECOND));
    }

    #[test]
    fn what_is_no_time_of_day_is_none() {
        for text in ["", "24:00", "7:00", "07:60", "07", "07:00 8", "07:00 UTC", "07:00 +8:00", "07:00 +", "0x:00"] {
            assert_eq!(DayEnd::parse(text, 0), None, "{text}");
        }
    }
}
