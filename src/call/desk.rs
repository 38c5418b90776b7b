//! The desk: where calls are opened, with everything a call needs of the rest of the server.
//!
//! The stack brings incoming calls here, REST the ones to place. Built once by `server.rs`.

mod children;
mod limits;

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use actix::prelude::*;
use media::sdp;
use sip::Reply;
use tokio::sync::oneshot;

use super::actor::CallActor;
use super::announcer::Fetching;
use super::originate::{NotPlaced, Order, Placed, Plan};
use super::prompt::Source;
use super::prompt_cache::PromptCache;
use super::spoken::Speaker;
use super::tally::Tally;
use super::throttle::Throttle;
use super::{Application, CallRecord, Limits, Script, Setup, Transfers, answer};
use crate::config::{self, Config};
use crate::directory::{DirectoryActor, Live};
use crate::hook::{self, BaseFields, HookClient, StatusSender};
use crate::listen::Listener;
use crate::media_io::hub::MediaPlane;
use crate::media_io::port_pool::PortPool;
use crate::media_io::settings::MediaSettings;
use crate::model::call::{EndedBy, SpeechDefaults};
use crate::model::{
    self, Account, AccountSid, Alert, CallSid, RecordFormat, SoundFormat, Timestamp,
};
use crate::recording::Recorder;
use crate::sip_io::dns::Resolver;
use crate::sip_io::gate::Answer;
use crate::sip_io::message::{DialogEvent, IncomingCall};
use crate::sip_io::registrations::Registrations;
use crate::sip_io::stack::StackActor;
use crate::sip_io::trunks::Trunks;
use crate::speech::Engine;
use crate::store::Store;

pub use super::announcer::{Announcement, TooMany};
pub use super::effect::Audience;

/// What a call needs of the rest of the server.
pub struct DeskParts {
    pub config: Arc<Config>,
    pub media_settings: MediaSettings,
    /// What is offered and answered in SDP.
    pub sdp_policy: Arc<sdp::Policy>,
    pub store: Store,
    pub hooks: HookClient,
    pub prompts: Arc<PromptCache>,
    pub recorder: Arc<Recorder>,
    /// Opens streams of audio.
    pub listener: Listener,
    /// Announcements on their way to rooms.
    pub fetching: Arc<Fetching>,
    pub speech: Engine,
    pub plane: Arc<MediaPlane>,
    pub ports: PortPool,
    pub live: Arc<Live>,
    pub directory: Addr<DirectoryActor>,
    pub registrations: Arc<Registrations>,
    /// Finds the way to a SIP URI.
    pub resolver: Resolver,
    pub trunks: Arc<Trunks>,
    /// The calls there are, as limits count them.
    pub tally: Arc<Tally>,
    /// What limits refused and nobody has been told of.
    pub throttle: Arc<Throttle>,
    pub control: ArbiterHandle,
    /// The address put into SDP.
    pub media_ip: IpAddr,
    /// The SIP address peers can reach.
    pub sip_address: SocketAddr,
    /// RTCP's name of this server.
    pub cname: String,
    pub api_base_url: Option<String>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<DeskParts>);

impl Deref for Desk {
    type Target = DeskParts;

    fn deref(&self) -> &DeskParts {
        &self.0
    }
}

impl Desk {
    pub fn new(parts: DeskParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Where an account's clips come from.
    pub fn source(&self, account: AccountSid) -> Source {
        let speaker = Speaker {
            engine: self.speech.clone(),
            account,
            stands_in: self.config.speech.stand_in,
        };
        Source {
            client: self.hooks.clone(),
            sounds: self.config.media.sounds_dir.clone(),
            cache: self.prompts.clone(),
            speaker,
        }
    }

    /// Opens a call for an INVITE that passed the gate; who is returned hears of its dialog.
    ///
    /// # Errors
    /// The refusal to send: there are as many calls as there may be.
    pub fn answer(&self, call: IncomingCall) -> Result<Recipient<DialogEvent>, Reply> {
        let admitted = &call.admitted;
        let about = format!("call from {} to {}", call.request.from().uri, call.request.uri());
        let counted = self.let_in(&admitted.account, admitted.limits, about)?;
        let facts = answer::facts(
            CallSid::random(),
            &call.request,
            &call.flow,
            self.sip_address,
            &call.admitted,
            self.api_base_url.clone(),
        );
        let account = &call.admitted.account;
        let device = || call.admitted.client.is_some().then(|| "device".to_owned());
        let trunk = call.admitted.trunk.clone().or_else(device);
        let setup = Setup {
            facts,
            application: application(&call.admitted.answer),
            webhook_secret: account.webhook_secret.clone(),
            queue_event_hook: account.queue_event_hook.as_ref().map(|stored| stored.hook.clone()),
            invite: Some(answer::invite_text(&call.request, &call.flow)),
            has_offer: CallActor::has_offer(&call.request),
            customer_data: None,
            limits: self.limits(),
            service_url: self.api_base_url.clone(),
            remote_host: Some(call.flow.peer.to_string()),
            transfers: self.transfers(call.admitted.client.is_some()),
            parent: None,
        };
        let application = match &call.admitted.answer {
            Answer::Application(found) => Some(&**found),
            Answer::Conference(_) | Answer::Queue(_) | Answer::User(_) => None,
        };
        let recording = RecordingWish::of(account, application, None);
        let keep = Keep { trunk, records: !account.disable_cdrs, recording };
        Ok(CallActor::answer(self.clone(), call, setup, keep, counted).recipient())
    }

    /// Places a call; what is given resolves when its INVITE is on the wire, or when it failed before.
    ///
    /// # Errors
    /// There are as many calls as there may be; no call was begun then.
    pub async fn place(
        &self,
        stack: &Addr<StackActor>,
        order: Order,
    ) -> Result<oneshot::Receiver<Placed>, NotPlaced> {
        let about = format!("call from {} ordered over REST", order.create.from);
        let counted = self.let_out(&order.account, about).await?;
        let (placed, hear) = oneshot::channel();
        let (desk, stack) = (self.clone(), stack.clone());
        let planning = async move {
            let plan = Plan::make(&desk, stack, order, counted).await;
            CallActor::originate(desk, plan, placed);
        };
        self.control.spawn(planning);
        Ok(hear)
    }

    /// The limits every call has, whoever placed it.
    pub fn limits(&self) -> Limits {
        Limits { max_duration: self.config.call.max_duration, ..Limits::default() }
    }

    /// What becomes of a REFER without hook, from a registered user or from somebody else.
    pub fn transfers(&self, is_client: bool) -> Transfers {
        match self.config.sip.transfers {
            config::Transfers::Hook => Transfers::Unknown,
            config::Transfers::Clients if is_client => Transfers::Followed,
            config::Transfers::Clients => Transfers::Forbidden,
        }
    }

    /// The ordered queue for one call's status events.
    pub fn status_sender(&self, call: CallSid, account: AccountSid) -> StatusSender {
        let desk = self.clone();
        StatusSender::start(self.hooks.clone(), move |error| {
            desk.write_alert(account, Some(call), error.alert());
        })
    }

    /// Stores an alert about a call.
    pub fn alert(&self, base: &BaseFields, alert: hook::Alert) {
        self.write_alert(base.facts.account_sid, Some(base.facts.call_sid), alert);
    }

    fn write_alert(&self, account_sid: AccountSid, call: Option<CallSid>, alert: hook::Alert) {
        self.store.alerts().write(Alert::of_hook(account_sid, call, alert));
    }

    /// Stores the record of a call that ended.
    pub fn record(&self, record: &CallRecord, base: &BaseFields, keep: &Keep) {
        if !keep.records {
            return;
        }
        let facts = &record.facts;
        self.store.calls().record_ended(model::CallRecord {
            call_sid: facts.call_sid,
            account_sid: facts.account_sid,
            service_provider_sid: Some(facts.service_provider_sid),
            application_sid: facts.application_sid,
            parent_call_sid: facts.parent_call_sid,
            direction: facts.direction,
            from: facts.from.clone(),
            to: facts.to.clone(),
            caller_name: Some(facts.caller_name.clone()).filter(|name| !name.is_empty()),
            trunk: keep.trunk.clone(),
            sip_callid: facts.call_id.clone(),
            sip_parent_callid: record.sip_parent_callid.clone(),
            host: Some(facts.fs_sip_address.clone()),
            remote_host: record.remote_host.clone(),
            attempted_at: Timestamp::from(record.attempted_at),
            answered_at: record.answered_at.map(Timestamp::from),
            terminated_at: Timestamp::from(record.terminated_at),
            call_status: record.call_status.as_str().to_owned(),
            sip_status: record.sip_status,
            sip_reason: Some(base.sip_reason.to_string()),
            termination_reason: Some(record.termination.as_str().to_owned()),
            call_termination_by: base.ended_by.map(EndedBy::as_str).map(str::to_owned),
            trace_id: Some(facts.trace_id.clone()),
            customer_data: base.customer_data.as_ref().map(|data| (**data).clone().into()),
        });
    }
}

/// What is kept of a call when it ends.
#[derive(Clone, Debug)]
pub struct Keep {
    /// `user`, `device`, `sip` or a carrier's name.
    pub trunk: Option<String>,
    /// Whether the account wants call records.
    pub records: bool,
    pub recording: RecordingWish,
}

/// Whether the call is recorded without an order, and as what any recording of it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordingWish {
    pub is_wanted: bool,
    /// `None`: as the configuration says.
    pub format: Option<SoundFormat>,
}

impl RecordingWish {
    pub(super) fn of(
        account: &Account,
        application: Option<&model::Application>,
        ordered: Option<bool>,
    ) -> Self {
        let of_application = application.is_some_and(|found| found.record_all_calls);
        let format = match account.record_format {
            RecordFormat::Wav => Some(SoundFormat::Wav),
            // What the column holds where nobody chose; we write none.
            RecordFormat::Mp3 => None,
        };
        let is_wanted = ordered.unwrap_or(account.record_all_calls || of_application);
        Self { is_wanted, format }
    }
}

fn application(answer: &Answer) -> Application {
    match answer {
        Answer::Application(found) => of_record(found),
        // The gate lets only good names pass; a bad one would leave the call without application.
        Answer::Conference(name) => Application::conference(name).unwrap_or_default(),
        Answer::Queue(name) => Application::queue(name).unwrap_or_default(),
        Answer::User(name) => Application::user(name.clone()),
    }
}

/// A provisioned application as a call runs it.
pub fn of_record(found: &model::Application) -> Application {
    Application {
        call_hook: Some(found.call_hook.hook.clone()),
        status_hook: found.call_status_hook.as_ref().map(|stored| stored.hook.clone()),
        script: found.app_json.clone().map(Script::Json),
        speech: Some(speech(&found.speech)),
        request_hook: None,
        refer_hook: None,
        env_vars: found.env_vars.clone(),
    }
}

fn speech(stored: &model::Speech) -> SpeechDefaults {
    SpeechDefaults {
        synthesis_vendor: Some(stored.synthesis_vendor.clone()),
        synthesis_language: Some(stored.synthesis_language.clone()),
        synthesis_voice: stored.synthesis_voice.clone(),
        synthesis_label: stored.synthesis_label.clone(),
        recognizer_vendor: Some(stored.recognizer_vendor.clone()),
        recognizer_language: Some(stored.recognizer_language.clone()),
        recognizer_label: stored.recognizer_label.clone(),
    }
}
