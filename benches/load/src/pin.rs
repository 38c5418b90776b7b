//! Which processor runs what (sched_setaffinity(2)): the server on one, this program on another, there
//! before all others, so that it is not late. The one module with `unsafe`: none of these calls is
//! offered by a safe API.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::mem::{size_of, zeroed};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// The two processors of a pinned run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Pins {
    pub(crate) server: usize,
    pub(crate) own: usize,
}

impl Pins {
    /// The first and the last processor this process may use.
    ///
    /// # Errors
    /// When it may use only one.
    pub(crate) fn choose() -> Result<Self> {
        let allowed = allowed().context("sched_getaffinity")?;
        ensure!(
            allowed.len() >= 2,
            "--pin needs two processors, one for the server and one for the generator; this process \
             may use {}: on one, each would be measured waiting for the other",
            allowed.len()
        );
        Ok(Self { server: allowed[0], own: allowed[allowed.len() - 1] })
    }
}

/// Puts this thread, and what it starts from now on, on one processor.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn this_thread(cpu: usize) -> Result<()> {
    set(0, cpu).with_context(|| format!("pin to processor {cpu}"))
}

/// Puts every thread of a process on one processor.
///
/// # Errors
/// When the process is gone or the kernel refuses.
pub(crate) fn process(pid: u32, cpu: usize) -> Result<()> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .with_context(|| format!("process {pid} is not there"))?;
    for task in tasks.flatten() {
        let id = task.file_name().to_string_lossy().parse().context("thread id")?;
        match set(id, cpu) {
            // It ended in between.
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
            done => done.with_context(|| format!("pin thread {id} to processor {cpu}"))?,
        }
    }
    Ok(())
}

/// Puts this thread before all ordinary ones of its processor (sched(7), `SCHED_FIFO`); what it starts
/// is ordinary again. Needs root or `CAP_SYS_NICE`; whether it was granted.
pub(crate) fn before_others() -> bool {
    first_in_first_out(1)
}

/// Puts this thread before everything that runs on its processor, real-time threads of the server included.
pub(crate) fn before_all() -> bool {
    first_in_first_out(99)
}

fn first_in_first_out(sched_priority: i32) -> bool {
    let param = libc::sched_param { sched_priority };
    // SAFETY: the pointer is to `param`, which outlives the call; 0 is this thread.
    let done = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const param)
    };
    done == 0
}

fn set(thread: libc::pid_t, cpu: usize) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid, empty `cpu_set_t`; CPU_SET checks its bounds; the pointer
    // and length describe `cpus`, which outlives the call.
    let done = unsafe {
        let mut cpus = zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(cpu, &mut cpus);
        libc::sched_setaffinity(thread, size_of::<libc::cpu_set_t>(), &raw const cpus)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn allowed() -> io::Result<Vec<usize>> {
    // SAFETY: all-zero bytes are a valid `cpu_set_t`; the pointer and length describe `cpus`, which
    // outlives the call; CPU_ISSET is asked for bits inside the set only.
    unsafe {
        let mut cpus = zeroed::<libc::cpu_set_t>();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut cpus) != 0 {
            return Err(io::Error::last_os_error());
        }
        let bits = 8 * size_of::<libc::cpu_set_t>();
        Ok((0..bits).filter(|&cpu| libc::CPU_ISSET(cpu, &cpus)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_where_it_was_put() {
        std::thread::spawn(|| {
            let cpu = *allowed().unwrap().last().unwrap();
            this_thread(cpu).unwrap();
            assert_eq!(allowed().unwrap(), [cpu]);
            assert!(Pins::choose().is_err());
        })
        .join()
        .unwrap();
    }
}
