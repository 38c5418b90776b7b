//! The base fields: what nearly every payload says about its call (contract verbs.md §1.4).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::call::{CallStatus, Direction, EndedBy};
use crate::model::{AccountSid, ApplicationSid, CallSid, ServiceProviderSid};

/// What never changes during a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFacts {
    pub call_sid: CallSid,
    pub account_sid: AccountSid,
    pub service_provider_sid: ServiceProviderSid,
    pub application_sid: Option<ApplicationSid>,
    pub direction: Direction,
    /// User part of the From header.
    pub from: String,
    /// Called number; of a REST call the number, `user@realm`, or URI that was asked for.
    pub to: String,
    /// Display name of From; empty if none.
    pub caller_name: String,
    /// SIP Call-ID.
    pub call_id: String,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// `ip:port` of our SIP socket.
    pub fs_sip_address: String,
    pub fs_public_ip: Option<String>,
    pub api_base_url: Option<String>,
    /// Inbound: where the INVITE came from.
    pub originating_sip_ip: Option<String>,
    /// Inbound: the carrier, if it is a known one.
    pub originating_sip_trunk_name: Option<String>,
    /// The call that dialled this one.
    pub parent_call_sid: Option<CallSid>,
    /// How that one is shown to the callee.
    pub caller_id: Option<String>,
}

/// The facts and the present state of a call. Cheap to clone: conferences keep one per member.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseFields {
    pub facts: Arc<CallFacts>,
    pub sip_status: u16,
    pub sip_reason: Arc<str>,
    pub call_status: CallStatus,
    /// Once the call has ended.
    pub ended_by: Option<EndedBy>,
    /// Whole seconds since the answer; on `completed` only.
    pub duration: Option<u64>,
    pub customer_data: Option<Arc<Map<String, Value>>>,
    /// Headers of the far end's BYE that are not standard ones, as they came.
    pub bye_headers: Option<Arc<Map<String, Value>>>,
    /// RFC 3326 Reason of the response that failed the call.
    pub sip_reason_header: Option<Arc<str>>,
}

impl BaseFields {
    /// A call at its beginning.
    pub fn new(facts: Arc<CallFacts>) -> Self {
        Self {
            facts,
            sip_status: 100,
            sip_reason: "Trying".into(),
            call_status: CallStatus::Trying,
            ended_by: None,
            duration: None,
            customer_data: None,
            bye_headers: None,
            sip_reason_header: None,
        }
    }

    /// The fields in the contract's order; absent values are left out.
    pub fn to_map(&self) -> Map<String, Value> {
        let facts = &*self.facts;
        let inbound = facts.direction == Direction::Inbound;
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| {
            map.insert(name.to_owned(), value);
        };
        put("call_sid", facts.call_sid.to_string().into());
        put("direction", facts.direction.as_str().into());
        put("from", facts.from.as_str().into());
        put("to", facts.to.as_str().into());
        put("call_id", facts.call_id.as_str().into());
        if inbound {
            // D-4: the server has no separate border element.
            put("sbc_callid", facts.call_id.as_str().into());
        }
        put("sip_status", self.sip_status.into());
        put("sip_reason", (&*self.sip_reason).into());
        put("call_status", self.call_status.as_str().into());
        if let Some(id) = &facts.caller_id {
            put("caller_id", id.as_str().into());
        }
        put("account_sid", facts.account_sid.to_string().into());
        if let Some(sid) = facts.application_sid {
            put("application_sid", sid.to_string().into());
        }
        put("trace_id", facts.trace_id.as_str().into());
        put("fs_sip_address", facts.fs_sip_address.as_str().into());
        if let Some(ip) = &facts.fs_public_ip {
            put("fs_public_ip", ip.as_str().into());
        }
        if let Some(parent) = facts.parent_call_sid {
            put("parent_call_sid", parent.to_string().into());
        }
        if let Some(ip) = facts.originating_sip_ip.as_ref().filter(|_| inbound) {
            put("originating_sip_ip", ip.as_str().into());
        }
        if let Some(trunk) = facts.originating_sip_trunk_name.as_ref().filter(|_| inbound) {
            put("originating_sip_trunk_name", trunk.as_str().into());
        }
        if let Some(ended_by) = self.ended_by {
            put("call_termination_by", ended_by.as_str().into());
        }
        if let Some(duration) = self.duration {
            put("duration", duration.into());
        }
        if let Some(data) = &self.customer_data {
            put("customerData", Value::Object((**data).clone()));
        }
        if let Some(headers) = &self.bye_headers {
            put("headers", Value::Object((**headers).clone()));
        }
        if let Some(url) = &facts.api_base_url {
            put("api_base_url", url.as_str().into());
        }
        if let Some(reason) = &self.sip_reason_header {
            put("sip_reason_header", (&**reason).into());
        }
        map
    }
}
