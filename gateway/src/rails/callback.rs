//! What rails call back: `docs/rails.md`, "Callbacks".

use rialto_actors::rails::RailFault;
use rialto_engine::units::Nanos;

use crate::rails::sign::{Credentials, SignatureFault};
use crate::rails::wire::{self, NamesOfNow, Told};

/// The longest body of a callback that is looked at.
pub const BODY_MAX: usize = 64 << 10;
/// How far the time of a callback may be from ours, unless the configuration says otherwise.
pub const WINDOW: Nanos = Nanos(300 * 1_000_000_000);

/// Why a callback is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackFault {
    /// Nobody knows who sent it, or when: 401.
    Unauthorized(SignatureFault),
    /// It makes no sense: 400.
    Malformed(String),
}

impl CallbackFault {
    /// The status to answer with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unauthorized(_) => 401,
            Self::Malformed(_) => 400,
        }
    }
}

/// Who may call back for a rail.
#[derive(Clone, Debug)]
pub struct Callers {
    /// The rail's key for callbacks.
    pub credentials: Credentials,
    /// What the tenant's things are called.
    pub names: NamesOfNow,
    /// How far its clock may be from ours.
    pub window: Nanos,
}

/// Reads a callback to `target`, the path and query as received. What it reports is handed to the wallet of
/// the tenant as reports of this rail, and the rail is answered with a 2xx only when that was taken.
///
/// A callback that is repeated within the window is read again. That is harmless: a movement is known by its
/// reference.
///
/// # Errors
/// If it was not signed by the rail, lately, or makes no sense.
pub fn verify_and_parse<'a>(
    callers: &Callers,
    target: &str,
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    now: Nanos,
) -> Result<Told, CallbackFault> {
    if body.len() > BODY_MAX {
        return Err(CallbackFault::Malformed("too long".to_owned()));
    }
    let verified = callers.credentials.verify("POST", target, header, body, now, callers.window);
    verified.map_err(CallbackFault::Unauthorized)?;
    wire::read_callback(&callers.names.get(), body).map_err(|fault| match fault {
        RailFault::Malformed(why) => CallbackFault::Malformed(why),
        other => CallbackFault::Malformed(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use rialto_actors::clock;

    use super::*;
    use crate::keys::Secret;

    #[test]
    fn only_what_the_rail_signed_is_read() {
        let names = NamesOfNow::new(wire::Names::new("acme", [("USD".to_owned(), 2)]));
        let credentials = Credentials::new("bank".to_owned(), &Secret::new("s".to_owned()));
        let callers = Callers { credentials, names, window: WINDOW };
        let target = "/callbacks/v1/acme/bank";
        let read = |sent: &[u8], received: &[u8]| {
            let headers = callers.credentials.headers("POST", target, None, sent);
            let find = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
            verify_and_parse(&callers, target, find, received, clock::wall())
        };
        let good = br#"{"key":"acme/d-1","status":"accepted"}"#;
        assert_eq!(read(good, good).map(|told| told.reports.len()), Ok(1));
        assert_eq!(read(good, b"{}").expect_err("changed").status(), 401);
        assert_eq!(read(b"{}", b"{}").expect_err("nothing").status(), 400);
        let long = vec![b' '; BODY_MAX + 1];
        assert_eq!(read(&long, &long).expect_err("long").status(), 400);
    }
}
