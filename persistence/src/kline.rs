//! Candlesticks: what a market did in each stretch of time.

use rialto_engine::units::{Nanos, Price, Quantity};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How long a candlestick lasts, in UTC. The numbers are part of the written format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Interval {
    /// One second.
    OneSecond = 1,
    /// One minute.
    OneMinute = 2,
    /// Three minutes.
    ThreeMinutes = 3,
    /// Five minutes.
    FiveMinutes = 4,
    /// A quarter of an hour.
    FifteenMinutes = 5,
    /// Half an hour.
    ThirtyMinutes = 6,
    /// One hour.
    OneHour = 7,
    /// Two hours.
    TwoHours = 8,
    /// Four hours.
    FourHours = 9,
    /// Six hours.
    SixHours = 10,
    /// Eight hours.
    EightHours = 11,
    /// Half a day.
    TwelveHours = 12,
    /// One day.
    OneDay = 13,
    /// Three days, counted from the Unix epoch.
    ThreeDays = 14,
    /// One week, from Monday.
    OneWeek = 15,
    /// One calendar month.
    OneMonth = 16,
}

impl Interval {
    /// All of them, shortest first.
    pub const ALL: [Self; 16] = [
        Self::OneSecond,
        Self::OneMinute,
        Self::ThreeMinutes,
        Self::FiveMinutes,
        Self::FifteenMinutes,
        Self::ThirtyMinutes,
        Self::OneHour,
        Self::TwoHours,
        Self::FourHours,
        Self::SixHours,
        Self::EightHours,
        Self::TwelveHours,
        Self::OneDay,
        Self::ThreeDays,
        Self::OneWeek,
        Self::OneMonth,
    ];

    /// The fixed number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name in the wire dialect. Minutes are `m`, the month is `M`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneSecond => "1s",
            Self::OneMinute => "1m",
            Self::ThreeMinutes => "3m",
            Self::FiveMinutes => "5m",
            Self::FifteenMinutes => "15m",
            Self::ThirtyMinutes => "30m",
            Self::OneHour => "1h",
            Self::TwoHours => "2h",
            Self::FourHours => "4h",
            Self::SixHours => "6h",
            Self::EightHours => "8h",
            Self::TwelveHours => "12h",
            Self::OneDay => "1d",
            Self::ThreeDays => "3d",
            Self::OneWeek => "1w",
            Self::OneMonth => "1M",
        }
    }

    /// The interval of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|interval| interval.name() == name)
    }

    /// When the candlestick that contains `time` begins.
    #[must_use]
    pub fn open_time(self, time: Nanos) -> Nanos {
        self.span(time).0
    }

    /// The last nanosecond of the candlestick that contains `time`.
    #[must_use]
    pub fn close_time(self, time: Nanos) -> Nanos {
        Nanos(self.span(time).1.0 - 1)
    }

    /// When the candlestick that contains `time` begins, and when the next one does. The first
    /// week of all is cut short by the epoch.
    fn span(self, time: Nanos) -> (Nanos, Nanos) {
        let length = match self {
            Self::OneSecond => SECOND,
            Self::OneMinute => MINUTE,
            Self::ThreeMinutes => 3 * MINUTE,
            Self::FiveMinutes => 5 * MINUTE,
            Self::FifteenMinutes => 15 * MINUTE,
            Self::ThirtyMinutes => 30 * MINUTE,
            Self::OneHour => HOUR,
            Self::TwoHours => 2 * HOUR,
            Self::FourHours => 4 * HOUR,
            Self::SixHours => 6 * HOUR,
            Self::EightHours => 8 * HOUR,
            Self::TwelveHours => 12 * HOUR,
            Self::OneDay => DAY,
            Self::ThreeDays => 3 * DAY,
            Self::OneWeek => return days(week(time.0 / DAY)),
            Self::OneMonth => return days(month(time.0 / DAY)),
        };
        let open = time.0 - time.0 % length;
        (Nanos(open), Nanos(open.saturating_add(length)))
    }
}

fn days((first, next): (u64, u64)) -> (Nanos, Nanos) {
    (Nanos(first * DAY), Nanos(next.saturating_mul(DAY)))
}

/// Day 0 was a Thursday, so that Mondays are the days 4, 11, 18 and so on.
fn week(day: u64) -> (u64, u64) {
    let next = (day + 3) / 7 * 7 + 4;
    (next.saturating_sub(7), next)
}

/// The first day of the month of `day` and of the month after, in days since the epoch.
///
/// The reckoning is Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day
/// is the last of its year, and eras of 400 years repeat.
fn month(day: u64) -> (u64, u64) {
    const DAYS_BEFORE_EPOCH: u64 = 719_468;
    const ERA: u64 = 146_097;
    let shifted = day + DAYS_BEFORE_EPOCH;
    let (era, day_of_era) = (shifted / ERA, shifted % ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let first_of_year = 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
    let month_of_year = (5 * (day_of_era - first_of_year) + 2) / 153;
    let first_of_month = |month: u64| (153 * month + 2) / 5;
    let first = era * ERA + first_of_year + first_of_month(month_of_year);
    let length = if month_of_year == 11 {
        // February: it ends where the next year of the era begins.
        let next_year = year_of_era + 1;
        let last = if next_year == 400 { ERA } else { 365 * next_year + next_year / 4 - next_year / 100 };
        last - first_of_year - first_of_month(11)
    } else {
        first_of_month(month_of_year + 1) - first_of_month(month_of_year)
    };
    let first = first - DAYS_BEFORE_EPOCH;
    (first, first + length)
}

/// One candlestick. Sums are exact, in lots and tick-lots of the market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kline {
    /// When it begins.
    pub open_time: Nanos,
    /// The first price.
    pub open: Price,
    /// The highest.
    pub high: Price,
    /// The lowest.
    pub low: Price,
    /// The last price.
    pub close: Price,
    /// What was traded, in lots.
    pub volume: u128,
    /// What it was traded for, in tick-lots.
    pub notional: u128,
    /// How many trades.
    pub trades: u64,
    /// What incoming buyers bought, in lots.
    pub taker_buy_volume: u128,
    /// What incoming buyers paid, in tick-lots.
    pub taker_buy_notional: u128,
}

impl Kline {
    /// A candlestick without trades. Its prices mean nothing until the first.
    #[must_use]
    pub fn new(open_time: Nanos) -> Self {
        Self { open_time, ..Self::default() }
    }

    /// Takes a trade in. `taker_buy` says that the incoming order bought.
    pub fn add(&mut self, price: Price, quantity: Quantity, taker_buy: bool) {
        if self.trades == 0 {
            (self.open, self.high, self.low) = (price, price, price);
        }
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        self.trades += 1;
        let (volume, notional) = (u128::from(quantity.0), u128::from(price.times(quantity).0));
        self.volume += volume;
        self.notional += notional;
        if taker_buy {
            self.taker_buy_volume += volume;
            self.taker_buy_notional += notional;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since the epoch, as `date -u -d … +%s` tells them.
    fn check(name: &str, time: u64, open: u64, next: u64) {
        let interval = Interval::parse(name).expect("a known name");
        let time = Nanos(time * SECOND + 123);
        assert_eq!(interval.open_time(time), Nanos(open * SECOND), "{name} opens");
        assert_eq!(interval.close_time(time), Nanos(next * SECOND - 1), "{name} closes");
        assert_eq!(interval.open_time(interval.open_time(time)), interval.open_time(time));
        assert_eq!(interval.close_time(interval.close_time(time)), interval.close_time(time));
        assert_eq!(interval.open_time(Nanos(next * SECOND)), Nanos(next * SECOND), "{name} is followed by the next");
    }

    #[test]
    fn intervals_begin_and_end_by_the_calendar() {
        // 2024-02-29 13:37:42, a Thursday.
        let time = 1_709_213_862;
        check("1s", time, time, time + 1);
        check("1m", time, 1_709_213_820, 1_709_213_880);
        check("3m", time, 1_709_213_760, 1_709_213_940);
        check("15m", time, 1_709_213_400, 1_709_214_300);
        check("1h", time, 1_709_211_600, 1_709_215_200);
        check("12h", time, 1_709_208_000, 1_709_251_200);
        check("1d", time, 1_709_164_800, 1_709_251_200);
        check("3d", time, 1_709_164_800, 1_709_424_000);
        check("1w", time, 1_708_905_600, 1_709_510_400);
        check("1M", time, 1_706_745_600, 1_709_251_200);
        // 2023-12-31 23:59:59, a Sunday.
        let time = 1_704_067_199;
        check("1w", time, 1_703_462_400, 1_704_067_200);
        check("1M", time, 1_701_388_800, 1_704_067_200);
        // 2000-02-29 was, 2100-02-29 is not.
        check("1M", 951_782_400, 949_363_200, 951_868_800);
        check("1M", 4_107_456_000, 4_105_123_200, 4_107_542_400);
        // 1970: the first week is short.
        check("1w", 5, 0, 4 * 86_400);
        check("1w", 4 * 86_400, 4 * 86_400, 11 * 86_400);
        check("1M", 5, 0, 31 * 86_400);
    }

    #[test]
    fn months_follow_each_other_for_five_hundred_years() {
        let lengths = |year: u64| {
            let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let mut day = 0;
        for length in (1970..2470).flat_map(lengths) {
            assert_eq!(month(day), (day, day + length));
            assert_eq!(month(day + length - 1), (day, day + length));
            day += length;
        }
    }

    #[test]
    fn names_and_numbers_are_unique() {
        for (index, interval) in Interval::ALL.into_iter().enumerate() {
            assert_eq!(Interval::parse(interval.name()), Some(interval));
            assert_eq!(usize::from(interval.number()), index + 1);
        }
        assert_eq!(Interval::parse("2m"), None);
        assert_ne!(Interval::parse("1m"), Interval::parse("1M"));
    }

    #[test]
    fn a_candlestick_sums_its_trades() {
        let mut kline = Kline::new(Nanos(7));
        kline.add(Price(10), Quantity(2), true);
        kline.add(Price(12), Quantity(1), false);
        kline.add(Price(9), Quantity(3), true);
        let expected = Kline {
            open_time: Nanos(7),
            open: Price(10),
            high: Price(12),
            low: Price(9),
            close: Price(9),
            volume: 6,
            notional: 59,
            trades: 3,
            taker_buy_volume: 5,
            taker_buy_notional: 47,
        };
        assert_eq!(kline, expected);
    }
}
