//! What can go wrong before a verdict is reached.

use std::fmt;

/// A failure of the tool's surroundings: its arguments, its files, the network, the venue.
///
/// A venue that answers wrongly is no `Error`: that is a finding, and belongs in the report.
#[derive(Debug)]
pub enum Error {
    /// An argument or the configuration file does not say what is needed.
    Config(String),
    /// A flow folder is missing, damaged or contradicts itself.
    Flow(String),
    /// The venue cannot be reached, or the connection broke.
    Transport(String),
    /// The venue answered a request with an error.
    Refused(Failure),
}

/// The error object of a WebSocket API reply.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Failure {
    /// The dialect's code, such as -2010.
    pub code: i64,
    /// The text beside it.
    #[serde(default)]
    pub msg: String,
}

impl Failure {
    /// An order with this client id was already accepted.
    pub fn is_duplicate_order(&self) -> bool {
        self.code == -2010 && self.msg.contains("Duplicate")
    }

    /// The order to cancel is not open.
    pub fn is_unknown_order(&self) -> bool {
        self.code == -2011
    }

    /// The venue had no room for the request and did nothing.
    pub fn is_busy(&self) -> bool {
        self.code == -1008
    }

    /// The venue does not say whether the request was carried out.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self.code, -1000 | -1001 | -1006 | -1007)
    }

    /// The key or the signature is wrong: trying again cannot help.
    pub fn is_credentials(&self) -> bool {
        matches!(self.code, -1022 | -2014 | -2015)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.code, self.msg)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(text) | Self::Flow(text) | Self::Transport(text) => formatter.write_str(text),
            Self::Refused(failure) => write!(formatter, "the venue refused: {failure}"),
        }
    }
}

impl std::error::Error for Error {}
