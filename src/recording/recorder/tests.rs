//! Tests of the recorder: taps in, files and records out.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver as NewsReceiver, channel};

use media::dsp::goertzel_dbfs;
use media::source::{file, tone};

use super::*;
use crate::config;
use crate::store::RecordingQuery;

const RATE: SampleRate = SampleRate::WIDE;
const WITHIN: Duration = Duration::from_secs(10);

struct Fixture {
    recorder: Recorder,
    store: Store,
    archive: Archive,
    dir: PathBuf,
}

impl Fixture {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = std::env::temp_dir().join(format!("trunkline-rec-{}", uuid::Uuid::new_v4()));
        let settings = config::Store { data_dir: dir.clone(), ..config::Store::default() };
        let store = Store::open(&settings).await.unwrap();
        let mut settings = Settings {
            archive: Archive::new(dir.join("recordings")),
            format: SoundFormat::Wav,
            rate: RATE,
            max_duration: Duration::ZERO,
            max_bytes: 0,
            min_free_bytes: 0,
        };
        change(&mut settings);
        let archive = settings.archive.clone();
        let recorder = Recorder::start(settings, store.clone()).unwrap();
        Self { recorder, store, archive, dir }
    }

    fn record(&self, wanted: Wanted, feed: Feed) -> (Take, NewsReceiver<News>) {
        let (sender, news) = channel();
        let take = self.recorder.record(wanted, feed, move |(_, told)| sender.send(told).unwrap());
        (take, news)
    }

    async fn only_record(&self, account: AccountSid) -> Recording {
        self.store.flush().await;
        let page = crate::store::Page { number: 1, size: 10 };
        let found = self.store.recordings().list(account, &RecordingQuery::default(), page).await;
        let rows = found.unwrap().rows;
        assert_eq!(rows.len(), 1);
        rows.into_iter().next().unwrap()
    }

    async fn alerts(&self, account: AccountSid) -> Vec<String> {
        self.store.flush().await;
        let scope = crate::model::Scope::Account(account);
        let page = crate::store::Page { number: 1, size: 10 };
        let found = self.store.alerts().list(scope, &Default::default(), page).await.unwrap();
        found.rows.into_iter().map(|row| row.alert.detail.unwrap_or_default()).collect()
    }

    async fn end(self) {
        self.recorder.close();
        self.store.close().await;
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn wanted(path: Option<&str>) -> Wanted {
    Wanted {
        account_sid: AccountSid::random(),
        of: Subject::Conference { sid: ConferenceSid::random(), name: "lobby".to_owned() },
        path: path.map(|path| RecordingPath::parse(path).unwrap()),
        format: None,
    }
}

/// Writes `ms` of a tone into a tap, as a mixer does.
fn speak(tap: &mut TapWriter, hz: f32, ms: usize) {
    for frame in tone::sine(RATE, hz, -12.0, ms * 16).chunks(320) {
        tap.write(Some(frame), RATE);
    }
}

fn began(news: &NewsReceiver<News>) -> String {
    match news.recv_timeout(WITHIN).unwrap() {
        News::Began { path } => path,
        other => panic!("{other:?}"),
    }
}

fn ended(news: &NewsReceiver<News>) -> Ended {
    match news.recv_timeout(WITHIN).unwrap() {
        News::Ended(ended) => ended,
        other => panic!("{other:?}"),
    }
}

fn decoded(path: &Path) -> Vec<i16> {
    file::decode(&std::fs::read(path).unwrap(), RATE).unwrap().samples().to_vec()
}

#[tokio::test]
async fn what_is_heard_is_in_the_file_and_the_file_in_the_list() {
    let fixture = Fixture::new(|_| {}).await;
    let wanted = wanted(Some("meetings/monday.wav"));
    let account = wanted.account_sid;
    let (mut tap, feed) = fixture.recorder.mono();
    let (take, news) = fixture.record(wanted, feed);
    assert_eq!(take.path(), "meetings/monday.wav");
    assert_eq!(began(&news), "meetings/monday.wav");
    speak(&mut tap, 1_000.0, 400);
    take.stop();
    let told = ended(&news);
    assert_eq!((told.state, told.duration_ms), (RecordingState::Completed, 400));
    let record = fixture.only_record(account).await;
    assert_eq!(record.state, RecordingState::Completed);
    assert_eq!((record.bytes, record.duration_ms, record.channels), (44 + 12_800, 400, 1));
    assert_eq!(record.conference_name.as_deref(), Some("lobby"));
    let path = fixture.archive.file(&record).unwrap();
    assert!(path.starts_with(fixture.dir.join(format!("recordings/{account}"))));
    let heard = decoded(&path);
    assert_eq!(heard.len(), 6_400);
    assert!((goertzel_dbfs(&heard, 16_000, 1_000.0) + 12.0).abs() < 0.5);
    assert!(fixture.alerts(account).await.is_empty());
    fixture.end().await;
}

#[tokio::test]
async fn two_channels_keep_apart_and_a_pause_leaves_silence() {
    let fixture = Fixture::new(|_| {}).await;
    let wanted = Wanted { of: Subject::Call(CallSid::random()), ..wanted(None) };
    let account = wanted.account_sid;
    let ([mut left, mut right], feed) = fixture.recorder.stereo();
    let (take, news) = fixture.record(wanted, feed);
    began(&news);
    speak(&mut left, 1_000.0, 200);
    speak(&mut right, 440.0, 200);
    take.pause(Pause::Silence);
    take.pause(Pause::Silence);
    // Orders are obeyed one after the other: what follows the answer of another one is in the pause.
    let (other, its_news) = fixture.record(self::wanted(None), fixture.recorder.mono().1);
    began(&its_news);
    speak(&mut left, 2_000.0, 100);
    take.resume();
    let (another, its_news) = fixture.record(self::wanted(None), fixture.recorder.mono().1);
    began(&its_news);
    // The room it moves to.
    let ([mut left, mut right], feed) = fixture.recorder.stereo();
    take.follow(feed);
    speak(&mut left, 1_000.0, 100);
    speak(&mut right, 440.0, 100);
    drop((take, other, another));
    let told = ended(&news);
    let record = fixture.only_record(account).await;
    assert_eq!((record.channels, record.path == told.path), (2, true));
    let bytes = std::fs::read(fixture.archive.file(&record).unwrap()).unwrap();
    let samples: Vec<i16> =
        bytes[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let channel = |n| samples.iter().skip(n).step_by(2).copied().collect::<Vec<i16>>();
    let (caller, heard) = (channel(0), channel(1));
    for part in [0..3_200, caller.len() - 1_600..caller.len()] {
        let level = |samples: &[i16], hz| goertzel_dbfs(&samples[part.clone()], 16_000, hz);
        assert!(level(&caller, 1_000.0) > -13.0 && level(&caller, 440.0) < -40.0);
        assert!(level(&heard, 440.0) > -13.0 && level(&heard, 1_000.0) < -40.0);
    }
    assert!(goertzel_dbfs(&caller, 16_000, 2_000.0) < -40.0, "the pause was recorded");
    fixture.end().await;
}

#[tokio::test]
async fn a_taken_name_gets_another_and_no_file_is_overwritten() {
    let fixture = Fixture::new(|settings| settings.format = SoundFormat::Ogg).await;
    let wanted = wanted(Some("a"));
    let (one, first) = fixture.record(wanted.clone(), fixture.recorder.mono().1);
    assert_eq!(began(&first), "a.ogg");
    let (two, second) = fixture.record(wanted.clone(), fixture.recorder.mono().1);
    let path = began(&second);
    assert!(path.starts_with("a-") && path.ends_with(".ogg"), "{path}");
    drop((one, two));
    assert_eq!(ended(&first).state, RecordingState::Completed);
    assert_eq!(ended(&second).path, path);
    // A file stands where a folder would have to.
    let below = Wanted { path: Some(RecordingPath::parse("a.ogg/b").unwrap()), ..wanted };
    let account = below.account_sid;
    let (_take, third) = fixture.record(below, fixture.recorder.mono().1);
    assert_eq!(ended(&third).state, RecordingState::Failed);
    assert_eq!(fixture.alerts(account).await, ["a.ogg/b.ogg: the path is taken"]);
    fixture.end().await;
}

#[tokio::test]
async fn limits_end_a_recording_and_its_account_is_told() {
    type Change = fn(&mut Settings);
    let cases: [(Change, RecordingState, &str); 4] = [
        (|s| s.max_bytes = 10_000, RecordingState::Limited, "a.wav: max_bytes"),
        (
            |s| s.max_duration = Duration::from_millis(100),
            RecordingState::Limited,
            "a.wav: max_duration",
        ),
        (|s| s.min_free_bytes = u64::MAX, RecordingState::Failed, "a.wav: no room on the disk"),
        (
            |s| s.archive = Archive::new("/dev/null/recordings".into()),
            RecordingState::Failed,
            "a.wav: the path is taken",
        ),
    ];
    for (change, state, detail) in cases {
        let fixture = Fixture::new(change).await;
        let wanted = wanted(Some("a"));
        let account = wanted.account_sid;
        let (mut tap, feed) = fixture.recorder.mono();
        let (_take, news) = fixture.record(wanted, feed);
        speak(&mut tap, 1_000.0, 400);
        let told = loop {
            match news.recv_timeout(WITHIN).unwrap() {
                News::Began { .. } => speak(&mut tap, 1_000.0, 400),
                News::Ended(told) => break told,
            }
        };
        assert_eq!(told.state, state, "{detail}");
        assert_eq!(fixture.alerts(account).await, [detail]);
        fixture.end().await;
    }
}

/// A disk that is full after some bytes, and takes changes of what is there.
struct Disk {
    room: u64,
    at: u64,
    end: u64,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room - self.at;
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = room.min(bytes.len() as u64);
        self.at += count;
        self.end = self.end.max(self.at);
        Ok(count as usize)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            other => panic!("{other:?}"),
        };
        Ok(self.at)
    }
}

#[test]
fn a_disk_that_fills_up_ends_it() {
    let (mut writer, left) = tap(RATE, TAP_DEPTH);
    let limits = Limits { duration: Duration::ZERO, bytes: 0 };
    let (begin, feed) = (Instant::now(), Feed { left, right: None });
    let disk = Box::new(Disk { room: 20_000, at: 0, end: 0 });
    let mut running = Running::new(disk, SoundFormat::Wav, RATE, feed, limits, begin).unwrap();
    let mut now = begin;
    let stop = loop {
        speak(&mut writer, 1_000.0, 200);
        now += Duration::from_millis(200);
        if let Err(stop) = running.poll(now) {
            break stop;
        }
        assert!(running.duration_ms() < 1_000);
    };
    let Stop::Failed(error) = stop else { panic!("{stop:?}") };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(running.duration_ms(), 600);
}
