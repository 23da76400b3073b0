//! How the heap gives memory back.

/// Allocations of at least this much are mappings of their own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_MIN_BYTES: libc::c_int = 256 << 10;

/// The end of the heap goes back when so much of it is free; with less, memory that is
/// needed again at once would go to and fro.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_MAX_BYTES: libc::c_int = 1 << 20;

/// Makes large allocations always come fresh from the kernel and go back at once. To be
/// called once, before there are threads.
///
/// glibc begins with that, but raises both limits with the largest block that was freed
/// (M_MMAP_THRESHOLD in mallopt(3)); larger ones then come out of the heap and are cleared by
/// writing to them. sled allocates cleared tables of half a megabyte, of which it touches a
/// few pages. With limits that stay, ten thousand series and a thousand lines a second take a
/// third less memory, and queries and writing a tenth more time.
///
/// Elsewhere nothing changes.
pub fn tune() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "no crate has a safe mallopt")]
    // SAFETY: it takes integers, and no other thread is in the allocator yet.
    unsafe {
        // It fails for values beyond its range only; then all is as before.
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_MIN_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_MAX_BYTES);
    }
}

/// Gives back what is free anywhere in the heap, in some milliseconds. For after long work by threads of
/// its own: glibc lets each of them allocate in an arena, of which only the end goes back by itself, and
/// what others keep from there holds on to the rest. Without it, fifteen queries over 1 GB of log lines
/// left 165 MB behind.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "no crate has a safe malloc_trim")]
    // SAFETY: it may be called at any time by any thread, see malloc_trim(3).
    unsafe {
        libc::malloc_trim(0);
    }
}
