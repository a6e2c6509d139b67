//! What version 4 adds: transactions of every kind, some done, some under way, rails, cases and
//! settings.

use rialto_engine::ids::{AccountId, AssetId, RailId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{
    Body, CaseKind, FeePlan, NewCase, Policy, Report, Standing, Topic, TransactionCommand, TransactionKind,
};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::wallet::{House, LedgerAccount, WalletOutput};
use rialto_persistence::record::Record;
use rialto_persistence::world::{Scratch, Unobserved, World};

use super::{TENANT, records};

const ALICE: AccountId = AccountId(0);
const BOB: AccountId = AccountId(1);
const CAROL: AccountId = AccountId(2);
const USD: AssetId = AssetId(0);
const RAIL: RailId = RailId(1);

fn label(text: &str) -> Label {
    Label::new(text).expect("it is one")
}

/// Records in the order in which a world takes them; those of transactions hold its digests.
struct Script {
    world: World,
    records: Vec<Record>,
    time: u64,
}

impl Script {
    fn take(&mut self, record: Record) {
        let position = self.world.position + 1;
        let applied = self.world.apply(position, &record, &mut Scratch::default(), &mut Unobserved);
        assert_eq!(applied, Ok(()), "{record:?}");
        self.records.push(record);
    }

    fn command(&mut self, command: TransactionCommand) {
        let mut wallet = self.world.tenants[0].wallet.clone();
        let transacted = wallet.transact(&command, &mut WalletOutput::default());
        assert!(transacted.is_ok_and(|transacted| transacted.is_changed), "{command:?}: {transacted:?}");
        self.take(Record::Transaction { tenant: TENANT, command, digest: wallet.digest().0 });
    }

    fn now(&mut self) -> Nanos {
        self.time += 1_000_000;
        Nanos(self.time)
    }

    fn begin(&mut self, id: &str, body: Body) {
        let rail = if body.kind().has_rail() { RAIL } else { RailId::DIRECT };
        let (id, until, time) = (label(id), Nanos::ZERO, self.now());
        self.command(TransactionCommand::Try { id, body, rail, until, time });
    }

    fn report(&mut self, id: Option<&str>, report: Report) {
        let time = self.now();
        self.command(TransactionCommand::Report { rail: RAIL, id: id.map(label), report, time });
    }
}

pub fn money_records() -> Vec<Record> {
    let mut script = Script { world: World::default(), records: Vec::new(), time: 1_764_000_000_000_000_000 };
    records().into_iter().take(9).for_each(|record| script.take(record));
    for name in ["bob", "carol"] {
        script.take(Record::OpenAccount { tenant: TENANT, name: name.to_owned() });
    }
    settings(&mut script);
    users(&mut script);
    // From here on, nothing is forgotten before somebody has taken it.
    script.command(TransactionCommand::ChangeNotification { is_on: true });
    rails(&mut script);
    corrections(&mut script);
    script.command(TransactionCommand::ChangeStanding { account: CAROL, standing: Standing::Frozen });
    script.records
}

fn settings(script: &mut Script) {
    let fee = FeePlan { fixed: Amount(2), rate: BasisPoints(100) };
    let minute = Nanos(60_000_000_000);
    let policy = Policy {
        first: minute,
        interval: minute,
        is_doubling: true,
        longest: Nanos(60 * minute.0),
        attempts: 5,
        lifetime: Nanos(1_000 * minute.0),
    };
    script.command(TransactionCommand::OpenRail { name: label("sepa") });
    script.command(TransactionCommand::OpenRail { name: label("closed") });
    script.command(TransactionCommand::ChangeRail { rail: RailId(2), is_open: false });
    for kind in [TransactionKind::Withdrawal, TransactionKind::Payment] {
        script.command(TransactionCommand::ChangeFee { kind, asset: USD, fee });
    }
    script.command(TransactionCommand::ChangePolicy { topic: Topic::Kind(TransactionKind::Withdrawal), policy });
}

/// What happens between users, done and held.
fn users(script: &mut Script) {
    let transfer = |amount, held| Body::Transfer { from: ALICE, to: BOB, asset: USD, amount: Amount(amount), held };
    let payment = |amount, held| {
        let amount = Amount(amount);
        Body::Payment { payer: ALICE, merchant: BOB, asset: USD, amount, held }
    };
    let refund = |amount, held| Body::Refund { payment: label("payment-1"), amount: Amount(amount), held };
    script.begin("transfer-1", transfer(10_000, false));
    script.begin("transfer-2", transfer(500, true));
    script.begin("transfer-3", transfer(600, true));
    let time = script.now();
    script.command(TransactionCommand::Confirm { id: label("transfer-3"), amount: Amount(400), time });
    script.begin("payment-1", payment(8_000, false));
    script.begin("payment-2", payment(900, true));
    script.begin("refund-1", refund(1_000, false));
    script.begin("refund-2", refund(300, true));
    for (id, amount) in [("commission-1", 70), ("commission-2", 80)] {
        script.begin(id, Body::Commission { agent: CAROL, asset: USD, amount: Amount(amount) });
    }
    script.begin("claw-back-1", Body::ClawBack { commission: label("commission-1"), amount: Amount(20) });
    script.begin("share-1", Body::FeeShare { asset: USD, rate: BasisPoints(2_000) });
    let time = script.now();
    script.command(TransactionCommand::Cancel { id: label("never-tried"), time });
}

/// What goes over a rail, at every stage.
fn rails(script: &mut Script) {
    let deposit = |amount| Body::Deposit { account: ALICE, asset: USD, amount: Amount(amount) };
    let withdrawal =
        |amount| Body::Withdrawal { account: ALICE, asset: USD, amount: Amount(amount), destination: "DE1".into() };
    let received = |reference: &str, amount, is_final| Report::Received {
        reference: label(reference),
        asset: USD,
        amount: Amount(amount),
        is_final,
    };
    script.begin("deposit-1", deposit(1_000));
    script.report(Some("deposit-1"), received("in-1", 1_000, true));
    script.begin("deposit-2", deposit(2_000));
    script.report(Some("deposit-2"), received("in-2", 700, false));
    script.begin("deposit-3", deposit(3_000));
    script.report(Some("deposit-3"), received("in-3", 3_300, true));
    script.report(None, received("in-4", 44, true));
    script.begin("withdrawal-1", withdrawal(1_500));
    script.report(Some("withdrawal-1"), Report::Accepted);
    script.begin("withdrawal-2", withdrawal(1_600));
    let paid = Report::Paid { reference: label("out-1"), asset: USD, amount: Amount(1_600) };
    script.report(Some("withdrawal-2"), paid);
    script.begin("withdrawal-3", withdrawal(1_700));
    let time = script.now();
    script.command(TransactionCommand::Cancel { id: label("withdrawal-3"), time });
}

fn corrections(script: &mut Script) {
    let adjustment = Body::Adjustment {
        asset: USD,
        from: LedgerAccount::House(House::Suspense),
        to: LedgerAccount::Available(ALICE),
        amount: Amount(44),
        corrects: 3,
        case: rialto_engine::ids::CaseId(0),
        proposer: label("ann"),
    };
    script.begin("adjustment-1", adjustment.clone());
    script.begin("adjustment-2", adjustment);
    for (id, operator) in [("adjustment-1", "ann"), ("adjustment-1", "ben"), ("adjustment-2", "ann")] {
        let time = script.now();
        script.command(TransactionCommand::Approve { id: label(id), operator: label(operator), time });
    }
    let case = NewCase {
        kind: CaseKind::Missing,
        rail: RAIL,
        asset: USD,
        amount: Amount(-5),
        reference: Some(label("in-9")),
        transaction: rialto_engine::ids::TransactionId(1),
    };
    let time = script.now();
    script.command(TransactionCommand::OpenCase { case, time });
}
