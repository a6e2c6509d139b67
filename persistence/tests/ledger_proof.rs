//! The proof of the ledger finds whatever was done to a store behind the journal's back, and the
//! audit of the journal finds nothing wrong with a day of money.

use std::path::Path;

use rialto_engine::ids::{AccountId, AssetId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Body, FeePlan, Report, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_engine::update::OrderUpdate;
use rialto_engine::wallet::{Entry, House, Settled, WalletLimits, WalletOutput, WalletSnapshot};
use rialto_persistence::audit::audit;
use rialto_persistence::codec::encode_record;
use rialto_persistence::frame::Group;
use rialto_persistence::journal::Journal;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::read_store::{HEADS_APART, ReadStore};
use rialto_persistence::record::Record;
use rialto_persistence::verify::{Flaw, FlawKind, Verification, verify};
use rialto_persistence::world::{Imbalance, Observer, Scratch, World};

const TENANT: TenantId = TenantId(0);
const USD: AssetId = AssetId(0);
const ALICE: AccountId = AccountId(0);
const BOB: AccountId = AccountId(1);
const CACHE_BYTES: usize = 4 << 20;

/// The entries of a day with the positions of their records.
type Entries = Vec<(u64, Entry)>;

/// A journal of a day, and every entry of it with the position of its record.
struct Day {
    log: MemoryLog,
    entries: Entries,
    last: u64,
    world: World,
}

#[derive(Default)]
struct Posted {
    position: u64,
    entries: Entries,
}

impl Observer for Posted {
    fn begins(&mut self, position: u64) {
        self.position = position;
    }

    fn posted(&mut self, _: TenantId, _: &[OrderUpdate], entries: &[Entry], _: Option<&Settled>) {
        self.entries.extend(entries.iter().map(|entry| (self.position, *entry)));
    }
}

fn no_snapshots() -> &'static Path {
    Path::new("there-are-none")
}

fn label(text: &str) -> Label {
    Label::new(text).expect("it is one")
}

/// Applies records and journals them in groups of frames.
struct Writer {
    world: World,
    journal: Box<dyn Journal>,
    group: Group,
    posted: Posted,
    time: u64,
}

impl Writer {
    fn take(&mut self, record: &Record) {
        let position = self.world.position + 1;
        let applied = self.world.apply(position, record, &mut Scratch::default(), &mut self.posted);
        assert_eq!(applied, Ok(()), "{record:?}");
        self.group.push_with(64, |bytes| encode_record(record, bytes)).expect("it fits");
        if self.group.len_bytes() > 1 << 16 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.journal.append(&mut self.group).expect("appended");
        let (epoch, last) = (self.group.epoch(), self.group.last());
        self.group.begin(epoch, last);
    }

    fn command(&mut self, command: TransactionCommand) {
        let record = |digest| Record::Transaction { tenant: TENANT, command: command.clone(), digest };
        let mut output = WalletOutput::default();
        // The digest behind it is known only when it was carried out.
        let mut ahead = self.world.tenants[0].wallet.clone();
        ahead.transact(&command, &mut output).unwrap_or_else(|reason| panic!("{command:?}: {}", reason.name()));
        self.take(&record(ahead.digest().0));
    }

    fn begin(&mut self, id: &str, body: Body) {
        self.time += 1_000;
        let rail = if body.kind().has_rail() { RailId(1) } else { RailId::DIRECT };
        let (id, until, time) = (label(id), Nanos::ZERO, Nanos(self.time));
        self.command(TransactionCommand::Try { id, body, rail, until, time });
    }

    fn report(&mut self, id: Option<&str>, report: Report) {
        self.time += 1_000;
        let (id, time) = (id.map(label), Nanos(self.time));
        self.command(TransactionCommand::Report { rail: RailId(1), id, report, time });
    }
}

fn day(transfers: u64) -> Day {
    let log = MemoryLog::new();
    let mut journal: Box<dyn Journal> = Box::new(log.open());
    let (epoch, fence) = journal.acquire("here").expect("nobody else has it");
    let mut world = World::default();
    world.pass(fence.0).expect("it is the first");
    let group = Group::new(epoch, fence);
    let mut day = Writer { world, journal, group, posted: Posted::default(), time: 1_764_000_000_000_000_000 };
    let limits = WalletLimits { closed_ids: 1_000, open_orders: 10 };
    day.take(&Record::OpenTenant { name: "acme".to_owned(), limits });
    day.take(&Record::OpenAsset { tenant: TENANT, name: "USD".to_owned(), scale: 2 });
    for name in ["alice", "bob"] {
        day.take(&Record::OpenAccount { tenant: TENANT, name: name.to_owned() });
    }
    day.command(TransactionCommand::OpenRail { name: label("sepa") });
    let fee = FeePlan { fixed: Amount(1), rate: BasisPoints(100) };
    for kind in [TransactionKind::Payment, TransactionKind::Withdrawal] {
        day.command(TransactionCommand::ChangeFee { kind, asset: USD, fee });
    }
    day.begin("deposit", Body::Deposit { account: ALICE, asset: USD, amount: Amount(10_000_000) });
    let received = |reference: &str, amount, is_final| Report::Received {
        reference: label(reference),
        asset: USD,
        amount: Amount(amount),
        is_final,
    };
    day.report(Some("deposit"), received("in-1", 10_000_500, true));
    day.report(None, received("in-2", 77, false));
    day.begin("deposit-2", Body::Deposit { account: BOB, asset: USD, amount: Amount(500) });
    day.report(Some("deposit-2"), received("in-3", 600, false));
    day.report(None, Report::Returned { reference: label("in-2") });
    let payment =
        |amount, held| Body::Payment { payer: ALICE, merchant: BOB, asset: USD, amount: Amount(amount), held };
    day.begin("payment", payment(10_000, false));
    day.begin("payment-held", payment(900, true));
    for (id, held) in [("refund-1", false), ("refund-2", true)] {
        day.begin(id, Body::Refund { payment: label("payment"), amount: Amount(1_000), held });
    }
    day.begin("commission", Body::Commission { agent: BOB, asset: USD, amount: Amount(90) });
    day.begin("claw-back", Body::ClawBack { commission: label("commission"), amount: Amount(40) });
    let destination: Box<str> = "DE1".into();
    day.begin("withdrawal", Body::Withdrawal { account: ALICE, asset: USD, amount: Amount(5_000), destination });
    day.report(Some("withdrawal"), Report::Paid { reference: label("out-1"), asset: USD, amount: Amount(4_000) });
    let transfer = |from, to| Body::Transfer { from, to, asset: USD, amount: Amount(3), held: false };
    for number in 0..transfers {
        let (from, to) = if number % 3 == 2 { (BOB, ALICE) } else { (ALICE, BOB) };
        day.begin(&format!("t-{number}"), transfer(from, to));
    }
    day.begin("transfer-held", Body::Transfer { from: BOB, to: ALICE, asset: USD, amount: Amount(8), held: true });
    day.flush();
    Day { log, entries: day.posted.entries, last: day.world.position, world: day.world }
}

impl Day {
    fn verify(&self, store: &ReadStore) -> Verification {
        verify(store, &self.log.open(), no_snapshots()).expect("both can be read")
    }

    /// A store of these entries, committed as the follower does.
    fn store(&self, path: &Path, entries: &[(u64, Entry)], until: u64) -> ReadStore {
        let store = ReadStore::open(path, CACHE_BYTES).expect("opens");
        let mut batch = store.begin();
        let mut committed = 0;
        for (position, entry) in entries.iter().filter(|(position, _)| *position <= until) {
            if *position > committed + 700 {
                store.commit(&mut batch, position - 1, false).expect("commits");
                committed = position - 1;
            }
            batch.entry(TENANT, entry);
        }
        store.commit(&mut batch, until, true).expect("commits");
        store
    }
}

#[test]
fn a_store_that_nobody_touched_is_proven() {
    let day = day(9_000);
    let folder = tempfile::tempdir().expect("a folder");
    let count = day.entries.len() as u64;
    let store = day.store(&folder.path().join("whole.redb"), &day.entries, day.last);
    let found = day.verify(&store);
    assert!(found.is_ok(), "{found:?}");
    let [tenant] = found.tenants.as_slice() else { panic!("one tenant") };
    assert_eq!((tenant.same, tenant.before, tenant.stored.number), (count, 0, count));
    // Every so many, and the last.
    assert_eq!(tenant.heads, count / HEADS_APART + 1);
    let audited = audit(&day.log.open(), no_snapshots()).expect("the journal replays");
    assert_eq!(audited.findings, Vec::<String>::new());
    assert_eq!(audited.tenants[0].chain, Some(tenant.stored));
    assert!(audited.tenants[0].live_transactions >= 4 && audited.tenants[0].open_cases >= 3);

    // One that lags is compared as far as it has come, also when it was opened again in between.
    let lagging = day.store(&folder.path().join("lagging.redb"), &day.entries, day.last - 2_000);
    assert!(day.verify(&lagging).is_ok());
    drop(lagging);
    let path = folder.path().join("lagging.redb");
    let store = ReadStore::open(&path, CACHE_BYTES).expect("opens");
    let mut batch = store.begin();
    for (position, entry) in &day.entries {
        if *position > day.last - 2_000 {
            batch.entry(TENANT, entry);
        }
    }
    store.commit(&mut batch, day.last, true).expect("commits");
    let found = day.verify(&store);
    assert!(found.is_ok() && found.tenants[0].stored == tenant.stored, "{found:?}");
}

/// Whoever writes a store anew makes heads that fit it. The journal gives him away.
#[test]
fn a_store_that_was_rewritten_is_found_out() {
    let day = day(500);
    let folder = tempfile::tempdir().expect("a folder");
    let flaws = |name: &str, change: &dyn Fn(&mut Entries)| {
        let mut entries = day.entries.clone();
        change(&mut entries);
        let found = day.verify(&day.store(&folder.path().join(name), &entries, day.last));
        assert!(!found.is_ok(), "{name}");
        assert_eq!(found.tenants[0].flawed, found.tenants[0].flaws.len() as u64, "{name}");
        assert_ne!(found.tenants[0].stored, found.tenants[0].replayed, "{name}");
        found.tenants[0].flaws.clone()
    };
    let flaw = |number, what| Flaw { number, what };
    let found = flaws("amount", &|entries| entries[99].1.amount = Amount(4));
    assert_eq!(found, [flaw(100, FlawKind::Changed)]);
    let found = flaws("balance", &|entries| entries[9].1.credit_after = Amount(4));
    assert_eq!(found, [flaw(10, FlawKind::Changed)]);
    let found = flaws("missing", &|entries| {
        entries.remove(199);
    });
    assert_eq!(found, [flaw(200, FlawKind::Missing)]);
    let found = flaws("unknown", &|entries| {
        let (position, last) = *entries.last().expect("there are some");
        entries.push((position, Entry { number: last.number + 1, ..last }));
    });
    assert_eq!(found, [flaw(day.entries.len() as u64 + 1, FlawKind::Unknown)]);
    let found = flaws("moved", &|entries| {
        let (left, right) = (entries[299].1, entries[300].1);
        entries[299].1 = Entry { number: left.number, ..right };
        entries[300].1 = Entry { number: right.number, ..left };
    });
    let moved = |from| FlawKind::Moved { from };
    assert_eq!(found, [flaw(300, moved(301)), flaw(301, moved(300))]);
}

/// A changed byte in the file fits neither the journal nor the heads behind it.
#[test]
fn a_changed_byte_is_found_by_its_number_and_by_every_head_behind_it() {
    let day = day(9_000);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("changed.redb");
    drop(day.store(&path, &day.entries, day.last));
    let table = redb::TableDefinition::<[u8; 12], &[u8]>::new("entries_v2");
    let database = redb::Database::open(&path).expect("opens");
    let transaction = database.begin_write().expect("begins");
    let mut entries = transaction.open_table(table).expect("is there");
    let (key, mut row) = {
        use redb::ReadableTable;
        let mut chunks = entries.iter().expect("reads");
        let (key, row) = chunks.nth(60).expect("there are more").expect("reads");
        (key.value(), row.value().to_vec())
    };
    // The last byte of a chunk ends its last entry: the transaction that caused it.
    *row.last_mut().expect("it is not empty") ^= 1;
    entries.insert(key, row.as_slice()).expect("takes it");
    drop(entries);
    transaction.commit().expect("commits");
    drop(database);

    let store = ReadStore::open_existing(&path, CACHE_BYTES).expect("opens");
    let found = day.verify(&store);
    assert!(!found.is_ok());
    let tenant = &found.tenants[0];
    let changed: Vec<u64> =
        tenant.flaws.iter().filter(|flaw| flaw.what == FlawKind::Changed).map(|flaw| flaw.number).collect();
    let [changed] = changed.as_slice() else { panic!("one entry was changed: {:?}", tenant.flaws) };
    let heads: Vec<u64> =
        tenant.flaws.iter().filter(|flaw| flaw.what == FlawKind::Head).map(|flaw| flaw.number).collect();
    let all = store.heads(TENANT).expect("reads");
    let behind: Vec<u64> = all.iter().map(|head| head.number).filter(|number| number >= changed).collect();
    assert_eq!(heads, behind);
    assert_eq!(tenant.heads + heads.len() as u64, all.len() as u64);
}

/// A state in which money was invented, or a transaction lost, is called out.
#[test]
fn what_cannot_be_is_found_in_a_state() {
    let day = day(10);
    let whole = day.world.snapshot();
    let found = |change: &dyn Fn(&mut WalletSnapshot)| {
        let mut snapshot = whole.clone();
        change(&mut snapshot.tenants[0].wallet);
        let world = World::restore(snapshot).expect("restores");
        world.tenants[0].imbalances()
    };
    assert_eq!(found(&|_| {}), []);
    let open = |wallet: &mut WalletSnapshot, kind| {
        let place = wallet.transactions.live.iter().position(|it| it.body.as_ref().map(Body::kind) == Some(kind));
        place.unwrap_or_else(|| panic!("a {kind:?} is open"))
    };
    let asset = || "USD".to_owned();

    let invented = found(&|wallet| wallet.users[0][0].available += Amount(1));
    assert_eq!(invented, [Imbalance::Entries { asset: asset(), difference: Amount(1) }]);
    let moved = found(&|wallet| {
        wallet.users[0][0].available -= Amount(1);
        wallet.users[0][0].outgoing += Amount(1);
    });
    assert!(matches!(moved.as_slice(), [Imbalance::UnderWay { account, .. }] if account == "alice"), "{moved:?}");
    let free = found(&|wallet| {
        wallet.users[1][0].incoming -= Amount(1);
        wallet.users[1][0].available += Amount(1);
    });
    assert!(matches!(free.as_slice(), [Imbalance::UnderWay { account, .. }] if account == "bob"), "{free:?}");
    let stranded = found(&|wallet| {
        wallet.house[0][House::Clearing as usize] += Amount(5);
        wallet.house[0][House::Suspense as usize] -= Amount(5);
    });
    assert_eq!(stranded, [Imbalance::Clearing { asset: asset(), balance: Amount(5) }]);
    let negative = found(&|wallet| {
        wallet.house[0][House::PlatformFee as usize] -= Amount(5);
        wallet.house[0][House::Suspense as usize] += Amount(5);
    });
    let account = "platform_fee".to_owned();
    assert_eq!(negative, [Imbalance::Negative { account, asset: asset(), balance: Amount(-5) }]);
    for kind in [TransactionKind::Deposit, TransactionKind::Payment, TransactionKind::Commission] {
        let lost = found(&|wallet| {
            let place = open(wallet, kind);
            wallet.transactions.live.remove(place);
        });
        assert!(lost.iter().any(|it| matches!(it, Imbalance::Timer { .. })), "{kind:?}: {lost:?}");
        assert!(lost.iter().any(|it| matches!(it, Imbalance::UnderWay { .. })), "{kind:?}: {lost:?}");
    }
    let stopped = found(&|wallet| {
        let place = open(wallet, TransactionKind::Refund);
        wallet.transactions.live[place].due = Nanos::ZERO;
    });
    assert!(matches!(stopped.as_slice(), [Imbalance::Timer { .. }]), "{stopped:?}");
    let beyond = found(&|wallet| {
        let payment = wallet.transactions.known.iter_mut().find(|known| known.kind == Some(TransactionKind::Payment));
        let terms = payment.and_then(|payment| payment.terms.as_mut()).expect("the payment can be refunded");
        terms.reversed = terms.posted + Amount(1);
    });
    assert!(matches!(beyond.as_slice(), [Imbalance::Bounds { .. }]), "{beyond:?}");
}
