//! A file of lines that is only ever added to.
//!
//! A line that cannot be written whole and made durable is taken off again, so that the next one does not begin
//! in the middle of it. What a crash has left of a line at the end is taken off at the next start.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Where lines are kept.
pub trait Medium {
    /// Writes at its end.
    ///
    /// # Errors
    /// If not all of it could be written.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()>;
    /// Makes what was written durable.
    ///
    /// # Errors
    /// If that is not certain.
    fn sync(&mut self) -> std::io::Result<()>;
    /// Takes off what is behind this length.
    ///
    /// # Errors
    /// If it is still there.
    fn cut(&mut self, length: u64) -> std::io::Result<()>;
}

impl Medium for File {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> std::io::Result<()> {
        self.set_len(length)
    }
}

/// What begins the last field of a line that carries its checksum.
const SUM: &str = ",\"sum\":\"";

/// A line that holds this JSON object, with the SHA-256 of what stands before it as its last field, `sum`.
#[must_use]
pub fn with_sum(mut object: Vec<u8>) -> Vec<u8> {
    debug_assert!(object.len() > 2 && object.last() == Some(&b'}'), "an object with a field");
    object.pop();
    let sum = sum_of(&object);
    object.extend_from_slice(format!("{SUM}{sum}\"}}\n").as_bytes());
    object
}

/// The text of a line by [`with_sum`], given without its end; `None` if it was changed.
#[must_use]
pub fn checked(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    let (content, sum) = text.rsplit_once(SUM)?;
    (sum.strip_suffix("\"}")? == sum_of(content.as_bytes())).then_some(text)
}

fn sum_of(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// The file, opened.
#[derive(Debug)]
pub struct Lines<M = File> {
    medium: M,
    /// Up to where it holds whole lines.
    length: u64,
    /// What a failed write has left could not be taken off: nothing more is written.
    is_broken: bool,
}

impl Lines {
    /// Opens a file, or makes an empty one, and gives each whole line of it to `take`, without its end.
    ///
    /// # Errors
    /// If it cannot be read, or `take` does not want a line: why.
    pub fn open(path: &Path, mut take: impl FnMut(&[u8]) -> Result<(), String>) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("{}: {error}", path.display());
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(cannot)?;
        let (mut length, mut line) = (0, Vec::new());
        let mut reader = BufReader::new(&file);
        for place in 1_u64.. {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(cannot)?;
            if line.pop() != Some(b'\n') {
                break;
            }
            take(&line).map_err(|what| format!("{}, line {place}: {what}", path.display()))?;
            length += read as u64;
        }
        let behind = file.metadata().map_err(cannot)?.len().saturating_sub(length);
        if behind > 0 {
            tracing::warn!(file = %path.display(), bytes = behind, "half a line at the end was taken off");
            file.set_len(length).map_err(cannot)?;
        }
        Ok(Self { medium: file, length, is_broken: false })
    }

    /// A file to which nothing can be written.
    #[cfg(test)]
    pub fn only_to_read(path: &Path) -> Self {
        Self { medium: File::open(path).expect("it is there"), length: 0, is_broken: false }
    }
}

impl<M: Medium> Lines<M> {
    /// Adds a line, which ends in a line feed. It is durable when this comes back.
    ///
    /// # Errors
    /// If it is not; then it is not there either.
    pub fn add(&mut self, line: &[u8]) -> std::io::Result<()> {
        if self.is_broken {
            return Err(std::io::Error::other("a write has failed before, and could not be taken back"));
        }
        let added = self.medium.write(line).and_then(|()| self.medium.sync());
        if added.is_ok() {
            self.length += line.len() as u64;
        } else {
            let cut = self.medium.cut(self.length).and_then(|()| self.medium.sync());
            self.is_broken = cut.is_err();
        }
        added
    }

    /// How long it is: where the next line begins.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no line.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that fails when it is told to.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        is_full: bool,
        cannot_sync: u32,
        cannot_cut: bool,
    }

    impl Medium for Disk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
            let room = if self.is_full { bytes.len() / 2 } else { bytes.len() };
            self.bytes.extend_from_slice(&bytes[..room]);
            if self.is_full { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn sync(&mut self) -> std::io::Result<()> {
            match self.cannot_sync.checked_sub(1) {
                None => Ok(()),
                Some(left) => {
                    self.cannot_sync = left;
                    Err(std::io::Error::other("no"))
                }
            }
        }

        fn cut(&mut self, length: u64) -> std::io::Result<()> {
            if self.cannot_cut {
                return Err(std::io::Error::other("no"));
            }
            self.bytes.truncate(usize::try_from(length).expect("small"));
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_not_written_whole_leaves_nothing_behind() {
        let mut lines = Lines { medium: Disk::default(), length: 0, is_broken: false };
        lines.add(b"one\n").expect("written");
        lines.medium.is_full = true;
        lines.add(b"two\n").expect_err("full");
        lines.medium.is_full = false;
        lines.medium.cannot_sync = 1;
        lines.add(b"three\n").expect_err("not durable");
        lines.add(b"four\n").expect("there is room again");
        assert_eq!((lines.medium.bytes.as_slice(), lines.len()), (&b"one\nfour\n"[..], 9));
        (lines.medium.is_full, lines.medium.cannot_cut) = (true, true);
        lines.add(b"five\n").expect_err("full");
        (lines.medium.is_full, lines.medium.cannot_cut) = (false, false);
        lines.add(b"six\n").expect_err("nobody knows what is in the file");
    }

    #[test]
    fn a_line_that_was_changed_does_not_fit_its_checksum() {
        let line = with_sum(br#"{"rail":"bank"}"#.to_vec());
        let line = line.strip_suffix(b"\n").expect("it ends");
        let text = checked(line).expect("as it was written");
        assert!(text.starts_with(r#"{"rail":"bank","sum":""#) && text.len() == 15 + 73, "{text}");
        for changed in [text.replace("bank", "tank"), text.replace("\"}", "0\"}"), text.replace(",\"sum", ", \"sum")] {
            assert_ne!(changed, text);
            assert_eq!(checked(changed.as_bytes()), None, "{changed}");
        }
        assert_eq!(checked(br#"{"rail":"bank"}"#), None);
        assert_eq!(checked(b"\xff"), None);
    }

    #[test]
    fn half_a_line_at_the_end_is_taken_off_whatever_it_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        // A letter that was cut in the middle.
        std::fs::write(&path, b"one\ntwo\nthr\xc3").expect("written");
        let mut read = Vec::new();
        let mut take = |line: &[u8]| {
            read.push(line.to_vec());
            Ok(())
        };
        let mut lines = Lines::open(&path, &mut take).expect("it opens");
        lines.add(b"four\n").expect("written");
        drop(lines);
        Lines::open(&path, &mut take).expect("it opens");
        assert_eq!(std::fs::read(&path).expect("read"), b"one\ntwo\nfour\n");
        assert_eq!(read, [&b"one"[..], b"two", b"one", b"two", b"four"]);
        let refused = Lines::open(&path, |line| if line == b"two" { Err("no".to_owned()) } else { Ok(()) });
        assert!(refused.expect_err("it is not wanted").ends_with("lines, line 2: no"));
    }
}
