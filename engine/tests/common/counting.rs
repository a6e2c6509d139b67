//! An allocator that counts what each thread asks for.

#![expect(unsafe_code, reason = "an allocator that counts can be written in no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, and a count of what this thread asked of it.
struct Counting;

/// What a thread asked for so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// New blocks, and blocks that were made larger or smaller.
    pub blocks: u64,
    /// What it holds: may be negative, because it may free what others asked for.
    pub bytes: i64,
}

thread_local! {
    // Without a destructor and with a constant beginning, so that to count never allocates.
    static ASKED: Cell<Asked> = const { Cell::new(Asked { blocks: 0, bytes: 0 }) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(blocks: u64, bytes_new: usize, bytes_old: usize) {
    let signed = |bytes: usize| i64::try_from(bytes).expect("a layout is at most isize::MAX bytes");
    ASKED.with(|asked| {
        let Asked { blocks: before, bytes } = asked.get();
        asked.set(Asked { blocks: before + blocks, bytes: bytes + signed(bytes_new) - signed(bytes_old) });
    });
}

// SAFETY: every method hands its arguments unchanged to `System`, which is a correct allocator, and
// gives back what that gives; so each call's contract towards `System` is the caller's contract towards
// this. Counting touches a thread-local of plain numbers that never allocates, never unwinds (no block
// exceeds isize::MAX bytes, and the sums would take ages to overflow) and has no destructor, so that
// it is there as long as the thread is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        // SAFETY: the block came from `System` with this layout, because all blocks do.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size, layout.size());
        // SAFETY: the block came from `System` with this layout, because all blocks do; the size is
        // the caller's to answer for.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Carries something out and says what it asked for.
pub fn asked_by<T>(work: impl FnOnce() -> T) -> (T, Asked) {
    let before = ASKED.get();
    let result = work();
    let after = ASKED.get();
    (result, Asked { blocks: after.blocks - before.blocks, bytes: after.bytes - before.bytes })
}
