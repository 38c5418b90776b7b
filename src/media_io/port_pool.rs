//! UDP port pairs for calls: RTP on an even port, RTCP on the next (RFC 3550 §11).
//!
//! Ports are handed out in turn, so that a port just freed rests as long as the range allows and
//! late packets of an ended call do not meet the next one.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use super::sys;

/// The free pairs of a range; cheap to clone.
#[derive(Clone)]
pub struct PortPool {
    bind: IpAddr,
    free: Arc<Mutex<VecDeque<u16>>>,
}

/// Two bound, non-blocking sockets; their ports return to the pool when this is dropped.
pub struct PortPair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    /// Dropped last, so that the sockets are closed when the port can be leased again.
    lease: Lease,
}

/// A port out of the pool.
struct Lease {
    port: u16,
    free: Arc<Mutex<VecDeque<u16>>>,
}

/// Every port of the range is in use, by calls or by other programs.
#[derive(Debug, thiserror::Error)]
#[error("no free RTP port pair on {ip} ({tried} tried); widen rtp.ports")]
pub struct Exhausted {
    pub ip: IpAddr,
    pub tried: usize,
}

impl PortPool {
    /// A pool over the inclusive range `first..=last`, bound to `bind`.
    pub fn new(bind: IpAddr, first: u16, last: u16) -> Self {
        let even = first.saturating_add(first % 2);
        let free = (even..last).step_by(2).collect();
        Self { bind, free: Arc::new(Mutex::new(free)) }
    }

    /// Binds the next free pair. Pairs that another program holds are passed over.
    ///
    /// # Errors
    /// [`Exhausted`] when a whole round found none.
    pub fn lease(&self) -> Result<PortPair, Exhausted> {
        let rounds = self.lock().len();
        for _ in 0..rounds {
            let Some(port) = self.lock().pop_front() else { break };
            match bind_pair(self.bind, port) {
                Ok((rtp, rtcp)) => {
                    let lease = Lease { port, free: self.free.clone() };
                    return Ok(PortPair { rtp, rtcp, lease });
                }
                Err(_) => self.lock().push_back(port),
            }
        }
        Err(Exhausted { ip: self.bind, tried: rounds })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<u16>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PortPair {
    /// The RTP port; RTCP is one above.
    pub fn port(&self) -> u16 {
        self.lease.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.port);
    }
}

fn bind_pair(ip: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    Ok((bind(SocketAddr::new(ip, port))?, bind(SocketAddr::new(ip, port + 1))?))
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    sys::enable_receive_timestamps(socket.as_fd())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_even_distinct_and_come_back() {
        // Ports that nothing else here uses; a busy one is passed over, as in service.
        let pool = PortPool::new(IpAddr::from([127, 0, 0, 1]), 39_001, 39_007);
        let pairs: Vec<_> = std::iter::from_fn(|| pool.lease().ok()).collect();
        assert!(!pairs.is_empty() && pairs.len() <= 3);
        assert!(pairs.iter().all(|p| p.port() % 2 == 0));
        assert!(pool.lease().is_err());
        let count = pairs.len();
        drop(pairs);
        let again: Vec<_> = std::iter::from_fn(|| pool.lease().ok()).collect();
        assert_eq!(again.len(), count);
    }
}
