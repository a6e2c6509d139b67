//! The audit trail: who wanted what of the exchange, and what became of it.
//!
//! One file of JSON lines that is only ever added to. A wish is on the disk before anything is done, its
//! outcome before anybody is told. Each line ends in a checksum of itself and of the line before it, so that
//! a line that was changed, taken out or put in is noticed at the next start. It says what was asked for,
//! never a secret: none is ever a parameter.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rialto_actors::clock;
use sha2::{Digest, Sha256};

use super::OperatorCall;
use crate::error::ApiError;
use crate::json;
use crate::lines::Lines;

/// The name of the file in the data directory.
pub const FILE: &str = "audit.jsonl";
/// How many lines are kept in memory, to be looked at.
const RECENT: usize = 10_000;
/// How far apart the lines are whose places in the file are kept in memory.
const PLACES_APART: u64 = 1_024;
/// How many lines of all tenants are looked through for one page.
const LOOKED_THROUGH: u64 = 50_000;

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
    file: Option<Lines>,
    /// Where it is.
    path: PathBuf,
    /// How many lines there are, and where each of them begins whose number, counted from 0, is a multiple of
    /// [`PLACES_APART`].
    lines: u64,
    places: Vec<u64>,
    /// Of the last line.
    checksum: String,
    /// Of the last wish.
    number: u64,
    /// The last lines with their tenants, the oldest first.
    recent: VecDeque<(String, Arc<str>)>,
}

impl Audit {
    /// The trail of a data directory, which is checked from its beginning. Half a line at its end, which a
    /// crash has left, is taken off: nothing was done for it yet.
    ///
    /// # Errors
    /// If it cannot be read, or was changed.
    pub fn open(data: &Path) -> Result<Self, String> {
        let path = data.join(FILE);
        let (mut inner, mut begins) = (Inner { path: path.clone(), ..Inner::default() }, 0);
        let take = |line: &[u8]| {
            let text = std::str::from_utf8(line).ok();
            text.and_then(|text| inner.check(text, begins)).ok_or("it was changed")?;
            begins += line.len() as u64 + 1;
            Ok(())
        };
        let file = Lines::open(&path, take).map_err(|what| format!("the audit trail {what}"))?;
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

    /// Lines of a tenant from the `from`th of the trail on, counted from 1 over all tenants, the oldest first; and
    /// where to go on, if there may be more. A page may come short and still go on. It reads from the disk.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn page(&self, tenant: &str, from: u64, limit: usize) -> std::io::Result<(Vec<String>, Option<u64>)> {
        let first = from.max(1) - 1;
        let (path, lines, length, place) = {
            let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(file) = inner.file.as_ref().filter(|_| first < inner.lines) else { return Ok((Vec::new(), None)) };
            let place = inner.places[usize::try_from(first / PLACES_APART).unwrap_or(usize::MAX)];
            (inner.path.clone(), inner.lines, file.len(), place)
        };
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(place))?;
        // Only what was whole then: somebody may be writing.
        let mut reader = BufReader::new(file.take(length - place));
        let (mut found, mut line) = (Vec::new(), String::new());
        for number in first / PLACES_APART * PLACES_APART..lines {
            if found.len() == limit || number >= first + LOOKED_THROUGH {
                return Ok((found, Some(number + 1)));
            }
            line.clear();
            reader.read_line(&mut line)?;
            line.pop();
            if number >= first && tenant_of(&line).as_deref() == Some(tenant) {
                found.push(line.clone());
            }
        }
        Ok((found, None))
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
        let is_wish = line.starts_with(b"{\"number\":");
        let checksum = chained(&self.checksum, &line);
        line.extend_from_slice(b",\"chain\":\"");
        line.extend_from_slice(checksum.as_bytes());
        line.extend_from_slice(b"\"}\n");
        let begins = self.file.as_ref().map_or(0, Lines::len);
        if let Some(file) = &mut self.file {
            file.add(&line)?;
        }
        line.pop();
        let text = String::from_utf8_lossy(&line).into_owned();
        self.took(tenant, text, checksum, is_wish, begins);
        Ok(self.number)
    }

    /// Takes in a line that was read; `None` if it does not follow the one before it.
    fn check(&mut self, line: &str, begins: u64) -> Option<()> {
        let (content, rest) = line.rsplit_once(",\"chain\":\"")?;
        let checksum = rest.strip_suffix("\"}")?;
        if chained(&self.checksum, content.as_bytes()) != checksum {
            return None;
        }
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let tenant = value["tenant"].as_str()?.to_owned();
        self.took(tenant, line.to_owned(), checksum.to_owned(), value["number"].is_u64(), begins);
        Some(())
    }

    fn took(&mut self, tenant: String, line: String, checksum: String, is_wish: bool, begins: u64) {
        if self.lines.is_multiple_of(PLACES_APART) {
            self.places.push(begins);
        }
        self.lines += 1;
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
    /// `GET audit`: the last lines of the tenant's trail, the newest first; with `from`, a page of all of them, the
    /// oldest first.
    pub(super) async fn trail(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["from", "limit"])?;
        let limit = self.params.limit(100, 1_000)?;
        let tenant = self.gateway().tenant(self.tenant())?.name.clone();
        let mut out = Vec::with_capacity(4_096);
        let Some(from) = self.params.integer("from")? else {
            json::array(&mut out, self.gateway().audit.recent(&tenant, limit), |out, line| {
                out.extend_from_slice(line.as_bytes());
            });
            return Ok(out);
        };
        let audit = self.gateway().audit.clone();
        let page = tokio::task::spawn_blocking(move || audit.page(&tenant, from, limit)).await;
        let (lines, next) = page.map_err(|_| ApiError::unknown())?.map_err(|error| {
            tracing::error!(%error, "the audit trail cannot be read");
            ApiError::unavailable()
        })?;
        out.extend_from_slice(b"{\"lines\":");
        json::array(&mut out, &lines, |out, line| out.extend_from_slice(line.as_bytes()));
        out.extend_from_slice(b",\"next\":");
        match next {
            Some(next) => json::number(&mut out, next),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
        Ok(out)
    }
}

/// The tenant that a line names.
fn tenant_of(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    value["tenant"].as_str().map(str::to_owned)
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
            assert!(error.contains("it was changed"), "{error}");
        }
    }

    #[test]
    fn every_line_is_found_page_by_page_and_no_other_tenants() {
        let data = tempfile::tempdir().expect("a directory");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let add = |audit: &Audit, wishes: std::ops::Range<u32>| {
            for number in wishes {
                let tenant = if number % 3 == 0 { "globex" } else { "acme" };
                let wish = Wish { tenant: tenant.to_owned(), ..wish(&number.to_string()) };
                runtime.block_on(audit.begin(wish)).expect("taken down");
            }
        };
        let pages = |audit: &Audit| {
            let (mut all, mut from) = (Vec::new(), Some(1));
            while let Some(next) = from {
                let (lines, next) = audit.page("acme", next, 700).expect("read");
                assert!(lines.len() <= 700);
                all.extend(lines);
                from = next;
            }
            let told = |line: &String| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["asked"].clone();
            all.iter().map(|line| told(line)["evidence"].as_str().expect("a text").parse().expect("a number")).collect()
        };
        let expected = |count: u32| (0..count).filter(|number| number % 3 != 0).collect::<Vec<u32>>();
        let audit = Audit::open(data.path()).expect("opens");
        assert_eq!(audit.page("acme", 1, 10).expect("read"), (Vec::new(), None));
        add(&audit, 0..2_500);
        let found: Vec<u32> = pages(&audit);
        assert_eq!(found, expected(2_500));
        drop(audit);
        // Places are found again at a start, and go on.
        let audit = Audit::open(data.path()).expect("opens");
        add(&audit, 2_500..3_500);
        let found: Vec<u32> = pages(&audit);
        assert_eq!(found, expected(3_500));
        let (one, next) = audit.page("acme", 1_026, 1).expect("read");
        assert!(one[0].contains("\"1025\"") && next == Some(1_027), "{one:?} {next:?}");
        assert_eq!(audit.page("acme", 4_000, 9).expect("read"), (Vec::new(), None));
    }
}
