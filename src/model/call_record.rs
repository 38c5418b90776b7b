//! The record of a call that ended (contract rest.md §2.12, §2.3.5).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Direction;
use super::{AccountSid, ApplicationSid, CallSid, ServiceProviderSid, Timestamp};

/// As JSON it stands in the store's spill file, not in the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub call_sid: CallSid,
    pub account_sid: AccountSid,
    /// Filled by the store from the account when left out.
    pub service_provider_sid: Option<ServiceProviderSid>,
    pub application_sid: Option<ApplicationSid>,
    pub parent_call_sid: Option<CallSid>,
    pub direction: Direction,
    pub from: String,
    pub to: String,
    pub caller_name: Option<String>,
    /// A carrier's name, or `user`, `device`, `sip`.
    pub trunk: Option<String>,
    pub sip_callid: String,
    pub sip_parent_callid: Option<String>,
    /// Our address and the peer's, `host:port`.
    pub host: Option<String>,
    pub remote_host: Option<String>,
    pub attempted_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub terminated_at: Timestamp,
    /// Final state of the call: `completed`, `busy`, …
    pub call_status: String,
    pub sip_status: u16,
    pub sip_reason: Option<String>,
    /// `caller hungup`, `called party hungup`, `caller abandoned`, `failed`.
    pub termination_reason: Option<String>,
    /// `caller` or `jambonz`.
    pub call_termination_by: Option<String>,
    pub trace_id: Option<String>,
    pub customer_data: Option<Value>,
}

impl CallRecord {
    /// Seconds since it was answered; 0 for a call that never was.
    pub fn duration_s(&self) -> i64 {
        self.answered_at.map_or(0, |answered| self.terminated_at.seconds_since(answered))
    }
}
