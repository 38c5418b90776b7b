//! Calls and devices within the limits of their account and its service provider (contract rest.md
//! §2.14): one more, or a refusal that the account's owner can read about in its alerts.

use std::time::Duration;

use sip::Reply;

use super::Desk;
use crate::call::originate::NotPlaced;
use crate::call::tally::{CallCount, Counted, Full, Leg};
use crate::model::{Account, AccountSid, Alert, AlertType, CallLimits, Direction};

/// A tenant's alerts of one kind are this far apart at least.
const TELL_EVERY: Duration = Duration::from_secs(60);

impl Desk {
    /// The live calls of an account, as its limits count them.
    pub fn call_count(&self, account: AccountSid) -> CallCount {
        self.tally.of_account(account)
    }

    /// An incoming call begins, or is refused with 503. Without Retry-After, which would keep other
    /// tenants' calls away too (RFC 3261 §21.5.4).
    pub(super) fn let_in(
        &self,
        account: &Account,
        limits: CallLimits,
        about: String,
    ) -> Result<Counted, Reply> {
        self.begin(account, Direction::Inbound, limits, about)
            .map_err(|_| Reply::new(503).with_header("X-Reason", "Maximum Calls In Progress"))
    }

    /// A call that was ordered begins, or is not placed.
    pub(super) async fn let_out(
        &self,
        account: &Account,
        about: String,
    ) -> Result<Counted, NotPlaced> {
        let limits = self.store.limits();
        let limits = limits.calls(account.sid, account.service_provider_sid).await?;
        self.begin(account, Direction::Outbound, limits, about).map_err(NotPlaced::Full)
    }

    fn begin(
        &self,
        account: &Account,
        direction: Direction,
        limits: CallLimits,
        about: String,
    ) -> Result<Counted, Full> {
        let provider = account.service_provider_sid;
        let leg = Leg { account: account.sid, provider, direction };
        self.tally.begin(leg, limits).inspect_err(|full| match full {
            Full::Account(most) => {
                let why = format!("the account's limit of calls at once is {most}");
                self.tell_refused(account.sid, AlertType::AccountCallLimit, why, about);
            }
            // How many that is is not for the account to know.
            Full::ServiceProvider => {
                let why = "the service provider has reached its limit of calls at once".to_owned();
                self.tell_refused(account.sid, AlertType::ServiceProviderCallLimit, why, about);
            }
        })
    }

    /// A REGISTER was refused for one more device than an account may have.
    pub fn device_refused(&self, account: AccountSid, most: u32, user: &str) {
        let why = format!("the account's limit of registered devices is {most}");
        self.tell_refused(account, AlertType::AccountDeviceLimit, why, user.to_owned());
    }

    fn tell_refused(&self, account: AccountSid, kind: AlertType, why: String, about: String) {
        metrics::counter!("refused_by_limit_total", "alert" => kind.as_str()).increment(1);
        tracing::info!(%account, alert = kind.as_str(), about, "refused by a limit");
        let key = (account, kind);
        if !self.throttle.note(key) {
            return;
        }
        let write = move |desk: &Self, message: String, detail: Option<String>| {
            let alert =
                Alert { account_sid: account, alert_type: kind, message, detail, target_sid: None };
            desk.store.alerts().write(alert);
        };
        write(self, format!("refused: {why}"), Some(about));
        let desk = self.clone();
        self.control.spawn(async move {
            loop {
                tokio::time::sleep(TELL_EVERY).await;
                let refused = desk.throttle.close(key);
                if refused == 0 {
                    return;
                }
                let span = TELL_EVERY.as_secs();
                write(&desk, format!("refused {refused} times in {span} s: {why}"), None);
            }
        });
    }
}
