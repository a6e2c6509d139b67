//! The journal in sled, the embedded default.
//!
//! ```text
//! <data>/journal/owner                     lock and mark
//! <data>/journal/<20-digit position>/      one volume: a sled database
//! <data>/journal/next/                     the volume after it, being prepared
//! <data>/journal/<20-digit position>.gone/ trimmed, being removed
//! ```
//!
//! A volume is named for its first position and is closed when it has grown to
//! [`SledOptions::volume_bytes`]. Volumes keep what sled is weak at small: its cache does not shrink
//! (a page is only evicted when others of its shard are read, and the last page of each of the 256
//! shards stays), its open time grows with the file, its garbage collection would rewrite old records.
//! A closed volume is opened again only while somebody reads it, and dropped whole.
//!
//! Recovery: what the frames and the mark prove to be acknowledged must be there. What follows the
//! proven end may be the torn rest of one group that nobody was told of: its whole frames are kept
//! up to the first that is missing or damaged, the others are cut. Damage to the very last group, with
//! the mark lost in the same power cut, looks exactly like a torn group and is treated as one.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::thread::{self, JoinHandle};

use ::sled::IVec;

use crate::frame::{Epoch, Frame, Group, Position};

use super::mark::{Mark, OwnerFile};
use super::volume::{Fault, Volume, sync_folder};
use super::{Journal, JournalError, JournalReader, JournalStats};

const NEXT_FOLDER: &str = "next";
const GONE_SUFFIX: &str = ".gone";

/// Settings of a [`SledJournal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SledOptions {
    /// A volume is closed when its frames have grown to this many bytes. The owner's memory grows by
    /// as much, because sled keeps nearly all of an open volume cached.
    pub volume_bytes: u64,
    /// The cache of each open volume, in bytes, as far as sled honours it.
    pub cache_bytes: u64,
    /// Bytes of the newest frames kept at hand for readers that follow closely.
    pub tail_bytes: usize,
    /// Whether each group is synced so that it survives power loss. Always true outside of tests:
    /// the power-cut test turns it off to prove that it would notice.
    pub extra_sync: bool,
}

impl Default for SledOptions {
    fn default() -> SledOptions {
        SledOptions {
            volume_bytes: 8 * 1024 * 1024,
            cache_bytes: 1024 * 1024,
            tail_bytes: 1024 * 1024,
            extra_sync: true,
        }
    }
}

/// A journal kept in sled databases. It owns the log until it and all its readers are dropped.
#[derive(Debug)]
pub struct SledJournal {
    shared: Arc<Shared>,
    options: SledOptions,
    active: Arc<Volume>,
    active_first: Position,
    /// Bytes of frames in the active volume.
    active_bytes: u64,
    next: Option<JoinHandle<Result<Volume, JournalError>>>,
    epoch: Epoch,
    end: Position,
    stopped: bool,
}

/// What the journal and its readers share.
#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    cache_bytes: u64,
    /// The durable end.
    durable: AtomicU64,
    tail: Mutex<Tail>,
    /// By first position; never empty.
    slots: RwLock<BTreeMap<Position, Arc<Slot>>>,
    /// Last, so that the lock is released when the volumes are closed.
    owner: Mutex<OwnerFile>,
}

/// The newest durable frames.
#[derive(Debug, Default)]
struct Tail {
    frames: VecDeque<TailFrame>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct TailFrame {
    first: Position,
    last: Position,
    /// Shared with sled's cache.
    bytes: IVec,
}

/// A volume that may be open.
#[derive(Debug)]
struct Slot {
    folder: PathBuf,
    open: Mutex<Weak<Volume>>,
}

impl SledJournal {
    /// Opens the log below the data directory `data`, creating it if need be.
    ///
    /// # Errors
    /// `Refused` while another journal has it open, `Corrupt` if records that were acknowledged are
    /// missing or damaged, as far as that shows without reading closed volumes.
    pub fn open(data: &Path, options: SledOptions) -> Result<SledJournal, JournalError> {
        let folder = data.join("journal");
        create_folder(&folder)?;
        let mut owner = OwnerFile::lock(&folder.join("owner"))?;
        let slots = find_volumes(&folder)?;
        check_volumes(&slots, owner.mark)?;

        let (active, state) = match slots.last_key_value() {
            Some((first, _)) => recover(&slots, *first, options, owner.mark)?,
            None => {
                // The first as every other: a volume has its name only when it is whole, so that power lost
                // while it is made leaves nothing that cannot be opened.
                let next = folder.join(NEXT_FOLDER);
                let volume = Volume::create(&next, options.cache_bytes)?;
                fs::rename(&next, volume_folder(&folder, Position(1)))?;
                sync_folder(&folder)?;
                (Arc::new(volume), Recovered::default())
            }
        };
        let slots = if slots.is_empty() {
            let slot = Slot::new(volume_folder(&folder, Position(1)), &active);
            BTreeMap::from([(Position(1), slot)])
        } else {
            slots
        };
        let first = slots.first_key_value().map_or(Position(1), |(first, _)| *first);
        let active_first = slots.last_key_value().map_or(Position(1), |(first, _)| *first);
        owner.write(Mark { durable: state.end, epoch: state.epoch, first })?;
        owner.sync()?;
        sync_folder(&folder)?;

        let shared = Shared {
            folder,
            cache_bytes: options.cache_bytes,
            durable: AtomicU64::new(state.end.0),
            tail: Mutex::default(),
            slots: RwLock::new(slots),
            owner: Mutex::new(owner),
        };
        Ok(SledJournal {
            shared: Arc::new(shared),
            options,
            active,
            active_first,
            active_bytes: state.active_bytes,
            next: None,
            epoch: state.epoch,
            end: state.end,
            stopped: false,
        })
    }

    fn write(&mut self, group: &mut Group) -> Result<Position, JournalError> {
        // A volume with no whole frame keeps its name, and the next one would have the same.
        if self.active_bytes >= self.options.volume_bytes && self.end >= self.active_first {
            self.begin_volume()?;
        }
        let mut staged = Vec::new();
        for (first, last, bytes) in group.frames() {
            let bytes = IVec::from(bytes);
            self.active_bytes += bytes.len() as u64;
            self.active.insert(first, bytes.clone()).map_err(JournalError::Unknown)?;
            staged.push(TailFrame { first, last, bytes });
        }
        self.active.sync(self.options.extra_sync).map_err(JournalError::Unknown)?;

        self.end = group.last();
        self.epoch = group.epoch();
        self.shared.publish(self.end, self.epoch, staged, self.options.tail_bytes);
        if self.next.is_none() && self.active_bytes >= self.options.volume_bytes / 2 {
            self.prepare_volume();
        }
        Ok(self.end)
    }

    /// Creates the next volume beside the writer, so that changing to it costs one rename.
    fn prepare_volume(&mut self) {
        let folder = self.shared.folder.join(NEXT_FOLDER);
        let cache_bytes = self.options.cache_bytes;
        let thread = thread::Builder::new().name("journal-volume".to_owned());
        match thread.spawn(move || Volume::create(&folder, cache_bytes)) {
            Ok(handle) => self.next = Some(handle),
            // The volume is created when it is needed.
            Err(error) => tracing::warn!(%error, "no thread to prepare the next volume"),
        }
    }

    fn begin_volume(&mut self) -> Result<(), JournalError> {
        if self.next.is_none() {
            self.prepare_volume();
        }
        let next_folder = self.shared.folder.join(NEXT_FOLDER);
        let prepared = match self.next.take() {
            Some(handle) => {
                handle.join().map_err(|_| io::Error::other("the thread that prepared a volume panicked"))?
            }
            None => Volume::create(&next_folder, self.options.cache_bytes),
        };
        let volume = Arc::new(prepared?);

        // sled uses the path of an open database only for values that do not fit its log, and there
        // are none.
        let first = self.end.next();
        let folder = volume_folder(&self.shared.folder, first);
        fs::rename(&next_folder, &folder)?;
        sync_folder(&self.shared.folder)?;
        self.shared.owner().sync()?;

        self.shared.slots_mut().insert(first, Slot::new(folder, &volume));
        let closed = std::mem::replace(&mut self.active, volume);
        self.active_first = first;
        self.active_bytes = 0;
        // Closing frees the cache of the volume, which takes a while; if no thread can be had, it
        // happens here.
        let thread = thread::Builder::new().name("journal-close".to_owned());
        drop(thread.spawn(move || drop(closed)));
        Ok(())
    }
}

impl Journal for SledJournal {
    fn acquire(&mut self, node: &str) -> Result<(Epoch, Position), JournalError> {
        if self.stopped {
            return Err(JournalError::Stopped);
        }
        let epoch = self.epoch.next();
        let mut fence = Group::fence(epoch, self.end, node)?;
        let result = self.write(&mut fence);
        self.stopped = result.is_err();
        Ok((epoch, result?))
    }

    fn append(&mut self, group: &mut Group) -> Result<Position, JournalError> {
        if self.stopped {
            return Err(JournalError::Stopped);
        }
        if group.epoch() != self.epoch || group.after() != self.end {
            return Err(JournalError::Refused { current: self.epoch, end: self.end });
        }
        if group.is_empty() {
            return Ok(self.end);
        }
        let result = self.write(group);
        self.stopped = result.is_err();
        result
    }

    fn reader(&self) -> Box<dyn JournalReader> {
        Box::new(SledReader { shared: Arc::clone(&self.shared), open: None })
    }

    fn trim(&mut self, before: Position) -> Result<(), JournalError> {
        let before = before.min(self.end);
        let mut gone = Vec::new();
        {
            let mut slots = self.shared.slots_mut();
            while let Some(following) = slots.keys().nth(1).copied()
                && following <= before
                && let Some((_, slot)) = slots.pop_first()
            {
                gone.push(slot);
            }
            let Some((first, _)) = slots.first_key_value() else {
                return Ok(());
            };
            self.shared.tail().trim(*first);
            // The mark goes first: a volume missing that the mark still claims is corruption.
            let mut owner = self.shared.owner();
            let mark = Mark { first: *first, ..owner.mark };
            owner.write(mark)?;
            owner.sync()?;
        }
        for slot in gone {
            let renamed = with_suffix(&slot.folder);
            fs::rename(&slot.folder, &renamed)?;
            sync_folder(&self.shared.folder)?;
            fs::remove_dir_all(&renamed)?;
        }
        Ok(())
    }

    fn stats(&self) -> JournalStats {
        let slots = self.shared.slots();
        let bytes = |slot: &Arc<Slot>| fs::metadata(slot.folder.join("db")).map_or(0, |db| db.len());
        JournalStats {
            volumes: slots.len(),
            bytes: slots.values().map(bytes).sum(),
            first: slots.first_key_value().map_or(Position(1), |(first, _)| *first),
            last: self.end,
            epoch: self.epoch,
        }
    }
}

impl Drop for SledJournal {
    fn drop(&mut self) {
        if let Some(handle) = self.next.take() {
            // The volume being prepared is removed when the log is opened again.
            drop(handle.join());
        }
        if let Err(error) = self.shared.owner().sync() {
            tracing::warn!(%error, "the mark of the journal was not synced");
        }
    }
}

impl Shared {
    fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    fn publish(&self, end: Position, epoch: Epoch, frames: Vec<TailFrame>, tail_bytes: usize) {
        {
            let mut tail = self.tail();
            frames.into_iter().for_each(|frame| tail.push(frame));
            tail.shrink(tail_bytes);
            self.durable.store(end.0, Ordering::Release);
        }
        let mut owner = self.owner();
        let mark = Mark { durable: end, epoch, first: owner.mark.first };
        if let Err(error) = owner.write(mark) {
            // The log itself is durable; only a witness against its loss is missing.
            tracing::warn!(%error, "the mark of the journal was not written");
        }
    }

    /// Frames behind `after` if the tail reaches back so far.
    fn recent(&self, after: Position, limit_bytes: usize) -> Option<Vec<TailFrame>> {
        let tail = self.tail();
        let from = tail.frames.partition_point(|frame| frame.last <= after);
        if tail.frames.get(from)?.first > after.next() {
            return None;
        }
        let mut bytes = 0;
        let within = |frame: &&TailFrame| {
            let wanted = bytes == 0 || bytes + frame.bytes.len() <= limit_bytes;
            bytes += frame.bytes.len();
            wanted
        };
        Some(tail.frames.range(from..).take_while(within).cloned().collect())
    }

    // A thread that panicked while it held one of these locks left whole values behind.

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owner(&self) -> MutexGuard<'_, OwnerFile> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> RwLockReadGuard<'_, BTreeMap<Position, Arc<Slot>>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<Position, Arc<Slot>>> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tail {
    fn push(&mut self, frame: TailFrame) {
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
    }

    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max
            && let Some(frame) = self.frames.pop_front()
        {
            self.bytes -= frame.bytes.len();
        }
    }

    fn trim(&mut self, before: Position) {
        while self.frames.front().is_some_and(|frame| frame.first < before)
            && let Some(frame) = self.frames.pop_front()
        {
            self.bytes -= frame.bytes.len();
        }
    }
}

impl Slot {
    fn new(folder: PathBuf, volume: &Arc<Volume>) -> Arc<Slot> {
        Arc::new(Slot { folder, open: Mutex::new(Arc::downgrade(volume)) })
    }

    /// The open volume, opening it for a reader if it is closed.
    fn volume(&self, cache_bytes: u64, first: Position, last: Position) -> Result<Arc<Volume>, JournalError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(volume) = open.upgrade() {
            return Ok(volume);
        }
        let (volume, ..) = Volume::open(&self.folder, cache_bytes, first, last)?;
        let volume = Arc::new(volume);
        *open = Arc::downgrade(&volume);
        Ok(volume)
    }
}

struct SledReader {
    shared: Arc<Shared>,
    /// The volume read last, by its first position.
    open: Option<(Position, Arc<Volume>)>,
}

impl JournalReader for SledReader {
    fn read(
        &mut self,
        after: Position,
        limit_bytes: usize,
        sink: &mut dyn FnMut(Frame<'_>),
    ) -> Result<Position, JournalError> {
        let durable = self.shared.durable();
        if after >= durable {
            return Ok(after);
        }
        if let Some(frames) = self.shared.recent(after, limit_bytes) {
            // The tail needs no volume: let a closed one go.
            self.open = None;
            let mut end = after;
            for TailFrame { first, bytes, .. } in &frames {
                let frame = decode(bytes, *first)?;
                end = frame.last();
                sink(frame);
            }
            return Ok(end);
        }
        let (volume, last) = self.volume_of(after.next(), durable)?;
        let mut end = after;
        let mut bytes_read = 0;
        for bytes in volume.frames_from(after.next()) {
            let expected = end.next();
            let bytes = bytes.map_err(|fault| fault.at(expected))?;
            let frame = decode(&bytes, expected)?;
            if frame.first > last {
                break;
            }
            let follows =
                if end == after { (frame.first..=frame.last()).contains(&expected) } else { frame.first == expected };
            if !follows {
                return Err(missing(expected));
            }
            bytes_read += bytes.len();
            if end > after && bytes_read > limit_bytes {
                return Ok(end);
            }
            end = frame.last();
            sink(frame);
        }
        // The loop ran to the end of the volume or to frames that are not durable yet.
        if end < last { Err(missing(end.next())) } else { Ok(end) }
    }
}

impl SledReader {
    /// The volume that must contain `position`, and the last position it must contain.
    fn volume_of(&mut self, position: Position, durable: Position) -> Result<(Arc<Volume>, Position), JournalError> {
        let (first, slot, last) = {
            let slots = self.shared.slots();
            let Some((first, slot)) = slots.range(..=position).next_back() else {
                let first = slots.keys().next().copied().unwrap_or_default();
                return Err(JournalError::Trimmed { first });
            };
            let following = slots.range(position.next()..).next();
            let last = following.map_or(durable, |(following, _)| Position(following.0 - 1));
            (*first, Arc::clone(slot), last.min(durable))
        };
        if let Some((open, volume)) = &self.open
            && *open == first
        {
            return Ok((Arc::clone(volume), last));
        }
        self.open = None;
        let volume = slot.volume(self.shared.cache_bytes, first, last)?;
        self.open = Some((first, Arc::clone(&volume)));
        Ok((volume, last))
    }
}

/// The end of the log as it was found.
#[derive(Debug, Default)]
struct Recovered {
    end: Position,
    epoch: Epoch,
    active_bytes: u64,
}

/// Opens the last volume, which begins at `first`, and finds the end of the log.
fn recover(
    slots: &BTreeMap<Position, Arc<Slot>>,
    first: Position,
    options: SledOptions,
    mark: Mark,
) -> Result<(Arc<Volume>, Recovered), JournalError> {
    let before = Position(first.0 - 1);
    let slot = &slots[&first];
    let proven = mark.durable.max(before);
    let (volume, proven, active_bytes) = Volume::open(&slot.folder, options.cache_bytes, first, proven)?;

    let mut end = before;
    let mut epoch = None;
    for bytes in volume.frames_from(proven.max(first)) {
        let frame = match bytes {
            Ok(bytes) => match Frame::decode(&bytes) {
                Ok(frame) => (frame.first, frame.last(), frame.epoch),
                Err(_) => break,
            },
            Err(_) => break,
        };
        let (frame_first, frame_last, frame_epoch) = frame;
        let follows = if end == before {
            (frame_first..=frame_last).contains(&proven.max(first))
        } else {
            frame_first == end.next()
        };
        if !follows {
            break;
        }
        end = frame_last;
        epoch = Some(frame_epoch);
    }
    if end < proven {
        return Err(missing(proven));
    }
    volume.cut(end.next()).map_err(JournalError::Io)?;
    let volume = Arc::new(volume);
    *slot.open.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&volume);

    let epoch = match epoch {
        Some(epoch) => epoch,
        None => epoch_before(slots, first, options)?,
    };
    Ok((volume, Recovered { end, epoch, active_bytes }))
}

/// The epoch of the last frame before `first`, in the volume before.
fn epoch_before(
    slots: &BTreeMap<Position, Arc<Slot>>,
    first: Position,
    options: SledOptions,
) -> Result<Epoch, JournalError> {
    if first == Position(1) {
        return Ok(Epoch::default());
    }
    let last = Position(first.0 - 1);
    let (previous, slot) = slots.range(..first).next_back().ok_or_else(|| missing(last))?;
    let volume = slot.volume(options.cache_bytes, *previous, last)?;
    let bytes = volume.last().map_err(|fault: Fault| fault.at(last))?;
    let bytes = bytes.ok_or_else(|| missing(last))?;
    let frame = decode(&bytes, last)?;
    if frame.last() == last { Ok(frame.epoch) } else { Err(missing(last)) }
}

/// Lists the volumes and removes what an earlier owner left half done.
fn find_volumes(folder: &Path) -> Result<BTreeMap<Position, Arc<Slot>>, JournalError> {
    let mut slots = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name == NEXT_FOLDER || name.ends_with(GONE_SUFFIX) {
            fs::remove_dir_all(entry.path())?;
        } else if name.len() == 20
            && let Ok(first) = name.parse::<u64>()
            && first > 0
        {
            let slot = Slot { folder: entry.path(), open: Mutex::default() };
            slots.insert(Position(first), Arc::new(slot));
        }
    }
    Ok(slots)
}

/// Whether volumes that the mark knows of are missing as a whole.
fn check_volumes(slots: &BTreeMap<Position, Arc<Slot>>, mark: Mark) -> Result<(), JournalError> {
    let first = mark.first.max(Position(1));
    match slots.keys().next() {
        None if mark.durable == Position::ZERO => Ok(()),
        Some(found) if *found <= first => Ok(()),
        None | Some(_) => Err(missing(first)),
    }
}

fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    folder.ancestors().skip(1).take(2).filter(|parent| parent.is_dir()).try_for_each(sync_folder)
}

fn volume_folder(folder: &Path, first: Position) -> PathBuf {
    folder.join(format!("{:020}", first.0))
}

fn with_suffix(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(GONE_SUFFIX);
    PathBuf::from(name)
}

fn decode(bytes: &[u8], position: Position) -> Result<Frame<'_>, JournalError> {
    Frame::decode(bytes).map_err(|error| JournalError::Corrupt { position, reason: error.to_string() })
}

fn missing(position: Position) -> JournalError {
    JournalError::Corrupt { position, reason: "the record is missing".to_owned() }
}
