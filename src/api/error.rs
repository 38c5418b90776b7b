//! Every way a request can be refused, and the single table to HTTP (contract rest.md §1.6).

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;
use tracing::error;

use super::reply::JSON;
use crate::model::Invalid;
use crate::store;

pub const INSUFFICIENT_PERMISSIONS: &str = "insufficient permissions";
pub const INSUFFICIENT_PRIVILEGES: &str = "insufficient privileges";
pub const VIEW_ONLY_ACCESS: &str = "User has view-only access";

/// A refusal. `Display` is the `msg` of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiError {
    /// 401: no bearer token in the request.
    NoCredentials,
    /// 401: a token nobody has, or no longer.
    InvalidToken,
    /// 403
    Forbidden(&'static str),
    /// 403: too often wrong; the text stands in `error` and `msg`.
    LoginBlocked,
    /// 400: a sid in the path that is none.
    MalformedSid,
    /// 400 with a text for the client.
    BadRequest(String),
    /// 404: the path or the object.
    NotFound,
    /// 413
    TooLarge,
    /// 422: a duplicate, an object in use, a state that does not allow it.
    Unprocessable(String),
    /// 429: more requests than the limiter lets pass.
    TooMany,
    /// 480: this server can place no call now.
    Unavailable,
    /// 429: more passwords to be checked than there is time for.
    Busy,
    /// 500: a fault of ours. The cause has been logged, the client does not see it.
    Internal,
    /// The same refusal with the members `status` and `message` that jambonz sends for some
    /// resources, beside `msg`.
    WithStatus(Box<Self>),
}

impl ApiError {
    pub fn bad_request(msg: impl Into<String>) -> Self {
        Self::BadRequest(msg.into())
    }

    pub fn unprocessable(msg: impl Into<String>) -> Self {
        Self::Unprocessable(msg.into())
    }

    /// Logs the cause, which the client never sees.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        error!(error = %Chain(cause), "a request failed");
        Self::Internal
    }

    /// As [`ApiError::WithStatus`], for `map_err`.
    pub fn with_status(self) -> Self {
        Self::WithStatus(Box::new(self))
    }

    /// Keeps a refusal to reach an object from telling whether it exists.
    pub fn hide_reach(self) -> Self {
        match self {
            Self::Forbidden(_) => Self::NotFound,
            other => other,
        }
    }

    /// Another text for a refusal of scope.
    pub fn forbidden_as(self, text: &'static str) -> Self {
        match self {
            Self::Forbidden(_) => Self::Forbidden(text),
            other => other,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCredentials | Self::InvalidToken => "Unauthorized",
            Self::Forbidden(text) => text,
            Self::LoginBlocked => {
                "Maximum login attempts reached. Please try again later or reset your password."
            }
            Self::MalformedSid => "Bad request",
            Self::BadRequest(text) | Self::Unprocessable(text) => text,
            Self::NotFound => "not found",
            Self::TooLarge => "request entity too large",
            Self::TooMany => "too many requests",
            Self::Unavailable => "no available feature servers at this time",
            Self::Busy => "too many logins at once, try again",
            Self::Internal => "internal server error",
            Self::WithStatus(inner) => return inner.fmt(f),
        })
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoCredentials | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::LoginBlocked => StatusCode::FORBIDDEN,
            Self::MalformedSid | Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy | Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            // HTTP does not define 480; jambonz uses it.
            Self::Unavailable => {
                StatusCode::from_u16(480).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::WithStatus(inner) => inner.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CONTENT_TYPE, JSON));
        match self {
            Self::NoCredentials => {
                response.insert_header((WWW_AUTHENTICATE, r#"Bearer realm="Users""#));
            }
            Self::InvalidToken => {
                let challenge = r#"Bearer realm="Users", error="invalid_token""#;
                response.insert_header((WWW_AUTHENTICATE, challenge));
            }
            Self::Busy => {
                response.insert_header((RETRY_AFTER, "1"));
            }
            _ => {}
        }
        let msg = self.to_string();
        let body = match self {
            Self::WithStatus(_) => json!({"msg": msg, "status": "fail", "message": msg}),
            Self::LoginBlocked => json!({"error": msg, "msg": msg}),
            _ => json!({"msg": msg}),
        };
        response.body(body.to_string())
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound => Self::NotFound,
            store::Error::OutOfReach => Self::Forbidden(INSUFFICIENT_PRIVILEGES),
            store::Error::Duplicate(text) | store::Error::InUse(text) => {
                Self::Unprocessable(text.to_owned())
            }
            store::Error::Full => Self::unprocessable(error.to_string()),
            store::Error::WrongPassword => Self::Forbidden("wrong password"),
            store::Error::Busy => Self::Busy,
            store::Error::Invalid(invalid) => invalid.into(),
            fault => Self::internal(&fault),
        }
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::BadRequest(invalid.to_string())
    }
}

/// An error with its causes, in one line.
struct Chain<'e>(&'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_do_not_tell_the_client_what_they_were() {
        let error: ApiError = store::Error::Corrupt { column: "sip_status" }.into();
        assert_eq!(error.status_code(), 500);
        assert!(!error.to_string().contains("sip_status"));
    }

    #[test]
    fn the_unusual_code_is_sent_as_it_is() {
        assert_eq!(ApiError::Unavailable.status_code().as_u16(), 480);
        assert_eq!(ApiError::Unavailable.with_status().status_code().as_u16(), 480);
    }
}
