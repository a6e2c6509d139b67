//! The naive twin of the read store.

use rialto_engine::ids::{AccountId, MarketId, TenantId};
use rialto_engine::order::Side;
use rialto_engine::update::{ListView, OrderEvent, OrderUpdate, OrderView};
use rialto_engine::wallet::{Entry, LedgerAccount};
use rialto_persistence::kline::{Interval, Kline};
use rialto_persistence::read_store::{AccountTrade, AggregateTrade, MarketTrade};

use crate::Event;

/// The naive twin: it looks through all events for every question.
pub struct Twin<'a>(pub &'a [Event]);

impl Twin<'_> {
    pub fn orders(&self, tenant: TenantId, account: AccountId, market: MarketId) -> Vec<OrderView> {
        let mut orders = std::collections::BTreeMap::new();
        for event in self.0 {
            if let Event::Update(of, update) = event
                && (*of, update.order.account, update.order.market) == (tenant, account, market)
            {
                orders.insert(update.order.id, update.order);
            }
        }
        orders.into_values().collect()
    }

    pub fn lists(&self, tenant: TenantId, account: AccountId) -> Vec<ListView> {
        let lists = self.0.iter().filter_map(|event| match event {
            Event::List(of, list) if (*of, list.account) == (tenant, account) => Some(list.clone()),
            _ => None,
        });
        lists.collect()
    }

    pub fn account_trades(&self, tenant: TenantId, account: AccountId, market: MarketId) -> Vec<AccountTrade> {
        let trades = self.0.iter().filter_map(|event| match event {
            Event::Update(of, OrderUpdate { event: OrderEvent::Trade(execution), order, .. })
                if (*of, order.account, order.market) == (tenant, account, market) =>
            {
                Some(AccountTrade {
                    id: execution.trade,
                    order: order.id,
                    price: execution.price,
                    quantity: execution.quantity,
                    fee: execution.fee,
                    fee_asset: execution.fee_asset,
                    time: order.updated,
                    is_buyer: order.side == Side::Buy,
                    is_maker: execution.maker,
                })
            }
            _ => None,
        });
        trades.collect()
    }

    pub fn trades(&self, tenant: TenantId, market: MarketId) -> Vec<MarketTrade> {
        let trades = self.0.iter().filter_map(|event| match event {
            Event::Fill(of, at, time, fill) if (*of, *at) == (tenant, market) => Some(MarketTrade {
                id: fill.trade,
                aggregate: fill.aggregate,
                price: fill.price,
                quantity: fill.quantity,
                time: *time,
                is_buyer_maker: fill.taker_side == Side::Sell,
            }),
            _ => None,
        });
        trades.collect()
    }

    pub fn aggregates(&self, tenant: TenantId, market: MarketId) -> Vec<AggregateTrade> {
        let mut aggregates: Vec<AggregateTrade> = Vec::new();
        for trade in self.trades(tenant, market) {
            match aggregates.last_mut().filter(|aggregate| aggregate.id == trade.aggregate) {
                Some(aggregate) => {
                    aggregate.quantity += trade.quantity;
                    aggregate.last = trade.id;
                }
                None => aggregates.push(AggregateTrade {
                    id: trade.aggregate,
                    price: trade.price,
                    quantity: trade.quantity,
                    first: trade.id,
                    last: trade.id,
                    time: trade.time,
                    is_buyer_maker: trade.is_buyer_maker,
                }),
            }
        }
        aggregates
    }

    pub fn klines(&self, tenant: TenantId, market: MarketId, interval: Interval) -> Vec<Kline> {
        let mut klines: Vec<Kline> = Vec::new();
        for trade in self.trades(tenant, market) {
            let open_time = interval.open_time(trade.time);
            if klines.last().is_none_or(|kline| kline.open_time != open_time) {
                klines.push(Kline::new(open_time));
            }
            let kline = klines.last_mut().expect("just pushed");
            kline.add(trade.price, trade.quantity, !trade.is_buyer_maker);
        }
        klines
    }

    pub fn entries(&self, tenant: TenantId, account: Option<AccountId>) -> Vec<Entry> {
        let touches = |side: LedgerAccount| match (side, account) {
            (_, None) => true,
            (
                LedgerAccount::Available(user)
                | LedgerAccount::Held(user)
                | LedgerAccount::Outgoing(user)
                | LedgerAccount::Incoming(user),
                Some(account),
            ) => user == account,
            (LedgerAccount::External(_) | LedgerAccount::House(_), Some(_)) => false,
        };
        let entries = self.0.iter().filter_map(|event| match event {
            Event::Entry(of, entry) if *of == tenant && (touches(entry.debit) || touches(entry.credit)) => Some(*entry),
            _ => None,
        });
        entries.collect()
    }
}
