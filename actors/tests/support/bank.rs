//! A bank that carries a transaction out once, however often it is asked, that loses what it is asked and says
//! everything twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender};
use rialto_actors::exchange::Exchange;
use rialto_actors::outlets::Outlets;
pub use rialto_actors::outlets::{Calls, Notices};
use rialto_engine::ids::{AssetId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Ask, Body, RailCall, Report, Transaction, TransactionCommand};
use rialto_engine::units::{Amount, Nanos};

/// The books of the bank, which outlive every exchange that it works for. Clones share them.
#[derive(Clone, Default)]
pub struct Bank(Arc<Mutex<Books>>);

#[derive(Clone, Default)]
struct Books {
    /// What came in, above zero, or went out, by business id.
    moved: BTreeMap<Label, (AssetId, Amount)>,
    ended: BTreeSet<Label>,
    calls: u64,
}

/// The bank at work for one exchange.
pub struct AtWork {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// Outlets with so much room.
pub fn outlets(room: usize) -> (Outlets, Calls, Notices) {
    Outlets::with_room(room)
}

impl Bank {
    /// What came in less what went out.
    pub fn balance(&self, asset: AssetId) -> Amount {
        let books = self.books();
        books.moved.values().filter(|(moved, _)| *moved == asset).fold(Amount::ZERO, |sum, (_, amount)| sum + *amount)
    }

    /// How often it was asked anything.
    pub fn calls(&self) -> u64 {
        self.books().calls
    }

    /// A bank of its own with the same books.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.books().clone())))
    }

    /// Answers an exchange until it is stopped. Of all it is asked, it loses every third.
    pub fn work(&self, exchange: &Exchange, calls: Calls) -> AtWork {
        let (bank, exchange) = (self.clone(), exchange.clone());
        let (stop, stopped) = crossbeam_channel::bounded(0);
        let thread = std::thread::spawn(move || {
            while stopped.try_recv() != Err(crossbeam_channel::TryRecvError::Disconnected) {
                match calls.recv_timeout(Duration::from_millis(5)) {
                    Ok((tenant, call)) => bank.take(tenant, &call, &exchange),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        AtWork { stop, thread }
    }

    fn take(&self, tenant: TenantId, call: &RailCall, exchange: &Exchange) {
        let said = {
            let mut books = self.books();
            books.calls += 1;
            let is_lost = books.calls.is_multiple_of(3);
            if is_lost {
                return;
            }
            books.carry_out(call.ask, &call.transaction)
        };
        let Transaction { id, rail, .. } = call.transaction;
        for _ in 0..2 {
            // What finds no open door is lost; the exchange asks again.
            let command = TransactionCommand::Report { rail, id: Some(id), report: said, time: Nanos::ZERO };
            exchange.transact(tenant, command).ok();
        }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn carry_out(&mut self, ask: Ask, transaction: &Transaction) -> Report {
        let id = transaction.id;
        if !self.moved.contains_key(&id) {
            match ask {
                _ if self.ended.contains(&id) => return Report::Canceled,
                Ask::Query => return Report::Unknown,
                Ask::Cancel => {
                    self.ended.insert(id);
                    return Report::Canceled;
                }
                Ask::Submit => {}
            }
            let moved = match &transaction.body {
                Some(Body::Deposit { asset, amount, .. }) => (*asset, *amount),
                Some(Body::Withdrawal { asset, amount, .. }) => (*asset, Amount(-amount.0)),
                other => panic!("a rail was asked for {other:?}"),
            };
            self.moved.insert(id, moved);
        }
        let (asset, amount) = self.moved[&id];
        let reference = Label::new(&format!("bank-{id}")).expect("short");
        if amount.0 > 0 {
            Report::Received { reference, asset, amount, is_final: true }
        } else {
            Report::Paid { reference, asset, amount: Amount(-amount.0) }
        }
    }
}

impl AtWork {
    pub fn stop(self) {
        drop(self.stop);
        self.thread.join().expect("the bank ends");
    }
}
