//! Reading what a transaction is to do. An amount is taken exactly or refused, never rounded.

use rialto_engine::ids::{AccountId, AssetId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::market::SUPPLY_MAX;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Body, DESTINATION_MAX, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints};

use super::refused;
use crate::decimal::{DecimalFault, Grid};
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::params::Params;

/// The characters of a business id.
const LABEL: &str = "^[!-~]{1,64}$";
/// What an amount looks like. It may have an exponent, and no sign.
const AMOUNT: &str = r"^([0-9]{1,20})(\.[0-9]{1,20})?$";

/// The parameters of a request about money of one tenant.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// Who knows the names.
    pub gateway: &'a Gateway,
    /// Whose money it is.
    pub tenant: TenantId,
    /// What the request says.
    pub params: &'a Params<'a>,
}

impl<'a> Reader<'a> {
    /// What a transaction of this kind is to do; of all kinds but refunds and claw-backs, whose asset only
    /// another transaction knows, and adjustments.
    ///
    /// # Errors
    /// What is missing, too much, or no such thing.
    pub fn body(&self, kind: TransactionKind) -> Result<Body, ApiError> {
        match kind {
            TransactionKind::Deposit => {
                self.only(&["user", "asset", "amount", "rail", "until"])?;
                let (account, (asset, amount)) = (self.account("user")?, self.money()?);
                Ok(Body::Deposit { account, asset, amount })
            }
            TransactionKind::Withdrawal => {
                self.only(&["user", "asset", "amount", "destination", "rail", "until"])?;
                let (account, (asset, amount)) = (self.account("user")?, self.money()?);
                Ok(Body::Withdrawal { account, asset, amount, destination: self.destination("destination")? })
            }
            TransactionKind::Transfer => {
                self.only(&["from", "to", "asset", "amount", "held", "until"])?;
                let (from, to, (asset, amount)) = (self.account("from")?, self.account("to")?, self.money()?);
                Ok(Body::Transfer { from, to, asset, amount, held: self.held()? })
            }
            TransactionKind::Payment => {
                self.only(&["payer", "merchant", "asset", "amount", "held", "until"])?;
                let (payer, merchant) = (self.account("payer")?, self.account("merchant")?);
                let (asset, amount) = self.money()?;
                Ok(Body::Payment { payer, merchant, asset, amount, held: self.held()? })
            }
            TransactionKind::Commission => {
                self.only(&["agent", "asset", "amount", "until"])?;
                let (agent, (asset, amount)) = (self.account("agent")?, self.money()?);
                Ok(Body::Commission { agent, asset, amount })
            }
            TransactionKind::FeeShare => {
                self.only(&["asset", "rateBps"])?;
                Ok(Body::FeeShare { asset: self.asset("asset")?, rate: self.rate("rateBps")? })
            }
            TransactionKind::Refund | TransactionKind::ClawBack | TransactionKind::Adjustment => {
                Err(refused(Reason::WrongTransactionKind))
            }
        }
    }

    /// A refund of a payment in this asset.
    ///
    /// # Errors
    /// As [`Self::body`], or that another asset is named.
    pub fn refund(&self, asset: AssetId) -> Result<Body, ApiError> {
        let amount = self.amount_of("amount", asset)?;
        Ok(Body::Refund { payment: self.label("payment")?, amount, held: self.held()? })
    }

    /// A claw-back of a commission in this asset.
    ///
    /// # Errors
    /// As [`Self::refund`].
    pub fn claw_back(&self, asset: AssetId) -> Result<Body, ApiError> {
        let amount = self.amount_of("amount", asset)?;
        Ok(Body::ClawBack { commission: self.label("commission")?, amount })
    }

    /// Refuses what nobody reads: a misspelt `held` must not move money at once.
    ///
    /// # Errors
    /// -1104.
    pub fn only(&self, beside_id: &[&str]) -> Result<(), ApiError> {
        let mut read = vec!["id"];
        read.extend(beside_id);
        self.params.only(&read)
    }

    /// A business id, or another name that somebody outside has chosen.
    ///
    /// # Errors
    /// -1102 or -1100.
    pub fn label(&self, parameter: &str) -> Result<Label, ApiError> {
        let text = self.params.required(parameter)?;
        Label::new(text).ok_or_else(|| ApiError::illegal_characters(parameter, LABEL))
    }

    /// The account of a user of the tenant. Nobody learns whether another tenant has one of this name.
    ///
    /// # Errors
    /// -1102, or that there is none.
    pub fn account(&self, parameter: &str) -> Result<AccountId, ApiError> {
        let name = self.params.required(parameter)?;
        self.gateway.account_named(self.tenant, name).ok_or_else(|| refused(Reason::UnknownAccount))
    }

    /// An asset of the tenant.
    ///
    /// # Errors
    /// -1102, or that there is none.
    pub fn asset(&self, parameter: &str) -> Result<AssetId, ApiError> {
        let name = self.params.required(parameter)?;
        self.gateway.asset_named(self.tenant, name).ok_or_else(|| refused(Reason::UnknownAsset))
    }

    /// An amount of an asset that is known from elsewhere; if the request names one, it must be that.
    ///
    /// # Errors
    /// As [`Self::amount`], or that it is another asset.
    pub fn amount_of(&self, parameter: &str, asset: AssetId) -> Result<Amount, ApiError> {
        if self.params.get("asset").is_some() && self.asset("asset")? != asset {
            return Err(refused(Reason::CurrencyMismatch));
        }
        self.amount(parameter, asset)
    }

    /// An amount above zero.
    ///
    /// # Errors
    /// -1102; -1100 for what is no decimal; -1111 for more decimals than the asset has; -1108 for more
    /// than there can be; and what the wallet says to zero or less.
    pub fn amount(&self, parameter: &str, asset: AssetId) -> Result<Amount, ApiError> {
        match self.amount_or_zero(parameter, asset)? {
            Amount::ZERO => Err(refused(Reason::AmountNotPositive)),
            amount => Ok(amount),
        }
    }

    /// An amount that may be zero, and why it is refused below.
    ///
    /// # Errors
    /// As [`Self::amount`], but for zero and less.
    pub fn amount_from_zero(&self, parameter: &str, asset: AssetId, below: Reason) -> Result<Amount, ApiError> {
        let is_below = |error: &ApiError| error.code == refused(Reason::AmountNotPositive).code;
        self.amount_or_zero(parameter, asset).map_err(|error| if is_below(&error) { refused(below) } else { error })
    }

    fn amount_or_zero(&self, parameter: &str, asset: AssetId) -> Result<Amount, ApiError> {
        let text = self.params.required(parameter)?;
        let scale = self.gateway.asset(self.tenant, asset).map_or(0, |asset| asset.scale);
        amount(parameter, text, scale)
    }

    /// A share in basis points.
    ///
    /// # Errors
    /// -1102, -1100 or -1130.
    pub fn rate(&self, parameter: &str) -> Result<BasisPoints, ApiError> {
        let rate = crate::params::integer(parameter, self.params.required(parameter)?)?;
        let rate = u32::try_from(rate).ok().filter(|rate| *rate <= 10_000);
        rate.map(BasisPoints).ok_or_else(|| ApiError::invalid_parameter(parameter))
    }

    /// Where a withdrawal goes.
    ///
    /// # Errors
    /// -1102, or what the wallet says to a destination that is none.
    pub fn destination(&self, parameter: &str) -> Result<Box<str>, ApiError> {
        let text = self.params.required(parameter)?;
        let is_printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if text.len() > DESTINATION_MAX || !is_printable {
            return Err(refused(Reason::MalformedTransaction));
        }
        Ok(text.into())
    }

    fn money(&self) -> Result<(AssetId, Amount), ApiError> {
        let asset = self.asset("asset")?;
        Ok((asset, self.amount("amount", asset)?))
    }

    fn held(&self) -> Result<bool, ApiError> {
        Ok(self.params.boolean("held")?.unwrap_or(false))
    }
}

/// An amount in minor units of an asset of this scale, zero included.
///
/// # Errors
/// As [`Reader::amount`].
pub fn amount(parameter: &str, text: &str, scale: u8) -> Result<Amount, ApiError> {
    // A sign is understood, so that the answer names what is wrong.
    if text.strip_prefix('-').is_some_and(|rest| Grid::of_scale(scale).parse_wide(rest).is_ok()) {
        return Err(refused(Reason::AmountNotPositive));
    }
    let units = Grid::of_scale(scale).parse_wide(text).map_err(|fault| match fault {
        DecimalFault::Malformed => ApiError::illegal_characters(parameter, AMOUNT),
        DecimalFault::TooPrecise | DecimalFault::OffStep => ApiError::precision(parameter),
        DecimalFault::TooLarge => ApiError::overflow(parameter),
    })?;
    let units = i128::try_from(units).ok().filter(|units| *units <= SUPPLY_MAX.0);
    units.map(Amount).ok_or_else(|| ApiError::overflow(parameter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_exact_or_refused() {
        let code = |text, scale| amount("amount", text, scale).map(|amount| amount.0).map_err(|error| error.code);
        assert_eq!(code("12.5", 2), Ok(1_250));
        assert_eq!(code("12.50000", 2), Ok(1_250));
        assert_eq!(code("1e-2", 2), Ok(1));
        assert_eq!(code("0", 2), Ok(0));
        assert_eq!(code("12.505", 2), Err(-1111));
        assert_eq!(code("0.000000001", 8), Err(-1111));
        assert_eq!(code("1", 0), Ok(1));
        assert_eq!(code("1.5", 0), Err(-1111));
        assert_eq!(code("-1", 2), Err(-9_018));
        assert_eq!(code("-0.01", 2), Err(-9_018));
        for text in ["", "--1", "+1", "1,5", "NaN", "1 ", ".5", "0x1"] {
            assert_eq!(code(text, 2), Err(-1100), "{text}");
        }
        for text in ["99999999999999999999999999999999999999", "1e40", "340282366920938463463374607431768211456"] {
            assert_eq!(code(text, 18), Err(-1108), "{text}");
        }
        let most = Grid::of_scale(8).text(SUPPLY_MAX.0.unsigned_abs());
        assert_eq!(code(&most, 8), Ok(SUPPLY_MAX.0));
        let more = Grid::of_scale(8).text(SUPPLY_MAX.0.unsigned_abs() + 1);
        assert_eq!(code(&more, 8), Err(-1108));
    }
}
