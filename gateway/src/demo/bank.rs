//! The bank of the demo: the simulator, as a process beside the exchange, if it is built.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::config::Config;
use crate::config::money::RailConfig;

/// Where it listens: the address in the configuration of the demo.
const ADDRESS: &str = "127.0.0.1:9201";
/// The name of the program, beside ours.
const PROGRAM: &str = "rialto-bank";

/// A bank that runs. It ends when it is dropped.
#[derive(Debug)]
pub struct Bank(Child);

impl Bank {
    /// Starts it for the rails of a configuration, with its books in the data directory. `None` if the
    /// program is not there.
    ///
    /// # Errors
    /// If it is there and cannot be started.
    pub fn start(config: &Config, listen: SocketAddr, data: &Path) -> Result<Option<Self>, String> {
        let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join(PROGRAM)));
        let Some(program) = beside.filter(|program| program.exists()) else { return Ok(None) };
        let mut clients = Vec::new();
        for (tenant, money) in &config.money {
            clients.extend(money.rails.iter().map(|rail| client(tenant, rail, listen)));
        }
        let currencies = ["USD", "CNY", "BTC"].map(|name| json!({"name": name, "scale": 8}));
        let configuration = json!({
            "listen": ADDRESS,
            "currencies": currencies,
            "clients": clients,
            "file": data.join("bank.books"),
            // Customers pay what is expected of them, by themselves.
            "behaviour": {"customers": "whole"},
        });
        let cannot = |error: std::io::Error| format!("the bank of the demo cannot be started: {error}");
        fs::create_dir_all(data).map_err(cannot)?;
        let path = data.join("bank.json");
        fs::write(&path, configuration.to_string()).map_err(cannot)?;
        let mut command = Command::new(program);
        let started = command.arg("--config").arg(path).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        started.map(|child| Some(Self(child))).map_err(cannot)
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn client(tenant: &str, rail: &RailConfig, listen: SocketAddr) -> serde_json::Value {
    let ((key, secret), (callback_key, callback_secret)) = (&rail.key, &rail.callback_key);
    json!({
        "key": key,
        "secret": secret.reveal(),
        "callback": {
            "url": format!("http://{listen}/callbacks/v1/{tenant}/{}", rail.name),
            "key": callback_key,
            "secret": callback_secret.reveal(),
        },
    })
}

/// How to try a deposit and a withdrawal from a shell.
#[must_use]
pub fn try_it(listen: SocketAddr, tenant: &str) -> String {
    let sign = format!(
        concat!(
            "pay() {{ local q=\"$2&timestamp=$(date +%s)000\"; ",
            "local s=$(printf %s \"$q\" | openssl dgst -sha256 -hmac demo-secret-of-backend-at-{t} -r | cut -d' ' -f1); ",
            "curl -s -X POST -H 'X-MBX-APIKEY: {t}-backend' \"http://{l}/t/{t}/payments/v1/$1\" -d \"$q&signature=$s\"; echo; }}"
        ),
        t = tenant,
        l = listen,
    );
    format!(
        concat!(
            "  {}\n",
            "  pay deposits 'id=d-1&user=trader-1&asset=USD&amount=25'   # the bank pays it in; then see trader-1's balance\n",
            "  pay withdrawals 'id=w-1&user=trader-1&asset=USD&amount=10&destination=DE00123'"
        ),
        sign
    )
}
