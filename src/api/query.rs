//! Query arguments: paging, filters, spans of time (contract rest.md §1.7, §2.12).

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use url::form_urlencoded;

use super::describe::{Extracts, Operation, Param, ParamKind, QueryShape};
use super::error::ApiError;
use crate::model::Timestamp;
use crate::store::{Page, Window};

/// The arguments after the `?`; `Q` lists them for the API document. An argument given twice counts
/// once, the first time.
#[derive(Clone, Debug)]
pub struct Query<Q>(Vec<(String, String)>, PhantomData<fn() -> Q>);

impl<Q: QueryShape> Extracts for Query<Q> {
    fn describe(operation: &mut Operation) {
        operation.query = Q::PARAMS;
    }
}

/// `page`, of lists that are whole without it.
pub(super) const PAGE: Param = Param::optional(
    "page",
    ParamKind::Integer(0, u32::MAX as i64),
    "which page, from 1; without it the whole list as an array",
);

/// `page_size`, beside [`PAGE`].
pub(super) const PAGE_SIZE: Param =
    Param::optional("page_size", ParamKind::Integer(1, MAX_PAGE_SIZE as i64), "rows of a page");

const DEFAULT_PAGE_SIZE: u32 = 50;

/// Larger pages are cut to this, and say so in `page_size`.
const MAX_PAGE_SIZE: u32 = 1000;

const MAX_COUNT: u32 = 500;
const MAX_ARGUMENTS: usize = 100;

/// `page`, which the lists of records require.
pub(super) const PAGE_OF_RECORDS: Param =
    Param::required("page", ParamKind::Integer(1, u32::MAX as i64), "which page, from 1");

/// Beside [`PAGE_OF_RECORDS`].
pub(super) const COUNT: Param =
    Param::required("count", ParamKind::Integer(1, MAX_COUNT as i64), "rows of a page");

pub(super) const DAYS: Param = Param::optional(
    "days",
    ParamKind::Integer(0, u32::MAX as i64),
    "only the last so many days; start and end count for nothing then",
);

pub(super) const START: Param = Param::optional("start", ParamKind::Date, "not before this");

pub(super) const END: Param = Param::optional("end", ParamKind::Date, "not after this");

/// What becomes of a call that is taken out of a conference or a queue.
pub(super) struct Removal;

impl QueryShape for Removal {
    const PARAMS: &'static [Param] = &[Param::optional(
        "hangup",
        ParamKind::Flag,
        "hang it up, instead of going on with its next verb",
    )];
}

impl<Q: 'static> FromRequest for Query<Q> {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::parse(request.query_string())))
    }
}

impl<Q> Query<Q> {
    pub fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes()).take(MAX_ARGUMENTS);
        // Nothing stored holds a NUL, and PostgreSQL cannot even be asked for one.
        let readable = |text: Cow<'_, str>| text.replace('\0', "\u{FFFD}");
        let pairs = pairs.map(|(name, value)| (readable(name), readable(value)));
        Self(pairs.collect(), PhantomData)
    }

    /// An argument that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `true` or `1`.
    pub fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    /// A sid to filter by.
    pub fn sid<S>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<S>,
    ) -> Result<Option<S>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| invalid(name))
    }

    /// One of a closed set. Given, it may not be empty: what is meant for one is not done to all.
    pub fn one_of<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some((_, text)) = self.0.iter().find(|(key, _)| key == name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| invalid(name))
    }

    /// `page` and `page_size`; `None` when no page is asked for.
    pub fn page(&self) -> Result<Option<Page>, ApiError> {
        let number = |name| match self.given(name) {
            None => Ok(None),
            Some(text) => text.parse::<u32>().map(Some).map_err(|_| invalid(name)),
        };
        // Looked at without a page as well: what is no number is refused (contract §1.7).
        let size = number("page_size")?.unwrap_or(DEFAULT_PAGE_SIZE);
        if size == 0 {
            return Err(invalid("page_size"));
        }
        let Some(number) = number("page")? else { return Ok(None) };
        Ok(Some(Page { number: number.max(1), size: size.min(MAX_PAGE_SIZE) }))
    }

    /// `page` and `count`, both required, as the lists of records have them.
    pub fn page_and_count(&self) -> Result<Page, ApiError> {
        let number = |name, range: std::ops::RangeInclusive<u32>| {
            self.get(name)
                .and_then(|text| text.parse().ok())
                .filter(|n| range.contains(n))
                .ok_or_else(|| invalid(name))
        };
        Ok(Page { number: number("page", 1..=u32::MAX)?, size: number("count", 1..=MAX_COUNT)? })
    }

    /// The last `days`, or from `start` to `end`.
    pub fn window(&self, now: Timestamp) -> Result<Window, ApiError> {
        if let Some(days) = self.get("days") {
            let days: u32 = days.parse().map_err(|_| invalid("days"))?;
            let span = Duration::from_secs(u64::from(days) * 86_400);
            return Ok(Window { from: Some(now.minus(span)), to: None });
        }
        let date = |name| match self.get(name) {
            None => Ok(None),
            Some(text) => Timestamp::parse(text).map(Some).ok_or_else(|| invalid(name)),
        };
        Ok(Window { from: date("start")?, to: date("end")? })
    }
}

fn invalid(name: &'static str) -> ApiError {
    ApiError::bad_request(format!("missing or invalid \"{name}\" query arg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_count_from_one_and_are_bounded() {
        let page = |text| Query::<()>::parse(text).page();
        assert_eq!(page("name=x"), Ok(None));
        assert_eq!(page("page=0"), Ok(Some(Page { number: 1, size: 50 })));
        assert_eq!(page("page=3&page_size=7"), Ok(Some(Page { number: 3, size: 7 })));
        assert_eq!(page("page=1&page_size=99999"), Ok(Some(Page { number: 1, size: 1000 })));
        for text in [
            "page=x",
            "page=",
            "page_size=x",
            "page=-1",
            "page=1&page_size=x",
            "page=1&page_size=0",
            "page=1.5",
        ] {
            assert!(page(text).is_err(), "{text}");
        }
    }

    #[test]
    fn records_need_page_and_count() {
        let page = |text| Query::<()>::parse(text).page_and_count();
        assert_eq!(page("page=1&count=500"), Ok(Page { number: 1, size: 500 }));
        for (text, msg) in [
            ("count=5", "missing or invalid \"page\" query arg"),
            ("page=0&count=5", "missing or invalid \"page\" query arg"),
            ("page=1", "missing or invalid \"count\" query arg"),
            ("page=1&count=501", "missing or invalid \"count\" query arg"),
            ("page=1&count=0", "missing or invalid \"count\" query arg"),
        ] {
            assert_eq!(page(text), Err(ApiError::bad_request(msg)), "{text}");
        }
    }

    #[test]
    fn days_beat_start_and_end() {
        let now = Timestamp::from_millis(10 * 86_400_000).unwrap();
        let window = |text| Query::<()>::parse(text).window(now);
        let day = |n: i64| Timestamp::from_millis(n * 86_400_000);
        assert_eq!(window("days=2&start=x"), Ok(Window { from: day(8), to: None }));
        assert_eq!(window("days=4000000000"), Ok(Window { from: day(0), to: None }));
        let given = window("start=1970-01-02&end=1970-01-03T00:00:00Z");
        assert_eq!(given, Ok(Window { from: day(1), to: day(2) }));
        assert!(window("start=yesterday").is_err());
        assert_eq!(window(""), Ok(Window::default()));
    }
}
