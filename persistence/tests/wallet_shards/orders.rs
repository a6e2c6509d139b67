//! Random orders of every kind, and payments between them.

use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, RailId};
use rialto_engine::label::Label;
use rialto_engine::market::{MarketDefinition, MarketFilters, Step};
use rialto_engine::message::{CancelRestriction, Phase, Protection};
use rialto_engine::order::{
    Display, Distance, Instructions, Lifetime, OrderKind, Peg, PegReference, SelfTrade, Side, Trail, Trigger,
};
use rialto_engine::transaction::{Body, FeePlan, Standing, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::wallet::{Cancel, Command, Contingency, ListRef, OrderRef, Place, PlaceList, WalletLimits};
use rialto_persistence::record::Record;

use crate::random::Random;
use crate::venue::TENANT;

pub const ACCOUNTS: u32 = 7;
const ASSETS: u16 = 3;
const MARKETS: u16 = 2;
const MILLISECOND: u64 = 1_000_000;

/// What is done next.
pub enum Act {
    Order(Command),
    Money(TransactionCommand),
    Deposit(String, AccountId, AssetId, Amount, Nanos),
}

pub struct Orders {
    random: Random,
    time: u64,
    count: u64,
    /// The owners and names of orders and of lists that may be open.
    named: Vec<(AccountId, MarketId, ClientOrderId)>,
    lists: Vec<(AccountId, MarketId, ClientOrderId)>,
    payments: Vec<Label>,
    commissions: Vec<Label>,
    tries: Vec<Label>,
    phase: [Phase; MARKETS as usize],
}

fn step(decimals: u8) -> Step {
    Step { mantissa: 1, scale: decimals }
}

/// A tenant with a market whose notionals are exact, and one whose are not.
pub fn setup(random: &mut Random) -> Vec<Record> {
    let tenant = TENANT;
    let limits = WalletLimits { closed_ids: 1 << 10, open_orders: 40 };
    let mut records = vec![Record::OpenTenant { name: "alpha".to_owned(), limits }];
    for (asset, scale) in (0..ASSETS).zip([2, 3, 1]) {
        records.push(Record::OpenAsset { tenant, name: format!("A{asset}"), scale });
    }
    let fees = [(10, 20), (-5, 30), (0, 0), (9_000, 10_000), (33, 77)];
    let filters = MarketFilters { max_orders: 25, max_waiting_orders: 6, ..MarketFilters::default() };
    let banded = MarketFilters {
        bid_up: BasisPoints(12_000),
        bid_down: BasisPoints(8_000),
        ask_up: BasisPoints(12_500),
        ask_down: BasisPoints(7_500),
        ..filters
    };
    for (number, (base, quote, tick, lot)) in [(0_u16, 1_u16, 2, 1), (0, 2, 2, 2)].into_iter().enumerate() {
        let (maker, taker) = fees[random.below(fees.len() as u64) as usize];
        let scale = |asset: u16| [2, 3, 1][usize::from(asset)];
        records.push(Record::OpenMarket {
            tenant,
            symbol: format!("M{number}"),
            definition: MarketDefinition {
                base: AssetId(base),
                base_scale: scale(base),
                quote: AssetId(quote),
                quote_scale: scale(quote),
                tick: step(tick),
                lot: step(lot),
                max_price: Price(100_000),
                max_quantity: Quantity(10_000),
                min_notional: Amount(1),
                maker_fee: FeeRate(maker),
                taker_fee: BasisPoints(taker),
                filters: if random.percent(50) { banded } else { filters },
            },
        });
    }
    records.extend((0..ACCOUNTS).map(|number| Record::OpenAccount { tenant, name: format!("user-{number}") }));
    for account in (0..ACCOUNTS).map(AccountId) {
        if random.percent(40) {
            records.push(Record::ChangeGroup { tenant, account, group: random.between(1, 2) as u32 });
        }
        for asset in (0..ASSETS).map(AssetId) {
            let amount = Amount(i128::from(random.between(1_000, 3_000_000)));
            let id = format!("first-{account}-{asset}");
            records.push(Record::Deposit { tenant, id, account, asset, amount, time: Nanos(1) });
        }
    }
    records
}

impl Orders {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            time: MILLISECOND,
            count: 0,
            named: Vec::new(),
            lists: Vec::new(),
            payments: Vec::new(),
            commissions: Vec::new(),
            tries: Vec::new(),
            phase: [Phase::Continuous; MARKETS as usize],
        }
    }

    fn name(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}-{}", self.count)
    }

    fn account(&mut self) -> AccountId {
        AccountId(self.random.below(u64::from(ACCOUNTS)) as u32)
    }

    fn market(&mut self) -> MarketId {
        MarketId(self.random.below(u64::from(MARKETS)) as u16)
    }

    fn side(&mut self) -> Side {
        if self.random.percent(50) { Side::Buy } else { Side::Sell }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.random.below(of.len() as u64) as usize])
    }

    fn price(&mut self) -> Price {
        Price(self.random.between(90, 110))
    }

    fn quantity(&mut self) -> Quantity {
        Quantity(self.random.between(1, 60))
    }

    fn instructions(&mut self, kind: OrderKind, quantity: Quantity, time: Nanos) -> Instructions {
        let mut asks = Instructions::default();
        if self.random.percent(35) {
            asks.self_trade = SelfTrade::ALL[self.random.below(5) as usize];
        }
        if self.random.percent(10) {
            asks.tag = self.random.between(1, 3);
        }
        if self.random.percent(12) && kind.may_rest() {
            let most = quantity.0.max(1);
            asks.display = if self.random.percent(50) {
                Display::Hidden
            } else {
                Display::Iceberg(Quantity(self.random.between(1, most)))
            };
        }
        if self.random.percent(8) && asks.display == Display::All {
            asks.minimum = Quantity(self.random.between(1, quantity.0.max(1)));
        }
        if self.random.percent(14) {
            let price = self.price();
            let trail = Trail { distance: Distance::Ticks(Price(self.random.between(1, 5))), activation: None };
            asks.trigger = Some(match self.random.below(4) {
                0 => Trigger::Rise(price),
                1 => Trigger::Fall(price),
                2 => Trigger::TrailRise(trail),
                _ => Trigger::TrailFall(trail),
            });
        } else if self.random.percent(6) && kind == OrderKind::Limit && asks.display == Display::All {
            let reference = PegReference::ALL[self.random.below(3) as usize];
            asks.peg = Some(Peg { reference, offset: self.random.below(5) as i64 - 2 });
        }
        if self.random.percent(10) && kind.may_rest() {
            asks.lifetime = Lifetime::Until(Nanos(time.0 + self.random.between(1, 60) * MILLISECOND));
        }
        if self.random.percent(20) && !kind.has_limit() {
            asks.slippage = BasisPoints(self.random.between(1, 900) as u32);
        }
        asks
    }

    fn place(&mut self, account: AccountId, market: MarketId, time: Nanos) -> Place {
        let kind = match self.random.below(20) {
            0 => OrderKind::ImmediateOrCancel,
            1 => OrderKind::FillOrKill,
            2 => OrderKind::PostOnly,
            3 => OrderKind::PostOnlySlide,
            4 | 5 => OrderKind::Market,
            6 => OrderKind::MarketByQuote,
            _ => OrderKind::Limit,
        };
        let quantity = self.quantity();
        let name = self.name("o");
        let client_id = ClientOrderId::new(&name).expect("a name");
        self.named.push((account, market, client_id));
        let by_quote = kind == OrderKind::MarketByQuote;
        Place {
            account,
            market,
            client_id: Some(client_id),
            side: self.side(),
            kind,
            price: if kind.has_limit() { self.price() } else { Price::ZERO },
            quantity: if by_quote { Quantity::ZERO } else { quantity },
            budget: if by_quote { Amount(i128::from(self.random.between(1, 40_000))) } else { Amount::ZERO },
            time,
            instructions: if self.random.percent(45) {
                self.instructions(kind, quantity, time)
            } else {
                Instructions::default()
            },
        }
    }

    fn list(&mut self, time: Nanos) -> Command {
        let (account, market) = (self.account(), self.market());
        let contingency = [Contingency::OneCancelsOther, Contingency::OneTriggersOther, Contingency::OneTriggersPair]
            [self.random.below(3) as usize];
        let orders = if contingency == Contingency::OneTriggersPair { 3 } else { 2 };
        let side = self.side();
        let quantity = self.quantity();
        let mut places: Vec<Place> = (0..orders).map(|_| self.place(account, market, time)).collect();
        for (number, place) in places.iter_mut().enumerate() {
            place.instructions = Instructions::default();
            place.kind = OrderKind::Limit;
            place.price = Price(self.random.between(90, 110));
            (place.quantity, place.budget) = (quantity, Amount::ZERO);
            let is_working = number == 0 && contingency != Contingency::OneCancelsOther;
            place.side = if is_working { side.opposite() } else { side };
            // The last of a pair waits for the market on its bad side.
            if number + 1 == orders && contingency != Contingency::OneTriggersOther {
                let trigger = place.price;
                place.instructions.trigger =
                    Some(if side == Side::Buy { Trigger::Rise(trigger) } else { Trigger::Fall(trigger) });
            }
        }
        let name = self.name("l");
        let client_id = ClientOrderId::new(&name).expect("a name");
        self.lists.push((account, market, client_id));
        Command::PlaceList(PlaceList { client_id: Some(client_id), contingency, places })
    }

    fn order(&mut self, time: Nanos) -> Command {
        match self.random.below(100) {
            0..58 => {
                let (account, market) = (self.account(), self.market());
                Command::Place(self.place(account, market, time))
            }
            58..66 => self.list(time),
            66..74 => {
                let Some((account, market, client_id)) = self.pick(&self.named.clone()) else {
                    return self.order(time);
                };
                let target = OrderRef { id: None, client_id: Some(client_id) };
                Command::Cancel(Cancel { account, market, target, restriction: CancelRestriction::None, time })
            }
            74..80 => {
                let Some((account, market, client_id)) = self.pick(&self.named.clone()) else {
                    return self.order(time);
                };
                let target = OrderRef { id: None, client_id: Some(client_id) };
                let restriction = CancelRestriction::None;
                let cancel = Cancel { account, market, target, restriction, time };
                let allow_failure = self.random.percent(40);
                Command::Replace { cancel, allow_failure, place: self.place(account, market, time) }
            }
            80..85 => {
                let Some((account, market, client_id)) = self.pick(&self.named.clone()) else {
                    return self.order(time);
                };
                let target = OrderRef { id: None, client_id: Some(client_id) };
                Command::Reduce { account, market, target, quantity: self.quantity(), time }
            }
            85..88 => {
                let Some((account, market, client_id)) = self.pick(&self.lists.clone()) else {
                    return self.order(time);
                };
                let target = ListRef { id: None, client_id: Some(client_id) };
                Command::CancelList { account, market, target, time }
            }
            88..90 => Command::CancelAll { account: self.account(), market: self.market(), time },
            90..92 => {
                let account = self.random.percent(50).then(|| self.account());
                let side = self.random.percent(50).then(|| self.side());
                let tag = self.random.percent(60).then(|| self.random.between(1, 3));
                Command::CancelMany { account, market: self.market(), side, tag, time }
            }
            92..97 => {
                let market = self.market();
                let phases = [Phase::Auction, Phase::Continuous, Phase::PreOpen, Phase::Halted, Phase::Continuous];
                // A market does not stay where nobody trades.
                let now = self.phase[usize::from(market.0)];
                let phase =
                    if now == Phase::Continuous { phases[self.random.below(5) as usize] } else { Phase::Continuous };
                self.phase[usize::from(market.0)] = phase;
                let ends = phase != Phase::Continuous && self.random.percent(30);
                let until = if ends { Nanos(time.0 + self.random.between(2, 20) * MILLISECOND) } else { Nanos::ZERO };
                if ends {
                    self.phase[usize::from(market.0)] = Phase::Continuous;
                }
                Command::Enter { market, phase, until, time }
            }
            97..98 => {
                let band = BasisPoints(self.random.between(0, 1_500) as u32);
                let interruption = Nanos(self.random.between(1, 10) * MILLISECOND);
                let protection = Protection { static_band: band, dynamic_band: band, interruption, reference: None };
                Command::Protect { market: self.market(), protection, time }
            }
            _ => Command::Advance { market: self.market(), time },
        }
    }

    fn label(&mut self, prefix: &str) -> Label {
        Label::new(&self.name(prefix)).expect("a label")
    }

    fn money(&mut self, time: Nanos) -> TransactionCommand {
        let (from, to) = (self.account(), self.account());
        let asset = AssetId(self.random.below(u64::from(ASSETS)) as u16);
        let amount = Amount(i128::from(match self.random.below(10) {
            0 => self.random.between(0, 5),
            1 => self.random.between(1, 50_000_000),
            _ => self.random.between(1, 60_000),
        }));
        let held = self.random.percent(45);
        let body = match self.random.below(15) {
            0..3 => Body::Transfer { from, to, asset, amount, held },
            3..6 => Body::Payment { payer: from, merchant: to, asset, amount, held },
            6 => match self.pick(&self.payments.clone()) {
                Some(payment) => Body::Refund { payment, amount, held },
                None => Body::Transfer { from, to, asset, amount, held },
            },
            7 => Body::FeeShare { asset, rate: BasisPoints(self.random.between(1, 5_000) as u32) },
            8 => {
                let standing = [Standing::Frozen, Standing::Active, Standing::Active, Standing::Closed]
                    [self.random.below(4) as usize];
                return TransactionCommand::ChangeStanding { account: from, standing };
            }
            9 => {
                let fee = FeePlan { fixed: Amount(2), rate: BasisPoints(self.random.below(200) as u32) };
                let kind = [TransactionKind::Payment, TransactionKind::Withdrawal][self.random.below(2) as usize];
                return TransactionCommand::ChangeFee { kind, asset, fee };
            }
            10 => {
                let limit = Amount(i128::from(self.random.below(3) * self.random.between(1, 100_000)));
                return TransactionCommand::ChangeCredit { account: from, asset, limit };
            }
            11 => match self.pick(&self.commissions.clone()) {
                Some(commission) if self.random.percent(60) => Body::ClawBack { commission, amount },
                _ => Body::Commission { agent: from, asset, amount },
            },
            _ => match self.pick(&self.tries.clone()) {
                Some(id) if self.random.percent(70) => {
                    let amount = if self.random.percent(60) { Amount::ZERO } else { amount };
                    return TransactionCommand::Confirm { id, amount, time };
                }
                Some(id) => return TransactionCommand::Cancel { id, time },
                None => Body::Transfer { from, to, asset, amount, held },
            },
        };
        let id = self.label("t");
        if matches!(body, Body::Payment { .. }) {
            self.payments.push(id);
        }
        if matches!(body, Body::Commission { .. }) {
            self.commissions.push(id);
        }
        self.tries.push(id);
        TransactionCommand::Try { id, body, rail: RailId::DIRECT, until: Nanos::ZERO, time }
    }

    pub fn next(&mut self) -> Act {
        self.time += self.random.between(1, 5) * MILLISECOND;
        let time = Nanos(self.time);
        match self.random.below(100) {
            0..72 => Act::Order(self.order(time)),
            72..97 => Act::Money(self.money(time)),
            _ => {
                let account = self.account();
                let asset = AssetId(self.random.below(u64::from(ASSETS)) as u16);
                let amount = Amount(i128::from(self.random.between(1, 400_000)));
                Act::Deposit(self.name("d"), account, asset, amount, time)
            }
        }
    }
}
