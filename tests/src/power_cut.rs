//! Power cuts without a power switch.
//!
//! A process that runs under the shim (`power_cut/shim.c`) leaves a record of all it did to the files
//! below one directory. After it was killed, [`after_power_cut`] builds the directory as a disk could
//! have kept it:
//!
//! - What was written to a file before its last completed sync is there.
//! - Each later write or truncation is there, or is not, or (a write) only some of its sectors of 512
//!   bytes are.
//! - The entries of a directory are there as of its last sync; of the later changes, a prefix is. A
//!   file that was synced itself has kept its entry, as on ext4.
//!
//! That is harsher than any one file system: writes to one file survive in any order. It is milder
//! than a disk that lies about syncs; no software survives that one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rialto_persistence::frame::Position;

const SECTOR_BYTES: u64 = 512;
const ENTRY_BYTES: usize = 32;

/// The compiled shim.
#[derive(Clone, Debug)]
pub struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Compiles the shim into `folder` with the C compiler that Rust links with.
    ///
    /// # Errors
    /// If there is no compiler, or it fails.
    pub fn compile(folder: &Path) -> io::Result<Shim> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("power_cut/shim.c");
        let library = folder.join("power_cut_shim.so");
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()?;
        if output.status.success() {
            Ok(Shim { library })
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    /// Lets `command` run under the shim, recording what it does below `directory` in `log`.
    ///
    /// # Errors
    /// If `directory` does not exist.
    pub fn watch(&self, command: &mut Command, directory: &Path, log: &Path) -> io::Result<()> {
        command
            .env("LD_PRELOAD", &self.library)
            .env("RIALTO_POWER_CUT_DIR", fs::canonicalize(directory)?)
            .env("RIALTO_POWER_CUT_LOG", log);
        Ok(())
    }
}

/// Builds in `out` what a power cut could have left of a directory that was like `initial` before
/// the recorded process began. The same seed gives the same directory.
///
/// # Errors
/// If the record is not one of the shim's, or files cannot be read or written.
pub fn after_power_cut(log: &Path, initial: &Path, out: &Path, seed: u64) -> io::Result<()> {
    // A process that was killed before it wrote anything has left none.
    let log = fs::read(log)
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(Vec::new()) } else { Err(error) })?;
    let mut disk = Disk::default();
    disk.load(initial, ROOT)?;
    disk.follow(&log)?;
    disk.cut(&mut Dice(seed)).write(ROOT, out)
}

/// The record a test writes at `position`, so that it can be recognised without being kept: mostly
/// small, now and then larger than a frame.
pub fn journal_record(position: Position) -> Vec<u8> {
    let mut dice = Dice(position.0);
    let length = match dice.below(500) {
        0 => 60_000 + dice.below(35_000),
        1..50 => dice.below(2_000),
        _ => 20 + dice.below(100),
    };
    let first = dice.below(256);
    (first..first + length).map(|byte| byte as u8).collect()
}

type Node = usize;
const ROOT: Node = 0;

/// Everything the record tells, with what is certain and what is not.
struct Disk<'a> {
    nodes: Vec<File<'a>>,
    /// Entries as the process saw them.
    seen: HashMap<Node, BTreeMap<Vec<u8>, Node>>,
    /// Entries before the process began.
    initial: HashMap<Node, BTreeMap<Vec<u8>, Node>>,
    by_inode: HashMap<u64, Node>,
    changes: Vec<Change>,
}

/// A file; for a directory, nothing of this is used.
#[derive(Default)]
struct File<'a> {
    durable: Vec<u8>,
    pending: Vec<Pending<'a>>,
}

struct Pending<'a> {
    number: u64,
    edit: Edit<'a>,
}

enum Edit<'a> {
    Write { at: u64, bytes: &'a [u8] },
    Truncate { length: u64 },
}

/// A change to the entries of a directory.
struct Change {
    number: u64,
    directory: Node,
    edit: EntryEdit,
    durable: bool,
}

enum EntryEdit {
    Link { name: Vec<u8>, node: Node },
    Remove { name: Vec<u8> },
    Rename { from: Node, from_name: Vec<u8>, name: Vec<u8>, node: Node },
}

impl Default for Disk<'_> {
    fn default() -> Self {
        let entries = HashMap::from([(ROOT, BTreeMap::new())]);
        Disk {
            nodes: vec![File::default()],
            seen: entries.clone(),
            initial: entries,
            by_inode: HashMap::new(),
            changes: Vec::new(),
        }
    }
}

impl<'a> Disk<'a> {
    fn load(&mut self, folder: &Path, directory: Node) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let node = self.nodes.len();
            self.nodes.push(File::default());
            let name = entry.file_name().as_bytes().to_vec();
            for entries in [&mut self.seen, &mut self.initial] {
                entries.entry(directory).or_default().insert(name.clone(), node);
            }
            if entry.file_type()?.is_dir() {
                self.seen.insert(node, BTreeMap::new());
                self.initial.insert(node, BTreeMap::new());
                self.load(&entry.path(), node)?;
            } else {
                self.nodes[node].durable = fs::read(entry.path())?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, mut log: &'a [u8]) -> io::Result<()> {
        let mut number = 0;
        // The process may have been killed inside of an entry: a rest is no error.
        while let Some((entry, rest)) = log.split_first_chunk::<ENTRY_BYTES>() {
            let field = |index: usize| {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&entry[index * 8..index * 8 + 8]);
                u64::from_le_bytes(bytes)
            };
            let (op, inode, value, length) = (field(0), field(1), field(2), field(3));
            let Some((data, rest)) = rest.split_at_checked(length as usize) else {
                break;
            };
            log = rest;
            number += 1;
            self.follow_one(number, op, inode, value, data)?;
        }
        Ok(())
    }

    fn follow_one(&mut self, number: u64, op: u64, inode: u64, value: u64, data: &'a [u8]) -> io::Result<()> {
        match op {
            1 => {
                let node = self.nodes.len();
                self.nodes.push(File::default());
                self.by_inode.insert(inode, node);
                self.link(number, data, node)
            }
            2 => {
                let (directory, name) = self.resolve(data)?;
                let node = self.entry(directory, name)?;
                self.by_inode.insert(inode, node);
                Ok(())
            }
            3 => self.edit(inode, number, Edit::Write { at: value, bytes: data }),
            4 => self.edit(inode, number, Edit::Truncate { length: value }),
            5 => self.sync(inode, value),
            6 => {
                let directory = self.directory(data)?;
                self.sync_entries(directory, value);
                Ok(())
            }
            7 => self.rename(number, data),
            8 => {
                let (directory, name) = self.resolve(data)?;
                self.entry(directory, name)?;
                self.seen.entry(directory).or_default().remove(name);
                self.change(number, directory, EntryEdit::Remove { name: name.to_vec() });
                Ok(())
            }
            9 => {
                let node = self.nodes.len();
                self.nodes.push(File::default());
                self.seen.insert(node, BTreeMap::new());
                self.link(number, data, node)
            }
            _ => Err(not_a_record("an operation is unknown")),
        }
    }

    fn link(&mut self, number: u64, path: &[u8], node: Node) -> io::Result<()> {
        let (directory, name) = self.resolve(path)?;
        self.seen.entry(directory).or_default().insert(name.to_vec(), node);
        self.change(number, directory, EntryEdit::Link { name: name.to_vec(), node });
        Ok(())
    }

    fn rename(&mut self, number: u64, both: &[u8]) -> io::Result<()> {
        let middle = both.iter().position(|byte| *byte == 0);
        let (from, to) = both.split_at(middle.ok_or_else(|| not_a_record("a rename has one path"))?);
        let (from, from_name) = self.resolve(from)?;
        let (to, name) = self.resolve(&to[1..])?;
        let node = self.entry(from, from_name)?;
        self.seen.entry(from).or_default().remove(from_name);
        self.seen.entry(to).or_default().insert(name.to_vec(), node);
        let edit = EntryEdit::Rename { from, from_name: from_name.to_vec(), name: name.to_vec(), node };
        self.change(number, to, edit);
        Ok(())
    }

    fn change(&mut self, number: u64, directory: Node, edit: EntryEdit) {
        self.changes.push(Change { number, directory, edit, durable: false });
    }

    fn edit(&mut self, inode: u64, number: u64, edit: Edit<'a>) -> io::Result<()> {
        let node = self.file(inode)?;
        self.nodes[node].pending.push(Pending { number, edit });
        Ok(())
    }

    fn sync(&mut self, inode: u64, before: u64) -> io::Result<()> {
        let node = self.file(inode)?;
        let file = &mut self.nodes[node];
        let covered = file.pending.partition_point(|pending| pending.number <= before);
        for pending in file.pending.drain(..covered) {
            pending.edit.apply(&mut file.durable);
        }
        self.keep_entry(node);
        Ok(())
    }

    /// The entry of a synced file is durable, and so are those of the directories it stands in.
    fn keep_entry(&mut self, node: Node) {
        let linked = self.changes.iter().rev().find_map(|change| match &change.edit {
            EntryEdit::Link { node: linked, .. } if *linked == node => {
                Some((change.directory, change.number, change.durable))
            }
            _ => None,
        });
        if let Some((directory, number, false)) = linked {
            self.sync_entries(directory, number);
            self.keep_entry(directory);
        }
    }

    fn sync_entries(&mut self, directory: Node, before: u64) {
        for change in &mut self.changes {
            if change.directory == directory && change.number <= before {
                change.durable = true;
            }
        }
    }

    fn file(&self, inode: u64) -> io::Result<Node> {
        self.by_inode.get(&inode).copied().ok_or_else(|| not_a_record("a file was never opened"))
    }

    fn directory(&self, path: &[u8]) -> io::Result<Node> {
        path.split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
            .try_fold(ROOT, |directory, name| self.entry(directory, name))
    }

    fn resolve<'p>(&self, path: &'p [u8]) -> io::Result<(Node, &'p [u8])> {
        match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => Ok((self.directory(&path[..slash])?, &path[slash + 1..])),
            None => Ok((ROOT, path)),
        }
    }

    fn entry(&self, directory: Node, name: &[u8]) -> io::Result<Node> {
        let entries = self.seen.get(&directory);
        entries
            .and_then(|entries| entries.get(name))
            .copied()
            .ok_or_else(|| not_a_record(&format!("{} is not there", String::from_utf8_lossy(name))))
    }

    /// Decides what survived.
    fn cut(mut self, dice: &mut Dice) -> Survivors {
        // Losing all and keeping all are likely outcomes of real power cuts: give them weight.
        let luck = match dice.below(10) {
            0..3 => Luck::Nothing,
            3 => Luck::Everything,
            _ => Luck::Mixed,
        };
        // Of the changes that are not durable, each directory keeps a prefix.
        let mut uncertain: HashMap<Node, u64> = HashMap::new();
        for change in self.changes.iter().filter(|change| !change.durable) {
            *uncertain.entry(change.directory).or_default() += 1;
        }
        let mut directories: Vec<(Node, u64)> = uncertain.into_iter().collect();
        directories.sort_unstable();
        let mut kept: HashMap<Node, u64> = directories
            .into_iter()
            .map(|(directory, count)| match luck {
                Luck::Nothing => (directory, 0),
                Luck::Everything => (directory, count),
                Luck::Mixed => (directory, dice.below(count + 1)),
            })
            .collect();
        let mut entries = self.initial;
        for change in self.changes {
            let left = kept.entry(change.directory).or_default();
            if !change.durable {
                if *left == 0 {
                    continue;
                }
                *left -= 1;
            }
            change.edit.apply(change.directory, &mut entries);
        }
        let contents = self
            .nodes
            .iter_mut()
            .map(|file| {
                let mut content = std::mem::take(&mut file.durable);
                for pending in &file.pending {
                    match luck {
                        Luck::Nothing => {}
                        Luck::Everything => pending.edit.apply(&mut content),
                        Luck::Mixed => pending.edit.apply_by_chance(&mut content, dice),
                    }
                }
                content
            })
            .collect();
        let directories = self.seen.into_keys().collect();
        Survivors { entries, contents, directories }
    }
}

#[derive(Clone, Copy)]
enum Luck {
    Nothing,
    Everything,
    Mixed,
}

impl EntryEdit {
    fn apply(self, directory: Node, entries: &mut HashMap<Node, BTreeMap<Vec<u8>, Node>>) {
        match self {
            EntryEdit::Link { name, node } => {
                entries.entry(directory).or_default().insert(name, node);
            }
            EntryEdit::Remove { name } => {
                entries.entry(directory).or_default().remove(&name);
            }
            EntryEdit::Rename { from, from_name, name, node } => {
                // If the entry never came to be, there is nothing to rename.
                let source = entries.entry(from).or_default();
                if source.get(&from_name) == Some(&node) {
                    source.remove(&from_name);
                    entries.entry(directory).or_default().insert(name, node);
                }
            }
        }
    }
}

impl Edit<'_> {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Edit::Write { at, bytes } => put(content, *at, bytes),
            Edit::Truncate { length } => content.resize(*length as usize, 0),
        }
    }

    fn apply_by_chance(&self, content: &mut Vec<u8>, dice: &mut Dice) {
        match (self, dice.below(3)) {
            (_, 0) => {}
            (Edit::Write { at, bytes }, 1) => {
                let mut at = *at;
                let mut bytes = *bytes;
                while !bytes.is_empty() {
                    let to_boundary = (SECTOR_BYTES - at % SECTOR_BYTES) as usize;
                    let (sector, rest) = bytes.split_at(to_boundary.min(bytes.len()));
                    if dice.below(2) == 0 {
                        put(content, at, sector);
                    }
                    at += sector.len() as u64;
                    bytes = rest;
                }
            }
            (edit, _) => edit.apply(content),
        }
    }
}

fn put(content: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (from, to) = (at as usize, at as usize + bytes.len());
    if content.len() < to {
        content.resize(to, 0);
    }
    content[from..to].copy_from_slice(bytes);
}

/// What the disk holds after the cut.
struct Survivors {
    entries: HashMap<Node, BTreeMap<Vec<u8>, Node>>,
    contents: Vec<Vec<u8>>,
    directories: HashSet<Node>,
}

impl Survivors {
    fn write(&self, directory: Node, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        for (name, node) in self.entries.get(&directory).into_iter().flatten() {
            let path = folder.join(OsStr::from_bytes(name));
            if self.directories.contains(node) {
                self.write(*node, &path)?;
            } else {
                fs::write(path, &self.contents[*node])?;
            }
        }
        Ok(())
    }
}

fn not_a_record(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the record of the shim: {reason}"))
}

/// A small random generator (SplitMix64), so that a seed names one outcome for good.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % bound
    }
}
