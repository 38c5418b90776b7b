//! The system calls the standard library does not offer, each behind a safe function.
//!
//! Kernel receive timestamps (`SO_TIMESTAMPNS`), sleeping to an absolute deadline
//! (`clock_nanosleep`), detaching a UDP socket from its peer, asking for real-time priority, raising the
//! file-descriptor limit, and the room on a disk.
//! Used by [`line`](super::line), [`port_pool`](super::port_pool) and [`clock`](super::clock); nothing here knows of RTP.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

/// What the scheduler granted to a media thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// `SCHED_FIFO`: runs before everything that is not real time.
    RealTime,
    /// A negative nice value only.
    Nice,
    /// Neither was allowed.
    Normal,
}

impl Priority {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RealTime => "real-time",
            Self::Nice => "nice",
            Self::Normal => "normal",
        }
    }
}

/// Asks for `SCHED_FIFO` at `level` (1..99) for the calling thread, else nice −10, else leaves it.
pub fn request_real_time(level: i32) -> Priority {
    // SAFETY: sched_param is plain data, zero is a valid value, and pid 0 means this thread.
    let granted = unsafe {
        let mut param: libc::sched_param = mem::zeroed();
        param.sched_priority = level;
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const param)
    };
    if granted == 0 {
        return Priority::RealTime;
    }
    // SAFETY: setpriority takes integers only; on Linux "who" 0 is the calling thread.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -10) } == 0 {
        return Priority::Nice;
    }
    Priority::Normal
}

/// Bytes that this process may still write on the disk of `path`; `None` if the system does not say.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: statvfs is plain data, the path ends in a zero, and the kernel writes one struct.
    let found = unsafe {
        let mut found: libc::statvfs = mem::zeroed();
        (libc::statvfs(path.as_ptr(), &raw mut found) == 0).then_some(found)
    }?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The monotonic clock that [`std::time::Instant`] reads, as time since boot.
pub fn monotonic() -> Duration {
    clock(libc::CLOCK_MONOTONIC)
}

/// The wall clock that kernel receive timestamps are taken from, as time since the epoch.
pub fn realtime() -> Duration {
    clock(libc::CLOCK_REALTIME)
}

fn clock(id: libc::clockid_t) -> Duration {
    // SAFETY: timespec is plain data and the kernel writes exactly one.
    let spec = unsafe {
        let mut spec: libc::timespec = mem::zeroed();
        libc::clock_gettime(id, &raw mut spec);
        spec
    };
    duration(spec)
}

fn duration(spec: libc::timespec) -> Duration {
    Duration::new(
        u64::try_from(spec.tv_sec).unwrap_or(0),
        u32::try_from(spec.tv_nsec).unwrap_or(0).min(999_999_999),
    )
}

/// Sleeps until the monotonic clock shows `deadline`; returns at once when it is past.
pub fn sleep_until(deadline: Duration) {
    let spec = libc::timespec {
        tv_sec: i64::try_from(deadline.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(deadline.subsec_nanos()),
    };
    // SAFETY: `spec` outlives the call; no remainder is asked for. EINTR repeats the same deadline.
    while unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const spec,
            std::ptr::null_mut(),
        )
    } == libc::EINTR
    {}
}

/// Has the kernel stamp each datagram with its arrival time.
///
/// # Errors
/// The error of `setsockopt`.
pub fn enable_receive_timestamps(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option value points at a c_int that lives across the call, with its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Dissolves the association a UDP `connect` made: the socket hears every sender again.
///
/// # Errors
/// The error of `connect`.
pub fn disconnect(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: sockaddr is plain data, zero is valid, and its family alone is read for AF_UNSPEC.
    let result = unsafe {
        let mut nobody: libc::sockaddr = mem::zeroed();
        nobody.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
        let size = size_of_val(&nobody) as libc::socklen_t;
        libc::connect(socket.as_raw_fd(), &raw const nobody, size)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// One datagram as the kernel handed it over.
pub struct Received {
    pub len: usize,
    /// Who sent it; `None` when the caller knows, as on a connected socket.
    pub from: Option<SocketAddr>,
    /// Arrival on the wall clock; `None` when the kernel did not stamp it.
    pub stamp: Option<Duration>,
}

/// Whether the kernel shall copy out who sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Wanted,
    Known,
}

/// Takes one datagram from a non-blocking socket. Longer datagrams are cut at `buffer`.
///
/// # Errors
/// `WouldBlock` when none is waiting, else the error of `recvmsg` (an ICMP refusal among them).
pub fn receive(socket: BorrowedFd<'_>, source: Source, buffer: &mut [u8]) -> io::Result<Received> {
    /// Room for one `SCM_TIMESTAMPNS` control message, aligned as the kernel's macros expect.
    #[repr(align(8))]
    struct Control([u8; 64]);

    let mut control = Control([0; 64]);
    // SAFETY: every pointer in `header` refers to a live local or to `buffer`, with its true length;
    // all-zero is a valid value for both C structs.
    let (len, from, stamp) = unsafe {
        let mut name: libc::sockaddr_storage = mem::zeroed();
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut header: libc::msghdr = mem::zeroed();
        if source == Source::Wanted {
            header.msg_name = (&raw mut name).cast();
            header.msg_namelen = size_of_val(&name) as libc::socklen_t;
        }
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = control.0.len();
        let len = libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT);
        if len < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut stamp = None;
        let mut cursor = libc::CMSG_FIRSTHDR(&raw const header);
        while !cursor.is_null() {
            if (*cursor).cmsg_level == libc::SOL_SOCKET
                && (*cursor).cmsg_type == libc::SCM_TIMESTAMPNS
            {
                let spec: libc::timespec =
                    libc::CMSG_DATA(cursor).cast::<libc::timespec>().read_unaligned();
                stamp = Some(duration(spec));
            }
            cursor = libc::CMSG_NXTHDR(&raw const header, cursor);
        }
        (len as usize, address(&name), stamp)
    };
    Ok(Received { len, from, stamp })
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let storage: *const libc::sockaddr_storage = name;
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds a sockaddr_in.
            let v4 = unsafe { storage.cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage holds a sockaddr_in6.
            let v6 = unsafe { storage.cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

/// Lets the kernel hold up to `bytes` of datagrams, beyond the system's limit where we may pass it.
/// Without that right the buffer stays as it is.
pub fn enlarge_receive_buffer(socket: BorrowedFd<'_>, bytes: usize) {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    // SAFETY: the option takes one c_int, which lives through the call; a refusal changes nothing.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const bytes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// Raises the soft limit of open files to the hard one and returns it: a call holds two sockets.
pub fn raise_file_limit() -> Option<u64> {
    // SAFETY: rlimit is plain data, written by the first call and read by the second.
    unsafe {
        let mut limit: libc::rlimit = mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return None;
        }
        limit.rlim_cur = limit.rlim_max;
        (libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0).then_some(limit.rlim_cur)
    }
}

/// Hands memory that was freed back to the kernel. The allocator keeps what a burst of calls or of
/// strangers' requests took, for ever; this takes about a millisecond, off the media threads.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer, and locks the allocator's arenas itself.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn datagram_carries_its_source_and_a_kernel_stamp() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        enable_receive_timestamps(server.as_fd()).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = realtime();
        peer.send_to(b"hello", server.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 64];
        let got = loop {
            match receive(server.as_fd(), Source::Wanted, &mut buffer) {
                Ok(got) => break got,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(e) => panic!("{e}"),
            }
        };
        assert_eq!(&buffer[..got.len], b"hello");
        assert_eq!(got.from, peer.local_addr().ok());
        let stamp = got.stamp.expect("stamped");
        assert!(stamp >= before && stamp <= realtime());
        assert!(receive(server.as_fd(), Source::Known, &mut buffer).is_err());
    }

    #[test]
    fn sleep_returns_at_once_for_a_past_deadline() {
        let now = monotonic();
        sleep_until(now.saturating_sub(Duration::from_secs(5)));
        sleep_until(now + Duration::from_millis(2));
        assert!(monotonic() >= now + Duration::from_millis(2));
    }
}
