//! Names of streams: `usdcny@depth@100ms`, `!miniTicker@arr`.

use rialto_actors::market_data::interest::{Cadence, RollingWindow, Topic};
use rialto_persistence::kline::Interval;

/// No symbol and no stream of the dialect is longer.
const NAME_MAX: usize = 64;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// `@trade`
    Trade,
    /// `@aggTrade`
    AggregateTrade,
    /// `@bookTicker`, `!bookTicker`
    BookTicker,
    /// `@depth`, `@depth@100ms`
    Diff(Cadence),
    /// `@depth5`, `@depth10@100ms` and so on
    Partial(u8, Cadence),
    /// `@kline_1m` and so on
    Kline(Interval),
    /// `@miniTicker`, `!miniTicker@arr`
    MiniTicker,
    /// `@ticker`, `!ticker@arr`
    Ticker,
    /// `@ticker_1h` and so on
    Rolling(RollingWindow),
    /// `@avgPrice`
    AveragePrice,
    /// `@auction`: the phase, and the likely result of the auction
    Auction,
}

/// How many levels partial depths have.
pub const PARTIALS: [u8; 3] = [5, 10, 20];

/// A name taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamName {
    /// The market's symbol in capitals; `None` stands for all markets.
    pub symbol: Option<String>,
    /// What of it.
    pub stream: Stream,
}

impl StreamName {
    /// Takes a name apart. `None` if it names no stream. The symbol may be in capitals, the rest
    /// may not: `1m` is not `1M`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name.len() > NAME_MAX {
            return None;
        }
        let all = |stream| Some(Self { symbol: None, stream });
        match name {
            "!miniTicker@arr" => return all(Stream::MiniTicker),
            "!ticker@arr" => return all(Stream::Ticker),
            "!bookTicker" => return all(Stream::BookTicker),
            _ => {}
        }
        let (symbol, kind) = name.split_once('@')?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if symbol.is_empty() || !symbol.bytes().all(legal) {
            return None;
        }
        Some(Self { symbol: Some(symbol.to_ascii_uppercase()), stream: Stream::parse(kind)? })
    }

    /// The name as the server writes it.
    #[must_use]
    pub fn text(&self) -> String {
        let Some(symbol) = &self.symbol else {
            return match self.stream {
                Stream::MiniTicker => "!miniTicker@arr",
                Stream::BookTicker => "!bookTicker",
                _ => "!ticker@arr",
            }
            .to_owned();
        };
        let symbol = symbol.to_ascii_lowercase();
        let fast = |cadence: Cadence| if cadence == Cadence::Fast { "@100ms" } else { "" };
        match self.stream {
            Stream::Trade => format!("{symbol}@trade"),
            Stream::AggregateTrade => format!("{symbol}@aggTrade"),
            Stream::BookTicker => format!("{symbol}@bookTicker"),
            Stream::Diff(cadence) => format!("{symbol}@depth{}", fast(cadence)),
            Stream::Partial(levels, cadence) => format!("{symbol}@depth{levels}{}", fast(cadence)),
            Stream::Kline(interval) => format!("{symbol}@kline_{}", interval.name()),
            Stream::MiniTicker => format!("{symbol}@miniTicker"),
            Stream::Ticker => format!("{symbol}@ticker"),
            Stream::Rolling(window) => format!("{symbol}@ticker_{}", window_name(window)),
            Stream::AveragePrice => format!("{symbol}@avgPrice"),
            Stream::Auction => format!("{symbol}@auction"),
        }
    }
}

impl Stream {
    fn parse(kind: &str) -> Option<Self> {
        if let Some(interval) = kind.strip_prefix("kline_") {
            return Interval::parse(interval).map(Self::Kline);
        }
        if let Some(window) = kind.strip_prefix("ticker_") {
            return RollingWindow::ALL.into_iter().find(|known| window_name(*known) == window).map(Self::Rolling);
        }
        if let Some(depth) = kind.strip_prefix("depth") {
            let (levels, cadence) = match depth.strip_suffix("@100ms") {
                Some(levels) => (levels, Cadence::Fast),
                None => (depth, Cadence::Slow),
            };
            return match levels {
                "" => Some(Self::Diff(cadence)),
                "5" => Some(Self::Partial(5, cadence)),
                "10" => Some(Self::Partial(10, cadence)),
                "20" => Some(Self::Partial(20, cadence)),
                _ => None,
            };
        }
        Some(match kind {
            "trade" => Self::Trade,
            "aggTrade" => Self::AggregateTrade,
            "bookTicker" => Self::BookTicker,
            "miniTicker" => Self::MiniTicker,
            "ticker" => Self::Ticker,
            "avgPrice" => Self::AveragePrice,
            "auction" => Self::Auction,
            _ => return None,
        })
    }

    /// What must be published for it: of one market, or of all.
    #[must_use]
    pub fn topic(self, of_all: bool) -> Topic {
        match self {
            Self::Trade => Topic::Trades,
            Self::AggregateTrade => Topic::AggregateTrades,
            Self::BookTicker => Topic::BookTicker,
            Self::Diff(cadence) => Topic::Diff(cadence),
            Self::Partial(_, cadence) => Topic::Partial(cadence),
            Self::Kline(interval) => Topic::Kline(interval),
            Self::MiniTicker | Self::Ticker if of_all => Topic::Tickers,
            Self::MiniTicker | Self::Ticker => Topic::Ticker,
            Self::Rolling(window) => Topic::Rolling(window),
            Self::AveragePrice => Topic::AveragePrice,
            Self::Auction => Topic::State,
        }
    }
}

const fn window_name(window: RollingWindow) -> &'static str {
    match window {
        RollingWindow::OneHour => "1h",
        RollingWindow::FourHours => "4h",
        RollingWindow::OneDay => "1d",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_put_together_again() {
        let mut names: Vec<String> = [
            "trade",
            "aggTrade",
            "bookTicker",
            "miniTicker",
            "ticker",
            "avgPrice",
            "auction",
            "depth",
            "depth@100ms",
            "depth5",
            "depth10",
            "depth20",
            "depth5@100ms",
            "depth10@100ms",
            "depth20@100ms",
            "ticker_1h",
            "ticker_4h",
            "ticker_1d",
        ]
        .iter()
        .map(|kind| format!("usdcny@{kind}"))
        .collect();
        names.extend(Interval::ALL.map(|interval| format!("usd-cny_1.x@kline_{}", interval.name())));
        names.extend(["!miniTicker@arr", "!ticker@arr", "!bookTicker"].map(str::to_owned));
        let mut parsed: Vec<StreamName> = Vec::new();
        for name in &names {
            let stream = StreamName::parse(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(&stream.text(), name);
            assert!(!parsed.contains(&stream), "{name}");
            parsed.push(stream);
        }
        let capitals = StreamName::parse("USDCNY@kline_1M").expect("parses");
        assert_eq!(capitals.text(), "usdcny@kline_1M");
        assert_eq!(capitals.symbol.as_deref(), Some("USDCNY"));
    }

    #[test]
    fn what_names_no_stream_is_refused() {
        let long = format!("{}@trade", "a".repeat(70));
        for name in [
            "",
            "0",
            "@",
            "@trade",
            "usdcny",
            "usdcny@",
            "usdcny@@trade",
            "usdcny@Trade",
            "usdcny@trade ",
            "usd cny@trade",
            "usdcny@depth7",
            "usdcny@depth@1000ms",
            "usdcny@depth@",
            "usdcny@depth@100ms@100ms",
            "usdcny@depth05",
            "usdcny@depth-5",
            "usdcny@kline",
            "usdcny@kline_",
            "usdcny@kline_2m",
            "usdcny@kline_1min",
            "usdcny@kline_1m@+08:00",
            "usdcny@ticker_2h",
            "usdcny@trade@trade",
            "usdcny@auctions",
            "!",
            "!trade",
            "!ticker",
            "!ticker_1h@arr",
            "!miniticker@arr",
            "ü@trade",
            "usd/cny@trade",
            "\u{0}@trade",
            "usdcny\n@trade",
            &long,
        ] {
            assert_eq!(StreamName::parse(name), None, "{name:?}");
        }
    }
}
