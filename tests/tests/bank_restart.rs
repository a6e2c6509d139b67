//! The bank that is killed: its books and what it knows of keys come back from its file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rialto_bank::protocol::signature;
use rialto_tests::client::{call, now_millis};
use rialto_tests::server::{binary, lines};
use serde_json::{Value, json};

/// The bank as a process. It is killed when it is dropped.
struct Bank {
    child: Child,
    url: String,
    nonce: u64,
}

impl Bank {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(binary("rialto-bank"));
        let mut child = command.arg("--config").arg(config).stdout(Stdio::piped()).spawn().expect("the bank starts");
        let line = lines(&mut child).next().expect("it says where it listens");
        let url = line.strip_prefix("listening on ").expect("where it listens").to_owned();
        Self { child, url, nonce: now_millis() }
    }

    fn kill(mut self) {
        self.child.kill().expect("the process is ours to kill");
        self.child.wait().expect("it ends");
    }

    /// A request of the client, signed: status and answer.
    fn ask(&mut self, method: &str, target: &str, body: &str) -> (u16, Value) {
        self.nonce += 1;
        let (now, nonce) = (now_millis(), format!("{:032x}", self.nonce));
        let (timestamp, expires) = (now.to_string(), (now + 60_000).to_string());
        let signed = signature("secret", [method, target, &timestamp, &nonce, &expires], body.as_bytes());
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.url))
            .header("Rialto-Key", "rail-1")
            .header("Rialto-Timestamp", &timestamp)
            .header("Rialto-Nonce", &nonce)
            .header("Rialto-Expires", &expires)
            .header("Rialto-Signature", &signed)
            .header("Content-Type", "application/json");
        let mut response = agent.run(request.body(body.to_owned()).expect("a request")).expect("the bank answers");
        let text = response.body_mut().read_to_string().expect("a text");
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn submit(&mut self, key: &str, kind: &str, amount: &str) -> (u16, Value) {
        let mut body = json!({"key": key, "kind": kind, "asset": "USD", "amount": amount});
        if kind == "withdrawal" {
            body["destination"] = json!("DE02");
        }
        self.ask("POST", "/v1/payments", &body.to_string())
    }

    fn totals(&self) -> Value {
        call("GET", &format!("{}/control/totals", self.url), None).1
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_bank_that_is_killed_knows_its_books_and_every_key_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, books) = (folder.path().join("bank.json"), folder.path().join("books.jsonl"));
    let configuration = json!({
        "listen": "127.0.0.1:0",
        "file": books,
        "currencies": [{"name": "USD", "scale": 2}],
        "clients": [{"key": "rail-1", "secret": "secret"}],
        "behaviour": {"customers": "none"},
    });
    std::fs::write(&config, configuration.to_string()).expect("written");

    let mut bank = Bank::start(&config);
    let mut told = Vec::new();
    for number in 1..=20 {
        let (status, answer) = bank.submit(&format!("acme/w-{number}"), "withdrawal", &format!("{number}.50"));
        assert_eq!((status, &answer["status"]), (200, &json!("done")), "{answer}");
        told.push(answer);
    }
    let (_, expected) = bank.submit("acme/d-1", "deposit", "7.00");
    assert_eq!(expected["status"], "accepted");
    let (_, canceled) = bank.ask("POST", "/v1/cancels", &json!({"key": "acme/w-99"}).to_string());
    assert_eq!(canceled["status"], "canceled");
    let totals = bank.totals();
    assert_eq!(totals["rail-1"]["USD"]["paid"], "220.00");
    bank.kill();
    // As if it had been killed in the middle of a line, and in the middle of a letter.
    let mut file = OpenOptions::new().append(true).open(&books).expect("the books");
    file.write_all(b"{\"client\":\"rail-1\",\"payment\":{\"key\":\"acme/w-\xc3").expect("written");
    drop(file);

    for _ in 0..2 {
        let mut bank = Bank::start(&config);
        assert_eq!(bank.totals(), totals, "the books are as they were");
        for (number, before) in (1..=20).zip(&told) {
            let key = format!("acme/w-{number}");
            let (status, answer) = bank.submit(&key, "withdrawal", &format!("{number}.50"));
            assert_eq!((status, &answer), (200, before), "it is paid once, under the same reference");
            assert_eq!(bank.submit(&key, "withdrawal", "1.00").0, 409, "a key is good for one body");
        }
        let (_, answer) = bank.submit("acme/d-1", "deposit", "7.00");
        assert_eq!(answer, expected);
        let (_, answer) = bank.submit("acme/w-99", "withdrawal", "1.00");
        assert_eq!(answer["status"], "canceled", "a cancel of what had not come is remembered");
        bank.kill();
    }

    // What is new goes on behind it: another reference, behind a whole line.
    let mut bank = Bank::start(&config);
    let (_, new) = bank.submit("acme/w-21", "withdrawal", "0.01");
    assert!(told.iter().all(|old| old["movements"][0]["reference"] != new["movements"][0]["reference"]), "{new}");
    bank.kill();
    let bank = Bank::start(&config);
    assert_eq!(bank.totals()["rail-1"]["USD"]["paid"], "220.01");
    let text = std::fs::read_to_string(&books).expect("the books are text again");
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "of whole lines");
}
