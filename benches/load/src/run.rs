//! The run: one thread, one millisecond a turn, for signalling and media of all callers.
//!
//! Each turn reads the SIP socket, starts the calls that are due, and serves the twentieth of the
//! callers whose phase it is: send one frame, read what has come. Turns follow absolute deadlines; a
//! late turn is made up for at once and its lateness recorded.

use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};

use crate::args::Args;
use crate::bare::BareLoop;
use crate::caller::{Caller, Outcome};
use crate::codec::{Codec, LEVEL_ID};
use crate::media::{Media, Scratch};
use crate::pin::{self, Pins};
use crate::proc::{self, CpuTime};
use crate::reception::Window;
use crate::seat::{self, Seat};
use crate::signalling::Signalling;
use crate::spread::{Histogram, Spread};
use crate::target::{Door, Target};
use crate::voice::{Quiet, Voice};

const TURN: Duration = Duration::from_millis(1);
/// Turns of one ptime; callers are spread over them.
const PHASES: usize = 20;
/// Turns between looks at the SIP timers.
const TIMER_TURNS: u64 = 50;
/// Media flows this long before it is measured.
const SETTLE: Duration = Duration::from_secs(2);
/// Longest wait for the last answers after the last call was started.
const SET_UP_LIMIT: Duration = Duration::from_secs(60);
const HANG_UP_LIMIT: Duration = Duration::from_secs(10);
/// Listeners whose sound is kept and examined.
const SAMPLED: usize = 12;

pub(crate) struct Run {
    pub(crate) seats: Vec<Seat>,
    /// Calls placed, those that took another's seat included.
    placed: u32,
    /// Without one, callers are let in by other means.
    signalling: Option<Signalling>,
    levels: bool,
    codec: Codec,
    turn: u64,
    next_turn: Instant,
    lateness: Histogram,
    deviations: Histogram,
    scratch: Scratch,
}

/// What a window showed.
pub(crate) struct Measured {
    pub(crate) length: Duration,
    pub(crate) standing: usize,
    pub(crate) server: Option<CpuTime>,
    pub(crate) server_resident_kib: Option<u64>,
    pub(crate) own: CpuTime,
    /// How late the turns of this program were, in ms.
    pub(crate) lateness: Spread,
    /// How far the server's packets came from 20 ms apart, in ms.
    pub(crate) deviation: Spread,
    /// How fast the wall clock, by which arrivals are stamped, ran against the monotonic one, in ppm.
    pub(crate) wall_fast_ppm: f64,
    pub(crate) full_buffers: u64,
    pub(crate) windows: Vec<Window>,
    /// Payloads that sampled callers heard, by number.
    pub(crate) heard: Vec<(usize, Vec<Vec<u8>>)>,
}

impl Run {
    /// # Errors
    /// When sockets cannot be had or a voice cannot be made.
    pub(crate) fn new(args: &Args, target: &Target) -> Result<Self> {
        let mut run = Self {
            seats: Vec::new(),
            placed: args.calls + args.listeners,
            signalling: None,
            levels: args.quiet == Quiet::Levels,
            codec: args.codec,
            turn: 0,
            next_turn: Instant::now(),
            lateness: Histogram::new(),
            deviations: Histogram::new(),
            scratch: Scratch::new(),
        };
        for (number, cast) in seat::cast(args)?.into_iter().enumerate() {
            let talks = cast.tone.is_some();
            let media = Media::new(number as u32, args.codec, Rc::clone(&cast.voice), talks)?;
            let room = Some(cast.room);
            run.seats.push(Seat { room, tone: cast.tone, stood: false, media });
        }
        let nothing = Rc::new(Voice::nothing());
        for number in args.calls..args.calls + args.listeners {
            let media = Media::new(number, args.codec, Rc::clone(&nothing), false)?;
            run.seats.push(Seat { room: None, tone: None, stood: false, media });
        }
        if let Door::Sip(sip) = &target.door {
            let mut signalling = Signalling::new(sip)?;
            for (number, seat) in run.seats.iter().enumerate() {
                let uri = args
                    .uri
                    .clone()
                    .unwrap_or_else(|| seat::room_uri(args, seat.room, &sip.domain));
                let dtx = args.quiet == Quiet::Dtx;
                let offer = args.codec.offer(seat.media.local_addr()?, run.levels, dtx);
                signalling.add(Caller::new(number as u32, &uri, args.codec, offer));
            }
            if sip.credentials.is_some() && !args.no_register {
                signalling.register()?;
            }
            run.signalling = Some(signalling);
        }
        Ok(run)
    }

    /// Lets all callers in and waits until media flows.
    ///
    /// # Errors
    /// When a socket is broken, or Janus refuses.
    pub(crate) fn set_up(&mut self, target: &Target, rate: u32) -> Result<()> {
        match &target.door {
            Door::Sip(_) => self.call(rate)?,
            Door::Janus(janus) => {
                for (number, seat) in self.seats.iter_mut().enumerate() {
                    let local = seat.media.local_addr()?;
                    let remote = janus.join(number, self.codec, local, self.levels)?;
                    seat.begin(remote, self.levels.then_some(LEVEL_ID))?;
                }
                self.next_turn = Instant::now();
            }
            Door::Bare(bare) => {
                let level_id = self.levels.then_some(LEVEL_ID);
                for (seat, &remote) in self.seats.iter_mut().zip(&bare.sockets) {
                    seat.begin(remote, level_id)?;
                }
                self.next_turn = Instant::now();
            }
        }
        self.turns_for(SETTLE)
    }

    /// Media flows on, unmeasured.
    ///
    /// # Errors
    /// When a socket is broken.
    pub(crate) fn go_on(&mut self, time: Duration) -> Result<()> {
        self.turns_for(time)
    }

    /// Starts the calls, `rate` a second, and waits until each is answered or has failed.
    fn call(&mut self, rate: u32) -> Result<()> {
        self.call_first(self.seats.len(), rate)
    }

    /// The same with the first `total` only.
    ///
    /// # Errors
    /// When a socket is broken.
    pub(crate) fn call_first(&mut self, total: usize, rate: u32) -> Result<()> {
        let start = Instant::now();
        self.next_turn = start;
        let mut started = 0;
        let starting = Duration::from_secs_f64(total as f64 / f64::from(rate));
        while start.elapsed() < starting + SET_UP_LIMIT {
            let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as usize + 1;
            while started < due.min(total) {
                self.signalling.iter_mut().for_each(|signalling| signalling.start(started));
                started += 1;
            }
            self.one_turn()?;
            if started == total && self.callers().iter().take(total).all(Caller::is_settled) {
                break;
            }
        }
        Ok(())
    }

    /// Places one call more, from its seat or from that of a call that is over: to `uri`.
    ///
    /// # Errors
    /// When no sockets can be had.
    pub(crate) fn place(&mut self, number: usize, uri: &str) -> Result<()> {
        let Some(seat) = self.seats.get_mut(number) else { return Ok(()) };
        let unique = self.placed;
        self.placed += 1;
        seat.media = seat.media.anew(unique)?;
        let offer = self.codec.offer(seat.media.local_addr()?, self.levels, false);
        if let Some(signalling) = &mut self.signalling {
            signalling.replace(number, Caller::new(unique, uri, self.codec, offer));
            signalling.start(number);
        }
        Ok(())
    }

    /// Ends one call.
    pub(crate) fn end(&mut self, number: usize) {
        if let Some(seat) = self.seats.get_mut(number) {
            seat.media.stop();
        }
        self.signalling.iter_mut().for_each(|signalling| signalling.hang_up(number));
    }

    /// Whose call it is that has this Call-ID.
    pub(crate) fn number_of(&self, call_id: &str) -> Option<usize> {
        self.signalling.as_ref()?.number_of(call_id)
    }

    /// The callers of a run over SIP.
    pub(crate) fn callers(&self) -> &[Caller] {
        self.signalling.as_ref().map_or(&[], |signalling| &signalling.callers)
    }

    /// Measures for `length`.
    ///
    /// # Errors
    /// When a socket is broken or the server's process is gone.
    pub(crate) fn measure(&mut self, length: Duration, pid: Option<u32>) -> Result<Measured> {
        self.measure_first(self.seats.len(), length, pid, |_| Ok(()))
    }

    /// The same of the first `count` callers; before each turn `beside` has one of its own.
    ///
    /// # Errors
    /// When a socket is broken, the server's process is gone, or `beside` says so.
    pub(crate) fn measure_first(
        &mut self,
        count: usize,
        length: Duration,
        pid: Option<u32>,
        mut beside: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<Measured> {
        let cpu = || pid.map(CpuTime::of).transpose().context("the server's CPU time");
        let buffers_before = proc::full_buffers();
        let (own_before, server_before) = (CpuTime::of(std::process::id())?, cpu()?);
        let (start, started_at) = (SystemTime::now(), Instant::now());
        let step = (count / SAMPLED).max(1);
        let mut left = SAMPLED;
        for (number, seat) in self.seats.iter_mut().take(count).enumerate() {
            // Listeners from all over, and a few of the talkers.
            let captured = left > 0 && (number % step == 0 || seat.tone.is_some() && left > 6);
            left -= usize::from(captured);
            seat.media.open_window(start, start + length, captured);
        }
        self.lateness.clear();
        self.deviations.clear();
        let end = Instant::now() + length;
        while Instant::now() < end {
            beside(self)?;
            self.one_turn()?;
        }
        let server = cpu()?.zip(server_before).map(|(after, before)| after.since(&before));
        let own = CpuTime::of(std::process::id())?.since(&own_before);
        let (wall, real) = (start.elapsed().unwrap_or_default(), started_at.elapsed());
        let mut measured = Measured {
            length: real,
            standing: self.seats.iter().filter(|seat| seat.media.is_sending()).count(),
            server,
            server_resident_kib: pid.and_then(proc::resident_kib),
            own,
            lateness: self.lateness.spread(),
            deviation: Spread::default(),
            wall_fast_ppm: (wall.as_secs_f64() / real.as_secs_f64() - 1.0) * 1e6,
            full_buffers: proc::full_buffers().saturating_sub(buffers_before),
            windows: Vec::new(),
            heard: Vec::new(),
        };
        for (number, seat) in self.seats.iter_mut().enumerate() {
            seat.media.drain(&mut self.scratch, &mut self.deviations)?;
            let Some((window, captured)) = seat.media.reception.close_window() else { continue };
            if seat.stood {
                measured.windows.push(window);
                measured.heard.extend(captured.map(|payloads| (number, payloads)));
            }
        }
        measured.deviation = self.deviations.spread();
        Ok(measured)
    }

    /// The same callers and packets against the bare loop, on the server's processor.
    ///
    /// # Errors
    /// When it cannot be started or a socket is broken.
    pub(crate) fn measure_bare(&mut self, args: &Args, pins: Option<Pins>) -> Result<Measured> {
        let bare = BareLoop::start(args)?;
        if let Some(pins) = pins {
            pin::process(bare.pid(), pins.server)?;
        }
        for (seat, &remote) in self.seats.iter_mut().zip(&bare.sockets) {
            seat.media.turn_to(remote)?;
        }
        self.next_turn = Instant::now();
        self.turns_for(SETTLE)?;
        let measured = self.measure(Duration::from_secs(args.seconds.into()), Some(bare.pid()))?;
        self.seats.iter_mut().for_each(|seat| seat.media.stop());
        Ok(measured)
    }

    /// Hangs all up and waits for the answers.
    ///
    /// # Errors
    /// When a socket is broken.
    pub(crate) fn hang_up(&mut self, target: &Target) -> Result<()> {
        let start = Instant::now();
        for number in 0..self.seats.len() {
            self.seats[number].media.stop();
            self.signalling.iter_mut().for_each(|signalling| signalling.hang_up(number));
            if number % 4 == 3 {
                self.one_turn()?; // a burst of all BYEs at once would only test socket buffers
            }
        }
        while start.elapsed() < HANG_UP_LIMIT && !self.callers().iter().all(Caller::is_settled) {
            self.one_turn()?;
        }
        if let Door::Janus(janus) = &target.door {
            janus.leave()?;
        }
        Ok(())
    }

    fn turns_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.one_turn()?;
        }
        Ok(())
    }

    /// # Errors
    /// When a socket is broken.
    pub(crate) fn one_turn(&mut self) -> Result<()> {
        let now = Instant::now();
        if now < self.next_turn {
            thread::sleep(self.next_turn - now);
        }
        self.lateness.add(Instant::now().saturating_duration_since(self.next_turn));
        self.next_turn += TURN;
        self.turn += 1;
        if let Some(signalling) = &mut self.signalling {
            let seats = &mut self.seats;
            signalling.turn(self.turn.is_multiple_of(TIMER_TURNS), |number, outcome| {
                match (seats.get_mut(number), outcome) {
                    (Some(seat), Outcome::Connected(remote, level_id)) => {
                        seat.begin(remote, level_id.filter(|_| self.levels))
                    }
                    (Some(seat), Outcome::Ended) => {
                        seat.media.stop();
                        Ok(())
                    }
                    _ => Ok(()),
                }
            })?;
        }
        let phase = (self.turn % PHASES as u64) as usize;
        for seat in self.seats.iter_mut().skip(phase).step_by(PHASES) {
            seat.media.send(&mut self.scratch);
            seat.media.receive(&mut self.scratch, &mut self.deviations)?;
        }
        Ok(())
    }
}
