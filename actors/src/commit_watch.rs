//! How long the group commit under way takes, for whoever must give it up.
//!
//! A thread that hangs in a system call, or waits for a thread of the storage that is gone, cannot
//! be ended from outside. It can only be given up: then nothing that its commit makes durable in
//! the end is told any more, and it writes nothing else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock;

const IDLE: u64 = 0;
const GIVEN_UP: u64 = u64::MAX;

/// Between the journal writer and its supervisor.
#[derive(Debug, Default)]
pub struct CommitWatch {
    /// When the commit under way began by [`clock::monotonic`], or one of the constants above. One
    /// word, so that a commit has either ended or been given up.
    began: AtomicU64,
    /// The beginning of a commit that was seen to have taken too long. It is given up when it is seen
    /// again: in a process that was paused the clock ran on, and the commit is about to end.
    suspected: AtomicU64,
}

impl CommitWatch {
    /// A commit begins.
    pub fn begin(&self) {
        self.began.compare_exchange(IDLE, clock::monotonic(), Ordering::AcqRel, Ordering::Acquire).ok();
    }

    /// The commit has ended. `false` if it was given up before, and nobody may hear of it.
    #[must_use]
    pub fn end(&self) -> bool {
        let idle = |began| (began != GIVEN_UP).then_some(IDLE);
        self.began.fetch_update(Ordering::AcqRel, Ordering::Acquire, idle).is_ok()
    }

    /// Gives the commit under way up if it has taken longer than this for the second time. Tells
    /// whether one is given up, now or before.
    #[must_use]
    pub fn give_up_after(&self, limit: Duration) -> bool {
        let began = self.began.load(Ordering::Acquire);
        if began == IDLE || began == GIVEN_UP {
            return began == GIVEN_UP;
        }
        let elapsed = Duration::from_nanos(clock::monotonic().saturating_sub(began));
        elapsed > limit
            && self.suspected.swap(began, Ordering::AcqRel) == began
            && self.began.compare_exchange(began, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_has_ended_or_been_given_up_and_never_both() {
        let watch = CommitWatch::default();
        assert!(!watch.give_up_after(Duration::ZERO), "there is none");
        watch.begin();
        assert!(!watch.give_up_after(Duration::from_secs(60)));
        assert!(watch.end());
        assert!(!watch.give_up_after(Duration::ZERO), "it has ended");
        watch.begin();
        std::thread::sleep(Duration::from_millis(2));
        assert!(!watch.give_up_after(Duration::from_millis(1)), "it may be about to end");
        assert!(watch.give_up_after(Duration::from_millis(1)));
        assert!(!watch.end());
        watch.begin();
        assert!(watch.give_up_after(Duration::from_secs(60)), "for good");
    }
}
