//! The hot loop: one thread, a few connections, one schedule.
//!
//! Each turn sends what is due on all its connections, flushes each of them once, sleeps until
//! the next request is due or a reply is there, and reads what came. It needs no runtime: a turn
//! is one `poll` and at most one `write` and a few `read`s per connection, however many requests
//! it carries.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::client::{Envelope, unix_ms};
use crate::run::wire::{self, Random};
use crate::run::workload::{Asked, Operation, Trader, Walk};

/// How requests are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Open loop: evenly spaced requests, whether replies come or not. The threads interleave:
    /// together they keep one schedule.
    Schedule {
        /// Requests a second of all threads together.
        rate: u64,
        /// The number of this thread.
        thread: u64,
        /// How many threads there are.
        threads: u64,
    },
    /// Closed loop: as many as leave so many unanswered on each connection.
    Window(usize),
}

impl Pace {
    /// When the request of this thread with that number is due; `None` in a closed loop.
    fn due_ns(self, asked: u64) -> Option<u64> {
        match self {
            Self::Schedule { rate, thread, threads } => {
                let number = thread + asked * threads;
                Some(number / rate * 1_000_000_000 + number % rate * 1_000_000_000 / rate)
            }
            Self::Window(_) => None,
        }
    }

    /// How many requests of this thread were due before `end_ns` beyond the first `asked`.
    fn unasked(self, asked: u64, end_ns: u64) -> u64 {
        match self {
            Self::Schedule { rate, thread, threads } => {
                let all = u128::from(rate) * u128::from(end_ns) / 1_000_000_000;
                (all as u64).saturating_sub(thread).div_ceil(threads).saturating_sub(asked)
            }
            Self::Window(_) => 0,
        }
    }
}

/// What a thread of the generator needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How requests are started.
    pub pace: Pace,
    /// Time zero of the schedule, shared by all threads.
    pub epoch: Instant,
    /// What is asked before this is not counted.
    pub warmup_ns: u64,
    /// Nothing is asked from then on.
    pub end_ns: u64,
    /// How long to wait for the last replies.
    pub drain_ns: u64,
    /// The least time between two batches of requests.
    pub batch_ns: u64,
    /// Seeds masks and samples.
    pub seed: u64,
    /// How many accepted orders to remember for the proof.
    pub sample: usize,
}

/// An accepted order, remembered for the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The number of its connection.
    pub connection: usize,
    /// Its number in the client id.
    pub number: u64,
}

/// One second of the timeline, by the time at which requests were due.
#[derive(Debug, Clone)]
pub struct Second {
    /// Requests that left.
    pub sent: u64,
    /// Replies, good or bad.
    pub answered: u64,
    /// Error replies that are no misses.
    pub errors: u64,
    /// Latencies of all replies in microseconds.
    pub latency_us: Histogram<u64>,
}

/// What a thread measured.
#[derive(Debug)]
pub struct Tally {
    /// Requests that left, after the warm-up.
    pub sent: u64,
    /// Good replies to those.
    pub acknowledged: u64,
    /// Error replies to those.
    pub refused: u64,
    /// Error replies that say that the order was already gone.
    pub misses: u64,
    /// Error replies by code, misses included.
    pub errors_by_code: BTreeMap<i64, u64>,
    /// Requests whose connection broke before the reply.
    pub lost_replies: u64,
    /// Requests that were due while their connection was down or stuffed.
    pub unsent: u64,
    /// Requests without a reply at the end.
    pub unanswered: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Connections that broke.
    pub disconnects: u64,
    /// Requests that left more than a millisecond late.
    pub late: u64,
    /// How late requests left, in microseconds.
    pub lag_us: Histogram<u64>,
    /// Latencies of good replies in microseconds, by operation.
    pub latency_us: [Histogram<u64>; 5],
    /// Latencies of error replies in microseconds.
    pub refused_us: Histogram<u64>,
    /// By second after the warm-up.
    pub timeline: Vec<Second>,
    /// A uniform sample of the orders that were accepted, warm-up included.
    pub accepted: Vec<Accepted>,
    /// How many were accepted.
    pub accepted_count: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Processor time of the thread.
    pub cpu_ns: u64,
}

/// Latencies as every report shows them: 1 µs to 60 s, three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("valid bounds")
}

impl Second {
    /// A second in which nothing happened.
    pub fn new() -> Self {
        // Two digits keep an hour of seconds within a few hundred megabytes.
        let latency_us = Histogram::new_with_bounds(1, 60_000_000, 2).expect("valid bounds");
        Self { sent: 0, answered: 0, errors: 0, latency_us }
    }
}

impl Default for Second {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    fn new(seconds: usize) -> Self {
        Self {
            sent: 0,
            acknowledged: 0,
            refused: 0,
            misses: 0,
            errors_by_code: BTreeMap::new(),
            lost_replies: 0,
            unsent: 0,
            unanswered: 0,
            unreadable: 0,
            disconnects: 0,
            late: 0,
            lag_us: histogram(),
            latency_us: std::array::from_fn(|_| histogram()),
            refused_us: histogram(),
            timeline: (0..seconds).map(|_| Second::new()).collect(),
            accepted: Vec::new(),
            accepted_count: 0,
            turns: 0,
            cpu_ns: 0,
        }
    }
}

struct Pending {
    due_ns: u64,
    asked: Asked,
    is_answered: bool,
}

/// Opens a logged-on connection again, or gives up at the end of the run; blocks its thread.
pub type Dial = std::sync::Arc<dyn Fn(usize) -> Option<TcpStream> + Send + Sync>;

/// One connection, its trader and its unanswered requests.
pub struct Link {
    connection: usize,
    market: usize,
    trader: Trader,
    socket: Option<TcpStream>,
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    filled: usize,
    fragments: Vec<u8>,
    first_id: u64,
    pending: VecDeque<Pending>,
}

/// Beyond this the server does not read what it is sent, and asking more measures nothing.
const OUT_MAX: usize = 8 << 20;
const INPUT: usize = 256 << 10;
/// Requests written before replies are looked at again.
const BATCH_MAX: usize = 4_096;

impl Link {
    /// A connection that is logged on; `socket` must be non-blocking.
    pub fn new(connection: usize, market: usize, trader: Trader, socket: TcpStream) -> Self {
        Self {
            connection,
            market,
            trader,
            socket: Some(socket),
            out: Vec::with_capacity(INPUT),
            written: 0,
            input: vec![0; INPUT],
            filled: 0,
            fragments: Vec::new(),
            first_id: 1,
            pending: VecDeque::with_capacity(4_096),
        }
    }

    /// The number of the connection in the run.
    pub fn connection(&self) -> usize {
        self.connection
    }

    /// The trader of the connection.
    pub fn trader(&self) -> &Trader {
        &self.trader
    }

    fn flush(&mut self) -> Result<(), std::io::Error> {
        let Some(socket) = &mut self.socket else {
            return Ok(());
        };
        while self.written < self.out.len() {
            match socket.write(&self.out[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }
}

/// The place of a link, and its new socket.
type Redialled = (usize, TcpStream);

/// A thread of the generator.
pub struct Generator {
    settings: Settings,
    links: Vec<Link>,
    walks: Vec<Walk>,
    random: Random,
    request: Vec<u8>,
    tally: Tally,
    dial: Dial,
    redialled: mpsc::Receiver<Redialled>,
    redial: mpsc::Sender<Redialled>,
    asked: u64,
    unix_epoch_ms: u64,
}

impl Generator {
    /// A generator over its links; `walks` has one entry per market of the run.
    pub fn new(settings: Settings, links: Vec<Link>, walks: Vec<Walk>, dial: Dial) -> Self {
        let seconds = settings.end_ns.saturating_sub(settings.warmup_ns).div_ceil(1_000_000_000);
        let (redial, redialled) = mpsc::channel();
        let elapsed_ms = settings.epoch.elapsed().as_millis() as u64;
        Self {
            random: Random::new(settings.seed),
            tally: Tally::new(seconds as usize),
            unix_epoch_ms: unix_ms() - elapsed_ms,
            settings,
            links,
            walks,
            request: Vec::with_capacity(1_024),
            dial,
            redialled,
            redial,
            asked: 0,
        }
    }

    /// Runs until the end of the schedule and the last reply.
    pub fn run(mut self) -> (Tally, Vec<Link>) {
        // The default slack lets timers fire 50 µs late, which would be measured as latency.
        #[cfg(target_os = "linux")]
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1_000));

        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let cpu_before = cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64;
        std::thread::sleep(self.settings.epoch.saturating_duration_since(Instant::now()));
        let mut ready = vec![false; self.links.len()];
        let mut batch_at = 0;
        let mut give_up_ns = self.settings.end_ns + self.settings.drain_ns;
        loop {
            let now_ns = self.now_ns();
            if now_ns >= batch_at && !self.is_over(now_ns) {
                batch_at = now_ns + self.settings.batch_ns;
                self.ask(now_ns);
                // What is due is asked, late or not; the drain begins behind the last request.
                if self.is_over(now_ns) {
                    give_up_ns = give_up_ns.max(now_ns + self.settings.drain_ns);
                }
            }
            let is_over = self.is_over(now_ns);
            let is_answered = self.links.iter().all(|link| link.pending.is_empty());
            if (is_over && is_answered) || now_ns >= give_up_ns {
                break;
            }
            let wake_ns = if is_over { now_ns + 10_000_000 } else { self.next_due_ns(now_ns).max(batch_at) };
            self.wait(wake_ns, &mut ready);
            for (index, is_ready) in ready.iter().enumerate() {
                if *is_ready {
                    self.serve(index);
                }
            }
            self.take_redialled();
            self.tally.turns += 1;
        }

        for link in &self.links {
            let warmup_ns = self.settings.warmup_ns;
            let is_open = |pending: &&Pending| !pending.is_answered && pending.due_ns >= warmup_ns;
            self.tally.unanswered += link.pending.iter().filter(is_open).count() as u64;
        }
        self.tally.unsent += self.settings.pace.unasked(self.asked, self.settings.end_ns);
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        self.tally.cpu_ns = cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64 - cpu_before;
        (self.tally, self.links)
    }

    /// Everything of the schedule was asked.
    fn is_over(&self, now_ns: u64) -> bool {
        self.settings.pace.due_ns(self.asked).unwrap_or(now_ns) >= self.settings.end_ns
    }

    fn now_ns(&self) -> u64 {
        self.settings.epoch.elapsed().as_nanos() as u64
    }

    fn next_due_ns(&self, now_ns: u64) -> u64 {
        let due_ns = self.settings.pace.due_ns(self.asked).unwrap_or(now_ns + 10_000_000);
        due_ns.min(self.settings.end_ns)
    }

    /// Asks everything that is due and flushes every connection once.
    fn ask(&mut self, now_ns: u64) {
        match self.settings.pace {
            Pace::Window(window) => self.fill_windows(window, now_ns),
            Pace::Schedule { .. } => self.keep_schedule(now_ns),
        }
    }

    fn keep_schedule(&mut self, now_ns: u64) {
        let first = self.asked;
        while let Some(due_ns) = self.settings.pace.due_ns(self.asked)
            && due_ns <= now_ns
            && due_ns < self.settings.end_ns
            && self.asked - first < BATCH_MAX as u64
        {
            let index = self.asked as usize % self.links.len();
            self.asked += 1;
            self.ask_one(index, due_ns, now_ns);
        }
        self.flush_all();
        let sent_ns = self.now_ns();
        for due_ns in (first..self.asked).filter_map(|asked| self.settings.pace.due_ns(asked)) {
            if due_ns >= self.settings.warmup_ns {
                let lag_us = (sent_ns - due_ns) / 1_000;
                self.tally.lag_us.saturating_record(lag_us.max(1));
                self.tally.late += u64::from(lag_us > 1_000);
            }
        }
    }

    fn fill_windows(&mut self, window: usize, now_ns: u64) {
        for index in 0..self.links.len() {
            let free = window.saturating_sub(self.links[index].pending.len());
            if self.links[index].socket.is_some() {
                for _ in 0..free.min(BATCH_MAX) {
                    self.ask_one(index, now_ns, now_ns);
                }
            }
        }
        self.flush_all();
    }

    fn ask_one(&mut self, index: usize, due_ns: u64, now_ns: u64) {
        let link = &mut self.links[index];
        let second = second_of(&self.settings, due_ns);
        if link.socket.is_none() || link.out.len() > OUT_MAX {
            self.tally.unsent += u64::from(second.is_some());
            return;
        }
        let middle_ticks = self.walks[link.market].middle(now_ns);
        let id = link.first_id + link.pending.len() as u64;
        let timestamp_ms = self.unix_epoch_ms + now_ns / 1_000_000;
        let asked = link.trader.write_request(&mut self.request, id, middle_ticks, timestamp_ms);
        wire::write_frame(&mut link.out, wire::TEXT, &self.request, &mut self.random);
        link.pending.push_back(Pending { due_ns, asked, is_answered: false });
        if let Some(second) = second {
            self.tally.sent += 1;
            self.tally.timeline[second].sent += 1;
        }
    }

    fn flush_all(&mut self) {
        for index in 0..self.links.len() {
            if !self.links[index].out.is_empty() && self.links[index].flush().is_err() {
                self.disconnect(index);
            }
        }
    }

    /// Sleeps until a socket is ready or `wake_ns` has come.
    fn wait(&self, wake_ns: u64, ready: &mut [bool]) {
        let mut polled = Vec::with_capacity(self.links.len());
        let mut indices = Vec::with_capacity(self.links.len());
        for (index, link) in self.links.iter().enumerate() {
            if let Some(socket) = &link.socket {
                let writes = if link.out.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
                polled.push(PollFd::new(socket, PollFlags::IN | writes));
                indices.push(index);
            }
        }
        let sleep = Duration::from_nanos(wake_ns.saturating_sub(self.now_ns()));
        let timeout = Timespec::try_from(sleep).expect("a short time");
        ready.fill(false);
        if poll(&mut polled, Some(&timeout)).is_ok() {
            for (polled, index) in polled.iter().zip(indices) {
                ready[index] = !polled.revents().is_empty();
            }
        }
    }

    /// Writes what waits and reads what came.
    fn serve(&mut self, index: usize) {
        if self.links[index].flush().is_err() {
            return self.disconnect(index);
        }
        loop {
            let link = &mut self.links[index];
            let Some(socket) = &mut link.socket else {
                return;
            };
            if link.filled == link.input.len() {
                // A single message larger than the buffer.
                link.input.resize(2 * link.input.len(), 0);
            }
            let room = link.input.len() - link.filled;
            match socket.read(&mut link.input[link.filled..]) {
                Ok(0) => return self.disconnect(index),
                Ok(count) => {
                    link.filled += count;
                    if !self.take_frames(index) {
                        return self.disconnect(index);
                    }
                    if count < room {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_broken) => return self.disconnect(index),
            }
        }
    }

    /// Takes all whole frames of the receive buffer; false where the server closes.
    fn take_frames(&mut self, index: usize) -> bool {
        let now_ns = self.now_ns();
        let mut input = std::mem::take(&mut self.links[index].input);
        let filled = self.links[index].filled;
        let mut taken = 0;
        let mut goes_on = true;
        while let Some(frame) = wire::read_frame(&input[taken..filled]) {
            taken += frame.length;
            match frame.opcode {
                wire::CLOSE => goes_on = false,
                wire::PING => {
                    let link = &mut self.links[index];
                    wire::write_frame(&mut link.out, wire::PONG, frame.payload, &mut self.random);
                }
                wire::PONG => {}
                _ if frame.is_final && self.links[index].fragments.is_empty() => {
                    self.take_message(index, frame.payload, now_ns);
                }
                _ => {
                    let mut fragments = std::mem::take(&mut self.links[index].fragments);
                    fragments.extend_from_slice(frame.payload);
                    if frame.is_final {
                        self.take_message(index, &fragments, now_ns);
                        fragments.clear();
                    }
                    self.links[index].fragments = fragments;
                }
            }
        }
        input.copy_within(taken..filled, 0);
        let link = &mut self.links[index];
        link.input = input;
        link.filled = filled - taken;
        goes_on
    }

    fn take_message(&mut self, index: usize, payload: &[u8], now_ns: u64) {
        let (id, failure) = match wire::scan_reply(payload) {
            Some((id, 200)) => (id, None),
            _ => {
                let text = std::str::from_utf8(payload).unwrap_or_default();
                match Envelope::parse(text) {
                    Ok(Envelope { event: Some(_), .. }) => return,
                    Ok(envelope) => match (envelope.id, envelope.outcome().err()) {
                        (Some(id), failure) => (id, failure),
                        (None, _) => return self.tally.unreadable += 1,
                    },
                    Err(_unreadable) => return self.tally.unreadable += 1,
                }
            }
        };
        let link = &mut self.links[index];
        let at = id.wrapping_sub(link.first_id);
        let pending = usize::try_from(at).ok().and_then(|at| link.pending.get_mut(at));
        let Some(pending) = pending.filter(|pending| !pending.is_answered) else {
            return self.tally.unreadable += 1;
        };
        pending.is_answered = true;
        let (due_ns, asked) = (pending.due_ns, pending.asked);
        while link.pending.front().is_some_and(|pending| pending.is_answered) {
            link.pending.pop_front();
            link.first_id += 1;
        }
        self.count(index, due_ns, asked, failure.map(|failure| failure.code), now_ns);
    }

    fn count(&mut self, index: usize, due_ns: u64, asked: Asked, code: Option<i64>, now_ns: u64) {
        let operation: Operation = asked.operation;
        if code.is_some() && operation.makes_an_order() {
            self.links[index].trader.forget(asked.number);
        }
        if code.is_none() && operation.makes_an_order() {
            self.remember(Accepted { connection: self.links[index].connection, number: asked.number });
        }
        let Some(second) = second_of(&self.settings, due_ns) else {
            return;
        };
        let latency_us = (now_ns.saturating_sub(due_ns) / 1_000).max(1);
        let timeline = &mut self.tally.timeline[second];
        timeline.answered += 1;
        timeline.latency_us.saturating_record(latency_us);
        match code {
            None => {
                self.tally.acknowledged += 1;
                self.tally.latency_us[operation as usize].saturating_record(latency_us);
            }
            Some(code) => {
                let is_miss = operation.is_miss(code);
                timeline.errors += u64::from(!is_miss);
                self.tally.refused += 1;
                self.tally.misses += u64::from(is_miss);
                *self.tally.errors_by_code.entry(code).or_default() += 1;
                self.tally.refused_us.saturating_record(latency_us);
            }
        }
    }

    /// Reservoir sampling: every accepted order has the same chance to be kept.
    fn remember(&mut self, accepted: Accepted) {
        self.tally.accepted_count += 1;
        if self.tally.accepted.len() < self.settings.sample {
            self.tally.accepted.push(accepted);
        } else {
            let at = self.random.below(self.tally.accepted_count) as usize;
            if let Some(slot) = self.tally.accepted.get_mut(at) {
                *slot = accepted;
            }
        }
    }

    fn disconnect(&mut self, index: usize) {
        let link = &mut self.links[index];
        if link.socket.take().is_none() {
            return;
        }
        self.tally.disconnects += 1;
        let warmup_ns = self.settings.warmup_ns;
        let is_open = |pending: &&Pending| !pending.is_answered && pending.due_ns >= warmup_ns;
        self.tally.lost_replies += link.pending.iter().filter(is_open).count() as u64;
        link.first_id += link.pending.len() as u64;
        link.pending.clear();
        link.out.clear();
        link.written = 0;
        link.filled = 0;
        link.fragments.clear();
        let (dial, redial) = (std::sync::Arc::clone(&self.dial), self.redial.clone());
        let connection = link.connection;
        // A thread, because the schedule of the other connections must not wait.
        std::thread::spawn(move || {
            if let Some(socket) = dial(connection) {
                let _ = redial.send((index, socket));
            }
        });
    }

    fn take_redialled(&mut self) {
        while let Ok((index, socket)) = self.redialled.try_recv() {
            self.links[index].socket = Some(socket);
        }
    }
}

/// The second of the timeline in which a request was due; none during the warm-up.
fn second_of(settings: &Settings, due_ns: u64) -> Option<usize> {
    let measured_ns = due_ns.checked_sub(settings.warmup_ns)?;
    Some((measured_ns / 1_000_000_000) as usize)
}
