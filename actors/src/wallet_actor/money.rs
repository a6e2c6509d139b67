//! What the actor does about transactions: carries commands out, journals what changed something, and says
//! what became of it.

use std::sync::Arc;

use rialto_engine::ids::{AccountId, AssetId, RailId};
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{FeePlan, Standing, Topic, Transacted, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Entry, LedgerAccount, Sharing, Wallet};
use rialto_persistence::record::Record;

use super::pending::Pending;
use super::{Envelope, WalletActor};
use crate::api::{BalanceNews, MoneySettings, RailView, Release, Reply};
use crate::turn::Turn;

impl WalletActor {
    pub(super) fn transact(
        &mut self,
        mut command: TransactionCommand,
        deadline: Nanos,
        envelope: Envelope,
        turn: &mut Turn,
    ) {
        stamp(&mut command, self.last_time);
        if self.wall > deadline {
            return self.reject(Reason::DeadlinePassed, envelope, turn);
        }
        // The receipt holds the digest before this command.
        self.write_receipt(turn);
        if self.wallet.must_wait(&command) {
            return self.await_others(command, envelope, turn);
        }
        match self.carry_out(command, turn) {
            Err(reason) => self.reject(reason, envelope, turn),
            Ok((transacted, command)) => {
                self.send_to_shards(envelope.permit.as_ref());
                self.tell_of_transaction(transacted, &command, envelope, turn);
            }
        }
    }

    /// Answers whoever asked, and tells users, of a command that was carried out.
    pub(super) fn tell_of_transaction(
        &mut self,
        transacted: Transacted,
        command: &TransactionCommand,
        envelope: Envelope,
        turn: &mut Turn,
    ) {
        let events = std::mem::take(&mut self.output.events);
        let reply = envelope.token.is_some().then(|| {
            let transaction = self.wallet.answer(command).map(Box::new);
            let (at_home, elsewhere): (Vec<_>, _) =
                touched(&self.output.entries).into_iter().partition(|(account, _)| is_home(&self.wallet, *account));
            let here = |(account, asset)| (account, self.wallet.balance(account, asset));
            Reply::Transacted { transacted, transaction, balances: at_home.into_iter().map(here).collect(), elsewhere }
        });
        if reply.is_some() || !events.is_empty() || envelope.permit.is_some() {
            let mut balances = Vec::new();
            add_news(&mut balances, &self.wallet, &self.output.entries);
            let release = self.release(reply, envelope, Vec::new());
            turn.releases.push(Arc::new(Release { events, balances, ..release }));
        }
    }

    /// Carries a command out and journals it if it changed anything. What it asks of the outside world goes
    /// into the turn; what users may be told stays in the output.
    pub(super) fn carry_out(
        &mut self,
        command: TransactionCommand,
        turn: &mut Turn,
    ) -> Result<(Transacted, TransactionCommand), Reason> {
        self.output.clear();
        let transacted =
            self.wallet.transact(&command, &mut self.output).inspect_err(|_| self.money.refused(&command))?;
        if !transacted.is_changed {
            return Ok((transacted, command));
        }
        let record = Record::Transaction { tenant: self.tenant, command, digest: self.wallet.digest().0 };
        turn.record(&record);
        self.took_effect(transacted, turn);
        let Record::Transaction { command, .. } = record else { unreachable!("it was just made") };
        Ok((transacted, command))
    }

    /// What a command that changed something asks of the outside world.
    pub(super) fn took_effect(&mut self, transacted: Transacted, turn: &mut Turn) {
        let tenant = self.tenant;
        for event in &self.output.events {
            self.pending.happened(event);
            self.money.happened(event);
        }
        self.pending.looked_at(&self.wallet, transacted.transaction);
        self.money.asked(&self.output.calls, self.output.notices.len());
        if !self.output.cases.is_empty() {
            self.money.suspense(&self.wallet);
        }
        turn.calls.extend(self.output.calls.drain(..).map(|call| (tenant, call)));
        turn.notices.extend(self.output.notices.drain(..).map(|notice| (tenant, notice)));
    }

    pub(super) fn open_account(&mut self, name: &Label, envelope: Envelope, turn: &mut Turn) {
        let before = self.accounts.opened(name.as_str());
        if before.is_none() {
            self.write_receipt(turn);
            let count = self.accounts.open(name.as_str());
            self.wallet.open_account();
            assert_eq!(count, self.wallet.accounts(), "the directory has every account of the wallet");
            turn.record(&Record::OpenAccount { tenant: self.tenant, name: name.as_str().to_owned() });
            turn.accounts = Some((Arc::clone(&self.accounts), count));
        }
        let account = before.or_else(|| self.accounts.opened(name.as_str())).expect("it was just opened");
        let reply = Reply::AccountOpened { account, is_new: before.is_none() };
        turn.releases.push(Arc::new(self.release(Some(reply), envelope, Vec::new())));
    }
}

/// What decides about transactions.
pub fn settings(wallet: &Wallet, pending: &Pending) -> MoneySettings {
    let numbers = |count: usize| (0..count).filter_map(|number| u16::try_from(number).ok());
    let rail = |rail| wallet.rail(rail).map(|(name, is_open)| RailView { rail, name, is_open });
    let rails = numbers(wallet.rails()).filter_map(|number| rail(RailId(number)));
    let topics = TransactionKind::ALL.into_iter().map(Topic::Kind).chain([Topic::Notification]);
    let kinds = [TransactionKind::Withdrawal, TransactionKind::Payment];
    let fees = numbers(wallet.assets()).flat_map(|asset| {
        let plan = move |kind| (kind, AssetId(asset), wallet.fee_plan(kind, AssetId(asset)));
        kinds.into_iter().map(plan).filter(|(_, _, plan)| *plan != FeePlan::default())
    });
    let accounts = (0..wallet.accounts()).filter_map(|number| u32::try_from(number).ok()).map(AccountId);
    let standings = accounts.map(|account| (account, wallet.standing(account)));
    MoneySettings {
        rails: rails.collect(),
        policies: topics.map(|topic| (topic, wallet.policy(topic))).collect(),
        fees: fees.collect(),
        standings: standings.filter(|(_, standing)| *standing != Standing::Active).collect(),
        credits: wallet.credits().collect(),
        notifies: wallet.notifies(),
        live: wallet.live_count(),
        pending: pending.count(),
        stuck: pending.stuck(),
        cases: wallet.open_cases().count(),
        events: wallet.events(),
    }
}

/// The users whose money entries moved, with each asset of theirs that was moved.
fn touched(entries: &[Entry]) -> Vec<(AccountId, AssetId)> {
    let mut touched = Vec::new();
    for entry in entries {
        for account in [entry.debit, entry.credit].into_iter().filter_map(user_of) {
            if !touched.contains(&(account, entry.asset)) {
                touched.push((account, entry.asset));
            }
        }
    }
    touched
}

/// Adds what users have whose money entries moved, with how much it changed what each can see: money that has come in and is not yet free is
/// not part of that.
pub(super) fn add_news(news: &mut Vec<BalanceNews>, wallet: &Wallet, entries: &[Entry]) {
    for entry in entries {
        for (account, change) in [(entry.debit, -entry.amount.0), (entry.credit, entry.amount.0)] {
            let account = match account {
                LedgerAccount::Available(account) | LedgerAccount::Held(account) | LedgerAccount::Outgoing(account) => {
                    account
                }
                _ => continue,
            };
            if !is_home(wallet, account) {
                // It is told where it is at home.
                continue;
            }
            let told = news.iter_mut().find(|news| (news.account, news.balance.asset) == (account, entry.asset));
            let balance = wallet.balance(account, entry.asset);
            match told {
                Some(news) => {
                    news.change.0 += change;
                    news.balance = balance;
                }
                None => {
                    news.push(BalanceNews { account, balance, change: Amount(change) });
                }
            }
        }
    }
}

/// Whether what a user has is known to this wallet of several.
fn is_home(wallet: &Wallet, account: AccountId) -> bool {
    let sharing = wallet.sharing();
    Sharing::home_of(account, sharing.of()) == sharing.shard()
}

fn user_of(account: LedgerAccount) -> Option<AccountId> {
    match account {
        LedgerAccount::Available(account)
        | LedgerAccount::Held(account)
        | LedgerAccount::Outgoing(account)
        | LedgerAccount::Incoming(account) => Some(account),
        LedgerAccount::External(_) | LedgerAccount::House(_) => None,
    }
}

fn stamp(command: &mut TransactionCommand, now: Nanos) {
    match command {
        TransactionCommand::Try { time, .. }
        | TransactionCommand::Confirm { time, .. }
        | TransactionCommand::Cancel { time, .. }
        | TransactionCommand::Report { time, .. }
        | TransactionCommand::Drive { time, .. }
        | TransactionCommand::Acknowledge { time, .. }
        | TransactionCommand::Reroute { time, .. }
        | TransactionCommand::Approve { time, .. }
        | TransactionCommand::OpenCase { time, .. }
        | TransactionCommand::CloseCase { time, .. } => *time = now,
        TransactionCommand::OpenRail { .. }
        | TransactionCommand::ChangeRail { .. }
        | TransactionCommand::ChangePolicy { .. }
        | TransactionCommand::ChangeFee { .. }
        | TransactionCommand::ChangeStanding { .. }
        | TransactionCommand::ChangeCredit { .. }
        | TransactionCommand::ChangeNotification { .. } => {}
    }
}
