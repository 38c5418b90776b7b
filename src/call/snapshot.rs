//! What reads of a call show (contract rest.md §2.3.5): flat, snake_case, absent instead of null.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::hook::BaseFields;
use crate::model::call::{CallStatus, Direction, EndedBy};
use crate::model::{AccountSid, ApplicationSid, CallSid};

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CallSnapshot {
    pub call_sid: CallSid,
    pub account_sid: AccountSid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_sid: Option<ApplicationSid>,
    /// The call that dialled this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_call_sid: Option<CallSid>,
    pub direction: Direction,
    pub from: String,
    pub to: String,
    pub caller_name: String,
    pub call_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbc_callid: Option<String>,
    pub trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub customer_data: Option<Arc<Map<String, Value>>>,
    pub sip_status: u16,
    #[schema(value_type = String)]
    pub sip_reason: Arc<str>,
    pub call_status: CallStatus,
    /// Whole seconds; ended calls that were answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_termination_by: Option<EndedBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub originating_sip_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub originating_sip_trunk_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_url: Option<String>,
    pub fs_sip_address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_public_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_base_url: Option<String>,
}

impl CallSnapshot {
    /// The same call after a fault inside the server ended it.
    pub fn failed(self) -> Self {
        let sip_reason = "Server Internal Error".into();
        let ended_by = Some(EndedBy::Jambonz);
        Self {
            call_status: CallStatus::Failed,
            sip_status: 500,
            sip_reason,
            call_termination_by: ended_by,
            ..self
        }
    }

    /// Whether `parent` placed this call for its session.
    pub(super) fn is_child_of(&self, parent: CallSid) -> bool {
        self.parent_call_sid == Some(parent)
    }

    pub(super) fn of(base: &BaseFields, service_url: Option<String>) -> Self {
        let facts = &*base.facts;
        let inbound = facts.direction == Direction::Inbound;
        Self {
            call_sid: facts.call_sid,
            account_sid: facts.account_sid,
            application_sid: facts.application_sid,
            parent_call_sid: facts.parent_call_sid,
            direction: facts.direction,
            from: facts.from.clone(),
            to: facts.to.clone(),
            caller_name: facts.caller_name.clone(),
            call_id: facts.call_id.clone(),
            sbc_callid: inbound.then(|| facts.call_id.clone()),
            trace_id: facts.trace_id.clone(),
            customer_data: base.customer_data.clone(),
            sip_status: base.sip_status,
            sip_reason: base.sip_reason.clone(),
            call_status: base.call_status,
            duration: base.duration,
            call_termination_by: base.ended_by,
            originating_sip_ip: facts.originating_sip_ip.clone(),
            originating_sip_trunk_name: facts.originating_sip_trunk_name.clone(),
            service_url,
            fs_sip_address: facts.fs_sip_address.clone(),
            fs_public_ip: facts.fs_public_ip.clone(),
            api_base_url: facts.api_base_url.clone(),
        }
    }
}
