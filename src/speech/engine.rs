//! espeak-ng as a child process: text goes in by its standard input, a wav file comes out.
//!
//! A process lives for one piece. There are only so many at a time; one that does not end in time is
//! killed, one that crashes costs its piece. No shell, no environment, no file.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use media::source::{Pcm, file};
use media::time::SampleRate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::pieces::Piece;
use super::voices::{Voices, Wanted};

/// Pieces that may wait; there are no more when every call of a busy server says something new.
const MAX_WAITING: usize = 1_000;
/// The most sound of one piece, in bytes at the engine's rate of 22,050 Hz: six minutes.
const MAX_WAV_BYTES: usize = 16 * 1024 * 1024;
const MAX_LIST_BYTES: usize = 1024 * 1024;
/// Where a program that is named without its folder is looked for.
const FOLDERS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// How the engine is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A path, or a name that is looked for where programs are installed.
    pub program: PathBuf,
    /// Processes at a time.
    pub processes: usize,
    /// How long one piece may take, and how long it may wait for its turn.
    pub limit: Duration,
    /// Speech is rendered at no higher rate.
    pub rate: SampleRate,
}

/// Why something is not spoken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpeechError {
    #[error(
        "the speech engine is not installed: there is no program {program:?}; on Debian, apt-get install \
         espeak-ng, or set speech.program"
    )]
    Missing { program: String },
    #[error("the speech engine cannot be started: {0}")]
    Start(String),
    #[error("the speech engine is busy: too many texts wait for their turn")]
    Busy,
    #[error("the speech engine took longer than {limit:?}")]
    Slow { limit: Duration },
    #[error("the speech engine failed: {0}")]
    Failed(String),
    #[error("the text makes more sound than is taken in one piece")]
    TooLong,
    #[error("the speech engine made no sound that can be read: {0}")]
    NoSound(#[from] file::Error),
}

/// Cheap to clone; all clones share the processes.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// What the program has; read once.
    voices: OnceCell<Voices>,
}

/// The right to run one process.
#[derive(Debug)]
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Engine {
    pub fn new(settings: Settings) -> Self {
        let turns = Arc::new(Semaphore::new(settings.processes.max(1)));
        Self(Arc::new(Shared {
            settings,
            turns,
            waiting: AtomicUsize::new(0),
            voices: OnceCell::new(),
        }))
    }

    /// Where the program is.
    ///
    /// # Errors
    /// [`SpeechError::Missing`] says what to install.
    pub fn program(&self) -> Result<PathBuf, SpeechError> {
        found(&self.0.settings.program)
    }

    /// Waits until there is a process to spare. In the meantime somebody else may have had the same
    /// text spoken: look before you [`speak`](Self::speak).
    ///
    /// # Errors
    /// [`SpeechError::Busy`].
    pub async fn turn(&self) -> Result<Turn, SpeechError> {
        let waiting = Waiting::enter(&self.0.waiting)?;
        let turn = timeout(self.0.settings.limit, self.0.turns.clone().acquire_owned()).await;
        drop(waiting);
        // It is never closed, so both errors are one: there was none in time.
        let Ok(Ok(permit)) = turn else { return Err(SpeechError::Busy) };
        Ok(Turn { _permit: permit })
    }

    /// Has one piece spoken. Equal pieces give equal samples.
    ///
    /// # Errors
    /// Any [`SpeechError`].
    pub async fn speak(
        &self,
        turn: Turn,
        piece: &Piece,
        wanted: &Wanted,
    ) -> Result<Pcm, SpeechError> {
        let voices = self.0.voices.get_or_try_init(|| self.read_voices()).await?;
        let voice =
            voices.choose(wanted).ok_or_else(|| SpeechError::Failed("it has no voices".into()))?;
        let mut arguments = ["--stdin", "--stdout", "-b", "1", "-v"].map(str::to_owned).to_vec();
        arguments.push(voice);
        arguments.extend(wanted.manner.arguments());
        if piece.is_markup {
            arguments.push("-m".to_owned());
        }
        let wav = self.run(&arguments, piece.text.as_bytes(), MAX_WAV_BYTES).await?;
        drop(turn);
        if wav.is_empty() {
            // Nothing in it that can be said, an emoji alone for one.
            return Ok(Pcm::silence(SampleRate::NARROW, Duration::ZERO));
        }
        let rate = self.0.settings.rate;
        let decoding = tokio::task::spawn_blocking(move || file::decode(&wav, rate));
        match decoding.await {
            Ok(Err(file::Error::NoAudio)) => Ok(Pcm::silence(SampleRate::NARROW, Duration::ZERO)),
            Ok(decoded) => Ok(decoded?),
            Err(_) => Err(SpeechError::Failed("its sound could not be read".into())),
        }
    }

    async fn read_voices(&self) -> Result<Voices, SpeechError> {
        let list = self.run(&["--voices".to_owned()], b"", MAX_LIST_BYTES).await?;
        Ok(Voices::parse(&String::from_utf8_lossy(&list)))
    }

    /// Runs the program once and gives what it printed.
    async fn run(
        &self,
        arguments: &[String],
        input: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, SpeechError> {
        let program = self.program()?;
        let started = Command::new(program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = started.map_err(|error| SpeechError::Start(error.to_string()))?;
        // Too slow, or with too much to say: dropped, that is killed.
        let within = self.0.settings.limit;
        let conversation = timeout(within, converse(&mut child, input, limit)).await;
        conversation.map_err(|_| SpeechError::Slow { limit: within })?
    }
}

/// One who waits for a turn.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self, SpeechError> {
        let waiting = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) < MAX_WAITING {
            Ok(waiting)
        } else {
            Err(SpeechError::Busy)
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Looked for each time, so that one that is installed later is found.
fn found(program: &Path) -> Result<PathBuf, SpeechError> {
    let is_path = program.components().count() > 1;
    let mut places = if is_path {
        vec![program.to_owned()]
    } else {
        FOLDERS.iter().map(|folder| Path::new(folder).join(program)).collect()
    };
    let at = places.iter().position(|place| place.is_file());
    at.map(|at| places.swap_remove(at))
        .ok_or_else(|| SpeechError::Missing { program: program.display().to_string() })
}

/// Gives the child all of `input` and takes all it prints. Writes and reads at once: a child may
/// print before it has read all, and then stop reading until somebody takes what it printed.
async fn converse(child: &mut Child, input: &[u8], limit: usize) -> Result<Vec<u8>, SpeechError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(SpeechError::Start("it has no pipes".into()));
    };
    let write = async move {
        // One that has died no longer reads; its exit says why.
        let _ = stdin.write_all(input).await;
        Ok(())
    };
    let read = async {
        let mut output = Vec::new();
        let read = stdout.take(limit as u64 + 1).read_to_end(&mut output).await;
        read.map_err(|error| SpeechError::Failed(error.to_string()))?;
        if output.len() > limit { Err(SpeechError::TooLong) } else { Ok(output) }
    };
    let complain = async {
        let mut complaint = Vec::new();
        // What it has to say is for the owner of the server to read, if it can be read.
        let _ = stderr.take(MAX_COMPLAINT).read_to_end(&mut complaint).await;
        Ok(complaint)
    };
    // The first that fails ends it: a program that prints without end does not end by itself.
    let ((), output, complaint) = tokio::try_join!(write, read, complain)?;
    let status = child.wait().await;
    let status = status.map_err(|error| SpeechError::Failed(error.to_string()))?;
    if status.success() {
        return Ok(output);
    }
    let complaint = String::from_utf8_lossy(&complaint);
    let line = complaint.lines().next().unwrap_or_default().trim();
    let why = if line.is_empty() { status.to_string() } else { format!("{status}: {line}") };
    Err(SpeechError::Failed(why))
}

const MAX_COMPLAINT: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::super::pieces::pieces;
    use super::*;

    fn engine(program: impl Into<PathBuf>) -> Engine {
        engine_within(program, Duration::from_secs(60))
    }

    fn engine_within(program: impl Into<PathBuf>, limit: Duration) -> Engine {
        let rate = SampleRate::WIDE;
        Engine::new(Settings { program: program.into(), processes: 2, limit, rate })
    }

    async fn say(engine: &Engine, text: &str, wanted: &Wanted) -> Result<Vec<Pcm>, SpeechError> {
        let mut spoken = Vec::new();
        for piece in pieces(text) {
            spoken.push(engine.speak(engine.turn().await?, &piece, wanted).await?);
        }
        Ok(spoken)
    }

    fn seconds(spoken: &[Pcm]) -> f64 {
        spoken
            .iter()
            .map(|pcm| pcm.rate().duration_of(pcm.samples().len() as u64))
            .sum::<Duration>()
            .as_secs_f64()
    }

    fn language(tag: &str) -> Wanted {
        Wanted { language: Some(tag.into()), ..Wanted::default() }
    }

    /// A program that does as its script says, gone with its owner.
    struct Script(PathBuf);

    impl Script {
        fn new(body: &str) -> Self {
            use std::os::unix::fs::PermissionsExt as _;
            let path = std::env::temp_dir().join(format!("trunkline-{}", uuid::Uuid::new_v4()));
            std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
            // Other tests start processes, which for a moment hold what is open for writing here.
            let is_busy =
                |error: std::io::Error| error.kind() == std::io::ErrorKind::ExecutableFileBusy;
            while std::process::Command::new(&path).arg("--voices").output().is_err_and(is_busy) {}
            Self(path)
        }
    }

    impl Drop for Script {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    const VOICES: &str =
        "[ \"$1\" = --voices ] && { echo head; echo '5 en --/M English gmw/en'; exit; }";

    #[tokio::test]
    async fn text_becomes_sound_and_equal_text_equal_sound() {
        let engine = engine("espeak-ng");
        let text = "The quick brown fox jumps over the lazy dog.";
        let first = say(&engine, text, &language("en-US")).await.unwrap();
        assert_eq!(first, say(&engine, text, &language("en-US")).await.unwrap());
        assert_eq!(first[0].rate(), SampleRate::WIDE);
        assert!((1.5..6.0).contains(&seconds(&first)), "{} s", seconds(&first));
        assert!(first[0].samples().iter().any(|sample| sample.unsigned_abs() > 5_000));
        let french = say(&engine, text, &language("fr-FR")).await.unwrap();
        assert_ne!(first, french);
    }

    #[tokio::test]
    async fn markup_is_obeyed_and_never_fails() {
        let engine = engine("espeak-ng");
        let plain = say(&engine, "<speak>one two</speak>", &Wanted::default()).await.unwrap();
        let pause = "<speak>one<break time=\"2s\"/> two</speak>";
        let longer = say(&engine, pause, &Wanted::default()).await.unwrap();
        assert!(seconds(&longer) > seconds(&plain) + 1.5);
        for text in [
            "<speak>one<audio src=\"/etc/passwd\"/> two</speak>",
            "<speak>one <nonsense a=b>two",
            "<speak><emphasis>one two",
        ] {
            let said = say(&engine, text, &Wanted::default()).await.unwrap();
            assert!((seconds(&said) - seconds(&plain)).abs() < 0.5, "{text}");
        }
        assert_eq!(seconds(&say(&engine, "<speak/>", &Wanted::default()).await.unwrap()), 0.0);
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named_with_what_to_install() {
        for program in ["/no/such/espeak-ng", "no-such-espeak-ng"] {
            let error = say(&engine(program), "hello", &Wanted::default()).await.unwrap_err();
            assert_eq!(error, SpeechError::Missing { program: program.into() });
            assert!(error.to_string().contains("apt-get install espeak-ng"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_program_that_fails_says_why() {
        for (body, reason) in [
            ("echo no mood >&2; exit 3", "exit status: 3: no mood"),
            ("kill -SEGV $$", "signal: 11"),
            ("echo no wave", "neither a wave nor an mp3 file"),
        ] {
            let script = Script::new(&format!("{VOICES}; {body}"));
            let error = say(&engine(&script.0), "hello", &Wanted::default()).await.unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[tokio::test]
    async fn a_program_that_prints_without_end_is_stopped() {
        let script = Script::new(&format!("{VOICES}; exec cat /dev/zero"));
        let spoken = say(&engine(&script.0), "hello", &Wanted::default()).await;
        assert_eq!(spoken, Err(SpeechError::TooLong));
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_given_up_and_does_not_keep_its_turn() {
        let script = Script::new(&format!("{VOICES}; exec sleep 60"));
        let limit = Duration::from_millis(300);
        let hanging = engine_within(&script.0, limit);
        for _ in 0..3 {
            let spoken = say(&hanging, "hello", &Wanted::default()).await;
            assert_eq!(spoken, Err(SpeechError::Slow { limit }));
        }
    }

    #[tokio::test]
    async fn who_gets_no_turn_in_time_is_told_so() {
        let engine = engine_within("espeak-ng", Duration::from_millis(50));
        let turns = (engine.turn().await.unwrap(), engine.turn().await.unwrap());
        assert_eq!(engine.turn().await.unwrap_err(), SpeechError::Busy);
        drop(turns);
        assert!(engine.turn().await.is_ok());
    }
}
