//! Value shapes of the configuration: durations with units, port ranges, "empty means unset".

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::model::Secret;

/// UDP ports, both ends included. Each call takes an even one for RTP and the next for RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl FromStr for PortRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once('-').ok_or("a port range is FIRST-LAST")?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| "a port is 1 to 65535");
        let range = Self { first: port(first)?, last: port(last)? };
        if range.first == 0 || range.last <= range.first {
            return Err("a port range needs at least two ports, none of them 0");
        }
        Ok(range)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Units by falling size, so that printing picks the largest that divides.
const UNITS_MS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads `20ms`, `10s`, `180m`, `1h`, `7d`; a number without unit is refused.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = UNITS_MS.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor).map(Duration::from_millis)
}

fn print_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, factor) =
        UNITS_MS.iter().find(|(_, factor)| ms > 0 && ms % factor == 0).unwrap_or(&("ms", 1));
    format!("{}{unit}", ms / factor)
}

pub(super) mod duration {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        d: &Duration,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.serialize_str(&print_duration(*d))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(d)?;
        parse_duration(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is not a duration such as \"20ms\", \"10s\" or \"1h\""
            ))
        })
    }
}

/// An empty string stands for "unset", so that the example file can show every key.
pub(super) mod optional {
    use super::*;

    pub(in super::super) fn serialize<T: fmt::Display, S: Serializer>(
        value: &Option<T>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => s.collect_str(value),
            None => s.serialize_str(""),
        }
    }

    pub(in super::super) fn deserialize<'de, T, D>(d: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        match String::deserialize(d)?.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(D::Error::custom),
        }
    }
}

/// As [`optional`], of a path, which has no text of its own.
pub(super) mod optional_path {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<PathBuf>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_deref().unwrap_or_else(|| Path::new("")).serialize(s)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let path = PathBuf::deserialize(d)?;
        Ok((!path.as_os_str().is_empty()).then_some(path))
    }
}

/// A list, or its values with commas between them: what an environment variable can hold.
pub(super) mod list {
    use super::*;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }

    pub(in super::super) fn serialize<T: fmt::Display, S: Serializer>(
        values: &[T],
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_seq(values.iter().map(T::to_string))
    }

    pub(in super::super) fn deserialize<'de, T, D>(d: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        let texts = match Written::deserialize(d)? {
            Written::List(texts) => texts,
            Written::Text(text) => text.split(',').map(|one| one.trim().to_owned()).collect(),
        };
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// As [`optional`], printed as `***`.
pub(super) mod optional_secret {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<Secret>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.serialize_str(if value.is_some() { "***" } else { "" })
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Secret>, D::Error> {
        let text = String::deserialize(d)?;
        Ok((!text.is_empty()).then_some(Secret(text)))
    }
}

/// A variable is a boolean or a whole number when it looks like one, else text.
pub(super) fn environment_value(text: &str) -> figment::value::Value {
    if let Ok(flag) = text.parse::<bool>() {
        return flag.into();
    }
    text.parse::<u64>().map_or_else(|_| text.into(), Into::into)
}

/// Text that may stand in a SIP or HTTP header value.
pub(super) fn is_header_text(text: &str) -> bool {
    text.len() <= 128 && text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

pub(super) fn is_token(text: &str) -> bool {
    (8..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

pub(super) fn is_postgres_url(text: &str) -> bool {
    text.parse::<url::Url>()
        .is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql") && url.path().len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_known_unit_and_print_back() {
        for (text, ms) in [("20ms", 20), ("10s", 10_000), ("180m", 10_800_000), ("1d", 86_400_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "20", "ms", "-1s", "1.5s", "2 weeks", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for text in ["20ms", "90s", "3h", "1d", "0ms"] {
            assert_eq!(parse_duration(text).map(print_duration).as_deref(), Some(text));
        }
    }

    #[test]
    fn port_ranges_need_two_ports() {
        assert_eq!("20000-29999".parse(), Ok(PortRange { first: 20_000, last: 29_999 }));
        for text in ["20000", "0-10", "10-10", "20-10", "1-70000", "a-b"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }
}
