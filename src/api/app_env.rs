//! `GET /AppEnv?url=u`: which settings an application takes, as it says itself (contract rest.md
//! §2.17).

use actix_web::web::Data;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape};
use super::error::ApiError;
use super::reply::{Either, Json, NoContent, Reply};
use super::{AppState, Principal, Query};

/// Whom to ask.
pub(super) struct Asked;

impl QueryShape for Asked {
    const PARAMS: &'static [Param] = &[Param::required(
        "url",
        ParamKind::Text,
        "where the application is: http, https, ws, wss",
    )];
}

/// Asks the application by `OPTIONS`. One that has no answer has no settings: 204.
pub(super) async fn read(
    _principal: Principal,
    state: Data<AppState>,
    query: Query<Asked>,
) -> Reply<Either<NoContent, Json<AppEnvSchema>>> {
    let invalid = || ApiError::bad_request("missing or invalid \"url\" query arg");
    let url = query.get("url").ok_or_else(invalid)?;
    let is_usable = url::Url::parse(url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "ws" | "wss") && url.has_host());
    if !is_usable || url.len() > MAX_URL_BYTES {
        return Err(invalid());
    }
    let checked = state.hooks.check_address(url).await;
    checked.map_err(|refused| ApiError::bad_request(refused.to_string()))?;
    match state.hooks.options(url).await {
        Ok(Some(answer)) => Either::second(Json::reply(&AppEnvSchema::read(answer)?)),
        Ok(None) => Either::first(NoContent::reply()),
        Err(error) => {
            tracing::debug!(%error, "an application has no schema of its settings");
            Either::first(NoContent::reply())
        }
    }
}

/// Settings by name, each with its `type`, its `description` and more.
#[derive(Serialize, ToSchema)]
#[schema(value_type = Object)]
pub(super) struct AppEnvSchema(Map<String, Value>);

impl AppEnvSchema {
    fn read(answer: Value) -> Result<Self, ApiError> {
        match answer {
            Value::Object(settings) if settings.iter().all(|(n, s)| is_setting(n, s)) => {
                Ok(Self(settings))
            }
            _ => Err(ApiError::bad_request("Invalid appenv schema")),
        }
    }
}

fn is_setting(name: &str, setting: &Value) -> bool {
    let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_flag = |key: &str| setting.get(key).is_none_or(Value::is_boolean);
    let is_scalar = |value: &Value| !value.is_array() && !value.is_object() && !value.is_null();
    !name.is_empty()
        && is_word
        && matches!(setting["type"].as_str(), Some("string" | "number" | "boolean"))
        && setting["description"].is_string()
        && is_flag("required")
        && is_flag("obscure")
        && setting.get("default").is_none_or(is_scalar)
        && setting.get("enum").is_none_or(Value::is_array)
}

const MAX_URL_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_names_settings_with_type_and_description() {
        let good = json!({
            "GREETING": {"type": "string", "description": "d", "default": "hi", "required": true},
            "n_2": {"type": "number", "description": "d", "enum": [1, 2], "obscure": false},
        });
        assert!(AppEnvSchema::read(good).is_ok());
        let setting = json!({"type": "string", "description": "d"});
        for bad in [
            json!([]),
            json!("x"),
            json!({"a b": setting}),
            json!({"": setting}),
            json!({"a": "string"}),
            json!({"a": {"type": "object", "description": "d"}}),
            json!({"a": {"type": "string"}}),
            json!({"a": {"type": "string", "description": "d", "required": 1}}),
            json!({"a": {"type": "string", "description": "d", "default": []}}),
            json!({"a": {"type": "string", "description": "d", "enum": "x"}}),
        ] {
            assert!(AppEnvSchema::read(bad.clone()).is_err(), "{bad}");
        }
    }
}
