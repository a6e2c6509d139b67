//! The written form of commands that concern transactions.
//!
//! Immediate transfers come by the hundred thousand a second, so that this form is compact: one byte
//! for which variant it is, names as text behind a byte for its length, and whole numbers in groups
//! of seven bits, the lowest first (LEB128; signed ones zigzag). Times have their eight bytes. It is
//! written by hand and without copying the command, and every number here is frozen: it is never
//! given to something else. What could be written in two ways is read in one only.

use bincode::de::Decoder;
use bincode::de::read::Reader;
use bincode::enc::Encoder;
use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use rialto_engine::ids::{AccountId, AssetId, CaseId, RailId, TransactionId};
use rialto_engine::label::{LABEL_MAX, Label};
use rialto_engine::transaction::{
    Body, CaseKind, DESTINATION_MAX, FeePlan, NewCase, Policy, Report, Standing, Topic, TransactionCommand,
    TransactionKind,
};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::wallet::{House, LedgerAccount};

use super::number_of;

pub(super) const TRANSACTION_KINDS: [TransactionKind; 9] = [
    TransactionKind::Deposit,
    TransactionKind::Withdrawal,
    TransactionKind::Transfer,
    TransactionKind::Payment,
    TransactionKind::Refund,
    TransactionKind::Commission,
    TransactionKind::ClawBack,
    TransactionKind::FeeShare,
    TransactionKind::Adjustment,
];
pub(super) const STANDINGS: [Standing; 3] = [Standing::Active, Standing::Frozen, Standing::Closed];
pub(super) const CASE_KINDS: [CaseKind; 11] = [
    CaseKind::Unsolicited,
    CaseKind::Excess,
    CaseKind::Late,
    CaseKind::WrongAsset,
    CaseKind::Short,
    CaseKind::Bounced,
    CaseKind::Missing,
    CaseKind::Unexpected,
    CaseKind::Difference,
    CaseKind::Duplicate,
    CaseKind::CurrencyMismatch,
];
pub(super) const HOUSES: [House; House::COUNT] = [
    House::Fee,
    House::Rounding,
    House::PlatformFee,
    House::Clearing,
    House::Suspense,
    House::RebateExpense,
    House::CommissionExpense,
    House::Adjustment,
];

/// The number of [`Topic::Notification`]; the kinds have theirs.
const NOTIFICATION: u8 = u8::MAX;
/// In the byte that says which body it is: it is only held.
const HELD: u8 = 1 << 7;

/// A command on its way into a record.
pub(super) struct WireTransaction<'a>(pub(super) &'a TransactionCommand);

/// A command out of a record.
pub(super) struct WireTransactionRead(pub(super) TransactionCommand);

impl Encode for WireTransaction<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match self.0 {
            TransactionCommand::Try { id, body, rail, until, time } => {
                (0_u8, WireLabel(*id), time.0).encode(encoder)?;
                encode_body(body, encoder)?;
                (Small::from(rail.0), Small(until.0)).encode(encoder)
            }
            TransactionCommand::Confirm { id, amount, time } => {
                (1_u8, WireLabel(*id), time.0, WireAmount(*amount)).encode(encoder)
            }
            TransactionCommand::Cancel { id, time } => (2_u8, WireLabel(*id), time.0).encode(encoder),
            TransactionCommand::Report { rail, id, report, time } => {
                (3_u8, Small::from(rail.0), id.map(WireLabel), time.0, WireReport(*report)).encode(encoder)
            }
            TransactionCommand::Drive { transaction, time } => (4_u8, Small(transaction.0), time.0).encode(encoder),
            TransactionCommand::Acknowledge { transaction, event, time } => {
                (5_u8, Small(transaction.0), Small::from(*event), time.0).encode(encoder)
            }
            TransactionCommand::Reroute { transaction, rail, time } => {
                (6_u8, Small(transaction.0), Small::from(rail.0), time.0).encode(encoder)
            }
            TransactionCommand::Approve { id, operator, time } => {
                (7_u8, WireLabel(*id), WireLabel(*operator), time.0).encode(encoder)
            }
            TransactionCommand::OpenCase { case, time } => (8_u8, WireNewCase(*case), time.0).encode(encoder),
            TransactionCommand::CloseCase { case, operator, time } => {
                (9_u8, Small(case.0), WireLabel(*operator), time.0).encode(encoder)
            }
            TransactionCommand::OpenRail { name } => (10_u8, WireLabel(*name)).encode(encoder),
            TransactionCommand::ChangeRail { rail, is_open } => (11_u8, Small::from(rail.0), is_open).encode(encoder),
            TransactionCommand::ChangePolicy { topic, policy } => {
                (12_u8, WireTopic(*topic), WirePolicy(*policy)).encode(encoder)
            }
            TransactionCommand::ChangeFee { kind, asset, fee } => {
                (13_u8, WireKind(*kind), Small::from(asset.0), WireFeePlan(*fee)).encode(encoder)
            }
            TransactionCommand::ChangeStanding { account, standing } => {
                (14_u8, Small::from(account.0), WireStanding(*standing)).encode(encoder)
            }
            TransactionCommand::ChangeNotification { is_on } => (15_u8, is_on).encode(encoder),
            TransactionCommand::ChangeCredit { account, asset, limit } => {
                (16_u8, Small::from(account.0), Small::from(asset.0), WireAmount(*limit)).encode(encoder)
            }
        }
    }
}

impl<Context> Decode<Context> for WireTransactionRead {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Self(match u8::decode(decoder)? {
            0 => {
                let (id, time) = (label(decoder)?, time(decoder)?);
                let body = decode_body(decoder)?;
                TransactionCommand::Try { id, body, rail: rail(decoder)?, until: Nanos(number(decoder)?), time }
            }
            1 => {
                let (id, time) = (label(decoder)?, time(decoder)?);
                TransactionCommand::Confirm { id, amount: amount(decoder)?, time }
            }
            2 => TransactionCommand::Cancel { id: label(decoder)?, time: time(decoder)? },
            3 => {
                let (rail, id, time) = (rail(decoder)?, name(decoder)?, time(decoder)?);
                TransactionCommand::Report { rail, id, report: WireReport::decode(decoder)?.0, time }
            }
            4 => TransactionCommand::Drive { transaction: transaction(decoder)?, time: time(decoder)? },
            5 => TransactionCommand::Acknowledge {
                transaction: transaction(decoder)?,
                event: narrow(decoder)?,
                time: time(decoder)?,
            },
            6 => TransactionCommand::Reroute {
                transaction: transaction(decoder)?,
                rail: rail(decoder)?,
                time: time(decoder)?,
            },
            7 => TransactionCommand::Approve { id: label(decoder)?, operator: label(decoder)?, time: time(decoder)? },
            8 => TransactionCommand::OpenCase { case: WireNewCase::decode(decoder)?.0, time: time(decoder)? },
            9 => TransactionCommand::CloseCase {
                case: CaseId(number(decoder)?),
                operator: label(decoder)?,
                time: time(decoder)?,
            },
            10 => TransactionCommand::OpenRail { name: label(decoder)? },
            11 => TransactionCommand::ChangeRail { rail: rail(decoder)?, is_open: bool::decode(decoder)? },
            12 => TransactionCommand::ChangePolicy {
                topic: WireTopic::decode(decoder)?.0,
                policy: WirePolicy::decode(decoder)?.0,
            },
            13 => TransactionCommand::ChangeFee {
                kind: WireKind::decode(decoder)?.0,
                asset: asset(decoder)?,
                fee: WireFeePlan::decode(decoder)?.0,
            },
            14 => TransactionCommand::ChangeStanding {
                account: account(decoder)?,
                standing: WireStanding::decode(decoder)?.0,
            },
            15 => TransactionCommand::ChangeNotification { is_on: bool::decode(decoder)? },
            16 => TransactionCommand::ChangeCredit {
                account: account(decoder)?,
                asset: asset(decoder)?,
                limit: amount(decoder)?,
            },
            _ => return Err(DecodeError::Other("unknown transaction command")),
        }))
    }
}

bincode::impl_borrow_decode!(WireTransactionRead);

pub(super) fn encode_body<E: Encoder>(body: &Body, encoder: &mut E) -> Result<(), EncodeError> {
    let kind = number_of(&TRANSACTION_KINDS, &body.kind());
    let users = |held: bool, one: &AccountId, other: &AccountId, asset: &AssetId, amount: &Amount| {
        let which = kind | if held { HELD } else { 0 };
        (which, Small::from(one.0), Small::from(other.0), Small::from(asset.0), WireAmount(*amount))
    };
    match body {
        Body::Deposit { account, asset, amount } | Body::Commission { agent: account, asset, amount } => {
            (kind, Small::from(account.0), Small::from(asset.0), WireAmount(*amount)).encode(encoder)
        }
        Body::Withdrawal { account, asset, amount, destination } => {
            (kind, Small::from(account.0), Small::from(asset.0), WireAmount(*amount)).encode(encoder)?;
            Small(destination.len() as u64).encode(encoder)?;
            encoder.writer().write(destination.as_bytes())
        }
        Body::Transfer { from, to, asset, amount, held } => users(*held, from, to, asset, amount).encode(encoder),
        Body::Payment { payer, merchant, asset, amount, held } => {
            users(*held, payer, merchant, asset, amount).encode(encoder)
        }
        Body::Refund { payment, amount, held } => {
            (kind | if *held { HELD } else { 0 }, WireLabel(*payment), WireAmount(*amount)).encode(encoder)
        }
        Body::ClawBack { commission, amount } => (kind, WireLabel(*commission), WireAmount(*amount)).encode(encoder),
        Body::FeeShare { asset, rate } => (kind, Small::from(asset.0), Small::from(rate.0)).encode(encoder),
        Body::Adjustment { asset, from, to, amount, corrects, case, proposer } => (
            kind,
            Small::from(asset.0),
            WireLedgerAccount(*from),
            WireLedgerAccount(*to),
            WireAmount(*amount),
            Small(*corrects),
            Small(case.0),
            WireLabel(*proposer),
        )
            .encode(encoder),
    }
}

pub(super) fn decode_body<D: Decoder>(decoder: &mut D) -> Result<Body, DecodeError> {
    let which = u8::decode(decoder)?;
    let held = which & HELD != 0;
    let kind = value(&TRANSACTION_KINDS, which & !HELD, "unknown kind of transactions")?;
    let may_be_held = matches!(kind, TransactionKind::Transfer | TransactionKind::Payment | TransactionKind::Refund);
    if held && !may_be_held {
        return Err(DecodeError::Other("a transaction that cannot be held"));
    }
    Ok(match kind {
        TransactionKind::Deposit => {
            Body::Deposit { account: account(decoder)?, asset: asset(decoder)?, amount: amount(decoder)? }
        }
        TransactionKind::Withdrawal => Body::Withdrawal {
            account: account(decoder)?,
            asset: asset(decoder)?,
            amount: amount(decoder)?,
            destination: destination(decoder)?,
        },
        TransactionKind::Transfer => Body::Transfer {
            from: account(decoder)?,
            to: account(decoder)?,
            asset: asset(decoder)?,
            amount: amount(decoder)?,
            held,
        },
        TransactionKind::Payment => Body::Payment {
            payer: account(decoder)?,
            merchant: account(decoder)?,
            asset: asset(decoder)?,
            amount: amount(decoder)?,
            held,
        },
        TransactionKind::Refund => Body::Refund { payment: label(decoder)?, amount: amount(decoder)?, held },
        TransactionKind::Commission => {
            Body::Commission { agent: account(decoder)?, asset: asset(decoder)?, amount: amount(decoder)? }
        }
        TransactionKind::ClawBack => Body::ClawBack { commission: label(decoder)?, amount: amount(decoder)? },
        TransactionKind::FeeShare => Body::FeeShare { asset: asset(decoder)?, rate: BasisPoints(narrow(decoder)?) },
        TransactionKind::Adjustment => Body::Adjustment {
            asset: asset(decoder)?,
            from: WireLedgerAccount::decode(decoder)?.0,
            to: WireLedgerAccount::decode(decoder)?.0,
            amount: amount(decoder)?,
            corrects: number(decoder)?,
            case: CaseId(number(decoder)?),
            proposer: label(decoder)?,
        },
    })
}

/// Types that are written and read by hand, each a thin twin of what it holds.
macro_rules! twin {
    ($name:ident($inner:ty), $this:ident, $encoder:ident => $encode:expr, $decoder:ident => $decode:expr) => {
        pub(super) struct $name(pub(super) $inner);

        impl Encode for $name {
            fn encode<E: Encoder>(&self, $encoder: &mut E) -> Result<(), EncodeError> {
                let $this = &self.0;
                $encode
            }
        }

        impl<Context> Decode<Context> for $name {
            fn decode<D: Decoder<Context = Context>>($decoder: &mut D) -> Result<Self, DecodeError> {
                $decode.map(Self)
            }
        }

        bincode::impl_borrow_decode!($name);
    };
}

twin!(WireReport(Report), report, encoder => match report {
    Report::Accepted => 0_u8.encode(encoder),
    Report::Received { reference, asset, amount, is_final } => {
        (1_u8, WireLabel(*reference), Small::from(asset.0), WireAmount(*amount), is_final).encode(encoder)
    }
    Report::Returned { reference } => (2_u8, WireLabel(*reference)).encode(encoder),
    Report::Paid { reference, asset, amount } => {
        (3_u8, WireLabel(*reference), Small::from(asset.0), WireAmount(*amount)).encode(encoder)
    }
    Report::Bounced { reference, asset, amount } => {
        (4_u8, WireLabel(*reference), Small::from(asset.0), WireAmount(*amount)).encode(encoder)
    }
    Report::Rejected => 5_u8.encode(encoder),
    Report::Canceled => 6_u8.encode(encoder),
    Report::Unknown => 7_u8.encode(encoder),
}, decoder => decode_report(decoder));

fn decode_report<D: Decoder>(decoder: &mut D) -> Result<Report, DecodeError> {
    Ok(match u8::decode(decoder)? {
        0 => Report::Accepted,
        1 => Report::Received {
            reference: label(decoder)?,
            asset: asset(decoder)?,
            amount: amount(decoder)?,
            is_final: bool::decode(decoder)?,
        },
        2 => Report::Returned { reference: label(decoder)? },
        3 => Report::Paid { reference: label(decoder)?, asset: asset(decoder)?, amount: amount(decoder)? },
        4 => Report::Bounced { reference: label(decoder)?, asset: asset(decoder)?, amount: amount(decoder)? },
        5 => Report::Rejected,
        6 => Report::Canceled,
        7 => Report::Unknown,
        _ => return Err(DecodeError::Other("unknown report of a rail")),
    })
}

twin!(WireLedgerAccount(LedgerAccount), account, encoder => match account {
    LedgerAccount::Available(user) => (0_u8, Small::from(user.0)).encode(encoder),
    LedgerAccount::Held(user) => (1_u8, Small::from(user.0)).encode(encoder),
    LedgerAccount::Outgoing(user) => (2_u8, Small::from(user.0)).encode(encoder),
    LedgerAccount::Incoming(user) => (3_u8, Small::from(user.0)).encode(encoder),
    LedgerAccount::External(rail) => (4_u8, Small::from(rail.0)).encode(encoder),
    LedgerAccount::House(house) => (5_u8, number_of(&HOUSES, house)).encode(encoder),
}, decoder => decode_ledger_account(decoder));

fn decode_ledger_account<D: Decoder>(decoder: &mut D) -> Result<LedgerAccount, DecodeError> {
    Ok(match u8::decode(decoder)? {
        0 => LedgerAccount::Available(account(decoder)?),
        1 => LedgerAccount::Held(account(decoder)?),
        2 => LedgerAccount::Outgoing(account(decoder)?),
        3 => LedgerAccount::Incoming(account(decoder)?),
        4 => LedgerAccount::External(rail(decoder)?),
        5 => LedgerAccount::House(value(&HOUSES, u8::decode(decoder)?, "unknown account of the house")?),
        _ => return Err(DecodeError::Other("unknown account of the ledger")),
    })
}

twin!(WireNewCase(NewCase), case, encoder => (
    number_of(&CASE_KINDS, &case.kind),
    Small::from(case.rail.0),
    Small::from(case.asset.0),
    WireAmount(case.amount),
    case.reference.map(WireLabel),
    Small(case.transaction.0),
).encode(encoder), decoder => decode_case(decoder));

fn decode_case<D: Decoder>(decoder: &mut D) -> Result<NewCase, DecodeError> {
    Ok(NewCase {
        kind: value(&CASE_KINDS, u8::decode(decoder)?, "unknown kind of cases")?,
        rail: rail(decoder)?,
        asset: asset(decoder)?,
        amount: amount(decoder)?,
        reference: name(decoder)?,
        transaction: transaction(decoder)?,
    })
}

twin!(WirePolicy(Policy), policy, encoder => (
    Small(policy.first.0),
    Small(policy.interval.0),
    policy.is_doubling,
    Small(policy.longest.0),
    Small::from(policy.attempts),
    Small(policy.lifetime.0),
).encode(encoder), decoder => decode_policy(decoder));

fn decode_policy<D: Decoder>(decoder: &mut D) -> Result<Policy, DecodeError> {
    Ok(Policy {
        first: Nanos(number(decoder)?),
        interval: Nanos(number(decoder)?),
        is_doubling: bool::decode(decoder)?,
        longest: Nanos(number(decoder)?),
        attempts: narrow(decoder)?,
        lifetime: Nanos(number(decoder)?),
    })
}

twin!(WireTopic(Topic), topic, encoder => match topic {
    Topic::Kind(kind) => number_of(&TRANSACTION_KINDS, kind).encode(encoder),
    Topic::Notification => NOTIFICATION.encode(encoder),
}, decoder => match u8::decode(decoder)? {
    NOTIFICATION => Ok(Topic::Notification),
    kind => value(&TRANSACTION_KINDS, kind, "unknown topic").map(Topic::Kind),
});

twin!(WireKind(TransactionKind), kind, encoder => number_of(&TRANSACTION_KINDS, kind).encode(encoder),
    decoder => value(&TRANSACTION_KINDS, u8::decode(decoder)?, "unknown kind of transactions"));

twin!(WireStanding(Standing), standing, encoder => number_of(&STANDINGS, standing).encode(encoder),
    decoder => value(&STANDINGS, u8::decode(decoder)?, "unknown standing"));

twin!(WireFeePlan(FeePlan), plan, encoder => (WireAmount(plan.fixed), Small::from(plan.rate.0)).encode(encoder),
    decoder => Ok(FeePlan { fixed: amount(decoder)?, rate: BasisPoints(narrow(decoder)?) }));

twin!(WireLabel(Label), label, encoder => {
    let text = label.as_str().as_bytes();
    // At most 64 bytes long.
    (text.len() as u8).encode(encoder)?;
    encoder.writer().write(text)
}, decoder => label(decoder));

twin!(WireAmount(Amount), amount, encoder => {
    let folded = amount.0.cast_unsigned() << 1 ^ (amount.0 >> 127).cast_unsigned();
    encode_groups(folded, encoder)
}, decoder => amount(decoder));

/// A whole number that is small as a rule.
pub(super) struct Small(pub(super) u64);

impl<T: Into<u64>> From<T> for Small {
    fn from(number: T) -> Self {
        Self(number.into())
    }
}

impl Encode for Small {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encode_groups(u128::from(self.0), encoder)
    }
}

impl<Context> Decode<Context> for Small {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        number(decoder).map(Self)
    }
}

bincode::impl_borrow_decode!(Small);

/// The most groups of seven bits in 128.
const GROUPS_MAX: usize = 19;

fn encode_groups<E: Encoder>(number: u128, encoder: &mut E) -> Result<(), EncodeError> {
    let (mut groups, mut length) = ([0; GROUPS_MAX], 0);
    // Nearly every number has 64 bits, which are handled much faster than 128.
    let mut rest = number;
    while rest > u128::from(u64::MAX) {
        groups[length] = rest as u8 | 1 << 7;
        rest >>= 7;
        length += 1;
    }
    let mut rest = rest as u64;
    while rest > 0x7f {
        groups[length] = rest as u8 | 1 << 7;
        rest >>= 7;
        length += 1;
    }
    groups[length] = rest as u8;
    encoder.writer().write(&groups[..=length])
}

fn decode_groups<D: Decoder>(decoder: &mut D) -> Result<u128, DecodeError> {
    let mut number = 0;
    for place in 0..GROUPS_MAX {
        let group = u8::decode(decoder)?;
        let bits = u128::from(group & 0x7f);
        let placed = bits << (7 * place);
        if placed >> (7 * place) != bits || place > 0 && group == 0 {
            return Err(DecodeError::Other("a number that is too long"));
        }
        number |= placed;
        if group & 1 << 7 == 0 {
            return Ok(number);
        }
    }
    Err(DecodeError::Other("a number that is too long"))
}

pub(super) fn number<D: Decoder>(decoder: &mut D) -> Result<u64, DecodeError> {
    decode_groups(decoder)?.try_into().map_err(|_| DecodeError::Other("a number that is too large"))
}

pub(super) fn narrow<D: Decoder>(decoder: &mut D) -> Result<u32, DecodeError> {
    number(decoder)?.try_into().map_err(|_| DecodeError::Other("a number that is too large"))
}

fn narrowest<D: Decoder>(decoder: &mut D) -> Result<u16, DecodeError> {
    number(decoder)?.try_into().map_err(|_| DecodeError::Other("a number that is too large"))
}

pub(super) fn amount<D: Decoder>(decoder: &mut D) -> Result<Amount, DecodeError> {
    let folded = decode_groups(decoder)?;
    Ok(Amount((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed()))
}

pub(super) fn time<D: Decoder>(decoder: &mut D) -> Result<Nanos, DecodeError> {
    u64::decode(decoder).map(Nanos)
}

pub(super) fn account<D: Decoder>(decoder: &mut D) -> Result<AccountId, DecodeError> {
    narrow(decoder).map(AccountId)
}

pub(super) fn asset<D: Decoder>(decoder: &mut D) -> Result<AssetId, DecodeError> {
    narrowest(decoder).map(AssetId)
}

pub(super) fn rail<D: Decoder>(decoder: &mut D) -> Result<RailId, DecodeError> {
    narrowest(decoder).map(RailId)
}

pub(super) fn transaction<D: Decoder>(decoder: &mut D) -> Result<TransactionId, DecodeError> {
    number(decoder).map(TransactionId)
}

pub(super) fn label<D: Decoder>(decoder: &mut D) -> Result<Label, DecodeError> {
    let unknown = || DecodeError::Other("a name that cannot be one");
    let mut bytes = [0; LABEL_MAX];
    let text = bytes.get_mut(..usize::from(u8::decode(decoder)?)).ok_or_else(unknown)?;
    decoder.claim_bytes_read(text.len())?;
    decoder.reader().read(text)?;
    std::str::from_utf8(text).ok().and_then(Label::new).ok_or_else(unknown)
}

pub(super) fn name<D: Decoder>(decoder: &mut D) -> Result<Option<Label>, DecodeError> {
    if bool::decode(decoder)? { label(decoder).map(Some) } else { Ok(None) }
}

fn destination<D: Decoder>(decoder: &mut D) -> Result<Box<str>, DecodeError> {
    let unknown = || DecodeError::Other("a destination that cannot be one");
    let length = usize::try_from(number(decoder)?).map_err(|_| unknown())?;
    let mut bytes = [0; DESTINATION_MAX];
    let text = bytes.get_mut(..length).ok_or_else(unknown)?;
    decoder.claim_bytes_read(length)?;
    decoder.reader().read(text)?;
    std::str::from_utf8(text).map(Box::from).map_err(|_| unknown())
}

pub(super) fn value<T: Copy>(table: &[T], number: u8, unknown: &'static str) -> Result<T, DecodeError> {
    table.get(usize::from(number)).copied().ok_or(DecodeError::Other(unknown))
}
