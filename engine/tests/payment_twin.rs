//! The money half against a naive twin: deposits, withdrawals, transfers, payments, refunds,
//! commissions and corrections, with rails that say anything at any time, beside orders that trade
//! and hold the same money. After every step everything that can be seen is compared.
//!
//! `RIALTO_PAYMENT_OPS` sets how many steps are made (300,000 if it is not set),
//! `RIALTO_PAYMENT_SEED` makes one life alone.

#[path = "payment_twin/decisions.rs"]
mod decisions;
#[path = "payment_twin/generator.rs"]
mod generator;
#[path = "payment_twin/life.rs"]
mod life;
#[path = "payment_twin/naive.rs"]
mod naive;
#[path = "common/random.rs"]
mod random;
#[path = "payment_twin/reports.rs"]
mod reports;
#[path = "common/settlement.rs"]
#[expect(dead_code, reason = "the ledger of trading alone is the other twin's")]
mod settlement;
#[path = "payment_twin/tries.rs"]
mod tries;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use generator::Generator;
use life::{Act, Life, Seen};
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{CaseKind, Meaning};

const STEPS: u64 = 300_000;
/// Of one life. A wallet's whole state is compared now and then, so that lives must stay short.
const LIFE: u64 = 2_500;
const SHRINKING: Duration = Duration::from_secs(10);

/// Carries a step out; what panics has failed.
fn act(life: &mut Life, act: &Act) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| life.act(act))).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

fn live(seed: u64, steps: u64, full_check: u64) -> Result<Seen, (Vec<Act>, String)> {
    let mut generator = Generator::new(seed);
    let mut life = Life::new(seed, full_check);
    let mut acts = Vec::new();
    let mut beginning = generator.beginning().into_iter();
    for _ in 0..steps {
        let next = beginning.next().unwrap_or_else(|| generator.next(&life));
        acts.push(next.clone());
        if let Err(what) = act(&mut life, &next) {
            return Err((acts, what));
        }
    }
    let end = life.check_everything().and_then(|()| life.check_walk());
    if let Err(what) = end { Err((acts, what)) } else { Ok(life.seen) }
}

/// Fewer steps that fail as well: those behind the failure and then all that can be left out.
fn shrink(seed: u64, mut acts: Vec<Act>, mut what: String) -> (Vec<Act>, String) {
    let fails = |acts: &[Act]| {
        let mut life = Life::new(seed, 1);
        acts.iter().enumerate().find_map(|(at, next)| act(&mut life, next).err().map(|what| (at + 1, what)))
    };
    let until = Instant::now() + SHRINKING;
    let mut part = acts.len() / 2;
    while part > 0 && Instant::now() < until {
        let mut from = 0;
        let before = acts.len();
        while from < acts.len() && Instant::now() < until {
            let mut fewer = acts.clone();
            fewer.drain(from..(from + part).min(acts.len()));
            match fails(&fewer) {
                Some((length, other)) => {
                    fewer.truncate(length);
                    (acts, what) = (fewer, other);
                }
                None => from += part,
            }
        }
        if acts.len() == before || part > 1 {
            part /= 2;
        }
    }
    (acts, what)
}

fn report(seed: u64, acts: Vec<Act>, what: String) -> String {
    let steps = acts.len();
    let (acts, what) = shrink(seed, acts, what);
    let mut text = format!("seed {seed}: failed at step {steps}; {} of them suffice:\n", acts.len());
    acts.iter().for_each(|act| text += &format!("  {act:?}\n"));
    text + &what
}

fn live_many(first: u64, steps: u64, length: u64, full_check: u64) -> Seen {
    std::panic::set_hook(Box::new(|_| {}));
    let next = AtomicU64::new(0);
    let lives = steps.div_ceil(length);
    let (seen, failures) = (Mutex::new(Seen::default()), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let life = next.fetch_add(1, Ordering::Relaxed);
                    if life >= lives || !failures.lock().expect("no worker panics").is_empty() {
                        break;
                    }
                    match live(first + life, length, full_check) {
                        Ok(own) => seen.lock().expect("no worker panics").add(&own),
                        Err((acts, what)) => {
                            failures.lock().expect("no worker panics").push((first + life, acts, what));
                        }
                    }
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    let failure = failures.into_inner().expect("no worker panics").into_iter().min_by_key(|(_, acts, _)| acts.len());
    if let Some((seed, acts, what)) = failure {
        std::panic::set_hook(Box::new(|_| {}));
        // Told here, because whatever runs beside may have silenced panics.
        eprintln!("{}", report(seed, acts, what));
        let _ = std::panic::take_hook();
        panic!("the wallet and its twin differ, with seed {seed}");
    }
    seen.into_inner().expect("no worker panics")
}

fn number_from(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} is {text}")))
}

#[test]
fn money_moves_as_the_twin_says() {
    if let Some(seed) = number_from("RIALTO_PAYMENT_SEED") {
        live_many(seed, LIFE, LIFE, 1);
        return;
    }
    let steps = number_from("RIALTO_PAYMENT_OPS").unwrap_or(STEPS);
    let seen = live_many(1, steps, LIFE, 64);
    eprintln!("{seen:?}");
    assert!(seen.steps >= steps && seen.fills > steps / 200, "{seen:?}");
    if steps < STEPS {
        return;
    }
    // A run that met nothing proves nothing.
    use Reason::*;
    let expected = [
        UnknownAccount,
        UnknownAsset,
        InsufficientBalance,
        AmountNotPositive,
        SupplyExceeded,
        IdempotencyConflict,
        UnknownRail,
        RailClosed,
        AccountFrozen,
        AccountClosed,
        AccountNotEmpty,
        SameAccount,
        MalformedTransaction,
        FeeExceedsAmount,
        UnknownTransaction,
        TransactionCanceled,
        TransactionFinal,
        WrongTransactionKind,
        AmountExceedsHold,
        RefundExceedsPayment,
        ClawBackExceedsCommission,
        NotDue,
        AlreadySent,
        AlreadyApproved,
        UnknownCase,
        NothingToMove,
        PolicyOutOfRange,
        FeeOutOfRange,
        NameTaken,
        CurrencyMismatch,
    ];
    let met = |counts: &[u64], place: usize| counts.get(place).is_some_and(|count| *count > 0);
    let unmet: Vec<Reason> =
        expected.into_iter().filter(|reason| !met(&seen.reasons, usize::from(reason.number()))).collect();
    assert!(unmet.is_empty(), "never refused for {unmet:?}");
    assert!((0..11).all(|happening| met(&seen.happenings, happening)), "{:?}", seen.happenings);
    assert!(Meaning::ALL.into_iter().all(|meaning| met(&seen.meanings, meaning as usize)), "{:?}", seen.meanings);
    assert!(CaseKind::ALL.into_iter().all(|kind| met(&seen.cases, kind as usize)), "{:?}", seen.cases);
    assert!(seen.calls.into_iter().all(|calls| calls > 0) && seen.notices > 0 && seen.restarts > 0);
}

/// Short lives, with everything compared after every step.
#[test]
fn short_lives_compared_in_full_after_every_step() {
    live_many(1_000_000, 20_000, 400, 1);
}
