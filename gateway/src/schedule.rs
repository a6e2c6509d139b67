//! When a market enters which phase by itself: times of day on days of the week.

use rialto_engine::message::Phase;
use rialto_engine::units::Nanos;

use crate::orders::day::minutes;

const SECOND: u64 = 1_000_000_000;
/// The seconds of a day.
const DAY: i64 = 86_400;
/// 1 January 1970 was a Thursday; Monday is day zero.
const WEEKDAY_OF_EPOCH: i64 = 3;
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When a market enters which phase. Empty: never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule(Vec<Entry>);

/// One time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Minutes after midnight, where the market is.
    at: u32,
    /// How many minutes it is ahead of UTC there.
    ahead: i32,
    /// By day of the week, Monday first.
    days: [bool; 7],
    /// The phase that is entered.
    phase: Phase,
    /// Minutes after midnight at which continuous trading begins by itself.
    until: Option<u32>,
}

/// A phase to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub time: Nanos,
    /// Which.
    pub phase: Phase,
    /// When continuous trading begins by itself; zero for never.
    pub until: Nanos,
}

impl Schedule {
    /// A schedule of these times.
    #[must_use]
    pub const fn new(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// Whether nothing ever happens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was due last at a time, if anything was within a week.
    #[must_use]
    pub fn last(&self, now: Nanos) -> Option<Due> {
        let dues = self.0.iter().flat_map(|entry| (0..8).filter_map(move |back| entry.on_day(now, -back)));
        // Of two at the same time, the one that stands later counts.
        dues.filter(|due| due.time <= now).max_by_key(|due| due.time)
    }

    /// What is due next behind a time.
    #[must_use]
    pub fn next(&self, now: Nanos) -> Option<Due> {
        let dues = self.0.iter().flat_map(|entry| (0..9).filter_map(move |ahead| entry.on_day(now, ahead - 1)));
        dues.filter(|due| due.time > now).min_by_key(|due| due.time)
    }
}

impl Entry {
    /// Reads a time such as `09:15` or `09:15 +08:00`, days such as `mon-fri`, `sat` or `mon,wed` (all
    /// without them), and until when; `until` is a time of the same day and place, or of the next day
    /// if it is earlier.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(at: &str, days: Option<&str>, phase: Phase, until: Option<&str>) -> Result<Self, String> {
        let wrong = || format!("at = \"{at}\" is no time such as \"09:15\" or \"09:15 +08:00\"");
        let (time, ahead) = match at.split_once(' ') {
            None => (at, 0),
            Some((time, offset)) => (time, offset_minutes(offset).ok_or_else(wrong)?),
        };
        let until = match until {
            None => None,
            Some(_) if !matches!(phase, Phase::PreOpen | Phase::Auction | Phase::Halted) => {
                return Err("until goes with pre_open, auction and halted: continuous trading follows".to_owned());
            }
            Some(text) => {
                Some(minutes(text).ok_or_else(|| format!("until = \"{text}\" is no time such as \"09:30\""))?)
            }
        };
        let days = match days {
            None => [true; 7],
            Some(text) => weekdays(text).ok_or_else(|| format!("days = \"{text}\" are none such as \"mon-fri\""))?,
        };
        Ok(Self { at: minutes(time).ok_or_else(wrong)?, ahead, days, phase, until })
    }

    /// What is due so many days after the day of a time, if it is one of its days.
    fn on_day(&self, now: Nanos, days: i64) -> Option<Due> {
        let ahead = i64::from(self.ahead) * 60;
        let local = i64::try_from(now.0 / SECOND).ok()? + ahead;
        let day = local.div_euclid(DAY) + days;
        let weekday = usize::try_from((day + WEEKDAY_OF_EPOCH).rem_euclid(7)).ok()?;
        let at = |minutes: u32, day: i64| {
            let second = u64::try_from(day * DAY + i64::from(minutes) * 60 - ahead).ok()?;
            Some(Nanos(second * SECOND))
        };
        let until = match self.until {
            None => Nanos::ZERO,
            Some(until) => at(until, if until > self.at { day } else { day + 1 })?,
        };
        self.days[weekday].then_some(Due { time: at(self.at, day)?, phase: self.phase, until })
    }
}

/// Minutes ahead of UTC.
fn offset_minutes(text: &str) -> Option<i32> {
    let (sign, text) = match text.split_at_checked(1)? {
        ("+", text) => (1, text),
        ("-", text) => (-1, text),
        _ => return None,
    };
    Some(sign * i32::try_from(minutes(text)?).ok()?)
}

fn weekdays(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| WEEKDAYS.iter().position(|weekday| *weekday == name);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.trim().split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part.trim())?, day(part.trim())?),
        };
        // `fri-mon` goes over the weekend.
        let length = (last + 7 - first) % 7;
        (first..=first + length).for_each(|number| days[number % 7] = true);
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday, in seconds.
    const MONDAY: u64 = 1_499_644_800;

    fn at(day: u64, hour: u64, minute: u64) -> Nanos {
        Nanos((MONDAY + day * 86_400 + hour * 3_600 + minute * 60) * SECOND)
    }

    fn entry(at: &str, days: &str, phase: Phase, until: Option<&str>) -> Entry {
        Entry::parse(at, Some(days), phase, until).expect("reads")
    }

    #[test]
    fn a_week_goes_through_its_phases() {
        let schedule = Schedule::new(vec![
            entry("09:15", "mon-fri", Phase::PreOpen, Some("09:30")),
            entry("17:30", "mon-fri", Phase::Auction, None),
            entry("17:35", "mon-fri", Phase::Closed, None),
        ]);
        let opens = |day| Due { time: at(day, 9, 15), phase: Phase::PreOpen, until: at(day, 9, 30) };
        let closes = |day| Due { time: at(day, 17, 35), phase: Phase::Closed, until: Nanos::ZERO };
        assert_eq!(schedule.next(at(0, 0, 0)), Some(opens(0)));
        assert_eq!(schedule.last(at(0, 9, 15)), Some(opens(0)));
        assert_eq!(schedule.next(at(0, 9, 15)).map(|due| due.phase), Some(Phase::Auction));
        // Over the weekend.
        assert_eq!(schedule.last(at(6, 12, 0)), Some(closes(4)));
        assert_eq!(schedule.next(at(4, 17, 35)), Some(opens(7)));
        assert_eq!(schedule.last(at(7, 9, 14)), Some(closes(4)));
        assert_eq!((Schedule::default().next(at(0, 0, 0)), Schedule::default().last(at(0, 0, 0))), (None, None));
    }

    #[test]
    fn a_day_is_that_of_the_place() {
        let early = Schedule::new(vec![entry("07:00 +08:00", "mon", Phase::PreOpen, Some("06:30"))]);
        // Monday morning there is Sunday evening here, and 06:30 is that of the next day.
        let due = early.next(at(0, 0, 0)).expect("due");
        assert_eq!((due.time, due.until), (at(6, 23, 0), at(7, 22, 30)));
        assert_eq!(early.last(at(0, 0, 0)).map(|due| due.time), Some(Nanos(at(0, 0, 0).0 - 3_600 * SECOND)));
        let late = Schedule::new(vec![entry("20:00 -05:00", "sun", Phase::Closed, None)]);
        assert_eq!(late.next(at(0, 0, 0)).map(|due| due.time), Some(at(0, 1, 0)));
    }

    #[test]
    fn days_are_lists_and_stretches() {
        assert_eq!(weekdays("sat"), Some([false, false, false, false, false, true, false]));
        assert_eq!(weekdays("fri-mon"), Some([true, false, false, false, true, true, true]));
        assert_eq!(weekdays("mon-wed, fri"), Some([true, true, true, false, true, false, false]));
        for text in ["", "monday", "mon-", "-fri", "mon fri"] {
            assert_eq!(weekdays(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let wrong =
            |at: &str, days: Option<&str>, phase, until| Entry::parse(at, days, phase, until).expect_err("refused");
        assert!(wrong("9:15", None, Phase::PreOpen, None).contains("at ="));
        assert!(wrong("09:15 8", None, Phase::PreOpen, None).contains("at ="));
        assert!(wrong("09:15", Some("workdays"), Phase::PreOpen, None).contains("days ="));
        assert!(wrong("09:15", None, Phase::PreOpen, Some("25:00")).contains("until ="));
        assert!(wrong("09:15", None, Phase::Closed, Some("10:00")).contains("until goes with"));
    }
}
