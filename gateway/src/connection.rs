//! A WebSocket connection, bounded in both directions.
//!
//! What is to be sent is framed into one buffer, from which the HTTP dispatcher takes as much as
//! the socket accepts: under load many messages leave in one write, and nobody waits for a slow
//! client. When the buffer is full the client is too slow, and is disconnected. Reading stops
//! while a client has too many requests under way or does not read its replies, so that a client
//! that only sends is stopped by TCP.
//!
//! The handshake is actix-http's. Frames are read here, because its codec collects a frame of any
//! announced length before it looks at the limit, and because a request needs no allocation of
//! its own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_web::body::BodyStream;
use actix_web::web::{Buf, Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;

use crate::error::ApiError;

/// How much a connection may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Bytes that wait for a slow client before it is disconnected.
    pub outbox_bytes: usize,
    /// Requests that a client may have unanswered before it is no longer read.
    pub in_flight: usize,
    /// The longest message that is taken, in bytes.
    pub message_bytes: usize,
    /// How often the client is asked whether it is there.
    pub ping_interval: Duration,
    /// How long it may leave that unanswered.
    pub pong_timeout: Duration,
    /// How long a connection lives at most.
    pub lifetime: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            outbox_bytes: 8 << 20,
            in_flight: 1024,
            message_bytes: 64 << 10,
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(60),
            lifetime: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Bytes handed to the HTTP dispatcher at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// The longest payload of a control frame.
const CONTROL_BYTES_MAX: usize = 125;

/// A second handle on a client's socket, to cut it when it takes nothing any more. It is taken
/// when the client connects; see [`Socket::of`].
#[derive(Clone, Debug)]
pub struct Socket(Rc<std::net::TcpStream>);

impl Socket {
    /// The handle, for `HttpServer::on_connect`; `None` if the connection is no TCP.
    #[must_use]
    pub fn of(connection: &dyn std::any::Any) -> Option<Self> {
        let stream = connection.downcast_ref::<actix_web::rt::net::TcpStream>()?;
        let handle = stream.as_fd().try_clone_to_owned().ok()?;
        Some(Self(Rc::new(std::net::TcpStream::from(handle))))
    }
}

/// Why a connection ends, as the codes that RFC 6455, section 7.4, lets IANA register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// It has served its purpose.
    Normal = 1000,
    /// The server goes.
    Away = 1001,
    /// A frame that the protocol does not have.
    Protocol = 1002,
    /// A binary message.
    Unsupported = 1003,
    /// A text that is no UTF-8.
    Invalid = 1007,
    /// The client broke a rule of the exchange.
    Policy = 1008,
    /// A message that is too long.
    Size = 1009,
    /// What it was told is broken off: the client is to connect anew.
    Restart = 1012,
}

/// A connection. Everything happens on the thread of its worker.
#[derive(Debug)]
pub struct Connection {
    limits: ConnectionLimits,
    outbox: RefCell<Outbox>,
    in_flight: Cell<usize>,
    reader: RefCell<Option<Waker>>,
    last_heard: Cell<Instant>,
    socket: Option<Socket>,
}

#[derive(Debug, Default)]
struct Outbox {
    frames: BytesMut,
    state: State,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// Nothing is added; what is there is still sent.
    Closing,
    /// Nothing is sent any more.
    Closed,
}

impl Connection {
    /// Answers the handshake. The connection is open when the response has been sent.
    ///
    /// # Errors
    /// If the request is no handshake.
    pub fn accept(
        request: &HttpRequest,
        payload: Payload,
        limits: ConnectionLimits,
    ) -> Result<(HttpResponse, Rc<Self>, Reader), ApiError> {
        let refused = |error: actix_http::ws::HandshakeError| ApiError::naming(-1000, error.to_string());
        let mut response = actix_http::ws::handshake(request.head()).map_err(refused)?;
        let connection = Rc::new(Self::new(limits, request.conn_data::<Socket>().cloned()));
        let body = BodyStream::new(OutboxStream(Rc::clone(&connection)));
        let response = response.message_body(body).map_err(|_| ApiError::unknown())?;
        actix_web::rt::spawn(keep_alive(Rc::downgrade(&connection), limits));
        let reader = Reader::new(payload, Rc::clone(&connection));
        metrics::gauge!("rialto_ws_sessions").increment(1.0);
        Ok((response.map_into_boxed_body().into(), connection, reader))
    }

    pub(crate) fn new(limits: ConnectionLimits, socket: Option<Socket>) -> Self {
        Self {
            limits,
            outbox: RefCell::default(),
            in_flight: Cell::new(0),
            reader: RefCell::default(),
            last_heard: Cell::new(Instant::now()),
            socket,
        }
    }

    /// Sends a text message. On a connection that is closed it goes nowhere.
    pub fn send(&self, text: &[u8]) {
        self.send_frame(0x1, text);
    }

    /// Says why and closes, behind all that was sent before.
    pub fn close(&self, code: CloseCode, reason: &str) {
        let mut payload = Vec::with_capacity(CONTROL_BYTES_MAX);
        payload.extend_from_slice(&(code as u16).to_be_bytes());
        payload.extend_from_slice(&reason.as_bytes()[..reason.len().min(CONTROL_BYTES_MAX - 2)]);
        self.close_with(&payload);
    }

    /// Whether nothing more can be sent.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.outbox.borrow().state != State::Open
    }

    /// How many bytes wait for the client.
    #[must_use]
    pub fn outbox_bytes(&self) -> usize {
        self.outbox.borrow().frames.len()
    }

    /// A request of this connection is under way.
    pub fn request_started(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// A request of this connection was answered.
    pub fn request_finished(&self) {
        let before = self.in_flight.get();
        self.in_flight.set(before.saturating_sub(1));
        if before == self.limits.in_flight {
            self.wake_reader();
        }
    }

    fn close_with(&self, payload: &[u8]) {
        self.send_frame(0x8, payload);
        let mut outbox = self.outbox.borrow_mut();
        if outbox.state == State::Open {
            outbox.state = State::Closing;
            outbox.wake();
        }
        drop(outbox);
        self.wake_reader();
    }

    fn send_frame(&self, opcode: u8, payload: &[u8]) {
        let mut outbox = self.outbox.borrow_mut();
        if outbox.state != State::Open {
            return;
        }
        if outbox.frames.len() + payload.len() > self.limits.outbox_bytes {
            drop(outbox);
            metrics::counter!("rialto_ws_slow_consumer_disconnects_total").increment(1);
            self.cut();
            return;
        }
        outbox.push(opcode, payload);
        outbox.wake();
    }

    /// Ends the connection at once. What was not sent is lost.
    fn cut(&self) {
        let mut outbox = self.outbox.borrow_mut();
        outbox.state = State::Closed;
        outbox.frames = BytesMut::new();
        outbox.wake();
        drop(outbox);
        if let Some(Socket(stream)) = &self.socket {
            // It may be gone already, which is what was wanted.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.wake_reader();
    }

    /// Whether the client should not be read now.
    fn is_paused(&self) -> bool {
        self.in_flight.get() >= self.limits.in_flight || self.outbox_bytes() > self.limits.outbox_bytes / 4
    }

    fn wake_reader(&self) {
        if let Some(waker) = self.reader.borrow_mut().take() {
            waker.wake();
        }
    }

    fn poll_unpaused(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_closed() || !self.is_paused() {
            return Poll::Ready(());
        }
        self.reader.borrow_mut().replace(context.waker().clone());
        Poll::Pending
    }

    pub(crate) fn poll_frames(&self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut outbox = self.outbox.borrow_mut();
        if outbox.frames.is_empty() {
            if outbox.state != State::Open {
                outbox.state = State::Closed;
                return Poll::Ready(None);
            }
            outbox.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let length = outbox.frames.len().min(CHUNK_BYTES);
        let chunk = outbox.frames.split_to(length).freeze();
        drop(outbox);
        if !self.is_paused() {
            self.wake_reader();
        }
        Poll::Ready(Some(chunk))
    }
}

impl Outbox {
    fn push(&mut self, opcode: u8, payload: &[u8]) {
        self.frames.reserve(payload.len() + 10);
        self.frames.extend_from_slice(&[0x80 | opcode]);
        let length = payload.len();
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => self.frames.extend_from_slice(&[short]),
            (_, Ok(medium)) => {
                self.frames.extend_from_slice(&[126]);
                self.frames.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                self.frames.extend_from_slice(&[127]);
                self.frames.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        self.frames.extend_from_slice(payload);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The response body: the frames of a connection.
struct OutboxStream(Rc<Connection>);

impl Stream for OutboxStream {
    type Item = Result<Bytes, actix_web::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_frames(context).map(|frames| frames.map(Ok))
    }
}

impl Drop for OutboxStream {
    /// The dispatcher is done with the connection, for whatever reason.
    fn drop(&mut self) {
        let mut outbox = self.0.outbox.borrow_mut();
        outbox.state = State::Closed;
        outbox.frames = BytesMut::new();
        drop(outbox);
        self.0.wake_reader();
        metrics::gauge!("rialto_ws_sessions").decrement(1.0);
    }
}

/// Asks the client whether it is there, and cuts the connection when it does not answer.
async fn keep_alive(connection: Weak<Connection>, limits: ConnectionLimits) {
    let opened = Instant::now();
    loop {
        actix_web::rt::time::sleep(limits.ping_interval).await;
        let Some(connection) = connection.upgrade().filter(|connection| !connection.is_closed()) else { return };
        if connection.last_heard.get().elapsed() >= limits.pong_timeout {
            connection.cut();
        } else if opened.elapsed() >= limits.lifetime {
            connection.close(CloseCode::Away, "connections live for 24 hours");
        } else {
            connection.send_frame(0x9, b"");
        }
    }
}

/// The messages of a client.
pub struct Reader {
    payload: Payload,
    connection: Rc<Connection>,
    buffer: BytesMut,
    /// Bytes of `buffer` that the last message has used up.
    used: usize,
    /// The fragments of a message so far.
    fragments: Vec<u8>,
    is_fragmented: bool,
}

/// A frame in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    is_final: bool,
    opcode: u8,
    key: [u8; 4],
    start: usize,
    length: usize,
}

impl Reader {
    fn new(payload: Payload, connection: Rc<Connection>) -> Self {
        let (buffer, fragments) = (BytesMut::new(), Vec::new());
        Self { payload, connection, buffer, used: 0, fragments, is_fragmented: false }
    }

    /// The next text message, `None` when there will be none. A protocol error closes the
    /// connection and says why.
    pub async fn next_text(&mut self) -> Option<&str> {
        let range = loop {
            self.buffer.advance(std::mem::take(&mut self.used));
            poll_fn(|context| self.connection.poll_unpaused(context)).await;
            if self.connection.is_closed() {
                return None;
            }
            match self.next_frame() {
                Ok(Some(frame)) => match self.take(frame) {
                    Ok(Some(range)) => break range,
                    Ok(None) => {}
                    Err((code, reason)) => {
                        self.connection.close(code, reason);
                        return None;
                    }
                },
                Ok(None) => self.fill().await?,
                Err((code, reason)) => {
                    self.connection.close(code, reason);
                    return None;
                }
            }
        };
        let bytes = match range {
            Some((start, end)) => &self.buffer[start..end],
            None => &self.fragments[..],
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) => {
                self.connection.close(CloseCode::Invalid, "text messages are UTF-8");
                None
            }
        }
    }

    /// Takes more bytes from the socket; `None` at its end.
    async fn fill(&mut self) -> Option<()> {
        let connection = &self.connection;
        let payload = &mut self.payload;
        let chunk = poll_fn(|context| {
            if connection.is_closed() {
                return Poll::Ready(None);
            }
            connection.reader.borrow_mut().replace(context.waker().clone());
            Pin::new(&mut *payload).poll_next(context)
        });
        let Some(Ok(chunk)) = chunk.await else {
            self.connection.cut();
            return None;
        };
        if self.buffer.is_empty() {
            self.buffer = BytesMut::from(chunk);
        } else {
            self.buffer.extend_from_slice(&chunk);
        }
        Some(())
    }

    /// The frame at the start of the buffer, `None` until all of it is there.
    fn next_frame(&self) -> Result<Option<Frame>, (CloseCode, &'static str)> {
        let frame = frame_at(&self.buffer)?;
        let limit = self.connection.limits.message_bytes;
        if frame.is_some_and(|frame| frame.length > limit || self.fragments.len() + frame.length > limit) {
            return Err((CloseCode::Size, "the message is too long"));
        }
        Ok(frame.filter(|frame| self.buffer.len() - frame.start >= frame.length))
    }

    /// Takes a frame. Of a whole message it gives the place in the buffer, or an inner `None` if
    /// the message is in the fragments.
    #[expect(clippy::type_complexity, reason = "private, and read in one place")]
    fn take(&mut self, frame: Frame) -> Result<Option<Option<(usize, usize)>>, (CloseCode, &'static str)> {
        let end = frame.start + frame.length;
        self.used = end;
        let payload = &mut self.buffer[frame.start..end];
        unmask(payload, frame.key);
        match frame.opcode {
            0x8 => {
                self.connection.close_with(if payload.len() >= 2 { &payload[..2] } else { &[] });
                Ok(None)
            }
            0x9 => {
                self.connection.send_frame(0xA, payload);
                Ok(None)
            }
            0xA => {
                self.connection.last_heard.set(Instant::now());
                Ok(None)
            }
            0x1 if self.is_fragmented => Err((CloseCode::Protocol, "a message began within another")),
            0x1 if frame.is_final => Ok(Some(Some((frame.start, end)))),
            0x1 => {
                self.fragments.clear();
                self.fragments.extend_from_slice(payload);
                self.is_fragmented = true;
                Ok(None)
            }
            0x0 if !self.is_fragmented => Err((CloseCode::Protocol, "a continuation of nothing")),
            0x0 => {
                self.fragments.extend_from_slice(payload);
                self.is_fragmented = !frame.is_final;
                Ok(frame.is_final.then_some(None))
            }
            _ => Err((CloseCode::Unsupported, "only text messages are understood")),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Whoever read has gone: nobody would answer what the client sends.
        self.connection.close(CloseCode::Normal, "");
    }
}

/// The header at the start of the bytes, `None` until it is whole.
fn frame_at(bytes: &[u8]) -> Result<Option<Frame>, (CloseCode, &'static str)> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let (is_final, opcode) = (first & 0x80 != 0, first & 0x0F);
    if first & 0x70 != 0 {
        return Err((CloseCode::Protocol, "no extension was negotiated"));
    }
    if second & 0x80 == 0 {
        return Err((CloseCode::Protocol, "clients mask their frames"));
    }
    let short = usize::from(second & 0x7F);
    if opcode >= 0x8 && (!is_final || short > CONTROL_BYTES_MAX) {
        return Err((CloseCode::Protocol, "control frames are short and whole"));
    }
    let (length, extended) = match short {
        126 => match rest {
            [high, low, ..] => (usize::from(u16::from_be_bytes([*high, *low])), 2),
            _ => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX), 8),
            None => return Ok(None),
        },
        short => (short, 0),
    };
    let Some(key) = rest[extended..].first_chunk() else { return Ok(None) };
    Ok(Some(Frame { is_final, opcode, key: *key, start: 2 + extended + 4, length }))
}

fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::task::noop_waker_ref;

    fn connection(outbox_bytes: usize) -> Rc<Connection> {
        Rc::new(Connection::new(ConnectionLimits { outbox_bytes, in_flight: 2, ..Default::default() }, None))
    }

    fn frames(connection: &Connection) -> Poll<Option<Vec<u8>>> {
        connection.poll_frames(&Context::from_waker(noop_waker_ref())).map(|frames| frames.map(|bytes| bytes.to_vec()))
    }

    fn reader(connection: &Rc<Connection>, bytes: &[u8]) -> Reader {
        let (sender, payload) = actix_http::h1::Payload::create(false);
        // The client stays, and sends nothing more.
        std::mem::forget(sender);
        let request = actix_web::test::TestRequest::default().to_http_request();
        let payload = <Payload as actix_web::FromRequest>::from_request(&request, &mut payload.into());
        let payload = payload.now_or_never().expect("at once").expect("a payload");
        let mut reader = Reader::new(payload, Rc::clone(connection));
        reader.buffer.extend_from_slice(bytes);
        reader
    }

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let key = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | u8::try_from(length).expect("short")),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(length).expect("medium").to_be_bytes());
            }
        }
        frame.extend_from_slice(&key);
        let mut payload = payload.to_vec();
        unmask(&mut payload, key);
        frame.extend_from_slice(&payload);
        frame
    }

    fn read(connection: &Rc<Connection>, bytes: &[u8]) -> Vec<String> {
        let mut reader = reader(connection, bytes);
        let mut texts = Vec::new();
        while let Some(Some(text)) = reader.next_text().now_or_never() {
            texts.push(text.to_owned());
        }
        texts
    }

    fn close_code(connection: &Connection) -> Option<u16> {
        let Poll::Ready(Some(bytes)) = frames(connection) else { return None };
        let [0x88, _, high, low, ..] = bytes[..] else { return None };
        Some(u16::from_be_bytes([high, low]))
    }

    #[test]
    fn messages_of_every_length_are_framed() {
        for length in [0_usize, 1, 125, 126, 65_535, 65_536] {
            let connection = connection(1 << 20);
            connection.send(&vec![b'x'; length]);
            let mut bytes = Vec::new();
            while let Poll::Ready(Some(chunk)) = frames(&connection) {
                bytes.extend_from_slice(&chunk);
            }
            let header = match length {
                0..=125 => 2,
                126..=65_535 => 4,
                _ => 10,
            };
            assert_eq!((bytes[0], bytes.len()), (0x81, header + length), "length {length}");
        }
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_off_and_costs_nothing_more() {
        let connection = connection(100);
        for _ in 0..1_000 {
            connection.send(&[b'x'; 40]);
        }
        assert!(connection.is_closed());
        assert_eq!(connection.outbox_bytes(), 0);
        assert_eq!(frames(&connection), Poll::Ready(None));
    }

    #[test]
    fn reading_stops_while_too_much_is_unanswered() {
        let connection = connection(1 << 20);
        let bytes: Vec<u8> = (0..3).flat_map(|_| masked(0x81, b"{}")).collect();
        let mut reader = reader(&connection, &bytes);
        for _ in 0..2 {
            connection.request_started();
        }
        assert!(reader.next_text().now_or_never().is_none(), "paused");
        connection.request_finished();
        assert_eq!(reader.next_text().now_or_never(), Some(Some("{}")));
        connection.send(&vec![b'x'; (1 << 19) - 1]);
        assert!(reader.next_text().now_or_never().is_none(), "paused");
    }

    #[test]
    fn messages_are_read_whole_or_in_fragments() {
        let connection = connection(1 << 20);
        let long = "y".repeat(1_000);
        let mut bytes = masked(0x81, b"one");
        bytes.extend(masked(0x01, b"t"));
        bytes.extend(masked(0x89, b"ping"));
        bytes.extend(masked(0x00, b"w"));
        bytes.extend(masked(0x80, b"o"));
        bytes.extend(masked(0x81, long.as_bytes()));
        bytes.extend_from_slice(&masked(0x81, b"cut off")[..5]);
        assert_eq!(read(&connection, &bytes), ["one", "two", long.as_str()]);
        let Poll::Ready(Some(sent)) = frames(&connection) else { panic!("a pong") };
        assert!(sent.starts_with(b"\x8A\x04ping"));
    }

    #[test]
    fn protocol_errors_close_with_the_right_code() {
        let closed = |bytes: &[u8]| {
            let connection = connection(1 << 20);
            assert!(read(&connection, bytes).is_empty());
            close_code(&connection)
        };
        assert_eq!(closed(&masked(0x82, b"binary")), Some(1003));
        assert_eq!(closed(&masked(0x81, b"\xFF\xFE")), Some(1007));
        assert_eq!(closed(b"\x81\x02{}"), Some(1002));
        assert_eq!(closed(&masked(0xC1, b"x")), Some(1002));
        assert_eq!(closed(&masked(0x80, b"x")), Some(1002));
        assert_eq!(closed(&masked(0x09, b"x")), Some(1002));
        assert_eq!(closed(&masked(0x88, &1000_u16.to_be_bytes())), Some(1000));
        // The length alone decides: nobody waits for so many bytes.
        assert_eq!(closed(b"\x81\xFF\x00\x00\x00\xFF\x00\x00\x00\x00\x01\x02\x03\x04"), Some(1009));
        let mut fragments = masked(0x01, &[b'x'; 40_000]);
        fragments.extend(masked(0x80, &[b'x'; 40_000]));
        assert_eq!(closed(&fragments), Some(1009));
    }
}
