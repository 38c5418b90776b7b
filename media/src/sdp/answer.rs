//! The answer to an offer, and what an answer to ours means (RFC 3264 §6, §7, §8).
//!
//! One audio section is taken, the first that works; one codec is answered, so that both sides know
//! what flows without looking at each packet. All other sections are declined with port 0.

use std::net::{IpAddr, SocketAddr};

use super::LocalMedia;
use super::error::Error;
use super::negotiated::{Direction, Format, Negotiated};
use super::offer::{allows_comfort_noise, receivable};
use super::policy::{Policy, max_ptime};
use super::text::{Audio, Level, Text};
use super::wire::{Connection, Description, Section};
use crate::codec::CodecKind;
use crate::rtp::PayloadType;
use crate::time::SampleRate;

/// Answers an offer, choosing the first codec of `policy` that it has.
///
/// Payload types are the offerer's. A peer that holds (`sendonly`, `inactive`, `c=0.0.0.0`) gets the
/// mirrored direction (§6.1, §8.4), so the same call answers re-INVITEs. Telephone-event is answered
/// at the codec's clock, and understood at each clock that was offered.
///
/// # Errors
/// Any [`Error`]; the offer is to be refused with 488 then. If several sections are audio, the
/// error is about the first.
pub fn answer(
    offer: &[u8],
    local: &LocalMedia,
    policy: &Policy,
) -> Result<(String, Negotiated), Error> {
    let offer = Description::parse(offer)?;
    let (taken, negotiated) = negotiate(&offer, policy, |section| {
        policy.codecs.iter().find_map(|&codec| Some((codec, section.payload_type_of(codec)?)))
    })?;
    let mut text = Text::new(local, timing_of(&offer));
    for (index, section) in offer.media.iter().enumerate() {
        if index != taken {
            text.declined(section);
            continue;
        }
        let codec = negotiated.send.codec;
        let digits = Format::TelephoneEvent { clock_hz: negotiated.dtmf_clock_hz };
        let formats: Vec<_> = [(negotiated.payload_type, Format::Audio(codec))]
            .into_iter()
            .chain(negotiated.comfort_noise.map(|number| (number, Format::ComfortNoise)))
            .chain(negotiated.dtmf_payload_type.map(|number| (number, digits)))
            .collect();
        text.audio(&Audio {
            port: local.rtp_port,
            protocol: section.protocol,
            formats: &formats,
            policy,
            ptime: negotiated.send.ptime,
            max_ptime: max_ptime([codec].into_iter()),
            level: negotiated
                .level_extension
                .map(|id| Level { id, direction: Direction::RecvOnly }),
            rtcp_mux: negotiated.rtcp_mux,
            direction: negotiated.direction,
        });
    }
    Ok((text.into_string(), negotiated))
}

/// Reads the answer to an [`offer`](super::offer()) under the same `policy`.
///
/// Of several answered codecs the peer's first is meant (§7). We send with the payload types of the
/// answer and receive with those of our offer, should the two differ (§7).
///
/// # Errors
/// Any [`Error`]; the call is to be ended then.
pub fn accept_answer(answer: &[u8], policy: &Policy) -> Result<Negotiated, Error> {
    let answer = Description::parse(answer)?;
    let (_, negotiated) =
        negotiate(&answer, policy, |section| section.first_codec_of(&policy.codecs))?;
    Ok(Negotiated { receive: receivable(policy), ..negotiated })
}

/// Takes the first section of plain audio that works; gives its index.
fn negotiate(
    peer: &Description<'_>,
    policy: &Policy,
    choose: impl Fn(&Section<'_>) -> Option<(CodecKind, PayloadType)>,
) -> Result<(usize, Negotiated), Error> {
    let mut refusal = None;
    for (index, section) in peer.media.iter().enumerate() {
        if !section.is_plain_audio() {
            continue;
        }
        match take(peer, section, policy, &choose) {
            Ok(negotiated) => return Ok((index, negotiated)),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or(Error::NoUsableMedia))
}

fn take<'a>(
    peer: &Description<'a>,
    section: &Section<'a>,
    policy: &Policy,
    choose: impl Fn(&Section<'_>) -> Option<(CodecKind, PayloadType)>,
) -> Result<Negotiated, Error> {
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
        direction: our_direction(peer.direction_of(section), address),
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
fn timing_of<'a>(offer: &Description<'a>) -> &'a str {
    let is_pair = |text: &&str| {
        let mut parts = text.split(' ');
        let mut is_number =
            || parts.next().is_some_and(|part| part.parse::<u64>().is_ok() && !part.contains('+'));
        is_number() && is_number() && parts.next().is_none()
    };
    offer.timing.filter(is_pair).unwrap_or("0 0")
}
