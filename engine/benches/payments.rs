//! How many transactions a wallet carries out, one thread, nothing but the engine.
//!
//! `cargo bench -p rialto-engine --bench payments` fills the table of known ids with ten million
//! transfers first, and then measures. Every command is made before the clock starts; output is cleared
//! after every command, as the wallet's actor does. `-- 1000000 100000` fills it with a million instead,
//! and measures a hundred thousand. Without `--bench`, as under `cargo test`, it is a quick check.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rialto_engine::ids::{AccountId, AssetId, RailId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Body, FeePlan, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::wallet::{Wallet, WalletLimits, WalletOutput};

const ACCOUNTS: u32 = 100_000;
const BATCH: u64 = 2_000;

/// How much is done: how many ids are known before, and how many commands are measured.
struct Scale {
    known: u64,
    measured: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let mut counts = arguments.iter().filter_map(|argument| argument.parse().ok());
    let scale = if is_bench {
        Scale { known: counts.next().unwrap_or(10_000_000), measured: counts.next().unwrap_or(5_000_000) }
    } else {
        Scale { known: 20_000, measured: 20_000 }
    };
    let mut run = Run::new();
    let filling = run.transfers(scale.known);
    report("transfers while ids become known", scale.known, &filling);
    let measured = run.transfers(scale.measured);
    report("immediate transfers", scale.measured, &measured);
    let measured = run.payments(scale.measured);
    report("immediate payments with a fee", scale.measured, &measured);
    let measured = run.pairs(scale.measured, 0);
    report("transfers held and confirmed at once, pairs", scale.measured, &measured);
    let measured = run.pairs(scale.measured, scale.measured / 10);
    report("transfers held and confirmed later, pairs", scale.measured, &measured);
    let measured = run.repetitions(scale.measured);
    report("transfers that came before", scale.measured, &measured);
    println!("{} transactions known, digest {:016x}", run.wallet.transactions(), run.wallet.digest().0);
}

/// What it took.
struct Measured {
    total: Duration,
    /// Of every command, in order.
    each: Vec<u32>,
}

fn report(what: &str, count: u64, measured: &Measured) {
    let mut each = measured.each.clone();
    each.sort_unstable();
    let at = |share: f64| each[((each.len() - 1) as f64 * share) as usize];
    println!(
        "{what}: {count} in {:.3} s, {:.2} M/s; p50 {} ns, p99 {} ns, p99.99 {} ns, longest {} us",
        measured.total.as_secs_f64(),
        count as f64 / measured.total.as_secs_f64() / 1e6,
        at(0.5),
        at(0.99),
        at(0.9999),
        at(1.0) / 1_000,
    );
}

struct Run {
    wallet: Wallet,
    output: WalletOutput,
    next: u64,
    random: u64,
}

impl Run {
    fn new() -> Self {
        let mut wallet = Wallet::new(WalletLimits::default());
        let mut output = WalletOutput::default();
        wallet.open_asset();
        for account in 0..ACCOUNTS {
            wallet.open_account();
            let (account, amount) = (AccountId(account), Amount(1 << 60));
            let id = format!("opening-{account}");
            wallet.deposit(&id, account, AssetId(0), amount, Nanos(1), &mut output).expect("it is taken");
            output.clear();
        }
        let fee = FeePlan { fixed: Amount(1), rate: BasisPoints(30) };
        let plan = TransactionCommand::ChangeFee { kind: TransactionKind::Payment, asset: AssetId(0), fee };
        wallet.transact(&plan, &mut output).expect("it is a plan");
        Self { wallet, output, next: 0, random: 42 }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) % u64::from(bound)) as u32
    }

    fn pair(&mut self) -> (AccountId, AccountId) {
        let from = self.below(ACCOUNTS);
        let to = (from + 1 + self.below(ACCOUNTS - 1)) % ACCOUNTS;
        (AccountId(from), AccountId(to))
    }

    fn body(number: u64, held: bool) -> Body {
        // A function of the number, so that it can come again.
        let from = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32 % ACCOUNTS;
        let to = (from + 1 + (number % 1_000) as u32) % ACCOUNTS;
        let amount = Amount(1 + i128::from(number % 1_000));
        Body::Transfer { from: AccountId(from), to: AccountId(to), asset: AssetId(0), amount, held }
    }

    fn attempt(number: u64, body: Body) -> TransactionCommand {
        let id = Label::new(&format!("order-{number:012}")).expect("it is one");
        TransactionCommand::Try { id, body, rail: RailId::DIRECT, until: Nanos::ZERO, time: Nanos(1_000 + number) }
    }

    fn transfers(&mut self, count: u64) -> Measured {
        self.batches(count, 1, |_, number| vec![Self::attempt(number, Self::body(number, false))])
    }

    /// The first transfers, which were all done at once, tried again.
    fn repetitions(&mut self, count: u64) -> Measured {
        let done = self.next;
        let measured = self.batches(count, 1, |_, number| {
            let number = number - done;
            vec![Self::attempt(number, Self::body(number, false))]
        });
        self.next = done;
        measured
    }

    fn payments(&mut self, count: u64) -> Measured {
        self.batches(count, 1, |run, number| {
            let (payer, merchant) = run.pair();
            let amount = Amount(1_000 + i128::from(number % 1_000));
            vec![Self::attempt(number, Body::Payment { payer, merchant, asset: AssetId(0), amount, held: false })]
        })
    }

    /// Every hold is confirmed after so many others were held.
    fn pairs(&mut self, count: u64, later: u64) -> Measured {
        let first = self.next + 1;
        self.batches(count, 2, |_, number| {
            let hold = Self::attempt(number, Self::body(number, true));
            if number < first + later {
                return vec![hold];
            }
            let id = Label::new(&format!("order-{:012}", number - later)).expect("it is one");
            let time = Nanos(1_001 + number);
            vec![hold, TransactionCommand::Confirm { id, amount: Amount::ZERO, time }]
        })
    }

    fn batches(
        &mut self,
        count: u64,
        at_once: usize,
        make: impl Fn(&mut Self, u64) -> Vec<TransactionCommand>,
    ) -> Measured {
        let mut measured = Measured { total: Duration::ZERO, each: Vec::new() };
        let mut left = count;
        while left > 0 {
            let mut commands = Vec::with_capacity(BATCH as usize * at_once);
            for _ in 0..left.min(BATCH) {
                let number = self.next + 1;
                commands.extend(make(self, number));
                self.next += 1;
            }
            left -= left.min(BATCH);
            measured.each.reserve(commands.len());
            let began = Instant::now();
            let mut before = began;
            for command in &commands {
                let result = self.wallet.transact(command, &mut self.output);
                assert!(result.is_ok(), "{command:?} was refused: {result:?}");
                black_box(&self.output);
                self.output.clear();
                let now = Instant::now();
                measured.each.push(u32::try_from((now - before).as_nanos()).unwrap_or(u32::MAX));
                before = now;
            }
            measured.total += began.elapsed();
        }
        measured
    }
}
