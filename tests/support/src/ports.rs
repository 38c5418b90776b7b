//! Ports for servers and phones that must be told theirs, below the kernel's ephemeral range.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;
/// Blocks start at multiples of this, since some phones take neighbouring ports unasked.
const SPACING: u16 = 10;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// First of `count` neighbouring loopback ports that are free for UDP and TCP now. No two calls
/// in this process get the same ports; another process starts elsewhere, by its id.
///
/// # Panics
/// When the whole range is taken.
#[must_use]
pub fn free_block(count: u16) -> u16 {
    let span = LAST - FIRST;
    let size = count.div_ceil(SPACING) * SPACING;
    // Neighbouring process ids start far from each other.
    let start = (process::id().wrapping_mul(613) % u32::from(span / SPACING)) as u16 * SPACING;
    for _ in 0..(span / SPACING) {
        let offset = NEXT.fetch_add(size, Ordering::Relaxed);
        let first = FIRST + ((u32::from(start) + u32::from(offset)) % u32::from(span)) as u16;
        if first.checked_add(size).is_some_and(|end| end <= LAST)
            && (first..first + count).all(is_free)
        {
            return first;
        }
    }
    panic!("no {count} free loopback ports between {FIRST} and {LAST}");
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_overlap_and_taken_ports_are_skipped() {
        let first = free_block(20);
        let second = free_block(20);
        assert!(first.abs_diff(second) >= 20);
    }
}
