//! The days of a tenant: those of the calendar, by the tenant's clock.

use std::fmt;

use rialto_actors::zone::{DayNumber, Zone};
use rialto_engine::units::Nanos;

/// The last day of which both ends are times: what 64 bits of nanoseconds reach, less a day.
const LAST: i64 = 213_501;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    /// Days since the first of January 1970.
    number: i64,
}

impl Day {
    /// Reads `2026-11-25`. `None` for what is no day of the calendar, or lies before 1970-01-02 or
    /// behind 2554-07-19.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_digit = |place: usize| bytes[place].is_ascii_digit();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        if ![0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(is_digit) {
            return None;
        }
        let number = |from: usize, to: usize| text[from..to].parse::<i64>().ok();
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let found = Self { number: days_of_civil(year, month, day) };
        // What is no date, such as the 30th of February, comes back as another.
        (found.civil() == (year, month, day) && (1..=LAST).contains(&found.number)).then_some(found)
    }

    /// The day that a time lies in on a tenant's clock.
    #[must_use]
    pub fn of(time: Nanos, zone: &Zone) -> Self {
        Self { number: zone.day_of(time).0 }
    }

    /// When it begins on a tenant's clock, and when the next one does: mostly a day apart, and an hour less or
    /// more where clocks are put forward or back. A day that a zone has left out ends when it begins.
    #[must_use]
    pub fn bounds(self, zone: &Zone) -> (Nanos, Nanos) {
        let number = DayNumber(self.number);
        (zone.begin(number), zone.begin(number.plus(1)))
    }

    /// The day before it on a tenant's clock, which is not one that a zone has left out.
    #[must_use]
    pub fn before(self, zone: &Zone) -> Self {
        Self::of(Nanos(self.bounds(zone).0.0.saturating_sub(1)), zone)
    }

    /// The day behind it on a tenant's clock, which is not one that a zone has left out.
    #[must_use]
    pub fn behind(self, zone: &Zone) -> Self {
        Self::of(self.bounds(zone).1, zone)
    }

    /// The day before it.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self { number: self.number - 1 }
    }

    /// The day behind it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { number: self.number + 1 }
    }

    /// Year, month and day of the Gregorian calendar. The year is taken to begin in March, so that
    /// the day that some years have stands at its end.
    const fn civil(self) -> (i64, i64, i64) {
        let shifted = self.number + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(formatter, "{year:04}-{month:02}-{day:02}")
    }
}

const fn days_of_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(minutes: i16) -> Zone {
        Zone::fixed(minutes).expect("an offset")
    }

    #[test]
    fn days_are_read_and_written_and_what_is_none_is_refused() {
        for (text, number) in
            [("1970-01-02", 1), ("2000-02-29", 11_016), ("2026-11-25", 20_782), ("2100-03-01", 47_541)]
        {
            let day = Day::parse(text).expect(text);
            assert_eq!((day.number, day.to_string()), (number, text.to_owned()));
        }
        for text in [
            "",
            "2026-11-31",
            "2026-02-29",
            "2100-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-1-01",
            "26-01-01",
            "2026/01/01",
            "2026-01-01 ",
            "+026-01-01",
            "1970-01-01",
            "2554-07-20",
            "9999-12-31",
            "２026-0-01",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_a_thousand_years_follows_the_one_before_it() {
        let mut day = Day { number: days_of_civil(1_600, 1, 1) };
        let lengths = |year: i64| {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        for year in 1_600..2_600 {
            for (month, length) in (1..).zip(lengths(year)) {
                for date in 1..=length {
                    assert_eq!(day.civil(), (year, month, date));
                    assert_eq!(days_of_civil(year, month, date), day.number);
                    day = day.next();
                }
            }
        }
    }

    #[test]
    fn a_day_begins_at_the_tenants_midnight_and_holds_what_lies_before_the_next() {
        let noon = Nanos(1_795_608_000_000_000_000);
        for minutes in [-720, -210, 0, 60, 480, 840] {
            let day = Day::of(noon, &offset(minutes));
            let (begin, end) = day.bounds(&offset(minutes));
            assert_eq!(end.0 - begin.0, 86_400_000_000_000);
            assert!((begin..end).contains(&noon), "{minutes}");
            assert_eq!(Day::of(begin, &offset(minutes)), day);
            assert_eq!(Day::of(Nanos(begin.0 - 1), &offset(minutes)), day.previous());
            assert_eq!(Day::of(end, &offset(minutes)), day.next());
        }
        let day = Day::parse("2026-11-25").expect("a day");
        assert_eq!(day.bounds(&offset(0)).0, Nanos(20_782 * 86_400_000_000_000));
        assert_eq!(day.bounds(&offset(480)).0, Nanos((20_782 * 24 - 8) * 3_600_000_000_000));
    }

    #[test]
    fn both_ends_of_the_first_and_the_last_day_are_times_on_every_clock() {
        for text in ["1970-01-02", "2554-07-19"] {
            for minutes in [-18 * 60, 18 * 60] {
                let (begin, end) = Day::parse(text).expect(text).bounds(&offset(minutes));
                assert_eq!(end.0 - begin.0, 86_400_000_000_000, "{text} {minutes}");
            }
        }
    }

    #[test]
    fn days_of_a_zone_are_shorter_and_longer_where_clocks_are_changed() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        for (text, hours) in [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)] {
            let day = Day::parse(text).expect(text);
            let (begin, end) = day.bounds(&berlin);
            assert_eq!(end.0 - begin.0, hours * 3_600_000_000_000, "{text}");
            assert_eq!((day.previous().bounds(&berlin).1, day.next().bounds(&berlin).0), (begin, end), "{text}");
            assert_eq!((Day::of(begin, &berlin), Day::of(Nanos(end.0 - 1), &berlin)), (day, day), "{text}");
            assert_eq!((day.before(&berlin), day.behind(&berlin)), (day.previous(), day.next()), "{text}");
        }
        let apia = Zone::named("Pacific/Apia").expect("a zone");
        let [last, none, first] = ["2011-12-29", "2011-12-30", "2011-12-31"].map(|text| Day::parse(text).expect(text));
        assert_eq!((last.behind(&apia), first.before(&apia)), (first, last));
        assert_eq!((none.before(&apia), none.behind(&apia)), (last, first));
    }
}
