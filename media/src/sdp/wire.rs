//! The lines of a description (RFC 8866), read in place, with limits.
//!
//! Only what negotiation needs is kept. Unknown line letters, lines without `=`, text that is not
//! UTF-8, missing `s=` and `t=`, bare LF, blanks at line ends and padding with NUL are all seen in
//! the field and all harmless, so none of them is an error.

#![warn(clippy::indexing_slicing)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

use super::error::Error;
use super::negotiated::Direction;

/// The longest description read, in bytes.
pub const MAX_BYTES: usize = 32 * 1_024;
/// The most media sections.
pub const MAX_MEDIA: usize = 16;
/// The most attributes, over all sections.
pub const MAX_ATTRIBUTES: usize = 1_024;
/// The most formats in one media line.
pub const MAX_FORMATS: usize = 64;

/// A description: what applies to all of it, and its media sections in order.
#[derive(Debug, Default)]
pub(super) struct Description<'a> {
    /// The value of the first `t=`.
    pub(super) timing: Option<&'a str>,
    pub(super) connection: Option<Connection<'a>>,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) media: Vec<Section<'a>>,
}

/// One `m=` line and what belongs to it.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// `audio`, `video`, …
    pub(super) kind: &'a str,
    /// 0 means declined or not to be used.
    pub(super) port: u16,
    pub(super) protocol: &'a str,
    pub(super) formats: Vec<&'a str>,
    pub(super) connection: Option<Connection<'a>>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

/// `a=name` or `a=name:value`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// Empty if there is none.
    pub(super) value: &'a str,
}

/// The value of a `c=` line; looked at only if it is needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection<'a> {
    line: usize,
    value: &'a str,
}

impl<'a> Description<'a> {
    /// # Errors
    /// A limit passed, or [`Error::Malformed`] for an `m=` line without media, port and protocol:
    /// without it the sections could not be counted.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::TooLong { have: bytes.len(), limit: MAX_BYTES });
        }
        let mut description = Self::default();
        let mut attributes = 0;
        for (index, bytes) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let line = index + 1;
            let Some((letter, value)) = split_line(bytes) else { continue };
            match letter {
                b'm' => description.push_section(line, str::from_utf8(value).ok())?,
                b'a' => {
                    attributes += 1;
                    if attributes > MAX_ATTRIBUTES {
                        return Err(Error::TooManyAttributes { limit: MAX_ATTRIBUTES });
                    }
                    description.push_attribute(value);
                }
                b'c' => description.set_connection(line, value),
                b't' => description.set_timing(value),
                _ => {}
            }
        }
        Ok(description)
    }

    /// Where a section's media goes: its own `c=`, else the one for all.
    pub(super) fn connection_of(&self, section: &Section<'a>) -> Result<IpAddr, Error> {
        section.connection.or(self.connection).ok_or(Error::NoConnection)?.address()
    }

    /// Who sends in a section, seen from the author; `sendrecv` if nothing is said (RFC 8866 §6.7).
    pub(super) fn direction_of(&self, section: &Section<'a>) -> Direction {
        let direction = |attributes: &[Attribute<'_>]| {
            attributes.iter().find_map(|attribute| Direction::from_name(attribute.name))
        };
        direction(&section.attributes)
            .or_else(|| direction(&self.attributes))
            .unwrap_or(Direction::SendRecv)
    }

    /// Whether a section may be answered in a bundle: it is a member of one and has its RTCP on the
    /// same port, as members must (RFC 8843 §7.3, §9.3).
    pub(super) fn is_bundled(&self, section: &Section<'a>) -> bool {
        let is_in = |mid| {
            let groups = self.attributes.iter();
            let groups = groups.filter(|attribute| attribute.name.eq_ignore_ascii_case("group"));
            groups.map(|group| group.value.split_ascii_whitespace()).any(|mut tokens| {
                tokens.next().is_some_and(|kind| kind.eq_ignore_ascii_case("BUNDLE"))
                    && tokens.any(|member| member == mid)
            })
        };
        section.mid().is_some_and(is_in) && section.attribute("rtcp-mux").is_some()
    }

    fn push_section(&mut self, line: usize, value: Option<&'a str>) -> Result<(), Error> {
        if self.media.len() == MAX_MEDIA {
            return Err(Error::TooManyMedia { limit: MAX_MEDIA });
        }
        let section = value.and_then(Section::parse).ok_or(Error::Malformed { line })?;
        if section.formats.len() > MAX_FORMATS {
            return Err(Error::TooManyFormats { line, limit: MAX_FORMATS });
        }
        self.media.push(section);
        Ok(())
    }

    fn push_attribute(&mut self, value: &'a [u8]) {
        let Ok(text) = str::from_utf8(value) else { return };
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let attribute = Attribute { name: name.trim(), value: value.trim() };
        match self.media.last_mut() {
            Some(section) => section.attributes.push(attribute),
            None => self.attributes.push(attribute),
        }
    }

    fn set_connection(&mut self, line: usize, value: &'a [u8]) {
        // What is not UTF-8 is kept as an empty, malformed one.
        let connection = Connection { line, value: str::from_utf8(value).unwrap_or_default() };
        let place = match self.media.last_mut() {
            Some(section) => &mut section.connection,
            None => &mut self.connection,
        };
        place.get_or_insert(connection);
    }

    fn set_timing(&mut self, value: &'a [u8]) {
        if let Ok(text) = str::from_utf8(value) {
            self.timing.get_or_insert(text);
        }
    }
}

impl<'a> Section<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let mut tokens = value.split_ascii_whitespace();
        let kind = tokens.next()?;
        // `port/count` of layered streams: the first port is the one.
        let port = tokens.next()?.split('/').next()?.parse().ok()?;
        let protocol = tokens.next()?;
        // One too many, so that the caller sees the limit passed.
        let formats: Vec<_> = tokens.take(MAX_FORMATS + 1).collect();
        // These are echoed when declined, so they must be harmless to print.
        let all_graphic = [kind, protocol]
            .iter()
            .chain(&formats)
            .all(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
        all_graphic.then(|| Self {
            kind,
            port,
            protocol,
            formats,
            connection: None,
            attributes: Vec::new(),
        })
    }

    /// The value of the first attribute of this name.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
            .map(|attribute| attribute.value)
    }

    /// The name of the section (RFC 5888), if it is a token: it is echoed.
    pub(super) fn mid(&self) -> Option<&'a str> {
        let is_token = |mid: &&str| {
            !mid.is_empty() && mid.len() <= 64 && mid.bytes().all(|byte| byte.is_ascii_graphic())
        };
        self.attribute("mid").filter(is_token)
    }

    /// Whether this is audio by RTP, or by SRTP with keys in the description, that has not been
    /// declined. Keys by DTLS (`UDP/TLS/…`) are none of ours.
    pub(super) fn is_rtp_audio(&self) -> bool {
        let is_rtp = self.has_protocol(&["RTP/AVP", "RTP/AVPF"]) || self.is_secure();
        self.kind.eq_ignore_ascii_case("audio") && self.port != 0 && is_rtp
    }

    /// Whether the section cannot be had without encryption.
    pub(super) fn is_secure(&self) -> bool {
        self.has_protocol(&["RTP/SAVP", "RTP/SAVPF"])
    }

    fn has_protocol(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.protocol.eq_ignore_ascii_case(name))
    }
}

impl<'a> Connection<'a> {
    /// A `c=`-like value that stands in an attribute.
    pub(super) const fn in_attribute(value: &'a str) -> Self {
        Self { line: 0, value }
    }

    /// The address. Unspecified for `0.0.0.0`, `::` and names in `.invalid`, the two ways of saying
    /// "nowhere" (RFC 3264 §8.4, RFC 6157 §5.1).
    pub(super) fn address(self) -> Result<IpAddr, Error> {
        let Self { line, value } = self;
        let mut tokens = value.split_ascii_whitespace();
        let (Some(_), Some(family), Some(text)) = (tokens.next(), tokens.next(), tokens.next())
        else {
            return Err(Error::Malformed { line });
        };
        // Without time-to-live, brackets and zone.
        let host = text.split('/').next().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.split('%').next().unwrap_or_default();
        let Ok(address) = host.parse::<IpAddr>() else {
            return name_without_dns(host, family, line);
        };
        let address = address.to_canonical();
        if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(Error::NotUnicast { line });
        }
        Ok(address)
    }
}

/// What stands in place of an address and is none.
fn name_without_dns(host: &str, family: &str, line: usize) -> Result<IpAddr, Error> {
    let lower = host.trim_end_matches('.').to_ascii_lowercase();
    if lower == "invalid" || lower.ends_with(".invalid") {
        let is_v6 = family.eq_ignore_ascii_case("IP6");
        return Ok(if is_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() });
    }
    let is_name = lower.bytes().any(|byte| byte.is_ascii_alphabetic())
        && lower.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    Err(if is_name { Error::HostName { line } } else { Error::Malformed { line } })
}

/// Letter and value of a line, blanks around them gone. `None` if it is no `x=value`.
fn split_line(line: &[u8]) -> Option<(u8, &[u8])> {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let start = line.iter().position(|byte| !is_blank(byte))?;
    let end = line.iter().rposition(|byte| !is_blank(byte))?;
    match line.get(start..=end)? {
        [letter, b'=', value @ ..] => Some((*letter, value.trim_ascii_start())),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn audio_with(lines: &str) -> String {
        format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n{lines}")
    }

    fn address(value: &str) -> Result<IpAddr, Error> {
        Connection { line: 3, value }.address()
    }

    #[test]
    fn connection_addresses_are_told_from_names_and_nonsense() {
        let rows: [(&str, Result<&str, Error>); 17] = [
            ("IN IP4 192.0.2.1", Ok("192.0.2.1")),
            ("in ip4  192.0.2.1", Ok("192.0.2.1")),
            ("IN IP4 192.0.2.1/127", Ok("192.0.2.1")),
            ("IN IP6 2001:db8::7", Ok("2001:db8::7")),
            ("IN IP6 [2001:db8::7]", Ok("2001:db8::7")),
            ("IN IP6 fe80::1%eth0", Ok("fe80::1")),
            ("IN IP6 ::ffff:192.0.2.1", Ok("192.0.2.1")),
            ("IN IP4 2001:db8::7", Ok("2001:db8::7")),
            ("IN IP4 0.0.0.0", Ok("0.0.0.0")),
            ("IN IP6 hold.invalid", Ok("::")),
            ("IN IP4 hold.INVALID.", Ok("0.0.0.0")),
            ("IN IP4 phone.example.com", Err(Error::HostName { line: 3 })),
            ("IN IP4 224.2.1.1/127", Err(Error::NotUnicast { line: 3 })),
            ("IN IP6 ff02::1", Err(Error::NotUnicast { line: 3 })),
            ("IN IP4 255.255.255.255", Err(Error::NotUnicast { line: 3 })),
            ("IN IP4 300.1.1.1", Err(Error::Malformed { line: 3 })),
            ("IN IP4", Err(Error::Malformed { line: 3 })),
        ];
        for (value, expected) in rows {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(address(value), expected, "{value}");
        }
    }

    #[test]
    fn every_limit_holds_at_its_value_and_refuses_one_more() {
        let count = |lines: &str| Description::parse(audio_with(lines).as_bytes()).map(|_| ());

        let blank = MAX_BYTES - audio_with("").len();
        assert_eq!(count(&" ".repeat(blank)), Ok(()));
        let too_long = Error::TooLong { have: MAX_BYTES + 1, limit: MAX_BYTES };
        assert_eq!(count(&" ".repeat(blank + 1)), Err(too_long));

        let section = "m=video 0 RTP/AVP 31\r\n";
        assert_eq!(count(&section.repeat(MAX_MEDIA - 1)), Ok(()));
        let too_many = Error::TooManyMedia { limit: MAX_MEDIA };
        assert_eq!(count(&section.repeat(MAX_MEDIA)), Err(too_many));

        assert_eq!(count(&"a=x\r\n".repeat(MAX_ATTRIBUTES)), Ok(()));
        let too_many = Error::TooManyAttributes { limit: MAX_ATTRIBUTES };
        assert_eq!(count(&"a=x\r\n".repeat(MAX_ATTRIBUTES + 1)), Err(too_many));

        let formats = |count: usize| format!("m=audio 6 RTP/AVP{}\r\n", " 0".repeat(count));
        assert_eq!(count(&formats(MAX_FORMATS)), Ok(()));
        let too_many = Error::TooManyFormats { line: 4, limit: MAX_FORMATS };
        assert_eq!(count(&formats(MAX_FORMATS + 1)), Err(too_many));
    }

    #[test]
    fn a_media_line_that_cannot_be_counted_is_refused() {
        for line in ["m=audio", "m=audio 4000", "m=audio x RTP/AVP 0", "m=audio 70000 RTP/AVP 0"] {
            let text = audio_with(line);
            assert_eq!(
                Description::parse(text.as_bytes()).map(|_| ()),
                Err(Error::Malformed { line: 4 }),
                "{line}"
            );
        }
        let control = b"m=audio 4000 RTP/AVP 0\x07";
        assert!(Description::parse(control).is_err());
    }

    #[test]
    fn the_first_of_two_lines_counts_and_sections_come_before_the_session() {
        let text = audio_with("c=IN IP4 192.0.2.9\r\nc=IN IP4 192.0.2.8\r\na=inactive\r\n");
        let description = Description::parse(text.as_bytes()).unwrap();
        let section = &description.media[0];
        let expected: IpAddr = [192, 0, 2, 9].into();
        assert_eq!(description.connection_of(section), Ok(expected));
        assert_eq!(description.direction_of(section), Direction::Inactive);
    }
}
