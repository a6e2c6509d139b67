//! Counts of the accounts of a tenant, also of those that are opened while the exchange runs.

use std::sync::OnceLock;

use rialto_engine::ids::AccountId;

use super::window::Window;

/// How many accounts the first block is for. Every further one is for twice as many.
const FIRST: u64 = 64;
/// With so many blocks every number of an account has a place.
const BLOCKS: usize = 27;

/// Two windows for every account. Blocks are made when the first of their accounts comes, and stay
/// where they are, so that whoever counts waits for nobody.
#[derive(Default)]
pub struct Accounts {
    blocks: [OnceLock<Box<[[Window; 2]]>>; BLOCKS],
}

impl Accounts {
    /// The windows of an account.
    pub fn of(&self, account: AccountId) -> &[Window; 2] {
        let place = u64::from(account.0) + FIRST;
        let block = place.ilog2() - FIRST.ilog2();
        let begin = FIRST << block;
        let windows = self.blocks[block as usize].get_or_init(|| (0..begin).map(|_| Default::default()).collect());
        &windows[(place - begin) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_has_windows_of_its_own() {
        let accounts = Accounts::default();
        for number in 0..1_000 {
            assert!(accounts.of(AccountId(number))[0].take(1, number, 1_000), "{number} is new");
        }
        for number in 0..1_000 {
            assert_eq!(accounts.of(AccountId(number))[0].count(1), number);
        }
        // The last one's block alone would be too large to make here; its place is within.
        let place = u64::from(u32::MAX) + FIRST;
        assert_eq!((place.ilog2() - FIRST.ilog2()) as usize, BLOCKS - 1);
    }
}
