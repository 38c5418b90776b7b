//! The answer to an offer, and what an answer to ours means (RFC 3264 §6, §7, §8).
//!
//! One audio section is taken, the first that works; one codec is answered, so that both sides know
//! what flows without looking at each packet. All other sections are declined with port 0.

use std::net::{IpAddr, SocketAddr};

use super::LocalMedia;
use super::error::Error;
use super::negotiated::{Direction, Format, Negotiated};
use super::offer::receivable;
use super::text::{Audio, Text};
use super::wire::{Connection, Description, Section};
use crate::codec::CodecKind;
use crate::rtp::PayloadType;
use crate::time::Ptime;

/// Answers an offer, choosing the first of `codecs` it has.
///
/// Payload types are the offerer's. A peer that holds (`sendonly`, `inactive`, `c=0.0.0.0`) gets the
/// mirrored direction (§6.1, §8.4), so the same call answers re-INVITEs.
///
/// # Errors
/// Any [`Error`]; the offer is to be refused with 488 then. If several sections are audio, the
/// error is about the first.
pub fn answer(
    offer: &[u8],
    local: &LocalMedia,
    codecs: &[CodecKind],
) -> Result<(String, Negotiated), Error> {
    let offer = Description::parse(offer)?;
    let (taken, negotiated) = negotiate(&offer, |section| {
        codecs.iter().find_map(|&codec| Some((codec, section.payload_type_of(codec)?)))
    })?;
    let mut text = Text::new(local, timing_of(&offer));
    for (index, section) in offer.media.iter().enumerate() {
        if index != taken {
            text.declined(section);
            continue;
        }
        text.audio(&Audio {
            port: local.rtp_port,
            protocol: section.protocol,
            codecs: &[(negotiated.codec, negotiated.payload_type)],
            telephone_event: negotiated.dtmf_payload_type,
            rtcp_mux: negotiated.rtcp_mux,
            direction: negotiated.direction,
        });
    }
    Ok((text.into_string(), negotiated))
}

/// Reads the answer to an [`offer`](super::offer()) of `offered`.
///
/// Of several answered codecs the peer's first is meant (§7). We send with the payload types of the
/// answer and receive with those of our offer, should the two differ (§7).
///
/// # Errors
/// Any [`Error`]; the call is to be ended then.
pub fn accept_answer(answer: &[u8], offered: &[CodecKind]) -> Result<Negotiated, Error> {
    let answer = Description::parse(answer)?;
    let (_, negotiated) = negotiate(&answer, |section| section.first_codec_of(offered))?;
    Ok(Negotiated { receive: receivable(offered), ..negotiated })
}

/// Takes the first section of plain audio that works; gives its index.
fn negotiate(
    peer: &Description<'_>,
    choose: impl Fn(&Section<'_>) -> Option<(CodecKind, PayloadType)>,
) -> Result<(usize, Negotiated), Error> {
    let mut refusal = None;
    for (index, section) in peer.media.iter().enumerate() {
        if !section.is_plain_audio() {
            continue;
        }
        match take(peer, section, &choose) {
            Ok(negotiated) => return Ok((index, negotiated)),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or(Error::NoUsableMedia))
}

fn take(
    peer: &Description<'_>,
    section: &Section<'_>,
    choose: impl Fn(&Section<'_>) -> Option<(CodecKind, PayloadType)>,
) -> Result<Negotiated, Error> {
    let (codec, payload_type) = choose(section).ok_or(Error::NoCommonCodec)?;
    let address = peer.connection_of(section)?;
    let remote_rtp = SocketAddr::new(address, section.port);
    // Both our offer and an answer's mirror allow it, so the peer's word decides.
    let rtcp_mux = section.attribute("rtcp-mux").is_some();
    let remote_rtcp = if rtcp_mux { remote_rtp } else { rtcp_of(section, remote_rtp) };
    let telephone_event = section.telephone_event(codec.clock_hz());
    let digits = telephone_event.map(|number| (number, Format::TelephoneEvent));
    Ok(Negotiated {
        remote_rtp,
        remote_rtcp,
        rtcp_mux,
        codec,
        payload_type,
        dtmf_payload_type: telephone_event,
        receive: [(payload_type, Format::Audio(codec))].into_iter().chain(digits).collect(),
        ptime_ms: Ptime::TICK.ms(),
        direction: our_direction(peer.direction_of(section), address),
    })
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
