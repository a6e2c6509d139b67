//! A request of the WebSocket API, as it comes in.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::params::Params;

/// The longest id that is echoed, with its quotes.
const ID_MAX: usize = 66;

/// An id as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    length: u8,
    token: [u8; ID_MAX],
}

impl Id {
    /// What stands for none.
    pub const NULL: Self = {
        let mut token = [0; ID_MAX];
        let mut index = 0;
        while index < 4 {
            token[index] = b"null"[index];
            index += 1;
        }
        Self { length: 4, token }
    };

    /// An integer, a text that is not too long, or null.
    pub fn of(token: &str) -> Option<Self> {
        let source = token.as_bytes();
        let is_integer = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let is_id = match source {
            b"null" | [b'"', ..] => true,
            [b'-', digits @ ..] | digits => is_integer(digits),
        };
        if !is_id || source.len() > ID_MAX {
            return None;
        }
        let mut token = [0; ID_MAX];
        token[..source.len()].copy_from_slice(source);
        Some(Self { length: u8::try_from(source.len()).ok()?, token })
    }

    /// The text that is echoed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.token[..usize::from(self.length)]
    }
}

/// A request as it comes in, borrowed from the message.
#[derive(Deserialize)]
pub struct Message<'a> {
    #[serde(borrow, default)]
    /// What the reply echoes.
    pub id: Option<&'a RawValue>,
    #[serde(borrow)]
    /// What is asked.
    pub method: Cow<'a, str>,
    #[serde(borrow, default)]
    /// The details.
    pub params: Params<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_echoed_with_their_type() {
        for token in ["1", "-7", "null", "\"a-b\"", "\"e2a85d9f-07a5-4f94-8d5f-789dc3deb097\"", "9007199254740993"] {
            assert_eq!(Id::of(token).map(|id| id.as_bytes().to_vec()), Some(token.as_bytes().to_vec()), "{token}");
        }
        let long = format!("\"{}\"", "x".repeat(65));
        for token in ["1.5", "true", "[]", "{}", "-", "1e3", long.as_str()] {
            assert_eq!(Id::of(token), None, "{token}");
        }
    }

    #[test]
    fn requests_are_read_in_one_pass() {
        let text = r#"{"id":"x","method":"v3/order.place","params":{"price":0.10,"symbol":"A"},"more":[1,{"a":2}]}"#;
        let message: Message<'_> = serde_json::from_str(text).expect("reads");
        assert_eq!((message.id.map(RawValue::get), message.method.as_ref()), (Some("\"x\""), "v3/order.place"));
        assert_eq!(message.params.get("price"), Some("0.10"));
        let message: Message<'_> = serde_json::from_str(r#"{"method":"ping"}"#).expect("reads");
        assert!(message.id.is_none() && message.params.is_empty());
        let message: Message<'_> = serde_json::from_str(r#"{"id":null,"method":"ping","params":null}"#).expect("reads");
        assert!(message.params.is_empty());
    }

    #[test]
    fn what_is_no_request_is_refused_without_a_panic() {
        let corpus = [
            "",
            " ",
            "null",
            "1",
            "\"x\"",
            "[]",
            "{}",
            "{",
            "}",
            "{\"id\":1}",
            "{\"id\":1,\"method\":1}",
            "{\"id\":1,\"method\":\"ping\",\"params\":[]}",
            "{\"id\":1,\"method\":\"ping\",\"params\":\"x\"}",
            "{\"id\":1,\"method\":\"ping\"",
            "{\"id\":1,\"method\":\"ping\"}}",
            "{\"id\":01,\"method\":\"ping\"}",
            "{'id':1}",
            "{\"method\":\"\\ud800\"}",
            "{\"id\":1,\"id\":2,\"method\":\"ping\"}",
            "\u{0}",
            "{\"a\":NaN}",
        ];
        for text in corpus {
            assert!(serde_json::from_str::<Message<'_>>(text).is_err(), "{text}");
        }
        let deep = format!("{{\"method\":\"ping\",\"params\":{{\"a\":{}{}}}}}", "[".repeat(10_000), "]".repeat(10_000));
        // Nested beyond what the parser follows, or taken as a token: not a stack overflow.
        let _ = serde_json::from_str::<Message<'_>>(&deep).is_ok();
    }
}
