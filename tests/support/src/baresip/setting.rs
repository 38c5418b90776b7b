//! What the phone is started with: who it is, what it says, how it hides that, and the files it reads.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use crate::temp_dir::TempDir;
use crate::tone::Tone;
use crate::wav;

const MODULES: &str = "/usr/lib/baresip/modules";
/// Length of its source: longer than any test.
const SOURCE_SECONDS: f64 = 150.0;

/// Who the phone is, what it says, and where its registrar is.
#[derive(Debug, Clone)]
pub struct Phone<'a> {
    pub user: &'a str,
    pub password: &'a str,
    pub realm: &'a str,
    pub server: SocketAddr,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'a str,
    /// Frequency (Hz) and level (dB) of the tones it sends.
    pub tones: &'a [(f64, f64)],
    pub codec: Codec,
}

/// The one codec a phone speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Pcmu,
    G722,
    /// One channel, 48 kHz.
    Opus,
}

impl Codec {
    /// Name in an account, module, and samples per second.
    pub(super) fn facts(self) -> (&'static str, &'static str, u32) {
        match self {
            Self::Pcmu => ("PCMU/8000/1", "g711.so", 8_000),
            Self::G722 => ("G722/16000/1", "g722.so", 16_000),
            Self::Opus => ("opus/48000/1", "opus.so", 48_000),
        }
    }
}

/// What it knows of certificates, and whether it encrypts its sound.
#[derive(Debug, Clone, Copy, Default)]
pub struct Security<'a> {
    pub media: MediaEncryption,
    /// PEM file of who may sign the server's certificate.
    pub ca: Option<&'a Path>,
    /// PEM file of its own certificate and key: with it, it takes calls over TLS.
    pub certificate: Option<&'a Path>,
}

/// SRTP with keys in the description (RFC 4568).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MediaEncryption {
    #[default]
    Off,
    /// Offers RTP/AVP with keys.
    Offered,
    /// Offers RTP/SAVP and takes nothing else.
    Required,
}

impl MediaEncryption {
    fn parameter(self) -> &'static str {
        match self {
            Self::Off => "",
            Self::Offered => ";mediaenc=srtp",
            Self::Required => ";mediaenc=srtp-mand",
        }
    }
}

/// When it takes a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answers {
    #[default]
    AtOnce,
    /// It rings until [`super::Baresip::answer`].
    WhenTold,
}

impl Answers {
    fn parameter(self) -> &'static str {
        match self {
            Self::AtOnce => "auto",
            Self::WhenTold => "manual",
        }
    }
}

/// Writes its folder: `config`, `accounts`, `contacts` and the sound it sends.
pub(super) fn write(
    phone: &Phone<'_>,
    security: &Security<'_>,
    answers: Answers,
    dir: &TempDir,
    ports: u16,
    control: u16,
) -> Result<()> {
    let path = dir.path();
    let source = path.join("source.wav");
    let (codec, module, rate) = phone.codec.facts();
    let mut samples = vec![0; SOURCE_SECONDS as usize * rate as usize];
    for &(hz, level) in phone.tones {
        let mut tone = Tone::at_rate(hz, level, rate);
        samples.iter_mut().for_each(|sample| *sample += tone.sample());
    }
    wav::write(&source, rate, &samples)?;
    let (source, dir) = (source.display(), path.display());
    let (rtp_first, rtp_last) = (ports + 10, ports + 39);
    let mut certificates = String::new();
    for (key, file) in [("sip_cafile", security.ca), ("sip_certificate", security.certificate)] {
        if let Some(file) = file {
            // Writing to a String cannot fail.
            let _ = writeln!(certificates, "{key} {}", file.display());
        }
    }
    fs::write(
        path.join("config"),
        format!(
            "poll_method epoll\n\
             sip_listen 127.0.0.1:{ports}\n\
             {certificates}\
             call_max_calls 4\n\
             audio_player aubridge,nil{ports}\n\
             audio_source aufile,{source}\n\
             audio_alert aubridge,alert{ports}\n\
             ausrc_srate {rate}\n\
             auplay_srate {rate}\n\
             ausrc_channels 1\n\
             auplay_channels 1\n\
             rtp_ports {rtp_first}-{rtp_last}\n\
             jitter_buffer_delay 5-10\n\
             rtp_stats yes\n\
             net_interface 127.0.0.1\n\
             module_path {MODULES}\n\
             opus_stereo no\n\
             opus_sprop_stereo no\n\
             module {module}\n\
             module aufile.so\n\
             module aubridge.so\n\
             module sndfile.so\n\
             module srtp.so\n\
             module_tmp uuid.so\n\
             module_tmp account.so\n\
             module_app contact.so\n\
             module_app debug_cmd.so\n\
             module_app menu.so\n\
             module_app ctrl_tcp.so\n\
             ctrl_tcp_listen 127.0.0.1:{control}\n\
             snd_path {dir}\n"
        ),
    )?;
    let Phone { user, password, realm, server, transport, .. } = phone;
    let (encryption, answers) = (security.media.parameter(), answers.parameter());
    fs::write(
        path.join("accounts"),
        format!(
            "<sip:{user}@{realm};transport={transport}>;auth_user={user};auth_pass={password};\
             outbound=\"sip:{server};transport={transport}\";regint=300;answermode={answers};\
             audio_codecs={codec}{encryption}\n"
        ),
    )?;
    fs::write(path.join("contacts"), "")?;
    Ok(())
}
