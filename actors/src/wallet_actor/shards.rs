//! What a wallet of several does about the others: sends and hears their messages, and answers whoever asked
//! for what had to wait for them.

use std::sync::Arc;

use rialto_engine::ids::ShardId;
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::wallet::{HomeNews, ToShard};
use rialto_persistence::record::Record;

use super::{Envelope, Source, WalletActor, WalletMessage};
use crate::api::{BalanceNews, Release};
use crate::feed::FeedSender;
use crate::permits::Permit;
use crate::turn::Turn;

impl WalletActor {
    /// Opens the accounts that the first wallet has opened since: they are at home somewhere.
    pub(super) fn open_accounts(&mut self) {
        if self.is_first() {
            return;
        }
        for _ in self.wallet.accounts()..self.accounts.opened_count() {
            self.wallet.open_account();
        }
    }

    pub(super) fn is_first(&self) -> bool {
        self.wallet.sharing().shard() == ShardId::FIRST
    }

    /// Lets a command wait for what is with other wallets.
    pub(super) fn await_others(&mut self, command: TransactionCommand, envelope: Envelope, turn: &mut Turn) {
        self.output.clear();
        self.wallet.begin_to_wait(command.clone(), &mut self.output);
        turn.record(&Record::Await { tenant: self.tenant, command, digest: self.wallet.digest().0 });
        self.send_to_shards(envelope.permit.as_ref());
        self.waiting.push_back(envelope);
    }

    /// What the wallet has just told others leaves with the turn.
    pub(super) fn send_to_shards(&mut self, permit: Option<&Permit>) {
        for (shard, message) in self.output.to_shards.drain(..) {
            let envelope = Envelope { permit: permit.map(Permit::share), ..Envelope::default() };
            self.to_shards.push((shard, message, envelope));
        }
    }

    /// Whether there is room for what holds no permit.
    pub(super) fn have_shards_room(&self) -> bool {
        self.shards.iter().all(FeedSender::has_spare_room)
    }

    /// Hears another wallet, and carries out what has waited for it.
    pub(super) fn hear(&mut self, from: ShardId, message: &ToShard, mut envelope: Envelope, turn: &mut Turn) {
        let source = Source::Shard(from);
        if self.unwritten.is_some_and(|unwritten| unwritten != source) {
            self.write_receipt(turn);
        }
        self.output.clear();
        let Some(news) = self.wallet.hear(from, message, &mut self.output) else { return };
        self.unwritten = Some(source);
        self.send_to_shards(envelope.permit.as_ref());
        if let Some(HomeNews { account, asset, change }) = news {
            let news = BalanceNews { account, balance: self.wallet.balance(account, asset), change };
            let permit = envelope.permit.take();
            let release = self.release(None, Envelope { permit, ..Envelope::default() }, Vec::new());
            turn.releases.push(Arc::new(Release { balances: vec![news], ..release }));
        }
        if self.is_first() {
            while self.carry_on(turn) {}
            // It may have asked for more.
            self.send_to_shards(envelope.permit.as_ref());
        }
    }

    /// Carries the oldest command out that waits, if it can be, and answers whoever asked for it.
    fn carry_on(&mut self, turn: &mut Turn) -> bool {
        self.output.clear();
        let Some(carried) = self.wallet.carry_on(&mut self.output) else { return false };
        let envelope = self.waiting.pop_front().unwrap_or_default();
        self.send_to_shards(envelope.permit.as_ref());
        let is_drive = matches!(carried.command, TransactionCommand::Drive { .. });
        self.drives_waiting -= usize::from(is_drive);
        match carried.result {
            // Something got the transaction further before its turn.
            Err(_) if is_drive => {}
            Err(reason) => {
                self.money.refused(&carried.command);
                self.reject(reason, envelope, turn);
            }
            Ok(transacted) => {
                if transacted.is_changed {
                    self.took_effect(transacted, turn);
                }
                self.tell_of_transaction(transacted, &carried.command, envelope, turn);
            }
        }
        true
    }

    /// Sends the messages of a turn that was handed to the journal.
    pub(super) fn flush_to_shards(&mut self) {
        let from = self.wallet.sharing().shard();
        for (shard, message, envelope) in self.to_shards.drain(..) {
            // Sized from the permits, so it cannot be full.
            self.shards[usize::from(shard.0)].send(WalletMessage::Shard(from, message, envelope));
        }
        for (shard, request, envelope) in self.passed_on.drain(..) {
            // The same: a look-up holds a permit.
            self.shards[usize::from(shard.0)].send(WalletMessage::Request(request, envelope));
        }
    }
}
