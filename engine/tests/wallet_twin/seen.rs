//! What has been seen of all that can happen.

use rialto_engine::ids::OrderId;
use rialto_engine::message::{BookEvent, BookOutcome, Expiry, Phase, Placement, ToWallet};
use rialto_engine::order::{Display, NewOrder, OrderKind, Side};
use rialto_engine::update::Status;

use crate::Exchange;

/// How often the interesting things happened, so that a test that tests nothing fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub rejected: u64,
    pub replaced: u64,
    pub contingent: u64,
    pub reduced: u64,
    pub lost_races: u64,
    pub quiescent: u64,
    pub in_flight_most: usize,
    pub lapsed: u64,
    pub decremented: u64,
    pub triggered: u64,
    /// Orders that waited and were cancelled or reduced.
    pub waited: u64,
    /// Triggered market orders to buy whose money ran out.
    pub ran_out: u64,
    pub continued: u64,
    /// Times that something was due before a command.
    pub due: u64,
    pub lists: u64,
    /// Lists that the book refused.
    pub lists_refused: u64,
    /// Orders that lapsed because their partner took part, or the one they waited for ended.
    pub contingent_ends: u64,
    /// Orders that were cancelled with another of their list.
    pub lists_canceled: u64,
    /// Orders that waited for another one to be filled, and then took part.
    pub activated: u64,
    pub slid: u64,
    pub resumed: u64,
    pub ended: u64,
    pub below_minimum: u64,
    pub interrupted: u64,
    pub auctions: u64,
    pub auction_fills: u64,
    pub many_canceled: u64,
    pub icebergs_filled: u64,
    pub grouped: u64,
}

impl Seen {
    pub fn assert_everything_was_seen(&self) {
        assert!(
            self.rejected > 0 && self.replaced > 0 && self.reduced > 0 && self.lost_races > 0 && self.quiescent > 0
        );
        assert!(self.contingent > 0 && self.in_flight_most > 20);
        assert!(self.lapsed > 0 && self.decremented > 0 && self.triggered > 0 && self.waited > 0 && self.ran_out > 0);
        assert!(self.continued > 0 && self.due > 0 && self.ended > 0 && self.resumed > 0 && self.below_minimum > 0);
        assert!(self.lists > 0 && self.lists_refused > 0 && self.contingent_ends > 0 && self.lists_canceled > 0);
        assert!(self.activated > 0 && self.slid > 0 && self.many_canceled > 0 && self.icebergs_filled > 0);
        assert!(self.interrupted > 0 && self.auctions > 0 && self.auction_fills > 0 && self.grouped > 0);
    }
}

impl Exchange {
    /// Counts what happened beside outcomes and fills, before the twin hears of it.
    pub fn note_events(&mut self, message: &ToWallet) {
        let waits = |order: &OrderId| self.twin.orders[order].is_waiting();
        match &message.outcome {
            BookOutcome::Canceled { order, .. } | BookOutcome::Reduced { order, .. } if waits(order) => {
                self.seen.waited += 1;
            }
            BookOutcome::CanceledMany(orders) => self.seen.many_canceled += orders.len() as u64,
            BookOutcome::PlacedList(orders) if matches!(orders[0].1, Placement::Rejected(_)) => {
                self.seen.lists_refused += 1;
            }
            BookOutcome::Entered(Phase::Auction) => self.seen.auctions += 1,
            BookOutcome::Placed { placement, .. } => self.note_placement(*placement),
            _ => {}
        }
        let turns = message.events.iter().filter_map(|event| match event {
            BookEvent::Triggered { fills, .. } | BookEvent::Resumed { fills, .. } => Some(*fills as usize),
            _ => None,
        });
        let own = message.fills.len() - turns.sum::<usize>();
        if matches!(message.outcome, BookOutcome::Entered(_) | BookOutcome::Continued) {
            self.seen.auction_fills += own as u64;
        }
        for fill in &message.fills {
            let display = self.twin.orders[&fill.maker].order.asks().display;
            self.seen.icebergs_filled += u64::from(matches!(display, Display::Iceberg(_)));
        }
        for event in &message.events {
            match event {
                BookEvent::Lapsed { reason, .. } => match reason {
                    Expiry::Contingency => self.seen.contingent_ends += 1,
                    Expiry::ListCanceled => self.seen.lists_canceled += 1,
                    Expiry::Time => self.seen.ended += 1,
                    _ => self.seen.lapsed += 1,
                },
                BookEvent::Decremented { .. } => self.seen.decremented += 1,
                BookEvent::Triggered { order, placement, .. } => {
                    let order = &self.twin.orders[order];
                    self.seen.triggered += u64::from(!order.is_pending());
                    self.seen.activated += u64::from(order.is_pending());
                    let NewOrder { kind, side, .. } = order.order;
                    let lapsed = matches!(placement, Placement::Expired { reason: Expiry::Liquidity, .. });
                    self.seen.ran_out += u64::from(lapsed && kind == OrderKind::Market && side == Side::Buy);
                    self.note_placement(*placement);
                }
                BookEvent::Resumed { .. } => self.seen.resumed += 1,
                BookEvent::PhaseChanged { phase, .. } => self.seen.interrupted += u64::from(*phase == Phase::Auction),
            }
        }
    }

    fn note_placement(&mut self, placement: Placement) {
        match placement {
            Placement::Slid { .. } => self.seen.slid += 1,
            Placement::Expired { reason: Expiry::Minimum, .. } => self.seen.below_minimum += 1,
            _ => {}
        }
    }

    /// Keeps the books about client ids and about what has been seen.
    pub fn note(&mut self, message: &ToWallet) {
        use BookOutcome::{CancelRejected, ReduceRejected, Reduced, Replaced};
        match &message.outcome {
            CancelRejected { .. } | ReduceRejected { .. } => self.seen.lost_races += 1,
            Reduced { .. } => self.seen.reduced += 1,
            Replaced { canceled: Ok(_), placement: Some(_), .. } => self.seen.replaced += 1,
            Replaced { .. } => self.seen.lost_races += 1,
            _ => {}
        }
        // The wallet says by its updates which names are closed for good, and in which order; an
        // order that was refused or never tried gives its name back.
        for update in &self.output.updates {
            if matches!(
                update.order.status,
                Status::Filled | Status::Canceled | Status::Expired | Status::ExpiredInMatch
            ) && let Some(name) = self.open_names.remove(&update.order.id)
            {
                self.closed_names.push_back(name);
                if self.closed_names.len() > self.limits.closed_ids as usize {
                    self.closed_names.pop_front();
                }
            }
        }
        let open = &self.twin.orders;
        self.open_names.retain(|order, _| open.contains_key(order));
    }
}
