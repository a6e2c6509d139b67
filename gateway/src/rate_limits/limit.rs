//! A limit as the dialect describes it: what is counted, in which interval, up to what.

use rialto_engine::units::Nanos;

use crate::error::ApiError;
use crate::json;

/// An interval of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The dialect's unit.
    name: &'static str,
    /// How many of it.
    number: u32,
    /// How long it is.
    seconds: u32,
}

/// One minute.
pub const MINUTE: Interval = Interval { name: "MINUTE", number: 1, seconds: 60 };
/// Ten seconds.
pub const TEN_SECONDS: Interval = Interval { name: "SECOND", number: 10, seconds: 10 };
/// One day, which begins at midnight UTC.
pub const DAY: Interval = Interval { name: "DAY", number: 1, seconds: 86_400 };

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The weight of requests.
    RequestWeight,
    /// Orders that have not traded.
    Orders,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What is counted.
    pub kind: Kind,
    /// In which interval.
    pub interval: Interval,
    /// Up to what.
    pub limit: u32,
}

/// A limit and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The limit.
    pub limit: RateLimit,
    /// The count so far.
    pub count: u32,
}

/// A limit that leaves no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which.
    pub limit: RateLimit,
    /// When that was found.
    pub now: Nanos,
}

impl Interval {
    /// The number of the interval that a moment falls into.
    #[must_use]
    pub fn period(&self, now: Nanos) -> u32 {
        u32::try_from(now.0 / 1_000_000_000 / u64::from(self.seconds)).unwrap_or(u32::MAX)
    }

    /// In how many seconds, rounded up, the next interval begins.
    #[must_use]
    pub fn seconds_left(&self, now: Nanos) -> u32 {
        self.seconds - u32::try_from(now.0 / 1_000_000_000 % u64::from(self.seconds)).unwrap_or_default()
    }
}

impl RateLimit {
    /// The headers that tell its count.
    #[must_use]
    pub fn headers(&self) -> &'static [&'static str] {
        match (self.kind, self.interval) {
            (Kind::RequestWeight, _) => &["x-mbx-used-weight", "x-mbx-used-weight-1m"],
            (Kind::Orders, TEN_SECONDS) => &["x-mbx-order-count-10s"],
            (Kind::Orders, _) => &["x-mbx-order-count-1d"],
        }
    }

    /// Appends the limit.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_open(out);
        out.push(b'}');
    }

    fn write_open(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"rateLimitType\":\"");
        out.extend_from_slice(match self.kind {
            Kind::RequestWeight => b"REQUEST_WEIGHT",
            Kind::Orders => b"ORDERS",
        });
        out.extend_from_slice(b"\",\"interval\":\"");
        out.extend_from_slice(self.interval.name.as_bytes());
        out.extend_from_slice(b"\",\"intervalNum\":");
        json::number(out, u64::from(self.interval.number));
        out.extend_from_slice(b",\"limit\":");
        json::number(out, u64::from(self.limit));
    }
}

impl Usage {
    /// Appends the limit with its count.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.limit.write_open(out);
        out.extend_from_slice(b",\"count\":");
        json::number(out, u64::from(self.count));
        out.push(b'}');
    }
}

impl From<Exceeded> for ApiError {
    fn from(Exceeded { limit: RateLimit { kind, interval, limit }, now }: Exceeded) -> Self {
        let Interval { name, number, .. } = interval;
        let (code, msg) = match kind {
            Kind::RequestWeight => (
                -1003,
                format!(
                    "Too much request weight used; current limit is {limit} request weight per {number} {name}. \
                     Please use WebSocket Streams for live updates to avoid polling the API."
                ),
            ),
            Kind::Orders => {
                (-1015, format!("Too many new orders; current limit is {limit} orders per {number} {name}."))
            }
        };
        Self::too_many(code, msg, interval.seconds_left(now), now)
    }
}
