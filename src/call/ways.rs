//! The ways to the target of an outbound call: registered phones, a SIP URI, or the gateways of
//! carriers (contract rest.md §2.3.2).

use sip::{Credentials, Flow, Invite, NameAddr, Uri};

use super::actor::pairs;
use super::desk::Desk;
use super::originate::{NoRoute, address_of_record};
use super::route::{Attempt, MAX_STAGES, Route};
use crate::model::call::{CreateCall, Target, TargetKind};
use crate::model::{Account, Alert, AlertType, CallSid, Encryption};
use crate::routing::outbound::{Choice, Dialling, Wanted, choose};
use crate::sip_io::dns::Unresolved;
use crate::sip_io::registrations::Contact;
use crate::sip_io::trunks::Outcome;

/// An order to call, as its ways are looked for.
pub(super) struct Search<'a> {
    pub(super) desk: &'a Desk,
    pub(super) account: &'a Account,
    pub(super) create: &'a CreateCall,
    pub(super) call: CallSid,
}

impl Search<'_> {
    /// Where the call may go.
    ///
    /// # Errors
    /// Why it can go nowhere: what its status will show.
    pub(super) async fn run(&self) -> Result<Route, NoRoute> {
        match &self.create.to.kind {
            TargetKind::Phone { number, trunk } => self.to_phone(number, trunk.as_deref()).await,
            TargetKind::User { name, override_to } => {
                self.to_user(name, override_to.as_deref()).await
            }
            TargetKind::Sip { uri } => self.to_uri(uri).await,
        }
    }

    /// A SIP URI: one address after the other.
    async fn to_uri(&self, text: &str) -> Result<Route, NoRoute> {
        let uri = text.parse::<Uri>().map_err(|_| NoRoute::bad("Bad SIP URI"))?.as_request_uri();
        let flows = match self.proxy().await? {
            Some(flows) => flows,
            None => resolve(self.desk, &uri).await?,
        };
        let from = self.caller(None)?;
        let attempts = flows.into_iter().map(|flow| {
            let to = NameAddr::new(uri.clone());
            self.direct(Invite::new(uri.clone(), flow, from.clone(), to), None)
        });
        Route::in_turn(attempts).ok_or(NoRoute::NOT_FOUND)
    }

    /// A registered user: all phones it prefers equally at the same time (RFC 3261 §16.6).
    async fn to_user(&self, name: &str, override_to: Option<&str>) -> Result<Route, NoRoute> {
        let aor = address_of_record(name, self.account);
        let (user, host) = aor.rsplit_once('@').ok_or(NoRoute::NOT_FOUND)?;
        // Another account's realm is as unknown here as one that does not exist.
        if self.account.sip_realm.as_deref() != Some(host) {
            return Err(NoRoute::NOT_FOUND);
        }
        let to = match override_to {
            Some(text) => text.parse::<Uri>().map_err(|_| NoRoute::NOT_FOUND)?,
            None => Uri::sip(Some(user), host, None).map_err(|_| NoRoute::NOT_FOUND)?,
        };
        let mut contacts = self.desk.registrations.contacts(&aor);
        if contacts.is_empty() {
            return Err(NoRoute::NOT_FOUND);
        }
        // Stable: among equals the latest stays first.
        contacts.sort_by_key(|contact| std::cmp::Reverse(contact.q));
        let proxy = self.proxy().await?.and_then(|flows| flows.into_iter().next());
        let (from, encryption) = (self.caller(None)?, self.encryption_of(user).await);
        let attempt = |contact: &Contact| {
            let invite = towards(contact, proxy, from.clone(), NameAddr::new(to.clone()));
            self.direct(invite, encryption)
        };
        let equals = contacts.chunk_by(|a, b| a.q == b.q);
        let stages = equals.flat_map(by_flow);
        let stages = stages.map(|phones| phones.into_iter().map(&attempt).collect());
        Route::new(stages).ok_or(NoRoute::NOT_FOUND)
    }

    /// What the user's own settings want of the audio.
    async fn encryption_of(&self, user: &str) -> Option<Encryption> {
        let found = self.desk.store.routing().client(self.account.clone(), user).await;
        match found {
            Ok(found) => found?.client.media_encryption,
            Err(error) => {
                tracing::error!(%error, "cannot look up who is called");
                None
            }
        }
    }

    /// A telephone number: the gateways of carriers, one after the other.
    async fn to_phone(&self, number: &str, trunk: Option<&str>) -> Result<Route, NoRoute> {
        let failed = |error| {
            tracing::error!(%error, "cannot look up the carriers");
            NoRoute { status: 500, reason: "Server Internal Error" }
        };
        let (desk, account) = (self.desk, self.account);
        let table = desk.trunks.table().await.map_err(failed)?;
        let own = desk.store.routing().numbers(&self.create.from).await.map_err(failed)?;
        let own = own.iter().filter(|number| number.account_sid == Some(account.sid));
        let wanted = Wanted {
            account: account.sid,
            provider: account.service_provider_sid,
            trunk,
            owner_of_caller: own.filter_map(|number| number.voip_carrier_sid).next(),
        };
        let mut choices = choose(&table, wanted, |gateway| desk.trunks.health(gateway.sid));
        if choices.is_empty() {
            self.alert("no carrier for an outbound call");
            return Err(NoRoute { status: 603, reason: "Decline" });
        }
        choices.truncate(MAX_STAGES);
        let proxy = self.proxy().await?;
        // A single gateway may have all the stages for its addresses, eight have one each.
        let addresses = MAX_STAGES / choices.len();
        let mut attempts = Vec::new();
        for choice in &choices {
            let said = choice.dialling(number);
            let flows = match &proxy {
                Some(flows) => Ok(flows.clone()),
                None => self.next_hop(&said).await,
            };
            match flows {
                Ok(flows) => {
                    let invites = flows.into_iter().take(addresses);
                    for flow in invites {
                        attempts.push(self.through(choice, &said, flow)?);
                    }
                }
                Err(NoRoute { reason, .. }) => {
                    tracing::warn!(gateway = choice.gateway.host, reason, "gateway not reached");
                    desk.trunks.report(choice.gateway.sid, Outcome::Silent);
                }
            }
        }
        Route::in_turn(attempts).ok_or(NoRoute { status: 503, reason: "Host Not Found" })
    }

    async fn next_hop(&self, said: &Dialling) -> Result<Vec<Flow>, NoRoute> {
        let next = said.next_hop.parse::<Uri>().map_err(|_| NoRoute::bad("Bad gateway"))?;
        resolve(self.desk, &next).await
    }

    /// The INVITE to one address of a gateway.
    fn through(
        &self,
        choice: &Choice<'_>,
        said: &Dialling,
        flow: Flow,
    ) -> Result<Attempt, NoRoute> {
        let bad = |_| NoRoute::bad("Bad number");
        let carrier = &choice.trunk.carrier;
        let mut to = Uri::sip(Some(&said.number), &said.host, said.port).map_err(bad)?;
        if said.is_sips {
            to = to.as_sips();
        }
        // UDP is what a URI means that says nothing; `sips` means TLS.
        let transport = flow.transport.uri_param().filter(|_| !said.is_sips);
        let uri = match transport {
            Some(name) => to.clone().with_param("transport", Some(name)).map_err(bad)?,
            None => to.clone(),
        };
        let from = self.caller(said.from_host.as_deref())?;
        let mut invite = Invite::new(uri, flow, from, NameAddr::new(to));
        invite.headers = pairs(&self.create.headers);
        if let Some(user) = &said.diversion
            && !invite.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Diversion"))
        {
            let gateway = Uri::sip(Some(user), &choice.gateway.host, choice.gateway.port);
            let value = format!("<{}>;reason=unknown;counter=1;privacy=off", gateway.map_err(bad)?);
            invite.headers.push(("Diversion".to_owned(), value));
        }
        invite.contact_user = said.contact_user.clone();
        let register = &carrier.register;
        let of_carrier = || {
            let (username, password) = (register.username.as_ref()?, register.password.as_ref()?);
            // Where the carrier named its realm, no other may ask for its password.
            let realm = register.sip_realm.clone();
            Some(Credentials { realm, ..Credentials::new(username, &password.0) })
        };
        invite.credentials = credentials(&self.create.to).or_else(of_carrier);
        Ok(Attempt {
            invite,
            gateway: Some(choice.gateway.sid),
            trunk: Some(carrier.name.clone()),
            encryption: said.encryption,
        })
    }

    /// An attempt that no trunk has to do with.
    fn direct(&self, mut invite: Invite, encryption: Option<Encryption>) -> Attempt {
        invite.headers = pairs(&self.create.headers);
        invite.credentials = credentials(&self.create.to);
        Attempt { encryption, ..Attempt::direct(invite) }
    }

    /// The next hop that the order names.
    async fn proxy(&self) -> Result<Option<Vec<Flow>>, NoRoute> {
        let Some(proxy) = &self.create.to.proxy else { return Ok(None) };
        let proxy = proxy.parse::<Uri>().map_err(|_| NoRoute::bad("Bad proxy"))?;
        resolve(self.desk, &proxy).await.map(Some)
    }

    /// From. Its host is the order's, else the carrier's, else ours.
    fn caller(&self, carrier: Option<&str>) -> Result<NameAddr, NoRoute> {
        let Self { desk, account, create, .. } = self;
        let public = desk.sip_address.ip().to_string();
        let host = create.from_host.as_deref().or(carrier).or(account.sip_realm.as_deref());
        let uri = Uri::sip(Some(&create.from), host.unwrap_or(&public), None);
        let from = NameAddr::new(uri.map_err(|_| NoRoute::bad("Bad caller"))?);
        Ok(match &create.caller_name {
            Some(name) => from.with_display(name),
            None => from,
        })
    }

    fn alert(&self, message: &str) {
        self.desk.store.alerts().write(Alert {
            account_sid: self.account.sid,
            alert_type: AlertType::NoCarrier,
            message: message.to_owned(),
            detail: None,
            target_sid: Some(self.call.to_string()),
        });
    }
}

/// The INVITE to a phone: over the flow it registered, which may be the only way to it, or to the
/// proxy that the order names.
fn towards(contact: &Contact, proxy: Option<Flow>, from: NameAddr, to: NameAddr) -> Invite {
    let mut invite = Invite::new(contact.uri.clone(), proxy.unwrap_or(contact.flow), from, to);
    invite.route = contact.path.clone();
    invite.keeps_flow = proxy.is_none();
    invite
}

/// Contacts of equal preference, each phone once in a stage: the second flow to one is for when the
/// first has failed (RFC 5626 §7).
fn by_flow(contacts: &[Contact]) -> Vec<Vec<&Contact>> {
    let mut stages: Vec<Vec<&Contact>> = Vec::new();
    for contact in contacts {
        let is_same =
            |other: &&Contact| contact.instance.is_some() && other.instance == contact.instance;
        match stages.iter_mut().find(|stage| !stage.iter().any(is_same)) {
            Some(stage) => stage.push(contact),
            None => stages.push(vec![contact]),
        }
    }
    stages
}

fn credentials(target: &Target) -> Option<Credentials> {
    let login = target.auth.as_ref()?;
    Some(Credentials::new(&login.username, &login.password.0))
}

/// The addresses behind a SIP URI, in the order they are to be tried (RFC 3263).
///
/// # Errors
/// There is none that can be reached.
pub(super) async fn resolve(desk: &Desk, uri: &Uri) -> Result<Vec<Flow>, NoRoute> {
    desk.resolver.resolve(uri).await.map_err(|why| {
        let reason = match why {
            Unresolved::NotSip => return NoRoute::bad("Bad SIP URI"),
            Unresolved::Transport => "Transport Not Supported",
            Unresolved::NotFound | Unresolved::Timeout => "Host Not Found",
        };
        NoRoute { status: 503, reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_reached_by_its_flow_unless_a_proxy_is_named() {
        let local = "192.0.2.1:5060".parse().unwrap();
        let udp = |peer: &str| Flow::udp(local, peer.parse().unwrap());
        let contact = Contact {
            uri: "sip:a@10.0.0.9".parse().unwrap(),
            flow: udp("198.51.100.9:40000"),
            expires_at: std::time::Instant::now(),
            q: 1000,
            path: vec!["<sip:edge.example.com;lr>".parse().unwrap()],
            instance: None,
        };
        let name = NameAddr::new(contact.uri.clone());
        let invite = towards(&contact, None, name.clone(), name.clone());
        assert_eq!((invite.flow, invite.keeps_flow), (contact.flow, true));
        assert_eq!(invite.route, contact.path);
        let proxy = udp("203.0.113.1:5060");
        let invite = towards(&contact, Some(proxy), name.clone(), name);
        assert_eq!((invite.flow, invite.keeps_flow), (proxy, false));
    }

    #[test]
    fn a_phone_has_one_flow_in_a_stage() {
        let local = "192.0.2.1:5060".parse().unwrap();
        let contact = |user: &str, instance: Option<&str>| Contact {
            uri: Uri::of_addr(Some(user), local),
            flow: Flow::udp(local, local),
            expires_at: std::time::Instant::now(),
            q: 1000,
            path: Vec::new(),
            instance: instance.map(str::to_owned),
        };
        let contacts = [
            contact("a", Some("x")),
            contact("b", Some("x")),
            contact("c", None),
            contact("d", Some("y")),
            contact("e", None),
            contact("f", Some("x")),
        ];
        let stages = by_flow(&contacts).into_iter().map(|stage| {
            stage.into_iter().map(|c| c.uri.user().unwrap_or_default().into_owned()).collect()
        });
        let stages: Vec<String> = stages.map(|users: Vec<_>| users.concat()).collect();
        assert_eq!(stages, ["acde", "b", "f"]);
    }
}
