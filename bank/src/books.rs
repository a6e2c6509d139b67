//! The books of the bank: payments, their movements, and what happens to them next. No clock and no sockets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::faults::{Behaviour, Customers, Fault};
use crate::money::Currencies;
use crate::protocol::{Answer, AnsweredMovement, SubmitBody};

/// Deposits or withdrawals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Money is expected.
    Deposit,
    /// Money is to be paid out.
    Withdrawal,
    /// Money came in that nobody expected.
    Unsolicited,
}

/// How a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The bank works on it.
    Accepted,
    /// It has ended.
    Done,
    /// The bank will never do it.
    Rejected,
    /// It was ended as asked.
    Canceled,
}

/// What happened to money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// It came in.
    Received,
    /// It went out.
    Paid,
    /// It came back.
    Bounced,
}

/// Whether it may be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementState {
    /// It may.
    Pending,
    /// It may not.
    Final,
    /// It was.
    Returned,
}

impl MovementKind {
    /// Its name in statements.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Paid => "paid",
            Self::Bounced => "bounced",
        }
    }
}

impl MovementState {
    /// Its name in statements.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Final => "final",
            Self::Returned => "returned",
        }
    }
}

/// A movement of money.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Movement {
    /// Its name, for ever.
    pub reference: String,
    /// What.
    pub kind: MovementKind,
    /// Of what.
    pub asset: String,
    /// Minor units.
    pub amount: i128,
    /// Whether it is final.
    pub state: MovementState,
    /// When, in milliseconds.
    pub time: u64,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Payment {
    /// Its key; of unsolicited money, one that the bank makes.
    pub key: String,
    /// What it is; `None` for a key that was canceled before it came.
    pub body: Option<SubmitBody>,
    /// What kind it is.
    pub kind: Kind,
    /// Minor units that were asked for.
    pub amount: i128,
    /// How it stands.
    pub status: Status,
    /// What was moved.
    pub movements: Vec<Movement>,
    /// Whether an answer said that it is canceled although it is not.
    pub has_lied: bool,
    /// Counts what its owner should know.
    pub version: u64,
    /// Up to where its owner knows.
    pub told: u64,
}

/// What happens next to a payment, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds from now.
    pub after_ms: u64,
    /// What.
    pub action: Action,
}

/// What happens to a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A withdrawal is paid, well or badly.
    Pay,
    /// It is paid once more.
    PayAgain,
    /// What was paid comes back.
    Bounce,
    /// A customer pays in.
    Receive {
        /// Of what.
        asset: String,
        /// Minor units.
        amount: i128,
        /// Which of his payments this is.
        nth: u64,
    },
    /// What was pending becomes final.
    Settle(String),
    /// What was pending is taken back.
    Return(String),
}

/// Why a submit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400.
    Malformed,
    /// 409.
    Conflict,
}

/// Sums of one currency, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What came in and is here: pending or final.
    pub received: i128,
    /// What went out.
    pub paid: i128,
    /// What came back of that.
    pub bounced: i128,
    /// What came in and was taken back.
    pub returned: i128,
}

impl Totals {
    /// What the bank owes its client.
    #[must_use]
    pub const fn net(&self) -> i128 {
        self.received - self.paid + self.bounced
    }
}

/// The books of one client.
#[derive(Clone, Debug, Default)]
pub struct Books {
    payments: BTreeMap<String, Payment>,
    /// Numbers references.
    movements: u64,
    /// Begins every reference.
    prefix: String,
    /// How often which fault was done.
    pub done: BTreeMap<Fault, u64>,
}

impl Books {
    /// Empty books, whose references begin with a prefix.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..Self::default() }
    }

    /// Takes a payment over that was written down; the last one of a key counts.
    pub fn restore(&mut self, payment: Payment) {
        for movement in &payment.movements {
            let number = movement.reference.rsplit('-').next().and_then(|digits| digits.parse().ok());
            self.movements = self.movements.max(number.unwrap_or(0));
        }
        self.payments.insert(payment.key.clone(), payment);
    }

    /// A payment.
    #[must_use]
    pub fn payment(&self, key: &str) -> Option<&Payment> {
        self.payments.get(key)
    }

    /// All payments.
    pub fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.values()
    }

    /// A submit. `conduct` says what goes wrong.
    ///
    /// # Errors
    /// If it makes no sense, or the key was used for something else.
    pub fn submit(
        &mut self,
        currencies: &Currencies,
        conduct: &Behaviour,
        body: &SubmitBody,
    ) -> Result<Vec<Step>, Refusal> {
        let amount = currencies.parse(&body.asset, &body.amount).filter(|amount| *amount > 0);
        let amount = amount.ok_or(Refusal::Malformed)?;
        let kind = match (body.kind.as_str(), &body.destination) {
            ("deposit", None) => Kind::Deposit,
            ("withdrawal", Some(destination)) if !destination.is_empty() => Kind::Withdrawal,
            _ => return Err(Refusal::Malformed),
        };
        if let Some(payment) = self.payments.get(&body.key) {
            let is_same = payment.body.as_ref().is_none_or(|known| known == body);
            return if is_same { Ok(Vec::new()) } else { Err(Refusal::Conflict) };
        }
        let mut payment = Payment {
            key: body.key.clone(),
            body: Some(body.clone()),
            kind,
            amount,
            status: Status::Accepted,
            movements: Vec::new(),
            has_lied: false,
            version: 0,
            told: 0,
        };
        let steps = if kind == Kind::Deposit {
            customers_steps(conduct, &payment, body)
        } else if self.hits(conduct, Fault::Reject, &body.key) {
            payment.status = Status::Rejected;
            Vec::new()
        } else {
            self.withdrawal_steps(conduct, &body.key)
        };
        self.payments.insert(body.key.clone(), payment);
        Ok(steps)
    }

    fn withdrawal_steps(&mut self, conduct: &Behaviour, key: &str) -> Vec<Step> {
        let is_late = self.hits(conduct, Fault::Delay, key);
        let after_ms = if is_late { 1 + conduct.up_to(conduct.slow_ms, 1, key, 0) } else { 0 };
        vec![Step { after_ms, action: Action::Pay }]
    }

    /// What was under way when the books were closed begins again.
    #[must_use]
    pub fn resume(&self, conduct: &Behaviour) -> Vec<(String, Step)> {
        let mut steps = Vec::new();
        for payment in self.payments.values() {
            if payment.kind == Kind::Withdrawal && payment.status == Status::Accepted {
                steps.push((payment.key.clone(), Step { after_ms: 0, action: Action::Pay }));
            }
            for movement in payment.movements.iter().filter(|movement| movement.state == MovementState::Pending) {
                let action = Action::Settle(movement.reference.clone());
                steps.push((payment.key.clone(), Step { after_ms: conduct.delay_ms, action }));
            }
        }
        steps
    }

    /// A cancel. One of an unknown key is remembered.
    pub fn cancel(&mut self, conduct: &Behaviour, key: &str) {
        let lies = self.hits(conduct, Fault::LateSuccess, key);
        let Some(payment) = self.payments.get_mut(key) else {
            let payment = Payment {
                key: key.to_owned(),
                body: None,
                kind: Kind::Withdrawal,
                amount: 0,
                status: Status::Canceled,
                movements: Vec::new(),
                has_lied: false,
                version: 0,
                told: 0,
            };
            self.payments.insert(key.to_owned(), payment);
            return;
        };
        match (payment.kind, payment.status) {
            (Kind::Withdrawal, Status::Accepted) if lies => payment.has_lied = true,
            (_, Status::Accepted) => payment.status = Status::Canceled,
            _ => {}
        }
    }

    /// How a payment stands.
    #[must_use]
    pub fn answer(&self, currencies: &Currencies, key: &str) -> Answer {
        let Some(payment) = self.payments.get(key) else {
            return Answer { key: Some(key.to_owned()), status: "unknown", movements: Vec::new() };
        };
        let status = match payment.status {
            Status::Accepted if payment.has_lied => "canceled",
            Status::Accepted => "accepted",
            Status::Done => "done",
            Status::Rejected => "rejected",
            Status::Canceled => "canceled",
        };
        let movement = |movement: &Movement| AnsweredMovement {
            reference: movement.reference.clone(),
            kind: movement.kind,
            asset: movement.asset.clone(),
            amount: currencies.text(&movement.asset, movement.amount),
            state: movement.state,
        };
        let key = (payment.kind != Kind::Unsolicited).then(|| key.to_owned());
        Answer { key, status, movements: payment.movements.iter().map(movement).collect() }
    }

    /// Something happens to a payment at a time. Gives what follows from it.
    pub fn act(
        &mut self,
        currencies: &Currencies,
        conduct: &Behaviour,
        key: &str,
        action: Action,
        now: u64,
    ) -> Vec<Step> {
        match action {
            Action::Pay => self.pay(currencies, conduct, key, now),
            Action::PayAgain => {
                if let Some(payment) = self.payments.get(key).cloned() {
                    let asset = payment.body.map(|body| body.asset).unwrap_or_default();
                    self.book(key, MovementKind::Paid, &asset, payment.amount, MovementState::Final, now);
                }
                Vec::new()
            }
            Action::Bounce => {
                let paid = self.payments.get(key).and_then(|payment| payment.movements.first().cloned());
                if let Some(paid) = paid {
                    self.book(key, MovementKind::Bounced, &paid.asset, paid.amount, MovementState::Final, now);
                }
                Vec::new()
            }
            Action::Receive { asset, amount, nth } => self.receive(conduct, key, &asset, amount, nth, now),
            Action::Settle(reference) => {
                self.settle(key, &reference, MovementState::Final);
                Vec::new()
            }
            Action::Return(reference) => {
                self.settle(key, &reference, MovementState::Returned);
                Vec::new()
            }
        }
    }

    fn pay(&mut self, currencies: &Currencies, conduct: &Behaviour, key: &str, now: u64) -> Vec<Step> {
        let Some(payment) = self.payments.get_mut(key).filter(|payment| payment.status == Status::Accepted) else {
            return Vec::new();
        };
        payment.status = Status::Done;
        let amount = payment.amount;
        let mut asset = payment.body.as_ref().map(|body| body.asset.clone()).unwrap_or_default();
        let mut paid = amount;
        if self.hits(conduct, Fault::Partial, key) && amount > 1 {
            paid = amount / 2;
        } else if self.hits(conduct, Fault::WrongAmount, key) {
            paid = amount + 1;
        } else if self.hits(conduct, Fault::UnknownCurrency, key) {
            asset = "XXX".to_owned();
        } else if self.hits(conduct, Fault::WrongCurrency, key)
            && let Some(other) = currencies.other_than(&asset)
        {
            asset = other.to_owned();
        }
        self.book(key, MovementKind::Paid, &asset, paid, MovementState::Final, now);
        let mut steps = Vec::new();
        if self.hits(conduct, Fault::DuplicatePayout, key) {
            steps.push(Step { after_ms: conduct.up_to(conduct.slow_ms, 2, key, 0), action: Action::PayAgain });
        }
        if self.hits(conduct, Fault::Bounce, key) {
            steps.push(Step { after_ms: 1 + conduct.up_to(conduct.slow_ms, 3, key, 0), action: Action::Bounce });
        }
        steps
    }

    fn receive(&mut self, conduct: &Behaviour, key: &str, asset: &str, amount: i128, nth: u64, now: u64) -> Vec<Step> {
        let is_returned = self.hits_nth(conduct, Fault::Return, key, nth);
        let is_pending = is_returned || self.hits_nth(conduct, Fault::Pending, key, nth);
        let state = if is_pending { MovementState::Pending } else { MovementState::Final };
        let reference = self.book(key, MovementKind::Received, asset, amount, state, now);
        self.end_deposit(key);
        let after_ms = 1 + conduct.up_to(conduct.delay_ms * 2, 4, key, nth);
        let action = if is_returned { Action::Return(reference) } else { Action::Settle(reference) };
        if is_pending { vec![Step { after_ms, action }] } else { Vec::new() }
    }

    /// Money comes in that no payment asked for. Gives the key under which it stands.
    pub fn receive_unasked(&mut self, asset: &str, amount: i128, now: u64) -> String {
        let key = format!("~{}", self.movements + 1);
        let payment = Payment {
            key: key.clone(),
            body: None,
            kind: Kind::Unsolicited,
            amount: 0,
            status: Status::Done,
            movements: Vec::new(),
            has_lied: false,
            version: 0,
            told: 0,
        };
        self.payments.insert(key.clone(), payment);
        self.book(&key, MovementKind::Received, asset, amount, MovementState::Final, now);
        key
    }

    fn settle(&mut self, key: &str, reference: &str, state: MovementState) {
        let Some(payment) = self.payments.get_mut(key) else { return };
        let movement = payment.movements.iter_mut().find(|movement| movement.reference == reference);
        if let Some(movement) = movement.filter(|movement| movement.state == MovementState::Pending) {
            movement.state = state;
            payment.version += 1;
            self.end_deposit(key);
        }
    }

    /// A deposit has ended when what was expected is there for good.
    fn end_deposit(&mut self, key: &str) {
        let Some(payment) = self.payments.get_mut(key) else { return };
        let Some(body) = payment.body.as_ref().filter(|_| payment.kind == Kind::Deposit) else { return };
        let counts = |movement: &&Movement| movement.state == MovementState::Final && movement.asset == body.asset;
        let received: i128 = payment.movements.iter().filter(counts).map(|movement| movement.amount).sum();
        if payment.status == Status::Accepted && received >= payment.amount {
            payment.status = Status::Done;
        }
    }

    fn book(
        &mut self,
        key: &str,
        kind: MovementKind,
        asset: &str,
        amount: i128,
        state: MovementState,
        now: u64,
    ) -> String {
        self.movements += 1;
        let reference = format!("{}-{:08}", self.prefix, self.movements);
        if let Some(payment) = self.payments.get_mut(key) {
            let (reference, asset) = (reference.clone(), asset.to_owned());
            payment.movements.push(Movement { reference, kind, asset, amount, state, time: now });
            payment.version += 1;
        }
        reference
    }

    /// The owner of a payment knows it up to a version.
    pub fn tell(&mut self, key: &str, version: u64) {
        if let Some(payment) = self.payments.get_mut(key) {
            payment.told = payment.told.max(version);
        }
    }

    /// Sums by currency.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<String, Totals> {
        let mut all: BTreeMap<String, Totals> = BTreeMap::new();
        for movement in self.payments.values().flat_map(|payment| &payment.movements) {
            let totals = all.entry(movement.asset.clone()).or_default();
            *match (movement.kind, movement.state) {
                (MovementKind::Received, MovementState::Returned) => &mut totals.returned,
                (MovementKind::Received, _) => &mut totals.received,
                (MovementKind::Paid, _) => &mut totals.paid,
                (MovementKind::Bounced, _) => &mut totals.bounced,
            } += movement.amount;
        }
        all
    }

    /// All movements of a time, the oldest first, with the keys of their payments.
    #[must_use]
    pub fn statement(&self, from: u64, to: u64) -> Vec<(&Movement, &Payment)> {
        let of_payment = |payment: &'_ Payment| payment.movements.len();
        let mut rows = Vec::with_capacity(self.payments.values().map(of_payment).sum());
        for payment in self.payments.values() {
            let movements = payment.movements.iter();
            rows.extend(movements.filter(|row| from <= row.time && row.time < to).map(|row| (row, payment)));
        }
        rows.sort_by(|(left, _), (right, _)| (left.time, &left.reference).cmp(&(right.time, &right.reference)));
        rows
    }

    fn hits(&mut self, conduct: &Behaviour, fault: Fault, key: &str) -> bool {
        self.hits_nth(conduct, fault, key, 0)
    }

    fn hits_nth(&mut self, conduct: &Behaviour, fault: Fault, key: &str, nth: u64) -> bool {
        let hits = conduct.hits(fault, key, nth);
        *self.done.entry(fault).or_default() += u64::from(hits);
        hits
    }
}

/// What customers do about a deposit.
fn customers_steps(conduct: &Behaviour, payment: &Payment, body: &SubmitBody) -> Vec<Step> {
    let (key, amount) = (payment.key.as_str(), payment.amount);
    let after = |nth| 1 + conduct.up_to(conduct.delay_ms, 5, key, nth);
    let pay = |nth, after_ms, amount| {
        let action = Action::Receive { asset: body.asset.clone(), amount, nth };
        (amount > 0).then_some(Step { after_ms, action })
    };
    let steps = match conduct.customer(key) {
        Customers::None | Customers::Mixed => [None, None],
        Customers::Whole => [pay(1, after(1), amount), None],
        Customers::Parts => [pay(1, after(1), amount / 3), pay(2, after(2), amount - amount / 3)],
        Customers::Over => [pay(1, after(1), amount + amount / 10 + 1), None],
        Customers::Under => [pay(1, after(1), amount / 2), None],
        Customers::Twice => [pay(1, after(1), amount), pay(2, after(2), amount)],
        Customers::Late => [pay(1, after(1) * 20, amount), None],
    };
    steps.into_iter().flatten().collect()
}
