//! Counters that can be added up, and asked which of them never moved.

macro_rules! counters {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$of:meta])* pub $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$of])* pub $field: u64,)* }

        impl $name {
            /// Both together.
            pub fn with(&self, other: &Self) -> Self {
                Self { $($field: self.$field + other.$field,)* }
            }

            /// What never happened.
            pub fn missing(&self) -> Vec<&'static str> {
                let all = [$((stringify!($field), self.$field),)*];
                all.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name).collect()
            }
        }
    };
}

pub(crate) use counters;

counters! {
    /// How often something happened that no answer tells.
    pub struct Counts {
        /// Trailing orders that were triggered.
        pub trailed,
        /// Icebergs that showed their next part.
        pub refilled,
        /// Turns in which a maker was passed over because of its minimum.
        pub passed_over,
        /// Orders that looked and could not have their minimum.
        pub short_of_minimum,
        /// Turns of pegged orders, on entry and later.
        pub pegged,
        /// Orders that were released by the fill of another one.
        pub released,
        /// Pegged orders that had no price after a command.
        pub unpriced,
        /// Meetings of two accounts of one trade group.
        pub grouped,
        /// Auctions that traded.
        pub auctions,
        /// Of them, those whose price was not decided by volume and imbalance.
        pub ties,
        /// Market orders that were refused because they would cost too much.
        pub too_dear,
        /// Market orders that were bounded by their slippage.
        pub slipped,
    }
}
