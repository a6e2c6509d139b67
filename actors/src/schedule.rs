//! The timetable of a market: when it enters which phase.
//!
//! Times are those of the tenant's clock ([`crate::zone`]), over changes of summer time: what it leaves out
//! happens at the change, what it shows twice happens the first time. The timetable repeats every week. What is due is a pure question ([`due`], [`in_force`]); [`Scheduler`] asks it a few times a second and
//! submits the operator's command that a person would. What was missed while nothing ran is made up
//! for at the start, and after a rebuild of the partition.
//!
//! A market that an operator has halted, or in which only cancels are taken, stays so until an operator
//! says otherwise, unless its own timetable knows such a phase.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender};
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::message::Phase;
use rialto_engine::units::Nanos;
use rialto_engine::wallet::Command;

use crate::clock;
use crate::exchange::Exchange;
use crate::market_data::MarketState;
use crate::setup::Setup;
use crate::zone::{DayNumber, Zone};

const SECOND: u64 = 1_000_000_000;
const DAY_SECONDS: u32 = 86_400;
/// How often the scheduler looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The longest that a phase may last before trading goes on by itself.
pub const LASTS_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Days of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekdays(u8);

impl Weekdays {
    /// All seven.
    pub const ALL: Self = Self(0b111_1111);
    /// Monday to Friday.
    pub const WORKING: Self = Self(0b001_1111);

    /// These days, Monday being 0. `None` if there is none, or one is above 6.
    #[must_use]
    pub fn new(days: impl IntoIterator<Item = u8>) -> Option<Self> {
        let mut set = 0;
        for day in days {
            set |= if day < 7 { 1 << day } else { return None };
        }
        (set != 0).then_some(Self(set))
    }

    const fn contains(self, day: i64) -> bool {
        self.0 >> day & 1 == 1
    }
}

/// One line of a timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseChange {
    second_of_day: u32,
    weekdays: Weekdays,
    phase: Phase,
    lasts: Duration,
}

impl PhaseChange {
    /// On these days, so many seconds after midnight by the tenant's clock, the market enters a phase. Where
    /// `lasts` is not zero, it goes over to continuous trading by itself when that clock shows so much more:
    /// over a change of summer time that is sooner or later. `None` if the day is not that long, or `lasts` is
    /// above [`LASTS_MAX`].
    #[must_use]
    pub fn new(second_of_day: u32, weekdays: Weekdays, phase: Phase, lasts: Duration) -> Option<Self> {
        let fits = second_of_day < DAY_SECONDS && lasts <= LASTS_MAX;
        fits.then_some(Self { second_of_day, weekdays, phase, lasts })
    }

    /// What it makes due on a day, at its time.
    fn on(&self, day: DayNumber, at: Nanos, zone: &Zone) -> Due {
        if self.lasts.is_zero() {
            return Due { at, phase: self.phase, until: Nanos::ZERO };
        }
        // At most a week and a day.
        let lasts = u64::try_from(self.lasts.as_nanos()).unwrap_or(u64::MAX);
        let until = zone.moment(day, Nanos((u64::from(self.second_of_day) * SECOND).saturating_add(lasts)));
        // A phase of which the clock shows nothing is over at once.
        let is_left_out = until <= at;
        if is_left_out { continuous(at) } else { Due { at, phase: self.phase, until } }
    }
}

/// A change of phase at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at: Nanos,
    /// The phase to enter.
    pub phase: Phase,
    /// When the market goes over to continuous trading by itself; zero for never.
    pub until: Nanos,
}

/// What is due after `from` and up to `to`, in order of time; of one time, in the order of the clock and
/// then of the timetable. What lies more than a week before `to` is left out: something later has replaced it.
#[must_use]
pub fn due(schedule: &[PhaseChange], zone: &Zone, from: Nanos, to: Nanos) -> Vec<Due> {
    let last_day = zone.day_of(to);
    let first_day = zone.day_of(from).max(last_day.plus(-7));
    let mut found = Vec::new();
    for day in (first_day.0..=last_day.0).map(DayNumber) {
        // The first day of the epoch was a Thursday.
        let weekday = (day.0 + 3).rem_euclid(7);
        for change in schedule.iter().filter(|change| change.weekdays.contains(weekday)) {
            let at = zone.moment(day, Nanos(u64::from(change.second_of_day) * SECOND));
            if from < at && at <= to {
                found.push((day, change.second_of_day, change.on(day, at, zone)));
            }
        }
    }
    // What the clock leaves out is due all at once, and still in its order. Stable: of one time, the
    // timetable's order stays.
    found.sort_by_key(|(day, second, due)| (due.at, *day, *second));
    found.into_iter().map(|(_, _, due)| due).collect()
}

/// The change that a market's phase is to come from at a time: the last one that was due. `None` for
/// an empty timetable.
#[must_use]
pub fn in_force(schedule: &[PhaseChange], zone: &Zone, now: Nanos) -> Option<Due> {
    // Every line of a timetable has been due within the last week.
    let last = due(schedule, zone, Nanos::ZERO, now).pop()?;
    let has_gone_over = !last.until.is_zero() && last.until <= now;
    Some(if has_gone_over { continuous(last.until) } else { last })
}

/// Trading that goes on by itself.
const fn continuous(at: Nanos) -> Due {
    Due { at, phase: Phase::Continuous, until: Nanos::ZERO }
}

/// What is to be entered, in order, by a market in this state: what was due since `asked`, or, where
/// that is not known, what makes up for what was missed.
#[must_use]
pub fn wanted(
    schedule: &[PhaseChange],
    zone: &Zone,
    asked: Option<Nanos>,
    now: Nanos,
    state: &MarketState,
) -> Vec<Due> {
    let by_hand = matches!(state.phase, Phase::Halted | Phase::CancelOnly);
    if by_hand && schedule.iter().all(|change| change.phase != state.phase) {
        return Vec::new();
    }
    match asked {
        Some(from) => due(schedule, zone, from, now),
        None => in_force(schedule, zone, now)
            .filter(|due| due.phase != state.phase)
            // An interruption ends by itself.
            .filter(|due| due.phase != Phase::Continuous || state.until <= now)
            .into_iter()
            .collect(),
    }
}

/// A market with a timetable.
struct Scheduled {
    tenant: TenantId,
    market: MarketId,
    zone: Zone,
    schedule: Vec<PhaseChange>,
    /// All that was due up to here has been asked for; `None` if it is not known what was missed.
    asked: Option<Nanos>,
}

/// Takes markets through their phases.
pub struct Scheduler {
    exchange: Exchange,
    markets: Vec<Scheduled>,
    rebuilds: u64,
}

/// A scheduler that runs. It stops when told to.
#[derive(Debug)]
pub struct Running {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Scheduler {
    /// The scheduler of all markets of a setup that have a timetable; `None` if none has.
    #[must_use]
    pub fn of(exchange: &Exchange, setup: &Setup) -> Option<Self> {
        let mut markets = Vec::new();
        let directory = exchange.directory();
        for tenant in &setup.tenants {
            let Some(entry) = directory.tenant_named(&tenant.name) else { continue };
            for market in tenant.markets.iter().filter(|market| !market.schedule.is_empty()) {
                markets.extend(entry.market_named(&market.symbol).map(|found| Scheduled {
                    tenant: entry.id,
                    market: found.id,
                    zone: tenant.zone.clone(),
                    schedule: market.schedule.clone(),
                    asked: None,
                }));
            }
        }
        let rebuilds = exchange.rebuilds();
        (!markets.is_empty()).then(|| Self { exchange: exchange.clone(), markets, rebuilds })
    }

    /// Runs on a thread of its own.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(mut self) -> std::io::Result<Running> {
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        let run = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK_EVERY) {
                self.look(clock::wall());
            }
        };
        let thread = std::thread::Builder::new().name("rialto-schedule".to_owned()).spawn(run)?;
        Ok(Running { stop, thread })
    }

    fn look(&mut self, now: Nanos) {
        // What was asked for may have been lost with the partition that was rebuilt.
        let rebuilds = self.exchange.rebuilds();
        if std::mem::replace(&mut self.rebuilds, rebuilds) != rebuilds {
            self.markets.iter_mut().for_each(|market| market.asked = None);
        }
        for market in &mut self.markets {
            market.look(&self.exchange, now);
        }
    }
}

impl Scheduled {
    /// Asks for what is due. What is refused, or while market data does not know how the market stands,
    /// is asked for at the next look.
    fn look(&mut self, exchange: &Exchange, now: Nanos) {
        // A clock that was set back must not make anything due twice.
        let nothing = self.asked.is_some_and(|from| due(&self.schedule, &self.zone, from, now).is_empty());
        if nothing {
            return;
        }
        let Ok(states) = exchange.market_data().states_blocking(self.tenant) else { return };
        let Some(state) = states.get(usize::from(self.market.0)) else { return };
        for Due { phase, until, .. } in wanted(&self.schedule, &self.zone, self.asked, now, state) {
            let command = Command::Enter { market: self.market, phase, until, time: Nanos::ZERO };
            if exchange.command(self.tenant, command).is_err() {
                return;
            }
            tracing::info!(tenant = %self.tenant, market = %self.market, ?phase, "the timetable asks for a phase");
        }
        self.asked = Some(now);
    }
}

impl Running {
    /// Stops it and waits for its thread.
    pub fn stop(self) {
        drop(self.stop);
        // A panic in it was told by the thread itself.
        self.thread.join().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 6 January 2025, 00:00 UTC.
    const MONDAY: u64 = 1_736_121_600;

    fn at(day: u64, hour: u64, minute: u64) -> Nanos {
        Nanos((MONDAY + day * 86_400 + hour * 3_600 + minute * 60) * SECOND)
    }

    fn change(hour: u32, minute: u32, weekdays: Weekdays, phase: Phase, minutes: u64) -> PhaseChange {
        PhaseChange::new(hour * 3_600 + minute * 60, weekdays, phase, Duration::from_secs(60 * minutes))
            .expect("within a day")
    }

    /// Auction at 9:20 for ten minutes, closed at 17:30, on working days.
    fn timetable() -> Vec<PhaseChange> {
        vec![
            change(9, 20, Weekdays::WORKING, Phase::Auction, 10),
            change(17, 30, Weekdays::WORKING, Phase::Closed, 0),
            change(8, 0, Weekdays::WORKING, Phase::PreOpen, 0),
        ]
    }

    fn phases(due: &[Due]) -> Vec<(Nanos, Phase, Nanos)> {
        due.iter().map(|due| (due.at, due.phase, due.until)).collect()
    }

    #[test]
    fn what_is_due_stands_between_two_times_in_their_order() {
        let utc = &Zone::UTC;
        let between = |from, to| phases(&due(&timetable(), utc, from, to));
        let opening = (at(0, 9, 20), Phase::Auction, at(0, 9, 30));
        assert_eq!(between(at(0, 9, 19), at(0, 9, 20)), [opening], "a time is due when it is there");
        assert_eq!(between(at(0, 9, 20), at(0, 9, 40)), [], "and once");
        let day = [(at(0, 8, 0), Phase::PreOpen, Nanos::ZERO), opening, (at(0, 17, 30), Phase::Closed, Nanos::ZERO)];
        assert_eq!(between(at(0, 0, 0), at(0, 23, 0)), day);
        assert_eq!(between(at(5, 0, 0), at(6, 23, 0)), [], "no weekend has any");
        assert_eq!(between(at(0, 0, 0), at(700, 0, 0)).len(), 15, "a week says it all");
        assert_eq!(between(at(1, 0, 0), at(0, 0, 0)), [], "a clock that was set back");
        assert_eq!(phases(&due(&[], utc, Nanos::ZERO, at(0, 9, 0))), []);
    }

    #[test]
    fn times_are_those_of_the_tenants_clock() {
        let schedule = [change(0, 30, Weekdays::new([0]).expect("Monday"), Phase::Closed, 0)];
        // Half past midnight of Monday in Shanghai is Sunday afternoon in London.
        let shanghai = Zone::fixed(8 * 60).expect("in range");
        assert_eq!(
            due(&schedule, &shanghai, Nanos::ZERO, at(2, 0, 0))[0].at,
            Nanos(at(0, 0, 30).0 - 8 * 3_600 * SECOND)
        );
        let west = Zone::fixed(-90).expect("in range");
        assert_eq!(due(&schedule, &west, Nanos::ZERO, at(2, 0, 0))[0].at, at(0, 2, 0));
        assert_eq!(Weekdays::new([]), None);
        assert_eq!(Weekdays::new([7]), None);
        assert_eq!(PhaseChange::new(86_400, Weekdays::ALL, Phase::Closed, Duration::ZERO), None);
        assert_eq!(PhaseChange::new(0, Weekdays::ALL, Phase::Auction, LASTS_MAX + Duration::from_nanos(1)), None);
    }

    #[test]
    fn the_last_change_is_in_force_until_the_next() {
        let utc = &Zone::UTC;
        let phase = |now| in_force(&timetable(), utc, now).map(|due| (due.phase, due.until));
        assert_eq!(phase(at(1, 8, 30)), Some((Phase::PreOpen, Nanos::ZERO)));
        assert_eq!(phase(at(1, 9, 29)), Some((Phase::Auction, at(1, 9, 30))));
        assert_eq!(phase(at(1, 9, 30)), Some((Phase::Continuous, Nanos::ZERO)), "it has gone over by itself");
        assert_eq!(phase(at(1, 17, 29)), Some((Phase::Continuous, Nanos::ZERO)));
        assert_eq!(phase(at(6, 12, 0)), Some((Phase::Closed, Nanos::ZERO)), "since Friday");
        assert_eq!(phase(at(7, 7, 59)), Some((Phase::Closed, Nanos::ZERO)));
        let weekly = [change(12, 0, Weekdays::new([2]).expect("Wednesday"), Phase::Closed, 0)];
        for (day, hour) in [(2, 12), (2, 13), (9, 11), (9, 12)] {
            assert!(in_force(&weekly, utc, at(day, hour, 0)).is_some(), "day {day}, {hour} o'clock");
        }
        assert_eq!(in_force(&[], utc, at(0, 0, 0)), None);
    }

    /// Phases of the night in Berlin, whose clock is put forward on 30 March 2025 from 02:00 to 03:00, and
    /// back on 26 October from 03:00 to 02:00.
    #[test]
    fn a_timetable_follows_the_clock_over_changes_of_summer_time() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        let night = [
            change(1, 30, Weekdays::ALL, Phase::Auction, 120),
            // Not in the order of the clock: it decides, also where it leaves all of them out.
            change(2, 50, Weekdays::ALL, Phase::Closed, 0),
            change(2, 10, Weekdays::ALL, Phase::PreOpen, 10),
            change(2, 30, Weekdays::ALL, Phase::Auction, 60),
            change(9, 0, Weekdays::ALL, Phase::Continuous, 0),
        ];
        let of = |begin: Nanos| phases(&due(&night, &berlin, begin, Nanos(begin.0 + 12 * 3_600 * SECOND)));
        // Days behind Monday, 6 January 2025: 29 March, 30 March, 26 October; 23:00 UTC is midnight in winter.
        let ordinary = [
            (at(82, 0, 30), Phase::Auction, at(82, 2, 30)),
            (at(82, 1, 10), Phase::PreOpen, at(82, 1, 20)),
            (at(82, 1, 30), Phase::Auction, at(82, 2, 30)),
            (at(82, 1, 50), Phase::Closed, Nanos::ZERO),
            (at(82, 8, 0), Phase::Continuous, Nanos::ZERO),
        ];
        assert_eq!(of(at(81, 23, 0)), ordinary);
        let forward = [
            (at(83, 0, 30), Phase::Auction, at(83, 1, 30)),
            (at(83, 1, 0), Phase::Continuous, Nanos::ZERO),
            (at(83, 1, 0), Phase::Auction, at(83, 1, 30)),
            (at(83, 1, 0), Phase::Closed, Nanos::ZERO),
            (at(83, 7, 0), Phase::Continuous, Nanos::ZERO),
        ];
        assert_eq!(of(at(82, 23, 0)), forward, "an hour is left out: what lies in it is over at once");
        let back = [
            (at(292, 23, 30), Phase::Auction, at(293, 2, 30)),
            (at(293, 0, 10), Phase::PreOpen, at(293, 0, 20)),
            (at(293, 0, 30), Phase::Auction, at(293, 2, 30)),
            (at(293, 0, 50), Phase::Closed, Nanos::ZERO),
            (at(293, 8, 0), Phase::Continuous, Nanos::ZERO),
        ];
        assert_eq!(of(at(292, 22, 0)), back, "an hour comes twice, and nothing is done in it again");
        let phase = |now| in_force(&night, &berlin, now).map(|due| (due.phase, due.until));
        assert_eq!(phase(at(83, 1, 0)), Some((Phase::Closed, Nanos::ZERO)));
        assert_eq!(phase(at(293, 1, 10)), Some((Phase::Closed, Nanos::ZERO)), "at 02:10 for the second time");
        assert_eq!(phase(at(293, 7, 59)), Some((Phase::Closed, Nanos::ZERO)));
        assert_eq!(phase(at(293, 8, 0)), Some((Phase::Continuous, Nanos::ZERO)));

        // The Friday that Samoa left out is made up for in the first moment of Saturday.
        let (apia, friday) = (Zone::named("Pacific/Apia").expect("a zone"), Weekdays::new([4]).expect("a day"));
        let week = [change(17, 0, friday, Phase::Closed, 0), change(9, 0, friday, Phase::Continuous, 0)];
        // 30 December 2011, 10:00 UTC.
        let skipped = Nanos(1_325_239_200 * SECOND);
        let both = [(skipped, Phase::Continuous, Nanos::ZERO), (skipped, Phase::Closed, Nanos::ZERO)];
        assert_eq!(phases(&due(&week, &apia, Nanos(skipped.0 - 1), skipped)), both);
    }

    #[test]
    fn what_was_missed_is_made_up_for_and_what_was_done_by_hand_stays() {
        let utc = &Zone::UTC;
        let state = |phase, until| MarketState { phase, until, indicative: None };
        let asks = |asked, now, state| -> Vec<Phase> {
            wanted(&timetable(), utc, asked, now, &state).iter().map(|due| due.phase).collect()
        };
        let open = state(Phase::Continuous, Nanos::ZERO);
        assert_eq!(asks(None, at(0, 18, 0), open), [Phase::Closed], "the end of the day was missed");
        assert_eq!(asks(None, at(0, 12, 0), open), [], "nothing was");
        assert_eq!(asks(None, at(1, 12, 0), state(Phase::Closed, Nanos::ZERO)), [Phase::Continuous]);
        let interrupted = state(Phase::Auction, at(0, 12, 5));
        assert_eq!(asks(None, at(0, 12, 0), interrupted), [], "an interruption ends by itself");
        assert_eq!(asks(None, at(0, 18, 0), interrupted), [Phase::Closed], "but not the day");
        let halted = state(Phase::Halted, Nanos::ZERO);
        assert_eq!(asks(None, at(0, 18, 0), halted), []);
        assert_eq!(asks(Some(at(0, 17, 0)), at(0, 18, 0), halted), []);
        assert_eq!(asks(Some(at(0, 17, 0)), at(0, 18, 0), open), [Phase::Closed]);
        let lunch =
            [change(12, 0, Weekdays::ALL, Phase::Halted, 0), change(13, 0, Weekdays::ALL, Phase::Continuous, 0)];
        let after = wanted(&lunch, utc, Some(at(0, 12, 30)), at(0, 13, 0), &halted);
        assert_eq!(after.len(), 1, "the timetable's own halt ends by it");
    }
}
