//! The audit trail: who wanted what of the exchange, and what became of it.
//!
//! One file of JSON lines that is only ever added to. A wish is on the disk before anything is done, its
//! outcome before anybody is told. Each line ends in a checksum of itself and of the line before it, so that
//! a line that was changed, taken out or put in is noticed at the next start. It says what was asked for,
//! never a secret: none is ever a parameter.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rialto_actors::clock;
use sha2::{Digest, Sha256};

use super::OperatorCall;
use crate::error::ApiError;
use crate::json;

/// The name of the file in the data directory.
pub const FILE: &str = "audit.jsonl";
/// How many lines are kept in memory, to be looked at.
const RECENT: usize = 10_000;

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Who.
    pub operator: String,
    /// Of which tenant.
    pub tenant: String,
    /// What: method and path.
    pub action: String,
    /// The parameters of the request, without those of its signature.
    pub told: Vec<(String, String)>,
}

/// The trail. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None` where nothing is kept, which is in tests.
    file: Option<File>,
    /// Of the last line.
    checksum: String,
    /// Of the last wish.
    number: u64,
    /// The last lines with their tenants, the oldest first.
    recent: VecDeque<(String, Arc<str>)>,
    /// Adding a line has failed: nothing more is taken.
    is_broken: bool,
}

impl Audit {
    /// The trail of a data directory, which is checked from its beginning. Half a line at its end, which a
    /// crash has left, is taken off: nothing was done for it yet.
    ///
    /// # Errors
    /// If it cannot be read, or was changed.
    pub fn open(data: &Path) -> Result<Self, String> {
        let path = data.join(FILE);
        let cannot = |error: std::io::Error| format!("the audit trail {}: {error}", path.display());
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(cannot)?;
        let (mut inner, mut whole, mut line) = (Inner::default(), 0, Vec::new());
        let mut reader = BufReader::new(&mut file);
        for place in 1.. {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(cannot)?;
            if line.pop() != Some(b'\n') {
                break;
            }
            whole += length as u64;
            let text = std::str::from_utf8(&line).ok();
            let checked = text.and_then(|text| inner.check(text));
            checked.ok_or_else(|| format!("the audit trail {} was changed at line {place}", path.display()))?;
        }
        file.set_len(whole).map_err(cannot)?;
        file.seek(SeekFrom::End(0)).map_err(cannot)?;
        inner.file = Some(file);
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Takes a wish down before it is carried out, and gives its number.
    ///
    /// # Errors
    /// If that cannot be; then nothing may be done.
    pub async fn begin(&self, wish: Wish) -> Result<u64, ApiError> {
        self.add(move |number| {
            let mut line = format!("{{\"number\":{number},\"time\":{}", clock::wall().millis()).into_bytes();
            wish.write(&mut line);
            line.extend_from_slice(b",\"asked\":{");
            for (place, (name, value)) in wish.told.iter().enumerate() {
                line.extend_from_slice(if place > 0 { b"," } else { b"" });
                json::string(&mut line, name);
                line.push(b':');
                json::string(&mut line, value);
            }
            line.push(b'}');
            (wish.tenant, line)
        })
        .await
    }

    /// Takes down what became of a wish: `None` for what was carried out.
    ///
    /// # Errors
    /// If that cannot be. What was done stays done, and the trail has the wish.
    pub async fn end(&self, number: u64, wish: Wish, refused: Option<&ApiError>) -> Result<(), ApiError> {
        let refused = refused.map(|error| (error.code, error.msg.to_string()));
        self.add(move |_| {
            let mut line = format!("{{\"wish\":{number},\"time\":{}", clock::wall().millis()).into_bytes();
            wish.write(&mut line);
            match refused {
                None => line.extend_from_slice(b",\"outcome\":\"done\""),
                Some((code, msg)) => {
                    line.extend_from_slice(format!(",\"outcome\":\"refused\",\"code\":{code},\"msg\":").as_bytes());
                    json::string(&mut line, &msg);
                }
            }
            (wish.tenant, line)
        })
        .await
        .map(drop)
    }

    /// The last lines of a tenant, the newest first.
    #[must_use]
    pub fn recent(&self, tenant: &str, limit: usize) -> Vec<Arc<str>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let own = inner.recent.iter().rev().filter(|(of, _)| of == tenant);
        own.take(limit).map(|(_, line)| Arc::clone(line)).collect()
    }

    /// Adds a line on a thread that may wait for the disk. `write` gives a tenant and a JSON object
    /// without its end, for the number of a wish.
    async fn add(&self, write: impl FnOnce(u64) -> (String, Vec<u8>) + Send + 'static) -> Result<u64, ApiError> {
        let inner = Arc::clone(&self.inner);
        let added = tokio::task::spawn_blocking(move || {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            let number = inner.number + 1;
            let (tenant, line) = write(number);
            inner.add(tenant, line)
        });
        match added.await {
            Ok(Ok(number)) => Ok(number),
            Ok(Err(error)) => {
                tracing::error!(%error, "the audit trail cannot be written: no operator's command is taken");
                Err(ApiError::unavailable())
            }
            Err(_) => Err(ApiError::unknown()),
        }
    }
}

impl Inner {
    fn add(&mut self, tenant: String, mut line: Vec<u8>) -> std::io::Result<u64> {
        if self.is_broken {
            return Err(std::io::Error::other("a write has failed before"));
        }
        let is_wish = line.starts_with(b"{\"number\":");
        let checksum = chained(&self.checksum, &line);
        line.extend_from_slice(b",\"chain\":\"");
        line.extend_from_slice(checksum.as_bytes());
        line.extend_from_slice(b"\"}\n");
        if let Some(file) = &mut self.file {
            // What a failed write has left in the file, nobody knows.
            self.is_broken = true;
            file.write_all(&line)?;
            file.sync_data()?;
            self.is_broken = false;
        }
        line.pop();
        let text = String::from_utf8_lossy(&line).into_owned();
        self.took(tenant, text, checksum, is_wish);
        Ok(self.number)
    }

    /// Takes in a line that was read; `None` if it does not follow the one before it.
    fn check(&mut self, line: &str) -> Option<()> {
        let (content, rest) = line.rsplit_once(",\"chain\":\"")?;
        let checksum = rest.strip_suffix("\"}")?;
        if chained(&self.checksum, content.as_bytes()) != checksum {
            return None;
        }
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let tenant = value["tenant"].as_str()?.to_owned();
        self.took(tenant, line.to_owned(), checksum.to_owned(), value["number"].is_u64());
        Some(())
    }

    fn took(&mut self, tenant: String, line: String, checksum: String, is_wish: bool) {
        self.checksum = checksum;
        self.number += u64::from(is_wish);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((tenant, line.into()));
    }
}

impl Wish {
    fn write(&self, line: &mut Vec<u8>) {
        for (name, value) in [("operator", &self.operator), ("tenant", &self.tenant), ("action", &self.action)] {
            line.extend_from_slice(format!(",\"{name}\":").as_bytes());
            json::string(line, value);
        }
    }
}

impl OperatorCall<'_> {
    /// `GET audit`: the last lines of the tenant's trail, the newest first.
    pub(super) fn trail(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["limit"])?;
        let limit = self.params.limit(100, 1_000)?;
        let tenant = &self.gateway().tenant(self.tenant())?.name;
        let mut out = Vec::with_capacity(4_096);
        json::array(&mut out, self.gateway().audit.recent(tenant, limit), |out, line| {
            out.extend_from_slice(line.as_bytes());
        });
        Ok(out)
    }
}

/// The checksum of a line behind another one.
fn chained(before: &str, content: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(before.as_bytes());
    hash.update(content);
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(value: &str) -> Wish {
        let told = vec![("evidence".to_owned(), value.to_owned())];
        let (operator, tenant) = ("ann".to_owned(), "acme".to_owned());
        Wish { operator, tenant, action: "POST cases/close".to_owned(), told }
    }

    fn write(data: &Path, values: &[&str]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let audit = Audit::open(data).expect("opens");
            for value in values {
                let number = audit.begin(wish(value)).await.expect("taken down");
                audit.end(number, wish(value), Some(&ApiError::busy())).await.expect("taken down");
            }
        });
    }

    #[test]
    fn the_trail_goes_on_where_it_was_and_notices_every_change() {
        let data = tempfile::tempdir().expect("a directory");
        write(data.path(), &["a \"letter\"\n", "b"]);
        write(data.path(), &["c"]);
        let path = data.path().join(FILE);
        let text = std::fs::read_to_string(&path).expect("read");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 6);
        assert_eq!((&lines[4]["number"], &lines[5]["wish"]), (&serde_json::json!(3), &serde_json::json!(3)));
        assert_eq!(
            (&lines[0]["asked"]["evidence"], &lines[5]["code"]),
            (&serde_json::json!("a \"letter\"\n"), &serde_json::json!(-1008))
        );
        let audit = Audit::open(data.path()).expect("opens");
        assert_eq!(audit.recent("acme", 2).len(), 2);
        assert!(audit.recent("acme", 1)[0].contains("refused"));
        assert!(audit.recent("globex", 9).is_empty(), "another tenant's");

        std::fs::write(&path, format!("{text}{{\"number\":4")).expect("written");
        drop(Audit::open(data.path()).expect("half a line is none"));
        assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        let without = |skip: usize| {
            let kept = text.lines().enumerate().filter(|(place, _)| *place != skip);
            kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
        };
        for changed in [text.replace("\"b\"", "\"x\""), without(0), without(2), text.replacen("acme", "bolt", 1)] {
            assert_ne!(changed, text);
            std::fs::write(&path, changed).expect("written");
            let error = Audit::open(data.path()).expect_err("noticed");
            assert!(error.contains("was changed at line"), "{error}");
        }
    }
}
