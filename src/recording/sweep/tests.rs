//! Tests of what becomes of recordings afterwards.

use std::fs;
use std::path::PathBuf;

use media::SampleRate;
use media::sink::{FileFormat, FileWriter};
use media::source::{file, tone};

use super::*;
use crate::config;
use crate::model::{AccountSid, RecordingSid, SoundFormat};

const RATE: SampleRate = SampleRate::WIDE;

async fn store() -> (Store, Archive, PathBuf) {
    let dir = std::env::temp_dir().join(format!("trunkline-sweep-{}", uuid::Uuid::new_v4()));
    let settings = config::Store { data_dir: dir.clone(), ..config::Store::default() };
    (Store::open(&settings).await.unwrap(), Archive::new(dir.join("recordings")), dir)
}

fn recording(path: &str, format: SoundFormat) -> Recording {
    Recording {
        sid: RecordingSid::random(),
        account_sid: AccountSid::random(),
        call_sid: None,
        conference_sid: None,
        conference_name: None,
        path: path.to_owned(),
        format,
        channels: 1,
        started_at: Timestamp::now(),
        duration_ms: 0,
        bytes: 0,
        state: RecordingState::Recording,
    }
}

#[tokio::test]
async fn what_a_killed_process_left_is_put_right_and_listed() {
    let (store, archive, dir) = store().await;
    let tone = tone::sine(RATE, 1_000.0, -12.0, 48_000);
    let mut lost = vec![recording("never/there.wav", SoundFormat::Wav)];
    for (path, format, kind) in [
        ("a.wav", SoundFormat::Wav, FileFormat::Wav),
        ("b/c.ogg", SoundFormat::Ogg, FileFormat::OggOpus),
    ] {
        let recording = recording(path, format);
        let mut writer = FileWriter::new(kind, RATE, false, 1).unwrap();
        let mut bytes = Vec::new();
        assert!(writer.push(&tone, &mut bytes));
        bytes.pop();
        let place = archive.file(&recording).unwrap();
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, bytes).unwrap();
        lost.push(recording);
    }
    for recording in &lost {
        store.recordings().write(recording.clone());
    }
    store.flush().await;
    recover(&store, &archive).await.unwrap();
    assert!(store.recordings().unfinished().await.unwrap().is_empty());
    for (recording, least_ms) in lost.iter().zip([0, 2_990, 1_900]) {
        let found = store.recordings().get(recording.account_sid, recording.sid).await.unwrap();
        let found = found.unwrap();
        assert_eq!(found.state, RecordingState::Interrupted);
        assert!((least_ms..=3_000).contains(&found.duration_ms), "{}", found.duration_ms);
        let Ok(bytes) = fs::read(archive.file(&found).unwrap()) else { continue };
        assert_eq!(found.bytes, bytes.len() as u64);
        if found.format == SoundFormat::Wav {
            assert_eq!(file::decode(&bytes, RATE).unwrap().samples(), &tone[..47_999]);
        }
    }
    store.close().await;
    fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn what_is_old_goes_with_its_file_and_empty_folders() {
    let (store, archive, dir) = store().await;
    let day = Duration::from_secs(86_400);
    let mut rows = Vec::new();
    for (path, age, state) in [
        ("2026/01/01/a.wav", 3, RecordingState::Completed),
        ("2026/01/01/b.wav", 1, RecordingState::Completed),
        ("2026/01/02/c.wav", 3, RecordingState::Failed),
        ("2026/01/03/d.wav", 3, RecordingState::Recording),
    ] {
        let mut row = recording(path, SoundFormat::Wav);
        row.started_at = Timestamp::now().minus(day * age);
        row.state = state;
        let place = archive.file(&row).unwrap();
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, b"x").unwrap();
        store.recordings().write(row.clone());
        rows.push(row);
    }
    store.flush().await;
    let before = Timestamp::now().minus(day * 2);
    assert_eq!(sweep_once(&store, &archive, before).await.unwrap(), 2);
    for (row, stays) in rows.iter().zip([false, true, false, true]) {
        let place = archive.file(row).unwrap();
        assert_eq!(place.exists(), stays, "{place:?}");
        assert_eq!(place.parent().unwrap().exists(), stays);
        let found = store.recordings().get(row.account_sid, row.sid).await.unwrap();
        assert_eq!(found.is_some(), stays);
    }
    // Its file is gone already.
    fs::remove_file(archive.file(&rows[1]).unwrap()).unwrap();
    delete(&store, &archive, &rows[1]).await.unwrap();
    assert!(store.recordings().get(rows[1].account_sid, rows[1].sid).await.unwrap().is_none());
    store.close().await;
    fs::remove_dir_all(dir).unwrap();
}
