//! What holds at all times: everything that the wallet and its twin know, looked at at once.

use std::collections::BTreeMap;

use rialto_engine::ids::{AccountId, AssetId, RailId, TransactionId};
use rialto_engine::transaction::{Body, Topic, TransactionKind, TransactionState};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{House, LedgerAccount};

use super::{ACCOUNTS, ASSETS, Life};
use crate::naive::user;

impl Life {
    pub fn check_everything(&self) -> Result<(), String> {
        let naive = &self.naive;
        for asset in (0..ASSETS).map(AssetId) {
            let mut sum = 0;
            let mut accounts: Vec<LedgerAccount> = House::ALL.into_iter().map(LedgerAccount::House).collect();
            accounts.extend((0..self.naive.rails.len()).map(|rail| LedgerAccount::External(RailId(rail as u16))));
            for user in (0..ACCOUNTS).map(AccountId) {
                use LedgerAccount::{Available, Held, Incoming, Outgoing};
                accounts.extend([Available(user), Held(user), Outgoing(user), Incoming(user)]);
                self.check_traded(asset, Available(user))?;
            }
            for account in accounts {
                self.check_balance(asset, account)?;
                sum += naive.sum(asset, account);
            }
            check!(sum == 0, "asset {asset} sums to {sum}");
            equal!(self.wallet.house(asset, House::Clearing), Amount::ZERO, "Clearing");
            self.check_under_way(asset)?;
        }
        self.check_sums_of_parts()?;
        let live: Vec<TransactionId> = self.wallet.live_transactions().map(|live| live.number).collect();
        let open = naive.transactions.iter().filter(|tracked| tracked.is_live());
        let due: Vec<(Nanos, TransactionId)> =
            open.clone().map(|tracked| (tracked.view.due, tracked.view.number)).collect();
        equal!(live, due.iter().map(|(_, number)| *number).collect::<Vec<_>>(), "transactions with a timer");
        for tracked in open {
            self.check_transaction(&tracked.view.id)?;
        }
        let mut due = due;
        due.sort_unstable();
        equal!(self.wallet.next_due(), due.first().map(|(due, _)| *due), "next timer");
        if let Some((middle, _)) = due.get(due.len() / 2) {
            let before = due.iter().filter(|(due, _)| due <= middle).map(|(_, number)| *number);
            equal!(self.wallet.due(*middle, usize::MAX), before.collect::<Vec<_>>(), "timers that have run out");
            self.check_lanes(*middle)?;
        }
        let cases = naive.cases.iter().filter(|case| case.closed == Nanos(0));
        check!(self.wallet.open_cases().eq(cases), "open cases");
        self.check_settings()
    }

    /// A timer stands in the lane of the rail that has to answer, and in no other.
    fn check_lanes(&self, time: Nanos) -> Result<(), String> {
        let mut lanes: BTreeMap<RailId, Vec<(Nanos, TransactionId)>> = BTreeMap::new();
        for view in self.naive.transactions.iter().filter(|tracked| tracked.is_live()).map(|tracked| &tracked.view) {
            let is_open = matches!(view.state, TransactionState::Open | TransactionState::Closing);
            let has_rail = matches!(view.body, Some(Body::Deposit { .. } | Body::Withdrawal { .. }));
            let lane = if is_open && has_rail { view.rail } else { RailId::DIRECT };
            lanes.entry(lane).or_default().push((view.due, view.number));
        }
        let mut firsts = Vec::new();
        for (rail, mut timers) in lanes {
            timers.sort_unstable();
            firsts.push((rail, timers[0].0));
            let due = timers.iter().filter(|(due, _)| *due <= time).map(|(_, number)| *number);
            equal!(self.wallet.due_of(rail, time, usize::MAX), due.collect::<Vec<_>>(), "timers of a lane");
        }
        equal!(self.wallet.lanes().collect::<Vec<_>>(), firsts, "lanes");
        Ok(())
    }

    /// What is under way is what is set aside for it.
    fn check_under_way(&self, asset: AssetId) -> Result<(), String> {
        let mut outgoing = vec![0; ACCOUNTS as usize];
        let mut incoming = vec![0; ACCOUNTS as usize];
        for tracked in self.naive.transactions.iter().filter(|tracked| !tracked.view.state.is_final()) {
            let view = &tracked.view;
            match view.body.as_ref().expect("under way") {
                Body::Deposit { account, asset: of, .. } if *of == asset => {
                    incoming[account.0 as usize] += view.moved.0;
                }
                Body::Withdrawal { account, asset: of, amount, .. } if *of == asset => {
                    outgoing[account.0 as usize] += amount.0 + view.fee.0;
                }
                Body::Transfer { from: user, asset: of, amount, .. }
                | Body::Payment { payer: user, asset: of, amount, .. }
                    if *of == asset =>
                {
                    outgoing[user.0 as usize] += amount.0;
                }
                Body::Refund { payment, amount, .. } => {
                    let (merchant, of) = self.naive.payment_of(payment);
                    if of == asset {
                        outgoing[merchant.0 as usize] += amount.0 - view.fee.0;
                    }
                }
                Body::Commission { agent, asset: of, amount } if *of == asset => {
                    incoming[agent.0 as usize] += amount.0 - view.reversed.0;
                }
                _ => {}
            }
        }
        for user in 0..ACCOUNTS {
            let balance = self.wallet.accounts_of(AccountId(user), asset);
            equal!(balance.outgoing.0, outgoing[user as usize], format!("outgoing of {user} in {asset}"));
            equal!(balance.incoming.0, incoming[user as usize], format!("incoming of {user} in {asset}"));
        }
        Ok(())
    }

    /// Refunds never exceed their payment, nor claw-backs their commission, nor fees given back the
    /// fee.
    fn check_sums_of_parts(&self) -> Result<(), String> {
        let naive = &self.naive;
        let mut back = vec![0; naive.transactions.len()];
        for tracked in &naive.transactions {
            let state = tracked.view.state;
            let used = if state.is_final() { tracked.view.posted.0 } else { 0 };
            match &tracked.view.body {
                Some(Body::Refund { payment, amount, .. }) => {
                    back[naive.numbers[payment]] += if state.is_final() { used } else { amount.0 };
                }
                Some(Body::ClawBack { commission, .. }) => back[naive.numbers[commission]] += used,
                _ => {}
            }
        }
        for (tracked, back) in naive.transactions.iter().zip(back) {
            let view = &tracked.view;
            check!(view.reversed.0 == back, "{view:?}: {back} went back");
            check!(view.fee_back.0 >= 0 && view.fee_back <= view.fee || view.fee_back.is_zero(), "{view:?}");
            match &view.body {
                Some(Body::Payment { amount, .. }) => {
                    check!(back <= view.posted.0 && view.posted <= *amount && view.fee <= *amount, "{view:?}");
                }
                Some(Body::Commission { amount, .. }) => check!(back <= amount.0, "{view:?}"),
                Some(body) => {
                    let most = crate::tries::amount(body).unwrap_or(i128::MAX);
                    check!(view.posted.0 <= most && view.moved.0 <= most, "{view:?}");
                }
                None => check!(view.posted.is_zero() && view.moved.is_zero(), "{view:?}"),
            }
        }
        Ok(())
    }

    fn check_settings(&self) -> Result<(), String> {
        let naive = &self.naive;
        equal!(self.wallet.rails(), naive.rails.len(), "rails");
        for (number, rail) in naive.rails.iter().enumerate() {
            equal!(self.wallet.rail(RailId(number as u16)), Some(*rail), "rail");
        }
        let topics = TransactionKind::ALL.into_iter().map(Topic::Kind).chain([Topic::Notification]);
        for topic in topics {
            equal!(self.wallet.policy(topic), naive.policy(topic), format!("policy of {topic:?}"));
        }
        for kind in TransactionKind::ALL {
            for asset in (0..ASSETS).map(AssetId) {
                let twin = naive.fees.get(&(kind, asset)).copied().unwrap_or_default();
                equal!(self.wallet.fee_plan(kind, asset), twin, format!("fee of {kind:?}"));
            }
        }
        for account in 0..ACCOUNTS {
            equal!(self.wallet.standing(AccountId(account)), naive.standings[account as usize], "standing");
            for asset in (0..ASSETS).map(AssetId) {
                let twin = naive.credit_of(AccountId(account), asset);
                equal!(self.wallet.credit(AccountId(account), asset).0, twin, "credit");
            }
        }
        equal!(self.wallet.notifies(), naive.notifies, "notification");
        Ok(())
    }

    /// Nothing was lost over the whole life: the list of entries, walked again, gives every balance.
    pub fn check_walk(&self) -> Result<(), String> {
        let mut walked = BTreeMap::new();
        for entry in &self.naive.entries {
            *walked.entry((entry.asset, entry.debit)).or_insert(0) -= entry.amount.0;
            *walked.entry((entry.asset, entry.credit)).or_insert(0) += entry.amount.0;
        }
        for ((asset, account), sum) in walked {
            equal!(self.naive.sum(asset, account), sum, "the entries walked again");
            self.check_balance(asset, account)?;
            check!(user(account).is_none_or(|user| user.0 < ACCOUNTS), "{account:?} does not exist");
        }
        Ok(())
    }
}
