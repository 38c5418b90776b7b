//! What goes over the socket: pure.

use std::time::Duration;

use bytes::Bytes;
use media::SampleRate;
use media::sink::TapReader;
use serde_json::{Map, Value, json};

use crate::model::call::StreamFlow;
use crate::verb::MixType;

/// Of one binary message.
pub const FRAME: Duration = Duration::from_millis(20);
/// What is older than this was not taken in time: it is left out, not sent late.
const MOST_BEHIND: Duration = Duration::from_millis(200);

/// The subprotocols that are offered (D-43); an answer may name either, or none.
pub const SUBPROTOCOLS: [&str; 2] = ["audio.drachtio.org", "audio.jambonz.org"];

/// The first message: rate and mix, what is known of the call, and over both what the application wants in it.
pub fn setup(
    rate: SampleRate,
    mix: MixType,
    call: Map<String, Value>,
    metadata: Option<&Map<String, Value>>,
) -> String {
    let mut message = Map::new();
    // D-45.
    message.insert("type".to_owned(), "setup".into());
    message.insert("sampleRate".to_owned(), rate.hz().into());
    message.insert("mixType".to_owned(), mix.as_str().into());
    for (name, value) in call {
        message.insert(camel_case(&name), value);
    }
    for (name, value) in metadata.into_iter().flatten() {
        message.insert(name.clone(), value.clone());
    }
    Value::Object(message).to_string()
}

/// `fs_sip_address` becomes `fsSipAddress`.
fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// The message about a key; its length counts in RTP units at 8 kHz.
pub fn digit(key: char, length: Duration) -> String {
    let units = u64::try_from(length.as_millis()).unwrap_or(u64::MAX).saturating_mul(8);
    // D-46: the type is for those who read nothing else.
    json!({"event": "dtmf", "type": "dtmf", "dtmf": key.to_string(), "duration": units}).to_string()
}

/// Whether the peer asks us to go. Long messages are audio, which nobody reads here.
pub fn is_disconnect(text: &str) -> bool {
    text.len() <= MAX_ORDER
        && serde_json::from_str::<Value>(text).is_ok_and(|message| message["type"] == "disconnect")
}

const MAX_ORDER: usize = 4 * 1024;

/// The taps of a call, as a stream reads them.
#[derive(Debug)]
pub struct Taps {
    pub said: TapReader,
    /// Where the mix needs it.
    pub heard: Option<TapReader>,
}

/// Makes messages of samples.
#[derive(Debug)]
pub struct Framer {
    taps: Taps,
    mix: MixType,
    flow: StreamFlow,
    said: Vec<i16>,
    heard: Vec<i16>,
    /// Samples of each channel in a message, and the most that may wait.
    frame: usize,
    most: usize,
    lost_before: u64,
    left_out: u64,
}

impl Framer {
    pub fn new(taps: Taps, mix: MixType) -> Self {
        let rate = taps.said.rate();
        Self {
            taps,
            mix,
            flow: StreamFlow::On,
            said: Vec::new(),
            heard: Vec::new(),
            frame: rate.samples_in(FRAME) as usize,
            most: rate.samples_in(MOST_BEHIND) as usize,
            lost_before: 0,
            left_out: 0,
        }
    }

    /// What comes from now on is what the change is about: it is never made up for.
    pub fn set_flow(&mut self, flow: StreamFlow) {
        self.flow = flow;
    }

    /// Forgets what has come so far.
    pub fn forget(&mut self) {
        self.drain();
        self.said.clear();
        self.heard.clear();
        self.lost_before = self.lost();
        self.left_out = 0;
    }

    /// Whole messages of what has come.
    pub fn read(&mut self, out: &mut Vec<Bytes>) {
        self.drain();
        let channels = [Some(&mut self.said), self.taps.heard.is_some().then_some(&mut self.heard)];
        let mut longest = 0;
        for channel in channels.into_iter().flatten() {
            if channel.len() > self.most {
                let excess = channel.len() - self.frame;
                channel.drain(..excess);
                longest = longest.max(excess);
            }
        }
        self.left_out += longest as u64;
        if self.flow == StreamFlow::Paused {
            self.said.clear();
            self.heard.clear();
            return;
        }
        while self.said.len() >= self.frame
            && (self.taps.heard.is_none() || self.heard.len() >= self.frame)
        {
            let said = self.said.drain(..self.frame);
            let samples: Vec<i16> = match self.taps.heard {
                None => said.collect(),
                Some(_) => {
                    let both = said.zip(self.heard.drain(..self.frame));
                    match self.mix {
                        MixType::Stereo => both.flat_map(|(said, heard)| [said, heard]).collect(),
                        MixType::Mixed | MixType::Mono => {
                            both.map(|(said, heard)| said.saturating_add(heard)).collect()
                        }
                    }
                }
            };
            let is_silent = self.flow == StreamFlow::Silent;
            let bytes = samples.into_iter().map(|sample| if is_silent { 0 } else { sample });
            out.push(bytes.flat_map(i16::to_le_bytes).collect());
        }
    }

    /// Samples that were left out since the last time this was asked, because they could not be sent in
    /// time.
    pub fn take_left_out(&mut self) -> u64 {
        let lost = self.lost();
        let left_out = self.left_out + (lost - self.lost_before);
        (self.left_out, self.lost_before) = (0, lost);
        left_out
    }

    /// Whether the call is gone.
    pub fn is_over(&self) -> bool {
        self.taps.said.is_over()
    }

    fn lost(&self) -> u64 {
        self.taps.said.lost()
    }

    fn drain(&mut self) {
        self.taps.said.read(&mut self.said);
        if let Some(heard) = &mut self.taps.heard {
            heard.read(&mut self.heard);
        }
    }
}

#[cfg(test)]
mod tests {
    use media::sink::{TapWriter, tap};

    use super::*;

    const RATE: SampleRate = SampleRate::NARROW;

    fn framer(mix: MixType) -> (TapWriter, TapWriter, Framer) {
        let depth = Duration::from_secs(1);
        let ((said, says), (heard, hears)) = (tap(RATE, depth), tap(RATE, depth));
        let hears = (mix != MixType::Mono).then_some(hears);
        (said, heard, Framer::new(Taps { said: says, heard: hears }, mix))
    }

    fn read(framer: &mut Framer) -> Vec<Vec<i16>> {
        let mut out = Vec::new();
        framer.read(&mut out);
        let samples = |bytes: &Bytes| {
            bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
        };
        out.iter().map(samples).collect()
    }

    #[test]
    fn the_first_message_is_camel_case_and_metadata_win() {
        let call = json!({"call_sid": "c", "sbc_callid": "s", "sip_status": 200, "customerData": {"a_b": 1},
            "fs_sip_address": "x", "from": "me"});
        let metadata = json!({"from": "you", "snake_case": 1, "type": "mine"});
        let (Value::Object(call), Value::Object(metadata)) = (call, metadata) else { panic!() };
        let text = setup(RATE, MixType::Stereo, call.clone(), Some(&metadata));
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            message,
            json!({"sampleRate": 8_000, "mixType": "stereo", "callSid": "c", "sbcCallid": "s",
                "sipStatus": 200, "customerData": {"a_b": 1}, "fsSipAddress": "x", "from": "you",
                "snake_case": 1, "type": "mine"})
        );
        let text = setup(RATE, MixType::Mono, call, None);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["type"], "setup");
    }

    #[test]
    fn keys_and_the_wish_to_end_are_known() {
        let message: Value = serde_json::from_str(&digit('#', Duration::from_millis(250))).unwrap();
        let expected = json!({"event": "dtmf", "type": "dtmf", "dtmf": "#", "duration": 2_000});
        assert_eq!(message, expected);
        assert!(is_disconnect(r#"{"type": "disconnect"}"#));
        for text in ["", "disconnect", "[]", r#"{"type": "killAudio"}"#, "{"] {
            assert!(!is_disconnect(text), "{text}");
        }
    }

    #[test]
    fn each_mix_has_its_frames() {
        for (mix, expected) in [
            (MixType::Mono, vec![3; 160]),
            (MixType::Mixed, vec![32_767; 160]),
            (MixType::Stereo, [3, 32_766].repeat(160)),
        ] {
            let (mut said, mut heard, mut framer) = framer(mix);
            said.write(Some(&[3; 160]), RATE);
            heard.write(Some(&[32_766; 160]), RATE);
            assert_eq!(read(&mut framer), [expected], "{mix:?}");
            assert!(read(&mut framer).is_empty());
        }
    }

    #[test]
    fn a_pause_and_silence_are_not_made_up_for() {
        let (mut said, _, mut framer) = framer(MixType::Mono);
        framer.set_flow(StreamFlow::Paused);
        said.write(Some(&[1; 160]), RATE);
        assert!(read(&mut framer).is_empty());
        framer.set_flow(StreamFlow::Silent);
        said.write(Some(&[2; 160]), RATE);
        assert_eq!(read(&mut framer), [[0; 160]]);
        framer.set_flow(StreamFlow::On);
        said.write(Some(&[3; 160]), RATE);
        assert_eq!(read(&mut framer), [[3; 160]]);
    }

    #[test]
    fn who_comes_late_gets_the_newest_and_is_told_what_is_missing() {
        let (mut said, _, mut framer) = framer(MixType::Mono);
        for n in 0..30 {
            said.write(Some(&[n; 160]), RATE);
        }
        assert_eq!(read(&mut framer), [[29; 160]]);
        assert_eq!((framer.take_left_out(), framer.take_left_out()), (29 * 160, 0));
        // The tap itself was full.
        for n in 0..60 {
            said.write(Some(&[n; 160]), RATE);
        }
        assert_eq!(read(&mut framer).len(), 1);
        assert_eq!(framer.take_left_out(), 59 * 160);
    }
}
