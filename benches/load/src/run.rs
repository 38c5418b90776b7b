//! The run: one thread, one millisecond a turn, for signalling and media of all callers.
//!
//! Each turn reads the SIP socket, starts the calls that are due, and serves the twentieth of the
//! callers whose phase it is: send one frame, read what has come. Turns follow absolute deadlines; a
//! late turn is made up for at once and its lateness recorded.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use support::Message;
use support::stamp::StampedUdp;
use support::tone::{Tone, distinct_tones};

use crate::args::{Args, Quiet};
use crate::caller::{Caller, Outcome};
use crate::line::Line;
use crate::media::{Media, Voice};
use crate::proc::CpuTime;
use crate::target::Target;

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
const REGISTER_LIMIT: Duration = Duration::from_secs(10);
/// Listeners whose sound is kept and examined.
const SAMPLED: usize = 12;

pub(crate) struct Run {
    line: Line,
    server: SocketAddr,
    sip: StampedUdp,
    pub(crate) seats: Vec<Seat>,
    by_call_id: HashMap<String, usize>,
    turn: u64,
    next_turn: Instant,
    lateness: Vec<Duration>,
    scratch: Vec<u8>,
    outbox: Vec<Vec<u8>>,
}

/// One caller: its signalling, its media, its room.
pub(crate) struct Seat {
    pub(crate) room: u32,
    /// Frequency of its own tone.
    pub(crate) tone: Option<f64>,
    pub(crate) caller: Caller,
    pub(crate) media: Media,
}

/// What was spent in the window, by the server and by this program.
pub(crate) struct Spent {
    pub(crate) window: Duration,
    pub(crate) server: Option<CpuTime>,
    pub(crate) own: CpuTime,
    pub(crate) standing: usize,
    /// How late each turn of this program was.
    pub(crate) lateness: Vec<Duration>,
}

/// Level of each talker's tone: as loud as the sum of all in a room allows.
pub(crate) fn tone_level_db(args: &Args) -> f64 {
    let together = f64::from(args.talkers.div_ceil(args.rooms).max(1));
    (-20.0 * (together / 0.8).log10()).min(-18.0)
}

impl Run {
    /// # Errors
    /// When sockets cannot be had.
    pub(crate) fn new(args: &Args, target: &Target) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let line = Line {
            local: socket.local_addr()?,
            domain: target.domain.clone(),
            user: target.user.clone(),
            credentials: target.credentials.clone(),
        };
        let mut run = Self {
            line,
            server: target.sip,
            sip: StampedUdp::new(socket)?,
            seats: Vec::new(),
            by_call_id: HashMap::new(),
            turn: 0,
            next_turn: Instant::now(),
            lateness: Vec::new(),
            scratch: Vec::new(),
            outbox: Vec::new(),
        };
        for (number, seat) in seats(args, &target.domain)?.into_iter().enumerate() {
            run.by_call_id.insert(seat.caller.call_id(&run.line), number);
            run.seats.push(seat);
        }
        Ok(run)
    }

    /// Registers the SIP client these callers are.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub(crate) fn register(&mut self) -> Result<()> {
        let aor = format!("<sip:{}@{}>", self.line.user, self.line.domain);
        let mut request = self
            .line
            .request("REGISTER", &format!("sip:{}", self.line.domain), "register")
            .with("From", format!("{aor};tag=r"))
            .with("To", aor)
            .with("Call-ID", format!("load-register-{}", self.line.local.port()))
            .with("CSeq", "1 REGISTER")
            .with("Contact", self.line.contact())
            .with("Expires", "3600");
        let give_up = Instant::now() + REGISTER_LIMIT;
        let mut resend_at = Instant::now();
        while Instant::now() < give_up {
            if Instant::now() >= resend_at {
                self.sip.send_to(&request.to_bytes(), self.server)?;
                resend_at = Instant::now() + Duration::from_secs(1);
            }
            let Some((response, _)) = self.receive_sip()? else {
                thread::sleep(TURN);
                continue;
            };
            if response.branch() != request.branch() {
                continue;
            }
            match response.code() {
                Some(200..=299) => return Ok(()),
                Some(300..) => {
                    let Some(again) = self.line.authorize(&request, &response) else {
                        bail!("REGISTER answered {:?} {}", response.code(), response.reason());
                    };
                    request = again;
                    resend_at = Instant::now();
                }
                _ => {}
            }
        }
        bail!("REGISTER was not answered within {REGISTER_LIMIT:?}")
    }

    /// Starts the calls, `rate` a second, and waits until each is answered or has failed.
    ///
    /// # Errors
    /// When a socket is broken.
    pub(crate) fn set_up(&mut self, rate: u32) -> Result<()> {
        let (start, total) = (Instant::now(), self.seats.len());
        self.next_turn = start;
        let mut started = 0;
        let starting = Duration::from_secs_f64(total as f64 / f64::from(rate));
        while start.elapsed() < starting + SET_UP_LIMIT {
            let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as usize + 1;
            while started < due.min(total) {
                self.seats[started].caller.start(&self.line, Instant::now(), &mut self.outbox);
                started += 1;
            }
            self.one_turn()?;
            if started == total && self.seats.iter().all(|seat| seat.caller.is_settled()) {
                break;
            }
        }
        self.turns_for(SETTLE)
    }

    /// The measured window.
    ///
    /// # Errors
    /// When a socket is broken or the server's process is gone.
    pub(crate) fn measure(&mut self, window: Duration, pid: Option<u32>) -> Result<Spent> {
        let cpu = || pid.map(CpuTime::of).transpose().context("the server's CPU time");
        let (own_before, server_before) = (CpuTime::of(std::process::id())?, cpu()?);
        let (start, started_at) = (SystemTime::now(), Instant::now());
        let step = (self.seats.len() / SAMPLED).max(1);
        let mut left = SAMPLED;
        for (number, seat) in self.seats.iter_mut().enumerate() {
            let captured = left > 0 && (number % step == 0 || seat.tone.is_some());
            left -= usize::from(captured);
            seat.media.open_window(start, start + window, captured);
        }
        self.lateness.clear();
        self.turns_for(window)?;
        let server = cpu()?.zip(server_before).map(|(after, before)| after.since(&before));
        let own = CpuTime::of(std::process::id())?.since(&own_before);
        let spent_window = started_at.elapsed();
        self.seats.iter_mut().try_for_each(|seat| seat.media.drain())?;
        let standing = self.seats.iter().filter(|seat| seat.caller.is_connected()).count();
        let lateness = std::mem::take(&mut self.lateness);
        Ok(Spent { window: spent_window, server, own, standing, lateness })
    }

    /// Hangs all up and waits for the answers.
    ///
    /// # Errors
    /// When a socket is broken.
    pub(crate) fn hang_up(&mut self) -> Result<()> {
        let start = Instant::now();
        for number in 0..self.seats.len() {
            let seat = &mut self.seats[number];
            seat.media.remote = None;
            seat.caller.hang_up(&self.line, Instant::now(), &mut self.outbox);
            if number % 4 == 3 {
                self.one_turn()?; // a burst of all BYEs at once would only test socket buffers
            }
        }
        while start.elapsed() < HANG_UP_LIMIT
            && !self.seats.iter().all(|seat| seat.caller.is_settled())
        {
            self.one_turn()?;
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

    fn one_turn(&mut self) -> Result<()> {
        let now = Instant::now();
        if now < self.next_turn {
            thread::sleep(self.next_turn - now);
        }
        self.lateness.push(Instant::now().saturating_duration_since(self.next_turn));
        self.next_turn += TURN;
        self.turn += 1;
        while let Some((message, at)) = self.receive_sip()? {
            self.dispatch(&message, at);
        }
        if self.turn.is_multiple_of(TIMER_TURNS) {
            let now = Instant::now();
            self.seats.iter_mut().for_each(|seat| seat.caller.on_timer(now, &mut self.outbox));
        }
        for message in self.outbox.drain(..) {
            self.sip.send_to(&message, self.server)?;
        }
        let phase = (self.turn % PHASES as u64) as usize;
        for seat in self.seats.iter_mut().skip(phase).step_by(PHASES) {
            seat.media.send(&mut self.scratch);
            seat.media.drain()?;
        }
        Ok(())
    }

    fn dispatch(&mut self, message: &Message, at: SystemTime) {
        let seat = self.by_call_id.get(message.call_id()).and_then(|&n| self.seats.get_mut(n));
        let Some(seat) = seat else {
            if message.method().is_some_and(|method| method != "ACK") {
                self.outbox.push(Message::reply_to(message, 200, "OK").to_bytes());
            }
            return;
        };
        let now = Instant::now();
        match seat.caller.on_message(&self.line, now, at, message, &mut self.outbox) {
            Outcome::Connected(remote) => seat.media.remote = Some(remote),
            Outcome::Ended => seat.media.remote = None,
            Outcome::Nothing => {}
        }
    }

    /// The next SIP message that has come; what is no SIP is dropped.
    fn receive_sip(&mut self) -> Result<Option<(Message, SystemTime)>> {
        let mut buffer = [0; 16_384];
        while let Some(received) = self.sip.receive(&mut buffer)? {
            let bytes = buffer.get(..received.len).unwrap_or_default();
            if let Some(message) = Message::parse(bytes) {
                return Ok(Some((message, received.at)));
            }
        }
        Ok(None)
    }
}

fn seats(args: &Args, domain: &str) -> Result<Vec<Seat>> {
    let tones = distinct_tones(args.talkers as usize);
    let level = tone_level_db(args);
    (0..args.calls)
        .map(|number| {
            let room = number % args.rooms;
            let uri = args.uri.clone().unwrap_or_else(|| room_uri(args, room, domain));
            let tone = tones.get(number as usize).copied();
            let voice = match (tone, args.quiet) {
                (Some(hz), _) => Voice::Tone(Tone::new(hz, level)),
                (None, Quiet::Silence) => Voice::Silence,
                (None, Quiet::Comfort) => Voice::Comfort(number + 1),
            };
            let media = Media::new(number, voice)?;
            let caller = Caller::new(number, &uri, media.local_addr()?);
            Ok(Seat { room, tone, caller, media })
        })
        .collect()
}

fn room_uri(args: &Args, room: u32, domain: &str) -> String {
    let name = &args.conference;
    if args.rooms == 1 {
        format!("sip:conference-{name}@{domain}")
    } else {
        format!("sip:conference-{name}-{room}@{domain}")
    }
}
