//! What both commands write about the machine and about latencies.

use std::path::Path;
use std::process::Command;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::error::Error;

/// Percentiles of one histogram, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Samples.
    pub count: u64,
    /// The least.
    pub min_us: u64,
    /// Half are at most this.
    pub p50_us: u64,
    /// 90 % are at most this.
    pub p90_us: u64,
    /// 99 % are at most this.
    pub p99_us: u64,
    /// 99.9 % are at most this.
    pub p99_9_us: u64,
    /// 99.99 % are at most this.
    pub p99_99_us: u64,
    /// The most.
    pub max_us: u64,
}

impl Percentiles {
    /// Of a histogram in microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            min_us: histogram.min(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p99_9_us: histogram.value_at_quantile(0.999),
            p99_99_us: histogram.value_at_quantile(0.9999),
            max_us: histogram.max(),
        }
    }
}

/// The machine and the build of the load generator; the server's are its own to tell.
#[derive(Debug, Clone, Serialize)]
pub struct Host {
    /// The revision of the working directory, where it is a git checkout.
    pub git_revision: Option<String>,
    /// Whether the generator itself was built with optimisations.
    pub optimised_build: bool,
    /// Logical processors.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: Option<String>,
}

impl Host {
    /// Of this process.
    pub fn here() -> Self {
        let revision = Command::new("git").args(["rev-parse", "HEAD"]).output().ok();
        let revision = revision.filter(|output| output.status.success());
        Self {
            git_revision: revision.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            optimised_build: !cfg!(debug_assertions),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
        }
    }
}

/// Writes a report as JSON.
///
/// # Errors
/// `Config` where the file cannot be written.
pub fn write(path: &Path, report: &impl Serialize) -> Result<(), Error> {
    let wrong = |error: &dyn std::fmt::Display| Error::Config(format!("cannot write {}: {error}", path.display()));
    let text = serde_json::to_string_pretty(report).map_err(|error| wrong(&error))?;
    std::fs::write(path, text + "\n").map_err(|error| wrong(&error))
}
