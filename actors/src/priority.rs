//! Threads that give way.

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// From now on the calling thread runs when no other wants its processor, which the kernel takes from it the moment
/// another wakes up (`SCHED_IDLE` of sched(7)). A low priority alone would not do: a thread of the lowest one keeps
/// its processor until the next tick of the clock, which is 4 ms where an order takes one.
///
/// Whoever runs like this must hold no lock that an order waits for.
pub fn run_when_idle() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

/// The calling thread has the lowest priority from now on. Its share stays large enough to go on where both
/// processors are busy all the time.
pub fn yield_to_others() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use thread_priority::thread_schedule_policy;

    use super::*;

    #[test]
    fn a_thread_that_gives_way_is_idle_and_no_other_is() {
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let of_another = std::thread::spawn(|| {
            run_when_idle();
            thread_schedule_policy().expect("a policy")
        });
        assert_eq!(of_another.join().expect("ends"), idle);
        assert_ne!(thread_schedule_policy().expect("a policy"), idle);
    }
}
