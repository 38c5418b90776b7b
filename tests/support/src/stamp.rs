//! UDP sockets whose datagrams carry the kernel's receive time (`SO_TIMESTAMPNS`), and the limit
//! of open files. The one module with `unsafe`: neither is offered by a safe API.
//!
//! With a kernel stamp, the moment a packet arrived does not depend on when this process was
//! scheduled to read it; that is what makes gaps measurable from a busy machine. The kernel starts
//! to stamp a moment after the first socket asked; datagrams before that get the reading time.
#![allow(unsafe_code)]

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One received datagram: its length in the caller's buffer, sender and kernel receive time.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    pub len: usize,
    pub from: SocketAddr,
    pub at: SystemTime,
}

/// A non-blocking IPv4 socket with receive stamps.
#[derive(Debug)]
pub struct StampedUdp {
    socket: UdpSocket,
}

impl StampedUdp {
    /// # Errors
    /// When the socket cannot be made non-blocking or the kernel refuses stamps.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let on: libc::c_int = 1;
        // SAFETY: the descriptor is open (borrowed from `socket`), and the pointer and length
        // describe `on`, which outlives the call.
        let done = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPNS,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if done == 0 { Ok(Self { socket }) } else { Err(io::Error::last_os_error()) }
    }

    /// A socket on an even loopback port whose odd neighbour is held too (RTP and RTCP, RFC 3550 §11).
    ///
    /// # Errors
    /// When no such pair of ports could be had.
    pub fn rtp_pair() -> io::Result<(Self, UdpSocket)> {
        for _ in 0..200 {
            let rtp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = rtp.local_addr()?.port();
            if port % 2 == 0
                && let Ok(rtcp) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 1))
            {
                rtcp.set_nonblocking(true)?;
                return Ok((Self::new(rtp)?, rtcp));
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no free pair of loopback ports"))
    }

    /// # Errors
    /// As [`UdpSocket::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// # Errors
    /// As [`UdpSocket::send_to`].
    pub fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.socket.send_to(bytes, to)
    }

    /// Sends to and hears one peer only from now on: a send then needs no look-up of the way.
    ///
    /// # Errors
    /// As [`UdpSocket::connect`].
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.socket.connect(peer)
    }

    /// # Errors
    /// As [`UdpSocket::send`].
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send(bytes)
    }

    /// The next waiting datagram, or `None` when there is none.
    ///
    /// A queued ICMP error of an earlier send is skipped: the peer's port being closed for a
    /// moment says nothing about this socket.
    ///
    /// # Errors
    /// Whatever else `recvmsg` reports.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        loop {
            match self.receive_once(buffer) {
                Ok(received) => return Ok(Some(received)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused
                    ) => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn receive_once(&self, buffer: &mut [u8]) -> io::Result<Received> {
        // SAFETY: all-zero bytes are a valid `sockaddr_in` and a valid (empty) `msghdr`.
        let (mut from, mut header) =
            unsafe { (zeroed::<libc::sockaddr_in>(), zeroed::<libc::msghdr>()) };
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // u64 keeps the control area aligned as `cmsghdr` wants it.
        let mut control = [MaybeUninit::<u64>::uninit(); 16];
        header.msg_name = (&raw mut from).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control) as _;
        // SAFETY: every pointer in `header` refers to a live local of the length stated beside it.
        let len = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut header, 0) };
        let Ok(len) = usize::try_from(len) else { return Err(io::Error::last_os_error()) };
        let from = SocketAddr::new(
            IpAddr::V4(Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr))),
            u16::from_be(from.sin_port),
        );
        // SAFETY: `header` is as the successful `recvmsg` left it and `control` is still alive.
        let at = unsafe { stamp_of(&header) }.unwrap_or_else(SystemTime::now);
        Ok(Received { len, from, at })
    }
}

/// The kernel's stamp among the control messages.
///
/// # Safety
/// `header` must have been filled by a successful `recvmsg` and its control area be alive.
unsafe fn stamp_of(header: &libc::msghdr) -> Option<SystemTime> {
    // SAFETY: the CMSG macros only walk inside `msg_control .. msg_controllen`, and the payload of
    // an SCM_TIMESTAMPNS message is one `timespec`, read unaligned.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            if (*message).cmsg_level == libc::SOL_SOCKET
                && (*message).cmsg_type == libc::SCM_TIMESTAMPNS
            {
                let time: libc::timespec =
                    libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned();
                let seconds = u64::try_from(time.tv_sec).ok()?;
                return Some(UNIX_EPOCH + Duration::new(seconds, time.tv_nsec as u32));
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
        None
    }
}

/// Raises the soft limit of open files to the hard one and says what it is now.
#[must_use]
pub fn raise_file_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid, exclusively borrowed `rlimit` for both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        }
    }
    limit.rlim_cur
}

/// Sends `signal` to a process this process started.
///
/// # Errors
/// When the kernel refuses, for instance because the process is gone.
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: `kill` takes two integers and touches no memory of ours.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_stamped_when_it_arrives_not_when_it_is_read() {
        let (socket, _rtcp) = StampedUdp::rtp_pair().unwrap();
        let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut buffer = [0; 64];
        // The first socket that asks for stamps switches them on in the kernel, which takes a
        // moment; until then a datagram is stamped when it is read.
        let stamped_early = crate::wait::until(Duration::from_secs(5), || {
            peer.send_to(b"one", socket.local_addr().unwrap()).unwrap();
            let sent = SystemTime::now();
            std::thread::sleep(Duration::from_millis(30));
            let one = socket.receive(&mut buffer).unwrap().expect("it is there");
            assert_eq!((&buffer[..one.len], one.from), (&b"one"[..], peer.local_addr().unwrap()));
            (one.at <= sent + Duration::from_millis(5)).then_some(())
        });
        assert!(stamped_early.is_some(), "stamped at reading");
        assert!(socket.receive(&mut buffer).unwrap().is_none());
    }
}
