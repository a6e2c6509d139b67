//! Several wallets of one tenant, which share its accounts.
//!
//! Every account is at home in one wallet: its available money and its orders are there. Transactions
//! are the first wallet's, which knows their ids, rails, timers and fees. What one of them takes from
//! an account at home elsewhere is fetched before it is carried out, and what it gives one is sent home
//! behind it, over `Clearing` in both wallets. What is set aside for a transaction stays with the first.
//!
//! Whatever the wallets say to each other is numbered by path, as between wallets and books.

use std::collections::{BTreeMap, VecDeque};

use super::ledger::{Cause, House, LedgerAccount, Posting};
use super::sharing::Sharing;
use super::{Wallet, WalletOutput};
use crate::ids::{AccountId, AssetId, ShardId};
use crate::reason::Reason;
use crate::transaction::{Standing, Transacted, TransactionCommand};
use crate::units::{Amount, Nanos};

/// What one wallet tells another of its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToShard {
    /// Its number on the path from the one to the other.
    pub number: u64,
    /// When the command was accepted that caused it.
    pub time: Nanos,
    /// What is said.
    pub word: ShardWord,
}

/// What wallets tell each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardWord {
    /// The first wallet wants money for a command that waits.
    Fetch {
        /// The command's number among those that have waited.
        ticket: u64,
        /// Which of the command's wishes it is.
        wish: u16,
        /// The number of the passage.
        passage: u64,
        /// From where: available money of an account that is at home there, or an account of the house.
        account: LedgerAccount,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
        /// Whether less will do. Without that it is all or nothing.
        may_be_less: bool,
    },
    /// What was asked for is on its way, as much as there was.
    Fetched {
        /// The command that waits.
        ticket: u64,
        /// Which of its wishes it was.
        wish: u16,
        /// How much.
        amount: Amount,
    },
    /// A command is carried out. What it left to an account comes home.
    Settle {
        /// Whose.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// The number of the passage.
        passage: u64,
        /// How much comes home.
        credit: Amount,
        /// How much had been fetched for the command.
        taken: Amount,
        /// What the first wallet holds for transactions of the account from now on.
        outgoing: Amount,
    },
    /// An account may do this from now on.
    Stand {
        /// The command that waits for that; zero for none.
        ticket: u64,
        /// Which account.
        account: AccountId,
        /// What.
        standing: Standing,
    },
    /// How far below zero an account may go from now on.
    Lend {
        /// The command that waits for that; zero for none.
        ticket: u64,
        /// Which account.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// How far.
        limit: Amount,
    },
    /// It does, or it may, or why not.
    Stood {
        /// The command that waits.
        ticket: u64,
        /// Why not.
        refused: Option<Reason>,
    },
}

/// How far a wallet has talked to another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardPath {
    /// The last message sent.
    pub sent: u64,
    /// The last message received.
    pub received: u64,
}

/// A command that waits for what is with other wallets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number among those that have waited.
    pub ticket: u64,
    /// The command.
    pub command: TransactionCommand,
    /// What it waits for, and what has come of that.
    pub wishes: Vec<Wish>,
}

/// Something that a command waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What.
    pub what: Wanted,
    /// The number of the passage, of money.
    pub passage: u64,
    /// Whether it was asked for while other commands were before its own: what those give may not have
    /// been there yet.
    pub is_early: bool,
    /// Whether it was answered.
    pub is_answered: bool,
    /// How much has come. It is in `Clearing` until the command is carried out.
    pub got: Amount,
    /// Why not.
    pub refused: Option<Reason>,
}

/// What a command may want of another wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Money.
    Money {
        /// Of which wallet.
        shard: ShardId,
        /// From where.
        account: LedgerAccount,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
        /// Whether less will do.
        may_be_less: bool,
    },
    /// That an account at home there may do this from now on.
    Standing {
        /// Which account.
        account: AccountId,
        /// What.
        standing: Standing,
    },
    /// That an account at home there may go so far below zero from now on.
    Credit {
        /// Which account.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// How far.
        limit: Amount,
    },
}

impl Wish {
    /// Of what, if it is money.
    #[must_use]
    pub const fn asset(&self) -> Option<AssetId> {
        match self.what {
            Wanted::Money { asset, .. } => Some(asset),
            Wanted::Standing { .. } | Wanted::Credit { .. } => None,
        }
    }
}

/// A command that has waited was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Which.
    pub command: TransactionCommand,
    /// What became of it.
    pub result: Result<Transacted, Reason>,
}

/// How a user's balance has changed by what came from the first wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeNews {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub asset: AssetId,
    /// By how much all that the user sees of it.
    pub change: Amount,
}

/// What a wallet knows of the tenant's others.
#[derive(Clone, Debug, Default)]
pub(super) struct Shards {
    /// By number; the own one stays as it is. Empty where there is one wallet.
    paths: Vec<ShardPath>,
    /// Passages of money so far.
    passages: u64,
    /// Commands that have waited so far.
    tickets: u64,
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
    /// What the first wallet holds for transactions of accounts that are at home here.
    outgoing: BTreeMap<(AccountId, AssetId), Amount>,
}

/// The same as plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardsSnapshot {
    /// Which wallet it is.
    pub sharing: Sharing,
    /// By number.
    pub paths: Vec<ShardPath>,
    /// Passages of money so far.
    pub passages: u64,
    /// Commands that have waited so far.
    pub tickets: u64,
    /// Those that wait, in order.
    pub waiting: Vec<Waiting>,
    /// What the first wallet holds for transactions of accounts that are at home here.
    pub outgoing: Vec<(AccountId, AssetId, Amount)>,
}

impl Shards {
    pub fn new(sharing: Sharing) -> Self {
        let others = if sharing.is_shared() { usize::from(sharing.of()) } else { 0 };
        Self { paths: vec![ShardPath::default(); others], ..Self::default() }
    }

    pub fn snapshot(&self, sharing: Sharing) -> ShardsSnapshot {
        ShardsSnapshot {
            sharing,
            paths: self.paths.clone(),
            passages: self.passages,
            tickets: self.tickets,
            waiting: self.waiting.iter().cloned().collect(),
            outgoing: self.outgoing.iter().map(|((account, asset), amount)| (*account, *asset, *amount)).collect(),
        }
    }

    pub fn restore(snapshot: &ShardsSnapshot) -> Self {
        Self {
            paths: snapshot.paths.clone(),
            passages: snapshot.passages,
            tickets: snapshot.tickets,
            waiting: snapshot.waiting.iter().cloned().collect(),
            outgoing: snapshot.outgoing.iter().map(|(account, asset, amount)| ((*account, *asset), *amount)).collect(),
        }
    }
}

const CLEARING: LedgerAccount = LedgerAccount::House(House::Clearing);

impl Wallet {
    /// What the first wallet holds for transactions of an account that is at home here.
    #[inline]
    pub(super) fn held_elsewhere(&self, account: AccountId, asset: AssetId) -> Amount {
        if !self.sharing.is_shared() {
            return Amount::ZERO;
        }
        self.shards.outgoing.get(&(account, asset)).copied().unwrap_or_default()
    }

    /// Whether an entry may have this number. Entries of several wallets are numbered where they are
    /// told, so that the last number is not known here.
    pub(super) fn may_be_an_entry(&self, number: u64) -> bool {
        self.sharing.is_shared() || number <= self.ledger.entries()
    }

    /// The number of the last message received from another wallet of the tenant.
    #[must_use]
    pub fn heard_from(&self, shard: ShardId) -> u64 {
        self.shards.paths.get(usize::from(shard.0)).map_or(0, |path| path.received)
    }

    /// The commands that wait for what is with other wallets, in order.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &Waiting> {
        self.shards.waiting.iter()
    }

    /// Whether a command must wait: for what is with other wallets, or for those before it.
    #[must_use]
    pub fn must_wait(&self, command: &TransactionCommand) -> bool {
        self.sharing.is_shared() && (!self.shards.waiting.is_empty() || !self.wants(command).is_empty())
    }

    /// Takes a command in that must wait, and asks for what it needs. What becomes of it tells
    /// [`Wallet::carry_on`], after a message of another wallet was heard.
    pub fn begin_to_wait(&mut self, command: TransactionCommand, output: &mut WalletOutput) {
        self.shards.tickets += 1;
        let ticket = self.shards.tickets;
        let time = command.time().unwrap_or_default();
        // What may be refused here is not asked for elsewhere before its turn has come: then nothing that
        // is decided here comes between, and what was sent home before has arrived.
        let is_setting =
            matches!(command, TransactionCommand::ChangeCredit { .. } | TransactionCommand::ChangeStanding { .. });
        let is_early = is_setting && !self.shards.waiting.is_empty();
        let wanted = if is_early { Vec::new() } else { self.wants(&command) };
        self.ledger.note(ticket << 8 | 1);
        self.shards.waiting.push_back(Waiting { ticket, command, wishes: Vec::new() });
        let place = self.shards.waiting.len() - 1;
        self.ask(place, wanted, time, output);
    }

    /// Carries the oldest of the commands out that wait, if all that it needs is there. `None` if none
    /// can be carried out now. Asked again until it gives none.
    pub fn carry_on(&mut self, output: &mut WalletOutput) -> Option<Carried> {
        let oldest = self.shards.waiting.front()?;
        if oldest.wishes.iter().any(|wish| !wish.is_answered) {
            return None;
        }
        let time = oldest.command.time().unwrap_or_default();
        // What those before it have done may have changed what it needs.
        let missing = missing(self.wants(&oldest.command), &oldest.wishes);
        if !missing.is_empty() {
            self.ask(0, missing, time, output);
            return None;
        }
        let Waiting { command, wishes, .. } = self.shards.waiting.pop_front()?;
        for wish in &wishes {
            if let Wanted::Money { account, asset, .. } = wish.what {
                let mut posting = Posting { time, cause: Cause::Passage(wish.passage), entries: &mut output.entries };
                self.ledger.transfer(asset, CLEARING, account, wish.got, &mut posting);
            }
        }
        let refused = wishes.iter().find_map(|wish| wish.refused);
        let result = match refused {
            Some(reason) => Err(reason),
            None => self.transact_here(&command, output),
        };
        if result.is_err() && refused.is_none() {
            // What it may do at home is what it may do here.
            for wish in &wishes {
                if let Wanted::Standing { account, .. } = wish.what {
                    let standing = self.standing(account);
                    let home = Sharing::home_of(account, self.sharing.of());
                    self.tell_shard(home, time, ShardWord::Stand { ticket: 0, account, standing }, output);
                }
                if let Wanted::Credit { account, asset, .. } = wish.what {
                    let limit = self.ledger.credit(account, asset);
                    let home = Sharing::home_of(account, self.sharing.of());
                    self.tell_shard(home, time, ShardWord::Lend { ticket: 0, account, asset, limit }, output);
                }
            }
        }
        self.settle_up(&wishes, time, output);
        Some(Carried { command, result })
    }

    /// Takes a numbered message of another wallet of the tenant. `None` if it was seen before.
    ///
    /// # Panics
    /// If a message before it is missing, which would be a bug.
    pub fn hear(&mut self, from: ShardId, message: &ToShard, output: &mut WalletOutput) -> Option<Option<HomeNews>> {
        let path = &mut self.shards.paths[usize::from(from.0)];
        if message.number <= path.received {
            return None;
        }
        assert_eq!(message.number, path.received + 1, "a message from another wallet is missing");
        path.received = message.number;
        self.ledger.note(message.number << 8 | 2);
        let time = message.time;
        match message.word {
            ShardWord::Fetch { ticket, wish, passage, account, asset, amount, may_be_less } => {
                let amount = match account {
                    // What is taken as far as it is there is never taken on credit.
                    LedgerAccount::Available(user) if may_be_less => {
                        Amount(amount.0.min(self.ledger.balance(user, asset).available.0).max(0))
                    }
                    LedgerAccount::Available(user) if self.spendable(user, asset) >= amount => amount,
                    LedgerAccount::House(house) => Amount(amount.0.min(self.ledger.house(asset, house).0).max(0)),
                    _ => Amount::ZERO,
                };
                let mut posting = Posting { time, cause: Cause::Passage(passage), entries: &mut output.entries };
                self.ledger.transfer(asset, account, CLEARING, amount, &mut posting);
                self.tell_shard(from, time, ShardWord::Fetched { ticket, wish, amount }, output);
            }
            ShardWord::Fetched { ticket, wish, amount } => {
                let wish = self.wish_mut(ticket, usize::from(wish));
                (wish.is_answered, wish.got) = (true, amount);
            }
            ShardWord::Settle { account, asset, passage, credit, taken, outgoing } => {
                let mut posting = Posting { time, cause: Cause::Passage(passage), entries: &mut output.entries };
                self.ledger.transfer(asset, CLEARING, LedgerAccount::Available(account), credit, &mut posting);
                let before = if outgoing.is_zero() {
                    self.shards.outgoing.remove(&(account, asset))
                } else {
                    self.shards.outgoing.insert((account, asset), outgoing)
                };
                let change = credit - taken + outgoing - before.unwrap_or_default();
                return Some(Some(HomeNews { account, asset, change }));
            }
            ShardWord::Stand { ticket, account, standing } => {
                let refused = self.change_standing(account, standing).err();
                if ticket != 0 {
                    self.tell_shard(from, time, ShardWord::Stood { ticket, refused }, output);
                }
            }
            ShardWord::Lend { ticket, account, asset, limit } => {
                let refused = self.change_credit(account, asset, limit).err();
                if ticket != 0 {
                    self.tell_shard(from, time, ShardWord::Stood { ticket, refused }, output);
                }
            }
            ShardWord::Stood { ticket, refused } => {
                let wish = self.wish_mut(ticket, 0);
                (wish.is_answered, wish.refused) = (true, refused);
            }
        }
        Some(None)
    }

    /// Sends home what a command left to accounts that are at home elsewhere.
    pub(super) fn send_home(&mut self, time: Nanos, output: &mut WalletOutput) {
        if self.sharing.is_shared() {
            self.settle_up(&[], time, output);
        }
    }

    /// The same, of a command that had fetched money.
    fn settle_up(&mut self, wishes: &[Wish], time: Nanos, output: &mut WalletOutput) {
        let mut touched: Vec<(AccountId, AssetId, Amount)> = Vec::new();
        for wish in wishes {
            if let Wanted::Money { account: LedgerAccount::Available(account), asset, .. } = wish.what {
                match touched.iter_mut().find(|(other, of, _)| (*other, *of) == (account, asset)) {
                    Some((_, _, taken)) => *taken += wish.got,
                    None => touched.push((account, asset, wish.got)),
                }
            }
        }
        for entry in &output.entries {
            for account in [entry.debit, entry.credit] {
                let (LedgerAccount::Available(account) | LedgerAccount::Outgoing(account)) = account else { continue };
                let is_known = touched.iter().any(|(other, asset, _)| (*other, *asset) == (account, entry.asset));
                if !is_known && !self.sharing.is_home(account) {
                    touched.push((account, entry.asset, Amount::ZERO));
                }
            }
        }
        for (account, asset, taken) in touched {
            let balance = self.ledger.balance(account, asset);
            self.shards.passages += 1;
            let (passage, credit) = (self.shards.passages, balance.available);
            let mut posting = Posting { time, cause: Cause::Passage(passage), entries: &mut output.entries };
            self.ledger.transfer(asset, LedgerAccount::Available(account), CLEARING, credit, &mut posting);
            let outgoing = balance.outgoing;
            let word = ShardWord::Settle { account, asset, passage, credit, taken, outgoing };
            self.tell_shard(Sharing::home_of(account, self.sharing.of()), time, word, output);
        }
    }

    /// Asks for what a command that waits wants.
    fn ask(&mut self, place: usize, wanted: Vec<Wanted>, time: Nanos, output: &mut WalletOutput) {
        for what in wanted {
            let waiting = &self.shards.waiting[place];
            let (ticket, wish) = (waiting.ticket, u16::try_from(waiting.wishes.len()).unwrap_or(u16::MAX));
            let mut passage = 0;
            match what {
                Wanted::Money { shard, account, asset, amount, may_be_less } => {
                    self.shards.passages += 1;
                    passage = self.shards.passages;
                    let word = ShardWord::Fetch { ticket, wish, passage, account, asset, amount, may_be_less };
                    self.tell_shard(shard, time, word, output);
                }
                Wanted::Standing { account, standing } => {
                    let home = Sharing::home_of(account, self.sharing.of());
                    self.tell_shard(home, time, ShardWord::Stand { ticket, account, standing }, output);
                }
                Wanted::Credit { account, asset, limit } => {
                    let home = Sharing::home_of(account, self.sharing.of());
                    self.tell_shard(home, time, ShardWord::Lend { ticket, account, asset, limit }, output);
                }
            }
            let is_early = place != 0;
            let wish = Wish { what, passage, is_early, is_answered: false, got: Amount::ZERO, refused: None };
            self.shards.waiting[place].wishes.push(wish);
        }
    }

    fn wish_mut(&mut self, ticket: u64, wish: usize) -> &mut Wish {
        let waiting = self.shards.waiting.iter_mut().find(|waiting| waiting.ticket == ticket);
        &mut waiting.expect("a command waits until all that it asked for was answered").wishes[wish]
    }

    fn tell_shard(&mut self, to: ShardId, time: Nanos, word: ShardWord, output: &mut WalletOutput) {
        let path = &mut self.shards.paths[usize::from(to.0)];
        path.sent += 1;
        output.to_shards.push((to, ToShard { number: path.sent, time, word }));
    }
}

/// What a command whose turn has come wants and has not asked for yet, or has asked for too early.
fn missing(wanted: Vec<Wanted>, wishes: &[Wish]) -> Vec<Wanted> {
    let mut missing = Vec::new();
    for what in wanted {
        match what {
            Wanted::Money { shard, account, asset, amount, may_be_less } => {
                let asked = wishes.iter().filter_map(|wish| match wish.what {
                    Wanted::Money { shard: of, account: from, asset: what, amount, .. }
                        if (of, from, what) == (shard, account, asset) =>
                    {
                        Some(if wish.is_early { wish.got.0 } else { amount.0 })
                    }
                    _ => None,
                });
                let amount = Amount(amount.0 - asked.sum::<i128>());
                if amount.0 > 0 {
                    missing.push(Wanted::Money { shard, account, asset, amount, may_be_less });
                }
            }
            Wanted::Standing { .. } | Wanted::Credit { .. } => {
                // A command wants one of these at most, and nothing beside it.
                if wishes.is_empty() {
                    missing.push(what);
                }
            }
        }
    }
    missing
}
