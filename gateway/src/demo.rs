//! The demo exchange: two companies with the same pair, funded users, and simulated traders with
//! fixed seeds, so that books move and candles form.

pub mod bank;

use std::collections::VecDeque;
use std::time::Duration;

use rialto_actors::api::{ReplyToken, Request, WorkerEvent};
use rialto_actors::clock;
use rialto_actors::exchange::Exchange;
use rialto_actors::feed::Feed;
use rialto_engine::ids::{AccountId, ClientOrderId, TenantId};
use rialto_engine::message::CancelRestriction;
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::units::{Amount, Nanos, Price, Quantity};
use rialto_engine::wallet::{Cancel, Command, OrderRef, Place};

/// The configuration of the demo.
pub const CONFIGURATION: &str = include_str!("demo.toml");

/// Between two steps of the simulated traders.
const STEP: Duration = Duration::from_millis(40);
/// How many orders a simulated maker keeps in a book.
const QUOTES: usize = 60;
/// How far a price may wander, in hundredths of where it began.
const WANDER_PERCENT: u64 = 4;

/// A market of the demo, its traders, and where its price is.
struct Scene {
    tenant: TenantId,
    market: rialto_engine::ids::MarketId,
    maker: AccountId,
    taker: AccountId,
    start: u64,
    middle: u64,
    /// Ticks between neighbouring quotes.
    step: u64,
    /// The size of a quote in lots.
    size: u64,
    dice: Dice,
    quotes: VecDeque<ClientOrderId>,
    counter: u64,
}

/// A small generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

/// Trades in every market until the exchange stops. Runs on a thread of its own and drains the
/// feed of the worker that answers to it.
pub fn trade(exchange: &Exchange, feed: &Feed<WorkerEvent>, worker: u16) {
    let mut scenes = scenes(exchange);
    let session = clock::wall().millis();
    let mut slot = 0;
    let mut ask = |tenant, command| {
        slot += 1;
        let token = ReplyToken { worker, slot, generation: 0 };
        let deadline = Nanos(clock::wall().0 + 5_000_000_000);
        // A refusal is one quote less.
        exchange.submit(tenant, Request::Command { command, deadline }, token, clock::monotonic()).is_ok()
    };
    for scene in &scenes {
        for account in [scene.maker, scene.taker] {
            ask(scene.tenant, Command::CancelAll { account, market: scene.market, time: Nanos::ZERO });
        }
    }
    loop {
        for scene in &mut scenes {
            for command in scene.step(session) {
                ask(scene.tenant, command);
            }
        }
        std::thread::sleep(STEP);
        while let Some(event) = feed.next_message() {
            drop(event);
        }
        if matches!(exchange.status(), rialto_actors::exchange::Status::Stopped(_)) {
            return;
        }
    }
}

fn scenes(exchange: &Exchange) -> Vec<Scene> {
    let mut scenes = Vec::new();
    for tenant in exchange.directory().tenants() {
        let (Some(maker), Some(taker)) = (tenant.account_named("maker-bot"), tenant.account_named("taker-bot")) else {
            continue;
        };
        for market in &tenant.markets {
            // Around 7 CNY for a dollar and 60,000 dollars for a bitcoin, a little apart in the
            // two companies.
            let (start, step, size) = if market.symbol == "USDCNY" {
                (71_000 + u64::from(tenant.id.0) * 250, 2, 20_000)
            } else {
                (6_000_000 + u64::from(tenant.id.0) * 9_000, 150, 2_500)
            };
            scenes.push(Scene {
                tenant: tenant.id,
                market: market.id,
                maker,
                taker,
                start,
                middle: start,
                step,
                size,
                dice: Dice(0x5eed_0000 + u64::from(tenant.id.0) * 97 + u64::from(market.id.0)),
                quotes: VecDeque::new(),
                counter: 0,
            });
        }
    }
    scenes
}

impl Scene {
    fn step(&mut self, session: u64) -> Vec<Command> {
        let mut commands = Vec::new();
        let drift = self.dice.below(2 * self.step + 1);
        let low = self.start - self.start * WANDER_PERCENT / 100;
        let high = self.start + self.start * WANDER_PERCENT / 100;
        self.middle = (self.middle + drift).saturating_sub(self.step).clamp(low, high);
        let side = if self.dice.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = self.step * (1 + self.dice.below(25));
        let price = if side == Side::Buy { self.middle - away } else { self.middle + away };
        let size = 1 + self.dice.below(self.size);
        commands.push(self.order(self.maker, side, OrderKind::Limit, price, size, session));
        if self.quotes.len() > QUOTES
            && let Some(client_id) = self.quotes.pop_front()
        {
            commands.push(Command::Cancel(Cancel {
                account: self.maker,
                market: self.market,
                target: OrderRef { id: None, client_id: Some(client_id) },
                restriction: CancelRestriction::None,
                time: Nanos::ZERO,
            }));
        }
        if self.dice.below(4) == 0 {
            let side = if self.dice.below(2) == 0 { Side::Buy } else { Side::Sell };
            let reach = self.step * (2 + self.dice.below(12));
            let price = if side == Side::Buy { self.middle + reach } else { self.middle - reach };
            let size = 1 + self.dice.below(self.size);
            commands.push(self.order(self.taker, side, OrderKind::ImmediateOrCancel, price, size, session));
        }
        commands
    }

    fn order(
        &mut self,
        account: AccountId,
        side: Side,
        kind: OrderKind,
        price: u64,
        size: u64,
        session: u64,
    ) -> Command {
        self.counter += 1;
        let name = format!("demo-{session}-{}-{}", self.market, self.counter);
        let client_id = ClientOrderId::new(&name);
        if let Some(client_id) = client_id.filter(|_| account == self.maker) {
            self.quotes.push_back(client_id);
        }
        Command::Place(Place {
            account,
            market: self.market,
            client_id,
            side,
            kind,
            price: Price(price),
            quantity: Quantity(size),
            budget: Amount::ZERO,
            time: Nanos::ZERO,
            instructions: Instructions::default(),
        })
    }
}
