//! Identifiers. Each names a thing within its tenant; none carries meaning beyond that.

use std::fmt;

use crate::digest::Digest;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

id! {
    /// A tenant: one company's exchange. Numbers are given once and never reused.
    TenantId(u32)
}
id! {
    /// An asset of one tenant.
    AssetId(u16)
}
id! {
    /// A market of one tenant.
    MarketId(u16)
}
id! {
    /// A user's account, of one tenant.
    AccountId(u32)
}
id! {
    /// An order, counted from 1 per tenant; of a tenant of several wallets, by time. Stays below
    /// 2^53, because clients read it as a double.
    OrderId(u64)
}
id! {
    /// A trade, counted from 1 per market.
    TradeId(u64)
}
id! {
    /// A wallet of one tenant, of those that share its accounts. The first coordinates the others.
    ShardId(u16)
}
id! {
    /// A transaction, counted from 1 per wallet.
    TransactionId(u64)
}
id! {
    /// A rail of one tenant: a way that money takes to and from the outside world.
    RailId(u16)
}
id! {
    /// A case of one tenant, counted from 1: a difference that somebody must explain.
    CaseId(u64)
}

impl ShardId {
    /// The wallet that coordinates the others; of most tenants, the only one.
    pub const FIRST: Self = Self(0);
}

impl RailId {
    /// The rail of deposits that an operator makes directly. Every tenant has it.
    pub const DIRECT: Self = Self(0);
}

/// The longest client order id in bytes, after the wire dialect's pattern `{1,36}`.
pub const CLIENT_ORDER_ID_MAX: usize = 36;

/// A client's own name for an order: 1 to 36 bytes of `[a-zA-Z0-9-_.:/]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientOrderId {
    length: u8,
    bytes: [u8; CLIENT_ORDER_ID_MAX],
}

impl ClientOrderId {
    /// Takes a text over, or `None` if it is empty, too long or holds a foreign character.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let source = text.as_bytes();
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(byte);
        if source.is_empty() || source.len() > CLIENT_ORDER_ID_MAX || !source.iter().all(allowed) {
            return None;
        }
        let mut bytes = [0; CLIENT_ORDER_ID_MAX];
        bytes[..source.len()].copy_from_slice(source);
        Some(Self { length: u8::try_from(source.len()).ok()?, bytes })
    }

    /// Takes a text over that is known to be one: of the allowed characters, and not too long.
    pub(crate) fn known(text: &[u8]) -> Self {
        debug_assert!(std::str::from_utf8(text).is_ok_and(|text| Self::new(text).is_some()));
        let mut bytes = [0; CLIENT_ORDER_ID_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Self { length: u8::try_from(text.len()).expect("it fits"), bytes }
    }

    /// Takes the text into a fingerprint, as [`Digest::add_bytes`] would: a word at a time, without
    /// asking again whether it is text.
    #[inline]
    pub fn add_to(&self, digest: &mut Digest) {
        digest.add(u64::from(self.length));
        let words = usize::from(self.length).div_ceil(8);
        for chunk in self.bytes.chunks(8).take(words) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            digest.add(u64::from_le_bytes(word));
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only `new` makes one, and it admits ASCII alone.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for ClientOrderId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_order_id_keeps_its_text_and_refuses_what_the_dialect_refuses() {
        for text in ["a", "x-TKT5PX2F0123456789abcdef012345", "A-1_2.3:4/5"] {
            let id = ClientOrderId::new(text).expect("the dialect takes it");
            assert_eq!(id.as_str(), text);
            let (mut by_words, mut by_bytes) = (Digest(7), Digest(7));
            id.add_to(&mut by_words);
            by_bytes.add_bytes(text.as_bytes());
            assert_eq!(by_words, by_bytes);
        }
        for text in ["", "with space", "ü", "1234567890123456789012345678901234567"] {
            assert_eq!(ClientOrderId::new(text), None, "{text}");
        }
    }
}
