//! When a tenant's day ends: orders for the day stand till then.

use rialto_actors::zone::Zone;
use rialto_engine::units::Nanos;

const MINUTE: u64 = 60_000_000_000;
/// The minutes of a day.
const DAY: i64 = 24 * 60;

/// A time of day, every day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayEnd {
    /// Minutes after midnight.
    minutes: u32,
    /// By which clock: that of a zone, or UTC.
    zone: Zone,
}

impl DayEnd {
    /// Reads `17:00`, on a tenant's clock, or `17:00 +08:00` on one with a fixed offset.
    #[must_use]
    pub fn parse(text: &str, zone: &Zone) -> Option<Self> {
        let (time, ahead) = match text.find([' ', '+', '-']) {
            Some(at) => (&text[..at], Some(utc_offset(text[at..].trim_start())?)),
            None => (text, zone.minutes_ahead()),
        };
        let local = minutes(time)?;
        Some(match ahead {
            // It is the same time of UTC every day.
            Some(ahead) => {
                let of_utc = (i64::from(local) - i64::from(ahead)).rem_euclid(DAY);
                Self { minutes: u32::try_from(of_utc).ok()?, zone: Zone::UTC }
            }
            None => Self { minutes: local, zone: zone.clone() },
        })
    }

    /// The next end of the day behind a time.
    #[must_use]
    pub fn next(&self, now: Nanos) -> Nanos {
        let (today, of_day) = (self.zone.day_of(now), Nanos(u64::from(self.minutes) * MINUTE));
        let end = self.zone.moment(today, of_day);
        // Whatever a clock leaves out or shows twice, the end of the next day is not before that begins.
        if end > now { end } else { self.zone.moment(today.plus(1), of_day) }
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
    const SECOND: u64 = 1_000_000_000;

    fn next(end: &str, hours: u64) -> Option<u64> {
        let end = DayEnd::parse(end, &Zone::UTC)?.next(Nanos((MIDNIGHT + hours * 3_600) * SECOND));
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
        let shanghai = Zone::fixed(480).expect("an offset");
        assert_eq!(DayEnd::parse("17:00", &shanghai), DayEnd::parse("17:00 +08:00", &Zone::UTC));
        assert_eq!(DayEnd::parse("17:00 +00:00", &shanghai), DayEnd::parse("17:00", &Zone::UTC));
        assert_eq!((utc_offset("-03:30"), utc_offset("+00:00")), (Some(-210), Some(0)));
        assert_eq!(DayEnd::default().next(Nanos(MIDNIGHT * SECOND)), Nanos((MIDNIGHT + 86_400) * SECOND));
    }

    #[test]
    fn the_day_ends_by_the_clock_over_changes_of_summer_time() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        let end = |text: &str| DayEnd::parse(text, &berlin).expect(text);
        // Hours behind midnight UTC of 28 March 2026 and of 24 October: the clock is changed in the next night.
        let (spring, autumn) = (1_774_656_000, 1_792_800_000);
        for (text, midnight, now, expected) in [
            ("00:00", spring, 0, 23),
            // Its midnight is at 23:00 UTC, and at 22:00 a day of 23 hours later.
            ("00:00", spring, 23, 46),
            ("00:00", spring, 46, 70),
            ("17:00", spring, 16, 39),
            ("17:00", spring, 15, 16),
            // There is no 02:30 on the 29th.
            ("02:30", spring, 12, 25),
            ("02:30", spring, 25, 48),
            ("00:00", autumn, 22, 47),
            ("00:00", autumn, 46, 47),
            ("17:00", autumn, 15, 40),
            // It is half past two twice, and the day ends the first time.
            ("02:30", autumn, 12, 24),
            ("02:30", autumn, 25, 49),
            ("17:00 +01:00", spring, 16, 40),
        ] {
            let found = end(text).next(Nanos((midnight + now * 3_600) * SECOND));
            let half = if text == "02:30" && expected != 25 { 1_800 } else { 0 };
            assert_eq!(found, Nanos((midnight + expected * 3_600 + half) * SECOND), "{text}, {midnight} + {now} h");
        }
    }

    #[test]
    fn what_is_no_time_of_day_is_none() {
        for text in ["", "24:00", "7:00", "07:60", "07", "07:00 8", "07:00 UTC", "07:00 +8:00", "07:00 +", "0x:00"] {
            assert_eq!(DayEnd::parse(text, &Zone::UTC), None, "{text}");
        }
    }
}
