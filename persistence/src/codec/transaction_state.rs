//! The written form of transactions as they stand, of what happened to them, and of cases: in
//! snapshots and in the read store.
//!
//! It is compact like that of the commands: most transactions are done at once, and say nothing of
//! rails, timers and approvals.

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use rialto_engine::ids::CaseId;
use rialto_engine::transaction::{Case, Happening, Meaning, Stage, Transaction, TransactionEvent, TransactionState};
use rialto_engine::units::{Amount, Nanos};

use super::transaction::{
    Small, WireAmount, WireLabel, WireNewCase, amount, asset, decode_body, encode_body, label, name, narrow, number,
    rail, time, transaction, value,
};
use super::{CONFIGURATION, CodecError, number_of};

pub(super) const STATES: [TransactionState; 4] =
    [TransactionState::Open, TransactionState::Closing, TransactionState::Confirmed, TransactionState::Canceled];
const STAGES: [Stage; 3] = [Stage::Unsent, Stage::Sent, Stage::Accepted];
const MEANINGS: [Meaning; 9] = [
    Meaning::Final,
    Meaning::Pending,
    Meaning::Settled,
    Meaning::Returned,
    Meaning::Excess,
    Meaning::Late,
    Meaning::WrongAsset,
    Meaning::Short,
    Meaning::Bounced,
];

/// In the byte of a transaction behind state and stage: it is stuck.
const STUCK: u8 = 1 << 4;
/// It has no body.
const BARE: u8 = 1 << 5;
/// It has something that most do not have, which follows at the end.
const MORE: u8 = 1 << 6;

/// A transaction on its way out.
pub(super) struct WireState<'a>(pub(super) &'a Transaction);

/// A transaction on its way in.
pub(super) struct WireStateRead(pub(super) Transaction);

impl Encode for WireState<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let it = self.0;
        let more = has_more(it);
        let mut which = number_of(&STATES, &it.state) | number_of(&STAGES, &it.stage) << 2;
        for (flag, bit) in [(it.is_stuck, STUCK), (it.body.is_none(), BARE), (more, MORE)] {
            which |= if flag { bit } else { 0 };
        }
        (Small(it.number.0), WireLabel(it.id), which).encode(encoder)?;
        if let Some(body) = &it.body {
            encode_body(body, encoder)?;
        }
        let changed = Small(it.changed.0.wrapping_sub(it.opened.0));
        (Small::from(it.rail.0), WireAmount(it.fee), WireAmount(it.posted), it.opened.0, changed).encode(encoder)?;
        (Small::from(it.events), Small::from(it.acknowledged)).encode(encoder)?;
        if more {
            let timers = (Small(it.until.0), Small(it.due.0), Small::from(it.attempts));
            (WireAmount(it.moved), WireAmount(it.reversed), WireAmount(it.fee_back), timers).encode(encoder)?;
            Small(it.approvals.len() as u64).encode(encoder)?;
            it.approvals.iter().try_for_each(|operator| WireLabel(*operator).encode(encoder))?;
        }
        Ok(())
    }
}

fn has_more(it: &Transaction) -> bool {
    let at_rest = it.until.is_zero() && it.due.is_zero() && it.attempts == 0;
    let unmoved = it.moved.is_zero() && it.reversed.is_zero() && it.fee_back.is_zero();
    !at_rest || !unmoved || !it.approvals.is_empty()
}

impl<Context> Decode<Context> for WireStateRead {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (number_, id, which) = (transaction(decoder)?, label(decoder)?, u8::decode(decoder)?);
        if which & 1 << 7 != 0 {
            return Err(DecodeError::Other("unknown form of a transaction"));
        }
        let body = if which & BARE == 0 { Some(decode_body(decoder)?) } else { None };
        let (rail, fee, posted, opened) = (rail(decoder)?, amount(decoder)?, amount(decoder)?, time(decoder)?);
        let changed = Nanos(opened.0.wrapping_add(number(decoder)?));
        let mut it = Transaction {
            number: number_,
            id,
            body,
            state: value(&STATES, which & 3, "unknown state of a transaction")?,
            rail,
            stage: value(&STAGES, which >> 2 & 3, "unknown stage of a transaction")?,
            fee,
            moved: Amount::ZERO,
            posted,
            reversed: Amount::ZERO,
            fee_back: Amount::ZERO,
            opened,
            changed,
            until: Nanos::ZERO,
            due: Nanos::ZERO,
            attempts: 0,
            is_stuck: which & STUCK != 0,
            events: narrow(decoder)?,
            acknowledged: narrow(decoder)?,
            approvals: Vec::new(),
        };
        if which & MORE != 0 {
            (it.moved, it.reversed, it.fee_back) = (amount(decoder)?, amount(decoder)?, amount(decoder)?);
            (it.until, it.due) = (Nanos(number(decoder)?), Nanos(number(decoder)?));
            it.attempts = narrow(decoder)?;
            for _ in 0..number(decoder)? {
                it.approvals.push(label(decoder)?);
            }
            if !has_more(&it) {
                return Err(DecodeError::Other("a transaction that is longer than it must be"));
            }
        }
        Ok(Self(it))
    }
}

bincode::impl_borrow_decode!(WireStateRead);

/// An event without its number and time, which whatever is around it tells.
pub(super) struct WireEventState<'a>(pub(super) &'a TransactionEvent);

impl Encode for WireEventState<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        Small::from(self.0.sequence).encode(encoder)?;
        match self.0.what {
            Happening::Opened => 0_u8.encode(encoder)?,
            Happening::Sent => 1_u8.encode(encoder)?,
            Happening::Accepted => 2_u8.encode(encoder)?,
            Happening::Moved { reference, asset, amount, meaning } => {
                let meaning = number_of(&MEANINGS, &meaning);
                (3_u8, WireLabel(reference), Small::from(asset.0), WireAmount(amount), meaning).encode(encoder)?;
            }
            Happening::Closing => 4_u8.encode(encoder)?,
            Happening::Confirmed => 5_u8.encode(encoder)?,
            Happening::Canceled => 6_u8.encode(encoder)?,
            Happening::Rerouted => 7_u8.encode(encoder)?,
            Happening::Approved { operator } => (8_u8, WireLabel(operator)).encode(encoder)?,
            Happening::Stuck => 9_u8.encode(encoder)?,
            Happening::Reversed => 10_u8.encode(encoder)?,
        }
        WireState(&self.0.transaction).encode(encoder)
    }
}

pub(super) fn event_state<D: Decoder>(
    number: u64,
    time: Nanos,
    decoder: &mut D,
) -> Result<TransactionEvent, DecodeError> {
    let sequence = narrow(decoder)?;
    let what = match u8::decode(decoder)? {
        0 => Happening::Opened,
        1 => Happening::Sent,
        2 => Happening::Accepted,
        3 => Happening::Moved {
            reference: label(decoder)?,
            asset: asset(decoder)?,
            amount: amount(decoder)?,
            meaning: value(&MEANINGS, u8::decode(decoder)?, "unknown meaning of a movement")?,
        },
        4 => Happening::Closing,
        5 => Happening::Confirmed,
        6 => Happening::Canceled,
        7 => Happening::Rerouted,
        8 => Happening::Approved { operator: label(decoder)? },
        9 => Happening::Stuck,
        10 => Happening::Reversed,
        _ => return Err(DecodeError::Other("unknown event of a transaction")),
    };
    let transaction = WireStateRead::decode(decoder)?.0;
    Ok(TransactionEvent { number, sequence, time, what, transaction })
}

/// An event with its number and time.
pub(super) struct WireEvent<'a>(pub(super) &'a TransactionEvent);

/// An event on its way in.
pub(super) struct WireEventRead(pub(super) TransactionEvent);

impl Encode for WireEvent<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (Small(self.0.number), self.0.time.0, WireEventState(self.0)).encode(encoder)
    }
}

impl<Context> Decode<Context> for WireEventRead {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (number, time) = (number(decoder)?, time(decoder)?);
        event_state(number, time, decoder).map(Self)
    }
}

bincode::impl_borrow_decode!(WireEventRead);

/// A case.
pub(super) struct WireCase(pub(super) Case);

impl Encode for WireCase {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let it = &self.0;
        (Small(it.id.0), WireNewCase(it.case), it.opened.0, it.closed.0).encode(encoder)?;
        (it.closed_by.map(WireLabel), Small(it.adjustment.0)).encode(encoder)
    }
}

impl<Context> Decode<Context> for WireCase {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Self(Case {
            id: CaseId(number(decoder)?),
            case: WireNewCase::decode(decoder)?.0,
            opened: time(decoder)?,
            closed: time(decoder)?,
            closed_by: name(decoder)?,
            adjustment: transaction(decoder)?,
        }))
    }
}

bincode::impl_borrow_decode!(WireCase);

/// Appends an event without its number and time.
pub fn encode_event(event: &TransactionEvent, buffer: &mut Vec<u8>) {
    put(WireEventState(event), buffer);
}

/// Reads an event of this number and time from the beginning of some bytes, and tells how many it
/// took.
///
/// # Errors
/// If there is none.
pub fn decode_event(number: u64, time: Nanos, bytes: &[u8]) -> Result<(TransactionEvent, usize), CodecError> {
    struct Read(TransactionEvent);
    impl Decode<(u64, Nanos)> for Read {
        fn decode<D: Decoder<Context = (u64, Nanos)>>(decoder: &mut D) -> Result<Self, DecodeError> {
            let (number, time) = *decoder.context();
            event_state(number, time, decoder).map(Self)
        }
    }
    let read = bincode::decode_from_slice_with_context(bytes, CONFIGURATION, (number, time));
    let (Read(event), length) = read.map_err(|error| CodecError(error.to_string()))?;
    Ok((event, length))
}

/// How many bytes the event at the beginning of some takes.
///
/// # Errors
/// If there is none.
pub fn event_length(bytes: &[u8]) -> Result<usize, CodecError> {
    /// Of the event nothing is handed on: it is large, and most of what reading costs is to copy it.
    struct Passed;
    impl<Context> Decode<Context> for Passed {
        fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
            event_state(0, Nanos::ZERO, decoder).map(|_| Self)
        }
    }
    let read = bincode::decode_from_slice::<Passed, _>(bytes, CONFIGURATION);
    read.map(|(Passed, length)| length).map_err(|error| CodecError(error.to_string()))
}

/// Appends a case.
pub fn encode_case(case: &Case, buffer: &mut Vec<u8>) {
    put(WireCase(*case), buffer);
}

/// Reads a case.
///
/// # Errors
/// If the bytes are none, or more than one.
pub fn decode_case(bytes: &[u8]) -> Result<Case, CodecError> {
    let read = bincode::decode_from_slice(bytes, CONFIGURATION);
    let (WireCase(case), length) = read.map_err(|error| CodecError(error.to_string()))?;
    if length == bytes.len() { Ok(case) } else { Err(CodecError("bytes behind the case".to_owned())) }
}

fn put(value: impl Encode, buffer: &mut Vec<u8>) {
    let encoded = bincode::encode_into_std_write(value, buffer, CONFIGURATION);
    encoded.expect("it is encodable and a buffer takes any length");
}
