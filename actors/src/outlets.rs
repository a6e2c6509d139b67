//! Outlets: where what transactions ask of the outside world leaves the process.
//!
//! The journal writer lets calls and notices out when their cause is durable, and waits for nobody: an
//! outlet that is full drops them. Nothing is lost by that, since the timer of the transaction asks again;
//! the same timer makes up for what a crash lets fall.

use crossbeam_channel::Sender;
use metrics::{Counter, counter};
use rialto_engine::ids::TenantId;
use rialto_engine::transaction::{RailCall, TransactionEvent};

/// The receiving ends belong to whoever speaks to rails and to those who must be told of events.
#[derive(Clone, Debug)]
pub struct Outlets {
    /// What is asked of rails.
    pub calls: Sender<(TenantId, RailCall)>,
    /// Events that somebody outside must be told of, until he has acknowledged them.
    pub notices: Sender<(TenantId, TransactionEvent)>,
}

/// The sending ends, as the journal writer holds them.
pub struct OutletSenders {
    outlets: Option<Outlets>,
    calls: Counted,
    notices: Counted,
}

struct Counted {
    sent: Counter,
    dropped: Counter,
}

impl OutletSenders {
    /// Sends to these outlets, or nowhere.
    #[must_use]
    pub fn new(outlets: Option<Outlets>) -> Self {
        let of = |outlet: &'static str| Counted {
            sent: counter!("rialto_outlet_sent_total", "outlet" => outlet),
            dropped: counter!("rialto_outlet_dropped_total", "outlet" => outlet),
        };
        Self { outlets, calls: of("calls"), notices: of("notices") }
    }

    /// Lets out what is durable, as far as there is room.
    pub fn let_out(&self, calls: Vec<(TenantId, RailCall)>, notices: Vec<(TenantId, TransactionEvent)>) {
        if let Some(outlets) = &self.outlets {
            calls.into_iter().for_each(|call| self.calls.count(outlets.calls.try_send(call).is_ok()));
            notices.into_iter().for_each(|notice| self.notices.count(outlets.notices.try_send(notice).is_ok()));
        } else {
            self.calls.dropped.increment(calls.len() as u64);
            self.notices.dropped.increment(notices.len() as u64);
        }
    }
}

impl Counted {
    fn count(&self, was_sent: bool) {
        if was_sent { &self.sent } else { &self.dropped }.increment(1);
    }
}
