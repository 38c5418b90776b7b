//! Telling the processor what will be needed soon.
//!
//! A tick of a large room walks through megabytes of seats, a few kilobytes for each, with system calls
//! between them: more than fits the near caches, and in no order the processor could guess. While it
//! deals with one member the next one's state can be on its way.

#![allow(unsafe_code)]

/// Bytes of one line of cache.
const LINE: usize = 64;
/// Of a large value no more is asked for: what is asked for too early pushes other things out.
const MOST: usize = 2_048;

/// Asks for the memory of `value` itself, not for what it points at. Costs a nanosecond per 64 bytes and
/// changes nothing else.
#[inline]
pub fn prefetch<T: ?Sized>(value: &T) {
    let bytes = size_of_val(value).min(MOST);
    let start = std::ptr::from_ref(value).cast::<i8>();
    #[cfg(target_arch = "x86_64")]
    for offset in (0..bytes).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the address lies within `value`; a prefetch reads nothing the program can see and
        // faults on no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(offset)) };
    }
    // Elsewhere the hint is not to be had in stable Rust.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, start, LINE);
}
