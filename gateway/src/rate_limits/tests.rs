use std::net::Ipv4Addr;

use rialto_engine::ids::AccountId;

use super::budget::Budgets;
use super::weight::Weight;
use super::*;
use crate::error::ApiError;

const NOON: Nanos = Nanos(1_700_000_000_000_000_000 / 60_000_000_000 * 60_000_000_000);

fn later(seconds: u64) -> Nanos {
    Nanos(NOON.0 + seconds * 1_000_000_000)
}

fn limiter(limits: RateLimits) -> RateLimiter {
    let limited = limits.orders().iter().any(|rule| rule.limit > 0);
    let accounts = limited.then(Accounts::default);
    RateLimiter { tenants: vec![TenantLimiter { limits, accounts: accounts.map(Arc::new) }], addresses: Arc::default() }
}

const TRADER: Identity = Identity { tenant: TenantId(0), account: AccountId(1) };

fn counts(limiter: &RateLimiter, now: Nanos) -> Vec<u32> {
    limiter.order_usage(TRADER, now).map(|usage| usage.count).collect()
}

#[test]
fn orders_are_counted_in_every_interval_or_in_none() {
    let limits = RateLimits { orders_per_10_seconds: 2, orders_per_day: 3, ..RateLimits::default() };
    let limiter = limiter(limits);
    let take = |seconds| limiter.take_orders(TRADER, 1, later(seconds)).map_err(|exceeded| exceeded.limit.interval);
    assert_eq!((take(0), take(9), take(9)), (Ok(()), Ok(()), Err(TEN_SECONDS)));
    assert_eq!((take(10), take(11)), (Ok(()), Err(DAY)));
    // What the day refused is not counted in the ten seconds either.
    assert_eq!(counts(&limiter, later(11)), [1, 3]);
    assert_eq!(limiter.take_orders(Identity { account: AccountId(0), ..TRADER }, 1, later(11)), Ok(()));
    limiter.give_back(TRADER, 5, later(12));
    assert_eq!(counts(&limiter, later(12)), [0, 0]);
    assert_eq!(counts(&limiter, later(86_400)), [0, 0]);
}

#[test]
fn no_limit_counts_nothing() {
    let limiter = limiter(RateLimits { request_weight_per_minute: 0, ..RateLimits::default() });
    assert!((0..1_000).all(|_| limiter.take_orders(TRADER, 1, NOON).is_ok()));
    assert!(counts(&limiter, NOON).is_empty());
    let budget = limiter.budget(Some(TenantId(0)), Ipv4Addr::LOCALHOST.into(), NOON);
    assert!((0..1_000).all(|_| budget.take(Weight::Fixed(250), NOON).is_ok()));
    assert_eq!(budget.usage(NOON), None);
    assert_eq!(limiter.limits(Some(TenantId(0))).rules().count(), 0);
}

#[test]
fn an_address_has_one_budget_on_all_workers() {
    let limiter = limiter(RateLimits { request_weight_per_minute: 100, ..RateLimits::default() });
    let mut workers = [Budgets::default(), Budgets::default()];
    let tenant = Some(TenantId(0));
    let [first, second] = workers
        .each_mut()
        .map(|budgets| budgets.of(&limiter, tenant, "::ffff:10.0.0.1".parse().expect("an address"), NOON));
    assert!(first.take(Weight::Fixed(60), NOON).is_ok());
    assert!(second.take(Weight::Fixed(41), NOON).is_err(), "the other worker has counted 60");
    assert!(second.take(Weight::Fixed(40), NOON).is_ok());
    assert!(first.take(Weight::IfRefused, NOON).is_err());
    assert!(first.take(Weight::Exempt, NOON).is_ok(), "a cancel");
    // Another address, another tenant, another minute.
    let other = workers[0].of(&limiter, tenant, Ipv4Addr::new(10, 0, 0, 2).into(), NOON);
    let nobody = workers[0].of(&limiter, None, Ipv4Addr::new(10, 0, 0, 1).into(), NOON);
    for (budget, now) in [(&other, NOON), (&nobody, NOON), (&first, later(60))] {
        assert!(budget.take(Weight::Fixed(100), now).is_ok());
    }
    // Two addresses of one network of IPv6, and one of another.
    let used = ["2001:db8:1:2::3", "2001:db8:1:2:ffff::", "2001:db8:1:3::3"].map(|address| {
        let budget = workers[0].of(&limiter, tenant, address.parse().expect("an address"), NOON);
        budget.take(Weight::Fixed(1), NOON).expect("there is room");
        budget.usage(NOON).map(|usage| usage.count)
    });
    assert_eq!(used, [Some(1), Some(2), Some(1)]);
    // A session keeps its budget over the minute; so does a worker that asks again.
    let again = workers[1].of(&limiter, tenant, Ipv4Addr::new(10, 0, 0, 1).into(), later(61));
    assert_eq!(again.usage(later(61)).map(|usage| usage.count), Some(100));
}

#[test]
fn refusals_weigh_unless_they_are_the_servers() {
    let limiter = limiter(RateLimits::default());
    let budget = limiter.budget(None, Ipv4Addr::LOCALHOST.into(), NOON);
    budget.refused(Weight::IfRefused, &ApiError::invalid_side(), NOON);
    budget.refused(Weight::Exempt, &ApiError::invalid_side(), NOON);
    budget.refused(Weight::IfRefused, &ApiError::busy(), NOON);
    budget.refused(Weight::Fixed(20), &ApiError::invalid_side(), NOON);
    assert_eq!(budget.usage(NOON).map(|usage| usage.count), Some(2));
}

#[test]
fn a_clock_that_is_read_late_or_set_back_spoils_no_count() {
    let window = Window::default();
    assert!(window.take(7, 3, 3));
    // Read before the interval changed, counted after: into the newer one.
    assert!(!window.take(6, 1, 3));
    assert_eq!(window.count(7), 3);
    // Set back by more: begun anew.
    assert!(window.take(2, 1, 3));
    assert_eq!((window.count(2), window.count(7)), (1, 0));
}

#[test]
fn refusals_are_those_of_the_dialect() {
    let limits = RateLimits { orders_per_10_seconds: 50, ..RateLimits::default() };
    let of = |limit: RateLimit| ApiError::from(Exceeded { limit, now: later(3) });
    let orders = of(limits.orders()[0]);
    assert_eq!((orders.status, orders.code, orders.retry_after), (429, -1015, Some(7)));
    assert_eq!(orders.msg, "Too many new orders; current limit is 50 orders per 10 SECOND.");
    let weight = of(limits.weight());
    assert_eq!((weight.status, weight.code, weight.retry_after), (429, -1003, Some(57)));
    assert_eq!(
        weight.msg,
        "Too much request weight used; current limit is 6000000 request weight per 1 MINUTE. Please use WebSocket \
         Streams for live updates to avoid polling the API."
    );
}
