//! Reads the cause of a failed exchange out of the client's error chain.

use std::error::Error;
use std::io;

use url::Url;

use crate::hook::guard::NotFound;
use crate::hook::resolve::shown;
use crate::hook::{ConnectFault, HookError};
use crate::model::address_policy::Forbidden;

/// The failure of a request that got no response.
pub(super) fn classify(error: &reqwest::Error, url: &Url) -> HookError {
    let url = shown(url);
    if find::<Forbidden>(error).is_some() {
        return HookError::ForbiddenAddress { url };
    }
    let fault = if find::<NotFound>(error).is_some() {
        ConnectFault::Dns
    } else if find::<rustls::Error>(error).is_some() {
        ConnectFault::Tls
    } else if is_silent_close(error) {
        ConnectFault::Reset
    } else {
        find::<io::Error>(error).map_or(ConnectFault::Other, |error| fault_of(error.kind()))
    };
    HookError::Connect { url, fault }
}

/// Whether the connection was closed before anything of a response came.
pub(super) fn is_silent_close(error: &reqwest::Error) -> bool {
    match find::<hyper::Error>(error) {
        Some(error) if error.is_incomplete_message() || error.is_canceled() => true,
        Some(error) => {
            !error.is_parse()
                && find::<io::Error>(error)
                    .is_some_and(|error| fault_of(error.kind()) == ConnectFault::Reset)
        }
        None => false,
    }
}

pub(in crate::hook) fn fault_of(kind: io::ErrorKind) -> ConnectFault {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut, UnexpectedEof,
    };
    match kind {
        ConnectionRefused => ConnectFault::Refused,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => ConnectFault::Reset,
        TimedOut => ConnectFault::TimedOut,
        _ => ConnectFault::Other,
    }
}

/// The first cause of a type, the error itself included.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An I/O error names the cause of what it wraps as its source, and skips the wrapped one.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| find(wrapped)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
