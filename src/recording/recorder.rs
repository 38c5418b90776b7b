//! The recorder: a thread that polls the taps of all recordings and writes their files.
//!
//! Whoever records holds a [`Take`] and sends orders through it; nobody waits for the thread. What
//! happened comes back as [`News`], called on it: a message to an actor, nothing longer.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::SampleRate;
use media::sink::{TapWriter, tap};
use tracing::{debug, error, warn};

use super::archive::{Archive, Content};
use super::running::{Limits, Running, Stop};
use super::track::Feed;
use crate::config::Config;
use crate::model::{
    AccountSid, Alert, AlertType, CallSid, ConferenceSid, Recording, RecordingPath, RecordingSid,
    RecordingState, SoundFormat, Timestamp,
};
use crate::store::Store;

/// How often taps are read.
const POLL: Duration = Duration::from_millis(200);
/// What taps hold while the thread is busy elsewhere, with a disk that hangs say. 32 KB at 16 kHz.
const TAP_DEPTH: Duration = Duration::from_secs(2);
/// How often the room on the disk is looked at.
const DISK_EVERY: Duration = Duration::from_secs(1);

/// What `[recording]` says.
#[derive(Clone, Debug)]
pub struct Settings {
    pub archive: Archive,
    pub format: SoundFormat,
    pub rate: SampleRate,
    pub max_duration: Duration,
    pub max_bytes: u64,
    pub min_free_bytes: u64,
}

impl Settings {
    pub fn new(config: &Config) -> Self {
        let recording = &config.recording;
        Self {
            archive: Archive::new(config.recording_dir()),
            format: recording.format,
            rate: SampleRate::new(recording.sample_rate).unwrap_or(SampleRate::WIDE),
            max_duration: recording.max_duration,
            max_bytes: recording.max_bytes,
            min_free_bytes: recording.min_free_bytes,
        }
    }
}

/// What is to be recorded.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub account_sid: AccountSid,
    pub of: Subject,
    /// The file, below the account's folder; else one is made up of day and sid.
    pub path: Option<RecordingPath>,
    /// Where the path names none; else the configured one.
    pub format: Option<SoundFormat>,
}

#[derive(Clone, Debug)]
pub enum Subject {
    Call(CallSid),
    Conference { sid: ConferenceSid, name: String },
}

/// What a pause leaves in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Nothing: what comes after it follows on what was before.
    Cut,
    /// Silence of its length (contract verbs.md §4.6).
    Silence,
}

/// What becomes of a recording.
#[derive(Clone, Debug)]
pub enum News {
    /// The file is there, under this path below the account's folder: not always the wanted one.
    Began { path: String },
    /// It is over, whoever ended it. The last there is.
    Ended(Ended),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub sid: RecordingSid,
    pub path: String,
    pub state: RecordingState,
    pub duration_ms: u64,
}

type Listener = Box<dyn FnMut((RecordingSid, News)) + Send>;

enum Order {
    Start { recording: Box<Recording>, stem: String, feed: Feed, listener: Listener },
    Follow(RecordingSid, Feed),
    Pause(RecordingSid, Pause),
    Resume(RecordingSid),
    Stop(RecordingSid),
    Close,
}

/// The way to the thread.
pub struct Recorder {
    orders: Sender<Order>,
    rate: SampleRate,
    format: SoundFormat,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives none.
    pub fn start(settings: Settings, store: Store) -> std::io::Result<Self> {
        let (orders, receiver) = mpsc::channel();
        let (rate, format) = (settings.rate, settings.format);
        let desk = Desk { settings, store, takes: HashMap::new(), disk: Disk::default() };
        let thread = std::thread::Builder::new().name("recorder".to_owned());
        let thread = thread.spawn(move || desk.run(&receiver))?;
        Ok(Self { orders, rate, format, thread: Mutex::new(Some(thread)) })
    }

    /// A tap, and what listens to it: a recording of one channel.
    pub fn mono(&self) -> (TapWriter, Feed) {
        let (writer, left) = tap(self.rate, TAP_DEPTH);
        (writer, Feed { left, right: None })
    }

    /// Two taps, left and right, to be given a frame at the same ticks.
    pub fn stereo(&self) -> ([TapWriter; 2], Feed) {
        let ((one, left), (other, right)) = (tap(self.rate, TAP_DEPTH), tap(self.rate, TAP_DEPTH));
        ([one, other], Feed { left, right: Some(right) })
    }

    /// Begins a recording of what `feed` hears, which one of [`Recorder::mono`] and
    /// [`Recorder::stereo`] gave. Returns at once; whether it can be written, `listener` is told. It
    /// goes on until the take is stopped or dropped.
    pub fn record(
        &self,
        wanted: Wanted,
        feed: Feed,
        listener: impl FnMut((RecordingSid, News)) + Send + 'static,
    ) -> Take {
        let (sid, started_at) = (RecordingSid::random(), Timestamp::now());
        let named = wanted.path.as_ref().and_then(RecordingPath::format);
        let format = named.or(wanted.format).unwrap_or(self.format);
        let stem = match &wanted.path {
            Some(path) => path.stem().to_owned(),
            None => format!("{}/{}", started_at.to_day_path(), own_name(&wanted.of, sid)),
        };
        let (call_sid, conference) = match wanted.of {
            Subject::Call(sid) => (Some(sid), None),
            Subject::Conference { sid, name } => (None, Some((sid, name))),
        };
        let (conference_sid, conference_name) = conference.unzip();
        let path = format!("{stem}.{}", format.as_str());
        let recording = Box::new(Recording {
            sid,
            account_sid: wanted.account_sid,
            call_sid,
            conference_sid,
            conference_name,
            path: path.clone(),
            format,
            channels: 1 + u8::from(feed.right.is_some()),
            started_at,
            duration_ms: 0,
            bytes: 0,
            state: RecordingState::Recording,
        });
        let listener = Box::new(listener);
        // Refused only when the server ends.
        let _ = self.orders.send(Order::Start { recording, stem, feed, listener });
        Take { sid, path, orders: self.orders.clone() }
    }

    /// Ends what is still recorded and waits for the thread: blocks.
    pub fn close(&self) {
        let _ = self.orders.send(Order::Close);
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!("the recorder's thread had failed");
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// A recording under way, in the hands of who wanted it; without it, it ends.
#[derive(Debug)]
pub struct Take {
    sid: RecordingSid,
    path: String,
    orders: Sender<Order>,
}

impl Take {
    pub fn sid(&self) -> RecordingSid {
        self.sid
    }

    /// As it was wanted, with the ending of its format; [`News::Began`] says what it became.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Listens to something else from now on: the call is in another room.
    pub fn follow(&self, feed: Feed) {
        self.order(Order::Follow(self.sid, feed));
    }

    /// A second time it changes nothing, as [`Take::resume`] without a pause.
    pub fn pause(&self, pause: Pause) {
        self.order(Order::Pause(self.sid, pause));
    }

    pub fn resume(&self) {
        self.order(Order::Resume(self.sid));
    }

    /// Ends it, as dropping it does.
    pub fn stop(self) {}

    fn order(&self, order: Order) {
        // Refused only when the server ends, and everything with it.
        let _ = self.orders.send(order);
    }
}

impl Drop for Take {
    fn drop(&mut self) {
        self.order(Order::Stop(self.sid));
    }
}

/// The end of a path that nobody chose.
fn own_name(of: &Subject, sid: RecordingSid) -> String {
    match of {
        Subject::Call(call) => format!("{call}-{sid}"),
        Subject::Conference { sid: conference, .. } => format!("{conference}-{sid}"),
    }
}

/// What the thread has.
struct Desk {
    settings: Settings,
    store: Store,
    takes: HashMap<RecordingSid, Under>,
    disk: Disk,
}

/// A recording, and what is known of it.
struct Under {
    running: Running,
    recording: Box<Recording>,
    listener: Listener,
}

/// Whether the disk had room when it was looked at last.
#[derive(Default)]
struct Disk {
    looked: Option<Instant>,
    is_full: bool,
}

impl Desk {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut next_poll = Instant::now() + POLL;
        loop {
            let order = match self.takes.is_empty() {
                true => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => orders.recv_timeout(next_poll.saturating_duration_since(Instant::now())),
            };
            match order {
                Ok(Order::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(order) => self.obey(order, Instant::now()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= next_poll {
                next_poll = now + POLL;
                self.poll(now);
            }
        }
        let left: Vec<RecordingSid> = self.takes.keys().copied().collect();
        for sid in left {
            self.stop(sid, Instant::now());
        }
    }

    fn obey(&mut self, order: Order, now: Instant) {
        match order {
            Order::Start { recording, stem, feed, listener } => {
                self.begin(recording, &stem, feed, listener, now);
            }
            Order::Follow(sid, feed) => {
                if let Some(take) = self.takes.get_mut(&sid) {
                    take.running.follow(feed);
                }
            }
            Order::Pause(sid, pause) => {
                let outcome = self.takes.get_mut(&sid).map(|take| take.running.pause(pause, now));
                if let Some(Err(stop)) = outcome {
                    self.end(sid, Some(stop));
                }
            }
            Order::Resume(sid) => {
                if let Some(take) = self.takes.get_mut(&sid) {
                    take.running.resume(now);
                }
            }
            Order::Stop(sid) => self.stop(sid, now),
            Order::Close => {}
        }
    }

    fn begin(
        &mut self,
        mut recording: Box<Recording>,
        stem: &str,
        feed: Feed,
        mut listener: Listener,
        now: Instant,
    ) {
        let (account, format, sid) = (recording.account_sid, recording.format, recording.sid);
        let limits =
            Limits { duration: self.settings.max_duration, bytes: self.settings.max_bytes };
        let opened = match self.is_full(now) {
            true => Err(full()),
            false => self.settings.archive.create(account, stem, format, sid),
        };
        let running = opened.and_then(|(file, path)| {
            recording.path = path;
            let rate = self.settings.rate;
            Running::new(Box::new(file), format, rate, feed, limits, now)
        });
        match running {
            Ok(running) => {
                metrics::counter!("recordings_started_total").increment(1);
                debug!(%sid, path = recording.path, "recording");
                self.store.recordings().write(Recording::clone(&recording));
                listener((sid, News::Began { path: recording.path.clone() }));
                self.takes.insert(sid, Under { running, recording, listener });
            }
            Err(error) => {
                recording.state = RecordingState::Failed;
                self.tell(&recording, Some(&Stop::Failed(error)), &mut listener);
            }
        }
    }

    fn poll(&mut self, now: Instant) {
        let is_full = self.is_full(now);
        let mut ended = Vec::new();
        for (sid, take) in &mut self.takes {
            let outcome = take.running.poll(now);
            match outcome {
                Ok(()) if is_full => ended.push((*sid, Stop::Failed(full()))),
                Ok(()) => {}
                Err(stop) => ended.push((*sid, stop)),
            }
        }
        for (sid, stop) in ended {
            self.end(sid, Some(stop));
        }
    }

    fn stop(&mut self, sid: RecordingSid, now: Instant) {
        let outcome = self.takes.get_mut(&sid).map(|take| take.running.poll(now));
        match outcome {
            Some(Ok(())) => self.end(sid, None),
            Some(Err(stop)) => self.end(sid, Some(stop)),
            None => {}
        }
    }

    /// Closes the file, stores what became of it, and tells whoever wanted it.
    fn end(&mut self, sid: RecordingSid, mut why: Option<Stop>) {
        let Some(mut take) = self.takes.remove(&sid) else { return };
        if let Err(stop) = take.running.finish() {
            why.get_or_insert(stop);
        }
        let Under { running, mut recording, mut listener } = take;
        recording.bytes = running.bytes();
        recording.duration_ms = running.duration_ms();
        recording.state = match &why {
            None => RecordingState::Completed,
            Some(Stop::Limited(_)) => RecordingState::Limited,
            Some(Stop::Failed(_)) => RecordingState::Failed,
        };
        drop(running);
        if recording.state == RecordingState::Failed {
            self.mend(&mut recording);
        }
        self.store.recordings().write(Recording::clone(&recording));
        self.tell(&recording, why.as_ref(), &mut listener);
    }

    /// Makes the best of a file that could not be written to its end.
    fn mend(&self, recording: &mut Recording) {
        match self.settings.archive.repair(recording) {
            Ok(Some(Content { bytes, duration_ms })) => {
                recording.bytes = bytes;
                recording.duration_ms = duration_ms;
            }
            Ok(None) => {}
            Err(error) => warn!(sid = %recording.sid, %error, "a recording cannot be put right"),
        }
    }

    fn tell(&self, recording: &Recording, why: Option<&Stop>, listener: &mut Listener) {
        let state = recording.state;
        metrics::counter!("recordings_ended_total", "state" => state.as_str()).increment(1);
        if let Some(why) = why {
            let (message, detail) = match why {
                Stop::Limited(limit) => ("recording ended: it reached its limit", *limit),
                Stop::Failed(error) => {
                    warn!(sid = %recording.sid, %error, "a recording ended");
                    ("recording ended: it cannot be written", reason(error))
                }
            };
            let call = recording.call_sid.map(|sid| sid.to_string());
            let room = recording.conference_sid.map(|sid| sid.to_string());
            self.store.alerts().write(Alert {
                account_sid: recording.account_sid,
                alert_type: AlertType::RecordingFailure,
                message: message.to_owned(),
                detail: Some(format!("{}: {detail}", recording.path)),
                target_sid: call.or(room),
            });
        }
        let Recording { sid, path, duration_ms, .. } = recording.clone();
        listener((sid, News::Ended(Ended { sid, path, state, duration_ms })));
    }

    fn is_full(&mut self, now: Instant) -> bool {
        let least = self.settings.min_free_bytes;
        let is_due = self.disk.looked.is_none_or(|at| now >= at + DISK_EVERY);
        if least > 0 && is_due {
            self.disk.looked = Some(now);
            self.disk.is_full = self.settings.archive.free_bytes().is_some_and(|free| free < least);
        }
        self.disk.is_full
    }
}

fn full() -> std::io::Error {
    std::io::ErrorKind::StorageFull.into()
}

/// What the owner of an account may know of it: no paths of ours.
fn reason(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no room on the disk",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::IsADirectory => {
            "the path is taken"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "may not write there",
        _ => "write error",
    }
}

#[cfg(test)]
mod tests;
