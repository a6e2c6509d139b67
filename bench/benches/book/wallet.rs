//! Book and wallet together, in one thread and without a journal: a command is checked, funded,
//! matched, settled with its fees, and its owners are told.

use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId};
use rialto_engine::market::{MarketDefinition, MarketFilters, MarketSpec, Step};
use rialto_engine::message::CancelRestriction;
use rialto_engine::order::{Instructions, OrderKind};
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::wallet::{
    Cancel, Command as WalletCommand, OrderRef, Place, Submitted, Wallet, WalletLimits, WalletOutput,
};

use crate::engines::{Engine, Outcome};
use crate::workload::{Change, Command, Side, Workload};

const USERS: u32 = 1_000;

/// A tenant with one market and a thousand users, of whom each trades in turn; fees of 10 and 20
/// basis points, so that every fill makes four transfers.
///
/// The wallet numbers orders itself. They are known beforehand, since it refuses none here: the
/// stream is put into its numbers before the clock starts, and fills are put back for the hash.
/// With `NAMED`, clients name their orders; otherwise the wallet makes names.
pub struct BookAndWallet<const NAMED: bool> {
    wallet: Wallet,
    book: Book,
    wallet_output: WalletOutput,
    book_output: BookOutput,
    /// The stream in the wallet's numbers.
    steps: Vec<Command>,
    /// By the wallet's number, the number that the order had first in the stream.
    first_of: Vec<u32>,
    last: u32,
}

impl<const NAMED: bool> Engine for BookAndWallet<NAMED> {
    fn new(workload: &Workload) -> Self {
        let mut wallet = Wallet::new(WalletLimits::default());
        wallet.open_asset();
        wallet.open_asset();
        wallet.open_market(market());
        let mut output = WalletOutput::default();
        for user in 0..USERS {
            wallet.open_account();
            for asset in [BASE, QUOTE] {
                let id = format!("{user}-{asset}");
                let funds = Amount(10_i128.pow(16));
                let credited = wallet.deposit(&id, AccountId(user), asset, funds, Nanos::ZERO, &mut output);
                assert_eq!(credited, Ok(()), "a first deposit");
            }
        }
        let mut first_of = vec![0];
        let mut number_of = vec![0; workload.commands.len()];
        let step = |(id, command): (u32, &Command)| {
            let numbers = u32::try_from(first_of.len()).expect("fewer orders than commands");
            let mut step = *command;
            match &mut step {
                Command::Place { .. } => {
                    number_of[id as usize] = numbers;
                    first_of.push(id);
                }
                Command::Cancel { latest, .. } | Command::Change { change: Change::Reduce, latest, .. } => {
                    *latest = number_of[*latest as usize]
                }
                Command::Change { change: Change::Move, order, latest, .. } => {
                    *latest = number_of[*latest as usize];
                    number_of[id as usize] = numbers;
                    first_of.push(*order);
                }
            }
            step
        };
        Self {
            steps: (0..).zip(&workload.commands).map(step).collect(),
            first_of,
            wallet,
            book: Book::new(),
            wallet_output: output,
            book_output: BookOutput::default(),
            last: 0,
        }
    }

    #[inline]
    fn execute(&mut self, id: u32, _: &Command, outcome: &mut Outcome) {
        self.wallet_output.clear();
        self.book_output.clear();
        let command = self.command(id);
        let Submitted::Forwarded { market, message } = self.wallet.submit(&command, &mut self.wallet_output) else {
            outcome.refuse(id);
            return;
        };
        let answer = self.book.receive(&message, &mut self.book_output).expect("a message that is new");
        self.wallet.settle(market, &answer, &mut self.wallet_output).expect("an answer that is new");
        for fill in &answer.fills {
            let first_of = |order: OrderId| self.first_of[usize::try_from(order.0).expect("a small number")];
            outcome.fill(first_of(fill.maker).into(), first_of(fill.taker).into(), fill.price.0, fill.quantity.0);
        }
        self.book_output.recycle(answer);
    }
}

impl<const NAMED: bool> BookAndWallet<NAMED> {
    #[inline]
    fn command(&mut self, id: u32) -> WalletCommand {
        let time = Nanos(id.into());
        let cancel = |number: u32, account| Cancel {
            account,
            market: MarketId(0),
            target: target(number),
            restriction: CancelRestriction::None,
            time,
        };
        match self.steps[id as usize] {
            Command::Place { side, immediate, price, quantity } => {
                let kind = if immediate { OrderKind::ImmediateOrCancel } else { OrderKind::Limit };
                WalletCommand::Place(self.place(id, id, side, kind, price, quantity))
            }
            Command::Cancel { order, latest } => WalletCommand::Cancel(cancel(latest, owner(order))),
            Command::Change { change: Change::Reduce, order, latest, price_or_total: total, .. } => {
                WalletCommand::Reduce {
                    account: owner(order),
                    market: MarketId(0),
                    target: target(latest),
                    quantity: Quantity(total.into()),
                    time,
                }
            }
            Command::Change { change: Change::Move, order, latest, side, price_or_total: price, quantity } => {
                WalletCommand::Replace {
                    cancel: cancel(latest, owner(order)),
                    allow_failure: false,
                    place: self.place(id, order, side, OrderKind::Limit, price, quantity),
                }
            }
        }
    }

    #[inline]
    fn place(&mut self, id: u32, first: u32, side: Side, kind: OrderKind, price: u32, quantity: u32) -> Place {
        self.last += 1;
        Place {
            account: owner(first),
            market: MarketId(0),
            client_id: NAMED.then(|| name(self.last)),
            side: match side {
                Side::Buy => rialto_engine::order::Side::Buy,
                Side::Sell => rialto_engine::order::Side::Sell,
            },
            kind,
            price: Price(price.into()),
            quantity: Quantity(quantity.into()),
            budget: Amount::ZERO,
            time: Nanos(id.into()),
            instructions: Instructions::default(),
        }
    }
}

const BASE: AssetId = AssetId(0);
const QUOTE: AssetId = AssetId(1);

fn market() -> MarketSpec {
    let definition = MarketDefinition {
        base: BASE,
        base_scale: 2,
        quote: QUOTE,
        quote_scale: 6,
        tick: Step { mantissa: 1, scale: 4 },
        lot: Step { mantissa: 1, scale: 2 },
        max_price: Price(10_000_000),
        max_quantity: Quantity(1_000_000_000),
        min_notional: Amount::ZERO,
        maker_fee: FeeRate(10),
        taker_fee: BasisPoints(20),
        filters: MarketFilters::default(),
    };
    MarketSpec::open(&definition).expect("a plain market")
}

/// Spread over all users, whatever kinds of commands follow each other.
fn owner(first: u32) -> AccountId {
    AccountId((first.wrapping_mul(2_654_435_769) >> 8) % USERS)
}

fn target(number: u32) -> OrderRef {
    OrderRef { id: Some(OrderId(number.into())), client_id: None }
}

/// Twelve characters, made without an allocation: making it is not the wallet's work.
fn name(number: u32) -> ClientOrderId {
    let mut text = *b"desk00000000";
    for (place, byte) in (0..).zip(&mut text[4..]) {
        *byte = b"0123456789abcdef"[(number >> (28 - 4 * place) & 15) as usize];
    }
    ClientOrderId::new(std::str::from_utf8(&text).expect("ASCII")).expect("of the allowed alphabet")
}
