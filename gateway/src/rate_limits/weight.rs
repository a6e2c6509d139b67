//! What a request weighs: the numbers of the dialect's documents.

use actix_web::http::Method;

use crate::params::Params;

/// What a request weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// So much, whatever becomes of it.
    Fixed(u32),
    /// Nothing, but one if it is refused.
    IfRefused,
    /// The same; and it is taken even where there is no room left. Whoever asks too much must
    /// still be able to get out of the market.
    Exempt,
}

impl Weight {
    /// The weight of a method of the WebSocket API, without `v3/`.
    #[must_use]
    pub fn of(method: &str, params: &Params<'_>) -> Self {
        let has = |name: &str| params.get(name).is_some();
        let symbols = || params.get("symbols").map(|symbols| symbols.split(',').count());
        Self::Fixed(match method {
            "order.place" | "order.cancelReplace" | "order.amend.keepPriority" => return Self::IfRefused,
            "order.cancel" | "openOrders.cancelAll" | "orderList.cancel" => return Self::Exempt,
            _ if method.starts_with("orderList.place") => return Self::IfRefused,
            "orderList.status" => 4,
            "myFilters" => 40,
            "auction" => 2,
            "order.test" if params.boolean("computeCommissionRates") == Ok(Some(true)) => 20,
            "order.status" => 4,
            "openOrders.status" if has("symbol") => 6,
            "openOrders.status" => 80,
            "myTrades" if has("orderId") => 5,
            "myTrades" | "allOrders" | "account.status" | "account.commission" | "myPreventedMatches"
            | "allOrderLists" => 20,
            "openOrderLists.status" => 6,
            "account.rateLimits.orders" => 40,
            "capital.config" => 10,
            "exchangeInfo" => 20,
            "depth" => match params.integer("limit") {
                Ok(Some(..=100) | None) | Err(_) => 5,
                Ok(Some(..=500)) => 25,
                Ok(Some(..=1_000)) => 50,
                Ok(Some(_)) => 250,
            },
            "trades.recent" | "trades.historical" => 25,
            "trades.aggregate" => 4,
            "klines" | "uiKlines" | "avgPrice" => 2,
            "ticker.24hr" => match symbols() {
                Some(..=20) => 2,
                None if has("symbol") => 2,
                Some(..=100) => 40,
                Some(_) | None => 80,
            },
            "ticker.price" | "ticker.book" if has("symbol") => 2,
            "ticker.price" | "ticker.book" => 4,
            "ticker" | "ticker.tradingDay" => {
                let symbols = u32::try_from(symbols().unwrap_or(1)).unwrap_or(u32::MAX);
                symbols.saturating_mul(4).min(200)
            }
            "session.cancelOnDisconnect"
            | "session.logon"
            | "session.status"
            | "session.logout"
            | "session.subscriptions" => 2,
            _ if method.starts_with("userDataStream") => 2,
            // `ping` and `time`; and what there is not.
            _ => 1,
        })
    }

    /// The weight of a REST request, by its path behind the tenant's prefix.
    #[must_use]
    pub fn of_rest(method: &Method, path: &str, params: &Params<'_>) -> Self {
        Self::of(socket_method(method, path), params)
    }
}

/// The method of the WebSocket API that does the same; none for what has no weight of its own.
fn socket_method(method: &Method, path: &str) -> &'static str {
    let path = path.strip_prefix("/api/v3/").or_else(|| path.strip_prefix("/api/v1/")).unwrap_or(path);
    match (method.as_str(), path) {
        ("POST", "order") => "order.place",
        ("DELETE", "order") => "order.cancel",
        ("DELETE", "openOrders") => "openOrders.cancelAll",
        ("POST", "orderList/oco" | "orderList/oto" | "orderList/otoco" | "order/oco") => "orderList.place",
        ("DELETE", "orderList") => "orderList.cancel",
        ("GET", "orderList") => "orderList.status",
        ("GET", "myFilters") => "myFilters",
        ("GET", "auction") => "auction",
        ("POST", "order/cancelReplace") => "order.cancelReplace",
        ("PUT", "order/amend/keepPriority") => "order.amend.keepPriority",
        ("POST", "order/test") => "order.test",
        ("GET", "order") => "order.status",
        ("GET", "openOrders") => "openOrders.status",
        ("GET", "allOrders") => "allOrders",
        ("GET", "myTrades") => "myTrades",
        ("GET", "account") => "account.status",
        ("GET", "account/commission") => "account.commission",
        ("GET", "rateLimit/order") => "account.rateLimits.orders",
        ("GET", "myPreventedMatches") => "myPreventedMatches",
        ("GET", "openOrderList") => "openOrderLists.status",
        ("GET", "allOrderList") => "allOrderLists",
        ("GET", "exchangeInfo") => "exchangeInfo",
        ("GET", "depth") => "depth",
        ("GET", "trades") => "trades.recent",
        ("GET", "historicalTrades") => "trades.historical",
        ("GET", "aggTrades") => "trades.aggregate",
        ("GET", "klines" | "uiKlines") => "klines",
        ("GET", "avgPrice") => "avgPrice",
        ("GET", "ticker/24hr") => "ticker.24hr",
        ("GET", "ticker/tradingDay") => "ticker.tradingDay",
        ("GET", "ticker/price") => "ticker.price",
        ("GET", "ticker/bookTicker") => "ticker.book",
        ("GET", "ticker") => "ticker",
        ("GET", "/sapi/v1/capital/config/getall") => "capital.config",
        (_, "userDataStream") => "userDataStream",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_weigh_what_the_documents_say_on_both_ways() {
        let get = Method::GET;
        for (path, name, query, weight) in [
            ("/api/v3/ping", "ping", "", 1),
            ("/api/v3/time", "time", "", 1),
            ("/api/v3/exchangeInfo", "exchangeInfo", "", 20),
            ("/api/v3/depth", "depth", "symbol=A", 5),
            ("/api/v3/depth", "depth", "symbol=A&limit=100", 5),
            ("/api/v3/depth", "depth", "symbol=A&limit=101", 25),
            ("/api/v3/depth", "depth", "symbol=A&limit=1000", 50),
            ("/api/v3/depth", "depth", "symbol=A&limit=5000", 250),
            ("/api/v3/ticker/24hr", "ticker.24hr", "symbol=A", 2),
            ("/api/v3/ticker/24hr", "ticker.24hr", "", 80),
            ("/api/v3/ticker/24hr", "ticker.24hr", "symbols=[\"A\",\"B\"]", 2),
            ("/api/v3/ticker", "ticker", "symbols=[\"A\",\"B\"]", 8),
            ("/api/v3/ticker/price", "ticker.price", "", 4),
            ("/api/v3/order", "order.status", "symbol=A&orderId=1", 4),
            ("/api/v3/openOrders", "openOrders.status", "", 80),
            ("/api/v3/openOrders", "openOrders.status", "symbol=A", 6),
            ("/api/v3/myTrades", "myTrades", "symbol=A", 20),
            ("/api/v3/myTrades", "myTrades", "symbol=A&orderId=1", 5),
            ("/api/v3/rateLimit/order", "account.rateLimits.orders", "", 40),
            ("/api/v1/account", "account.status", "", 20),
        ] {
            let params = Params::of_rest(query, "").expect("parses");
            assert_eq!(Weight::of_rest(&get, path, &params), Weight::Fixed(weight), "{path}?{query}");
            assert_eq!(Weight::of(name, &params), Weight::Fixed(weight), "{name} {query}");
        }
    }

    #[test]
    fn commands_weigh_only_where_they_are_refused_and_cancels_are_always_taken() {
        let none = Params::default();
        for (method, path, weight) in [
            (Method::POST, "/api/v3/order", Weight::IfRefused),
            (Method::POST, "/api/v3/order/cancelReplace", Weight::IfRefused),
            (Method::PUT, "/api/v3/order/amend/keepPriority", Weight::IfRefused),
            (Method::POST, "/api/v3/orderList/otoco", Weight::IfRefused),
            (Method::POST, "/api/v3/order/oco", Weight::IfRefused),
            (Method::DELETE, "/api/v3/orderList", Weight::Exempt),
            (Method::DELETE, "/api/v3/order", Weight::Exempt),
            (Method::DELETE, "/api/v3/openOrders", Weight::Exempt),
        ] {
            assert_eq!(Weight::of_rest(&method, path, &none), weight, "{method} {path}");
        }
    }
}
