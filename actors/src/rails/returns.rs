//! The way back: what rails and messengers say goes to the wallets.
//!
//! One bounded queue and one thread. While the exchange is busy or is being rebuilt, what was said waits
//! there in order; what does not fit is dropped and counted, because the timer of its transaction asks
//! again.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, select};
use metrics::{Counter, counter};
use rialto_engine::ids::TenantId;
use rialto_engine::transaction::{Report, TransactionCommand};

use crate::api::Refused;
use crate::clock;

/// Hands a command to its tenant's wallet, whose answer nobody waits for.
pub type Sink = Arc<dyn Fn(TenantId, TransactionCommand) -> Result<(), Refused> + Send + Sync>;

/// How long to wait before a busy exchange is asked again, at first and at most.
const WAIT: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(100)];
/// That a rail does not know a transaction holds for a moment only: it may be handed over again.
const FLEETING: Duration = Duration::from_secs(1);

/// The sending end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Returns {
    queue: Sender<Returned>,
    dropped: Counter,
}

#[derive(Debug)]
struct Returned {
    tenant: TenantId,
    command: TransactionCommand,
    /// By [`clock::monotonic`].
    since: u64,
}

impl Returns {
    /// Starts the thread. It ends when all senders are gone, or the other end of `stopped` is.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(sink: Sink, capacity: usize, stopped: Receiver<()>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, queue) = crossbeam_channel::bounded(capacity);
        let dropped = counter!("rialto_rail_returns_dropped_total");
        let run = move || carry(&sink, &queue, &stopped);
        let thread = std::thread::Builder::new().name("rialto-returns".to_owned()).spawn(run)?;
        Ok((Self { queue: sender, dropped }, thread))
    }

    /// Hands a command over, if there is room.
    pub fn hand(&self, tenant: TenantId, command: TransactionCommand) {
        let returned = Returned { tenant, command, since: clock::monotonic() };
        if self.queue.try_send(returned).is_err() {
            self.dropped.increment(1);
        }
    }
}

fn carry(sink: &Sink, queue: &Receiver<Returned>, stopped: &Receiver<()>) {
    let [first, longest] = WAIT;
    loop {
        // Nobody sends anything over `stopped`: it ends the wait when its other end is dropped.
        let returned = select! {
            recv(stopped) -> _ => return,
            recv(queue) -> returned => match returned {
                Ok(returned) => returned,
                Err(_) => return,
            },
        };
        let mut wait = first;
        while !returned.is_stale() {
            match sink(returned.tenant, returned.command.clone()) {
                Ok(()) | Err(Refused::UnknownTenant) => break,
                Err(Refused::Busy | Refused::Unavailable) => {}
            }
            if stopped.recv_timeout(wait).is_err_and(|error| error.is_disconnected()) {
                return;
            }
            wait = (wait * 2).min(longest);
        }
    }
}

impl Returned {
    fn is_stale(&self) -> bool {
        let is_fleeting = matches!(self.command, TransactionCommand::Report { report: Report::Unknown, .. });
        let age = Duration::from_nanos(clock::monotonic().saturating_sub(self.since));
        is_fleeting && age > FLEETING
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rialto_engine::ids::RailId;
    use rialto_engine::units::Nanos;

    use super::*;

    fn report(report: Report) -> TransactionCommand {
        TransactionCommand::Report { rail: RailId(1), id: None, report, time: Nanos::ZERO }
    }

    #[test]
    fn what_a_busy_exchange_refuses_waits_in_order_and_what_has_no_room_is_dropped() {
        let taken = Arc::new(Mutex::new((9, Vec::new())));
        let sink: Sink = {
            let taken = Arc::clone(&taken);
            Arc::new(move |tenant, command| {
                let mut taken = taken.lock().expect("whole");
                if taken.0 > 0 {
                    taken.0 -= 1;
                    return Err(Refused::Busy);
                }
                taken.1.push((tenant.0, command));
                Ok(())
            })
        };
        let (_stop, stopped) = crossbeam_channel::bounded(0);
        let (returns, thread) = Returns::start(sink, 3, stopped).expect("starts");
        (0..20).for_each(|tenant| returns.hand(TenantId(tenant), report(Report::Accepted)));
        drop(returns);
        thread.join().expect("ends");
        let taken = taken.lock().expect("whole");
        let tenants: Vec<u32> = taken.1.iter().map(|(tenant, _)| *tenant).collect();
        assert!((3..=4).contains(&tenants.len()), "{tenants:?}");
        assert_eq!(tenants, (0..u32::try_from(tenants.len()).expect("few")).collect::<Vec<_>>());
    }

    #[test]
    fn it_stops_although_the_exchange_stays_away() {
        let (stop, stopped) = crossbeam_channel::bounded(0);
        let sink: Sink = Arc::new(|_, _| Err(Refused::Unavailable));
        let (returns, thread) = Returns::start(sink, 3, stopped).expect("starts");
        returns.hand(TenantId(0), report(Report::Accepted));
        drop(stop);
        thread.join().expect("ends although a sender is left");
        drop(returns);
    }

    #[test]
    fn only_that_nothing_is_known_grows_stale() {
        std::thread::sleep(Duration::from_millis(2));
        let returned = |report_, since| Returned { tenant: TenantId(0), command: report(report_), since };
        let now = clock::monotonic() + 2_000_000_000;
        assert!(!returned(Report::Unknown, now).is_stale());
        assert!(!returned(Report::Accepted, 0).is_stale());
    }
}
