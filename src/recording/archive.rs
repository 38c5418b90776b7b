//! Where recordings lie: `<dir>/<account_sid>/<path>`. All of it blocks; nobody but the recorder's thread
//! and pools for blocking work come here.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use media::sink::{ogg_opus, wav};

use crate::media_io::sys;
use crate::model::{AccountSid, Recording, RecordingPath, RecordingSid, SoundFormat};

/// The folder of all recordings.
#[derive(Clone, Debug)]
pub struct Archive {
    dir: PathBuf,
}

/// How much there is in a file that was put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: u64,
    pub(super) duration_ms: u64,
}

impl Archive {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where the file of a recording is. `None` if its path could lead elsewhere, which none does that
    /// was made here.
    pub fn file(&self, recording: &Recording) -> Option<PathBuf> {
        let path = RecordingPath::stored(&recording.path).ok()?;
        Some(self.folder(recording.account_sid).join(path.as_str()))
    }

    /// Makes a file that was not there, and gives the path below the account's folder: `stem` with the
    /// format's ending, and with a part of the sid where that is taken.
    pub(super) fn create(
        &self,
        account: AccountSid,
        stem: &str,
        format: SoundFormat,
        sid: RecordingSid,
    ) -> io::Result<(File, String)> {
        let ending = format.as_str();
        let sid = sid.to_string();
        let (short, _) = sid.split_once('-').unwrap_or((&sid, ""));
        let names = [format!("{stem}.{ending}"), format!("{stem}-{short}.{ending}")];
        let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
        for name in names {
            let file = self.folder(account).join(&name);
            // Whom somebody called is nobody else's business.
            if let Some(folder) = file.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let mut options = OpenOptions::new();
            match options.write(true).create_new(true).mode(0o600).open(file) {
                Ok(file) => return Ok((file, name)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }

    /// Deletes a file, and the folders that are empty without it. That it is gone already is no error.
    pub(super) fn remove(&self, recording: &Recording) -> io::Result<()> {
        let file = self.file(recording).ok_or(io::ErrorKind::InvalidFilename)?;
        match fs::remove_file(&file) {
            Err(error) if !is_gone(&error) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let account = self.folder(recording.account_sid);
        let folders = file.ancestors().skip(1).take_while(|folder| *folder != self.dir);
        for folder in folders.filter(|folder| folder.starts_with(&account)) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Puts a file right that was not finished. `None` when there is nothing in it to be played, or no
    /// such file.
    pub(super) fn repair(&self, recording: &Recording) -> io::Result<Option<Content>> {
        let Some(path) = self.file(recording) else { return Ok(None) };
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => repair(file, recording.format),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Room on the disk for us, in bytes; `None` if the system does not say.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let there = self.dir.ancestors().find(|folder| folder.is_dir());
        sys::free_bytes(there.unwrap_or_else(|| Path::new(".")))
    }

    fn folder(&self, account: AccountSid) -> PathBuf {
        self.dir.join(account.to_string())
    }
}

/// A file, or a folder on the way to it, that does not exist.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn repair(mut file: File, format: SoundFormat) -> io::Result<Option<Content>> {
    let bytes = file.metadata()?.len();
    match format {
        SoundFormat::Wav => {
            let mut header = [0; wav::HEADER_BYTES];
            if bytes < header.len() as u64 {
                return Ok(None);
            }
            file.read_exact(&mut header)?;
            let Some(repaired) = wav::repair(&header, bytes) else { return Ok(None) };
            file.set_len(repaired.bytes)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&repaired.header)?;
            Ok(Some(Content { bytes: repaired.bytes, duration_ms: repaired.duration_ms }))
        }
        SoundFormat::Ogg => {
            let tail_bytes = bytes.min(2 * ogg_opus::MAX_PAGE_BYTES as u64);
            let mut head = vec![0; bytes.min(64) as usize];
            file.read_exact(&mut head)?;
            let mut tail = vec![0; tail_bytes as usize];
            file.seek(SeekFrom::Start(bytes - tail_bytes))?;
            file.read_exact(&mut tail)?;
            let Some(repaired) = ogg_opus::repair(&head, &tail) else { return Ok(None) };
            let at = bytes - tail_bytes + repaired.at as u64;
            let bytes = at + repaired.page.len() as u64;
            file.set_len(bytes)?;
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&repaired.page)?;
            Ok(Some(Content { bytes, duration_ms: repaired.duration_ms }))
        }
    }
}
