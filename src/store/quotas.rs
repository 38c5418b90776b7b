//! How much an account has of what it may only have so much of.

use super::{Error, Store};
use crate::model::AccountSid;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owned {
    Applications,
    VoipCarriers,
    SipGateways,
    PhoneNumbers,
}

impl Store {
    pub async fn count_owned(&self, account: AccountSid, what: Owned) -> Result<i64, Error> {
        let sql = match what {
            Owned::Applications => "SELECT COUNT(*) FROM applications WHERE account_sid = $1",
            Owned::VoipCarriers => "SELECT COUNT(*) FROM voip_carriers WHERE account_sid = $1",
            Owned::SipGateways => {
                "SELECT COUNT(*) FROM sip_gateways g JOIN voip_carriers c \
                 ON c.voip_carrier_sid = g.voip_carrier_sid WHERE c.account_sid = $1"
            }
            Owned::PhoneNumbers => "SELECT COUNT(*) FROM phone_numbers WHERE account_sid = $1",
        };
        Ok(sqlx::query_scalar(sql).bind(account).fetch_one(self.read()).await?)
    }
}
