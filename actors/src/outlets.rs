//! Outlets: where what transactions ask of the outside world leaves the process.
//!
//! The journal writer lets calls and notices out when their cause is durable, and waits for nobody: where
//! there is no room they are dropped. Nothing is lost by that, since the timer of the transaction asks again;
//! the same timer makes up for what a crash lets fall.
//!
//! Each rail of each tenant, and each tenant that is told of events, has a lane with room of its own, and
//! lanes are emptied by turns. Timers run out in the order in which they were set: in one queue for all, a
//! dead rail with ten thousand open transactions would take the room of every round before anybody else came.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use metrics::{Counter, counter};
use rialto_engine::ids::{RailId, TenantId};
use rialto_engine::transaction::{RailCall, TransactionEvent};

use crate::rails::gates::Gates;

/// Something that leaves by a lane of its tenant.
pub trait Leaving {
    /// The lane. There are no more than the tenant has rails.
    fn lane(&self) -> RailId;
}

impl Leaving for RailCall {
    fn lane(&self) -> RailId {
        self.transaction.rail
    }
}

/// A tenant is told of all its events in one place, whatever rail they concern.
impl Leaving for TransactionEvent {
    fn lane(&self) -> RailId {
        RailId::DIRECT
    }
}

/// An outlet whose lanes have room for so many each.
#[must_use]
pub fn outlet<T: Leaving>(room: usize) -> (OutletSender<T>, OutletReceiver<T>) {
    let lanes = Arc::new(Lanes { room: room.max(1), waiting: Mutex::default(), gates: Gates::default() });
    // One sign is enough for however much there is: whoever sees it takes all.
    let (told, signal) = crossbeam_channel::bounded(1);
    (OutletSender { lanes: Arc::clone(&lanes), told }, OutletReceiver { lanes, signal })
}

/// The sending end. Cheap to clone.
#[derive(Debug)]
pub struct OutletSender<T> {
    lanes: Arc<Lanes<T>>,
    told: Sender<()>,
}

/// The receiving end. Of clones, one may wait at a time.
#[derive(Debug)]
pub struct OutletReceiver<T> {
    lanes: Arc<Lanes<T>>,
    signal: Receiver<()>,
}

#[derive(Debug)]
struct Lanes<T> {
    room: usize,
    waiting: Mutex<Waiting<T>>,
    gates: Gates,
}

type Lane = (TenantId, RailId);

#[derive(Debug)]
struct Waiting<T> {
    /// The lanes that hold something.
    lanes: HashMap<Lane, VecDeque<T>>,
    /// The same in the order of their turns.
    turns: VecDeque<Lane>,
    count: usize,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), count: 0 }
    }
}

impl<T> Clone for OutletSender<T> {
    fn clone(&self) -> Self {
        Self { lanes: Arc::clone(&self.lanes), told: self.told.clone() }
    }
}

impl<T> Clone for OutletReceiver<T> {
    fn clone(&self) -> Self {
        Self { lanes: Arc::clone(&self.lanes), signal: self.signal.clone() }
    }
}

impl<T> OutletSender<T> {
    /// What the other end lets this one know.
    #[must_use]
    pub fn gates(&self) -> &Gates {
        &self.lanes.gates
    }
}

impl<T: Leaving> OutletSender<T> {
    /// Lets something out, if its lane has room. It never waits.
    ///
    /// # Errors
    /// What there is no room for.
    pub fn send(&self, it: (TenantId, T)) -> Result<(), T> {
        self.put(it)?;
        self.tell();
        Ok(())
    }

    /// The same for one of many: the other end does not wake before [`Self::tell`].
    fn put(&self, (tenant, it): (TenantId, T)) -> Result<(), T> {
        let lane = (tenant, it.lane());
        {
            let mut waiting = self.lanes.lock();
            let Waiting { lanes, turns, count } = &mut *waiting;
            let queue = lanes.entry(lane).or_default();
            if queue.len() >= self.lanes.room {
                return Err(it);
            }
            if queue.is_empty() {
                turns.push_back(lane);
            }
            queue.push_back(it);
            *count += 1;
        }
        Ok(())
    }

    fn tell(&self) {
        // Full means that it has been told already.
        self.told.try_send(()).ok();
    }
}

impl<T> OutletReceiver<T> {
    /// What this end lets the other one know.
    #[must_use]
    pub fn gates(&self) -> &Gates {
        &self.lanes.gates
    }

    /// The oldest of the lane whose turn it is.
    #[must_use]
    pub fn try_recv(&self) -> Option<(TenantId, T)> {
        let mut waiting = self.lanes.lock();
        let Waiting { lanes, turns, count } = &mut *waiting;
        let lane = turns.pop_front()?;
        let queue = lanes.get_mut(&lane)?;
        let it = queue.pop_front()?;
        *count -= 1;
        if queue.is_empty() {
            lanes.remove(&lane);
        } else {
            turns.push_back(lane);
        }
        Some((lane.0, it))
    }

    /// The same, and waits for it.
    ///
    /// # Errors
    /// If nothing came in time, or nothing is there and nothing can come any more.
    pub fn recv_timeout(&self, wait: Duration) -> Result<(TenantId, T), RecvTimeoutError> {
        let end = Instant::now() + wait;
        loop {
            if let Some(it) = self.try_recv() {
                return Ok(it);
            }
            match self.signal.recv_deadline(end) {
                Ok(()) => {}
                // What came last is still taken.
                Err(error) => return self.try_recv().ok_or(error),
            }
        }
    }

    /// Tells that something has come since it was last empty; disconnected when nothing can come any more.
    #[must_use]
    pub const fn signal(&self) -> &Receiver<()> {
        &self.signal
    }

    /// How much waits, in all lanes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.lock().count
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Lanes<T> {
    /// Held for a push or a pop, by a thread that panics in neither.
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving ends belong to whoever speaks to rails and to those who must be told of events.
#[derive(Clone, Debug)]
pub struct Outlets {
    /// What is asked of rails.
    pub calls: OutletSender<RailCall>,
    /// Events that somebody outside must be told of, until he has acknowledged them.
    pub notices: OutletSender<TransactionEvent>,
}

/// What rails are asked, as it comes out.
pub type Calls = OutletReceiver<RailCall>;
/// What tenants are told, as it comes out.
pub type Notices = OutletReceiver<TransactionEvent>;

impl Outlets {
    /// Outlets whose lanes have room for so many each, and their other ends.
    #[must_use]
    pub fn with_room(room: usize) -> (Self, Calls, Notices) {
        let ((calls, called), (notices, noticed)) = (outlet(room), outlet(room));
        (Self { calls, notices }, called, noticed)
    }
}

/// The sending ends, as the journal writer holds them.
pub struct OutletSenders {
    outlets: Option<Outlets>,
    calls: Counted,
    notices: Counted,
}

struct Counted {
    sent: Counter,
    dropped: Counter,
}

impl OutletSenders {
    /// Sends to these outlets, or nowhere.
    #[must_use]
    pub fn new(outlets: Option<Outlets>) -> Self {
        let of = |outlet: &'static str| Counted {
            sent: counter!("rialto_outlet_sent_total", "outlet" => outlet),
            dropped: counter!("rialto_outlet_dropped_total", "outlet" => outlet),
        };
        Self { outlets, calls: of("calls"), notices: of("notices") }
    }

    /// Lets out what is durable, as far as there is room.
    pub fn let_out(&self, calls: Vec<(TenantId, RailCall)>, notices: Vec<(TenantId, TransactionEvent)>) {
        if let Some(outlets) = &self.outlets {
            self.calls.let_out(&outlets.calls, calls);
            self.notices.let_out(&outlets.notices, notices);
        } else {
            self.calls.dropped.increment(calls.len() as u64);
            self.notices.dropped.increment(notices.len() as u64);
        }
    }
}

impl Counted {
    /// Whoever carries them is woken once.
    fn let_out<T: Leaving>(&self, outlet: &OutletSender<T>, all: Vec<(TenantId, T)>) {
        if !all.is_empty() {
            all.into_iter().for_each(|it| self.count(outlet.put(it).is_ok()));
            outlet.tell();
        }
    }

    fn count(&self, was_sent: bool) {
        if was_sent { &self.sent } else { &self.dropped }.increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Call(u16, u32);

    impl Leaving for Call {
        fn lane(&self) -> RailId {
            RailId(self.0)
        }
    }

    const ACME: TenantId = TenantId(0);

    #[test]
    fn a_lane_that_is_full_takes_no_room_and_no_turn_from_another() {
        let (sender, receiver) = outlet(4);
        let dead = (0..10_000).filter(|number| sender.send((ACME, Call(1, *number))).is_ok()).count();
        assert_eq!((dead, sender.send((ACME, Call(1, 9)))), (4, Err(Call(1, 9))));
        (0..3).for_each(|number| sender.send((ACME, Call(2, number))).expect("it has room of its own"));
        sender.send((TenantId(1), Call(1, 0))).expect("so has a rail of another tenant by the same number");
        let taken: Vec<_> = std::iter::from_fn(|| receiver.try_recv()).map(|(tenant, it)| (tenant.0, it)).collect();
        let expected = [(0, 1, 0), (0, 2, 0), (1, 1, 0), (0, 1, 1), (0, 2, 1), (0, 1, 2), (0, 2, 2), (0, 1, 3)];
        assert_eq!(taken, expected.map(|(tenant, rail, number)| (tenant, Call(rail, number))), "by turns");
        assert!(receiver.is_empty());
    }

    #[test]
    fn whoever_waits_hears_of_everything_and_then_of_the_end() {
        let (sender, receiver) = outlet(100_000);
        let wait = Duration::from_secs(10);
        let thread = std::thread::spawn(move || {
            for number in 0..50_000 {
                sender.clone().send((ACME, Call(u16::try_from(number % 3).expect("small"), number))).expect("room");
            }
        });
        let mut last = [None; 3];
        for _ in 0..50_000 {
            let (_, Call(lane, number)) = receiver.recv_timeout(wait).expect("it comes");
            assert!(last[usize::from(lane)].replace(number) < Some(number), "in the order of its lane");
        }
        thread.join().expect("it ends");
        assert_eq!(receiver.recv_timeout(wait), Err(RecvTimeoutError::Disconnected));
        let (_sender, receiver) = outlet::<Call>(1);
        assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
    }
}
