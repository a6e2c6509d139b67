//! The delay queue: what makes the timers of transactions run out.
//!
//! When a timer runs out is part of the wallet's state, and so it survives whatever the state survives. Here
//! is only the waking: one timer in memory for the next of them, and none for a wallet that has none. What
//! has run out is driven by commands that are journaled like any other, a bounded number at a time with
//! other messages between, so that ten thousand that are due at once delay an order by one pull of them.

use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message, SpawnHandle};
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::units::Nanos;

use super::money::add_news;
use super::{Envelope, WalletActor};
use crate::clock;
use crate::turn::Turn;

/// How many transactions are driven before other messages get their turn.
const PULL: usize = 64;
/// How long an actor that waits for a time sleeps at most before it looks at the clock, which may go at another
/// pace.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// And at least: what runs out within this time is driven in one turn. Each turn may cost a sync that the orders
/// behind it wait for; thousands of transactions of a rail that hangs must not make a thousand of them a second.
const SLEEP_MIN: Duration = Duration::from_millis(20);

/// The one timer in memory.
#[derive(Debug)]
pub struct Alarm {
    /// What it is set for.
    due: Nanos,
    handle: SpawnHandle,
}

/// More is due than one pull took.
#[derive(Debug)]
pub struct DriveOn;

impl Message for DriveOn {
    type Result = ();
}

impl Handler<DriveOn> for WalletActor {
    type Result = ();

    fn handle(&mut self, DriveOn: DriveOn, context: &mut Self::Context) {
        self.told_to_drive_on = false;
        self.drive(context);
    }
}

impl WalletActor {
    /// Makes this actor look at its timers when the next one runs out, if there is one.
    pub(super) fn set_alarm(&mut self, context: &mut Context<Self>) {
        if self.failed || self.told_to_drive_on {
            return;
        }
        let Some(due) = self.wallet.next_due() else { return };
        if self.alarm.as_ref().is_some_and(|alarm| alarm.due <= due) {
            return;
        }
        if let Some(Alarm { handle, .. }) = self.alarm.take() {
            context.cancel_future(handle);
        }
        let left = Duration::from_nanos(due.0.saturating_sub(clock::now().0));
        let handle = context.run_later(left.clamp(SLEEP_MIN, SLEEP_MAX), |actor, context| {
            actor.alarm = None;
            actor.drive(context);
        });
        self.alarm = Some(Alarm { due, handle });
    }

    fn drive(&mut self, context: &mut Context<Self>) {
        if self.failed {
            return;
        }
        // Drives hold no permits. While the journal is behind, those that do come first.
        let has_room = self.journal.capacity().is_none_or(|capacity| self.journal.len() < capacity / 2);
        if has_room && self.drives_waiting == 0 && self.have_shards_room() {
            self.guarded(Self::pull);
            if !self.failed && self.wallet.next_due().is_some_and(|due| due <= self.last_time) {
                self.told_to_drive_on = true;
                context.notify(DriveOn);
            }
        }
        self.set_alarm(context);
    }

    /// Drives what is due, up to a cap.
    fn pull(&mut self) {
        self.look_at_the_clock();
        let time = self.last_time;
        let due = self.wallet.due(time, PULL);
        if due.is_empty() {
            return;
        }
        let mut turn = Turn::default();
        let (mut events, mut balances) = (Vec::new(), Vec::new());
        for transaction in due {
            self.money.driven(self.wallet.live_transaction(transaction));
            let command = TransactionCommand::Drive { transaction, time };
            if self.wallet.must_wait(&command) {
                // What waits for other wallets came before.
                self.await_others(command, Envelope::default(), &mut turn);
                self.drives_waiting += 1;
                continue;
            }
            let driven = self.carry_out(command, &mut turn);
            // A timer that stays as it is would run out for ever.
            assert!(
                driven.is_ok_and(|(it, _)| it.is_changed),
                "transaction {} is due and cannot be driven",
                transaction.0
            );
            self.send_to_shards(None);
            events.append(&mut self.output.events);
            add_news(&mut balances, &self.wallet, &self.output.entries);
        }
        if !events.is_empty() {
            let release = self.release(None, Envelope::default(), Vec::new());
            turn.releases.push(Arc::new(crate::api::Release { events, balances, ..release }));
        }
        self.money.stands(&self.wallet, &self.pending);
        if self.journal.send(turn).is_err() {
            // The journal writer is gone: the partition is stopping.
            self.failed = true;
            return;
        }
        self.flush_to_shards();
    }
}
