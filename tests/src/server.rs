//! A real server process on loopback, to be used, killed and started again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a start may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with a data directory of its own. Dropping it kills the process and removes the data.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    directory: TempDir,
    port: u16,
    metrics_port: u16,
}

/// The binaries that the workspace builds, beside the test binaries.
///
/// # Panics
/// If the binary is not there: `make test` builds it first.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test.ancestors().nth(2).expect("tests run from target/<profile>/deps");
    let binary = target.join(name);
    assert!(binary.exists(), "{} is not built; run `make test`", binary.display());
    binary
}

impl Server {
    /// A data directory with a configuration, and no process yet.
    ///
    /// # Panics
    /// If the directory cannot be made.
    #[must_use]
    pub fn prepare(configuration: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("exchange.toml"), configuration).expect("the configuration is written");
        Self { child: None, directory, port: free_port(), metrics_port: free_port() }
    }

    /// A running server that is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    #[must_use]
    pub fn start(configuration: &str) -> Self {
        let mut server = Self::prepare(configuration);
        server.spawn(|_| {});
        server.wait_ready();
        server
    }

    /// Starts the process; `change` may add to the command.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn(&mut self, change: impl FnOnce(&mut Command)) {
        let mut command = Command::new(binary("rialto"));
        command
            .arg("serve")
            .arg("--config")
            .arg(self.configuration())
            .arg("--data")
            .arg(self.data())
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--metrics", &format!("127.0.0.1:{}", self.metrics_port)])
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        change(&mut command);
        self.child = Some(command.spawn().expect("the server starts"));
    }

    /// Waits until requests are taken.
    ///
    /// # Panics
    /// If that takes longer than a busy machine explains, or the process ends.
    pub fn wait_ready(&mut self) {
        let began = Instant::now();
        loop {
            if let Ok(response) = ureq::get(&format!("{}/readyz", self.url())).call()
                && response.status() == 200
            {
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "the server ended: {ended:?}");
            assert!(began.elapsed() < PATIENCE, "the server does not become ready");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until requests are taken, or the process ends: then `false`.
    pub fn becomes_ready(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.child.as_mut().is_some_and(|child| child.try_wait().ok().flatten().is_some()) {
                self.child = None;
                return false;
            }
            if ureq::get(&format!("{}/readyz", self.url())).call().is_ok_and(|response| response.status() == 200) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// If there is no process.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a running server");
        child.kill().expect("the process is ours to kill");
        child.wait().expect("the process ends");
    }

    /// Starts again on the same data and port, and waits until ready.
    pub fn restart(&mut self) {
        self.spawn(|_| {});
        self.wait_ready();
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `ws://127.0.0.1:<port>`.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The metrics page.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics_port);
        let mut response = ureq::get(&url).call().expect("the metrics answer");
        response.body_mut().read_to_string().expect("the metrics are text")
    }

    /// The configuration file.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("exchange.toml")
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Puts another data directory in place of this one's.
    ///
    /// # Panics
    /// If it cannot be moved.
    pub fn replace_data(&self, other: &Path) {
        fs::remove_dir_all(self.data()).expect("the data goes away");
        fs::rename(other, self.data()).expect("the other data comes in");
    }

    /// The directory that holds all of it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process id.
    ///
    /// # Panics
    /// If there is no process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running server").id()
    }

    /// Resident memory of the process in bytes.
    ///
    /// # Panics
    /// If there is no process.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process has a status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("resident memory is stated");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
        kib * 1024
    }

    /// Runs `rialto check` on the data of a server that was killed, and gives its JSON summary.
    ///
    /// # Panics
    /// If it does not exit with 0.
    #[must_use]
    pub fn check(&self) -> serde_json::Value {
        let output = Command::new(binary("rialto"))
            .arg("check")
            .arg("--data")
            .arg(self.data())
            .stderr(Stdio::inherit())
            .output()
            .expect("the check runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "the check failed: {text}");
        serde_json::from_str(&text).expect("the summary is JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// Lines of a child's standard output, as they come.
///
/// # Panics
/// If its output is not captured.
pub fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = child.stdout.take().expect("the output is captured");
    BufReader::new(output).lines().map_while(Result::ok)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Two tenants with the same pair, the same user names and balances, and keys that differ.
#[must_use]
pub fn two_tenants() -> String {
    let tenant = |name: &str| {
        format!(
            r#"
[[tenants]]
name = "{name}"
hosts = ["{name}.localhost"]

[[tenants.assets]]
name = "USD"
scale = 8
[[tenants.assets]]
name = "CNY"
scale = 8
[[tenants.assets]]
name = "BTC"
scale = 8

[[tenants.markets]]
symbol = "USDCNY"
base = "USD"
quote = "CNY"
tick = "0.0001"
lot = "0.01"
min_notional = "1"
maker_fee_bps = 10
taker_fee_bps = 20

[[tenants.markets]]
symbol = "BTCUSD"
base = "BTC"
quote = "USD"
tick = "0.01"
lot = "0.00001"
min_notional = "1"
maker_fee_bps = 10
taker_fee_bps = 20

[[tenants.users]]
name = "alice"
api_key = "{name}-alice"
secret = "secret-of-alice-{name}"
balances = {{ USD = "1000000", CNY = "7000000", BTC = "100" }}
[[tenants.users]]
name = "bob"
api_key = "{name}-bob"
secret = "secret-of-bob-{name}"
balances = {{ USD = "1000000", CNY = "7000000", BTC = "100" }}
[[tenants.users]]
name = "poor"
api_key = "{name}-poor"
secret = "secret-of-poor-{name}"
balances = {{ USD = "10" }}
"#
        )
    };
    tenant("acme") + &tenant("globex")
}
