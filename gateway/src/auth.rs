//! Signatures and the time window of signed requests.
//!
//! A signature covers the bytes as they were sent. Clients differ in when they percent-encode, so
//! that a payload is tried as it came and in the other form.

use std::borrow::Cow;
use std::sync::Arc;

use rialto_engine::ids::TenantId;
use rialto_engine::units::Nanos;

use crate::error::ApiError;
use crate::keys::{ApiKey, Identity, KeyStore, Operator, PlatformOperator, Signer, is_well_formed};
use crate::params::{Params, percent_decoded_bytes};
use crate::tenancy::admit;

/// How far a client's clock may be ahead.
const AHEAD_MAX: Nanos = Nanos(1_000_000_000);
/// The window of requests that name none, in nanoseconds.
const RECV_WINDOW_DEFAULT: u64 = 5_000_000_000;
/// The largest window.
const RECV_WINDOW_MAX: u64 = 60_000_000_000;
/// Numbers from here on are microseconds: as milliseconds they would be 30,000 years away.
const MICROSECONDS_FROM: u64 = 1_000_000_000_000_000;

/// A request that was signed, or came on a session that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whose it is.
    pub identity: Identity,
    /// The last moment at which it may be carried out.
    pub deadline: Nanos,
}

/// The key of a request, if it is known and belongs to the tenant addressed.
///
/// # Errors
/// -2014 or -2015.
pub fn find_key(keys: &KeyStore, api_key: Option<&str>, addressed: Option<TenantId>) -> Result<Arc<ApiKey>, ApiError> {
    let api_key = api_key.filter(|api_key| is_well_formed(api_key)).ok_or_else(ApiError::malformed_api_key)?;
    let key = keys.find(api_key).ok_or_else(ApiError::rejected_api_key)?;
    admit(key.identity, addressed)?;
    Ok(key)
}

/// Checks a REST request: key, signature, time.
///
/// # Errors
/// -2014, -2015, -1102, -1022, -1021 and what [`deadline`] says.
pub fn check_rest(
    keys: &KeyStore,
    api_key: Option<&str>,
    addressed: Option<TenantId>,
    query: &str,
    body: &str,
    params: &Params<'_>,
    now: Nanos,
) -> Result<Signed, ApiError> {
    let key = find_key(keys, api_key, addressed)?;
    verify_rest(&key.signer, query, body, params)?;
    Ok(Signed { identity: key.identity, deadline: deadline(params, now)? })
}

/// The same for an operator: who he is, and the last moment at which the request may be carried out.
///
/// # Errors
/// As [`check_rest`].
pub fn check_operator(
    keys: &KeyStore,
    api_key: Option<&str>,
    addressed: Option<TenantId>,
    query: &str,
    body: &str,
    params: &Params<'_>,
    now: Nanos,
) -> Result<(Arc<Operator>, Nanos), ApiError> {
    let api_key = api_key.filter(|api_key| is_well_formed(api_key)).ok_or_else(ApiError::malformed_api_key)?;
    let operator = keys.find_operator(api_key).ok_or_else(ApiError::rejected_api_key)?;
    if addressed.is_some_and(|tenant| tenant != operator.tenant) {
        return Err(ApiError::rejected_api_key());
    }
    verify_rest(&operator.signer, query, body, params)?;
    Ok((operator, deadline(params, now)?))
}

/// The same for somebody who runs the platform. He is in no tenant's place.
///
/// # Errors
/// As [`check_rest`].
pub fn check_platform(
    keys: &KeyStore,
    api_key: Option<&str>,
    addressed: Option<TenantId>,
    query: &str,
    body: &str,
    params: &Params<'_>,
    now: Nanos,
) -> Result<Arc<PlatformOperator>, ApiError> {
    let api_key = api_key.filter(|api_key| is_well_formed(api_key)).ok_or_else(ApiError::malformed_api_key)?;
    let operator = keys.find_platform(api_key).filter(|_| addressed.is_none());
    let operator = operator.ok_or_else(ApiError::rejected_api_key)?;
    verify_rest(&operator.signer, query, body, params)?;
    deadline(params, now)?;
    Ok(operator)
}

fn verify_rest(signer: &Signer, query: &str, body: &str, params: &Params<'_>) -> Result<(), ApiError> {
    let signature = params.required("signature")?;
    let mut payload = Vec::with_capacity(query.len() + body.len());
    push_unsigned(&mut payload, query);
    push_unsigned(&mut payload, body);
    if !signer.verifies(&payload, signature) {
        // A form has `+` for a space; some clients sign the space.
        let spaced: Vec<u8> = payload.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        let forms = [percent_decoded_bytes(&payload), percent_decoded_bytes(&spaced)];
        if !forms.iter().any(|form| *form != payload && signer.verifies(form, signature)) {
            return Err(ApiError::invalid_signature());
        }
    }
    Ok(())
}

/// Checks a request of the WebSocket API that carries its own signature.
///
/// # Errors
/// As [`check_rest`].
pub fn check_socket(
    keys: &KeyStore,
    addressed: Option<TenantId>,
    params: &Params<'_>,
    now: Nanos,
) -> Result<Signed, ApiError> {
    let key = find_key(keys, Some(params.required("apiKey")?), addressed)?;
    let signature = params.required("signature")?;
    let mut sorted: Vec<(&str, &str)> = params.iter().filter(|(name, _)| *name != "signature").collect();
    sorted.sort_unstable();
    let payload = |encode: bool| {
        let mut payload = String::with_capacity(256);
        for (index, (name, value)) in sorted.iter().enumerate() {
            payload.push_str(if index > 0 { "&" } else { "" });
            payload.push_str(name);
            payload.push('=');
            payload.push_str(&if encode { percent_encoded(value) } else { Cow::Borrowed(*value) });
        }
        payload
    };
    let plain = payload(false);
    if !key.signer.verifies(plain.as_bytes(), signature) {
        let encoded = payload(true);
        if encoded == plain || !key.signer.verifies(encoded.as_bytes(), signature) {
            return Err(ApiError::invalid_signature());
        }
    }
    Ok(Signed { identity: key.identity, deadline: deadline(params, now)? })
}

/// Checks `timestamp` and `recvWindow`, and says until when the request is good.
///
/// # Errors
/// -1021, -1102, -1100 or -1131.
pub fn deadline(params: &Params<'_>, now: Nanos) -> Result<Nanos, ApiError> {
    let timestamp = time_of(crate::params::integer("timestamp", params.required("timestamp")?)?);
    let window = match params.optional("recvWindow")? {
        None => RECV_WINDOW_DEFAULT,
        Some(text) => recv_window(text)?,
    };
    if timestamp.0 >= now.0.saturating_add(AHEAD_MAX.0) {
        return Err(ApiError::timestamp_ahead());
    }
    let deadline = Nanos(timestamp.0.saturating_add(window));
    if now > deadline {
        return Err(ApiError::outside_recv_window());
    }
    Ok(deadline)
}

/// A time of a parameter, in milliseconds or microseconds.
#[must_use]
pub const fn time_of(number: u64) -> Nanos {
    if number >= MICROSECONDS_FROM {
        Nanos(number.saturating_mul(1_000))
    } else {
        Nanos(number.saturating_mul(1_000_000))
    }
}

/// Milliseconds with up to three decimals.
fn recv_window(text: &str) -> Result<u64, ApiError> {
    let grid = crate::decimal::Grid::of_scale(3);
    let illegal = || ApiError::illegal_characters("recvWindow", r"^\d+(\.\d{1,3})?$");
    let micros = grid.parse(text).map_err(|_| illegal())?;
    let window = micros.saturating_mul(1_000);
    if window > RECV_WINDOW_MAX {
        return Err(ApiError::recv_window_too_large());
    }
    Ok(window)
}

/// Appends a query or a body as it came, but without its signature.
fn push_unsigned(payload: &mut Vec<u8>, encoded: &str) {
    let mut is_first = true;
    for pair in encoded.split('&') {
        if pair == "signature" || pair.starts_with("signature=") {
            continue;
        }
        if !is_first {
            payload.push(b'&');
        }
        payload.extend_from_slice(pair.as_bytes());
        is_first = false;
    }
}

/// A value as clients encode it that do.
fn percent_encoded(value: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if value.bytes().all(is_plain) {
        return Cow::Borrowed(value);
    }
    let mut encoded = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 0xF] {
                let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
                encoded.push(digit.to_ascii_uppercase());
            }
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Secret;
    use rialto_engine::ids::AccountId;

    const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
    const API_KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    const QUERY: &str = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000\
                         &timestamp=1499827319559";
    const SIGNATURE: &str = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    const NOW: Nanos = Nanos(1_499_827_319_560_000_000);

    fn key() -> ApiKey {
        let identity = Identity { tenant: TenantId(0), account: AccountId(0) };
        ApiKey::new(identity, &Secret::new(SECRET.to_owned()))
    }

    fn keys() -> KeyStore {
        KeyStore::of_one(API_KEY, key())
    }

    fn rest(query: &str, body: &str) -> Result<Signed, ApiError> {
        let params = Params::of_rest(query, body).expect("parses");
        check_rest(&keys(), Some(API_KEY), None, query, body, &params, NOW)
    }

    /// The examples of the dialect's public REST documentation ("SIGNED Endpoint Examples").
    #[test]
    fn the_examples_of_the_rest_documentation_verify() {
        let signed = rest("", &format!("{QUERY}&signature={SIGNATURE}")).expect("as a body");
        assert_eq!(signed.deadline, Nanos(1_499_827_324_559_000_000));
        rest(&format!("{QUERY}&signature={SIGNATURE}"), "").expect("as a query");
        rest(&format!("{QUERY}&signature={}", SIGNATURE.to_uppercase()), "").expect("in capitals");
        let (query, body) = QUERY.split_once("&quantity").expect("both");
        let mixed = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77";
        rest(query, &format!("quantity{body}&signature={mixed}")).expect("in both");
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let error = rest(&format!("{}&signature={SIGNATURE}", QUERY.replace("price=0.1", "price=0.2")), "");
        assert_eq!(error, Err(ApiError::invalid_signature()));
        for signature in ["", "00", "zz", &SIGNATURE[1..], &format!("{SIGNATURE}00")] {
            assert!(rest(&format!("{QUERY}&signature={signature}"), "").is_err(), "{signature}");
        }
        assert_eq!(rest(QUERY, "").expect_err("no signature").code, -1102);
    }

    #[test]
    fn encoded_and_plain_payloads_both_verify() {
        let plain = "symbols=[\"A\",\"B\"]&timestamp=1499827319559";
        let sent = "symbols=%5B%22A%22%2C%22B%22%5D&timestamp=1499827319559";
        let (spaced, form) = ("name=a friend&timestamp=1499827319559", "name=a+friend&timestamp=1499827319559");
        rest("", &format!("{form}&signature={}", key().signer.sign_for_test(spaced.as_bytes()))).expect("a form");
        for payload in [plain, sent] {
            let signature = key().signer.sign_for_test(payload.as_bytes());
            rest(&format!("{sent}&signature={signature}"), "").expect(payload);
        }
    }

    /// The example of the dialect's public WebSocket API documentation ("SIGNED request example
    /// (HMAC)").
    #[test]
    fn the_example_of_the_socket_documentation_verifies() {
        let text = format!(
            r#"{{"symbol":"BTCUSDT","side":"SELL","type":"LIMIT","timeInForce":"GTC","quantity":"0.01000000","price":"52000.00",
            "newOrderRespType":"ACK","recvWindow":100,"timestamp":1645423376532,"apiKey":"{API_KEY}",
            "signature":"cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a"}}"#
        );
        let params: Params<'_> = serde_json::from_str(&text).expect("parses");
        let now = Nanos(1_645_423_376_600_000_000);
        let signed = check_socket(&keys(), None, &params, now).expect("verifies");
        assert_eq!(signed.deadline, Nanos(1_645_423_376_632_000_000));
        let other = check_socket(&keys(), Some(TenantId(1)), &params, now);
        assert_eq!(other, Err(ApiError::rejected_api_key()));
    }

    #[test]
    fn socket_values_are_signed_as_they_are_or_encoded() {
        for payload in [
            "apiKey=K&newClientOrderId=a:b/c&timestamp=1499827319559",
            "apiKey=K&newClientOrderId=a%3Ab%2Fc&timestamp=1499827319559",
        ] {
            let signature = key().signer.sign_for_test(payload.as_bytes());
            let text = format!(
                r#"{{"timestamp":1499827319559,"newClientOrderId":"a:b\/c","apiKey":"K","signature":"{signature}"}}"#
            );
            let params: Params<'_> = serde_json::from_str(&text).expect("parses");
            check_socket(&KeyStore::of_one("K", key()), None, &params, NOW).expect(payload);
        }
    }

    #[test]
    fn the_time_window_is_that_of_the_dialect() {
        let check =
            |query: &str| deadline(&Params::of_rest(query, "").expect("parses"), NOW).map_err(|error| error.code);
        assert_eq!(check("timestamp=1499827319560"), Ok(Nanos(1_499_827_324_560_000_000)));
        assert_eq!(check("timestamp=1499827319560000"), Ok(Nanos(1_499_827_324_560_000_000)));
        assert_eq!(check("timestamp=1499827320559"), Ok(Nanos(1_499_827_325_559_000_000)));
        assert_eq!(check("timestamp=1499827320560"), Err(-1021));
        assert_eq!(check("timestamp=1499827314560"), Ok(NOW));
        assert_eq!(check("timestamp=1499827314559"), Err(-1021));
        assert_eq!(check("timestamp=1499827319559&recvWindow=0.999"), Err(-1021));
        assert_eq!(check("timestamp=1499827319559&recvWindow=1.000"), Ok(NOW));
        assert_eq!(check("timestamp=1499827319560&recvWindow=60000"), Ok(Nanos(1_499_827_379_560_000_000)));
        assert_eq!(check("timestamp=1499827319560&recvWindow=60000.001"), Err(-1131));
        assert_eq!(check("timestamp=1499827319560&recvWindow=1.0001"), Err(-1100));
        assert_eq!(check("timestamp=1499827319560&recvWindow=-1"), Err(-1100));
        assert_eq!(check("timestamp=now"), Err(-1100));
        assert_eq!(check("recvWindow=1"), Err(-1102));
        assert_eq!(check("timestamp=99999999999999999999"), Err(-1100));
    }

    #[test]
    fn keys_are_refused_in_two_ways() {
        let code = |api_key| find_key(&keys(), api_key, None).expect_err("refused").code;
        assert_eq!(code(None), -2014);
        assert_eq!(code(Some("")), -2014);
        assert_eq!(code(Some("with space")), -2014);
        assert_eq!(code(Some("unknown")), -2015);
    }
}
