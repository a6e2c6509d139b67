//! The chain over the entries of a wallet: whoever changes, drops or moves one entry behind the
//! journal's back has to change every head behind it.
//!
//! The head behind an entry is SHA-256 of the head before it and of the entry's canonical bytes. The
//! first entry of a wallet stands behind a head of zeros. It costs the hot path nothing: the follower
//! computes it from the replayed entries.

use rialto_engine::wallet::{Cause, Entry, LedgerAccount};
use sha2::{Digest, Sha256};

/// How long the canonical bytes of an entry are. With a head before them they are two blocks of the
/// hash, padding included.
pub const CANONICAL_BYTES: usize = 87;

/// The canonical bytes of an entry: of fixed length, numbers big-endian in their full width.
pub type Canonical = [u8; CANONICAL_BYTES];

/// Where a chain stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The number of the last entry; zero before the first.
    pub number: u64,
    /// The head behind it.
    pub head: [u8; 32],
}

impl Chain {
    /// Takes the next entry in.
    pub fn add(&mut self, entry: &Entry) {
        self.add_canonical(entry.number, &canonical(entry));
    }

    /// The same, of an entry whose canonical bytes are at hand.
    pub fn add_canonical(&mut self, number: u64, canonical: &Canonical) {
        self.number = number;
        let mut hash = Sha256::new();
        hash.update(self.head);
        hash.update(canonical);
        self.head = hash.finalize().into();
    }

    /// The head as text.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.head)
    }
}

/// A head as text: 64 hexadecimal digits.
#[must_use]
pub fn text(head: &[u8; 32]) -> String {
    head.iter().fold(String::with_capacity(64), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('?'));
        }
        text
    })
}

/// The canonical bytes of an entry: number, time, asset, the two accounts, amount, the two balances
/// behind it, cause. Every field has its place and its width, so that no two entries share them.
#[must_use]
pub fn canonical(entry: &Entry) -> Canonical {
    let mut bytes = [0; CANONICAL_BYTES];
    let (cause, within, number) = match entry.cause {
        Cause::Deposit(number) => (0, 0, number),
        Cause::Hold(order) => (1, 0, order.0),
        Cause::Release(order) => (2, 0, order.0),
        Cause::Trade(market, trade) => (3, market.0, trade.0),
        Cause::Transaction(transaction) => (4, 0, transaction.0),
        Cause::Case(case) => (5, 0, case.0),
        Cause::Passage(number) => (6, 0, number),
    };
    bytes[..8].copy_from_slice(&entry.number.to_be_bytes());
    bytes[8..16].copy_from_slice(&entry.time.0.to_be_bytes());
    bytes[16..18].copy_from_slice(&entry.asset.0.to_be_bytes());
    bytes[18..23].copy_from_slice(&account(entry.debit));
    bytes[23..28].copy_from_slice(&account(entry.credit));
    bytes[28..44].copy_from_slice(&entry.amount.0.to_be_bytes());
    bytes[44..60].copy_from_slice(&entry.debit_after.0.to_be_bytes());
    bytes[60..76].copy_from_slice(&entry.credit_after.0.to_be_bytes());
    bytes[76] = cause;
    bytes[77..79].copy_from_slice(&within.to_be_bytes());
    bytes[79..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The kind of an account, and the number of its owner.
fn account(account: LedgerAccount) -> [u8; 5] {
    let (kind, owner) = match account {
        LedgerAccount::Available(user) => (0, user.0),
        LedgerAccount::Held(user) => (1, user.0),
        LedgerAccount::Outgoing(user) => (2, user.0),
        LedgerAccount::Incoming(user) => (3, user.0),
        LedgerAccount::External(rail) => (4, u32::from(rail.0)),
        LedgerAccount::House(house) => (5, house as u32),
    };
    let [a, b, c, d] = owner.to_be_bytes();
    [kind, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use rialto_engine::ids::{AccountId, AssetId, MarketId, TradeId};
    use rialto_engine::units::{Amount, Nanos};
    use rialto_engine::wallet::House;

    use super::*;

    fn entry(number: u64) -> Entry {
        Entry {
            number,
            time: Nanos(2),
            asset: AssetId(3),
            debit: LedgerAccount::Held(AccountId(4)),
            credit: LedgerAccount::House(House::Suspense),
            amount: Amount(5),
            debit_after: Amount(6),
            credit_after: Amount(-7),
            cause: Cause::Trade(MarketId(8), TradeId(9)),
        }
    }

    /// Heads that were told outside must come out again for ever: this must never change.
    #[test]
    fn heads_are_what_anybody_would_compute() {
        let bytes = canonical(&entry(1));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = [
            "0000000000000001",
            "0000000000000002",
            "0003",
            "0100000004",
            "0500000004",
            "00000000000000000000000000000005",
            "00000000000000000000000000000006",
            "fffffffffffffffffffffffffffffff9",
            "03",
            "0008",
            "0000000000000009",
        ];
        assert_eq!(hex, expected.concat());
        let mut chain = Chain::default();
        chain.add(&entry(1));
        let mut plain = vec![0; 32];
        plain.extend(bytes);
        assert_eq!(chain.head, <[u8; 32]>::from(Sha256::digest(&plain)));
        assert_eq!(chain.number, 1);
    }

    #[test]
    fn any_change_changes_the_head() {
        let head = |entries: &[Entry]| {
            let mut chain = Chain::default();
            entries.iter().for_each(|entry| chain.add(entry));
            chain.head
        };
        let whole = [entry(1), entry(2), entry(3)];
        let mut others = vec![vec![whole[0], whole[2]], vec![whole[1], whole[0], whole[2]], whole[..2].to_vec()];
        let change = |change: fn(&mut Entry)| {
            let mut entries = whole.to_vec();
            change(&mut entries[1]);
            entries
        };
        others.push(change(|entry| entry.time = Nanos(3)));
        others.push(change(|entry| entry.asset = AssetId(4)));
        others.push(change(|entry| entry.debit = LedgerAccount::Available(AccountId(4))));
        others.push(change(|entry| entry.credit = LedgerAccount::House(House::Fee)));
        others.push(change(|entry| entry.amount = Amount(6)));
        others.push(change(|entry| entry.debit_after = Amount(7)));
        others.push(change(|entry| entry.credit_after = Amount(7)));
        others.push(change(|entry| entry.cause = Cause::Trade(MarketId(8), TradeId(10))));
        others.push(change(|entry| entry.cause = Cause::Deposit(9)));
        let mut heads: Vec<_> = others.iter().map(|entries| head(entries)).collect();
        heads.push(head(&whole));
        heads.sort_unstable();
        heads.dedup();
        assert_eq!(heads.len(), others.len() + 1);
    }
}
