//! What transactions ask of the allocator, counted: what is remembered for ever, and else nothing.

#[path = "common/counting.rs"]
mod counting;

use counting::{Asked, asked_by};
use rialto_engine::ids::{AccountId, AssetId, RailId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Body, FeePlan, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::wallet::{Wallet, WalletLimits, WalletOutput};

const ACCOUNTS: u32 = 1_000;
const WARM_UP: u64 = 300_000;
const TRANSFERS: u64 = 1_000_000;

/// The most that is kept of a transfer for ever: a row of 32 bytes, and its share of the index.
const BYTES_MAX: u64 = 48;
/// A block of the table is asked for once in so many transfers: those of the index split at about
/// 1,500 ids, and two are made then.
const TRANSFERS_PER_BLOCK: u64 = 400;

fn wallet() -> Wallet {
    let mut wallet = Wallet::new(WalletLimits::default());
    let mut output = WalletOutput::default();
    wallet.open_asset();
    for account in 0..ACCOUNTS {
        wallet.open_account();
        let id = format!("opening-{account}");
        let (account, amount) = (AccountId(account), Amount(1 << 60));
        wallet.deposit(&id, account, AssetId(0), amount, Nanos(1), &mut output).expect("it is taken");
    }
    wallet
}

fn label(number: u64) -> Label {
    Label::new(&format!("order-{number}")).expect("it is one")
}

fn transfer(number: u64, held: bool) -> TransactionCommand {
    let from = u32::try_from(number % u64::from(ACCOUNTS)).expect("it is small");
    let (from, to, asset) = (AccountId(from), AccountId((from + 1) % ACCOUNTS), AssetId(0));
    let body = Body::Transfer { from, to, asset, amount: Amount(5), held };
    TransactionCommand::Try { id: label(number), body, rail: RailId::DIRECT, until: Nanos::ZERO, time: Nanos(number) }
}

/// Carries commands out and says what the wallet asked for, all together.
fn asked_for(wallet: &mut Wallet, commands: impl Iterator<Item = TransactionCommand>) -> Asked {
    let mut output = WalletOutput::default();
    let mut all = Asked::default();
    for command in commands {
        let (result, asked) = asked_by(|| wallet.transact(&command, &mut output));
        assert!(result.is_ok(), "{command:?}: {result:?}");
        output.clear();
        all.blocks += asked.blocks;
        all.bytes += asked.bytes;
    }
    all
}

#[test]
fn an_immediate_transfer_asks_for_what_is_remembered_of_it_and_for_nothing_else() {
    let mut wallet = wallet();
    let warm_up = asked_for(&mut wallet, (0..WARM_UP).map(|number| transfer(number, false)));
    assert!(warm_up.bytes > 0, "nothing is remembered?");
    let asked = asked_for(&mut wallet, (WARM_UP..WARM_UP + TRANSFERS).map(|number| transfer(number, false)));
    println!("{TRANSFERS} transfers asked for {} blocks, and kept {} bytes", asked.blocks, asked.bytes);
    assert!(asked.blocks * TRANSFERS_PER_BLOCK < TRANSFERS, "{asked:?}");
    let kept = u64::try_from(asked.bytes).expect("it keeps more than before");
    assert!(kept <= BYTES_MAX * TRANSFERS, "{asked:?}");
}

#[test]
fn what_comes_again_or_is_refused_asks_for_nothing() {
    let mut wallet = wallet();
    let tried = |number: u64| transfer(number, false);
    asked_for(&mut wallet, (0..1_000).map(tried));
    assert_eq!(asked_for(&mut wallet, (0..1_000).map(tried)), Asked::default());
    let mut output = WalletOutput::default();
    let conflict = transfer(1, true);
    let (result, asked) = asked_by(|| wallet.transact(&conflict, &mut output));
    assert!(result.is_err());
    assert_eq!(asked, Asked::default());
}

#[test]
fn a_payment_keeps_its_terms_and_a_hold_nothing_that_is_not_needed_when_it_is_over() {
    let mut wallet = wallet();
    let fee = FeePlan { fixed: Amount(1), rate: BasisPoints(30) };
    let plan = TransactionCommand::ChangeFee { kind: TransactionKind::Payment, asset: AssetId(0), fee };
    wallet.transact(&plan, &mut WalletOutput::default()).expect("it is a plan");
    let pay = |number: u64| match transfer(number, false) {
        TransactionCommand::Try { id, body: Body::Transfer { from, to, asset, .. }, rail, until, time } => {
            let body = Body::Payment { payer: from, merchant: to, asset, amount: Amount(100), held: false };
            TransactionCommand::Try { id, body, rail, until, time }
        }
        other => panic!("{other:?}"),
    };
    asked_for(&mut wallet, (0..WARM_UP).map(pay));
    let count = WARM_UP;
    let payments = asked_for(&mut wallet, (WARM_UP..WARM_UP + count).map(pay));
    println!("{count} payments asked for {} blocks, and kept {} bytes", payments.blocks, payments.bytes);
    assert!(payments.blocks * 200 < count, "{payments:?}");
    assert!(payments.bytes < i64::try_from(200 * count).expect("it fits"), "{payments:?}");
    let next = 2 * WARM_UP;
    let pairs = (next..next + count).flat_map(|number| {
        let confirm = TransactionCommand::Confirm { id: label(number), amount: Amount::ZERO, time: Nanos(number) };
        [transfer(number, true), confirm]
    });
    let pairs = asked_for(&mut wallet, pairs);
    println!("{count} transfers held and confirmed asked for {} blocks, and kept {} bytes", pairs.blocks, pairs.bytes);
    assert!(pairs.bytes < i64::try_from(200 * count).expect("it fits"), "{pairs:?}");
    assert_eq!(wallet.live_count(), 0);
}
