//! The delay queue: what makes the timers of transactions run out.
//!
//! When a timer runs out is part of the wallet's state, and so it survives whatever the state survives. Here
//! is only the waking: one timer in memory for the next of them, and none for a wallet that has none. What
//! has run out is driven by commands that are journaled like any other, a bounded number at a time with
//! other messages between, so that ten thousand that are due at once delay an order by one pull of them.
//!
//! Each turn of its own costs a sync that the orders behind it wait for. So what is due goes along with what is journaled
//! anyway, every few milliseconds, and has turns of its own only where nothing else happens. Timers of a rail whose
//! gate is shut are held back.

use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message, SpawnHandle};
use rialto_engine::ids::{RailId, TransactionId};
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::units::Nanos;
use rialto_engine::wallet::Wallet;

use super::money::add_news;
use super::{Envelope, WalletActor};
use crate::clock;
use crate::rails::gates::Gate;
use crate::turn::Turn;

/// How many transactions are driven before other messages get their turn.
const PULL: usize = 64;
/// How many go along with a turn that has something else to do, which is late by that.
const ALONG: usize = 32;
/// How long an actor that waits for a time sleeps at most before it looks at the clock, which may go at another
/// pace.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// What runs out within this time is driven in one turn. Each turn may cost a sync that the orders behind it wait
/// for; thousands of transactions of a rail that hangs must not make a thousand of them a second.
const STEP: Nanos = Nanos(20_000_000);
/// How long such an actor sleeps at least: a little longer, so that turns that happen anyway come first.
const SLEEP_MIN: Duration = Duration::from_millis(25);
/// After how long it looks whether a gate that was shut lets something through.
const LOOK_AGAIN: Nanos = Nanos(250_000_000);

/// The one timer in memory.
#[derive(Debug)]
pub struct Alarm {
    /// What it is set for.
    due: Nanos,
    handle: SpawnHandle,
}

/// What was told of the timers that are held back.
#[derive(Debug)]
pub struct Held {
    /// The rails of which any were.
    rails: Vec<RailId>,
    /// When they were counted.
    counted: Nanos,
}

impl Held {
    /// What an actor before this one may have told of this wallet.
    #[must_use]
    pub fn of(wallet: &Wallet) -> Self {
        let rails = wallet.lanes().map(|(rail, _)| rail).collect();
        Self { rails, counted: Nanos::ZERO }
    }
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
        let Some(due) = self.next_drive() else { return };
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
        if self.may_drive() {
            self.guarded(Self::pull);
            if !self.failed && self.drives_waiting == 0 && self.is_something_due() {
                self.told_to_drive_on = true;
                context.notify(DriveOn);
            }
        }
        self.tell_held();
        self.set_alarm(context);
    }

    /// Drives hold no permits. While the journal is behind, those that do come first.
    fn may_drive(&self) -> bool {
        let has_room = self.journal.capacity().is_none_or(|capacity| self.journal.len() < capacity / 2);
        has_room && self.drives_waiting == 0 && self.have_shards_room()
    }

    /// Drives what is due, up to a cap, in a turn of its own.
    fn pull(&mut self) {
        self.look_at_the_clock();
        let mut turn = Turn::default();
        if !self.is_something_due() || !self.drive_due(PULL, &mut turn) {
            return;
        }
        self.money.stands(&self.wallet, &self.pending);
        if self.journal.send(turn).is_err() {
            // The journal writer is gone: the partition is stopping.
            self.failed = true;
            return;
        }
        self.flush_to_shards();
    }

    /// Drives a few of those that are due along with what a turn has done.
    pub(super) fn drive_along(&mut self, turn: &mut Turn) {
        if self.is_something_due() && self.may_drive() {
            self.drive_due(ALONG, turn);
        }
    }

    /// Whether there may be something to drive, all that was having been driven a step ago.
    fn is_something_due(&self) -> bool {
        let has_just_driven = self.last_time.0 < self.driven.0.saturating_add(STEP.0);
        !has_just_driven && self.next_drive().is_some_and(|due| due <= self.last_time)
    }

    /// Drives what is due, up to a cap; `false` if nothing was.
    fn drive_due(&mut self, limit: usize, turn: &mut Turn) -> bool {
        let time = self.last_time;
        let due = self.choose(time, limit);
        if due.len() < limit {
            self.driven = time;
        }
        let is_something = !due.is_empty();
        let (mut events, mut balances) = (Vec::new(), Vec::new());
        for transaction in due {
            self.money.driven(self.wallet.live_transaction(transaction));
            let command = TransactionCommand::Drive { transaction, time };
            if self.wallet.must_wait(&command) {
                // What waits for other wallets came before.
                self.await_others(command, Envelope::default(), turn);
                self.drives_waiting += 1;
                continue;
            }
            let driven = self.carry_out(command, turn);
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
        is_something
    }

    /// Up to so many of those that are due: of each rail by turns, so that the rail of which most are due does not
    /// come before all others; of one whose gate is shut what it allows, and what it has held back long enough.
    fn choose(&self, time: Nanos, limit: usize) -> Vec<TransactionId> {
        let lanes = self.wallet.lanes().filter(|(_, due)| *due <= time).map(|(rail, _)| {
            let gate = self.gates.of(self.tenant, rail);
            let (overdue, allowed) = match gate {
                None => (time, limit),
                Some(gate) => (Nanos(time.0.saturating_sub(gate.longest.0)), gate.allowed.min(limit)),
            };
            let mut due = self.wallet.due_of(rail, overdue, limit);
            if due.len() < allowed {
                due = self.wallet.due_of(rail, time, allowed);
            }
            (rail, gate, due)
        });
        let lanes: Vec<(RailId, Option<Gate>, Vec<TransactionId>)> = lanes.collect();
        let longest = lanes.iter().map(|(_, _, due)| due.len()).max().unwrap_or_default();
        let turns = (0..longest).flat_map(|place| {
            lanes.iter().filter_map(move |(rail, _, due)| due.get(place).map(|transaction| (*rail, *transaction)))
        });
        let chosen: Vec<(RailId, TransactionId)> = turns.take(limit).collect();
        for (rail, gate, due) in &lanes {
            let Some(gate) = gate else { continue };
            let count = chosen.iter().filter(|(of, _)| of == rail).count();
            self.gates.let_through(self.tenant, *rail, count);
            // It would let more through than there are.
            if gate.is_opening && due.len() < gate.allowed.min(limit) {
                self.gates.open(self.tenant, *rail);
            }
        }
        chosen.into_iter().map(|(_, transaction)| transaction).collect()
    }

    /// Tells how many timers each gate holds back. They are counted, so that is not done at every look.
    fn tell_held(&mut self) {
        let now = self.last_time;
        let is_shut = |rail: RailId| self.gates.of(self.tenant, rail).is_some();
        let lanes = self.wallet.lanes().filter(|(rail, due)| *due <= now && is_shut(*rail));
        let rails: Vec<RailId> = lanes.map(|(rail, _)| rail).collect();
        for rail in self.held.rails.iter().filter(|rail| !rails.contains(rail)) {
            self.gates.hold(self.tenant, *rail, 0);
        }
        self.held.rails = rails;
        if self.held.rails.is_empty() || now.0 < self.held.counted.0.saturating_add(LOOK_AGAIN.0) {
            return;
        }
        self.held.counted = now;
        for rail in &self.held.rails {
            self.gates.hold(self.tenant, *rail, self.wallet.due_of(*rail, now, usize::MAX).len());
        }
    }

    /// When there may be something to drive. What a gate holds back is looked at again before it has been held back for
    /// long enough.
    fn next_drive(&self) -> Option<Nanos> {
        let now = self.last_time;
        let later = |time: Nanos, wait: Nanos| Nanos(time.0.saturating_add(wait.0));
        let lanes = self.wallet.lanes().map(|(rail, due)| match self.gates.of(self.tenant, rail) {
            Some(gate) if gate.allowed == 0 => {
                let look = later(now, if gate.is_opening { STEP } else { LOOK_AGAIN });
                later(due, gate.longest).min(due.max(look))
            }
            _ => due,
        });
        lanes.min()
    }
}
