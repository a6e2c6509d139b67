//! The parameters of new orders, sorted by name.

use super::field::{COUNT, Field, Names, PLAIN};
use crate::error::ApiError;
use crate::params::{self, OF_ANY_REQUEST, Params};

/// The parameters of a new order, as texts that are not empty.
#[derive(Clone)]
pub struct Fields<'a> {
    values: [Option<&'a str>; COUNT],
    names: &'static Names,
}

impl<'a> Fields<'a> {
    /// Sorts the parameters, and refuses what is not understood: an order must never be placed
    /// without something that its owner relies on. `beside` are names that the caller reads.
    ///
    /// # Errors
    /// -1102 or -1105 for an empty one, -1104 for one that nobody reads.
    pub fn of(params: &'a Params<'_>, beside: &[&str]) -> Result<Self, ApiError> {
        params.check()?;
        let mut fields = Self { values: [None; COUNT], names: &PLAIN };
        let mut unread = 0;
        for (name, value) in params.iter() {
            match Field::named(name) {
                Some(field) if value.is_empty() => return Err(empty(field, name)),
                Some(field) => fields.values[field as usize] = Some(value),
                None => unread += usize::from(!is_read(name, beside)),
            }
        }
        if unread > 0 {
            return Err(ApiError::unread_parameters(params.len() - unread, params.len()));
        }
        Ok(fields)
    }

    /// Sorts the parameters of a list by the names of its legs. What legs share goes to each.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_legs<const N: usize>(
        params: &'a Params<'_>,
        legs: [&'static Names; N],
        beside: &[&str],
    ) -> Result<[Self; N], ApiError> {
        params.check()?;
        let mut sorted = legs.map(|names| Self { values: [None; COUNT], names });
        let mut unread = 0;
        for (name, value) in params.iter() {
            let mut is_known = is_read(name, beside);
            for fields in &mut sorted {
                let Some(field) = fields.names.find(name) else { continue };
                if value.is_empty() {
                    return Err(empty(field, name));
                }
                fields.values[field as usize] = Some(value);
                is_known = true;
            }
            unread += usize::from(!is_known);
        }
        if unread > 0 {
            return Err(ApiError::unread_parameters(params.len() - unread, params.len()));
        }
        Ok(sorted)
    }

    /// The value of a parameter, `None` if it was not sent.
    pub const fn get(&self, field: Field) -> Option<&'a str> {
        self.values[field as usize]
    }

    /// What a parameter is called.
    pub const fn name(&self, field: Field) -> &'static str {
        self.names.of(field)
    }

    /// The same parameters with one that goes without saying.
    pub const fn with(mut self, field: Field, value: &'a str) -> Self {
        self.values[field as usize] = Some(value);
        self
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// -1102.
    pub fn required(&self, field: Field) -> Result<&'a str, ApiError> {
        self.get(field).ok_or_else(|| ApiError::mandatory(self.name(field)))
    }

    /// A whole number that may be left out.
    ///
    /// # Errors
    /// -1100.
    pub fn integer(&self, field: Field) -> Result<Option<u64>, ApiError> {
        self.get(field).map(|text| params::integer(self.name(field), text)).transpose()
    }

    /// Yes or no; no if it was not sent.
    ///
    /// # Errors
    /// -1100.
    pub fn flag(&self, field: Field) -> Result<bool, ApiError> {
        self.get(field).map_or(Ok(false), |text| params::boolean(self.name(field), text))
    }

    /// The parameters that were sent.
    pub fn sent(&self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(|field| self.get(*field).is_some())
    }
}

fn is_read(name: &str, beside: &[&str]) -> bool {
    OF_ANY_REQUEST.contains(&name) || beside.contains(&name)
}

fn empty(field: Field, name: &str) -> ApiError {
    if matches!(field, Field::Symbol | Field::Side | Field::Type) {
        ApiError::mandatory(name)
    } else {
        ApiError::empty(name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::{ABOVE, BELOW};
    use super::*;

    #[test]
    fn legs_get_their_own_and_what_they_share() {
        let query = "symbol=A&side=SELL&quantity=5&aboveType=LIMIT_MAKER&abovePrice=3&belowType=STOP_LOSS\
                     &belowStopPrice=1&listClientOrderId=x&timestamp=1";
        let params = Params::of_rest(query, "").expect("parses");
        let Ok([above, below]) = Fields::of_legs(&params, [&ABOVE, &BELOW], &["listClientOrderId"]) else {
            panic!("does not sort");
        };
        assert_eq!((above.get(Field::Price), below.get(Field::Price)), (Some("3"), None));
        assert_eq!((above.get(Field::StopPrice), below.get(Field::StopPrice)), (None, Some("1")));
        for leg in [&above, &below] {
            assert_eq!((leg.get(Field::Side), leg.get(Field::Quantity)), (Some("SELL"), Some("5")));
        }
        let missing = below.required(Field::Price).expect_err("not sent");
        assert!(missing.msg.contains("'belowPrice'"), "{missing}");
    }

    #[test]
    fn what_no_leg_reads_is_refused() {
        let code = |query: &str| {
            let params = Params::of_rest(query, "").expect("parses");
            Fields::of_legs(&params, [&ABOVE, &BELOW], &[]).map(|_| ()).map_err(|error| error.code)
        };
        assert_eq!(code("symbol=A&price=1"), Err(-1104));
        assert_eq!(code("symbol=A&workingPrice=1"), Err(-1104));
        assert_eq!(code("symbol=A&abovePrice="), Err(-1105));
        assert_eq!(code("symbol="), Err(-1102));
        assert_eq!(code("symbol=A&abovePrice=1"), Ok(()));
    }
}
