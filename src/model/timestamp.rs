//! A moment in UTC, to the millisecond, as records carry it and as the API reads and writes it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// Milliseconds since 1970-01-01 UTC; as JSON that number, which is not how the API writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "i64", try_from = "i64")]
pub struct Timestamp(i64);

impl Timestamp {
    /// Year 9999 ends here; later dates have no text form.
    const MAX_MS: i64 = 253_402_300_799_999;

    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// `None` outside the years 1970 to 9999.
    pub fn from_millis(ms: i64) -> Option<Self> {
        (0..=Self::MAX_MS).contains(&ms).then_some(Self(ms))
    }

    pub fn as_millis(self) -> i64 {
        self.0
    }

    pub fn plus(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(span).min(Self::MAX_MS))
    }

    pub fn minus(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(span).max(0))
    }

    /// Whole seconds from `earlier` to here, never negative.
    pub fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).max(0) / 1000
    }

    /// `Mon, 23 Nov 2026 19:28:12 +0000`
    pub fn to_rfc2822(self) -> String {
        self.date_time().format(&Rfc2822).unwrap_or_default()
    }

    /// `2026-11-23T19:28:12.000Z`
    pub fn to_iso8601(self) -> String {
        const ISO: &[time::format_description::BorrowedFormatItem<'_>] = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        self.date_time().format(&ISO).unwrap_or_default()
    }

    /// `2026/11/23`
    pub fn to_day_path(self) -> String {
        const DAY: &[time::format_description::BorrowedFormatItem<'_>] =
            format_description!("[year]/[month]/[day]");
        self.date_time().format(&DAY).unwrap_or_default()
    }

    /// Reads RFC 2822, ISO 8601 with offset, ISO 8601 without (taken as UTC), and a bare ISO date.
    pub fn parse(text: &str) -> Option<Self> {
        const LOCAL: &[time::format_description::BorrowedFormatItem<'_>] = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]]"
        );
        const DAY: &[time::format_description::BorrowedFormatItem<'_>] =
            format_description!("[year]-[month]-[day]");
        let text = text.trim();
        let moment = OffsetDateTime::parse(text, &Rfc3339)
            .or_else(|_| OffsetDateTime::parse(text, &Rfc2822))
            .or_else(|_| PrimitiveDateTime::parse(text, &LOCAL).map(PrimitiveDateTime::assume_utc))
            .or_else(|_| Date::parse(text, &DAY).map(|day| day.midnight().assume_utc()))
            .ok()?;
        let ms = moment.to_offset(UtcOffset::UTC).unix_timestamp_nanos() / 1_000_000;
        Self::from_millis(i64::try_from(ms).ok()?)
    }

    fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(self.0)
    }
}

impl From<Timestamp> for i64 {
    fn from(moment: Timestamp) -> Self {
        moment.0
    }
}

impl TryFrom<i64> for Timestamp {
    type Error = &'static str;

    fn try_from(ms: i64) -> Result<Self, Self::Error> {
        Self::from_millis(ms).ok_or("not a moment of the years 1970 to 9999")
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(time: OffsetDateTime) -> Self {
        Self::from(SystemTime::from(time))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(0).plus(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_wire_formats_print_and_read_back() {
        let moment = Timestamp::from_millis(1_795_462_092_000).unwrap();
        assert_eq!(moment.to_rfc2822(), "Mon, 23 Nov 2026 19:28:12 +0000");
        assert_eq!(moment.to_iso8601(), "2026-11-23T19:28:12.000Z");
        assert_eq!(Timestamp::parse(&moment.to_rfc2822()), Some(moment));
        assert_eq!(Timestamp::parse(&moment.to_iso8601()), Some(moment));
    }

    #[test]
    fn offsets_missing_offsets_and_bare_dates_are_understood() {
        let moment = Timestamp::parse("2026-11-23T19:28:12Z");
        assert_eq!(Timestamp::parse("2026-11-23T20:28:12+01:00"), moment);
        assert_eq!(Timestamp::parse("Mon, 23 Nov 2026 20:28:12 +0100"), moment);
        assert_eq!(Timestamp::parse("2026-11-23T19:28:12"), moment);
        assert_eq!(Timestamp::parse("2026-11-23T19:28:12.000"), moment);
        assert_eq!(Timestamp::parse("2026-11-23").unwrap().as_millis() % 86_400_000, 0);
        for text in ["", "tomorrow", "2026-13-01", "1969-12-31T00:00:00Z", "20261123"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_printable_moment_prints() {
        let last = Timestamp::now().plus(Duration::MAX);
        assert_eq!(last.to_iso8601(), "9999-12-31T23:59:59.999Z");
        assert!(!last.to_rfc2822().is_empty());
    }
}
