//! Plays the commands of a scenario and tells what they did.

use std::collections::BTreeMap;

use rialto_engine::ids::{AccountId, AssetId, CaseId, RailId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::market::{MarketDefinition, MarketFilters, MarketSpec, Step};
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{
    Body, Case, CaseKind, FeePlan, Happening, NewCase, Policy, Report, Standing, Topic, TransactionCommand,
    TransactionEvent, TransactionKind, TransactionState,
};
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::wallet::{
    Balance, Command, House, LedgerAccount, Place, Submitted, Wallet, WalletLimits, WalletOutput,
};

const ASSETS: [&str; 2] = ["USD", "EUR"];
const SECOND: u64 = 1_000_000_000;

/// One scenario.
pub struct Runner {
    wallet: Wallet,
    /// Whether the wallet is written down and read again after every step.
    restores: bool,
    specs: Vec<MarketSpec>,
    accounts: Vec<String>,
    rails: Vec<String>,
    /// Business ids by the numbers of their transactions.
    names: BTreeMap<TransactionId, String>,
    time: Nanos,
    events: u64,
}

type Words<'a> = std::str::SplitWhitespace<'a>;

fn label(text: &str) -> Label {
    Label::new(text).unwrap_or_else(|| panic!("{text:?} is no label"))
}

fn amount(text: &str) -> Amount {
    // The largest supply, and one more than it.
    match text {
        "max" => Amount(1 << 100),
        "max+1" => Amount((1 << 100) + 1),
        "endless" => Amount(i128::MAX),
        text => Amount(text.parse().unwrap_or_else(|_| panic!("{text:?} is no amount"))),
    }
}

fn word<'a>(words: &mut Words<'a>) -> &'a str {
    words.next().expect("a word more")
}

fn number(words: &mut Words<'_>) -> u64 {
    word(words).parse().expect("a number")
}

fn seconds(words: &mut Words<'_>) -> Nanos {
    Nanos(number(words) * SECOND)
}

/// The words behind a keyword, if it is there.
fn after<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    line.split_whitespace().skip_while(|word| *word != keyword).nth(1)
}

fn asset(text: &str) -> AssetId {
    let place = ASSETS.iter().position(|asset| *asset == text).unwrap_or(99);
    AssetId(u16::try_from(place).expect("it is small"))
}

fn kind(text: &str) -> TransactionKind {
    TransactionKind::ALL.into_iter().find(|kind| kind.name() == text).unwrap_or_else(|| panic!("kind {text:?}"))
}

/// A market of the first asset against the second.
pub fn market() -> MarketSpec {
    let one = Step { mantissa: 1, scale: 0 };
    MarketSpec::open(&MarketDefinition {
        base: AssetId(0),
        base_scale: 0,
        quote: AssetId(1),
        quote_scale: 0,
        tick: one,
        lot: one,
        max_price: Price(1_000),
        max_quantity: Quantity(1_000),
        min_notional: Amount(0),
        maker_fee: FeeRate(0),
        taker_fee: BasisPoints(0),
        filters: MarketFilters::default(),
    })
    .expect("it is a market")
}

impl Runner {
    pub fn new(restores: bool) -> Self {
        let mut wallet = Wallet::new(WalletLimits::default());
        ASSETS.iter().for_each(|_| wallet.open_asset());
        let spec = market();
        wallet.open_market(spec);
        Self {
            wallet,
            restores,
            specs: vec![spec],
            accounts: Vec::new(),
            rails: vec!["direct".to_owned()],
            names: BTreeMap::new(),
            time: Nanos(0),
            events: 0,
        }
    }

    /// Plays one command, and gives what it did.
    pub fn step(&mut self, line: &str) -> Vec<String> {
        let mut words = line.split_whitespace();
        let mut output = WalletOutput::default();
        match word(&mut words) {
            "at" => self.time = seconds(&mut words),
            "show" => return self.show(&mut words),
            "tick" => return self.tick(),
            "fund" => {
                let account = self.account(word(&mut words));
                let (amount, asset) = (amount(word(&mut words)), asset(word(&mut words)));
                let id = words.next().unwrap_or("opening");
                let id = format!("{id}-{}-{}", account.0, asset.0);
                let before = self.wallet.snapshot();
                let result = self.wallet.deposit(&id, account, asset, amount, self.time, &mut output);
                return self.tell(result.map(|()| before != self.wallet.snapshot()), &before, &output);
            }
            "buy" => {
                let account = self.account(word(&mut words));
                let quantity = Quantity(number(&mut words));
                let place = Place {
                    account,
                    market: rialto_engine::ids::MarketId(0),
                    client_id: None,
                    side: Side::Buy,
                    kind: OrderKind::Limit,
                    price: Price(1),
                    quantity,
                    budget: Amount::ZERO,
                    time: self.time,
                    instructions: Instructions::default(),
                };
                let before = self.wallet.snapshot();
                let result = match self.wallet.submit(&Command::Place(place), &mut output) {
                    Submitted::Forwarded { .. } => Ok(true),
                    Submitted::Rejected(reason) => Err(reason),
                };
                return self.tell(result, &before, &output);
            }
            _ => {
                let command = self.command(line);
                return self.transact(&command);
            }
        }
        Vec::new()
    }

    fn transact(&mut self, command: &TransactionCommand) -> Vec<String> {
        let mut output = WalletOutput::default();
        let before = self.wallet.snapshot();
        let result = self.wallet.transact(command, &mut output);
        if let (Ok(transacted), TransactionCommand::Try { id, .. } | TransactionCommand::Cancel { id, .. }) =
            (&result, command)
        {
            self.names.insert(transacted.transaction, id.to_string());
            let shown = self.wallet.answer(command).expect("it is known");
            assert_eq!((shown.number, shown.id), (transacted.transaction, *id));
        }
        self.tell(result.map(|transacted| transacted.is_changed), &before, &output)
    }

    /// Drives everything that is due, as a wallet's actor does.
    fn tick(&mut self) -> Vec<String> {
        let due = self.wallet.due(self.time, usize::MAX);
        assert_eq!(due.first().copied(), self.wallet.due(self.time, 1).first().copied());
        let drive = |transaction| TransactionCommand::Drive { transaction, time: self.time };
        let commands: Vec<TransactionCommand> = due.into_iter().map(drive).collect();
        commands.iter().flat_map(|command| self.transact(command)).collect()
    }

    fn account(&mut self, name: &str) -> AccountId {
        if name == "nobody" {
            return AccountId(999);
        }
        let place = self.accounts.iter().position(|account| account == name).unwrap_or_else(|| {
            self.accounts.push(name.to_owned());
            self.wallet.open_account();
            self.accounts.len() - 1
        });
        AccountId(u32::try_from(place).expect("it is small"))
    }

    fn rail(&self, name: &str) -> RailId {
        let place = self.rails.iter().position(|rail| rail == name).unwrap_or(99);
        RailId(u16::try_from(place).expect("it is small"))
    }

    fn ledger_account(&mut self, text: &str) -> LedgerAccount {
        if let Some(house) = House::ALL.into_iter().find(|house| house.name() == text) {
            return LedgerAccount::House(house);
        }
        match text.split_once('.') {
            None => LedgerAccount::Available(self.account(text)),
            Some((name, "available")) => LedgerAccount::Available(self.account(name)),
            Some((name, "held")) => LedgerAccount::Held(self.account(name)),
            Some((name, "outgoing")) => LedgerAccount::Outgoing(self.account(name)),
            Some((name, "incoming")) => LedgerAccount::Incoming(self.account(name)),
            Some((name, "external")) => LedgerAccount::External(self.rail(name)),
            Some(_) => panic!("{text:?} is no account"),
        }
    }

    fn transaction(&self, name: &str) -> TransactionId {
        let found = self.names.iter().find(|(_, known)| *known == name);
        found.map_or(TransactionId(999), |(number, _)| *number)
    }

    /// Reads a command.
    fn command(&mut self, line: &str) -> TransactionCommand {
        let mut words = line.split_whitespace();
        let time = self.time;
        let by = || label(after(line, "by").expect("by whom"));
        let first = word(&mut words);
        match first {
            "confirm" => {
                let id = label(word(&mut words));
                TransactionCommand::Confirm { id, amount: words.next().map(amount).unwrap_or_default(), time }
            }
            "cancel" => TransactionCommand::Cancel { id: label(word(&mut words)), time },
            "approve" => TransactionCommand::Approve { id: label(word(&mut words)), operator: by(), time },
            "drive" => TransactionCommand::Drive { transaction: self.transaction(word(&mut words)), time },
            "acknowledge" => {
                let transaction = self.transaction(word(&mut words));
                let event = u32::try_from(number(&mut words)).expect("it is small");
                TransactionCommand::Acknowledge { transaction, event, time }
            }
            "reroute" => {
                let transaction = self.transaction(word(&mut words));
                let rail = self.rail(after(line, "over").expect("over which rail"));
                TransactionCommand::Reroute { transaction, rail, time }
            }
            "open-case" => {
                let kind = word(&mut words);
                let kind = CaseKind::ALL.into_iter().find(|case| case.name() == kind).expect("a kind of case");
                let rail = self.rail(word(&mut words));
                let (amount, asset) = (amount(word(&mut words)), asset(word(&mut words)));
                let case = NewCase { kind, rail, asset, amount, reference: None, transaction: TransactionId(0) };
                TransactionCommand::OpenCase { case, time }
            }
            "close-case" => TransactionCommand::CloseCase { case: CaseId(number(&mut words)), operator: by(), time },
            "open-rail" => {
                let name = word(&mut words);
                self.rails.push(name.to_owned());
                let command = TransactionCommand::OpenRail { name: label(name) };
                if self.rails.iter().filter(|rail| *rail == name).count() > 1 {
                    self.rails.pop();
                }
                command
            }
            "rail" => {
                let rail = self.rail(word(&mut words));
                TransactionCommand::ChangeRail { rail, is_open: word(&mut words) == "open" }
            }
            "fee" => {
                let (kind, asset) = (kind(word(&mut words)), asset(word(&mut words)));
                let fixed = amount(word(&mut words));
                let rate = BasisPoints(u32::try_from(number(&mut words)).expect("it is small"));
                TransactionCommand::ChangeFee { kind, asset, fee: FeePlan { fixed, rate } }
            }
            "policy" => {
                let topic = match word(&mut words) {
                    "notification" => Topic::Notification,
                    text => Topic::Kind(kind(text)),
                };
                let policy = Policy {
                    first: seconds(&mut words),
                    interval: seconds(&mut words),
                    longest: seconds(&mut words),
                    attempts: u32::try_from(number(&mut words)).expect("it is small"),
                    lifetime: seconds(&mut words),
                    is_doubling: words.next() == Some("doubling"),
                };
                TransactionCommand::ChangePolicy { topic, policy }
            }
            "standing" => {
                let account = self.account(word(&mut words));
                let standing = match word(&mut words) {
                    "active" => Standing::Active,
                    "frozen" => Standing::Frozen,
                    "closed" => Standing::Closed,
                    text => panic!("{text:?} is no standing"),
                };
                TransactionCommand::ChangeStanding { account, standing }
            }
            "credit" => {
                let (account, limit) = (self.account(word(&mut words)), amount(word(&mut words)));
                TransactionCommand::ChangeCredit { account, asset: asset(word(&mut words)), limit }
            }
            "notify" => TransactionCommand::ChangeNotification { is_on: word(&mut words) == "on" },
            rail if self.rails.iter().any(|known| known == rail) || rail == "nowhere" => {
                self.report(self.rail(rail), &mut words, line)
            }
            _ => self.attempt(first, &mut words, line),
        }
    }

    fn report(&self, rail: RailId, words: &mut Words<'_>, line: &str) -> TransactionCommand {
        let what = word(words);
        let id = Some(word(words)).filter(|id| *id != "-").map(label);
        let mut movement = || (label(word(words)), amount(word(words)), asset(word(words)));
        let report = match what {
            "accepted" => Report::Accepted,
            "rejected" => Report::Rejected,
            "canceled" => Report::Canceled,
            "unknown" => Report::Unknown,
            "returned" => Report::Returned { reference: label(word(words)) },
            "received" => {
                let (reference, amount, asset) = movement();
                Report::Received { reference, asset, amount, is_final: !line.ends_with("pending") }
            }
            "paid" => {
                let (reference, amount, asset) = movement();
                Report::Paid { reference, asset, amount }
            }
            "bounced" => {
                let (reference, amount, asset) = movement();
                Report::Bounced { reference, asset, amount }
            }
            text => panic!("{text:?} is no report"),
        };
        TransactionCommand::Report { rail, id, report, time: self.time }
    }

    fn attempt(&mut self, id: &str, words: &mut Words<'_>, line: &str) -> TransactionCommand {
        let held = line.contains(" held");
        let what = word(words);
        let body = match what {
            "deposit" => {
                let account = self.account(word(words));
                let (amount, asset) = (amount(word(words)), asset(word(words)));
                Body::Deposit { account, asset, amount }
            }
            "withdraw" => {
                let account = self.account(word(words));
                let (amount, asset) = (amount(word(words)), asset(word(words)));
                let destination = match after(line, "to") {
                    Some("empty") => "".into(),
                    Some("long") => "x".repeat(257).into(),
                    Some("foreign") => "Zürich".into(),
                    Some(text) => text.into(),
                    None => panic!("to where?"),
                };
                Body::Withdrawal { account, asset, amount, destination }
            }
            "transfer" => {
                let (from, to) = (self.account(word(words)), self.account(word(words)));
                let (amount, asset) = (amount(word(words)), asset(word(words)));
                Body::Transfer { from, to, asset, amount, held }
            }
            "pay" => {
                let (payer, merchant) = (self.account(word(words)), self.account(word(words)));
                let (amount, asset) = (amount(word(words)), asset(word(words)));
                Body::Payment { payer, merchant, asset, amount, held }
            }
            "refund" => Body::Refund { payment: label(word(words)), amount: amount(word(words)), held },
            "commission" => {
                let agent = self.account(word(words));
                let (amount, asset) = (amount(word(words)), asset(word(words)));
                Body::Commission { agent, asset, amount }
            }
            "clawback" => Body::ClawBack { commission: label(word(words)), amount: amount(word(words)) },
            "share" => {
                let asset = asset(word(words));
                let rate = BasisPoints(u32::try_from(number(words)).expect("it is small"));
                Body::FeeShare { asset, rate }
            }
            "adjust" => {
                let (from, to) = (self.ledger_account(word(words)), self.ledger_account(word(words)));
                let (amount, asset) = (amount(word(words)), asset(word(words)));
                let count = |keyword| after(line, keyword).map_or(0, |text| text.parse().expect("a number"));
                let proposer = label(after(line, "by").unwrap_or("ann"));
                let (corrects, case) = (count("corrects"), CaseId(count("case")));
                Body::Adjustment { asset, from, to, amount, corrects, case, proposer }
            }
            text => panic!("{text:?} is no transaction"),
        };
        let rail = after(line, "over").map_or(RailId::DIRECT, |rail| self.rail(rail));
        let until = after(line, "until").map_or(0, |text| text.parse::<u64>().expect("a second"));
        TransactionCommand::Try { id: label(id), body, rail, until: Nanos(until * SECOND), time: self.time }
    }

    /// Tells what happened, after a look at whether it may have.
    fn tell(
        &mut self,
        result: Result<bool, Reason>,
        before: &rialto_engine::wallet::WalletSnapshot,
        output: &WalletOutput,
    ) -> Vec<String> {
        let after = self.wallet.snapshot();
        self.check_money();
        for event in &output.events {
            self.events += 1;
            assert_eq!(event.number, self.events, "an event is missing");
            self.names.insert(event.transaction.number, event.transaction.id.to_string());
        }
        assert_eq!(self.wallet.events(), self.events);
        let lines = match result {
            Err(reason) => {
                assert!(output.events.is_empty() && output.entries.is_empty() && output.cases.is_empty());
                assert!(output.calls.is_empty() && output.notices.is_empty());
                assert_eq!(after, *before, "refused, and yet changed");
                vec![format!("refused {}", reason.name())]
            }
            Ok(false) => {
                assert_eq!(after, *before, "said to be unchanged");
                assert!(output.events.is_empty() && output.entries.is_empty() && output.calls.is_empty());
                vec!["unchanged".to_owned()]
            }
            Ok(true) => {
                assert_ne!(after, *before, "said to be changed");
                assert_ne!(after.digest, before.digest, "the digest does not show it");
                self.lines(output)
            }
        };
        if self.restores {
            self.wallet = Wallet::restore(&after, &self.specs, WalletLimits::default());
            assert_eq!(self.wallet.snapshot(), after, "a snapshot does not give itself again");
        }
        lines
    }

    fn lines(&self, output: &WalletOutput) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in &output.entries {
            let (debit, credit) = (self.name(entry.debit), self.name(entry.credit));
            lines.push(format!("{debit} -> {credit} {} {}", entry.amount, ASSETS[usize::from(entry.asset.0)]));
        }
        lines.extend(output.events.iter().map(|event| self.event(event)));
        for call in &output.calls {
            let (rail, ask) = (&self.rails[usize::from(call.transaction.rail.0)], call.ask);
            lines.push(format!("{rail} is asked to {} {}", format!("{ask:?}").to_lowercase(), call.transaction.id));
        }
        for notice in &output.notices {
            lines.push(format!("told: {} {}", notice.transaction.id, notice.what.name()));
        }
        lines.extend(output.cases.iter().map(|case| self.case(case)));
        lines
    }

    fn event(&self, event: &TransactionEvent) -> String {
        let transaction = &event.transaction;
        let detail = match event.what {
            Happening::Moved { reference, asset, amount, meaning } => {
                format!(" {reference} {amount} {} {}", ASSETS[usize::from(asset.0)], meaning.name())
            }
            Happening::Confirmed => format!(" {}", transaction.posted),
            Happening::Approved { operator } => format!(" by {operator}"),
            Happening::Reversed => format!(" {}, of its fee {}", transaction.reversed, transaction.fee_back),
            _ => String::new(),
        };
        assert_eq!(transaction.changed, event.time);
        assert_eq!(transaction.events, event.sequence);
        format!("{} {}{detail}", transaction.id, event.what.name())
    }

    fn case(&self, case: &Case) -> String {
        let NewCase { kind, rail, asset, amount, reference, transaction } = case.case;
        let about = if transaction.0 == 0 { String::new() } else { format!(" about {}", self.names[&transaction]) };
        let reference = reference.map_or(String::new(), |reference| format!(" {reference}"));
        let (rail, asset) = (&self.rails[usize::from(rail.0)], ASSETS[usize::from(asset.0)]);
        match case.closed_by {
            None if case.closed.0 > 0 => format!("case {} closed by its return", case.id),
            None => format!("case {}: {} {amount} {asset} of {rail}{reference}{about}", case.id, kind.name()),
            Some(operator) if case.adjustment.0 == 0 => format!("case {} closed by {operator}", case.id),
            Some(operator) => format!("case {} closed by {operator} with {}", case.id, self.names[&case.adjustment]),
        }
    }

    fn name(&self, account: LedgerAccount) -> String {
        let user = |account: AccountId, part| format!("{}.{part}", self.accounts[account.0 as usize]);
        match account {
            LedgerAccount::Available(account) => user(account, "available"),
            LedgerAccount::Held(account) => user(account, "held"),
            LedgerAccount::Outgoing(account) => user(account, "outgoing"),
            LedgerAccount::Incoming(account) => user(account, "incoming"),
            LedgerAccount::External(rail) => format!("{}.external", self.rails[usize::from(rail.0)]),
            LedgerAccount::House(house) => house.name().to_owned(),
        }
    }

    /// Balances of a user or the house, or how a transaction stands.
    fn show(&mut self, words: &mut Words<'_>) -> Vec<String> {
        let what = word(words);
        if let Some(account) = self.accounts.iter().position(|account| account == what) {
            let account = AccountId(u32::try_from(account).expect("it is small"));
            return (0..2u16).filter_map(|asset| self.balance(account, AssetId(asset))).collect();
        }
        if what == "house" {
            return (0..2u16).flat_map(|asset| self.house(AssetId(asset))).collect();
        }
        let Some(transaction) = self.wallet.transaction(&label(what)) else { return vec!["unknown".to_owned()] };
        let live = self.wallet.live_transaction(transaction.number).is_some();
        let due = if live { format!(", due at {}", transaction.due.0 / SECOND) } else { String::new() };
        let stuck = if transaction.is_stuck { ", stuck" } else { "" };
        let stage = if transaction.body.as_ref().is_some_and(|body| body.kind().has_rail()) {
            format!(", {:?}", transaction.stage).to_lowercase()
        } else {
            String::new()
        };
        let attempts =
            if transaction.attempts == 0 { String::new() } else { format!(", attempts {}", transaction.attempts) };
        vec![format!(
            "{}, posted {}, moved {}, fee {}, reversed {}, events {} of {}{stage}{due}{attempts}{stuck}",
            transaction.state.name(),
            transaction.posted,
            transaction.moved,
            transaction.fee,
            transaction.reversed,
            transaction.acknowledged,
            transaction.events,
        )]
    }

    fn balance(&self, account: AccountId, asset: AssetId) -> Option<String> {
        let balance = self.wallet.accounts_of(account, asset);
        let Balance { available, held, outgoing, incoming } = balance;
        let parts = [(available, "available"), (held, "held"), (outgoing, "outgoing"), (incoming, "incoming")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(amount, _)| !amount.is_zero())
            .map(|(amount, name)| format!("{amount} {name}"))
            .collect();
        let asset = ASSETS[usize::from(asset.0)];
        (!parts.is_empty()).then(|| format!("{asset}: {}", parts.join(", ")))
    }

    fn house(&self, asset: AssetId) -> Option<String> {
        let houses = House::ALL.into_iter().map(|house| (house.name().to_owned(), self.wallet.house(asset, house)));
        let rails = self.rails.iter().enumerate().map(|(rail, name)| {
            let rail = RailId(u16::try_from(rail).expect("it is small"));
            (format!("{name}.external"), self.wallet.external(asset, rail))
        });
        let parts: Vec<String> = houses
            .chain(rails)
            .filter(|(_, amount)| !amount.is_zero())
            .map(|(name, amount)| format!("{name} {amount}"))
            .collect();
        let asset = ASSETS[usize::from(asset.0)];
        (!parts.is_empty()).then(|| format!("{asset}: {}", parts.join(", ")))
    }

    /// Nothing came from nowhere, nobody owes more than his credit, and what is set aside is what is under way.
    fn check_money(&self) {
        for asset in (0..2u16).map(AssetId) {
            let users = (0..self.accounts.len()).map(|account| {
                let account = AccountId(u32::try_from(account).expect("it is small"));
                let balance = self.wallet.accounts_of(account, asset);
                let Balance { available, held, outgoing, incoming } = balance;
                for part in [available + self.wallet.credit(account, asset), held, outgoing, incoming] {
                    assert!(part.0 >= 0, "{} owes: {balance:?}", self.accounts[account.0 as usize]);
                }
                assert_eq!((outgoing, incoming), self.set_aside(account, asset), "what {account} has set aside");
                balance.total().0
            });
            let houses = House::ALL.into_iter().map(|house| {
                let amount = self.wallet.house(asset, house);
                assert!(amount.0 >= 0 || house.may_be_negative(), "{house:?} owes {amount}");
                amount.0
            });
            let sum: i128 = users.chain(houses).sum();
            assert_eq!(sum, self.wallet.supply(asset).0, "money came from nowhere, or went there");
        }
        let due = self.wallet.live_transactions().map(|transaction| transaction.due).min();
        assert_eq!(self.wallet.next_due(), due);
    }

    /// What the transactions under way have set aside of a user's money: outgoing and incoming.
    fn set_aside(&self, account: AccountId, asset: AssetId) -> (Amount, Amount) {
        let (mut outgoing, mut incoming) = (Amount::ZERO, Amount::ZERO);
        let is_under_way = |state| matches!(state, TransactionState::Open | TransactionState::Closing);
        for transaction in self.wallet.live_transactions().filter(|transaction| is_under_way(transaction.state)) {
            let (out, into) = match transaction.body.as_ref().expect("only an id that is used up has none") {
                Body::Withdrawal { account, asset, amount, .. } => {
                    (Some((*account, *asset, *amount + transaction.fee)), None)
                }
                Body::Transfer { from, asset, amount, .. } => (Some((*from, *asset, *amount)), None),
                Body::Payment { payer, asset, amount, .. } => (Some((*payer, *asset, *amount)), None),
                Body::Refund { payment, amount, .. } => match self.wallet.transaction(payment).and_then(|it| it.body) {
                    Some(Body::Payment { merchant, asset, .. }) => {
                        (Some((merchant, asset, *amount - transaction.fee)), None)
                    }
                    other => panic!("a refund of {other:?}"),
                },
                Body::Deposit { account, asset, .. } => (None, Some((*account, *asset, transaction.moved))),
                Body::Commission { agent, asset, amount } => {
                    (None, Some((*agent, *asset, *amount - transaction.reversed)))
                }
                Body::Adjustment { .. } => (None, None),
                Body::ClawBack { .. } | Body::FeeShare { .. } => panic!("these are done at once"),
            };
            for (sum, part) in [(&mut outgoing, out), (&mut incoming, into)] {
                if let Some((whose, what, amount)) = part
                    && (whose, what) == (account, asset)
                {
                    *sum += amount;
                }
            }
        }
        (outgoing, incoming)
    }
}
