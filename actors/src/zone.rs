//! The clock of a tenant: a fixed offset from UTC, or that of a time zone with its changes of summer time.
//!
//! Three questions are asked of it: which day a moment lies in, when a day begins and ends, and when a local
//! time happens. One rule answers them: **a local time happens when the clock first shows it or a later one.**
//! What a clock that is put forward leaves out happens when it is put forward; what a clock that is put back
//! shows twice happens the first time. A day begins when its midnight happens and ends when the next one does,
//! so that days follow on each other without a gap or an overlap, whatever clocks do: they have 23 and 25
//! hours, and a day that a zone has left out has none.
//!
//! Times are whole nanoseconds since 1970 and are counted as such. The rules of zones come with the program
//! and not from the machine: two machines never cut a day differently.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use rialto_engine::units::Nanos;

const SECOND: i128 = 1_000_000_000;
const MINUTE: i128 = 60 * SECOND;
const DAY: i128 = 86_400 * SECOND;

/// The zones of the IANA database that is compiled in.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A day of the calendar: days since the first of January 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DayNumber(pub i64);

impl DayNumber {
    /// The day so many days behind it, or before where negative.
    #[must_use]
    pub const fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }
}

/// A tenant's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// So many minutes ahead of UTC.
    Fixed(i16),
    /// A zone of the database.
    Named(TimeZone),
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Kind::Fixed(0));

    /// So many minutes ahead of UTC, or behind where negative; at most 18 hours. `None` beyond that.
    #[must_use]
    pub fn fixed(minutes: i16) -> Option<Self> {
        (minutes.unsigned_abs() <= 18 * 60).then_some(Self(Kind::Fixed(minutes)))
    }

    /// The zone of this name in the IANA database, as it is spelled there: `Europe/Berlin`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = ZONES.get(name).ok()?;
        (found.iana_name() == Some(name)).then_some(Self(Kind::Named(found)))
    }

    /// How many minutes a clock with a fixed offset is ahead of UTC; below zero for behind. `None` for that
    /// of a zone.
    #[must_use]
    pub const fn minutes_ahead(&self) -> Option<i16> {
        match &self.0 {
            Kind::Fixed(minutes) => Some(*minutes),
            Kind::Named(_) => None,
        }
    }

    /// The day that a moment lies in: the last one that has begun by then.
    #[must_use]
    pub fn day_of(&self, time: Nanos) -> DayNumber {
        let shown = day_and_rest(self.shown(time)).0;
        // A clock that is put back over midnight shows the day before once more: the new one has begun.
        let next = shown.plus(1);
        let has_begun = matches!(self.0, Kind::Named(_)) && self.begin(next) <= time;
        if has_begun { next } else { shown }
    }

    /// When a day begins, which is when the one before it ends.
    #[must_use]
    pub fn begin(&self, day: DayNumber) -> Nanos {
        self.moment(day, Nanos::ZERO)
    }

    /// When a local time happens: so long after midnight by the clock, which may lie on a later day. What lies
    /// before 1970 happens at its beginning.
    #[must_use]
    pub fn moment(&self, day: DayNumber, of_day: Nanos) -> Nanos {
        let local = i128::from(day.0) * DAY + i128::from(of_day.0);
        let time = match &self.0 {
            Kind::Fixed(minutes) => local - i128::from(*minutes) * MINUTE,
            Kind::Named(zone) => first_shown(zone, local),
        };
        Nanos(u64::try_from(time.max(0)).unwrap_or(u64::MAX))
    }

    /// What the clock shows at a moment, as nanoseconds since it would have shown the beginning of 1970.
    fn shown(&self, time: Nanos) -> i128 {
        let ahead = match &self.0 {
            Kind::Fixed(minutes) => i128::from(*minutes) * MINUTE,
            Kind::Named(zone) => ahead(zone.to_offset(timestamp(i128::from(time.0)))),
        };
        i128::from(time.0) + ahead
    }
}

/// When a clock first shows a local time or a later one.
fn first_shown(zone: &TimeZone, local: i128) -> i128 {
    let on_the_wall = Offset::UTC.to_datetime(timestamp(local));
    match zone.to_ambiguous_timestamp(on_the_wall).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => local - ahead(offset),
        AmbiguousOffset::Gap { before, after } => {
            // By the clock of afterwards it would lie before the change, and by the one of before behind it.
            let (early, late) = (local - ahead(after), local - ahead(before));
            let mut changes =
                zone.following(timestamp(early)).take_while(|change| change.timestamp() <= timestamp(late));
            let change = changes.find(|change| change.offset() == after);
            change.map_or(late, |change| change.timestamp().as_nanosecond())
        }
    }
}

fn ahead(offset: Offset) -> i128 {
    i128::from(offset.seconds()) * SECOND
}

/// Times of 64 bits lie within the library's years, which end in 9999; what does not is as good as its last.
fn timestamp(nanos: i128) -> Timestamp {
    Timestamp::from_nanosecond(nanos).unwrap_or(if nanos < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn day_and_rest(local: i128) -> (DayNumber, i128) {
    // 64 bits of nanoseconds are not even 64 bits of days.
    (DayNumber(i64::try_from(local.div_euclid(DAY)).unwrap_or(i64::MAX)), local.rem_euclid(DAY))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const HOUR: u64 = 3_600_000_000_000;
    const QUARTER: i128 = 15 * MINUTE;

    fn named(name: &str) -> Zone {
        Zone::named(name).expect(name)
    }

    fn day(year: i16, month: i8, of_month: i8) -> DayNumber {
        let midnight = Offset::UTC.to_timestamp(date(year, month, of_month).at(0, 0, 0, 0)).expect("a time");
        DayNumber(midnight.as_second() / 86_400)
    }

    fn utc(day: DayNumber, hours: u64, minutes: u64) -> Nanos {
        Zone::UTC.moment(day, Nanos(hours * HOUR + minutes * HOUR / 60))
    }

    /// Watches a clock minute by minute over whole years: the naive twin, which knows nothing of gaps and folds.
    /// Gives the days that have not 24 hours, with their minutes.
    fn watched(zone: &Zone, first: DayNumber, end: DayNumber) -> Vec<(DayNumber, u64)> {
        let mut odd = Vec::new();
        let mut time = Nanos(utc(first, 0, 0).0 - 20 * HOUR);
        // What the clock has not shown yet.
        let mut awaited = zone.shown(time).div_euclid(QUARTER) * QUARTER + QUARTER;
        let mut begun: Option<(DayNumber, Nanos)> = None;
        loop {
            while zone.shown(time) >= awaited {
                let (day, of_day) = day_and_rest(awaited);
                let of_day = Nanos(u64::try_from(of_day).expect("within a day"));
                assert_eq!(zone.moment(day, of_day), time, "{zone:?} {day:?} {of_day:?}");
                if of_day.is_zero() {
                    assert_eq!(zone.begin(day), time, "{zone:?} {day:?}");
                    if let Some((last, since)) = begun {
                        assert_eq!(last.plus(1), day, "{zone:?}");
                        let minutes = (time.0 - since.0) / (HOUR / 60);
                        odd.extend((minutes != 24 * 60 && last >= first).then_some((last, minutes)));
                    }
                    if day == end {
                        return odd;
                    }
                    begun = Some((day, time));
                }
                awaited += QUARTER;
            }
            if let Some((day, since)) = begun {
                assert_eq!(zone.day_of(time), day, "{zone:?} {time:?}");
                if since == time {
                    let before = zone.day_of(Nanos(time.0 - 1));
                    assert!(before < day && zone.begin(before.plus(1)) == time, "{zone:?} {day:?} {before:?}");
                }
            }
            time = Nanos(time.0 + HOUR / 60);
        }
    }

    #[test]
    fn every_day_follows_the_one_before_and_every_moment_lies_in_one() {
        let of = |name: &str, first: i16, last: i16| watched(&named(name), day(first, 1, 1), day(last + 1, 1, 1));
        let hours = |days: &[(i16, i8, i8, u64)]| -> Vec<(DayNumber, u64)> {
            days.iter().map(|(year, month, of_month, minutes)| (day(*year, *month, *of_month), *minutes)).collect()
        };
        let (short, long) = (23 * 60, 25 * 60);
        let berlin = [
            (2025, 3, 30, short),
            (2025, 10, 26, long),
            (2026, 3, 29, short),
            (2026, 10, 25, long),
            (2027, 3, 28, short),
            (2027, 10, 31, long),
        ];
        assert_eq!(of("Europe/Berlin", 2025, 2027), hours(&berlin));
        let new_york = [(2025, 3, 9, short), (2025, 11, 2, long), (2026, 3, 8, short), (2026, 11, 1, long)];
        assert_eq!(of("America/New_York", 2025, 2026), hours(&new_york));
        // Half an hour only, and summer begins in October.
        let lord_howe = [
            (2025, 4, 6, 24 * 60 + 30),
            (2025, 10, 5, 23 * 60 + 30),
            (2026, 4, 5, 24 * 60 + 30),
            (2026, 10, 4, 23 * 60 + 30),
        ];
        assert_eq!(of("Australia/Lord_Howe", 2025, 2026), hours(&lord_howe));
        assert_eq!(of("Asia/Kolkata", 2024, 2026), []);
        assert_eq!(of("Asia/Shanghai", 2024, 2026), []);
        assert_eq!(of("Asia/Shanghai", 1990, 1990), hours(&[(1990, 4, 15, short), (1990, 9, 16, long)]));
        // The day that Samoa left out has no moment at all.
        let apia =
            [(2011, 4, 2, long), (2011, 9, 24, short), (2011, 12, 30, 0), (2012, 4, 1, long), (2012, 9, 30, short)];
        assert_eq!(of("Pacific/Apia", 2011, 2012), hours(&apia));
        // Midnight itself is left out, and comes twice: the day before is the longer one then.
        let sao_paulo = [
            (2017, 2, 18, long),
            (2017, 10, 15, short),
            (2018, 2, 17, long),
            (2018, 11, 4, short),
            (2019, 2, 16, long),
        ];
        assert_eq!(of("America/Sao_Paulo", 2017, 2019), hours(&sao_paulo));
        // A minute behind midnight the clock was put back into the day before, which stays over.
        let st_johns = [(2006, 4, 2, short), (2006, 10, 29, long), (2007, 3, 11, short), (2007, 11, 4, long)];
        assert_eq!(of("America/St_Johns", 2006, 2007), hours(&st_johns));
    }

    #[test]
    fn clocks_with_a_fixed_offset_and_zones_that_have_one_agree() {
        for (name, minutes) in [("Asia/Kolkata", 330), ("Asia/Shanghai", 480), ("UTC", 0), ("Etc/GMT+5", -300)] {
            let (zone, fixed) = (named(name), Zone::fixed(minutes).expect("in range"));
            assert_eq!(watched(&fixed, day(2026, 1, 1), day(2026, 3, 1)), []);
            for quarter in 0..4 * 24 * 400 {
                let time = Nanos(utc(day(2025, 12, 20), 0, 0).0 + quarter * HOUR / 4);
                assert_eq!(zone.day_of(time), fixed.day_of(time), "{name}");
                let of_day = Nanos(quarter % 96 * HOUR / 4);
                assert_eq!(zone.moment(zone.day_of(time), of_day), fixed.moment(fixed.day_of(time), of_day), "{name}");
            }
        }
    }

    #[test]
    fn what_is_left_out_happens_at_the_change_and_what_comes_twice_the_first_time() {
        let berlin = named("Europe/Berlin");
        let at = |day, hours, minutes| berlin.moment(day, Nanos(hours * HOUR + minutes * HOUR / 60));
        let (spring, autumn) = (day(2026, 3, 29), day(2026, 10, 25));
        assert_eq!(at(spring, 1, 59), utc(spring, 0, 59));
        for minutes in [0, 1, 30, 59] {
            assert_eq!(at(spring, 2, minutes), utc(spring, 1, 0), "02:{minutes:02} there is none");
        }
        assert_eq!(at(spring, 3, 0), utc(spring, 1, 0));
        assert_eq!(at(autumn, 2, 30), utc(autumn, 0, 30), "not at 01:30 UTC, when it comes again");
        assert_eq!(at(autumn, 3, 0), utc(autumn, 2, 0));
        assert_eq!(at(spring, 26, 30), utc(spring.plus(1), 0, 30), "a time of a later day is by its clock");
        assert_eq!(berlin.moment(spring, Nanos(1)), Nanos(berlin.begin(spring).0 + 1), "to the nanosecond");
        assert_eq!(berlin.day_of(Nanos(berlin.begin(spring).0 - 1)), spring.plus(-1));
    }

    #[test]
    fn names_are_those_of_the_database_and_ends_are_held() {
        for name in ["", "Berlin", "europe/berlin", "Europe/Berlin ", "Etc/Unknown", "+01:00", "../etc/passwd"] {
            assert_eq!(Zone::named(name), None, "{name}");
        }
        assert_ne!(named("Europe/Berlin"), named("Europe/Rome"));
        assert_eq!(named("Europe/Berlin"), named("Europe/Berlin"));
        assert_eq!(Zone::fixed(18 * 60 + 1), None);
        assert_eq!(Zone::fixed(i16::MIN), None);
        let farthest = day(2554, 7, 20);
        for zone in [named("Europe/Berlin"), named("Pacific/Apia"), Zone::UTC] {
            assert_eq!(zone.begin(day(1969, 12, 30)), Nanos::ZERO);
            assert!(zone.begin(farthest) < Nanos(u64::MAX));
            assert_eq!(zone.day_of(zone.begin(farthest)), farthest);
            assert_eq!(zone.begin(DayNumber(i64::MAX)), Nanos(u64::MAX));
            assert!(zone.day_of(Nanos(u64::MAX)) > farthest);
        }
    }
}
