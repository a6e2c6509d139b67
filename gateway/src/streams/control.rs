//! What clients say on a stream connection: `SUBSCRIBE` and the like.
//!
//! The texts of errors are those of the dialect; those about JSON are the parser's own, which the
//! dialect shows as they are.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::StreamSession;
use super::name::StreamName;
use crate::json;

/// The longest `id` that is a text.
const ID_MAX: usize = 36;

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Method {
    Subscribe,
    Unsubscribe,
    ListSubscriptions,
    SetProperty,
    GetProperty,
}

#[derive(Deserialize)]
struct Message<'a> {
    method: Method,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// The `id` alone, of a message that is otherwise wrong.
#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

struct Fault {
    code: u8,
    msg: String,
}

impl Fault {
    fn invalid(msg: &str) -> Self {
        Self { code: 2, msg: format!("Invalid request: {msg}") }
    }
}

/// The reply to a message.
pub fn answer(session: &mut StreamSession, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let id = serde_json::from_str::<Identified<'_>>(text).ok().and_then(|message| message.id);
    let id = id.map(RawValue::get);
    let known_id = id.filter(|id| is_id(id)).unwrap_or("null");
    match carry_out(session, text, id, &mut out) {
        Ok(()) => {}
        Err(Fault { code, msg }) => {
            out.clear();
            out.extend_from_slice(b"{\"error\":{\"code\":");
            json::number(&mut out, u64::from(code));
            out.extend_from_slice(b",\"msg\":");
            json::string(&mut out, &msg);
            out.push(b'}');
        }
    }
    out.extend_from_slice(b",\"id\":");
    out.extend_from_slice(known_id.as_bytes());
    out.push(b'}');
    out
}

/// Writes `{"result":…`, open for the id.
fn carry_out(session: &mut StreamSession, text: &str, id: Option<&str>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let message: Message<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Fault::invalid(&error.to_string()),
        _ => Fault { code: 3, msg: format!("Invalid JSON: {error}") },
    })?;
    if id.is_some_and(|id| !is_id(id)) {
        return Err(Fault::invalid("request ID must be an unsigned integer"));
    }
    out.extend_from_slice(b"{\"result\":");
    match message.method {
        Method::Subscribe => {
            session.subscribe(names(message.params)?).map_err(|_| Fault::invalid("too many streams"))?;
            out.extend_from_slice(b"null");
        }
        Method::Unsubscribe => {
            session.unsubscribe(&names(message.params)?);
            out.extend_from_slice(b"null");
        }
        Method::ListSubscriptions => json::array(out, session.names(), |out, name| json::string(out, &name)),
        Method::SetProperty => {
            let params = list(message.params)?;
            let (property, value) = match params.as_slice() {
                [property, value] => (*property, *value),
                [_, _, _, ..] => return Err(Fault::invalid("too many parameters")),
                _ => return Err(Fault::invalid("property name must be a string")),
            };
            check_property(property)?;
            let value = serde_json::from_str(value.get());
            let value = value.map_err(|_| Fault { code: 1, msg: "Invalid value type: expected Boolean".to_owned() })?;
            session.set_combined(value);
            out.extend_from_slice(b"null");
        }
        Method::GetProperty => {
            let params = list(message.params)?;
            match params.as_slice() {
                [property] => check_property(property)?,
                [] => return Err(Fault::invalid("property name must be a string")),
                _ => return Err(Fault::invalid("too many parameters")),
            }
            json::boolean(out, session.is_combined());
        }
    }
    Ok(())
}

/// The streams that a message names. One that is none spoils the whole message.
fn names(params: Option<&RawValue>) -> Result<Vec<StreamName>, Fault> {
    let parse = |name: &&RawValue| {
        let name: String = serde_json::from_str(name.get()).ok()?;
        StreamName::parse(&name)
    };
    let names: Option<Vec<StreamName>> = list(params)?.iter().map(parse).collect();
    names.ok_or_else(|| Fault::invalid("invalid stream"))
}

fn list(params: Option<&RawValue>) -> Result<Vec<&RawValue>, Fault> {
    let Some(params) = params else { return Ok(Vec::new()) };
    serde_json::from_str(params.get()).map_err(|_| Fault::invalid("params must be an array"))
}

fn check_property(name: &RawValue) -> Result<(), Fault> {
    let name: String =
        serde_json::from_str(name.get()).map_err(|_| Fault::invalid("property name must be a string"))?;
    if name == "combined" { Ok(()) } else { Err(Fault { code: 0, msg: "Unknown property".to_owned() }) }
}

/// A whole number, a short plain text, or `null`.
fn is_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match id.as_bytes() {
        b"null" => true,
        [b'"', text @ .., b'"'] => text.len() <= ID_MAX && text.iter().all(|byte| is_plain(*byte)),
        _ => id.parse::<i64>().is_ok() || id.parse::<u64>().is_ok(),
    }
}
