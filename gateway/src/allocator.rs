//! What the allocator of the C library is told.

/// From this size on, a block gets pages of its own. Tables of orders grow by moving such pages
/// rather than by copying, which would stop an actor for milliseconds, and what is freed goes back
/// to the system. Left alone, the library raises the size to 32 MiB with the first large block
/// that it sees freed, and tables leave holes behind that are as large as they are.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_FROM_BYTES: std::ffi::c_int = 256 * 1024;
/// Free memory at the end of a heap beyond this is given back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TRIMMED_FROM_BYTES: std::ffi::c_int = 1024 * 1024;

/// So many heaps there may be: more than threads. Left alone, the library has eight for each processor, and threads
/// share them. Then a thread that trades would wait for one that reads, whose processor was taken from it in the midst of
/// the heap that they share: see `rialto_actors::priority`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS_MAX: std::ffi::c_int = 512;

/// Makes freed memory go back to the system, and gives each thread a heap of its own. To be called before any thread is started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library offers no other way")]
pub fn give_back_early() {
    // SAFETY: mallopt takes plain integers and reads no memory of ours. It is not safe beside other
    // threads that allocate; the only caller is the first line of `main`, where there are none.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIMMED_FROM_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS_MAX);
    }
}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back_early() {}
