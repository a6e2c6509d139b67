//! What operators may do: roles, and the rights that each has.
//!
//! Roles are no ladder. Who halts a market need not be able to move money, and the backend that moves
//! money for its users need not be able to correct the ledger.

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// See markets, transactions, cases and settings.
    Read,
    /// Move the money of users: deposits, withdrawals, transfers, payments and what follows from them.
    Pay,
    /// Take markets through their phases, protect them, cancel orders.
    Markets,
    /// Resolve what is stuck, close cases, propose and approve corrections, freeze accounts, open, close
    /// and drain rails.
    Treasury,
    /// Set fees and policies; open users, keys, assets and markets.
    Configure,
}

/// Who somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Looks on.
    Viewer,
    /// A program of the tenant.
    Backend,
    /// Runs the markets. What operators were before there were roles, and what they are unless the
    /// configuration says otherwise.
    #[default]
    Operator,
    /// Answers for the money.
    Treasurer,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Backend, Self::Operator, Self::Treasurer, Self::Admin];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Backend => "backend",
            Self::Operator => "operator",
            Self::Treasurer => "treasurer",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it has a right.
    #[must_use]
    pub const fn may(self, right: Right) -> bool {
        match self {
            Self::Viewer => matches!(right, Right::Read),
            Self::Backend => matches!(right, Right::Read | Right::Pay),
            Self::Operator => matches!(right, Right::Read | Right::Markets),
            Self::Treasurer => matches!(right, Right::Read | Right::Pay | Right::Treasury),
            Self::Admin => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_known_by_their_names_and_the_default_moves_no_money() {
        for role in Role::ALL {
            assert_eq!(Role::named(role.name()), Some(role));
            assert!(role.may(Right::Read));
        }
        assert_eq!(Role::named("root"), None);
        let rights = |role: Role| {
            let all = [Right::Pay, Right::Markets, Right::Treasury, Right::Configure];
            all.map(|right| role.may(right))
        };
        assert_eq!(rights(Role::Viewer), [false; 4]);
        assert_eq!(rights(Role::Backend), [true, false, false, false]);
        assert_eq!(rights(Role::default()), [false, true, false, false]);
        assert_eq!(rights(Role::Treasurer), [true, false, true, false]);
        assert_eq!(rights(Role::Admin), [true; 4]);
    }
}
