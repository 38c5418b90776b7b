//! A tenant on the server, made over REST: service provider, account with a SIP realm, its key.

use anyhow::Result;
use serde_json::{Value, json};

use crate::rest::Rest;

/// One account and a client that speaks with the account's own key.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub rest: Rest,
    pub service_provider_sid: String,
    pub account_sid: String,
    pub realm: String,
}

impl Tenant {
    /// Makes all of it with an admin's `rest`. `name` must be new on that server: it names the
    /// service provider, the account and the realm (`NAME.test.example`).
    ///
    /// # Errors
    /// When the server refuses a step.
    pub fn provision(admin: &Rest, name: &str) -> Result<Self> {
        let service_provider_sid =
            admin.post("/v1/ServiceProviders", &json!({ "name": name }))?.sid()?;
        let realm = format!("{name}.test.example");
        let account_sid = admin
            .post(
                "/v1/Accounts",
                &json!({
                    "name": name,
                    "service_provider_sid": service_provider_sid,
                    "sip_realm": realm,
                }),
            )?
            .sid()?;
        let key = admin.post("/v1/ApiKeys", &json!({ "account_sid": account_sid }))?;
        key.sid()?;
        let token = key.json["token"].as_str().unwrap_or_default();
        Ok(Self { rest: admin.with_token(token), service_provider_sid, account_sid, realm })
    }

    /// A path below the account: `path("/Calls")` is `/v1/Accounts/{sid}/Calls`.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/Accounts/{}{rest}", self.account_sid)
    }

    /// A SIP client (phone) of the account; gives its sid.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn client(&self, username: &str, password: &str) -> Result<String> {
        self.rest
            .post(
                "/v1/Clients",
                &json!({
                    "account_sid": self.account_sid,
                    "username": username,
                    "password": password,
                }),
            )?
            .sid()
    }

    /// An application with both hooks; gives its sid.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn application(&self, name: &str, call_hook: &str, status_hook: &str) -> Result<String> {
        let hook = |url: &str| json!({ "url": url, "method": "POST" });
        self.rest
            .post(
                "/v1/Applications",
                &json!({
                    "name": name,
                    "account_sid": self.account_sid,
                    "call_hook": hook(call_hook),
                    "call_status_hook": hook(status_hook),
                }),
            )?
            .sid()
    }

    /// A phone number that leads to an application; gives its sid.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn number(&self, number: &str, application_sid: &str) -> Result<String> {
        self.rest
            .post(
                "/v1/PhoneNumbers",
                &json!({
                    "number": number,
                    "account_sid": self.account_sid,
                    "application_sid": application_sid,
                }),
            )?
            .sid()
    }

    /// Has calls of the account's own phones answered by that application.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn answer_devices_with(&self, application_sid: &str) -> Result<()> {
        let body = json!({ "device_calling_application_sid": application_sid });
        let answer = self.rest.put(&format!("/v1/Accounts/{}", self.account_sid), &body)?;
        anyhow::ensure!(answer.status == 204, "PUT account: {} {}", answer.status, answer.text);
        Ok(())
    }

    /// The account's webhook secret.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn webhook_secret(&self) -> Result<String> {
        let answer = self.rest.get(&self.path("/WebhookSecret"))?;
        let secret = answer.json["webhook_secret"].as_str();
        secret.map(ToOwned::to_owned).ok_or_else(|| anyhow::anyhow!("no secret: {}", answer.text))
    }

    /// The call as GET shows it now; `Null` when unknown.
    ///
    /// # Errors
    /// When no answer came.
    pub fn call(&self, call_sid: &str) -> Result<Value> {
        let answer = self.rest.get(&self.path(&format!("/Calls/{call_sid}")))?;
        Ok(if answer.status == 200 { answer.json } else { Value::Null })
    }
}
