//! Snapshots: a whole partition as plain data, written so that a torn one is never taken for a
//! good one.
//!
//! File layout, little endian: magic `RIALTOSN`, format version (u32), body length (u64), body
//! checksum (CRC-32, u32), body. A file is written under a temporary name, synced, renamed, and
//! its directory synced: under its final name it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rialto_engine::book::BookSnapshot;
use rialto_engine::market::{MarketDefinition, MarketSpec};
use rialto_engine::message::{ToBook, ToWallet};
use rialto_engine::wallet::{ToShard, Wallet, WalletLimits, WalletSnapshot};

use crate::codec;
use crate::world::{MarketPath, OtherWallet, World};

const MAGIC: &[u8; 8] = b"RIALTOSN";
const VERSION: u32 = 5;
/// What is written where every tenant has one wallet, and nobody a credit.
const VERSION_PLAIN: u32 = 4;
/// The oldest version that is still read.
const VERSION_OLDEST: u32 = 1;
const HEADER_LENGTH: usize = 24;
const BUFFER_BYTES: usize = 1 << 16;
/// How many snapshots are kept: the newest, and one to fall back to.
const KEPT: usize = 2;

/// A whole partition at one position of its journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorldSnapshot {
    /// The sequence number of the last record applied.
    pub position: u64,
    /// The tenants by number.
    pub tenants: Vec<TenantSnapshot>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSnapshot {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub limits: WalletLimits,
    /// Its assets by number.
    pub assets: Vec<AssetSnapshot>,
    /// The names of its accounts by number.
    pub accounts: Vec<String>,
    /// Its markets by number.
    pub markets: Vec<MarketSnapshot>,
    /// Its wallet; of several, the first.
    pub wallet: WalletSnapshot,
    /// Its other wallets.
    pub others: Vec<OtherWalletSnapshot>,
}

/// Another wallet of a tenant than the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherWalletSnapshot {
    /// The wallet.
    pub wallet: WalletSnapshot,
    /// What the first one has told it that it has not taken yet.
    pub to_it: Vec<ToShard>,
    /// What it has told the first one, which has not taken it yet.
    pub to_first: Vec<ToShard>,
}

impl OtherWalletSnapshot {
    /// The wallet as plain data.
    #[must_use]
    pub fn of(other: &OtherWallet) -> Self {
        Self {
            wallet: other.wallet.snapshot(),
            to_it: other.to_it.iter().cloned().collect(),
            to_first: other.to_first.iter().cloned().collect(),
        }
    }

    /// The wallet that gave this.
    #[must_use]
    pub fn restore(self, specs: &[MarketSpec], limits: WalletLimits) -> OtherWallet {
        let wallet = Wallet::restore(&self.wallet, specs, limits);
        OtherWallet { wallet, to_it: self.to_it.into(), to_first: self.to_first.into() }
    }
}

/// What is under way between a book and another wallet than the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathSnapshot {
    /// Messages that the book has not taken yet.
    pub to_book: Vec<ToBook>,
    /// Answers that the wallet has not taken yet.
    pub to_wallet: Vec<ToWallet>,
}

impl PathSnapshot {
    /// The path as plain data.
    #[must_use]
    pub fn of(path: &MarketPath) -> Self {
        Self { to_book: path.to_book.iter().cloned().collect(), to_wallet: path.to_wallet.iter().cloned().collect() }
    }
}

impl From<PathSnapshot> for MarketPath {
    fn from(path: PathSnapshot) -> Self {
        Self { to_book: path.to_book.into(), to_wallet: path.to_wallet.into() }
    }
}

/// An asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetSnapshot {
    /// Its name.
    pub name: String,
    /// Decimals of its minor unit.
    pub scale: u8,
}

/// A market with its book and the messages under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketSnapshot {
    /// Its symbol.
    pub symbol: String,
    /// What it trades.
    pub definition: MarketDefinition,
    /// Its book.
    pub book: BookSnapshot,
    /// Messages that the book has not taken yet.
    pub to_book: Vec<ToBook>,
    /// Answers that the wallet has not taken yet.
    pub to_wallet: Vec<ToWallet>,
    /// The same of the tenant's other wallets.
    pub others: Vec<PathSnapshot>,
}

/// Writes a snapshot of a state durably and drops all but the newest two. Returns its size in
/// bytes. It goes to the file piece by piece: beside the state it takes next to no memory.
///
/// # Errors
/// If the file cannot be written; then the older ones are untouched.
pub fn write(directory: &Path, world: &World) -> io::Result<u64> {
    fs::create_dir_all(directory)?;
    let path = directory.join(format!("{:020}.snapshot", world.position));
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    // The header is known last; until then nothing stands in its place that could pass for one.
    file.write_all(&[0; HEADER_LENGTH])?;
    let body = Body { file, checksum: crc32fast::Hasher::new(), length: 0 };
    let mut body = BufWriter::with_capacity(BUFFER_BYTES, body);
    codec::write_snapshot(world, &mut body)?;
    let Body { mut file, checksum, length } = body.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(MAGIC)?;
    let version = if codec::says_more(world) { VERSION } else { VERSION_PLAIN };
    file.write_all(&version.to_le_bytes())?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&checksum.finalize().to_le_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, &path)?;
    File::open(directory)?.sync_all()?;
    for old in list(directory)?.iter().skip(KEPT) {
        fs::remove_file(old)?;
    }
    Ok(HEADER_LENGTH as u64 + length)
}

/// A body on its way to the file, counted and summed.
struct Body {
    file: File,
    checksum: crc32fast::Hasher,
    length: u64,
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.checksum.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The newest snapshot that is whole, or `None` if there is none. A damaged one is passed over
/// and named in the log.
///
/// # Errors
/// If the directory cannot be read.
pub fn newest(directory: &Path) -> io::Result<Option<WorldSnapshot>> {
    for path in list(directory)? {
        match read(&path) {
            Ok(snapshot) => return Ok(Some(snapshot)),
            Err(error) => tracing::warn!(snapshot = %path.display(), %error, "passed over a damaged snapshot"),
        }
    }
    Ok(None)
}

/// Reads one snapshot file.
///
/// # Errors
/// If it cannot be read or is not whole.
pub fn read(path: &Path) -> io::Result<WorldSnapshot> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let bytes = fs::read(path)?;
    let (header, body) = bytes.split_at_checked(HEADER_LENGTH).ok_or_else(|| invalid("too short".to_owned()))?;
    let word = |range: std::ops::Range<usize>| u32::from_le_bytes(header[range].try_into().unwrap_or_default());
    let length = u64::from_le_bytes(header[12..20].try_into().unwrap_or_default());
    if &header[..8] != MAGIC || !(VERSION_OLDEST..=VERSION).contains(&word(8..12)) {
        return Err(invalid("not a snapshot of a known version".to_owned()));
    }
    if length != body.len() as u64 || word(20..24) != crc32fast::hash(body) {
        return Err(invalid("length or checksum differ".to_owned()));
    }
    codec::decode_snapshot(body).map_err(|error| invalid(error.to_string()))
}

/// The snapshot files, the newest first.
///
/// # Errors
/// If the directory cannot be read. One that does not exist is empty.
pub fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "snapshot") {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    paths.reverse();
    Ok(paths)
}
