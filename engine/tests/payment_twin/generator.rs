//! What comes next: every command in every state, as seldom right as the world is.

use rialto_engine::ids::{AccountId, AssetId, CaseId, ClientOrderId, RailId};
use rialto_engine::label::Label;
use rialto_engine::market::SUPPLY_MAX;
use rialto_engine::order::{Instructions, Side};
use rialto_engine::transaction::{
    Body, CaseKind, FeePlan, NewCase, Policy, Report, Stage, Standing, Topic, TransactionCommand, TransactionKind,
    TransactionState,
};
use rialto_engine::units::{Amount, BasisPoints, Nanos, Price, Quantity};
use rialto_engine::wallet::{Command, House, LedgerAccount, Place};

use crate::life::{ACCOUNTS, ASSETS, Act, Life, MARKET, order_kind};
use crate::naive::{DAY, HOUR, Naive, SECOND, Tracked, label};
use crate::random::Random;

pub struct Generator {
    random: Random,
    time: u64,
    names: u64,
    references: u64,
    orders: u64,
    /// About how much money there is of an asset.
    scale: i128,
    /// Of a hundred commands, how many are driven at trading.
    trading: u64,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let scales = [200, 10_000, 1_000_000_000, SUPPLY_MAX.0 / 4];
        let scale = scales[random.below(4) as usize];
        let trading = [5, 15, 40][random.below(3) as usize];
        Self { random, time: 1_000 * SECOND, names: 0, references: 0, orders: 0, scale, trading }
    }

    /// How a life begins: rails, and some money.
    pub fn beginning(&mut self) -> Vec<Act> {
        let mut acts: Vec<Act> = ["bank", "card", "chain"]
            .into_iter()
            .map(|name| Act::Money(TransactionCommand::OpenRail { name: label(name) }))
            .collect();
        for account in 0..ACCOUNTS - 1 {
            for asset in 0..ASSETS {
                let amount = self.big(self.scale / 4).max(1);
                let id = format!("first-{account}-{asset}");
                let (account, asset, time) = (AccountId(account), AssetId(asset), Nanos(self.time));
                acts.push(Act::Deposit { id, account, asset, amount: Amount(amount), time });
            }
        }
        if self.random.percent(40) {
            acts.push(Act::Money(TransactionCommand::ChangeNotification { is_on: true }));
        }
        for kind in [TransactionKind::Withdrawal, TransactionKind::Payment] {
            for asset in 0..ASSETS {
                acts.push(Act::Money(self.fee(kind, AssetId(asset))));
            }
        }
        acts
    }

    fn big(&mut self, below: i128) -> i128 {
        let word = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        (word % below.max(1).unsigned_abs()) as i128
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.below(of.len() as u64) as usize]
    }

    fn tick(&mut self, naive: &Naive) -> Nanos {
        match self.random.below(100) {
            0..30 => {}
            30..70 => self.time += self.random.below(SECOND),
            70..85 => self.time += self.random.below(8 * SECOND),
            85..96 => {
                // Just before, at, and just after a timer.
                let due = naive.transactions.iter().map(|tracked| tracked.view.due.0).filter(|due| *due > self.time);
                if let Some(due) = due.min().filter(|due| *due < self.time + 40 * DAY) {
                    self.time = (due + self.random.below(3) - 1).max(self.time);
                }
            }
            96..99 => self.time += self.random.below(HOUR),
            _ => self.time += self.random.below(DAY),
        }
        Nanos(self.time)
    }

    pub fn next(&mut self, life: &Life) -> Act {
        let naive = &life.naive;
        if self.random.percent(self.trading) {
            let (to_book, to_wallet) = life.in_flight();
            return match self.random.below(10) {
                0..4 if to_book > 0 => Act::ToBook,
                4..8 if to_wallet > 0 => Act::ToWallet,
                _ => self.order(naive),
            };
        }
        let time = self.tick(naive);
        match self.random.below(1_000) {
            0..260 => self.attempt(naive, time),
            260..520 => self.report(naive, time),
            520..610 => self.drive(naive, time),
            610..700 => self.decide(naive, time),
            700..770 => self.approve(naive, time),
            770..870 => self.acknowledge(naive, time),
            870..890 => self.reroute(naive, time),
            890..910 => self.case(naive, time),
            910..934 => self.standing(naive),
            934..940 => self.credit(naive),
            940..950 => self.fees_and_rails(),
            950..958 => Act::Money(self.policy()),
            958..961 => Act::Money(TransactionCommand::ChangeNotification { is_on: self.random.percent(60) }),
            961..970 => Act::Restart,
            _ => self.deposit(time),
        }
    }

    fn account(&mut self) -> AccountId {
        match self.random.below(200) {
            0 => AccountId(ACCOUNTS),
            1..6 => AccountId(ACCOUNTS - 1),
            other => AccountId(other as u32 % (ACCOUNTS - 1)),
        }
    }

    fn asset(&mut self) -> AssetId {
        if self.random.below(150) == 0 { AssetId(ASSETS) } else { AssetId(self.random.below(u64::from(ASSETS)) as u16) }
    }

    fn rail(&mut self, naive: &Naive) -> RailId {
        let rails = naive.rails.len() as u64;
        match self.random.below(60) {
            0 => RailId::DIRECT,
            1 => RailId(rails as u16),
            _ => RailId(self.random.between(1, (rails - 1).max(1)) as u16),
        }
    }

    /// An amount around what there is.
    fn amount(&mut self, most: i128) -> Amount {
        let most = most.max(1);
        Amount(match self.random.below(100) {
            0 => 0,
            1 => -1,
            2 => SUPPLY_MAX.0,
            3..8 => 1,
            8..18 => most,
            18..22 => most + 1,
            22..40 => self.big(most) + 1,
            _ => self.big(most / 8) + 1,
        })
    }

    fn new_id(&mut self) -> Label {
        if self.random.percent(6) {
            return self.any_id();
        }
        self.names += 1;
        label(&format!("t{}", self.names))
    }

    /// One that was used, or will be.
    fn any_id(&mut self) -> Label {
        let recent = self.random.percent(60);
        let low = if recent { self.names.saturating_sub(30) } else { 0 };
        let high = self.names + u64::from(self.random.below(20) == 0) * 3;
        label(&format!("t{}", self.random.between(low, high.max(low))))
    }

    fn reference(&mut self, naive: &Naive, rail: RailId) -> Label {
        if self.random.percent(12) && !naive.movements.is_empty() {
            let pending = naive.movements.iter().filter(|((of, _), movement)| *of == rail && movement.is_pending);
            let pending: Vec<Label> = pending.map(|((_, reference), _)| *reference).collect();
            if !pending.is_empty() && self.random.percent(70) {
                return self.pick(&pending);
            }
            return label(&format!("r{}", self.random.between(1, self.references.max(1))));
        }
        self.references += 1;
        label(&format!("r{}", self.references))
    }

    fn some<'a>(&mut self, naive: &'a Naive, wanted: impl Fn(&Tracked) -> bool) -> Option<&'a Tracked> {
        let matching: Vec<usize> =
            (0..naive.transactions.len()).rev().filter(|index| wanted(&naive.transactions[*index])).take(40).collect();
        if matching.is_empty() {
            return None;
        }
        Some(&naive.transactions[self.pick(&matching)])
    }

    fn attempt(&mut self, naive: &Naive, time: Nanos) -> Act {
        if self.random.percent(8)
            && let Some(before) = self.some(naive, |tracked| tracked.view.body.is_some())
        {
            // Again: with the same body, mostly.
            let mut body = before.view.body.clone().expect("was asked");
            if self.random.percent(25) {
                body = self.body(naive);
            }
            let rail = if self.random.percent(80) { before.view.rail } else { self.rail(naive) };
            return Act::Money(TransactionCommand::Try { id: before.view.id, body, rail, until: Nanos(0), time });
        }
        let body = self.body(naive);
        let has_rail = body.kind().has_rail() != (self.random.below(80) == 0);
        let rail = if has_rail { self.rail(naive) } else { RailId::DIRECT };
        let until = match self.random.below(100) {
            0 => time,
            1 => Nanos(time.0 - 1),
            2..12 => Nanos(time.0 + 1),
            12..30 => Nanos(time.0 + self.random.below(60 * SECOND)),
            30..33 => Nanos(u64::MAX),
            _ => Nanos(0),
        };
        Act::Money(TransactionCommand::Try { id: self.new_id(), body, rail, until, time })
    }

    fn body(&mut self, naive: &Naive) -> Body {
        let (account, other, asset) = (self.account(), self.account(), self.asset());
        let held = self.random.percent(55);
        let available = naive.spendable(account, asset);
        match self.random.below(100) {
            0..22 => Body::Deposit { account, asset, amount: self.amount(self.scale / 8) },
            22..40 => {
                let destinations = ["iban/DE12 3456", "x", "", "tab\t"];
                let which = if self.random.below(60) == 0 { self.random.between(2, 3) } else { self.random.below(2) };
                let mut destination = destinations[which as usize].to_owned();
                if self.random.below(100) == 0 {
                    destination = "d".repeat(self.random.between(256, 257) as usize);
                }
                let amount = self.amount(available);
                Body::Withdrawal { account, asset, amount, destination: destination.into() }
            }
            40..50 => Body::Transfer { from: account, to: other, asset, amount: self.amount(available), held },
            50..66 => Body::Payment { payer: account, merchant: other, asset, amount: self.amount(available), held },
            66..78 => {
                let payment = self.some(naive, |tracked| {
                    matches!(tracked.view.body, Some(Body::Payment { .. }))
                        && tracked.view.state == TransactionState::Confirmed
                        && tracked.view.reversed < tracked.view.posted
                });
                match payment {
                    Some(payment) if !self.random.percent(5) => {
                        let left = payment.view.posted.0 - payment.view.reversed.0;
                        Body::Refund { payment: payment.view.id, amount: self.amount(left), held }
                    }
                    _ => Body::Refund { payment: self.any_id(), amount: self.amount(self.scale / 50), held },
                }
            }
            78..84 => Body::Commission { agent: account, asset, amount: self.amount(self.scale / 20) },
            84..89 => {
                let commission = self.some(naive, |tracked| matches!(tracked.view.body, Some(Body::Commission { .. })));
                match commission {
                    Some(commission) if !self.random.percent(5) => {
                        let Some(Body::Commission { amount, .. }) = commission.view.body else { unreachable!() };
                        let left = amount.0 - commission.view.reversed.0;
                        Body::ClawBack { commission: commission.view.id, amount: self.amount(left) }
                    }
                    _ => Body::ClawBack { commission: self.any_id(), amount: self.amount(10) },
                }
            }
            89..92 => {
                Body::FeeShare { asset, rate: BasisPoints(self.pick(&[0, 1, 500, 2_500, 5_000, 10_000, 20_000])) }
            }
            _ => self.adjustment(naive, asset),
        }
    }

    fn adjustment(&mut self, naive: &Naive, asset: AssetId) -> Body {
        let from = self.ledger_account(naive);
        let to = if self.random.below(50) == 0 { from } else { self.ledger_account(naive) };
        let last = naive.cases.len() as u64;
        let case = match self.random.below(10) {
            0..5 => 0,
            5..9 => self.random.between(last.saturating_sub(10), last),
            _ => last + 1,
        };
        // About its own asset, mostly.
        let of_case = case.checked_sub(1).and_then(|index| naive.cases.get(index as usize)).map(|case| case.case.asset);
        let asset = of_case.filter(|_| self.random.percent(90)).unwrap_or(asset);
        let corrects = match self.random.below(20) {
            0 => naive.entries.len() as u64 + self.random.below(2),
            1..5 => self.random.between(1, naive.entries.len().max(1) as u64),
            _ => 0,
        };
        let most = crate::naive::user(from).map_or(self.scale / 20, |user| naive.available(user, asset));
        let amount = self.amount(most);
        Body::Adjustment { asset, from, to, amount, corrects, case: CaseId(case), proposer: label("olga") }
    }

    fn ledger_account(&mut self, naive: &Naive) -> LedgerAccount {
        match self.random.below(40) {
            0..14 => LedgerAccount::Available(self.account()),
            14..22 => LedgerAccount::House(House::Suspense),
            22..26 => LedgerAccount::House(House::Adjustment),
            26..28 => LedgerAccount::House(House::RebateExpense),
            28..30 => LedgerAccount::House(House::CommissionExpense),
            30..37 => LedgerAccount::External(self.rail(naive)),
            37 => LedgerAccount::House(self.pick(&House::ALL)),
            38 => LedgerAccount::Outgoing(self.account()),
            _ => LedgerAccount::Held(self.account()),
        }
    }

    fn report(&mut self, naive: &Naive, time: Nanos) -> Act {
        let alive = self.random.percent(70);
        let target = self.some(naive, |tracked| {
            let has_rail = tracked.view.body.as_ref().is_some_and(|body| body.kind().has_rail());
            has_rail && (!alive || !tracked.view.state.is_final())
        });
        let (mut id, mut rail) = (self.any_id(), self.rail(naive));
        let (mut most, mut asset, mut comes_in) = (self.scale / 50, self.asset(), self.random.percent(50));
        if let Some(target) = target.filter(|_| !self.random.percent(8)) {
            id = target.view.id;
            if !self.random.percent(4) {
                rail = target.view.rail;
            }
            match target.view.body {
                Some(Body::Deposit { asset: of, amount, .. }) => {
                    (most, comes_in) = (amount.0 - target.view.moved.0, true);
                    asset = if self.random.percent(93) { of } else { asset };
                }
                Some(Body::Withdrawal { asset: of, amount, .. }) => {
                    (most, comes_in) = (amount.0, false);
                    asset = if self.random.percent(93) { of } else { asset };
                }
                _ => {}
            }
        }
        let id = if self.random.percent(2) { None } else { Some(id) };
        let mut amount = self.amount(most);
        if self.random.percent(35) && most > 0 {
            amount = Amount(most);
        }
        let reference = self.reference(naive, rail);
        let is_final = self.random.percent(60);
        let comes_in = comes_in != self.random.percent(4);
        let report = match self.random.below(100) {
            0..12 => Report::Accepted,
            12..18 => Report::Rejected,
            18..26 => Report::Canceled,
            26..36 => Report::Unknown,
            36..42 => Report::Bounced { reference, asset, amount },
            42..52 => {
                let pending = naive.movements.iter().filter(|((of, _), movement)| *of == rail && movement.is_pending);
                let pending: Vec<Label> = pending.map(|((_, reference), _)| *reference).collect();
                let reference =
                    if pending.is_empty() || self.random.percent(10) { reference } else { self.pick(&pending) };
                if self.random.percent(50) {
                    Report::Returned { reference }
                } else {
                    Report::Received { reference, asset, amount, is_final }
                }
            }
            _ if comes_in => Report::Received { reference, asset, amount, is_final },
            _ => Report::Paid { reference, asset, amount },
        };
        Act::Money(TransactionCommand::Report { rail, id, report, time })
    }

    fn drive(&mut self, naive: &Naive, time: Nanos) -> Act {
        let due = self.some(naive, |tracked| tracked.is_live() && tracked.view.due <= time).map(|due| due.view.id);
        let id = match due {
            Some(due) if self.random.percent(85) => due,
            _ => self.any_id(),
        };
        Act::Drive { id, time }
    }

    fn decide(&mut self, naive: &Naive, time: Nanos) -> Act {
        let open = self.some(naive, |tracked| tracked.view.state == TransactionState::Open);
        let held = open.filter(|_| self.random.percent(75));
        let id = held.map_or_else(|| self.any_id(), |open| open.view.id);
        if self.random.percent(45) {
            let id = if self.random.percent(4) { self.new_id() } else { id };
            return Act::Money(TransactionCommand::Cancel { id, time });
        }
        let known = naive.numbers.get(&id).map(|index| &naive.transactions[*index].view);
        let most = known.and_then(|view| view.body.as_ref()).and_then(crate::tries::amount).unwrap_or(5);
        let amount = match known {
            _ if self.random.percent(50) => Amount::ZERO,
            Some(view) if view.state.is_final() && self.random.percent(60) => view.posted,
            _ => self.amount(most),
        };
        Act::Money(TransactionCommand::Confirm { id, amount, time })
    }

    fn approve(&mut self, naive: &Naive, time: Nanos) -> Act {
        let open = self.some(naive, |tracked| {
            matches!(tracked.view.body, Some(Body::Adjustment { .. })) && !tracked.view.state.is_final()
        });
        let id = match open {
            Some(open) if self.random.percent(92) => open.view.id,
            _ => self.any_id(),
        };
        let operator = label(self.pick(&["olga", "peter", "quinn", "rosa@peter", "rosa@quinn", "sven@peter", "sven@"]));
        Act::Money(TransactionCommand::Approve { id, operator, time })
    }

    fn acknowledge(&mut self, naive: &Naive, time: Nanos) -> Act {
        let waiting = self.some(naive, |tracked| !tracked.untold.is_empty()).filter(|_| self.random.percent(95));
        let Some(waiting) = waiting else {
            let event = self.random.below(6) as u32;
            return Act::Acknowledge { id: self.any_id(), event, time };
        };
        let next = waiting.view.acknowledged + 1;
        let event = match self.random.below(20) {
            0 => next - 1,
            1 => next + 1,
            2 => self.random.below(5) as u32,
            _ => next,
        };
        Act::Acknowledge { id: waiting.view.id, event, time }
    }

    fn reroute(&mut self, naive: &Naive, time: Nanos) -> Act {
        let unsent = self.some(naive, |tracked| {
            let has_rail = tracked.view.body.as_ref().is_some_and(|body| body.kind().has_rail());
            has_rail && !tracked.view.state.is_final() && tracked.view.stage == Stage::Unsent
        });
        let id = match unsent {
            Some(unsent) if self.random.percent(80) => unsent.view.id,
            _ => self.any_id(),
        };
        Act::Reroute { id, rail: self.rail(naive), time }
    }

    fn case(&mut self, naive: &Naive, time: Nanos) -> Act {
        let last = naive.cases.len() as u64;
        Act::Money(if self.random.percent(40) {
            let (kind, rail, asset) = (self.pick(&CaseKind::ALL), self.rail(naive), self.asset());
            let transaction = rialto_engine::ids::TransactionId(0);
            let amount = self.amount(50);
            let case = NewCase { kind, rail, asset, amount, reference: None, transaction };
            TransactionCommand::OpenCase { case, time }
        } else {
            let case = CaseId(self.random.between(last.saturating_sub(15), last + 1));
            TransactionCommand::CloseCase { case, operator: label("olga"), time }
        })
    }

    fn standing(&mut self, naive: &Naive) -> Act {
        // Mostly back to normal, or nothing would happen any more.
        let fallen = (0..ACCOUNTS).map(AccountId);
        let fallen = fallen.filter(|account| naive.standings[account.0 as usize] != Standing::Active);
        let fallen: Vec<AccountId> = fallen.collect();
        let (account, standing) = if !fallen.is_empty() && self.random.percent(60) {
            (self.pick(&fallen), Standing::Active)
        } else if self.random.percent(40) {
            (AccountId(ACCOUNTS - 1), self.pick(&[Standing::Closed, Standing::Frozen]))
        } else {
            (self.account(), self.pick(&Standing::ALL))
        };
        Act::Money(TransactionCommand::ChangeStanding { account, standing })
    }

    /// Now and then less than is taken of it, more than there can be, or nothing that could be.
    fn credit(&mut self, naive: &Naive) -> Act {
        let (account, asset) = (self.account(), self.asset());
        let taken = -naive.available(account, asset).min(0);
        let limit = match self.random.below(12) {
            0 => -1,
            1 => SUPPLY_MAX.0 - self.random.below(2) as i128,
            2 => SUPPLY_MAX.0 + 1,
            3..5 => 0,
            5 => taken - 1,
            6..8 => taken,
            _ => self.amount(self.scale / 4).0.min(SUPPLY_MAX.0),
        };
        Act::Money(TransactionCommand::ChangeCredit { account, asset, limit: Amount(limit) })
    }

    fn fee(&mut self, kind: TransactionKind, asset: AssetId) -> TransactionCommand {
        let fixed = match self.random.below(30) {
            0 => Amount(-1),
            1 => SUPPLY_MAX,
            2 => SUPPLY_MAX + Amount(1),
            3..10 => Amount(self.big(self.scale / 100) + 1),
            10..16 => Amount(1),
            _ => Amount::ZERO,
        };
        let rates = [0, 0, 1, 7, 100, 333, 9_999, 10_000, 10_001];
        let rate = BasisPoints(if self.random.percent(85) { self.pick(&rates[..6]) } else { self.pick(&rates) });
        TransactionCommand::ChangeFee { kind, asset, fee: FeePlan { fixed, rate } }
    }

    fn fees_and_rails(&mut self) -> Act {
        Act::Money(match self.random.below(10) {
            0 => TransactionCommand::OpenRail { name: label(self.pick(&["direct", "bank", "wire", "rail-5"])) },
            1..4 => {
                let rail = RailId(self.random.below(6) as u16);
                TransactionCommand::ChangeRail { rail, is_open: self.random.percent(70) }
            }
            _ => {
                let kinds = [TransactionKind::Withdrawal, TransactionKind::Payment];
                let kind = if self.random.percent(95) { self.pick(&kinds) } else { self.pick(&TransactionKind::ALL) };
                let asset = self.asset();
                self.fee(kind, asset)
            }
        })
    }

    fn policy(&mut self) -> TransactionCommand {
        let kind = self.pick(&TransactionKind::ALL);
        let topic = if self.random.percent(20) { Topic::Notification } else { Topic::Kind(kind) };
        let spans = [0, 1, SECOND, 5 * SECOND, HOUR, 40 * DAY, u64::MAX];
        let span = |generator: &mut Self, low: usize, high: usize| {
            Nanos(spans[generator.random.between(low as u64, high as u64) as usize])
        };
        let lowest = usize::from(!self.random.percent(8));
        let highest = if self.random.percent(10) { 6 } else { 4 };
        let policy = Policy {
            first: span(self, 0, highest),
            interval: span(self, lowest, highest),
            is_doubling: self.random.percent(50),
            longest: span(self, lowest, highest),
            attempts: if self.random.percent(5) { 0 } else { self.random.between(1, 6) as u32 },
            lifetime: span(self, 0, 6),
        };
        TransactionCommand::ChangePolicy { topic, policy }
    }

    fn deposit(&mut self, time: Nanos) -> Act {
        let number = self.random.below(40);
        let (account, asset) = (AccountId(number as u32 % (ACCOUNTS - 1)), AssetId(number as u16 % ASSETS));
        let amount = if self.random.percent(90) { Amount(self.scale / 16 + 1) } else { self.amount(self.scale) };
        let id = format!("direct-{number}-{}", self.random.below(3));
        let account = if self.random.percent(3) { AccountId(ACCOUNTS - 1) } else { account };
        Act::Deposit { id, account, asset, amount, time }
    }

    fn order(&mut self, naive: &Naive) -> Act {
        let time = Nanos(self.time);
        let account = AccountId(self.random.below(u64::from(ACCOUNTS)) as u32);
        if self.random.percent(12) || naive.trading.orders.len() > 60 {
            return Act::Order(Command::CancelAll { account, market: MARKET, time });
        }
        self.orders += 1;
        let side = if self.random.percent(50) { Side::Buy } else { Side::Sell };
        let most = if self.scale < 1_000 { 8 } else { 200 };
        Act::Order(Command::Place(Place {
            account,
            market: MARKET,
            client_id: ClientOrderId::new(&format!("o{}", self.orders)),
            side,
            kind: order_kind(self.random.next()),
            price: Price(self.random.between(90, 110)),
            quantity: Quantity(self.random.between(1, most)),
            budget: Amount::ZERO,
            time,
            instructions: Instructions::default(),
        }))
    }
}
