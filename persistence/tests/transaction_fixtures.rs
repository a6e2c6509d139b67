//! The written form of commands that concern transactions, byte for byte.
//!
//! If this fails, a written byte has changed: journals in the field would no longer be read. Add a
//! version beside this one instead. `RIALTO_BLESS=1` writes the fixture of a new version.

use std::fmt::Write as _;
use std::path::Path;

use rialto_engine::ids::{AccountId, AssetId, CaseId, RailId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{
    Body, CaseKind, FeePlan, NewCase, Policy, Report, Standing, Topic, TransactionCommand, TransactionKind,
};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::wallet::{House, LedgerAccount};
use rialto_persistence::codec::{decode_record, encode_record};
use rialto_persistence::record::Record;

const TIME: Nanos = Nanos(1_764_000_000_000_000_001);

fn label(text: &str) -> Label {
    Label::new(text).expect("it is one")
}

/// One body of every kind, and those that can be held, held.
fn bodies() -> Vec<Body> {
    let (account, other, asset, amount) = (AccountId(3), AccountId(300_000), AssetId(1), Amount(1_250_000));
    let adjustment = |from, to| Body::Adjustment {
        asset,
        from,
        to,
        amount,
        corrects: 1 << 40,
        case: CaseId(200),
        proposer: label("ann"),
    };
    vec![
        Body::Deposit { account, asset, amount },
        Body::Withdrawal { account, asset, amount, destination: "DE02 1203 0000 0000 2020 51".into() },
        Body::Transfer { from: account, to: other, asset, amount, held: false },
        Body::Transfer { from: account, to: other, asset, amount: Amount(i128::MAX), held: true },
        Body::Payment { payer: account, merchant: other, asset, amount, held: false },
        Body::Payment { payer: account, merchant: other, asset, amount: Amount(1 << 64), held: true },
        Body::Refund { payment: label("payment-1"), amount, held: false },
        Body::Refund { payment: label("payment-1"), amount: Amount(-1), held: true },
        Body::Commission { agent: other, asset, amount },
        Body::ClawBack { commission: label("commission-1"), amount },
        Body::FeeShare { asset, rate: BasisPoints(2_500) },
        adjustment(LedgerAccount::Available(account), LedgerAccount::Held(other)),
        adjustment(LedgerAccount::Outgoing(account), LedgerAccount::Incoming(other)),
        adjustment(LedgerAccount::External(RailId(2)), LedgerAccount::House(House::Suspense)),
        adjustment(LedgerAccount::House(House::Fee), LedgerAccount::House(House::Rounding)),
        adjustment(LedgerAccount::House(House::PlatformFee), LedgerAccount::House(House::Clearing)),
        adjustment(LedgerAccount::House(House::RebateExpense), LedgerAccount::House(House::CommissionExpense)),
        adjustment(LedgerAccount::House(House::Adjustment), LedgerAccount::Available(other)),
    ]
}

fn reports() -> Vec<Report> {
    let (reference, asset, amount) = (label("bank/2026/1"), AssetId(300), Amount(99));
    vec![
        Report::Accepted,
        Report::Received { reference, asset, amount, is_final: true },
        Report::Received { reference, asset, amount, is_final: false },
        Report::Returned { reference },
        Report::Paid { reference, asset, amount },
        Report::Bounced { reference, asset, amount },
        Report::Rejected,
        Report::Canceled,
        Report::Unknown,
    ]
}

fn commands() -> Vec<TransactionCommand> {
    let (id, operator, transaction, time) = (label("t-1"), label("ann"), TransactionId(1_000), TIME);
    let (first, interval, longest) = (Nanos(10), Nanos(20), Nanos(3_600_000_000_000));
    let policy = Policy { first, interval, is_doubling: true, longest, attempts: 12, lifetime: Nanos::ZERO };
    let topics = TransactionKind::ALL.map(Topic::Kind).into_iter().chain([Topic::Notification]);
    let tried = |body| TransactionCommand::Try { id, body, rail: RailId(2), until: Nanos(TIME.0 + 1), time };
    let said = |report| TransactionCommand::Report { rail: RailId(1), id: Some(id), report, time };
    let mut commands: Vec<TransactionCommand> = bodies().into_iter().map(tried).collect();
    commands.extend(reports().into_iter().map(said));
    commands.extend(CaseKind::ALL.into_iter().map(|kind| {
        let reference = (kind != CaseKind::Missing).then(|| label("bank/2026/2"));
        let case = NewCase { kind, rail: RailId(1), asset: AssetId(0), amount: Amount(-5), reference, transaction };
        TransactionCommand::OpenCase { case, time }
    }));
    commands.extend(topics.map(|topic| TransactionCommand::ChangePolicy { topic, policy }));
    commands
        .extend(Standing::ALL.map(|standing| TransactionCommand::ChangeStanding { account: AccountId(130), standing }));
    let fee = FeePlan { fixed: Amount(7), rate: BasisPoints(15) };
    commands.extend([
        TransactionCommand::Report { rail: RailId(1), id: None, report: reports()[1], time },
        TransactionCommand::Confirm { id, amount: Amount::ZERO, time },
        TransactionCommand::Cancel { id: label(&"x".repeat(64)), time },
        TransactionCommand::Drive { transaction, time },
        TransactionCommand::Acknowledge { transaction, event: u32::MAX, time },
        TransactionCommand::Reroute { transaction: TransactionId(u64::MAX), rail: RailId(u16::MAX), time },
        TransactionCommand::Approve { id, operator, time },
        TransactionCommand::CloseCase { case: CaseId(9), operator, time },
        TransactionCommand::OpenRail { name: label("sepa") },
        TransactionCommand::ChangeRail { rail: RailId(1), is_open: false },
        TransactionCommand::ChangeFee { kind: TransactionKind::Payment, asset: AssetId(1), fee },
        TransactionCommand::ChangeNotification { is_on: true },
        TransactionCommand::ChangeCredit { account: AccountId(130), asset: AssetId(1), limit: Amount(1 << 90) },
    ]);
    commands
}

#[test]
fn written_bytes_of_transactions_are_those_of_version_one() {
    let mut text = String::new();
    for command in commands() {
        let record = Record::Transaction { tenant: TenantId(1), command, digest: 0x0123_4567_89ab_cdef };
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes);
        assert_eq!(decode_record(&bytes).as_ref(), Ok(&record), "a record reads back as it was");
        writeln!(text, "{}", hex::encode(bytes)).expect("a string grows");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transactions_v1.hex");
    if std::env::var_os("RIALTO_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the fixture is written");
    }
    let frozen = std::fs::read_to_string(&path).expect("the fixture is there");
    assert_eq!(text.lines().count(), frozen.lines().count());
    for (number, (now, then)) in text.lines().zip(frozen.lines()).enumerate() {
        assert_eq!(now, then, "line {number}");
    }
}
