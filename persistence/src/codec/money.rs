//! What version 4 of a snapshot holds beyond version 3: the rest of the ledger, and transactions. It
//! stands behind it, so that the older versions can still be read, and is written row by row, because
//! there is a row for every transaction that ever was.

use std::io::{self, Write};

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use rialto_engine::ids::{AssetId, CaseId, TransactionId};
use rialto_engine::transaction::{Policy, Standing, Transaction, TransactionEvent};
use rialto_engine::units::Amount;
use rialto_engine::wallet::{
    FeeSetting, House, KnownTransaction, PendingMovement, Terms, TransactionsSnapshot, Wallet, WalletSnapshot,
};

use super::number_of;
use super::snapshot::Output;
use super::transaction::{
    STANDINGS, Small, TRANSACTION_KINDS, WireAmount, WireFeePlan, WireKind, WireLabel, WirePolicy, WireStanding,
    account, amount, asset, narrow, number, rail, transaction, value,
};
use super::transaction_state::{STATES, WireCase, WireEvent, WireEventRead, WireState, WireStateRead};
use super::{CONFIGURATION, CodecError};
use crate::snapshot::WorldSnapshot;
use crate::world::Tenant;

/// The accounts of the house that version 1 does not hold, in their order here.
const HOUSE: [House; 6] = [
    House::PlatformFee,
    House::Clearing,
    House::Suspense,
    House::RebateExpense,
    House::CommissionExpense,
    House::Adjustment,
];

#[derive(Decode)]
struct WireTenantMoney {
    /// Account, asset, outgoing and incoming, where they are not both zero.
    under_way: Vec<(Small, Small, WireAmount, WireAmount)>,
    /// Per asset.
    house: Vec<[WireAmount; HOUSE.len()]>,
    /// Per asset, per rail that has moved any of it.
    external: Vec<Vec<WireAmount>>,
    known: Vec<WireKnown>,
    movements: Vec<u128>,
    live: Vec<WireStateRead>,
    untold: Vec<WireEventRead>,
    pending: Vec<WirePending>,
    cases: Vec<WireCase>,
    last_case: u64,
    last_event: u64,
    rails: Vec<(WireLabel, bool)>,
    policies: Vec<WirePolicy>,
    fees: Vec<(WireKind, Small, WireFeePlan)>,
    standings: Vec<WireStanding>,
    notifies: bool,
}

impl<W: Write> Output<'_, W> {
    /// Fields in the order in which the wire type above declares them.
    pub(super) fn tenant_money(&mut self, tenant: &Tenant) -> io::Result<()> {
        let summary = tenant.wallet.summary();
        self.ledger_further(&summary)?;
        self.known(&tenant.wallet)?;
        self.transactions(&summary.transactions)
    }

    fn ledger_further(&mut self, WalletSnapshot { users, house, external, .. }: &WalletSnapshot) -> io::Result<()> {
        let under_way = || {
            let accounts = users.iter().zip(0_u32..);
            accounts
                .flat_map(|(balances, account)| balances.iter().zip(0_u16..).map(move |it| (account, it)))
                .filter(|(_, (balance, _))| !balance.outgoing.is_zero() || !balance.incoming.is_zero())
        };
        self.all(under_way().count(), under_way(), |output, (account, (balance, asset))| {
            let amounts = (WireAmount(balance.outgoing), WireAmount(balance.incoming));
            output.put((Small::from(account), Small::from(asset), amounts))
        })?;
        self.all(house.len(), house, |output, accounts| {
            output.put(HOUSE.map(|house| WireAmount(accounts[house as usize])))
        })?;
        self.all(external.len(), external, |output, rails| {
            output.all(rails.len(), rails, |output, amount| output.put(WireAmount(*amount)))
        })
    }

    /// What is there for ever is never in memory twice.
    fn known(&mut self, wallet: &Wallet) -> io::Result<()> {
        let count = usize::try_from(wallet.transactions()).map_err(io::Error::other)?;
        self.all(count, wallet.known_transactions(), |output, known| output.put(WireKnown(known)))?;
        self.all(wallet.movements().count(), wallet.movements(), Self::put)
    }

    pub(super) fn transactions(&mut self, it: &TransactionsSnapshot) -> io::Result<()> {
        self.all(it.live.len(), &it.live, |output, live| output.put(WireState(live)))?;
        self.all(it.untold.len(), &it.untold, |output, event| output.put(WireEvent(event)))?;
        self.all(it.pending.len(), &it.pending, |output, pending| output.put(WirePending(*pending)))?;
        self.all(it.cases.len(), &it.cases, |output, case| output.put(WireCase(*case)))?;
        self.put((it.last_case, it.last_event))?;
        self.all(it.rails.len(), &it.rails, |output, (name, is_open)| output.put((WireLabel(*name), is_open)))?;
        self.all(it.policies.len(), &it.policies, |output, policy| output.put(WirePolicy(*policy)))?;
        self.all(it.fees.len(), &it.fees, |output, FeeSetting { kind, asset, plan }| {
            output.put((WireKind(*kind), Small::from(asset.0), WireFeePlan(*plan)))
        })?;
        self.all(it.standings.len(), &it.standings, |output, standing| output.put(number_of(&STANDINGS, standing)))?;
        self.put(it.notifies)
    }
}

/// Adds it to a snapshot that was read so far as version 3 goes, from all that is left of its bytes. Gives
/// what is behind it.
pub(super) fn add_to<'a>(bytes: &'a [u8], world: &mut WorldSnapshot) -> Result<&'a [u8], CodecError> {
    let error = |error: DecodeError| CodecError(error.to_string());
    let (tenants, mut rest): (u64, usize) = bincode::decode_from_slice(bytes, CONFIGURATION).map_err(error)?;
    if tenants != world.tenants.len() as u64 {
        return Err(CodecError(format!("{tenants} tenants have money")));
    }
    // One by one: each may be most of the memory that is left.
    for tenant in &mut world.tenants {
        let (money, length): (WireTenantMoney, usize) =
            bincode::decode_from_slice(&bytes[rest..], CONFIGURATION).map_err(error)?;
        rest += length;
        money.add_to(&mut tenant.wallet)?;
    }
    Ok(&bytes[rest..])
}

impl WireTenantMoney {
    fn add_to(self, wallet: &mut WalletSnapshot) -> Result<(), CodecError> {
        for (Small(account), Small(asset), outgoing, incoming) in self.under_way {
            let balances = usize::try_from(account).ok().and_then(|account| wallet.users.get_mut(account));
            let balance = balances.zip(usize::try_from(asset).ok()).and_then(|(all, asset)| all.get_mut(asset));
            let balance = balance.ok_or_else(|| CodecError(format!("account {account} has no asset {asset}")))?;
            (balance.outgoing, balance.incoming) = (outgoing.0, incoming.0);
        }
        if self.house.len() != wallet.house.len() || self.external.len() != wallet.external.len() {
            return Err(CodecError("the house has other assets than before".to_owned()));
        }
        for (accounts, further) in wallet.house.iter_mut().zip(self.house) {
            for (house, amount) in HOUSE.into_iter().zip(further) {
                accounts[house as usize] = amount.0;
            }
        }
        let rails = |rails: Vec<WireAmount>| rails.into_iter().map(|amount| amount.0).collect::<Vec<Amount>>();
        wallet.external = self.external.into_iter().map(rails).collect();
        let mut known: Vec<KnownTransaction> = self.known.into_iter().map(|known| known.0).collect();
        known.iter_mut().zip(1..).for_each(|(known, number)| known.number = TransactionId(number));
        let fee = |(kind, asset, plan): (WireKind, Small, WireFeePlan)| {
            let asset = u16::try_from(asset.0).map_err(|_| CodecError("unknown asset".to_owned()))?;
            Ok(FeeSetting { kind: kind.0, asset: AssetId(asset), plan: plan.0 })
        };
        wallet.transactions = TransactionsSnapshot {
            known,
            live: self.live.into_iter().map(|live| live.0).collect::<Vec<Transaction>>(),
            untold: self.untold.into_iter().map(|event| event.0).collect::<Vec<TransactionEvent>>(),
            movements: self.movements,
            pending: self.pending.into_iter().map(|pending| pending.0).collect(),
            cases: self.cases.into_iter().map(|case| case.0).collect(),
            last_case: self.last_case,
            last_event: self.last_event,
            rails: self.rails.into_iter().map(|(name, is_open)| (name.0, is_open)).collect(),
            policies: self.policies.into_iter().map(|policy| policy.0).collect::<Vec<Policy>>(),
            fees: self.fees.into_iter().map(fee).collect::<Result<_, _>>()?,
            standings: self.standings.into_iter().map(|standing| standing.0).collect::<Vec<Standing>>(),
            notifies: self.notifies,
        };
        Ok(())
    }
}

/// What is known of a transaction for ever, without its number: they are counted.
pub(super) struct WireKnown(pub(super) KnownTransaction);

/// Stands for an id that was canceled before it was tried.
const NO_KIND: u8 = 15;
/// In the byte of kind and state: terms follow.
const TERMS: u8 = 1 << 6;

impl Encode for WireKnown {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let KnownTransaction { id, body, kind, state, ref terms, .. } = self.0;
        let kind = kind.map_or(NO_KIND, |kind| number_of(&TRANSACTION_KINDS, &kind));
        let which = kind | number_of(&STATES, &state) << 4 | if terms.is_some() { TERMS } else { 0 };
        (id, body, which).encode(encoder)?;
        match terms {
            Some(terms) => WireTerms(**terms).encode(encoder),
            None => Ok(()),
        }
    }
}

impl<Context> Decode<Context> for WireKnown {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (id, body, which) = (u128::decode(decoder)?, u64::decode(decoder)?, u8::decode(decoder)?);
        if which & 1 << 7 != 0 {
            return Err(DecodeError::Other("unknown form of a known transaction"));
        }
        Ok(Self(KnownTransaction {
            number: TransactionId(0),
            id,
            body,
            kind: match which & 15 {
                NO_KIND => None,
                kind => Some(value(&TRANSACTION_KINDS, kind, "unknown kind of transactions")?),
            },
            state: value(&STATES, which >> 4 & 3, "unknown state of a transaction")?,
            terms: if which & TERMS == 0 { None } else { Some(Box::new(WireTerms::decode(decoder)?.0)) },
        }))
    }
}

bincode::impl_borrow_decode!(WireKnown);

struct WireTerms(Terms);

impl Encode for WireTerms {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let it = &self.0;
        let whose = (Small::from(it.account.0), Small::from(it.other.0), Small::from(it.asset.0));
        (whose, Small::from(it.rail.0), Small::from(it.events)).encode(encoder)?;
        [it.amount, it.posted, it.fee, it.moved, it.reversed, it.fee_back].map(WireAmount).encode(encoder)
    }
}

impl<Context> Decode<Context> for WireTerms {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Self(Terms {
            account: account(decoder)?,
            other: account(decoder)?,
            asset: asset(decoder)?,
            rail: rail(decoder)?,
            events: narrow(decoder)?,
            amount: amount(decoder)?,
            posted: amount(decoder)?,
            fee: amount(decoder)?,
            moved: amount(decoder)?,
            reversed: amount(decoder)?,
            fee_back: amount(decoder)?,
        }))
    }
}

pub(super) struct WirePending(pub(super) PendingMovement);

impl Encode for WirePending {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let it = &self.0;
        let about = (Small(it.transaction.0), Small(it.case.0), Small::from(it.asset.0));
        (it.reference, about, WireAmount(it.counted), WireAmount(it.rest)).encode(encoder)
    }
}

impl<Context> Decode<Context> for WirePending {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Self(PendingMovement {
            reference: u128::decode(decoder)?,
            transaction: transaction(decoder)?,
            case: CaseId(number(decoder)?),
            asset: asset(decoder)?,
            counted: amount(decoder)?,
            rest: amount(decoder)?,
        }))
    }
}

bincode::impl_borrow_decode!(WirePending);
