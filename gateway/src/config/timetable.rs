//! When a market enters which phase, as the configuration says it.

use std::time::Duration;

use rialto_actors::schedule::{PhaseChange, Weekdays};
use rialto_engine::message::Phase;
use serde::Deserialize;

use super::{ConfigError, refuse};
use crate::orders::day::minutes;
use crate::orders::names;

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The minutes of a day.
const DAY: u32 = 24 * 60;

/// A line of a timetable.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    at: String,
    days: Option<String>,
    phase: String,
    until: Option<String>,
}

impl Line {
    /// The line with its texts understood.
    pub fn checked(&self, place: &str) -> Result<PhaseChange, ConfigError> {
        self.change().or_else(|problem| refuse(format!("{place}: schedule: {problem}")))
    }

    fn change(&self) -> Result<PhaseChange, String> {
        let time = |name: &str, text: &str| {
            minutes(text).ok_or_else(|| format!("{name} = \"{text}\" is no time such as \"09:15\""))
        };
        let phase = names::phase_named(&self.phase).ok_or_else(|| {
            let known = Phase::ALL.map(|phase| names::phase(phase).to_ascii_lowercase());
            format!("phase \"{}\" is none of {}", self.phase, known.join(", "))
        })?;
        let days = match &self.days {
            None => Weekdays::ALL,
            Some(text) => weekdays(text).ok_or_else(|| format!("days = \"{text}\" are none such as \"mon-fri\""))?,
        };
        let at = time("at", &self.at)?;
        let lasts = match &self.until {
            None => Duration::ZERO,
            Some(_) if !matches!(phase, Phase::PreOpen | Phase::Auction | Phase::Halted) => {
                return Err("until goes with pre_open, auction and halted: continuous trading follows".to_owned());
            }
            Some(text) => {
                let until = time("until", text)?;
                // A time that is not behind the first one is that of the next day.
                let minutes = if until > at { until - at } else { until + DAY - at };
                Duration::from_secs(u64::from(minutes) * 60)
            }
        };
        PhaseChange::new(at * 60, days, phase, lasts).ok_or_else(|| "the phase lasts too long".to_owned())
    }
}

/// `mon-fri`, `sat`, or `mon,wed-thu`.
fn weekdays(text: &str) -> Option<Weekdays> {
    let day = |name: &str| (0..).zip(WEEKDAYS).find(|(_, weekday)| *weekday == name).map(|(number, _)| number);
    let mut days: Vec<u8> = Vec::new();
    for part in text.split(',') {
        let (first, last): (u8, u8) = match part.trim().split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part.trim())?, day(part.trim())?),
        };
        // `fri-mon` goes over the weekend.
        let length = (last + 7 - first) % 7;
        days.extend((first..=first + length).map(|number| number % 7));
    }
    Weekdays::new(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: &str, days: Option<&str>, phase: &str, until: Option<&str>) -> Result<PhaseChange, String> {
        let owned = |text: &str| text.to_owned();
        Line { at: owned(at), days: days.map(owned), phase: owned(phase), until: until.map(owned) }.change()
    }

    #[test]
    fn a_line_says_when_and_for_how_long() {
        let change = |minute: u32, days, phase, minutes: u64| {
            PhaseChange::new(minute * 60, days, phase, Duration::from_secs(minutes * 60)).ok_or_else(String::new)
        };
        let opening = line("09:15", Some("mon-fri"), "pre_open", Some("09:30"));
        assert_eq!(opening, change(555, Weekdays::WORKING, Phase::PreOpen, 15));
        assert_eq!(line("17:30", None, "CLOSED", None), change(1_050, Weekdays::ALL, Phase::Closed, 0));
        assert_eq!(line("23:00", None, "halted", Some("01:00")), change(1_380, Weekdays::ALL, Phase::Halted, 120));
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let wrong = |at, days, phase, until| line(at, days, phase, until).expect_err("refused");
        assert!(wrong("9:15", None, "closed", None).contains("at ="));
        assert!(wrong("24:00", None, "closed", None).contains("at ="));
        assert!(wrong("09:15", Some("workdays"), "closed", None).contains("days ="));
        assert!(wrong("09:15", None, "auction", Some("25:00")).contains("until ="));
        assert!(wrong("09:15", None, "closed", Some("10:00")).contains("until goes with"));
        assert!(wrong("09:15", None, "open", None).contains("none of pre_open"));
    }

    #[test]
    fn days_are_lists_and_stretches() {
        assert_eq!(weekdays("sat"), Weekdays::new([5]));
        assert_eq!(weekdays("fri-mon"), Weekdays::new([4, 5, 6, 0]));
        assert_eq!(weekdays("mon-wed, fri"), Weekdays::new([0, 1, 2, 4]));
        for text in ["", "monday", "mon-", "-fri", "mon fri"] {
            assert_eq!(weekdays(text), None, "{text}");
        }
    }
}
