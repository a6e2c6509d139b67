//! The timetable of a market: when it enters which phase.
//!
//! Times are those of the tenant's clock, which is a fixed offset from UTC. The timetable repeats every
//! week. What is due is a pure question ([`due`], [`in_force`]); [`Scheduler`] asks it a few times a second and
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

const SECOND: u64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;
const WEEK_SECONDS: i64 = 7 * DAY_SECONDS;
/// How often the scheduler looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The longest that a phase may last before trading goes on by itself.
pub const LASTS_MAX: Duration = Duration::from_secs(7 * 86_400);

/// How far a tenant's clock is ahead of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UtcOffset {
    minutes: i16,
}

impl UtcOffset {
    /// So many minutes ahead, or behind where negative; at most 18 hours. `None` beyond that.
    #[must_use]
    pub fn minutes(minutes: i16) -> Option<Self> {
        (minutes.abs() <= 18 * 60).then_some(Self { minutes })
    }

    /// How many minutes it is ahead; below zero for behind.
    #[must_use]
    pub const fn minutes_ahead(self) -> i16 {
        self.minutes
    }
}

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
    /// On these days, so many seconds after midnight, the market enters a phase. Where `lasts` is not
    /// zero, it goes over to continuous trading after that by itself. `None` if the day is not that long,
    /// or `lasts` is above [`LASTS_MAX`].
    #[must_use]
    pub fn new(second_of_day: u32, weekdays: Weekdays, phase: Phase, lasts: Duration) -> Option<Self> {
        let fits = i64::from(second_of_day) < DAY_SECONDS && lasts <= LASTS_MAX;
        fits.then_some(Self { second_of_day, weekdays, phase, lasts })
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

/// What is due after `from` and up to `to`, in order of time; of one time, in the order of the
/// timetable. What lies more than a week before `to` is left out: something later has replaced it.
#[must_use]
pub fn due(schedule: &[PhaseChange], offset: UtcOffset, from: Nanos, to: Nanos) -> Vec<Due> {
    let ahead = i64::from(offset.minutes) * 60;
    let local = |time: Nanos| i64::try_from(time.0 / SECOND).unwrap_or(i64::MAX) + ahead;
    let last_day = local(to).div_euclid(DAY_SECONDS);
    let first_day = local(from).max(local(to) - WEEK_SECONDS).div_euclid(DAY_SECONDS);
    let mut found = Vec::new();
    for day in first_day..=last_day {
        // The first day of the epoch was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        for change in schedule.iter().filter(|change| change.weekdays.contains(weekday)) {
            let second = day * DAY_SECONDS + i64::from(change.second_of_day) - ahead;
            let Ok(second) = u64::try_from(second) else { continue };
            let at = Nanos(second * SECOND);
            if from < at && at <= to {
                let lasts = u64::try_from(change.lasts.as_nanos()).unwrap_or(u64::MAX);
                let until = if lasts == 0 { Nanos::ZERO } else { Nanos(at.0 + lasts) };
                found.push(Due { at, phase: change.phase, until });
            }
        }
    }
    // Stable: of one time, the timetable's order stays.
    found.sort_by_key(|due| due.at);
    found
}

/// The change that a market's phase is to come from at a time: the last one that was due. `None` for
/// an empty timetable.
#[must_use]
pub fn in_force(schedule: &[PhaseChange], offset: UtcOffset, now: Nanos) -> Option<Due> {
    // Every line of a timetable has been due within the last week.
    let last = due(schedule, offset, Nanos::ZERO, now).pop()?;
    let has_gone_over = !last.until.is_zero() && last.until <= now;
    Some(if has_gone_over { Due { at: last.until, phase: Phase::Continuous, until: Nanos::ZERO } } else { last })
}

/// What is to be entered, in order, by a market in this state: what was due since `asked`, or, where
/// that is not known, what makes up for what was missed.
#[must_use]
pub fn wanted(
    schedule: &[PhaseChange],
    offset: UtcOffset,
    asked: Option<Nanos>,
    now: Nanos,
    state: &MarketState,
) -> Vec<Due> {
    let by_hand = matches!(state.phase, Phase::Halted | Phase::CancelOnly);
    if by_hand && schedule.iter().all(|change| change.phase != state.phase) {
        return Vec::new();
    }
    match asked {
        Some(from) => due(schedule, offset, from, now),
        None => in_force(schedule, offset, now)
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
    offset: UtcOffset,
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
                    offset: tenant.utc_offset,
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
        let nothing = self.asked.is_some_and(|from| due(&self.schedule, self.offset, from, now).is_empty());
        if nothing {
            return;
        }
        let Ok(states) = exchange.market_data().states_blocking(self.tenant) else { return };
        let Some(state) = states.get(usize::from(self.market.0)) else { return };
        for Due { phase, until, .. } in wanted(&self.schedule, self.offset, self.asked, now, state) {
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
        let utc = UtcOffset::default();
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
        let shanghai = UtcOffset::minutes(8 * 60).expect("in range");
        assert_eq!(
            due(&schedule, shanghai, Nanos::ZERO, at(2, 0, 0))[0].at,
            Nanos(at(0, 0, 30).0 - 8 * 3_600 * SECOND)
        );
        let west = UtcOffset::minutes(-90).expect("in range");
        assert_eq!(due(&schedule, west, Nanos::ZERO, at(2, 0, 0))[0].at, at(0, 2, 0));
        assert_eq!(UtcOffset::minutes(18 * 60 + 1), None);
        assert_eq!(Weekdays::new([]), None);
        assert_eq!(Weekdays::new([7]), None);
        assert_eq!(PhaseChange::new(86_400, Weekdays::ALL, Phase::Closed, Duration::ZERO), None);
        assert_eq!(PhaseChange::new(0, Weekdays::ALL, Phase::Auction, LASTS_MAX + Duration::from_nanos(1)), None);
    }

    #[test]
    fn the_last_change_is_in_force_until_the_next() {
        let utc = UtcOffset::default();
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

    #[test]
    fn what_was_missed_is_made_up_for_and_what_was_done_by_hand_stays() {
        let utc = UtcOffset::default();
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
