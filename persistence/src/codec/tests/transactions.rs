//! Commands that concern transactions: random ones of every variant, and bytes that are none.

use std::collections::BTreeSet;

use rialto_engine::ids::{AccountId, AssetId, CaseId, RailId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{
    Body, Case, CaseKind, FeePlan, Happening, Meaning, NewCase, Policy, Report, Stage, Standing, Topic, Transaction,
    TransactionCommand, TransactionEvent, TransactionKind, TransactionState,
};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::wallet::{House, KnownTransaction, LedgerAccount, PendingMovement, Terms};

use super::super::money::{WireKnown, WirePending};
use super::super::transaction::{CASE_KINDS, HOUSES, STANDINGS, TRANSACTION_KINDS, WireTransaction};
use super::super::transaction_state::{WireCase, WireEvent, WireEventRead, WireState, WireStateRead};
use super::super::{CONFIGURATION, decode_event, decode_record, encode_event, encode_record, number_of};
use super::{ROUNDS, Random};
use crate::record::Record;

impl Random {
    fn label(&mut self) -> Label {
        let length = 1 + self.below(64) as usize;
        let text: String = (0..length).map(|_| char::from(33 + self.below(94) as u8)).collect();
        Label::new(&text).expect("it can be printed")
    }

    fn asset(&mut self) -> AssetId {
        AssetId(self.wide() as u16)
    }

    fn rail(&mut self) -> RailId {
        RailId(self.wide() as u16)
    }

    fn transaction_id(&mut self) -> TransactionId {
        TransactionId(self.wide())
    }

    /// Any at all, the ends of the range among them.
    fn any_amount(&mut self) -> Amount {
        match self.below(12) {
            0 => Amount(i128::MAX),
            1 => Amount(i128::MIN),
            2 => Amount(0),
            3 => Amount(i128::from(u64::MAX)),
            4 => Amount(i128::from(u64::MAX) + 1),
            5 => Amount(i128::from(u64::MAX >> 1) + 1),
            _ => self.amount(),
        }
    }

    fn ledger_account(&mut self) -> LedgerAccount {
        let user = self.account();
        match self.below(6) {
            0 => LedgerAccount::Available(user),
            1 => LedgerAccount::Held(user),
            2 => LedgerAccount::Outgoing(user),
            3 => LedgerAccount::Incoming(user),
            4 => LedgerAccount::External(self.rail()),
            _ => LedgerAccount::House(self.pick(&House::ALL)),
        }
    }

    fn body(&mut self) -> Body {
        let (asset, amount, held) = (self.asset(), self.any_amount(), self.coin());
        let (account, other) = (self.account(), self.account());
        match self.below(9) {
            0 => Body::Deposit { account, asset, amount },
            1 => {
                let destination = "é".repeat(self.below(129) as usize).into();
                Body::Withdrawal { account, asset, amount, destination }
            }
            2 => Body::Transfer { from: account, to: other, asset, amount, held },
            3 => Body::Payment { payer: account, merchant: other, asset, amount, held },
            4 => Body::Refund { payment: self.label(), amount, held },
            5 => Body::Commission { agent: account, asset, amount },
            6 => Body::ClawBack { commission: self.label(), amount },
            7 => Body::FeeShare { asset, rate: BasisPoints(self.narrow()) },
            _ => Body::Adjustment {
                asset,
                from: self.ledger_account(),
                to: self.ledger_account(),
                amount,
                corrects: self.wide(),
                case: CaseId(self.wide()),
                proposer: self.label(),
            },
        }
    }

    fn report(&mut self) -> Report {
        let (reference, asset, amount) = (self.label(), self.asset(), self.any_amount());
        match self.below(8) {
            0 => Report::Accepted,
            1 => Report::Received { reference, asset, amount, is_final: self.coin() },
            2 => Report::Returned { reference },
            3 => Report::Paid { reference, asset, amount },
            4 => Report::Bounced { reference, asset, amount },
            5 => Report::Rejected,
            6 => Report::Canceled,
            _ => Report::Unknown,
        }
    }

    fn policy(&mut self) -> Policy {
        Policy {
            first: Nanos(self.wide()),
            interval: Nanos(self.wide()),
            is_doubling: self.coin(),
            longest: Nanos(self.wide()),
            attempts: self.narrow(),
            lifetime: Nanos(self.wide()),
        }
    }

    fn topic(&mut self) -> Topic {
        if self.below(10) == 0 { Topic::Notification } else { Topic::Kind(self.pick(&TransactionKind::ALL)) }
    }

    fn new_case(&mut self) -> NewCase {
        NewCase {
            kind: self.pick(&CaseKind::ALL),
            rail: self.rail(),
            asset: self.asset(),
            amount: self.any_amount(),
            reference: self.maybe(Self::label),
            transaction: self.transaction_id(),
        }
    }

    fn transaction_command(&mut self) -> TransactionCommand {
        let (id, transaction, rail, time) = (self.label(), self.transaction_id(), self.rail(), Nanos(self.wide()));
        match self.below(24) {
            0 => TransactionCommand::Confirm { id, amount: self.any_amount(), time },
            1 => TransactionCommand::Cancel { id, time },
            2 => TransactionCommand::Report { rail, id: self.maybe(Self::label), report: self.report(), time },
            3 => TransactionCommand::Drive { transaction, time },
            4 => TransactionCommand::Acknowledge { transaction, event: self.narrow(), time },
            5 => TransactionCommand::Reroute { transaction, rail, time },
            6 => TransactionCommand::Approve { id, operator: self.label(), time },
            7 => TransactionCommand::OpenCase { case: self.new_case(), time },
            8 => TransactionCommand::CloseCase { case: CaseId(self.wide()), operator: id, time },
            9 => TransactionCommand::OpenRail { name: id },
            10 => TransactionCommand::ChangeRail { rail, is_open: self.coin() },
            11 => TransactionCommand::ChangePolicy { topic: self.topic(), policy: self.policy() },
            12 => TransactionCommand::ChangeFee {
                kind: self.pick(&TransactionKind::ALL),
                asset: self.asset(),
                fee: FeePlan { fixed: self.any_amount(), rate: BasisPoints(self.narrow()) },
            },
            13 => TransactionCommand::ChangeStanding { account: self.account(), standing: self.pick(&Standing::ALL) },
            14 => TransactionCommand::ChangeNotification { is_on: self.coin() },
            15 => TransactionCommand::ChangeCredit {
                account: self.account(),
                asset: self.asset(),
                limit: self.any_amount(),
            },
            _ => TransactionCommand::Try { id, body: self.body(), rail, until: Nanos(self.wide()), time },
        }
    }
}

impl Random {
    fn state(&mut self) -> Transaction {
        let at_rest = self.coin();
        let of = |random: &mut Self| if at_rest { 0 } else { random.wide() };
        let (until, due, attempts) = (Nanos(of(self)), Nanos(of(self)), of(self) as u32);
        let (moved, reversed) = (Amount(of(self).into()), Amount(-i128::from(of(self))));
        Transaction {
            number: self.transaction_id(),
            id: self.label(),
            body: self.maybe(Self::body),
            state: self.pick(&TransactionState::ALL),
            rail: self.rail(),
            stage: self.pick(&Stage::ALL),
            fee: self.any_amount(),
            moved,
            posted: self.any_amount(),
            reversed,
            fee_back: Amount(i128::from(!at_rest)),
            opened: Nanos(self.wide()),
            changed: Nanos(self.wide()),
            until,
            due,
            attempts,
            is_stuck: self.coin(),
            events: self.narrow(),
            acknowledged: self.narrow(),
            approvals: if at_rest { Vec::new() } else { self.some(Self::label) },
        }
    }

    fn transaction_event(&mut self) -> TransactionEvent {
        let what = match self.below(11) {
            0 => Happening::Opened,
            1 => Happening::Sent,
            2 => Happening::Accepted,
            3 => Happening::Moved {
                reference: self.label(),
                asset: self.asset(),
                amount: self.any_amount(),
                meaning: self.pick(&Meaning::ALL),
            },
            4 => Happening::Closing,
            5 => Happening::Confirmed,
            6 => Happening::Canceled,
            7 => Happening::Rerouted,
            8 => Happening::Approved { operator: self.label() },
            9 => Happening::Stuck,
            _ => Happening::Reversed,
        };
        let (number, sequence, time) = (self.wide(), self.narrow(), Nanos(self.wide()));
        TransactionEvent { number, sequence, time, what, transaction: self.state() }
    }

    fn case(&mut self) -> Case {
        Case {
            id: CaseId(self.wide()),
            case: self.new_case(),
            opened: Nanos(self.wide()),
            closed: Nanos(self.wide()),
            closed_by: self.maybe(Self::label),
            adjustment: self.transaction_id(),
        }
    }

    fn known(&mut self) -> KnownTransaction {
        KnownTransaction {
            number: TransactionId(0),
            id: u128::from(self.wide()) << 64 | u128::from(self.wide()),
            body: self.wide(),
            kind: self.maybe(|random| random.pick(&TransactionKind::ALL)),
            state: self.pick(&TransactionState::ALL),
            terms: self.maybe(|random| {
                Box::new(Terms {
                    account: random.account(),
                    other: random.account(),
                    asset: random.asset(),
                    rail: random.rail(),
                    amount: random.any_amount(),
                    posted: random.any_amount(),
                    fee: random.any_amount(),
                    moved: random.any_amount(),
                    reversed: random.any_amount(),
                    fee_back: random.any_amount(),
                    events: random.narrow(),
                })
            }),
        }
    }

    fn pending(&mut self) -> PendingMovement {
        PendingMovement {
            reference: u128::from(self.wide()) << 64,
            transaction: self.transaction_id(),
            case: CaseId(self.wide()),
            asset: self.asset(),
            counted: self.any_amount(),
            rest: self.any_amount(),
        }
    }
}

#[test]
fn everything_of_transactions_in_a_snapshot_reads_back_as_it_was() {
    fn read<Wire: bincode::Decode<()>>(value: impl bincode::Encode) -> Wire {
        let bytes = bincode::encode_to_vec(value, CONFIGURATION).expect("encodable");
        let (wire, length) = bincode::decode_from_slice(&bytes, CONFIGURATION).expect("decodable");
        assert_eq!(length, bytes.len());
        wire
    }
    let mut random = Random(6);
    let mut happenings = BTreeSet::new();
    for _ in 0..ROUNDS {
        let state = random.state();
        assert_eq!(read::<WireStateRead>(WireState(&state)).0, state);
        let event = random.transaction_event();
        happenings.insert(event.what.number());
        assert_eq!(read::<WireEventRead>(WireEvent(&event)).0, event);
        let mut bytes = Vec::new();
        encode_event(&event, &mut bytes);
        assert_eq!(decode_event(event.number, event.time, &bytes), Ok((event, bytes.len())));
        let case = random.case();
        assert_eq!(read::<WireCase>(WireCase(case)).0, case);
        let known = random.known();
        assert_eq!(read::<WireKnown>(WireKnown(known.clone())).0, known);
        let pending = random.pending();
        assert_eq!(read::<WirePending>(WirePending(pending)).0, pending);
    }
    assert_eq!(happenings.len(), 11, "every variant was written");
}

/// Where the command begins in a record's bytes: behind its number, the tenant's and the digest.
const COMMAND: usize = 16;

#[test]
fn every_transaction_command_reads_back_as_it_was() {
    let mut random = Random(4);
    let (mut commands, mut bodies) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..ROUNDS {
        let command = random.transaction_command();
        if let TransactionCommand::Try { body, .. } = &command {
            bodies.insert(body.kind());
        }
        let record = Record::Transaction { tenant: TenantId(random.narrow()), command, digest: random.wide() };
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes);
        commands.insert(bytes[COMMAND]);
        assert_eq!(decode_record(&bytes).as_ref(), Ok(&record));
        for length in 0..bytes.len() {
            assert!(decode_record(&bytes[..length]).is_err(), "cut off at {length}: {record:?}");
        }
        bytes.push(0);
        assert!(decode_record(&bytes).is_err(), "a byte too many");
    }
    assert_eq!((commands.len(), bodies.len()), (17, 9), "every variant was written");
}

/// What can be read is what would be written: there is one form of everything.
#[test]
fn bytes_that_are_read_are_written_again_as_they_were() {
    let mut random = Random(5);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let record = Record::Transaction { tenant: TenantId(1), command: random.transaction_command(), digest: 2 };
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes);
        for _ in 0..8 {
            let place = COMMAND + random.below((bytes.len() - COMMAND) as u64) as usize;
            let mut changed = bytes.clone();
            changed[place] = random.below(256) as u8;
            match decode_record(&changed) {
                Ok(other) => {
                    let mut again = Vec::new();
                    encode_record(&other, &mut again);
                    assert_eq!(again, changed, "{other:?}");
                    read += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > ROUNDS && refused > ROUNDS, "{read} read, {refused} refused");
}

#[test]
fn a_transfer_at_once_takes_little_room() {
    let command = TransactionCommand::Try {
        id: Label::new("pay-0123456789ab").expect("it is one"),
        body: Body::Transfer {
            from: AccountId(70_000),
            to: AccountId(90_000),
            asset: AssetId(3),
            amount: Amount(1_250_000),
            held: false,
        },
        rail: RailId::DIRECT,
        until: Nanos::ZERO,
        time: Nanos(1_764_000_000_000_000_000),
    };
    let mut bytes = [0; 64];
    let length = bincode::encode_into_slice(WireTransaction(&command), &mut bytes, CONFIGURATION).expect("it fits");
    assert_eq!(length, 1 + 17 + 8 + 1 + 3 + 3 + 1 + 4 + 1 + 1);
}

#[test]
fn tables_of_transactions_hold_every_value_at_its_place() {
    let numbers = |count: usize| (0..u8::try_from(count).expect("few")).collect::<Vec<_>>();
    let kinds = TransactionKind::ALL.map(|kind| number_of(&TRANSACTION_KINDS, &kind));
    assert_eq!(kinds.to_vec(), numbers(TRANSACTION_KINDS.len()));
    assert_eq!(Standing::ALL.map(|it| number_of(&STANDINGS, &it)).to_vec(), numbers(STANDINGS.len()));
    assert_eq!(CaseKind::ALL.map(|it| number_of(&CASE_KINDS, &it)).to_vec(), numbers(CASE_KINDS.len()));
    assert_eq!(House::ALL.map(|it| number_of(&HOUSES, &it)).to_vec(), numbers(HOUSES.len()));
}
