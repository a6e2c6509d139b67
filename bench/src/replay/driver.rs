//! Sends the plan through one connection, in order, across disconnects.
//!
//! The venue must see the commands in the order of the flow. While a connection lives that is so
//! by construction. When it breaks, what the venue accepted is a prefix of what was sent; so after
//! the next logon every request without an answer is sent again, one at a time and in order, and
//! only then does the pipeline go on.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Deserialize;
use tokio::time::Instant;

use crate::client::{Connection, Envelope, unix_ms};
use crate::error::{Error, Failure};
use crate::replay::plan::{OrderIndex, Plan, Request, Wire};
use crate::replay::stream::Subject;

/// How fast to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// As fast as the window allows.
    Max,
    /// The recorded times, divided by this.
    Times(u32),
}

impl Speed {
    fn due(self, started: Instant, offset_ns: u64) -> Option<Instant> {
        match self {
            Self::Max => None,
            Self::Times(factor) => Some(started + Duration::from_nanos(offset_ns / u64::from(factor))),
        }
    }
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = match text {
            "max" => return Ok(Self::Max),
            "realtime" => "1",
            _ => text.strip_suffix('x').unwrap_or_default(),
        };
        match factor.parse() {
            Ok(factor) if factor > 0 => Ok(Self::Times(factor)),
            _ => Err("a speed is max, realtime, or a factor such as 100x".into()),
        }
    }
}

/// The limits of a replay.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How fast to send.
    pub speed: Speed,
    /// The most requests without an answer.
    pub window: usize,
    /// How long to go on trying without any progress.
    pub patience: Duration,
    /// How long one answer may take before the connection counts as dead.
    pub reply_timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Unsent,
    Sent,
    Settled,
}

/// Why a connection can no longer be used.
enum Broken {
    /// Connect again and go on.
    Lost(String),
    /// Nothing will help.
    Fatal(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        match error {
            Error::Transport(reason) => Self::Lost(reason),
            fatal => Self::Fatal(fatal),
        }
    }
}

/// The state of a replay, and afterwards its record.
pub struct Driver<'a> {
    subject: &'a Subject,
    plan: &'a Plan,
    limits: Limits,
    marks: Vec<Mark>,
    sent_at: Vec<Option<Instant>>,
    next: usize,
    settled: usize,
    next_call: u64,
    started: Instant,
    last_progress: Instant,
    last_heard: Instant,
    /// Connections lost after the first logon.
    pub reconnects: u64,
    /// Requests sent again.
    pub resent: u64,
    /// Why the last connection was lost.
    pub last_loss: Option<String>,
    /// Errors that the plan does not expect: the command's number and the failure.
    pub unexpected: Vec<(usize, Failure)>,
    /// All error replies by code.
    pub errors_by_code: BTreeMap<i64, u64>,
    /// The venue's order ids, as far as replies told them.
    pub order_ids: HashMap<u64, OrderIndex>,
    /// From the send, or from the recorded time where the speed follows it, to the answer, in
    /// microseconds; without what was sent again.
    pub latency_us: Histogram<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderReply {
    order_id: Option<u64>,
    client_order_id: Option<String>,
    orig_qty: Option<String>,
    status: Option<String>,
    new_order_response: Option<Box<OrderReply>>,
}

impl<'a> Driver<'a> {
    /// A driver that has sent nothing yet.
    pub fn new(subject: &'a Subject, plan: &'a Plan, limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            subject,
            plan,
            limits,
            marks: vec![Mark::Unsent; plan.requests.len()],
            sent_at: vec![None; plan.requests.len()],
            next: 0,
            settled: 0,
            next_call: plan.requests.len() as u64,
            started: now,
            last_progress: now,
            last_heard: now,
            reconnects: 0,
            resent: 0,
            last_loss: None,
            unexpected: Vec::new(),
            errors_by_code: BTreeMap::new(),
            order_ids: HashMap::new(),
            latency_us: Histogram::new_with_bounds(1, 60_000_000, 3).expect("valid bounds"),
        }
    }

    /// Sends everything and waits for every answer.
    ///
    /// # Errors
    /// When nothing moved for the patience of the limits, or the credentials are refused.
    pub async fn run(&mut self) -> Result<(), Error> {
        self.started = Instant::now();
        self.last_progress = self.started;
        loop {
            let mut connection = connect(self.subject, self.limits.patience).await?;
            match self.drive(&mut connection).await {
                Ok(()) => return Ok(()),
                Err(Broken::Fatal(error)) => return Err(error),
                Err(Broken::Lost(reason)) => {
                    if self.last_progress.elapsed() > self.limits.patience {
                        return Err(Error::Transport(format!(
                            "no progress for {:?}; last: {reason}",
                            self.limits.patience
                        )));
                    }
                    self.reconnects += 1;
                    self.last_loss = Some(reason);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    async fn drive(&mut self, connection: &mut Connection) -> Result<(), Broken> {
        for index in 0..self.next {
            if self.marks[index] == Mark::Sent {
                self.resent += 1;
                let outcome = self.resend(connection, index).await?;
                self.settle(index, outcome);
            }
        }
        self.pipeline(connection).await
    }

    async fn pipeline(&mut self, connection: &mut Connection) -> Result<(), Broken> {
        let wire = Wire { market: &self.subject.market, plan: self.plan };
        self.last_heard = Instant::now();
        while self.settled < self.marks.len() {
            let mut wake = Instant::now() + self.limits.reply_timeout;
            while self.next < self.marks.len() && self.next - self.settled < self.limits.window {
                let index = self.next;
                let due = self.limits.speed.due(self.started, self.plan.offset_ns[index]);
                if let Some(due) = due.filter(|due| *due > Instant::now()) {
                    wake = due;
                    break;
                }
                let (method, params) = wire.render(self.plan.requests[index], unix_ms());
                if self.next == self.settled {
                    self.last_heard = Instant::now();
                }
                // Marked before it is sent: a request that may have left counts as sent.
                self.marks[index] = Mark::Sent;
                self.sent_at[index] = Some(due.unwrap_or_else(Instant::now));
                self.next += 1;
                connection.send(index as u64, method, &params)?;
            }
            match tokio::time::timeout_at(wake, connection.receive()).await {
                Ok(text) => {
                    self.last_heard = Instant::now();
                    self.take(&text?)?;
                }
                Err(_elapsed) => {
                    let is_waiting = self.next > self.settled;
                    if is_waiting && self.last_heard.elapsed() >= self.limits.reply_timeout {
                        let reason = format!("no answer for {:?}", self.limits.reply_timeout);
                        return Err(Broken::Lost(reason));
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a message of the pipeline.
    fn take(&mut self, text: &str) -> Result<(), Broken> {
        let envelope = Envelope::parse(text)?;
        let index = match envelope.id.map(usize::try_from) {
            Some(Ok(index)) if self.marks.get(index) == Some(&Mark::Sent) => index,
            _ => return Ok(()),
        };
        let outcome = envelope.outcome();
        if let Err(failure) = &outcome
            && failure.is_outcome_unknown()
        {
            return Err(Broken::Lost(format!("the venue does not know: {failure}")));
        }
        if let Some(sent_at) = self.sent_at[index] {
            let elapsed_us = sent_at.elapsed().as_micros() as u64;
            self.latency_us.saturating_record(elapsed_us.max(1));
        }
        self.settle(index, outcome.map(str::to_owned));
        Ok(())
    }

    fn settle(&mut self, index: usize, outcome: Result<String, Failure>) {
        self.marks[index] = Mark::Settled;
        self.settled += 1;
        self.last_progress = Instant::now();
        match outcome {
            Ok(result) => self.learn(&result),
            Err(failure) => {
                *self.errors_by_code.entry(failure.code).or_default() += 1;
                let is_expected = matches!(self.plan.requests[index], Request::Cancel { gone: true, .. })
                    && failure.is_unknown_order();
                if !is_expected {
                    self.unexpected.push((index + 1, failure));
                }
            }
        }
    }

    fn learn(&mut self, result: &str) {
        let Ok(reply) = serde_json::from_str::<OrderReply>(result) else {
            return;
        };
        let reply = reply.new_order_response.as_deref().unwrap_or(&reply).placed();
        if let Some((order_id, client_id)) = reply
            && let Some(order) = self.plan.by_client_id.get(&client_id)
        {
            self.order_ids.insert(order_id, *order);
        }
    }

    /// Sends a request again whose fate is unknown, and finds out.
    ///
    /// The outer error is a broken connection; the inner one the final answer.
    async fn resend(&mut self, connection: &mut Connection, index: usize) -> Result<Result<String, Failure>, Broken> {
        let request = self.plan.requests[index];
        let outcome = self.call(connection, request).await?;
        let Err(failure) = outcome else {
            return Ok(outcome);
        };
        let was_done = Ok(Ok("null".to_owned()));
        match request {
            Request::Place { .. } if failure.is_duplicate_order() => was_done,
            Request::Cancel { .. } if failure.is_unknown_order() => was_done,
            Request::Place { .. } | Request::Cancel { .. } => Ok(Err(failure)),
            Request::Amend { order, quantity } => {
                let found = self.look_up(connection, order).await?;
                let found = found.and_then(|reply| reply.orig_qty);
                match found.and_then(|text| self.subject.market.lot.count(&text)) {
                    // Less, where a later reduction was carried out too: totals only shrink.
                    Some(now) if now <= quantity => was_done,
                    Some(_not_yet) => self.call(connection, request).await,
                    None => Ok(Err(failure)),
                }
            }
            Request::Replace { old, order } => {
                if self.look_up(connection, order).await?.is_some() {
                    return was_done;
                }
                let old = self.look_up(connection, old).await?.and_then(|reply| reply.status);
                if old.is_some_and(|status| status == "NEW" || status == "PARTIALLY_FILLED") {
                    return self.call(connection, request).await;
                }
                // The cancel was done and the order was not placed.
                let place = Request::Place { order, immediate_or_cancel: false };
                self.call(connection, place).await
            }
        }
    }

    /// Calls alone, so that a busy venue can be asked again without harm to the order.
    async fn call(&mut self, connection: &mut Connection, request: Request) -> Result<Result<String, Failure>, Broken> {
        let wire = Wire { market: &self.subject.market, plan: self.plan };
        let started = Instant::now();
        loop {
            let (method, params) = wire.render(request, unix_ms());
            match self.ask(connection, method, &params).await {
                Ok(result) => return Ok(Ok(result)),
                Err(Error::Refused(failure)) if failure.is_outcome_unknown() => {
                    return Err(Broken::Lost(format!("the venue does not know: {failure}")));
                }
                Err(Error::Refused(failure)) if failure.is_busy() && started.elapsed() < self.limits.patience => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(Error::Refused(failure)) => return Ok(Err(failure)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One call under a fresh id, within the reply timeout of the limits.
    async fn ask(&mut self, connection: &mut Connection, method: &str, params: &str) -> Result<String, Error> {
        self.next_call += 1;
        let reply = connection.call(self.next_call, method, params);
        tokio::time::timeout(self.limits.reply_timeout, reply).await.unwrap_or_else(|_elapsed| {
            let timeout = self.limits.reply_timeout;
            Err(Error::Transport(format!("no answer to {method} for {timeout:?}")))
        })
    }

    async fn look_up(&mut self, connection: &mut Connection, order: OrderIndex) -> Result<Option<OrderReply>, Broken> {
        let params = format!(
            "{{\"symbol\":\"{}\",\"origClientOrderId\":\"{}\",\"recvWindow\":60000,\
             \"timestamp\":{}}}",
            self.subject.market.symbol,
            self.plan.orders[order].client_id,
            unix_ms()
        );
        match self.ask(connection, "order.status", &params).await {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| Broken::Lost(format!("unreadable order.status: {error}"))),
            Err(Error::Refused(failure)) if failure.code == -2013 => Ok(None),
            Err(Error::Refused(failure)) => Err(Broken::Lost(failure.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

impl OrderReply {
    fn placed(&self) -> Option<(u64, String)> {
        Some((self.order_id?, self.client_order_id.clone()?))
    }
}

/// Connects and logs on, with growing pauses, for as long as `patience`.
///
/// # Errors
/// The last error after that time; at once where the credentials are refused.
pub async fn connect(subject: &Subject, patience: Duration) -> Result<Connection, Error> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(20);
    loop {
        let attempt = async {
            let mut connection = Connection::open(&subject.endpoint, &subject.tenant).await?;
            connection.log_on(u64::from(u32::MAX) + 1, &subject.user).await?;
            Ok(connection)
        };
        match attempt.await {
            Ok(connection) => return Ok(connection),
            Err(Error::Refused(failure)) if failure.is_credentials() => {
                return Err(Error::Refused(failure));
            }
            Err(error) if started.elapsed() > patience => return Err(error),
            Err(_not_ready_yet) => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_or_refused() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("realtime".parse(), Ok(Speed::Times(1)));
        assert_eq!("100x".parse(), Ok(Speed::Times(100)));
        for text in ["", "x", "0x", "100", "fast", "-1x"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }
}
