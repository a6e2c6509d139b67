//! Numbers of entries by the accounts that they touch.

use rialto_engine::ids::{AssetId, TenantId};
use rialto_engine::wallet::LedgerAccount;

use super::super::runs::{Direction, Runs};
use super::super::{Owner, ReadStoreError, rows};
use super::Span;

/// The places between two that anything has moved, both inclusive. It leaps from one to the next,
/// however many entries they have.
pub fn places_between(
    owned: &Runs,
    tenant: TenantId,
    first: u64,
    last: u64,
    limit: usize,
) -> Result<Vec<(u64, LedgerAccount, AssetId)>, ReadStoreError> {
    let (low, high) = (rows::place_key(tenant, first, 0), rows::place_key(tenant, last, u64::MAX));
    let mut scan = owned.scan(&low, &high, Direction::Ascending)?;
    let mut places = Vec::new();
    while places.len() < limit {
        let Some(place) = scan.head(|key, _| rows::place_of(key))? else { break };
        let (account, asset) = rows::at_place(place).ok_or(ReadStoreError::Damaged("account_entries"))?;
        places.push((place, account, asset));
        let Some(next) = place.checked_add(1) else { break };
        scan.leap(&rows::place_key(tenant, next, 0))?;
    }
    Ok(places)
}

/// The numbers of a span that are at an owner's places between two, up to a limit from the end where it
/// begins; ascending.
pub struct Wanted<'a> {
    pub owned: &'a Runs,
    pub tenant: TenantId,
    pub owner: Owner,
    /// Both inclusive.
    pub places: (u64, u64),
    /// What more numbers must be in: once there are enough, those that lie beyond them are not looked at.
    pub span: Span,
    pub limit: usize,
}

/// A row of a place.
struct Row {
    place: u64,
    /// The smallest of its numbers.
    first: u64,
}

impl Wanted<'_> {
    pub fn numbers(mut self) -> Result<Vec<u64>, ReadStoreError> {
        let mut numbers = Vec::new();
        match self.span.direction {
            Direction::Ascending => {
                // Of the numbers that come packed with a smaller one, some may be asked for.
                if self.span.first > 1 {
                    self.packed_with_smaller(&mut numbers)?;
                }
                self.ascending(&mut numbers)?;
            }
            Direction::Descending => self.descending(&mut numbers)?,
        }
        self.limit_to(&mut numbers);
        Ok(numbers)
    }

    fn key(&self, place: u64, number: u64) -> [u8; 20] {
        rows::place_key(self.tenant, place, number)
    }

    /// Sorts, takes what is over the limit away, and asks for no more of that.
    fn limit_to(&mut self, numbers: &mut Vec<u64>) {
        numbers.sort_unstable();
        // An entry may touch two of the places.
        numbers.dedup();
        match self.span.direction {
            Direction::Ascending => numbers.truncate(self.limit),
            Direction::Descending => drop(numbers.drain(..numbers.len().saturating_sub(self.limit))),
        }
        if numbers.len() == self.limit
            && let (Some(first), Some(last)) = (numbers.first(), numbers.last())
        {
            match self.span.direction {
                Direction::Ascending => self.span.last = *last,
                Direction::Descending => self.span.first = *first,
            }
        }
    }

    fn is_owned(&self, place: u64) -> Result<bool, ReadStoreError> {
        let (account, _) = rows::at_place(place).ok_or(ReadStoreError::Damaged("account_entries"))?;
        Ok(Owner::of(account) == self.owner)
    }

    fn packed_with_smaller(&self, numbers: &mut Vec<u64>) -> Result<(), ReadStoreError> {
        let (first, last) = self.places;
        let begin = self.span.first;
        let mut scan = self.owned.scan(&self.key(first, 0), &self.key(last, begin), Direction::Descending)?;
        while let Some(row) = scan.head(|key, _| row_of(key))? {
            if row.first > begin {
                scan.leap(&self.key(row.place, begin))?;
                continue;
            }
            if self.is_owned(row.place)? {
                let have = numbers.len();
                scan.head(|key, row| rows::numbers(key, row, numbers))?;
                retain_behind(numbers, have, self.span);
            }
            let Some(next) = row.place.checked_sub(1).filter(|next| *next >= first) else { break };
            scan.leap(&self.key(next, begin))?;
        }
        Ok(())
    }

    fn ascending(&mut self, numbers: &mut Vec<u64>) -> Result<(), ReadStoreError> {
        let (first, last) = self.places;
        let (low, high) = (self.key(first, self.span.first), self.key(last, u64::MAX));
        let mut scan = self.owned.scan(&low, &high, Direction::Ascending)?;
        let mut at = None;
        let mut found = 0;
        while let Some(row) = scan.head(|key, _| row_of(key))? {
            if at != Some(row.place) {
                (at, found) = (Some(row.place), 0);
                if numbers.len() >= self.limit {
                    self.limit_to(numbers);
                }
            }
            if found >= self.limit || row.first > self.span.last || !self.is_owned(row.place)? {
                let Some(next) = row.place.checked_add(1).filter(|next| *next <= last) else { break };
                scan.leap(&self.key(next, self.span.first))?;
            } else if row.first < self.span.first {
                scan.leap(&self.key(row.place, self.span.first))?;
            } else {
                let have = numbers.len();
                scan.next(|key, row| rows::numbers(key, row, numbers))?;
                retain_behind(numbers, have, self.span);
                found += numbers.len() - have;
            }
        }
        Ok(())
    }

    fn descending(&mut self, numbers: &mut Vec<u64>) -> Result<(), ReadStoreError> {
        let (first, last) = self.places;
        let (low, high) = (self.key(first, 0), self.key(last, self.span.last));
        let mut scan = self.owned.scan(&low, &high, Direction::Descending)?;
        let mut at = None;
        let mut found = 0;
        let mut is_over = false;
        while let Some(row) = scan.head(|key, _| row_of(key))? {
            if at != Some(row.place) {
                (at, found, is_over) = (Some(row.place), 0, false);
                if numbers.len() >= self.limit {
                    self.limit_to(numbers);
                }
            }
            if is_over || found >= self.limit || !self.is_owned(row.place)? {
                let Some(next) = row.place.checked_sub(1).filter(|next| *next >= first) else { break };
                scan.leap(&self.key(next, self.span.last))?;
            } else if row.first > self.span.last {
                scan.leap(&self.key(row.place, self.span.last))?;
            } else {
                let have = numbers.len();
                scan.next(|key, row| rows::numbers(key, row, numbers))?;
                retain_behind(numbers, have, self.span);
                found += numbers.len() - have;
                // What comes now at this place is smaller still.
                is_over = row.first <= self.span.first;
            }
        }
        Ok(())
    }
}

fn row_of(key: &[u8]) -> Option<Row> {
    Some(Row { place: rows::place_of(key)?, first: rows::last_number(key) })
}

/// Takes those numbers away behind the first `have` that are not in a span.
fn retain_behind(numbers: &mut Vec<u64>, have: usize, span: Span) {
    let mut kept = have;
    for at in have..numbers.len() {
        if (span.first..=span.last).contains(&numbers[at]) {
            numbers[kept] = numbers[at];
            kept += 1;
        }
    }
    numbers.truncate(kept);
}
