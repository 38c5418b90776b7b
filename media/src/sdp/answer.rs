//! What an offer gives us, and what an answer to ours means (RFC 3264 §6, §7, §8).
//!
//! One audio section is taken; one codec is answered, so that both sides know what flows without
//! looking at each packet. All other sections are declined with port 0.

use std::net::{IpAddr, SocketAddr};

use super::crypto::{Crypto, Encryption};
use super::error::Error;
use super::negotiated::{Direction, Format, Negotiated};
use super::offer::allows_comfort_noise;
use super::policy::Policy;
use super::session::Offered;
use super::wire::{Connection, Description, Section};
use crate::codec::CodecKind;
use crate::rtp::PayloadType;
use crate::srtp::{Keys, LocalKeys};
use crate::time::SampleRate;

/// What we want of a description.
pub(super) struct Terms<'a> {
    pub(super) policy: &'a Policy,
    pub(super) encryption: Encryption,
    /// Our keys, if there may be encryption.
    pub(super) keys: Option<LocalKeys>,
    pub(super) direction: Direction,
    /// The media line that holds the audio so far: it goes on if it can.
    pub(super) taken_before: Option<usize>,
}

/// What is taken of an offer.
pub(super) struct Taken {
    pub(super) index: usize,
    pub(super) negotiated: Negotiated,
    /// The line with our key that the answer is to have.
    pub(super) crypto: Option<Crypto>,
}

/// Takes the section that holds the audio already, else the first encrypted one, else the first
/// that works.
pub(super) fn take_offer(offer: &Description<'_>, terms: &Terms<'_>) -> Result<Taken, Error> {
    let policy = terms.policy;
    let choose = |section: &Section<'_>| {
        policy.codecs.iter().find_map(|&codec| Some((codec, section.payload_type_of(codec)?)))
    };
    let (mut found, mut refusal) = (None::<Taken>, None);
    for (index, section) in offer.media.iter().enumerate() {
        if !section.is_rtp_audio() {
            continue;
        }
        let taken = protection(section, terms).and_then(|protection| {
            let (keys, crypto) = protection.unzip();
            let negotiated = take(offer, section, terms, choose)?;
            Ok(Taken { index, negotiated: Negotiated { srtp: keys, ..negotiated }, crypto })
        });
        match taken {
            Ok(taken) if terms.taken_before == Some(index) => return Ok(taken),
            Ok(taken) => {
                let is_better = taken.crypto.is_some()
                    && found.as_ref().is_some_and(|found| found.crypto.is_none());
                if is_better || found.is_none() {
                    found = Some(taken);
                }
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    found.ok_or_else(|| refusal.unwrap_or(Error::NoUsableMedia))
}

/// Reads an answer to what we offered.
pub(super) fn take_answer(
    answer: &Description<'_>,
    offered: &Offered,
    terms: &Terms<'_>,
) -> Result<Negotiated, Error> {
    let (count, answered) = (offered.count, answer.media.len());
    if answered != count {
        return Err(Error::SectionsDiffer { offered: count, answered });
    }
    let section = answer.media.get(offered.index).filter(|section| section.is_rtp_audio());
    let section = section.ok_or(Error::NoUsableMedia)?;
    let srtp = agreed_keys(section, offered, terms.encryption)?;
    let codecs: Vec<_> = offered.formats.iter().filter_map(|(_, format)| format.codec()).collect();
    let negotiated = take(answer, section, terms, |section| section.first_codec_of(&codecs))?;
    // An answer cannot ask for more than was offered (§6.1); some do.
    let direction = negotiated.direction.within(offered.direction);
    Ok(Negotiated { receive: offered.formats.clone(), srtp, direction, ..negotiated })
}

/// How an offered section is encrypted: both keys, and the line to answer with. `None` if it is not.
fn protection(section: &Section<'_>, terms: &Terms<'_>) -> Result<Option<(Keys, Crypto)>, Error> {
    let offered = terms.keys.and_then(|keys| Some((keys, section.cryptos().next()?)));
    match offered {
        Some((keys, theirs)) => {
            let local = keys.of(theirs.key.suite());
            let keys = Keys { local, remote: theirs.key, remote_mki: theirs.mki };
            Ok(Some((keys, Crypto { tag: theirs.tag, key: local, mki: None })))
        }
        None if section.is_secure() && terms.keys.is_none() => Err(Error::NoUsableMedia),
        None if section.is_secure() => Err(Error::NoCommonCrypto),
        None if terms.encryption == Encryption::Required => Err(Error::EncryptionRequired),
        None => Ok(None),
    }
}

/// The keys of an answer: its line has the tag and the suite of one of ours (RFC 4568 §5.1.3).
fn agreed_keys(
    section: &Section<'_>,
    offered: &Offered,
    encryption: Encryption,
) -> Result<Option<Keys>, Error> {
    let pair = section.cryptos().find_map(|theirs| {
        let ours = offered.cryptos.iter().find(|ours| ours.tag == theirs.tag)?;
        let is_same = ours.key.suite() == theirs.key.suite();
        is_same.then_some(Keys { local: ours.key, remote: theirs.key, remote_mki: theirs.mki })
    });
    match pair {
        Some(keys) => Ok(Some(keys)),
        None if section.is_secure() && offered.cryptos.is_empty() => Err(Error::NoUsableMedia),
        None if section.is_secure() => Err(Error::NoCommonCrypto),
        None if encryption == Encryption::Required => Err(Error::EncryptionRequired),
        None => Ok(None),
    }
}

/// What a section says, but for its keys.
fn take<'a>(
    peer: &Description<'a>,
    section: &Section<'a>,
    terms: &Terms<'_>,
    choose: impl Fn(&Section<'_>) -> Option<(CodecKind, PayloadType)>,
) -> Result<Negotiated, Error> {
    let policy = terms.policy;
    let (codec, payload_type) = choose(section).ok_or(Error::NoCommonCodec)?;
    let address = peer.connection_of(section)?;
    let remote_rtp = SocketAddr::new(address, section.port);
    // Both our offer and an answer's mirror allow it, so the peer's word decides.
    let rtcp_mux = section.attribute("rtcp-mux").is_some();
    let remote_rtcp = if rtcp_mux { remote_rtp } else { rtcp_of(section, remote_rtp) };
    let send = policy.send_format(codec, &section.wishes(payload_type));
    let digits = telephone_event(section, codec);
    let comfort_noise = (policy.comfort_noise && allows_comfort_noise(codec))
        .then(|| section.comfort_noise())
        .flatten();
    let events = section.telephone_events();
    let receive = [(payload_type, Format::Audio(codec))]
        .into_iter()
        .chain(comfort_noise.map(|number| (number, Format::ComfortNoise)))
        .chain(
            events.map(|(number, clock)| (number, Format::TelephoneEvent { clock_hz: clock.hz() })),
        );
    Ok(Negotiated {
        remote_rtp,
        remote_rtcp,
        rtcp_mux,
        send,
        payload_type,
        dtmf_payload_type: digits.map(|(number, _)| number),
        dtmf_clock_hz: digits.map_or_else(|| codec.clock_hz(), |(_, clock)| clock.hz()),
        comfort_noise,
        level_extension: policy.level_extension.then(|| peer.level_extension(section)).flatten(),
        receive: receive.collect(),
        direction: our_direction(peer.direction_of(section), address).within(terms.direction),
        srtp: None,
    })
}

/// Digits at the codec's clock (RFC 4733 §2.1 has both share one), else the first there are: phones
/// that offer Opus with `telephone-event/8000` alone are common. Their durations count at the clock
/// of the events and their timestamps are those of the audio, as such phones do it themselves.
fn telephone_event(section: &Section<'_>, codec: CodecKind) -> Option<(PayloadType, SampleRate)> {
    let mut events = section.telephone_events();
    section
        .telephone_events()
        .find(|(_, clock)| clock.hz() == codec.clock_hz())
        .or_else(|| events.next())
}

/// The mirror image of the peer's direction; an unspecified address receives nothing (§8.4).
fn our_direction(peer: Direction, address: IpAddr) -> Direction {
    let mirrored = peer.mirrored();
    Direction::new(mirrored.sends() && !address.is_unspecified(), mirrored.receives())
}

/// `a=rtcp:port [IN IP4 address]` (RFC 3605), else the port after RTP's.
fn rtcp_of(section: &Section<'_>, rtp: SocketAddr) -> SocketAddr {
    let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    let value = section.attribute("rtcp").unwrap_or_default();
    let (port, address) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let Some(port) = port.parse().ok().filter(|&port| port != 0) else { return next };
    if address.is_empty() {
        return SocketAddr::new(rtp.ip(), port);
    }
    match Connection::in_attribute(address).address() {
        Ok(address) if !address.is_unspecified() => SocketAddr::new(address, port),
        _ => next,
    }
}

/// The offer's `t=` is to be repeated (§6); what is no pair of numbers is not.
pub(super) fn timing_of<'a>(offer: &Description<'a>) -> &'a str {
    let is_pair = |text: &&str| {
        let mut parts = text.split(' ');
        let mut is_number =
            || parts.next().is_some_and(|part| part.parse::<u64>().is_ok() && !part.contains('+'));
        is_number() && is_number() && parts.next().is_none()
    };
    offer.timing.filter(is_pair).unwrap_or("0 0")
}
