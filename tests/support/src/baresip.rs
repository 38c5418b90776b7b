//! A foreign phone: the `baresip` program (Debian `baresip-core`, 1.0), driven over its control
//! connection (netstrings of JSON) and listened to through the wav files it records.
//!
//! Known ways of 1.0: when its source file ends it hangs up, so the file is long; there is no file
//! player, so what it hears comes from module `sndfile`; events before the control connection stands
//! are lost, so registration is asked for, not awaited.

use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::ports::free_block;
use crate::temp_dir::TempDir;
use crate::{wait, wav};

mod setting;

pub use setting::{Answers, Codec, MediaEncryption, Phone, Security};

/// Longest wait for the program to start, to answer a command, to end.
const PATIENCE: Duration = Duration::from_secs(15);
/// Largest message on the control connection.
const MAX_NETSTRING: usize = 1 << 20;

/// A running phone. Dropping it kills it.
#[derive(Debug)]
pub struct Baresip {
    child: Child,
    control: TcpStream,
    messages: Arc<Mutex<Vec<Value>>>,
    dir: TempDir,
    tokens: u32,
    /// First of its SIP ports.
    port: u16,
}

impl Baresip {
    /// Starts the phone and waits for its control connection; it registers by itself.
    ///
    /// # Errors
    /// When the program is missing or does not come up.
    pub fn start(phone: &Phone<'_>) -> Result<Self> {
        Self::start_secure(phone, &Security::default())
    }

    /// The same with what it needs for transport `tls` and for encrypted sound.
    ///
    /// # Errors
    /// As [`Baresip::start`].
    pub fn start_secure(phone: &Phone<'_>, security: &Security<'_>) -> Result<Self> {
        Self::start_answering(phone, security, Answers::AtOnce)
    }

    /// The same with when it takes calls.
    ///
    /// # Errors
    /// As [`Baresip::start`].
    pub fn start_answering(
        phone: &Phone<'_>,
        security: &Security<'_>,
        answers: Answers,
    ) -> Result<Self> {
        let dir = TempDir::new("baresip")?;
        // SIP takes two ports (the second for TLS), RTP a range, control one.
        let ports = free_block(40);
        let control_port = ports + 9;
        setting::write(phone, security, answers, &dir, ports, control_port)?;
        let log = fs::File::create(dir.path().join("log"))?;
        let mut child = Command::new("baresip")
            .arg("-f")
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start baresip (Debian package baresip-core)")?;
        let connected =
            wait::until(PATIENCE, || TcpStream::connect((Ipv4Addr::LOCALHOST, control_port)).ok());
        let Some(control) = connected else {
            // It may have ended by itself; either way it is not wanted any more.
            let _ = child.kill();
            let _ = child.wait();
            let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            bail!("baresip did not open its control port:\n{log}");
        };
        let messages = Arc::new(Mutex::new(Vec::new()));
        let reader = BufReader::new(control.try_clone()?);
        thread::spawn({
            let messages = Arc::clone(&messages);
            move || collect(reader, &messages)
        });
        Ok(Self { child, control, messages, dir, tokens: 0, port: ports })
    }

    /// Sends a command and gives the text it answered.
    ///
    /// # Errors
    /// When no answer comes, or it is not `ok`.
    pub fn command(&mut self, command: &str, params: &str) -> Result<String> {
        self.tokens += 1;
        let token = self.tokens.to_string();
        let text = json!({ "command": command, "params": params, "token": token }).to_string();
        write!(self.control, "{}:{text},", text.len())?;
        let answer = wait::until(PATIENCE, || {
            lock(&self.messages).iter().find(|m| m["token"] == token.as_str()).cloned()
        });
        let answer = answer.with_context(|| format!("no answer to {command}\n{}", self.log()))?;
        ensure!(answer["ok"] == true, "{command} {params}: {answer}");
        Ok(answer["data"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until its registrar has accepted it.
    ///
    /// # Errors
    /// When that does not happen `within`.
    pub fn wait_registered(&mut self, within: Duration) -> Result<()> {
        let met = wait::until(within, || {
            let info = self.command("reginfo", "").ok()?;
            info.contains("OK").then_some(())
        });
        met.with_context(|| format!("baresip is not registered after {within:?}\n{}", self.log()))
    }

    /// Calls `uri` and waits until the call stands.
    ///
    /// # Errors
    /// When it is refused or not answered `within`.
    pub fn dial(&mut self, uri: &str, within: Duration) -> Result<()> {
        let before = self.events("CALL_ESTABLISHED").len();
        self.command("dial", uri)?;
        wait::until(within, || (self.events("CALL_ESTABLISHED").len() > before).then_some(()))
            .with_context(|| format!("{uri} did not answer within {within:?}\n{}", self.log()))
    }

    /// # Errors
    /// When there is no call to hang up.
    pub fn hang_up(&mut self) -> Result<()> {
        self.command("hangup", "").map(drop)
    }

    /// Calls `uri`; how that goes is for its events to say.
    ///
    /// # Errors
    /// When it does not take the command.
    pub fn ring(&mut self, uri: &str) -> Result<()> {
        self.command("dial", uri).map(drop)
    }

    /// Takes the call that rings.
    ///
    /// # Errors
    /// When none does.
    pub fn answer(&mut self) -> Result<()> {
        self.command("accept", "").map(drop)
    }

    /// Presses a key (RFC 4733) and lets it go.
    ///
    /// # Errors
    /// When there is no call.
    pub fn press(&mut self, key: char) -> Result<()> {
        self.command("sndcode", &key.to_string())?;
        self.command("sndcode", "\u{4}").map(drop)
    }

    /// The keys that were pressed at the far end so far.
    #[must_use]
    pub fn keys(&self) -> String {
        let pressed = self.events("CALL_DTMF_START");
        pressed.iter().filter_map(|event| event["param"].as_str()).collect()
    }

    /// Puts its call on hold (a re-INVITE with `sendonly`).
    ///
    /// # Errors
    /// When there is no call.
    pub fn hold(&mut self) -> Result<()> {
        self.command("hold", "").map(drop)
    }

    /// Takes its call back.
    ///
    /// # Errors
    /// When there is no call.
    pub fn resume(&mut self) -> Result<()> {
        self.command("resume", "").map(drop)
    }

    /// Sends its call elsewhere (REFER); what becomes of it is an event.
    ///
    /// # Errors
    /// When there is no call.
    pub fn transfer(&mut self, uri: &str) -> Result<()> {
        self.command("transfer", uri).map(drop)
    }

    /// Where it takes calls over UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where it takes calls over TLS, when it has a certificate.
    #[must_use]
    pub fn tls_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port + 1).into()
    }

    /// Events of one type so far (`CALL_CLOSED`, `CALL_RINGING`, …).
    #[must_use]
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let messages = lock(&self.messages);
        messages.iter().filter(|m| m["event"] == true && m["type"] == kind).cloned().collect()
    }

    /// Waits for an event of that type.
    ///
    /// # Errors
    /// When none has come `within`.
    pub fn wait_event(&self, kind: &str, within: Duration) -> Result<Value> {
        wait::until(within, || self.events(kind).into_iter().next())
            .with_context(|| format!("no {kind} within {within:?}\n{}", self.log()))
    }

    /// What its current or last call has let it hear so far, at 8000 samples a second: of higher
    /// rates every so many-th sample, which leaves tones below 4 kHz as they are.
    ///
    /// # Errors
    /// When it has recorded nothing.
    pub fn heard(&self) -> Result<Vec<i16>> {
        let (rate, samples) = self.recording()?;
        ensure!(rate.is_multiple_of(8_000), "recorded at {rate}");
        Ok(samples.into_iter().step_by(rate as usize / 8_000).collect())
    }

    /// The same at the rate of its codec, which comes first.
    ///
    /// The recording grows in steps of a few hundred milliseconds.
    ///
    /// # Errors
    /// When it has recorded nothing.
    pub fn recording(&self) -> Result<(u32, Vec<i16>)> {
        let mut recordings: Vec<PathBuf> = fs::read_dir(self.dir.path())?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        recordings.sort();
        wav::read(recordings.last().context("baresip has recorded nothing")?)
    }

    /// Listens until `seconds` more have been heard, and gives them.
    ///
    /// # Errors
    /// When that takes five seconds longer than it should.
    pub fn listen(&self, seconds: f64) -> Result<Vec<i16>> {
        let start = self.heard().map_or(0, |samples| samples.len());
        let wanted = start + (seconds * 8_000.0) as usize;
        let heard = wait::until(Duration::from_secs_f64(seconds + 5.0), || {
            self.heard().ok().filter(|samples| samples.len() >= wanted)
        });
        let heard = heard.with_context(|| format!("{seconds} s not heard\n{}", self.log()))?;
        Ok(heard[start..wanted].to_vec())
    }

    /// Everything it printed.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads netstrings until the connection ends.
fn collect(mut reader: BufReader<TcpStream>, messages: &Mutex<Vec<Value>>) {
    while let Some(text) = read_netstring(&mut reader) {
        if let Ok(message) = serde_json::from_slice(&text) {
            lock(messages).push(message);
        }
    }
}

fn read_netstring(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0usize;
    loop {
        let mut byte = [0];
        reader.read_exact(&mut byte).ok()?;
        match byte[0] {
            digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
            b':' => break,
            _ => return None,
        }
        if length > MAX_NETSTRING {
            return None;
        }
    }
    let mut text = vec![0; length + 1]; // the comma behind it
    reader.read_exact(&mut text).ok()?;
    text.pop();
    Some(text)
}

fn lock(messages: &Mutex<Vec<Value>>) -> MutexGuard<'_, Vec<Value>> {
    messages.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heard::median_level_db;
    use crate::rtp_peer::{RtpPeer, Voice};
    use crate::sip_peer::{PATIENCE, SipPeer};

    /// The phone against our own peers: what a tone becomes on its way through it, both ways.
    #[test]
    fn a_phone_registers_calls_hears_and_is_hung_up() {
        let mut registrar = SipPeer::udp((Ipv4Addr::LOCALHOST, 9).into());
        let phone = Phone {
            user: "alice",
            password: "secret",
            realm: "phones.test.example",
            server: registrar.local_addr(),
            transport: "udp",
            tones: &[(450.0, -16.0)],
            codec: Codec::Pcmu,
        };
        let mut baresip = Baresip::start(&phone).expect("baresip runs");
        let register = registrar.expect_request("REGISTER", PATIENCE);
        let contact = register.header("Contact").expect("a contact").to_owned();
        registrar.answer_to(&register);
        let ok = registrar.response(&register, 200, "OK").with("Contact", contact);
        registrar.respond(&register, &ok);
        baresip.wait_registered(PATIENCE).expect("registered");

        let rtp = RtpPeer::start(Voice::tone(800.0, -16.0));
        let called = thread::spawn(move || {
            let invite = registrar.expect_request("INVITE", PATIENCE);
            registrar.answer_to(&invite);
            let call = registrar.accept(&invite, &rtp);
            (registrar, rtp, call)
        });
        baresip.dial("sip:bob@phones.test.example", PATIENCE).expect("answered");
        let (mut registrar, rtp, mut call) = called.join().expect("accepted");
        let at_peer = rtp.listen(Duration::from_millis(800));
        assert!((at_peer.level_db(450.0) + 16.0).abs() < 0.5, "{}", at_peer.level_db(450.0));
        let at_phone = baresip.listen(0.8).expect("sound");
        assert!((median_level_db(&at_phone, 800.0) + 16.0).abs() < 0.5);
        assert_eq!(registrar.hang_up(&mut call).code(), Some(200));
        baresip.wait_event("CALL_CLOSED", PATIENCE).expect("closed");
    }
}
