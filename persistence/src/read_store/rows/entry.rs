//! Double entries, and whose they are.

use rialto_engine::ids::{AccountId, AssetId, CaseId, MarketId, OrderId, RailId, TenantId, TradeId, TransactionId};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Cause, Entry, House, LedgerAccount};

use super::{Row, last_number, put_number, put_signed, unzigzag};
use crate::read_store::Owner;

const HOUSES: [House; House::COUNT] = [
    House::Fee,
    House::Rounding,
    House::PlatformFee,
    House::Clearing,
    House::Suspense,
    House::RebateExpense,
    House::CommissionExpense,
    House::Adjustment,
];

/// Both users are the same, and named once.
const SAME_USER: u8 = 1 << 3;
/// The asset's number is too large for the four bits it has, and follows.
const ASSET_FOLLOWS: u8 = 15;

/// A ledger account as the number of its kind and the number of its owner.
const fn parts(account: LedgerAccount) -> (u8, u32) {
    match account {
        LedgerAccount::Available(user) => (0, user.0),
        LedgerAccount::Held(user) => (1, user.0),
        LedgerAccount::Outgoing(user) => (2, user.0),
        LedgerAccount::Incoming(user) => (3, user.0),
        LedgerAccount::External(rail) => (4, rail.0 as u32),
        LedgerAccount::House(house) => (5 + house as u8, 0),
    }
}

fn from_parts(kind: u8, owner: u32) -> Option<LedgerAccount> {
    Some(match kind {
        0 => LedgerAccount::Available(AccountId(owner)),
        1 => LedgerAccount::Held(AccountId(owner)),
        2 => LedgerAccount::Outgoing(AccountId(owner)),
        3 => LedgerAccount::Incoming(AccountId(owner)),
        4 => LedgerAccount::External(RailId(owner.try_into().ok()?)),
        _ => LedgerAccount::House(*HOUSES.get(usize::from(kind.checked_sub(5)?))?),
    })
}

/// Whose a ledger account is and what it is, in an order in which those of one owner, and of one
/// asset of his, lie together: owner, asset, kind.
pub fn place(account: LedgerAccount, asset: AssetId) -> u64 {
    let (kind, owner) = parts(account);
    owner_place(Owner::of(account), owner) | u64::from(asset.0) << 8 | u64::from(kind)
}

const fn owner_place(class: Owner, owner: u32) -> u64 {
    let class = match class {
        Owner::User(_) => 0,
        Owner::Rail(_) => 1,
        Owner::House => 2,
    };
    class << 56 | (owner as u64) << 24
}

/// The first and the last place of an owner.
pub const fn places(owner: Owner) -> (u64, u64) {
    let first = match owner {
        Owner::User(user) => owner_place(owner, user.0),
        Owner::Rail(rail) => owner_place(owner, rail.0 as u32),
        Owner::House => owner_place(owner, 0),
    };
    (first, first | 0xff_ffff)
}

/// The first and the last place of an owner's accounts of an asset.
pub const fn places_of_asset(owner: Owner, asset: AssetId) -> (u64, u64) {
    let first = places(owner).0 | (asset.0 as u64) << 8;
    (first, first | 0xff)
}

/// The account and the asset at a place.
pub fn at_place(place: u64) -> Option<(LedgerAccount, AssetId)> {
    let account = from_parts(place as u8, (place >> 24) as u32)?;
    Some((account, AssetId((place >> 8) as u16)))
}

/// A key of [`super::ACCOUNT_ENTRIES`].
pub fn place_key(tenant: TenantId, place: u64, number: u64) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&tenant.0.to_be_bytes());
    key[4..12].copy_from_slice(&place.to_be_bytes());
    key[12..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The place in a key of [`super::ACCOUNT_ENTRIES`].
pub fn place_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(4..12)?.try_into().ok()?))
}

/// An entry without its number and time, which the chunk around it tells.
pub fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    let ((debit, from), (credit, to)) = (parts(entry.debit), parts(entry.credit));
    let cause = match entry.cause {
        Cause::Deposit(_) => 0,
        Cause::Hold(_) => 1,
        Cause::Release(_) => 2,
        Cause::Trade(..) => 3,
        Cause::Transaction(_) => 4,
        Cause::Case(_) => 5,
        Cause::Passage(_) => 6,
    };
    let same_user = debit < 4 && credit < 4 && from == to;
    let asset = u8::try_from(entry.asset.0).unwrap_or(ASSET_FOLLOWS).min(ASSET_FOLLOWS);
    out.push(debit << 4 | credit);
    out.push(asset << 4 | if same_user { SAME_USER } else { 0 } | cause);
    if asset == ASSET_FOLLOWS {
        put_number(out, u64::from(entry.asset.0));
    }
    if debit < 5 {
        put_number(out, u64::from(from));
    }
    if credit < 5 && !same_user {
        put_number(out, u64::from(to));
    }
    put_signed(out, entry.amount.0);
    put_signed(out, entry.debit_after.0);
    put_signed(out, entry.credit_after.0);
    match entry.cause {
        Cause::Deposit(number) => put_number(out, number),
        Cause::Hold(order) | Cause::Release(order) => put_number(out, order.0),
        Cause::Trade(market, trade) => {
            put_number(out, u64::from(market.0));
            put_number(out, trade.0);
        }
        Cause::Transaction(transaction) => put_number(out, transaction.0),
        Cause::Case(case) => put_number(out, case.0),
        Cause::Passage(number) => put_number(out, number),
    }
}

/// The entries of a chunk, one by one, of which some may be passed over.
pub struct EntryChunk<'a> {
    row: Row<'a>,
    next: u64,
    time: Nanos,
}

impl<'a> EntryChunk<'a> {
    /// From its row and key.
    pub fn new(key: &[u8], row: &'a [u8]) -> Self {
        Self { row: Row(row), next: last_number(key), time: Nanos::ZERO }
    }

    /// Number and time of the next entry, which is to be read or passed over then. `None` at the end. The
    /// outer `None`, as of the others, says that the chunk is damaged.
    pub fn begin(&mut self) -> Option<Option<(u64, Nanos)>> {
        if self.row.0.is_empty() {
            return Some(None);
        }
        self.time = Nanos(self.time.0.wrapping_add(unzigzag(self.row.number()?)));
        let number = self.next;
        self.next += 1;
        Some(Some((number, self.time)))
    }

    /// The entry that was begun.
    pub fn read(&mut self) -> Option<Entry> {
        entry(self.next - 1, self.time, &mut self.row)
    }

    /// Passes over the entry that was begun.
    pub fn skip(&mut self) -> Option<()> {
        let (kinds, which) = (self.row.byte()?, self.row.byte()?);
        let (debit, credit) = (kinds >> 4, kinds & 15);
        let mut numbers = 4 + usize::from(which >> 4 == ASSET_FOLLOWS) + usize::from(debit < 5);
        numbers += usize::from(credit < 5 && !(credit < 4 && which & SAME_USER != 0));
        numbers += usize::from(which & 7 == 3);
        self.row.skip_numbers(numbers)
    }
}

/// The entries of a chunk, from its row and key.
pub fn entries(key: &[u8], row: &[u8]) -> Option<Vec<Entry>> {
    let mut chunk = EntryChunk::new(key, row);
    let mut entries = Vec::new();
    while chunk.begin()?.is_some() {
        entries.push(chunk.read()?);
    }
    Some(entries)
}

fn entry(number: u64, time: Nanos, row: &mut Row<'_>) -> Option<Entry> {
    let (kinds, which) = (row.byte()?, row.byte()?);
    let asset = match which >> 4 {
        ASSET_FOLLOWS => row.number()?.try_into().ok()?,
        asset => u16::from(asset),
    };
    let (debit, credit) = (kinds >> 4, kinds & 15);
    let from = if debit < 5 { row.number()?.try_into().ok()? } else { 0 };
    let to = match credit {
        0..4 if which & SAME_USER != 0 => from,
        0..5 => row.number()?.try_into().ok()?,
        _ => 0,
    };
    let (amount, debit_after, credit_after) = (row.signed()?, row.signed()?, row.signed()?);
    Some(Entry {
        number,
        time,
        asset: AssetId(asset),
        debit: from_parts(debit, from)?,
        credit: from_parts(credit, to)?,
        amount: Amount(amount),
        debit_after: Amount(debit_after),
        credit_after: Amount(credit_after),
        cause: match which & 7 {
            0 => Cause::Deposit(row.number()?),
            1 => Cause::Hold(OrderId(row.number()?)),
            2 => Cause::Release(OrderId(row.number()?)),
            3 => Cause::Trade(MarketId(row.number()?.try_into().ok()?), TradeId(row.number()?)),
            4 => Cause::Transaction(TransactionId(row.number()?)),
            5 => Cause::Case(CaseId(row.number()?)),
            6 => Cause::Passage(row.number()?),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn row(entry: &Entry) -> Vec<u8> {
        let mut row = vec![4];
        put_entry(&mut row, entry);
        row
    }

    /// If this fails, [`super::super::FORMAT_NUMBER`] must change.
    #[test]
    fn the_written_bytes_are_these() {
        let trade = Entry {
            number: 1,
            time: Nanos(2),
            asset: AssetId(3),
            debit: LedgerAccount::Held(AccountId(4)),
            credit: LedgerAccount::House(House::Fee),
            amount: Amount(5),
            debit_after: Amount(6),
            credit_after: Amount(7),
            cause: Cause::Trade(MarketId(6), TradeId(7)),
        };
        assert_eq!(hex(&row(&trade)), "041533040a0c0e0607");
        let deposit = Entry {
            asset: AssetId(300),
            debit: LedgerAccount::External(RailId(200)),
            credit: LedgerAccount::Incoming(AccountId(300)),
            debit_after: Amount(-9),
            cause: Cause::Transaction(TransactionId(8)),
            ..trade
        };
        assert_eq!(hex(&row(&deposit)), "0443f4ac02c801ac020a110e08");
        let hold = Entry {
            debit: LedgerAccount::Available(AccountId(300)),
            credit: LedgerAccount::Held(AccountId(300)),
            cause: Cause::Hold(OrderId(9)),
            ..trade
        };
        assert_eq!(hex(&row(&hold)), "040139ac020a0c0e09");
        let key = place_key(TenantId(7), place(hold.credit, AssetId(3)), 9);
        assert_eq!(hex(&key), "00000007000000012c0003010000000000000009");
    }

    #[test]
    fn every_account_and_every_cause_reads_back_as_it_was() {
        let user = AccountId(u32::MAX);
        let mut accounts = vec![
            LedgerAccount::Available(user),
            LedgerAccount::Held(user),
            LedgerAccount::Outgoing(user),
            LedgerAccount::Incoming(user),
            LedgerAccount::Available(AccountId(0)),
            LedgerAccount::External(RailId::DIRECT),
            LedgerAccount::External(RailId(u16::MAX)),
        ];
        accounts.extend(House::ALL.map(LedgerAccount::House));
        let causes = [
            Cause::Deposit(1),
            Cause::Hold(OrderId(2)),
            Cause::Release(OrderId(3)),
            Cause::Trade(MarketId(u16::MAX), TradeId(u64::MAX)),
            Cause::Transaction(TransactionId(u64::MAX)),
            Cause::Case(CaseId(6)),
            Cause::Passage(7),
        ];
        let mut written = Vec::new();
        let mut chunk = Vec::new();
        for debit in &accounts {
            for credit in &accounts {
                for cause in causes {
                    let number = written.len() as u64;
                    let entry = Entry {
                        number,
                        time: Nanos(number),
                        asset: AssetId([0, 14, 15, 255, u16::MAX][written.len() % 5]),
                        debit: *debit,
                        credit: *credit,
                        amount: Amount(i128::MAX),
                        debit_after: Amount(i128::MIN),
                        credit_after: Amount(-1),
                        cause,
                    };
                    let before = Nanos(number.saturating_sub(1));
                    let mut row = Vec::new();
                    put_entry(&mut row, &entry);
                    super::super::put_in_chunk(&mut chunk, before, entry.time, &row);
                    written.push(entry);
                    for (account, asset) in [(*debit, entry.asset), (*credit, entry.asset)] {
                        let place = place(account, asset);
                        assert_eq!(at_place(place), Some((account, asset)));
                        let (first, last) = places(Owner::of(account));
                        assert!((first..=last).contains(&place));
                    }
                }
            }
        }
        let key = super::super::entry_key(TenantId(1), 0);
        let mut some = EntryChunk::new(&key, &chunk);
        for entry in &written {
            assert_eq!(some.begin(), Some(Some((entry.number, entry.time))));
            if entry.number % 3 == 0 {
                assert_eq!(some.read().as_ref(), Some(entry));
            } else {
                assert_eq!(some.skip(), Some(()));
            }
        }
        assert_eq!(some.begin(), Some(None));
        assert_eq!(entries(&key, &chunk), Some(written));
    }
}
