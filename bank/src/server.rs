//! The bank on its socket: who asks, what goes wrong on the way, and what happens later by itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::books::{Action, Books, Payment, Refusal, Step};
use crate::callbacks::Caller;
use crate::config::{Client, Config};
use crate::faults::{Behaviour, Customers, Fault};
use crate::money::Currencies;
use crate::protocol::{CancelBody, Nonces, SubmitBody, WINDOW_MS, is_equal, signature};

/// Milliseconds since the epoch.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A bank that runs on a thread of its own. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    address: std::net::SocketAddr,
    handle: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Starts a bank and waits until it listens.
    ///
    /// # Errors
    /// What is wrong with the configuration, its file, or the socket.
    pub fn start(config: Config) -> Result<Self, String> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let run = move || {
            rt::System::new().block_on(async move {
                match listen(config) {
                    Ok((server, address)) => {
                        sender.send(Ok((address, server.handle()))).ok();
                        server.await.ok();
                    }
                    Err(error) => {
                        sender.send(Err(error)).ok();
                    }
                }
            });
        };
        let thread = std::thread::Builder::new().name("rialto-bank".to_owned());
        let thread = thread.spawn(run).map_err(|error| error.to_string())?;
        let (address, handle) = receiver.recv().map_err(|_| "the bank ended".to_owned())??;
        Ok(Self { address, handle, thread: Some(thread) })
    }

    /// `http://<address>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _stopping = self.handle.stop(false);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Opens the books and the socket.
///
/// # Errors
/// What is wrong with the configuration, its file, or the socket.
pub fn listen(config: Config) -> Result<(actix_web::dev::Server, std::net::SocketAddr), String> {
    let listen = config.listen.clone();
    let bank = Bank::open(config)?;
    let data = web::Data::new(Shared::new(bank));
    // Whatever was under way when the books were closed goes on.
    resume(&data);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(64 << 10))
            .service(web::resource("/v1/payments").to(payments))
            .service(web::resource("/v1/cancels").to(cancels))
            .service(web::resource("/statement").route(web::get().to(statement)))
            .service(web::resource("/control/faults").route(web::post().to(set_faults)))
            .service(web::resource("/control/deposits").route(web::post().to(set_customers)))
            .service(web::resource("/control/pay-in").route(web::post().to(pay_in)))
            .service(web::resource("/control/redeliver").route(web::post().to(redeliver)))
            .service(web::resource("/control/totals").route(web::get().to(totals)))
            .service(web::resource("/control/counts").route(web::get().to(counts)))
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(0);
    let server = server.bind(&listen).map_err(|error| format!("{listen}: {error}"))?;
    let address = *server.addrs().first().ok_or("no address")?;
    if !address.ip().is_loopback() {
        return Err("a simulator listens to loopback addresses only".to_owned());
    }
    Ok((server.run(), address))
}

/// Everything, behind one lock that is never held across a wait.
struct Bank {
    currencies: Currencies,
    accounts: Vec<Account>,
    behaviour: Behaviour,
    /// Nothing is answered, or everything hangs, until then.
    trouble: Option<(Trouble, u64)>,
    file: Option<File>,
    nonces: u64,
}

/// What a client has.
struct Account {
    client: Client,
    books: Books,
    nonces: Nonces,
    /// How often a key was asked about.
    asked: HashMap<String, u64>,
    /// The payments that are being told of.
    telling: HashSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Outage,
    Hang,
}

struct Shared {
    bank: Mutex<Bank>,
    caller: Caller,
    /// What will happen by itself.
    scheduled: AtomicUsize,
}

type Data = web::Data<Shared>;

/// A line of the file.
#[derive(Deserialize, Serialize)]
struct Line {
    client: String,
    payment: Payment,
}

impl Bank {
    fn open(config: Config) -> Result<Self, String> {
        let account = |(client, number): (Client, u32)| Account {
            books: Books::new(&format!("B{number}")),
            client,
            nonces: Nonces::default(),
            asked: HashMap::new(),
            telling: HashSet::new(),
        };
        let mut accounts: Vec<Account> = config.clients.into_iter().zip(1..).map(account).collect();
        let file = config.file.map(|path| {
            let file = OpenOptions::new().create(true).append(true).read(true).open(&path);
            let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
            restore(&mut accounts, &file).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<File, String>(file)
        });
        let file = file.transpose()?;
        let currencies = Currencies::new(&config.currencies);
        Ok(Self { currencies, accounts, behaviour: config.behaviour, trouble: None, file, nonces: now_ms() << 16 })
    }

    fn write_down(&mut self, account: usize, key: &str) {
        let Some(file) = &mut self.file else { return };
        let Account { client, books, .. } = &self.accounts[account];
        if let Some(payment) = books.payment(key)
            && let Ok(line) = serde_json::to_string(&Line { client: client.key.clone(), payment: payment.clone() })
        {
            writeln!(file, "{line}").ok();
        }
    }

    fn nonce(&mut self) -> String {
        self.nonces += 1;
        format!("{:030x}", self.nonces)
    }
}

impl Shared {
    fn new(bank: Bank) -> Self {
        Self { bank: Mutex::new(bank), caller: Caller::default(), scheduled: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Bank> {
        self.bank.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes over what was written down. The last line may be torn: it is taken off, so that the next one does not
/// begin in its middle.
fn restore(accounts: &mut [Account], file: &File) -> std::io::Result<()> {
    let (mut reader, mut line, mut whole) = (BufReader::new(file), Vec::new(), 0);
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return file.set_len(whole);
        }
        whole += length as u64;
        let Line { client, payment } = serde_json::from_slice(&line)?;
        if let Some(account) = accounts.iter_mut().find(|account| account.client.key == client) {
            account.books.restore(payment);
        }
    }
}

/// Who asks, if he signed what he asks.
fn authenticate(data: &Data, request: &HttpRequest, body: &[u8]) -> Result<usize, StatusCode> {
    let refused = || StatusCode::UNAUTHORIZED;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).ok_or_else(refused);
    let (key, timestamp, nonce) = (header("rialto-key")?, header("rialto-timestamp")?, header("rialto-nonce")?);
    let (expires, signed) = (header("rialto-expires")?, header("rialto-signature")?);
    let mut bank = data.lock();
    let found = bank.accounts.iter_mut().enumerate().find(|(_, account)| account.client.key == key);
    let (number, account) = found.ok_or_else(refused)?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let expected =
        signature(&account.client.secret, [request.method().as_str(), target, timestamp, nonce, expires], body);
    let at: u64 = timestamp.parse().map_err(|_| refused())?;
    if !is_equal(&expected, signed) || at.abs_diff(now_ms()) > WINDOW_MS || !account.nonces.take(nonce) {
        return Err(refused());
    }
    Ok(number)
}

/// A request on its way: what goes wrong before and after it is carried out.
struct Asked {
    account: usize,
    key: String,
    nth: u64,
    conduct: Behaviour,
    expires: u64,
}

impl Asked {
    async fn arrive(data: &Data, request: &HttpRequest, account: usize, key: String) -> Result<Self, StatusCode> {
        let expires = request.headers().get("rialto-expires").and_then(|value| value.to_str().ok()?.parse().ok());
        let (asked, trouble) = {
            let mut bank = data.lock();
            let conduct = bank.behaviour.clone();
            let trouble = bank.trouble.filter(|(_, until)| now_ms() < *until).map(|(trouble, _)| trouble);
            let count = bank.accounts[account].asked.entry(key.clone()).or_default();
            *count += 1;
            (Self { account, key, nth: *count, conduct, expires: expires.unwrap_or(0) }, trouble)
        };
        let hang = Duration::from_millis(asked.conduct.hang_ms);
        if trouble == Some(Trouble::Outage) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        if trouble == Some(Trouble::Hang) || asked.hits(data, Fault::TimeoutBefore) {
            rt::time::sleep(hang).await;
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        if asked.hits(data, Fault::ErrorBefore) {
            return Err(StatusCode::INTERNAL_SERVER_ERROR);
        }
        if asked.hits(data, Fault::Slow) {
            let wait = asked.conduct.up_to(asked.conduct.slow_ms, 6, &asked.key, asked.nth);
            rt::time::sleep(Duration::from_millis(wait)).await;
        }
        Ok(asked)
    }

    /// Answers how the payment stands, or fails to.
    async fn answer(&self, data: &Data) -> HttpResponse {
        let answer = {
            let bank = data.lock();
            bank.accounts[self.account].books.answer(&bank.currencies, &self.key)
        };
        if self.hits(data, Fault::TimeoutAfter) {
            rt::time::sleep(Duration::from_millis(self.conduct.hang_ms)).await;
        }
        if self.hits(data, Fault::ErrorAfter) {
            return HttpResponse::InternalServerError().finish();
        }
        if self.hits(data, Fault::Garbage) {
            return HttpResponse::Ok().body("<html>we are sorry</html>");
        }
        HttpResponse::Ok().json(answer)
    }

    fn hits(&self, data: &Data, fault: Fault) -> bool {
        let hits = self.conduct.hits(fault, &self.key, self.nth);
        if hits {
            *data.lock().accounts[self.account].books.done.entry(fault).or_default() += 1;
        }
        hits
    }
}

async fn payments(request: HttpRequest, body: web::Bytes, data: Data) -> HttpResponse {
    let account = match authenticate(&data, &request, &body) {
        Ok(account) => account,
        Err(refused) => return HttpResponse::new(refused),
    };
    match *request.method() {
        Method::POST => submit(&request, &body, &data, account).await,
        Method::GET => query(&request, &data, account).await,
        _ => HttpResponse::MethodNotAllowed().finish(),
    }
}

async fn submit(request: &HttpRequest, body: &[u8], data: &Data, account: usize) -> HttpResponse {
    let Ok(body) = serde_json::from_slice::<SubmitBody>(body) else {
        return HttpResponse::BadRequest().finish();
    };
    let asked = match Asked::arrive(data, request, account, body.key.clone()).await {
        Ok(asked) => asked,
        Err(failed) => return HttpResponse::new(failed),
    };
    // At the moment at which it is carried out, however long it took to get here.
    if asked.expires < now_ms() {
        return HttpResponse::build(StatusCode::REQUEST_TIMEOUT).finish();
    }
    let steps = {
        let mut bank = data.lock();
        let Bank { accounts, currencies, .. } = &mut *bank;
        let steps = accounts[account].books.submit(currencies, &asked.conduct, &body);
        bank.write_down(account, &body.key);
        steps
    };
    let steps = match steps {
        Ok(steps) => steps,
        Err(Refusal::Malformed) => return HttpResponse::BadRequest().finish(),
        Err(Refusal::Conflict) => return HttpResponse::Conflict().finish(),
    };
    let (at_once, later): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|step| step.after_ms == 0);
    for step in at_once {
        act(data, account, &asked.key, step.action);
    }
    for step in later {
        schedule(data, account, &asked.key, step);
    }
    if asked.hits(data, Fault::EarlyCallback) {
        let told = tell(data.clone(), account, asked.key.clone());
        rt::time::timeout(Duration::from_secs(2), told).await.ok();
    }
    asked.answer(data).await
}

async fn query(request: &HttpRequest, data: &Data, account: usize) -> HttpResponse {
    let Ok(parameters) = web::Query::<BTreeMap<String, String>>::from_query(request.query_string()) else {
        return HttpResponse::BadRequest().finish();
    };
    let Some(key) = parameters.get("key").cloned() else { return HttpResponse::BadRequest().finish() };
    match Asked::arrive(data, request, account, key).await {
        Ok(asked) => asked.answer(data).await,
        Err(failed) => HttpResponse::new(failed),
    }
}

async fn cancels(request: HttpRequest, body: web::Bytes, data: Data) -> HttpResponse {
    let account = match authenticate(&data, &request, &body) {
        Ok(account) => account,
        Err(refused) => return HttpResponse::new(refused),
    };
    let Ok(CancelBody { key }) = serde_json::from_slice(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let asked = match Asked::arrive(&data, &request, account, key).await {
        Ok(asked) => asked,
        Err(failed) => return HttpResponse::new(failed),
    };
    {
        let mut bank = data.lock();
        bank.accounts[account].books.cancel(&asked.conduct, &asked.key);
        bank.write_down(account, &asked.key);
    }
    asked.answer(&data).await
}

/// Something happens to a payment now; its owner is told, unless that goes wrong.
fn act(data: &Data, account: usize, key: &str, action: Action) {
    let (steps, is_lost) = {
        let mut bank = data.lock();
        let Bank { accounts, currencies, behaviour, .. } = &mut *bank;
        let books = &mut accounts[account].books;
        let steps = books.act(currencies, behaviour, key, action, now_ms());
        let version = books.payment(key).map_or(0, |payment| payment.version);
        let is_lost = behaviour.hits(Fault::LostCallback, key, version);
        *books.done.entry(Fault::LostCallback).or_default() += u64::from(is_lost);
        bank.write_down(account, key);
        (steps, is_lost)
    };
    for step in steps {
        schedule(data, account, key, step);
    }
    if !is_lost {
        rt::spawn(tell(data.clone(), account, key.to_owned()));
    }
}

fn schedule(data: &Data, account: usize, key: &str, step: Step) {
    let (data, key) = (data.clone(), key.to_owned());
    data.scheduled.fetch_add(1, Ordering::Relaxed);
    rt::spawn(async move {
        rt::time::sleep(Duration::from_millis(step.after_ms)).await;
        // What follows from it is scheduled before it is taken off.
        act(&data, account, &key, step.action);
        data.scheduled.fetch_sub(1, Ordering::Relaxed);
    });
}

fn resume(data: &Data) {
    let steps: Vec<_> = {
        let bank = data.lock();
        let accounts = bank.accounts.iter().enumerate();
        accounts.map(|(number, account)| (number, account.books.resume(&bank.behaviour))).collect()
    };
    for (account, steps) in steps {
        for (key, step) in steps {
            schedule(data, account, &key, step);
        }
    }
}

/// Tells the owner of a payment how it stands, until he knows all of it. One of a payment at a time, so that
/// what is older never comes after what is younger.
async fn tell(data: Data, account: usize, key: String) {
    if !data.lock().accounts[account].telling.insert(key.clone()) {
        return;
    }
    while let Some((callback, body, version, nonce, twice)) = news(&data, account, &key) {
        let mut is_taken = data.caller.send(&callback, &body, &nonce).await;
        if twice {
            is_taken |= data.caller.send(&callback, &body, &format!("{nonce}d")).await;
        }
        if !is_taken {
            break;
        }
        let mut bank = data.lock();
        bank.accounts[account].books.tell(&key, version);
        bank.write_down(account, &key);
    }
    data.lock().accounts[account].telling.remove(&key);
}

type News = (crate::config::Callback, Vec<u8>, u64, String, bool);

/// What the owner of a payment does not know yet.
fn news(data: &Data, account: usize, key: &str) -> Option<News> {
    let mut bank = data.lock();
    let nonce = bank.nonce();
    let Bank { accounts, currencies, behaviour, .. } = &mut *bank;
    let Account { client, books, .. } = &mut accounts[account];
    let callback = client.callback.clone()?;
    let payment = books.payment(key).filter(|payment| payment.told < payment.version)?;
    let version = payment.version;
    let body = serde_json::to_vec(&books.answer(currencies, key)).ok()?;
    let twice = behaviour.hits(Fault::DuplicateCallback, key, version);
    *books.done.entry(Fault::DuplicateCallback).or_default() += u64::from(twice);
    Some((callback, body, version, nonce, twice))
}

/// Other chances and times, by name. What is not named does not go wrong any more.
async fn set_faults(body: web::Json<BTreeMap<String, u64>>, data: Data) -> HttpResponse {
    let mut bank = data.lock();
    let mut behaviour = Behaviour { chances: BTreeMap::new(), ..bank.behaviour.clone() };
    let mut trouble = None;
    for (name, value) in body.into_inner() {
        match name.as_str() {
            "seed" => behaviour.seed = value,
            "slow_ms" => behaviour.slow_ms = value,
            "hang_ms" => behaviour.hang_ms = value,
            "delay_ms" => behaviour.delay_ms = value,
            "outage_for_ms" => trouble = Some((Trouble::Outage, now_ms() + value)),
            "hang_for_ms" => trouble = Some((Trouble::Hang, now_ms() + value)),
            name => {
                let Ok(fault) = serde_json::from_value::<Fault>(json!(name)) else {
                    return HttpResponse::BadRequest().body(format!("no fault is called {name}"));
                };
                behaviour.chances.insert(fault, u32::try_from(value.min(10_000)).unwrap_or(10_000));
            }
        }
    }
    (bank.behaviour, bank.trouble) = (behaviour, trouble);
    HttpResponse::NoContent().finish()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomersBody {
    mode: Customers,
    delay_ms: Option<u64>,
}

async fn set_customers(body: web::Json<CustomersBody>, data: Data) -> HttpResponse {
    let mut bank = data.lock();
    bank.behaviour.customers = body.mode;
    if let Some(delay_ms) = body.delay_ms {
        bank.behaviour.delay_ms = delay_ms;
    }
    HttpResponse::NoContent().finish()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayInBody {
    /// The key id of the client.
    client: String,
    key: Option<String>,
    asset: String,
    amount: String,
}

async fn pay_in(body: web::Json<PayInBody>, data: Data) -> HttpResponse {
    let (account, key, asset, amount) = {
        let mut bank = data.lock();
        let account = bank.accounts.iter().position(|account| account.client.key == body.client);
        let amount = bank.currencies.parse(&body.asset, &body.amount).filter(|amount| *amount > 0);
        let (Some(account), Some(amount)) = (account, amount) else { return HttpResponse::BadRequest().finish() };
        let books = &mut bank.accounts[account].books;
        let Some(key) = body.key.clone() else {
            let key = books.receive_unasked(&body.asset, amount, now_ms());
            bank.write_down(account, &key);
            drop(bank);
            rt::spawn(tell(data.clone(), account, key));
            return HttpResponse::NoContent().finish();
        };
        if books.payment(&key).is_none() {
            return HttpResponse::NotFound().finish();
        }
        (account, key, body.asset.clone(), amount)
    };
    act(&data, account, &key, Action::Receive { asset, amount, nth: now_ms() });
    HttpResponse::NoContent().finish()
}

async fn redeliver(data: Data) -> HttpResponse {
    let mut untold = Vec::new();
    for (number, account) in data.lock().accounts.iter().enumerate() {
        let payments = account.books.payments().filter(|payment| payment.told < payment.version);
        untold.extend(payments.map(|payment| (number, payment.key.clone())));
    }
    let count = untold.len();
    for (account, key) in untold {
        rt::spawn(tell(data.clone(), account, key));
    }
    HttpResponse::Ok().json(json!({ "untold": count }))
}

async fn totals(data: Data) -> HttpResponse {
    let bank = data.lock();
    let mut all = BTreeMap::new();
    for account in &bank.accounts {
        let text = |name: &str, amount| bank.currencies.text(name, amount);
        let of_currency = account.books.totals().into_iter().map(|(name, totals)| {
            let sums = json!({
                "received": text(&name, totals.received),
                "paid": text(&name, totals.paid),
                "bounced": text(&name, totals.bounced),
                "returned": text(&name, totals.returned),
                "net": text(&name, totals.net()),
            });
            (name, sums)
        });
        all.insert(account.client.key.clone(), of_currency.collect::<BTreeMap<_, _>>());
    }
    HttpResponse::Ok().json(all)
}

async fn counts(data: Data) -> HttpResponse {
    let bank = data.lock();
    let mut sums: BTreeMap<Fault, u64> = BTreeMap::new();
    for (fault, count) in bank.accounts.iter().flat_map(|account| &account.books.done) {
        *sums.entry(*fault).or_default() += count;
    }
    let payments: usize = bank.accounts.iter().map(|account| account.books.payments().count()).sum();
    let scheduled = data.scheduled.load(Ordering::Relaxed);
    HttpResponse::Ok().json(json!({ "payments": payments, "scheduled": scheduled, "faults": sums }))
}

#[derive(Deserialize)]
struct StatementQuery {
    client: String,
    #[serde(default)]
    from: u64,
    to: Option<u64>,
}

async fn statement(query: web::Query<StatementQuery>, data: Data) -> HttpResponse {
    let bank = data.lock();
    let Some(account) = bank.accounts.iter().find(|account| account.client.key == query.client) else {
        return HttpResponse::NotFound().finish();
    };
    let mut csv = String::from("time,reference,key,kind,asset,amount,state\n");
    for (movement, payment) in account.books.statement(query.from, query.to.unwrap_or(u64::MAX)) {
        let key = if payment.key.starts_with('~') { "" } else { payment.key.as_str() };
        let amount = bank.currencies.text(&movement.asset, movement.amount);
        csv += &format!(
            "{},{},{},{},{},{amount},{}\n",
            movement.time,
            movement.reference,
            quoted(key),
            movement.kind.name(),
            movement.asset,
            movement.state.name(),
        );
    }
    HttpResponse::Ok().content_type("text/csv").body(csv)
}

/// A field of CSV.
fn quoted(field: &str) -> String {
    if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}
