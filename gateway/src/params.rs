//! The parameters of a request, wherever they came from.
//!
//! REST sends them percent-encoded in the query and the body, the WebSocket API as a JSON object.
//! Both become the same list of texts. JSON numbers keep the text they were sent with, because
//! that text is what was signed, and because it says exactly what the client meant.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::ApiError;

/// No request of the dialect has more parameters than half of this.
const PARAMETERS_MAX: usize = 128;

/// Beside its own, every request may have these.
pub const OF_ANY_REQUEST: [&str; 6] =
    ["timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits", "computeCommissionRates"];

/// A parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

/// The parameters of a request in the order they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    entries: Vec<Entry<'a>>,
    fault: Option<ApiError>,
}

impl<'a> Params<'a> {
    /// Those of a REST request. Where both have one of a name, the query wins.
    ///
    /// # Errors
    /// -1101 if one of them has a name twice, or there are too many.
    pub fn of_rest(query: &'a str, body: &'a str) -> Result<Self, ApiError> {
        let mut params = Self::default();
        params.push_encoded(query)?;
        let of_query = params.entries.len();
        if !body.is_empty() {
            let mut of_body = Self::default();
            of_body.push_encoded(body)?;
            for entry in of_body.entries {
                if !params.entries[..of_query].iter().any(|other| other.name == entry.name) {
                    params.push(entry)?;
                }
            }
        }
        Ok(params)
    }

    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Params<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let entries = self.entries.into_iter();
        let entries = entries.map(|entry| Entry { name: owned(entry.name), value: owned(entry.value) });
        Params { entries: entries.collect(), fault: self.fault }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names and values in the order they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (entry.name.as_ref(), entry.value.as_ref()))
    }

    /// The value of a parameter, `None` if it was not sent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| entry.value.as_ref())
    }

    /// What is wrong with them as a whole. JSON objects say so late, because a reply needs the id
    /// that may stand behind them.
    ///
    /// # Errors
    /// -1101 or -1130.
    pub fn check(&self) -> Result<(), ApiError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// Refuses what nobody reads. Asked where a name that is misspelt would do more than was meant:
    /// cancel the orders of everybody, say, instead of those of one.
    ///
    /// # Errors
    /// -1104.
    pub fn only(&self, read: &[&str]) -> Result<(), ApiError> {
        let is_read = |name: &str| OF_ANY_REQUEST.contains(&name) || read.contains(&name);
        match self.iter().filter(|(name, _)| !is_read(name)).count() {
            0 => Ok(()),
            unread => Err(ApiError::unread_parameters(self.len() - unread, self.len())),
        }
    }

    /// The value of a parameter that may be left out, but not be empty.
    ///
    /// # Errors
    /// -1105.
    pub fn optional(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.get(name) {
            Some("") => Err(ApiError::empty(name)),
            value => Ok(value),
        }
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// -1102.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| ApiError::mandatory(name))
    }

    /// A whole number that may be left out. Clients send it as a number or as a text.
    ///
    /// # Errors
    /// -1100 or -1105.
    pub fn integer(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.optional(name)?.map(|text| integer(name, text)).transpose()
    }

    /// Yes or no, that may be left out.
    ///
    /// # Errors
    /// -1100 or -1105.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.optional(name)?.map(|text| boolean(name, text)).transpose()
    }

    /// How many rows are wanted: the default if nothing is said, never more than the maximum.
    ///
    /// # Errors
    /// -1100, -1105, or -1130 for zero.
    pub fn limit(&self, default: usize, maximum: usize) -> Result<usize, ApiError> {
        match self.integer("limit")? {
            None => Ok(default),
            Some(0) => Err(ApiError::invalid_parameter("limit")),
            Some(limit) => Ok(usize::try_from(limit).unwrap_or(maximum).min(maximum)),
        }
    }

    /// A JSON array of texts, such as `symbols`, that may be left out.
    ///
    /// # Errors
    /// -1100, -1105, or -1151 for a text that comes twice.
    pub fn list(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(text) = self.optional(name)? else { return Ok(None) };
        let illegal = || ApiError::illegal_characters(name, r#"^\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\]$"#);
        let items: Vec<String> = serde_json::from_str(text).map_err(|_| illegal())?;
        if items.is_empty() {
            return Err(illegal());
        }
        let distinct: HashSet<&String> = items.iter().collect();
        if distinct.len() < items.len() {
            return Err(ApiError::duplicate_symbols());
        }
        Ok(Some(items))
    }

    fn push(&mut self, entry: Entry<'a>) -> Result<(), ApiError> {
        if self.entries.len() == PARAMETERS_MAX {
            return Err(ApiError::too_many_parameters());
        }
        if self.entries.iter().any(|other| other.name == entry.name) {
            return Err(ApiError::duplicate_parameter());
        }
        self.entries.push(entry);
        Ok(())
    }

    fn push_encoded(&mut self, encoded: &'a str) -> Result<(), ApiError> {
        for pair in encoded.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.push(Entry { name: percent_decoded(name), value: percent_decoded(value) })?;
        }
        Ok(())
    }
}

/// A whole number of a parameter.
///
/// # Errors
/// -1100.
pub fn integer(name: &str, text: &str) -> Result<u64, ApiError> {
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() > 20 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ApiError::illegal_characters(name, "^[0-9]{1,20}$"));
    }
    text.parse().map_err(|_| ApiError::illegal_characters(name, "^[0-9]{1,20}$"))
}

/// Yes or no of a parameter.
///
/// # Errors
/// -1100.
pub fn boolean(name: &str, text: &str) -> Result<bool, ApiError> {
    match text {
        "true" | "TRUE" | "True" => Ok(true),
        "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ApiError::illegal_characters(name, "^(true|false)$")),
    }
}

/// The text behind percent-encoding. What is no encoding stays as it is.
#[must_use]
pub fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.replace('+', " ").into_bytes();
    let decoded = percent_decoded_bytes(&bytes);
    Cow::Owned(
        String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// The bytes behind percent-encoding, `+` left alone.
#[must_use]
pub fn percent_decoded_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let escape = match behind {
            [high, low, ..] if *first == b'%' => nibble(*high).zip(nibble(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &behind[2..];
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    decoded
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl<'de: 'a, 'a> Deserialize<'de> for Params<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Params<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of parameters")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Params::default())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut params = Params { entries: Vec::with_capacity(12), fault: None };
        while let Some(name) = map.next_key::<Name<'de>>()? {
            let token: &'de RawValue = map.next_value()?;
            let pushed = match value_of(token.get()) {
                Ok(Some(value)) => params.push(Entry { name: name.0, value }),
                Ok(None) => Ok(()),
                Err(()) => Err(ApiError::invalid_parameter(&name.0)),
            };
            if let Err(error) = pushed {
                params.fault.get_or_insert(error);
            }
        }
        Ok(params)
    }
}

/// A name, borrowed unless it is escaped.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// The text of a JSON token: of a string its content, of anything else the token itself. `null`
/// is as good as not sent; objects are no parameters.
fn value_of(token: &str) -> Result<Option<Cow<'_, str>>, ()> {
    match token.as_bytes() {
        [b'"', .., b'"'] if !token.contains('\\') => Ok(Some(Cow::Borrowed(&token[1..token.len() - 1]))),
        [b'"', ..] => serde_json::from_str(token).map(|text| Some(Cow::Owned(text))).map_err(|_| ()),
        b"null" => Ok(None),
        [b'{', ..] => Err(()),
        _ => Ok(Some(Cow::Borrowed(token))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_wins_over_the_body() {
        let params = Params::of_rest("symbol=USDCNY&side=BUY", "side=SELL&price=1%2E5&note=a+b%").expect("parses");
        assert_eq!(params.get("side"), Some("BUY"));
        assert_eq!(params.get("price"), Some("1.5"));
        assert_eq!(params.get("note"), Some("a b%"));
        assert_eq!(params.len(), 4);
        assert_eq!(Params::of_rest("a=1&a=2", "").expect_err("refused").code, -1101);
        assert_eq!(Params::of_rest("", "a=1&a=2").expect_err("refused").code, -1101);
        let many: Vec<String> = (0..130).map(|number| format!("p{number}=1")).collect();
        assert_eq!(Params::of_rest(&many.join("&"), "").expect_err("refused").code, -1101);
    }

    #[test]
    fn json_keeps_the_tokens() {
        let text = r#"{"symbol":"USDCNY","price":0.10,"orderId":"170","big":1e-05,"flag":true,"none":null,"list":["A", "B"],"esc\u0061pe":"\u0041\"","n":-3}"#;
        let params: Params<'_> = serde_json::from_str(text).expect("parses");
        assert_eq!(params.check(), Ok(()));
        assert_eq!(params.get("price"), Some("0.10"));
        assert_eq!(params.get("big"), Some("1e-05"));
        assert_eq!(params.integer("orderId"), Ok(Some(170)));
        assert_eq!(params.boolean("flag"), Ok(Some(true)));
        assert_eq!(params.get("none"), None);
        assert_eq!(params.list("list"), Ok(Some(vec!["A".to_owned(), "B".to_owned()])));
        assert_eq!(params.get("escape"), Some("A\""));
        assert_eq!(params.integer("n").expect_err("refused").code, -1100);
    }

    #[test]
    fn what_is_wrong_with_json_parameters_is_told_late() {
        let fault = |text| serde_json::from_str::<Params<'_>>(text).expect("parses").check().expect_err("refused").code;
        assert_eq!(fault(r#"{"a":1,"a":2}"#), -1101);
        assert_eq!(fault(r#"{"a":{"b":1}}"#), -1130);
        assert!(serde_json::from_str::<Params<'_>>("null").is_ok_and(|params| params.is_empty()));
        for broken in ["[]", "1", "\"a\"", "{", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1,}"#] {
            assert!(serde_json::from_str::<Params<'_>>(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn values_are_typed_when_they_are_read() {
        let params = Params::of_rest("limit=5000&zero=0&empty=&bad=1x&minus=-1&no=maybe", "").expect("parses");
        assert_eq!(params.limit(500, 1000), Ok(1000));
        assert_eq!(params.optional("empty").expect_err("refused").code, -1105);
        assert_eq!(params.required("empty").expect_err("refused").code, -1102);
        assert_eq!(
            params.required("symbol").expect_err("refused").msg,
            "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
        );
        assert_eq!(params.integer("bad").expect_err("refused").code, -1100);
        assert_eq!(params.integer("minus").expect_err("refused").code, -1100);
        assert_eq!(params.integer("absent"), Ok(None));
        assert_eq!(params.boolean("no").expect_err("refused").code, -1100);
        let limits = Params::of_rest("limit=0", "").expect("parses");
        assert_eq!(limits.limit(500, 1000).expect_err("refused").code, -1130);
        let symbols = Params::of_rest("symbols=%5B%22A%22%2C%22A%22%5D", "").expect("parses");
        assert_eq!(symbols.list("symbols").expect_err("refused").code, -1151);
    }
}
