//! `POST /Accounts/{a}/BucketCredentialTest`: do they work? (contract rest.md §2.17)

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::describe::{BodyShape, Operation, reference};
use super::reply::{Json, Reply};
use super::{AppState, Body, Principal};
use crate::model::BucketCredential;

/// A credential, as an account's `bucket_credential`; the obscured secret stands for the stored one.
pub(super) struct BucketCredentialBody;

impl BodyShape for BucketCredentialBody {
    fn describe(operation: &mut Operation) {
        let text = json!({"type": "string"});
        let schema = json!({
            "type": "object",
            "properties": {
                "vendor": {"enum": ["aws_s3", "s3_compatible", "google", "azure", "none"]},
                "name": text, "region": text, "endpoint": text, "access_key_id": text,
                "secret_access_key": text, "service_key": text, "connection_string": text,
                "tags": {"type": "array"},
            },
        });
        operation.components.insert("BucketCredential".to_owned(), schema);
        operation.body = Some(reference("BucketCredential"));
    }
}

/// Writes a small object. Credentials that are incomplete have failed as well.
pub(super) async fn test(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body<BucketCredentialBody>,
) -> Reply<Json<BucketTestResult>> {
    let account = principal.require_account(&state, &a).await?;
    let credential = match BucketCredential::read(body.fields()?.into_map()) {
        Ok(Some(credential)) => credential.keep_obscured(account.bucket_credential.as_ref()),
        Ok(None) => return Json::reply(&BucketTestResult::failed("there is no bucket to test")),
        Err(invalid) => return Json::reply(&BucketTestResult::failed(&invalid.to_string())),
    };
    match state.hooks.try_bucket(&credential).await {
        Ok(()) => Json::reply(&BucketTestResult { status: "ok", reason: None }),
        Err(fault) => Json::reply(&BucketTestResult::failed(&fault.to_string())),
    }
}

/// How it went.
#[derive(Serialize, ToSchema)]
pub(super) struct BucketTestResult {
    /// `ok` or `failed`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl BucketTestResult {
    fn failed(why: &str) -> Self {
        Self { status: "failed", reason: Some(why.to_owned()) }
    }
}
