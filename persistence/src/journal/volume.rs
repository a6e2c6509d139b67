//! One volume of a sled journal: one database directory, one value per frame.
//!
//! The key is the first position of the frame, big endian. Three facts about sled 0.34.7 shape this
//! file:
//!
//! - A leaf is written anew, values and all, with its tenth insert and with each split: appending to
//!   one tree wrote every large value 3.4 times. So a volume is a row of trees, each named for its
//!   first position and closed before its tenth frame, unless its frames are so small that the trees
//!   would cost more than the copies.
//! - `flush` ends with `sync_file_range`, which survives the end of the process but not power loss.
//!   So each group is followed by `fdatasync` on a descriptor of our own. Values stay far below a
//!   quarter of a segment, so that sled never moves them into separate files that it does not sync.
//! - Recovery ends at the first damaged message and overwrites what follows, acknowledged or not.
//!   So the file is scanned for frames before sled opens it: values stand in it byte for byte. What
//!   the frames prove to be acknowledged must be there, or the volume is left as it is.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use ::sled::IVec;

use crate::frame::{FRAME_BYTES_MAX_SINGLE, FRAME_MAGIC, Frame, FrameError, Position};

use super::JournalError;

/// sled moves pages beyond a quarter of a segment into files that it never syncs. A leaf of ours
/// holds less than 1 MiB, so a segment of 4 MiB keeps all pages in the log. Larger ones would only
/// cost memory: sled fills one in a buffer, and keeps another while that is written.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;
const _: () = assert!((TREE_FRAMES + 1) * FRAME_BYTES_MAX_SINGLE < SEGMENT_BYTES / 4);

/// A database that was just closed keeps its lock until sled's threads are done with it.
const LOCK_WAIT: Duration = Duration::from_secs(5);

const SCAN_CHUNK_BYTES: usize = 1024 * 1024;

/// Inserts that a leaf takes before sled writes it anew.
const TREE_FRAMES: usize = 9;

/// A tree below this many bytes goes on growing: sled writes the list of trees anew with each tree.
const TREE_BYTES_MIN: usize = 64 * 1024;

/// An open database directory.
#[derive(Debug)]
pub(super) struct Volume {
    database: ::sled::Db,
    /// By first position.
    trees: RwLock<BTreeMap<Position, ::sled::Tree>>,
    growing: Mutex<Option<Growing>>,
    file: File,
}

/// The tree that takes the next frame.
#[derive(Debug)]
struct Growing {
    tree: ::sled::Tree,
    frames: usize,
    bytes: usize,
}

impl Volume {
    /// Creates a volume; when this returns, all of it but the entry of `folder` in its parent is
    /// durable.
    pub(super) fn create(folder: &Path, cache_bytes: u64) -> Result<Volume, JournalError> {
        fs::create_dir_all(folder)?;
        let volume = open_database(folder, cache_bytes, Position::ZERO)?;
        guarded(|| volume.database.flush()).map_err(|fault| fault.at(Position::ZERO))?;
        volume.file.sync_all()?;
        // sled does not sync its settings, and a database without them does not open.
        File::open(folder.join("conf"))?.sync_all()?;
        sync_folder(folder)?;
        Ok(volume)
    }

    /// Opens a volume that holds records from `first` on and must hold all up to `proven`, or up to
    /// what its own frames prove if that is more. Tells the proven end and the bytes of its frames.
    pub(super) fn open(
        folder: &Path,
        cache_bytes: u64,
        first: Position,
        proven: Position,
    ) -> Result<(Volume, Position, u64), JournalError> {
        let evidence = Evidence::scan(&folder.join("db"))
            .map_err(|error| JournalError::Corrupt { position: first, reason: format!("volume {first}: {error}") })?;
        let proven = proven.max(evidence.proven);
        if let Some(position) = evidence.first_missing(first, proven) {
            return Err(JournalError::Corrupt {
                position,
                reason: format!("volume {first} lacks it, records up to {proven} were acknowledged"),
            });
        }
        let volume = open_database(folder, cache_bytes, first)?;
        // Opening may have replaced sled's snapshot of its page table.
        sync_folder(folder)?;
        Ok((volume, proven, evidence.bytes))
    }

    pub(super) fn insert(&self, first: Position, frame: IVec) -> io::Result<()> {
        let mut growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let tree = match growing.take() {
            Some(it) if it.frames < TREE_FRAMES || it.bytes < TREE_BYTES_MIN => it,
            Some(_) | None => self.begin_tree(first)?,
        };
        let tree = growing.insert(tree);
        tree.frames += 1;
        tree.bytes += frame.len();
        guarded(|| tree.tree.insert(first.0.to_be_bytes(), frame)).map(drop).map_err(Fault::into_io)
    }

    fn begin_tree(&self, first: Position) -> io::Result<Growing> {
        let tree = guarded(|| self.database.open_tree(first.0.to_be_bytes()));
        let tree = tree.map_err(Fault::into_io)?;
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        trees.insert(first, tree.clone());
        Ok(Growing { tree, frames: 0, bytes: 0 })
    }

    /// Makes everything inserted so far survive the end of the process, and with `power_loss` also
    /// the loss of power.
    pub(super) fn sync(&self, power_loss: bool) -> io::Result<()> {
        guarded(|| self.database.flush()).map_err(Fault::into_io)?;
        if power_loss { self.file.sync_data() } else { Ok(()) }
    }

    /// The frame that contains `position`, or the last one before it, and those that follow it.
    pub(super) fn frames_from(&self, position: Position) -> VolumeFrames {
        let mut trees: VecDeque<::sled::Tree> = {
            let trees = self.trees();
            let from = trees.range(..=position).next_back().map_or(position, |(from, _)| *from);
            trees.range(from..).map(|(_, tree)| tree.clone()).collect()
        };
        let key = position.0.to_be_bytes();
        let mut failed = None;
        let iter = trees.pop_front().map(|tree| {
            let start = guarded(|| {
                let before = tree.range(..=key).next_back().transpose()?;
                Ok(before.map_or_else(|| key.to_vec(), |(key, _)| key.to_vec()))
            });
            match start {
                Ok(start) => tree.range(start..),
                Err(fault) => {
                    failed = Some(fault);
                    tree.iter()
                }
            }
        });
        VolumeFrames { iter, trees, failed }
    }

    /// The bytes of the last frame.
    pub(super) fn last(&self) -> Result<Option<IVec>, Fault> {
        for tree in self.trees().values().rev() {
            if let Some((_, value)) = guarded(|| tree.last())? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Removes all frames that begin at `from` or later, and makes what is left survive the loss of
    /// power.
    pub(super) fn cut(&self, from: Position) -> io::Result<()> {
        let key = from.0.to_be_bytes();
        for tree in self.trees().values().rev() {
            while let Some((last, _)) = guarded(|| tree.last()).map_err(Fault::into_io)?
                && *last >= key[..]
            {
                guarded(|| tree.remove(&last)).map_err(Fault::into_io)?;
            }
        }
        self.sync(true)
    }

    fn trees(&self) -> RwLockReadGuard<'_, BTreeMap<Position, ::sled::Tree>> {
        self.trees.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frames of a volume in order.
pub(super) struct VolumeFrames {
    iter: Option<::sled::Iter>,
    /// The trees behind the one being read.
    trees: VecDeque<::sled::Tree>,
    failed: Option<Fault>,
}

impl Iterator for VolumeFrames {
    type Item = Result<IVec, Fault>;

    fn next(&mut self) -> Option<Result<IVec, Fault>> {
        if let Some(fault) = self.failed.take() {
            return Some(Err(fault));
        }
        loop {
            let iter = self.iter.as_mut()?;
            match guarded(|| iter.next().transpose()) {
                Ok(Some((_, value))) => return Some(Ok(value)),
                Ok(None) => self.iter = self.trees.pop_front().map(|tree| tree.iter()),
                Err(fault) => return Some(Err(fault)),
            }
        }
    }
}

/// What went wrong inside sled.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file system failed.
    Io(io::Error),
    /// The database is damaged, or sled gave up by a panic.
    Corrupt(String),
}

impl Fault {
    /// The error of a read at `position`.
    pub(super) fn at(self, position: Position) -> JournalError {
        match self {
            Fault::Io(error) => JournalError::Io(error),
            Fault::Corrupt(reason) => JournalError::Corrupt { position, reason },
        }
    }

    fn into_io(self) -> io::Error {
        match self {
            Fault::Io(error) => error,
            Fault::Corrupt(reason) => io::Error::other(reason),
        }
    }
}

/// Makes the entries of a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Runs a call into sled, which reports damage in three ways: typed errors, I/O errors and panics.
fn guarded<T>(call: impl FnOnce() -> ::sled::Result<T>) -> Result<T, Fault> {
    // After a panic the volume is given up, so no broken state is seen.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(::sled::Error::Io(error))) => Err(Fault::Io(error)),
        Ok(Err(error)) => Err(Fault::Corrupt(error.to_string())),
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Fault::Corrupt(format!("sled gave up: {}", message.unwrap_or("no message"))))
        }
    }
}

fn open_database(folder: &Path, cache_bytes: u64, first: Position) -> Result<Volume, JournalError> {
    let deadline = Instant::now() + LOCK_WAIT;
    let segment_bytes = segment_bytes(folder)?;
    let database = loop {
        let config = ::sled::Config::new()
            .path(folder)
            .segment_size(segment_bytes)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None)
            .use_compression(false);
        match guarded(|| config.open()) {
            Ok(database) => break database,
            // The lock of the log is ours, so this one is held by what is being closed.
            Err(Fault::Io(error))
                if error.to_string().contains("could not acquire lock") && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(fault) => return Err(fault.at(first)),
        }
    };
    let mut trees = BTreeMap::new();
    for name in database.tree_names() {
        // sled's own tree has a longer name.
        if let Ok(name) = <[u8; 8]>::try_from(name.as_ref()) {
            let tree = guarded(|| database.open_tree(name)).map_err(|fault| fault.at(first))?;
            trees.insert(Position(u64::from_be_bytes(name)), tree);
        }
    }
    let file = File::options().read(true).write(true).open(folder.join("db"))?;
    Ok(Volume { database, trees: RwLock::new(trees), growing: Mutex::default(), file })
}

/// The segment size that a volume was made with: sled opens it with no other.
fn segment_bytes(folder: &Path) -> io::Result<usize> {
    let settings = match fs::read(folder.join("conf")) {
        Ok(settings) => settings,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SEGMENT_BYTES),
        Err(error) => return Err(error),
    };
    // sled puts a binary checksum behind the text.
    let settings = String::from_utf8_lossy(&settings);
    let size = settings.lines().find_map(|line| line.strip_prefix("segment_size: ")?.trim().parse().ok());
    Ok(size.unwrap_or(SEGMENT_BYTES))
}

/// The frames that stand in a database file, whether sled would find them or not.
#[derive(Debug, Default)]
struct Evidence {
    /// The greatest `after` of any frame: everything up to it was acknowledged.
    proven: Position,
    /// First and last position of each run of frames.
    spans: Vec<(Position, Position)>,
    /// Bytes of all frames.
    bytes: u64,
}

impl Evidence {
    fn scan(path: &Path) -> io::Result<Evidence> {
        let mut file = File::open(path)?;
        let mut evidence = Evidence::default();
        let mut bytes = Vec::with_capacity(SCAN_CHUNK_BYTES + FRAME_BYTES_MAX_SINGLE);
        let mut at = 0;
        let mut ended = false;
        loop {
            if !ended && bytes.len() - at < FRAME_BYTES_MAX_SINGLE {
                bytes.drain(..at);
                at = 0;
                let read = file.by_ref().take(SCAN_CHUNK_BYTES as u64).read_to_end(&mut bytes)?;
                ended = read < SCAN_CHUNK_BYTES;
                continue;
            }
            let rest = &bytes[at..];
            let magic = rest.windows(FRAME_MAGIC.len()).position(|window| window == FRAME_MAGIC);
            let Some(skip) = magic else {
                if ended {
                    break;
                }
                // The magic may stand across the end of what was read.
                at = bytes.len() - (FRAME_MAGIC.len() - 1);
                continue;
            };
            at += skip;
            match Frame::decode_prefix(&bytes[at..]) {
                Ok(frame) => {
                    evidence.add(&frame);
                    at += frame.as_bytes().len();
                }
                Err(FrameError::Truncated { .. }) if !ended => {
                    // Less than a whole frame was read so far.
                    if bytes.len() - at >= FRAME_BYTES_MAX_SINGLE {
                        at += 1;
                    }
                }
                Err(_) => at += 1,
            }
        }
        evidence.spans.sort_unstable();
        Ok(evidence)
    }

    fn add(&mut self, frame: &Frame<'_>) {
        self.proven = self.proven.max(frame.after);
        self.bytes += frame.as_bytes().len() as u64;
        match self.spans.last_mut() {
            // Frames mostly stand in order, so runs of them take one entry.
            Some((_, last)) if last.next() == frame.first => *last = frame.last(),
            _ => self.spans.push((frame.first, frame.last())),
        }
    }

    /// The first position of `first..=last` that no frame contains.
    fn first_missing(&self, first: Position, last: Position) -> Option<Position> {
        let mut expected = first;
        for (from, to) in &self.spans {
            if *from > expected {
                break;
            }
            expected = expected.max(to.next());
        }
        (expected <= last).then_some(expected)
    }
}
