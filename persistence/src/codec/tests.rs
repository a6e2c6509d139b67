//! Everything that is written reads back as it was: random values of every variant of the engine's
//! types. The number of variants written is counted, so that none is forgotten here.

mod transactions;

use std::collections::BTreeSet;

use rialto_engine::book::{BookSnapshot, DarkOrder, SpecialOrder, Stage, WaitingOrder};
use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId, ShardId, TenantId, TradeId};
use rialto_engine::market::{MarketDefinition, MarketFilters, Step};
use rialto_engine::message::{
    BookCommand, BookEvent, BookOutcome, Expiry, Fill, Phase, Placement, Protection, ToBook, ToWallet,
};
use rialto_engine::order::{
    Activation, Display, Distance, Instructions, Lifetime, Link, NewOrder, OrderKind, Peg, PegReference, SelfTrade,
    Trail, Trigger,
};
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Notional, Price, Quantity};
use rialto_engine::wallet::{Cancel, Command, ListRef, OrderRef, Place, PlaceList};

use super::further::WireBookFurther;
use super::instructions::WireInstructions;
use super::message::{WireToBook, WireToWallet};
use super::more::WireEvent;
use super::snapshot::Output;
use super::*;
use crate::record::Record;

const ROUNDS: usize = 4_000;

/// The best generator that fits two lines.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn wide(&mut self) -> u64 {
        let bits = self.below(64);
        (self.below(1 << 31) << 32 | self.below(1 << 31)) >> bits
    }

    fn narrow(&mut self) -> u32 {
        self.wide() as u32
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.coin() { Some(value(self)) } else { None }
    }

    fn some<T>(&mut self, mut value: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| value(self)).collect()
    }

    fn amount(&mut self) -> Amount {
        Amount(i128::from(self.wide()) * if self.coin() { 1 << 40 } else { -1 })
    }

    fn account(&mut self) -> AccountId {
        AccountId(self.narrow())
    }

    fn order_id(&mut self) -> OrderId {
        OrderId(self.wide())
    }

    fn market(&mut self) -> MarketId {
        MarketId(self.wide() as u16)
    }

    fn client_id(&mut self) -> ClientOrderId {
        ClientOrderId::new(&format!("c-{}", self.wide())).expect("valid")
    }

    fn trail(&mut self) -> Trail {
        let distance =
            if self.coin() { Distance::Share(BasisPoints(self.narrow())) } else { Distance::Ticks(Price(self.wide())) };
        let activation = self.maybe(|random| {
            let price = Price(random.wide());
            if random.coin() { Activation::Rise(price) } else { Activation::Fall(price) }
        });
        Trail { distance, activation }
    }

    fn trigger(&mut self) -> Trigger {
        match self.below(4) {
            0 => Trigger::Rise(Price(self.wide())),
            1 => Trigger::Fall(Price(self.wide())),
            2 => Trigger::TrailRise(self.trail()),
            _ => Trigger::TrailFall(self.trail()),
        }
    }

    /// Often nothing, often what the first form says, often more.
    fn instructions(&mut self) -> Instructions {
        let plain = Instructions::default();
        if self.below(4) == 0 {
            return plain;
        }
        let first =
            Instructions { self_trade: self.pick(&SelfTrade::ALL), trigger: self.maybe(Self::trigger), ..plain };
        if self.coin() {
            return first;
        }
        Instructions {
            group: self.narrow(),
            display: match self.below(3) {
                0 => Display::All,
                1 => Display::Iceberg(Quantity(self.wide())),
                _ => Display::Hidden,
            },
            minimum: Quantity(self.wide()),
            peg: self.maybe(|random| Peg {
                reference: random.pick(&PegReference::ALL),
                offset: random.wide().cast_signed() * if random.coin() { 1 } else { -1 },
            }),
            lifetime: match self.below(3) {
                0 => Lifetime::UntilCancelled,
                1 => Lifetime::Until(Nanos(self.wide())),
                _ => Lifetime::Day(Nanos(self.wide())),
            },
            slippage: BasisPoints(self.narrow()),
            tag: self.wide(),
            link: self.maybe(|random| Link {
                list: random.order_id(),
                partner: random.maybe(Self::order_id),
                after: random.maybe(Self::order_id),
            }),
            ..first
        }
    }

    fn place(&mut self) -> Place {
        Place {
            account: self.account(),
            market: self.market(),
            client_id: self.maybe(Self::client_id),
            side: self.pick(&SIDES),
            kind: self.pick(&OrderKind::ALL),
            price: Price(self.wide()),
            quantity: Quantity(self.wide()),
            budget: self.amount(),
            time: Nanos(self.wide()),
            instructions: self.instructions(),
        }
    }

    fn cancel(&mut self) -> Cancel {
        Cancel {
            account: self.account(),
            market: self.market(),
            target: self.target(),
            restriction: self.pick(&RESTRICTIONS),
            time: Nanos(self.wide()),
        }
    }

    fn target(&mut self) -> OrderRef {
        OrderRef { id: self.maybe(Self::order_id), client_id: self.maybe(Self::client_id) }
    }

    fn protection(&mut self) -> Protection {
        Protection {
            static_band: BasisPoints(self.narrow()),
            dynamic_band: BasisPoints(self.narrow()),
            interruption: Nanos(self.wide()),
            reference: self.maybe(|random| Price(random.wide())),
        }
    }

    fn filters(&mut self) -> MarketFilters {
        if self.coin() {
            return MarketFilters::default();
        }
        MarketFilters {
            min_price: Price(self.wide()),
            min_quantity: Quantity(self.wide()),
            max_market_quantity: Quantity(self.wide()),
            max_notional: self.amount(),
            bid_up: BasisPoints(self.narrow()),
            bid_down: BasisPoints(self.narrow()),
            ask_up: BasisPoints(self.narrow()),
            ask_down: BasisPoints(self.narrow()),
            max_orders: self.narrow(),
            max_waiting_orders: self.narrow(),
            max_position: self.amount(),
            iceberg_parts: self.narrow(),
            min_trail_above: BasisPoints(self.narrow()),
            max_trail_above: BasisPoints(self.narrow()),
            min_trail_below: BasisPoints(self.narrow()),
            max_trail_below: BasisPoints(self.narrow()),
        }
    }

    fn definition(&mut self) -> MarketDefinition {
        MarketDefinition {
            base: AssetId(self.wide() as u16),
            base_scale: self.wide() as u8,
            quote: AssetId(self.wide() as u16),
            quote_scale: self.wide() as u8,
            tick: Step { mantissa: self.wide(), scale: self.wide() as u8 },
            lot: Step { mantissa: self.wide(), scale: self.wide() as u8 },
            max_price: Price(self.wide()),
            max_quantity: Quantity(self.wide()),
            min_notional: self.amount(),
            maker_fee: FeeRate(self.narrow().cast_signed()),
            taker_fee: BasisPoints(self.narrow()),
            filters: self.filters(),
        }
    }

    fn command(&mut self) -> Command {
        let time = Nanos(self.wide());
        match self.below(11) {
            0 => Command::Place(self.place()),
            1 => Command::Cancel(self.cancel()),
            2 => Command::CancelAll { account: self.account(), market: self.market(), time },
            3 => Command::Reduce {
                account: self.account(),
                market: self.market(),
                target: self.target(),
                quantity: Quantity(self.wide()),
                time,
            },
            4 => Command::Replace { cancel: self.cancel(), allow_failure: self.coin(), place: self.place() },
            5 => Command::PlaceList(PlaceList {
                client_id: self.maybe(Self::client_id),
                contingency: self.pick(&CONTINGENCIES),
                places: self.some(Self::place),
            }),
            6 => Command::CancelList {
                account: self.account(),
                market: self.market(),
                target: ListRef { id: self.maybe(Self::order_id), client_id: self.maybe(Self::client_id) },
                time,
            },
            7 => Command::CancelMany {
                account: self.maybe(Self::account),
                market: self.market(),
                side: self.maybe(|random| random.pick(&SIDES)),
                tag: self.maybe(Self::wide),
                time,
            },
            8 => {
                let (market, phase) = (self.market(), self.pick(&Phase::ALL));
                Command::Enter { market, phase, until: Nanos(self.wide()), time }
            }
            9 => Command::Protect { market: self.market(), protection: self.protection(), time },
            _ => Command::Advance { market: self.market(), time },
        }
    }

    fn record(&mut self) -> Record {
        let (tenant, market) = (TenantId(self.narrow()), self.market());
        let limits = WalletLimits { closed_ids: self.narrow(), open_orders: self.narrow() };
        let name = self.client_id().as_str().to_owned();
        let shard = ShardId(self.below(3) as u16);
        match self.below(16) {
            0 => Record::OpenTenant { name, limits },
            1 => Record::ChangeLimits { tenant, limits },
            2 => Record::OpenAsset { tenant, name, scale: 7 },
            3 => Record::OpenMarket { tenant, symbol: name, definition: self.definition() },
            4 => Record::ChangeMarket { tenant, market, definition: self.definition() },
            5 => Record::OpenAccount { tenant, name },
            6 => Record::ChangeGroup { tenant, account: self.account(), group: self.narrow() },
            7 => Record::Deposit {
                tenant,
                id: name,
                account: self.account(),
                asset: AssetId(3),
                amount: self.amount(),
                time: Nanos(self.wide()),
            },
            8 => Record::BookReceived { tenant, shard, market, through: self.wide(), digest: self.wide() },
            9 => Record::WalletReceived { tenant, shard, market, through: self.wide(), digest: self.wide() },
            10 => Record::Share { tenant, shards: self.below(64) as u16 },
            11 => Record::ShardReceived {
                tenant,
                shard,
                from: ShardId(self.below(64) as u16),
                through: self.wide(),
                digest: self.wide(),
            },
            _ => Record::Command { tenant, shard, command: self.command() },
        }
    }

    fn new_order(&mut self) -> NewOrder {
        NewOrder {
            id: self.order_id(),
            account: self.account(),
            side: self.pick(&SIDES),
            kind: self.pick(&OrderKind::ALL),
            limit: Price(self.wide()),
            quantity: Quantity(self.wide()),
            budget: Notional(self.wide()),
            time: Nanos(self.wide()),
            instructions: self.maybe(Self::instructions),
        }
    }

    fn command_to_book(&mut self) -> ToBook {
        let command = match self.below(9) {
            0 => BookCommand::Place(self.new_order()),
            1 => BookCommand::Cancel { order: self.order_id(), restriction: self.pick(&RESTRICTIONS) },
            2 => BookCommand::CancelMany(self.some(Self::order_id).into()),
            3 => BookCommand::Reduce { order: self.order_id(), quantity: Quantity(self.wide()) },
            4 => BookCommand::Replace {
                old: self.order_id(),
                restriction: self.pick(&RESTRICTIONS),
                allow_failure: self.coin(),
                old_remaining_needed: Quantity(self.wide()),
                new: self.new_order(),
            },
            5 => BookCommand::PlaceList(self.some(Self::new_order).into()),
            6 => BookCommand::Enter { phase: self.pick(&Phase::ALL), until: Nanos(self.wide()) },
            7 => BookCommand::Protect(self.protection()),
            _ => BookCommand::Advance,
        };
        ToBook { number: self.wide(), time: Nanos(self.wide()), command }
    }

    fn placement(&mut self) -> Placement {
        let remaining = Quantity(self.wide());
        match self.below(7) {
            0 => Placement::Filled,
            1 => Placement::Resting { remaining },
            2 => Placement::Slid { remaining, price: Price(self.wide()) },
            3 => Placement::Waiting,
            4 => Placement::Pending,
            5 => Placement::Expired { remaining, reason: self.pick(&Expiry::ALL) },
            _ => Placement::Rejected(self.pick(&Reason::ALL)),
        }
    }

    fn answer_to_wallet(&mut self) -> ToWallet {
        let order = self.order_id();
        let canceled = if self.coin() { Ok(Quantity(self.wide())) } else { Err(self.pick(&Reason::ALL)) };
        let outcome = match self.below(12) {
            0 => BookOutcome::Placed { order, placement: self.placement() },
            1 => BookOutcome::Canceled { order, remaining: Quantity(self.wide()) },
            2 => BookOutcome::CancelRejected { order, reason: self.pick(&Reason::ALL) },
            3 => BookOutcome::CanceledMany(self.some(|random| (random.order_id(), Quantity(random.wide())))),
            4 => BookOutcome::Reduced { order, quantity: Quantity(self.wide()) },
            5 => BookOutcome::ReduceRejected { order, reason: self.pick(&Reason::ALL) },
            6 => {
                BookOutcome::Replaced { old: order, canceled, new: OrderId(9), placement: self.maybe(Self::placement) }
            }
            7 => BookOutcome::Continued,
            8 => BookOutcome::PlacedList(self.some(|random| (random.order_id(), random.placement()))),
            9 => BookOutcome::Entered(self.pick(&Phase::ALL)),
            10 => BookOutcome::Protected,
            _ => BookOutcome::Advanced,
        };
        let fill = |random: &mut Self| Fill {
            trade: TradeId(random.wide()),
            aggregate: random.wide(),
            price: Price(random.wide()),
            quantity: Quantity(random.wide()),
            taker_side: random.pick(&SIDES),
            maker: random.order_id(),
            maker_account: random.account(),
            maker_remaining: Quantity(random.wide()),
            taker: random.order_id(),
            taker_account: random.account(),
            taker_remaining: Quantity(random.wide()),
        };
        // Events of a message stand elsewhere in a snapshot.
        ToWallet { number: self.wide(), time: Nanos(self.wide()), fills: self.some(fill), outcome, events: Vec::new() }
    }

    fn event(&mut self) -> BookEvent {
        let (order, after) = (self.order_id(), self.narrow());
        match self.below(5) {
            0 => BookEvent::Lapsed { order, remaining: Quantity(self.wide()), after, reason: self.pick(&Expiry::ALL) },
            1 => BookEvent::Decremented {
                maker: order,
                taker: self.order_id(),
                quantity: Quantity(self.wide()),
                maker_remaining: Quantity(self.wide()),
                after,
            },
            2 => BookEvent::PhaseChanged { phase: self.pick(&Phase::ALL), after },
            3 => BookEvent::Resumed { order, placement: self.placement(), fills: after },
            _ => BookEvent::Triggered { order, placement: self.placement(), fills: after },
        }
    }

    /// Of a book, what version 3 of a snapshot holds.
    fn book(&mut self) -> BookSnapshot {
        let mut sequence = 0;
        BookSnapshot {
            waiting: self.some(|random| {
                sequence += 1 + random.below(3);
                let stage = match random.below(4) {
                    0 => Stage::Awaits,
                    1 => Stage::Activated,
                    2 => Stage::Follows(Price(random.wide())),
                    _ => Stage::Fired,
                };
                // What version 2 holds is not written again.
                let asks = Instructions { tag: 1 + random.wide(), ..random.instructions() };
                WaitingOrder { order: NewOrder { instructions: Some(asks), ..random.new_order() }, sequence, stage }
            }),
            special: self.some(|random| SpecialOrder {
                id: random.order_id(),
                instructions: random.instructions(),
                reserve: Quantity(random.wide()),
            }),
            dark: self.some(|random| DarkOrder {
                order: random.new_order(),
                remaining: Quantity(random.wide()),
                sequence: random.wide(),
            }),
            darkened: self.wide(),
            pending: self.some(Self::new_order),
            phase: self.pick(&Phase::ALL),
            until: Nanos(self.wide()),
            protection: self.protection(),
            groups: self.some(|random| (random.account(), random.narrow())),
            ..BookSnapshot::default()
        }
    }
}

fn round_trip<Wire: Encode + Decode<()>>(wire: Wire) -> Wire {
    let bytes = bincode::encode_to_vec(wire, CONFIGURATION).expect("encodable");
    let (wire, length) = bincode::decode_from_slice(&bytes, CONFIGURATION).expect("decodable");
    assert_eq!(length, bytes.len());
    wire
}

#[test]
fn every_record_reads_back_as_it_was() {
    let mut random = Random(1);
    let mut variants = BTreeSet::new();
    for _ in 0..ROUNDS {
        let record = random.record();
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes);
        assert_eq!(decode_record(&bytes).as_ref(), Ok(&record));
        bytes.push(0);
        assert!(decode_record(&bytes).is_err(), "a byte too many");
        // The number of the record's variant, and of the command's.
        variants.insert((bytes[0], (bytes[0] == 7).then(|| bytes[8])));
    }
    let commands = variants.iter().filter(|(record, _)| *record == 7).count();
    assert_eq!((variants.len() - commands, commands), (17, 15), "every variant was written");
}

#[test]
fn every_message_reads_back_as_it_was() {
    let mut random = Random(2);
    for _ in 0..ROUNDS {
        let mut message = random.command_to_book();
        let read = ToBook::try_from(round_trip(WireToBook::from(&message))).expect("known");
        // What the first form of instructions says stands elsewhere in a snapshot.
        if let BookCommand::Place(order) | BookCommand::Replace { new: order, .. } = &mut message.command
            && order.instructions.is_some_and(|asks| WireInstructions::of(&asks).is_some())
        {
            order.instructions = None;
        }
        assert_eq!(read, message);
        let message = random.answer_to_wallet();
        assert_eq!(ToWallet::try_from(round_trip(WireToWallet::from(&message))), Ok(message));
        let event = random.event();
        assert_eq!(BookEvent::try_from(round_trip(WireEvent::from(&event))), Ok(event));
    }
}

#[test]
fn every_book_reads_back_as_it_was() {
    let mut random = Random(3);
    for _ in 0..ROUNDS {
        let book = random.book();
        let mut bytes = Vec::new();
        Output::to(&mut bytes).book_further(&book).expect("a buffer takes all");
        let (wire, length): (WireBookFurther, usize) =
            bincode::decode_from_slice(&bytes, CONFIGURATION).expect("decodable");
        assert_eq!(length, bytes.len());
        let mut read = BookSnapshot::default();
        wire.add_to(&mut read).expect("known");
        assert_eq!(read, book);
    }
}

#[test]
fn tables_hold_every_value_at_its_place() {
    let numbers = |count: usize| (0..u8::try_from(count).expect("few")).collect::<Vec<_>>();
    assert_eq!(OrderKind::ALL.map(|kind| number_of(&KINDS, &kind)).to_vec(), numbers(KINDS.len()));
    assert_eq!(Expiry::ALL.map(|expiry| number_of(&EXPIRIES, &expiry)).to_vec(), numbers(EXPIRIES.len()));
    assert_eq!(Phase::ALL.map(|phase| number_of(&PHASES, &phase)).to_vec(), numbers(PHASES.len()));
    assert_eq!(SelfTrade::ALL.map(|mode| number_of(&SELF_TRADES, &mode)).to_vec(), numbers(SELF_TRADES.len()));
    let references = PegReference::ALL.map(|reference| number_of(&PEG_REFERENCES, &reference));
    assert_eq!(references.to_vec(), numbers(PEG_REFERENCES.len()));
}
