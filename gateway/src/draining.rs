//! The rails that operators have taken out of routing, over every restart.
//!
//! Which rail is chosen is the edge's to say, and moves no money: it stands beside the journal, in a file of JSON lines,
//! each with a checksum. A line is on the disk before the router hears of it and before anybody is told. Only what changes
//! something is added, so that the file grows by less than the audit trail does for the same wish. Rails are kept
//! by name. What is said of one that the configuration does not have stays, for when it has it again.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rialto_actors::rails::RailSetup;
use rialto_engine::ids::{RailId, TenantId};
use serde::{Deserialize, Serialize};

use crate::lines::{Lines, checked, with_sum};

/// The name of the file in the data directory.
pub const FILE: &str = "draining.jsonl";

/// Those that are drained. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Draining {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None` where nothing is kept, which is in tests.
    file: Option<Lines>,
    /// By the names of tenant and rail.
    rails: BTreeSet<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    tenant: String,
    rail: String,
    draining: bool,
}

impl Draining {
    /// Those of a data directory. Half a line at the end was never told to anybody, and is taken off.
    ///
    /// # Errors
    /// If the file cannot be read, or was changed.
    pub fn open(data: &Path) -> Result<Self, String> {
        let path = data.join(FILE);
        let mut inner = Inner::default();
        let take = |line: &[u8]| {
            let line = checked(line).and_then(|text| serde_json::from_str(text).ok());
            inner.take_in(line.ok_or("it was changed")?);
            Ok(())
        };
        let file = Lines::open(&path, take).map_err(|what| format!("the rails that are drained, {what}"))?;
        // Its name must be on the disk before any of its lines counts.
        File::open(data)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| format!("{}: {error}", data.display()))?;
        inner.file = Some(file);
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Keeps that an operator takes a rail out of routing, or back in, and then has `apply` do it. It blocks
    /// until that is on the disk. One comes after the other, so that what is kept last is what was done last. Gives whether
    /// it was so before.
    ///
    /// # Errors
    /// If it cannot be kept; then it is not done.
    pub fn change(&self, tenant: &str, rail: &str, is_draining: bool, apply: impl FnOnce()) -> std::io::Result<bool> {
        let line = Line { tenant: tenant.to_owned(), rail: rail.to_owned(), draining: is_draining };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let was_so = inner.rails.contains(&(line.tenant.clone(), line.rail.clone())) == is_draining;
        if !was_so {
            let text = with_sum(serde_json::to_vec(&line)?);
            if let Some(file) = &mut inner.file {
                file.add(&text)?;
            }
            inner.take_in(line);
        }
        apply();
        Ok(was_so)
    }

    /// Those among the rails that are to run. Of any other there is a warning.
    #[must_use]
    pub fn among(&self, setups: &[RailSetup]) -> Vec<(TenantId, RailId)> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let found = inner.rails.iter().filter_map(|(tenant, rail)| {
            let setup = setups.iter().find(|setup| setup.tenant_name == *tenant && setup.name == *rail);
            match setup {
                Some(_) => tracing::info!(%tenant, %rail, "a rail stays drained, as an operator has said"),
                None => tracing::warn!(%tenant, %rail, "a rail is drained that the configuration does not have"),
            }
            setup.map(|setup| (setup.tenant, setup.terms.rail))
        });
        found.collect()
    }
}

impl Inner {
    fn take_in(&mut self, Line { tenant, rail, draining }: Line) {
        if draining {
            self.rails.insert((tenant, rail));
        } else {
            self.rails.remove(&(tenant, rail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first version has written it.
    const LINES: &str = include_str!("draining/first.jsonl");

    fn rails(draining: &Draining) -> Vec<(String, String)> {
        draining.inner.lock().expect("whole").rails.iter().cloned().collect()
    }

    fn pair(tenant: &str, rail: &str) -> (String, String) {
        (tenant.to_owned(), rail.to_owned())
    }

    #[test]
    fn what_was_said_last_of_a_rail_is_kept_and_only_changes_are_written() {
        let data = tempfile::tempdir().expect("a directory");
        let path = data.path().join(FILE);
        let draining = Draining::open(data.path()).expect("made");
        let mut applied = 0;
        for (tenant, rail, is_draining, was_so) in [
            ("acme", "bank", true, false),
            ("acme", "card", true, false),
            ("acme", "bank", true, true),
            ("globex", "bank", false, true),
            ("acme", "bank", false, false),
            ("globex", "bank", true, false),
        ] {
            let kept = draining.change(tenant, rail, is_draining, || applied += 1).expect("kept");
            assert_eq!(kept, was_so, "{tenant} {rail} {is_draining}");
        }
        assert_eq!(applied, 6, "whoever asks for what is so already finds it done");
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, LINES, "written bytes are frozen");
        let expected = [pair("acme", "card"), pair("globex", "bank")];
        assert_eq!(rails(&draining), expected);
        drop(draining);
        assert_eq!(rails(&Draining::open(data.path()).expect("opens")), expected);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), text, "a start adds nothing");
    }

    #[test]
    fn half_a_line_is_none_and_a_line_that_was_changed_is_refused() {
        let data = tempfile::tempdir().expect("a directory");
        let path = data.path().join(FILE);
        let half = &LINES[..LINES.len() - 9];
        std::fs::write(&path, half).expect("written");
        let draining = Draining::open(data.path()).expect("opens");
        assert_eq!(rails(&draining), [pair("acme", "card")]);
        draining.change("globex", "bank", true, || ()).expect("kept");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), LINES, "it does not stand behind half a line");
        for changed in
            [LINES.replacen("card", "cart", 1), LINES.replacen("true", "false", 1), LINES.replace("sum", "mus")]
        {
            assert_ne!(changed, LINES);
            std::fs::write(&path, changed).expect("written");
            let error = Draining::open(data.path()).expect_err("noticed");
            assert!(error.ends_with("it was changed"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_not_done() {
        let data = tempfile::tempdir().expect("a directory");
        let draining = Draining::open(data.path()).expect("made");
        draining.inner.lock().expect("whole").file = Some(Lines::only_to_read(&data.path().join(FILE)));
        let mut is_done = false;
        draining.change("acme", "bank", true, || is_done = true).expect_err("it cannot be written");
        assert!(!is_done);
        assert_eq!(rails(&draining), []);
    }
}
