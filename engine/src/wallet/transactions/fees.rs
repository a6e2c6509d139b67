//! What transactions cost, and what of that goes back.

use super::Move;
use crate::ids::{AccountId, AssetId};
use crate::market::BASIS_POINTS;
use crate::transaction::{FeePlan, Transaction, TransactionKind};
use crate::units::{Amount, Nanos};
use crate::wallet::ledger::{Cause, House, LedgerAccount};
use crate::wallet::{Wallet, WalletOutput};

impl Wallet {
    /// What a transaction costs: never a fraction less than its rate says.
    pub(super) fn fee(&self, kind: TransactionKind, asset: AssetId, amount: Amount) -> Amount {
        let FeePlan { fixed, rate } = self.fee_plan(kind, asset);
        // An amount at which this saturates is more than anybody has, and so is refused.
        let share = amount.0.saturating_mul(i128::from(rate.0));
        let share = share / i128::from(BASIS_POINTS) + i128::from(share % i128::from(BASIS_POINTS) != 0);
        Amount(fixed.0.saturating_add(share))
    }

    /// What the house gives back of a payment's fee: of what it has kept, and else of what the platform
    /// has taken.
    pub(super) fn post_fee_back(
        &mut self,
        cause: Cause,
        payer: AccountId,
        asset: AssetId,
        fee: Amount,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        let kept = Amount(fee.0.min(self.ledger.house(asset, House::Fee).0));
        let credit = LedgerAccount::Available(payer);
        let own = Move(asset, LedgerAccount::House(House::Fee), credit, kept);
        let shared = Move(asset, LedgerAccount::House(House::PlatformFee), credit, fee - kept);
        self.post(cause, time, output, &[own, shared]);
    }
}

/// What goes back of a payment's fee when so much more of it is refunded: with all refunds so far in
/// proportion, rounded down. What became too little by refunds that ended otherwise is made up for.
pub(super) fn fee_back(paid: &Transaction, amount: Amount) -> Amount {
    let target = part(paid.fee, paid.reversed + amount, paid.posted);
    Amount((target - paid.fee_back).0.clamp(0, amount.0))
}

/// `whole · share / of`, rounded down. Both factors may be as large as money gets, so that their
/// product needs 256 bits.
pub(super) fn part(whole: Amount, share: Amount, of: Amount) -> Amount {
    if let Some(product) = whole.0.checked_mul(share.0) {
        return Amount(product / of.0);
    }
    // Division by hand, bit by bit: whole = quotient · of + rest, doubled as share is read.
    let (whole, share, of) = (whole.0.unsigned_abs(), share.0.unsigned_abs(), of.0.unsigned_abs());
    let (mut quotient, mut rest) = (0u128, 0u128);
    let (whole_quotient, whole_rest) = (whole / of, whole % of);
    for bit in (0..128 - share.leading_zeros()).rev() {
        (quotient, rest) = (quotient * 2 + rest * 2 / of, rest * 2 % of);
        if share >> bit & 1 == 1 {
            quotient += whole_quotient + (rest + whole_rest) / of;
            rest = (rest + whole_rest) % of;
        }
    }
    Amount(i128::try_from(quotient).expect("a part is no more than the whole"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_exact_where_the_product_needs_more_than_there_are_bits() {
        let exact = |whole: i128, share: i128, of: i128| part(Amount(whole), Amount(share), Amount(of)).0;
        assert_eq!(exact(10, 1, 3), 3);
        assert_eq!(exact(0, 5, 7), 0);
        let most = 1 << 100;
        assert_eq!(exact(most, most, most), most);
        assert_eq!(exact(most - 1, most - 1, most), most - 2);
        assert_eq!(exact(most - 1, most / 2, most), most / 2 - 1);
        assert_eq!(exact(most, most / 3, most), most / 3);
        // With factors of two that can be taken out, the short way gives the same.
        for (whole, share, of) in [(12_345, 777, 991), (99_999, 3, 100_000), (1, 99_999, 100_000)] {
            let large = 1 << 90;
            assert_eq!(exact(whole * large, share * (1 << 60), of * (1 << 60)), whole * large * share / of);
        }
    }
}
