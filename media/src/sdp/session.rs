//! The descriptions of one dialog, one after the other: what has been agreed on binds what comes next.
//!
//! What a description of ours has to repeat of the ones before it (RFC 3264 §8): the media lines, in
//! number and order; what each payload type means (§8.3.2); the session id, and a version that is one
//! higher if anything has changed and the same if nothing has. Keys stay as long as they are not
//! changed on purpose (RFC 4568 §7.1.4).

use super::LocalMedia;
use super::answer::{Taken, Terms, take_answer, take_offer, timing_of};
use super::crypto::{Crypto, Encryption};
use super::error::Error;
use super::extmap;
use super::negotiated::{Direction, Format, Negotiated};
use super::offer::Numbering;
use super::policy::{Policy, max_ptime};
use super::text::{Audio, Level, Text};
use super::wire::{Description, Section};
use crate::rtp::PayloadType;
use crate::srtp::{LocalKeys, Suite};

/// See the module text.
#[derive(Debug, Clone)]
pub struct Session {
    local: LocalMedia,
    /// What we are willing to do, whatever the peer wants.
    direction: Direction,
    numbering: Numbering,
    /// The media lines as they were last agreed on; empty before.
    lines: Vec<MediaLine>,
    agreed: Option<Negotiated>,
    /// Our last offer, until one of the peer's takes its place.
    offered: Option<Offered>,
    /// Our last description.
    written: Option<Written>,
}

/// A description with our keys in it, which nobody is to see but the peer.
#[derive(Clone, PartialEq, Eq)]
struct Written(String);

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Written")
    }
}

/// One media line; of the one that is taken, what our next offer repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MediaLine {
    kind: String,
    protocol: String,
    formats: String,
    is_taken: bool,
    mid: Option<String>,
    is_bundled: bool,
}

/// What an answer is read against.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    /// Which media line is the audio, and how many there are.
    pub(super) index: usize,
    pub(super) count: usize,
    pub(super) formats: Vec<(PayloadType, Format)>,
    pub(super) cryptos: Vec<Crypto>,
    pub(super) direction: Direction,
    lines: Vec<MediaLine>,
}

impl Session {
    /// A session in which nothing has been said yet.
    pub fn new(local: LocalMedia) -> Self {
        Self {
            local,
            direction: Direction::SendRecv,
            numbering: Numbering::default(),
            lines: Vec::new(),
            agreed: None,
            offered: None,
            written: None,
        }
    }

    /// Our side.
    pub fn local(&self) -> &LocalMedia {
        &self.local
    }

    /// What was agreed on last.
    pub fn agreed(&self) -> Option<&Negotiated> {
        self.agreed.as_ref()
    }

    /// What we are willing to do.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// What we are willing to do from the next description on; `sendrecv` at first. To hold the peer,
    /// `SendOnly` (music is sent) or `Inactive`; to resume, `SendRecv`.
    pub fn set_direction(&mut self, direction: Direction) {
        self.direction = direction;
    }

    /// How much is to be encrypted from the next first offer or answer on.
    pub fn set_encryption(&mut self, encryption: Encryption) {
        self.local.encryption = encryption;
    }

    /// Other keys of ours from the next description on: for an offer to a peer that may be another one
    /// than before, as one that answers a re-INVITE without an offer (RFC 4568 §7.1.4).
    pub fn set_keys(&mut self, keys: LocalKeys) {
        self.local.srtp = Some(keys);
    }

    /// Our next offer: of all we can at first, later of the same media lines as before (RFC 3264 §5,
    /// §8). Serves for INVITEs, re-INVITEs, UPDATEs and for the 2xx to an INVITE without an offer.
    ///
    /// RTCP on the RTP port is offered too (RFC 5761); whoever does not know it uses the next port.
    pub fn offer(&mut self, policy: &Policy) -> String {
        let mut lines = self.lines.clone();
        if !lines.iter().any(|line| line.is_taken) {
            lines.push(MediaLine::first(self.local.encryption));
        }
        let index = lines.iter().position(|line| line.is_taken).unwrap_or(0);
        let offered = Offered {
            index,
            count: lines.len(),
            formats: self.numbering.offered(policy),
            cryptos: self.cryptos(),
            direction: self.direction,
            lines,
        };
        let text = self.write(|local| offered.text(local, policy));
        self.offered = Some(offered);
        text
    }

    /// Answers an offer, the first one or a later one, choosing the first codec of `policy` that it has.
    ///
    /// Payload types are the offerer's. A peer that holds (`sendonly`, `inactive`, `c=0.0.0.0`) gets the
    /// mirrored direction (§6.1, §8.4), as far as ours allows it. Telephone-event is answered
    /// at the codec's clock, and understood at each clock that was offered. Of two sections that would
    /// do, an encrypted one is taken unless [`Encryption::Off`] is set.
    ///
    /// # Errors
    /// Any [`Error`]; the offer is to be refused with 488 then, and the session is as it was. If several
    /// sections are audio, the error is about the first.
    pub fn answer(&mut self, offer: &[u8], policy: &Policy) -> Result<(String, Negotiated), Error> {
        let offer = Description::parse(offer)?;
        let taken = take_offer(&offer, &self.terms(policy))?;
        let section = offer.media.get(taken.index).ok_or(Error::NoUsableMedia)?;
        self.numbering.learn(section);
        self.lines = offer
            .media
            .iter()
            .enumerate()
            .map(|(index, section)| MediaLine::of(&offer, section, index == taken.index))
            .collect();
        let lines = std::mem::take(&mut self.lines);
        let Taken { negotiated, crypto, .. } = &taken;
        let formats = negotiated.answered_formats();
        let text = self.write(|local| {
            let audio = Audio {
                kind: section.kind,
                port: local.rtp_port,
                protocol: section.protocol,
                formats: &formats,
                policy,
                ptime: negotiated.send.ptime,
                max_ptime: max_ptime([negotiated.send.codec].into_iter()),
                level: negotiated
                    .level_extension
                    .map(|id| Level { id, direction: Direction::RecvOnly }),
                rtcp_mux: negotiated.rtcp_mux,
                direction: negotiated.direction,
                cryptos: crypto.as_slice(),
                mid: None,
            };
            text_of(local, timing_of(&offer), &lines, audio)
        });
        self.lines = lines;
        self.offered = None;
        self.agreed = Some(taken.negotiated.clone());
        Ok((text, taken.negotiated))
    }

    /// Reads the answer to our last [`offer`](Self::offer) under the same `policy`; also another answer
    /// to it, of a fork or in a later response.
    ///
    /// Of several answered codecs the peer's first is meant (§7). We send with the payload types of the
    /// answer and receive with those of our offer, should the two differ (§7).
    ///
    /// # Errors
    /// Any [`Error`]; the session is as it was.
    pub fn accept_answer(&mut self, answer: &[u8], policy: &Policy) -> Result<Negotiated, Error> {
        let offered = self.offered.as_ref().ok_or(Error::NoOffer)?;
        let answer = Description::parse(answer)?;
        let negotiated = take_answer(&answer, offered, &self.terms(policy))?;
        self.lines = offered.lines.clone();
        if let Some(section) = answer.media.get(offered.index) {
            self.numbering.reserve(section);
        }
        self.agreed = Some(negotiated.clone());
        Ok(negotiated)
    }

    fn terms<'a>(&self, policy: &'a Policy) -> Terms<'a> {
        Terms {
            policy,
            encryption: self.local.encryption,
            keys: self.local.keys(),
            direction: self.direction,
            taken_before: self.lines.iter().position(|line| line.is_taken),
        }
    }

    /// The keys we offer: of a session that is encrypted the suite in use, so that it goes on; of one
    /// that is not, none.
    fn cryptos(&self) -> Vec<Crypto> {
        let Some(keys) = self.local.keys() else { return Vec::new() };
        let suites = match &self.agreed {
            None => Suite::OFFERED.to_vec(),
            Some(agreed) => agreed.srtp.iter().map(|keys| keys.local.suite()).collect(),
        };
        let line = |(tag, suite)| Crypto { tag, key: keys.of(suite), mki: None };
        (1..).zip(suites).map(line).collect()
    }

    /// Writes a description with the version it is to have: the last one, unless it says something else
    /// than the last one (RFC 3264 §8).
    fn write(&mut self, write: impl Fn(&LocalMedia) -> String) -> String {
        let mut text = write(&self.local);
        if let Some(written) = &self.written
            && written.0 != text
        {
            self.local.version += 1;
            text = write(&self.local);
        }
        self.written = Some(Written(text.clone()));
        text
    }
}

impl Offered {
    fn text(&self, local: &LocalMedia, policy: &Policy) -> String {
        let codecs = policy.codecs.iter().copied();
        text_of(
            local,
            "0 0",
            &self.lines,
            Audio {
                kind: self.lines.get(self.index).map_or("audio", |line| &line.kind),
                port: local.rtp_port,
                protocol: self.lines.get(self.index).map_or("RTP/AVP", |line| &line.protocol),
                formats: &self.formats,
                policy,
                ptime: policy.usual_ptime(),
                max_ptime: max_ptime(codecs),
                // We measure nothing for the peer.
                level: policy
                    .level_extension
                    .then_some(Level { id: extmap::OUR_ID, direction: Direction::RecvOnly }),
                rtcp_mux: true,
                direction: self.direction,
                cryptos: &self.cryptos,
                mid: None,
            },
        )
    }
}

impl MediaLine {
    /// The only one of a first offer.
    fn first(encryption: Encryption) -> Self {
        let protocol = if encryption == Encryption::Required { "RTP/SAVP" } else { "RTP/AVP" };
        Self {
            kind: "audio".to_owned(),
            protocol: protocol.to_owned(),
            formats: String::new(),
            is_taken: true,
            mid: None,
            is_bundled: false,
        }
    }

    /// A section of the peer's offer, as it is answered.
    fn of(offer: &Description<'_>, section: &Section<'_>, is_taken: bool) -> Self {
        Self {
            kind: section.kind.to_owned(),
            protocol: section.protocol.to_owned(),
            formats: section.formats.join(" "),
            is_taken,
            mid: section.mid().map(str::to_owned),
            is_bundled: offer.is_bundled(section),
        }
    }
}

/// A description of these lines: one holds the audio, the others are declined.
fn text_of(local: &LocalMedia, timing: &str, lines: &[MediaLine], audio: Audio<'_>) -> String {
    let taken = lines.iter().find(|line| line.is_taken);
    let mid = taken.and_then(|line| line.mid.as_deref());
    let bundle = taken.filter(|line| line.is_bundled).and(mid);
    let mut text = Text::new(local, timing, bundle);
    let audio = Audio { mid, ..audio };
    for line in lines {
        match line.is_taken {
            true => text.audio(&audio),
            false => text.declined(&line.kind, &line.protocol, &line.formats),
        }
    }
    text.into_string()
}
