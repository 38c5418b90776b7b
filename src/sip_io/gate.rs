//! The gate: one look into the store for each INVITE and REGISTER, then a verdict.
//!
//! The store part ([`Gate::look_up`]) is async and touches nothing else; the verdict is taken with
//! the nonces at hand, which live with the stack. Passwords are not here: the store keeps HA1, made for
//! the account's digest realm. That is what a challenge names; addresses of record name `sip_realm`.

use std::net::IpAddr;
use std::time::Instant;

use sip::auth::{Algorithm, DigestCredentials, NonceVerdict, Nonces, challenge, verify};
use sip::{Method, Reply, Request};

use crate::model::{Account, AccountSid, Application, ClientAuth};
use crate::routing::inbound::{Admission, Facts, Permissions, Route, admit, route};
use crate::store::{NumberRoute, Store};

/// A call that may come in, and what answers it.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub account: Account,
    /// The client's user name, when a client calls.
    pub client: Option<String>,
    pub answer: Answer,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Application(Box<Application>),
    Conference(String),
}

/// What the store knows about who sends a request and what it dials.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The realm the request claims, if it is one of ours.
    realm: Option<String>,
    /// The one its account's clients are challenged with: the same, until `sip_realm` changes.
    digest_realm: String,
    client: Option<ClientAuth>,
    /// Account and application of the dialled number.
    number: Option<NumberRoute>,
    /// The application a client's call would reach.
    dialled: Option<Dialled>,
}

#[derive(Clone, Debug)]
enum Dialled {
    Answer(Answer),
    Refused { status: u16, why: &'static str },
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict<T> {
    Pass(T),
    Refuse(Reply),
}

/// A client that proved who it is.
#[derive(Clone, Debug)]
pub struct Registrant {
    /// `user@realm`
    pub aor: String,
    pub account: AccountSid,
}

#[derive(Clone)]
pub struct Gate {
    store: Store,
    home_realm: Option<String>,
}

impl Gate {
    /// `home_realm` stands for requests addressed to a bare IP address.
    pub fn new(store: Store, home_realm: Option<String>) -> Self {
        Self { store, home_realm }
    }

    /// Asks the store everything a verdict on this request may need.
    ///
    /// # Errors
    /// The store's.
    pub async fn look_up(&self, request: &Request) -> Result<Findings, crate::store::Error> {
        let is_register = *request.method() == Method::Register;
        let claimed = if is_register { request.to() } else { request.from() };
        let routing = self.store.routing();
        let host = claimed.uri.host();
        let mut findings = Findings::default();
        if let Some(account) = routing.account_for_host(host, self.home_realm.as_deref()).await? {
            let realm = account.sip_realm.clone().unwrap_or_default();
            findings.digest_realm = account.digest_realm();
            let user = match credentials(request, &findings.digest_realm) {
                Some(given) => given.username().to_owned(),
                None => claimed.uri.user().unwrap_or_default().into_owned(),
            };
            findings.client = routing.client(account, &user).await?;
            findings.realm = Some(realm);
        }
        if is_register {
            return Ok(findings);
        }
        let dialled = request.uri().user().unwrap_or_default().into_owned();
        findings.number = routing.phone_number(&dialled).await?;
        if let Some(client) = &findings.client {
            findings.dialled =
                Some(self.dialled(&dialled, client, findings.number.as_ref()).await?);
        }
        Ok(findings)
    }

    async fn dialled(
        &self,
        dialled: &str,
        client: &ClientAuth,
        number: Option<&NumberRoute>,
    ) -> Result<Dialled, crate::store::Error> {
        let account = &client.account;
        let permissions = Permissions {
            direct_app: client.client.allow_direct_app_calling,
            direct_queue: client.client.allow_direct_queue_calling,
            device_application: account.device_calling_application_sid,
        };
        let refused = |status, why| Ok(Dialled::Refused { status, why });
        match route(dialled, permissions) {
            Route::Application(sid) => {
                let found = self.store.routing().application(sid).await?;
                match found.filter(|found| found.account_sid == account.sid) {
                    Some(found) => Ok(Dialled::Answer(Answer::Application(Box::new(found)))),
                    None => refused(404, "no such application"),
                }
            }
            Route::Conference(name) => Ok(Dialled::Answer(Answer::Conference(name))),
            Route::OwnNumber => match number {
                Some(NumberRoute { account: owner, application: Some(found) })
                    if owner.sid == account.sid =>
                {
                    Ok(Dialled::Answer(Answer::Application(Box::new(found.clone()))))
                }
                _ => refused(480, "no configured application"),
            },
            Route::NotAllowed => refused(403, "this client may not dial that"),
            Route::Unavailable(why) => refused(480, why),
        }
    }
}

impl Findings {
    /// Whether this INVITE comes in, and what answers it.
    pub fn on_invite(
        self,
        request: &Request,
        source: IpAddr,
        nonces: &mut Nonces,
        now: Instant,
    ) -> Verdict<Admitted> {
        let facts = Facts {
            realm_is_ours: self.realm.is_some(),
            client_exists: self.client.is_some(),
            number_exists: self.number.as_ref().is_some_and(|number| number.account.is_active),
        };
        match admit(facts) {
            Admission::Forbidden => Verdict::Refuse(Reply::new(403)),
            Admission::Number => self.by_number(),
            Admission::Challenge => match self.prove(request, source, nonces, now) {
                Err(reply) => Verdict::Refuse(reply),
                Ok(()) => self.by_client(),
            },
        }
    }

    /// Whether this REGISTER is believed.
    pub fn on_register(
        self,
        request: &Request,
        source: IpAddr,
        nonces: &mut Nonces,
        now: Instant,
    ) -> Verdict<Registrant> {
        if self.realm.is_none() {
            return Verdict::Refuse(Reply::new(403));
        }
        if let Err(reply) = self.prove(request, source, nonces, now) {
            return Verdict::Refuse(reply);
        }
        let (Some(auth), Some(realm)) = (self.client, self.realm) else {
            return Verdict::Refuse(Reply::new(403));
        };
        // A phone registers itself: the To of somebody else is not its to bind.
        let user = request.to().uri.user().unwrap_or_default();
        if user != auth.client.username {
            return Verdict::Refuse(Reply::new(403));
        }
        Verdict::Pass(Registrant {
            aor: format!("{}@{realm}", auth.client.username),
            account: auth.account.sid,
        })
    }

    /// Digest: the reply to send when the proof is missing or wrong.
    fn prove(
        &self,
        request: &Request,
        source: IpAddr,
        nonces: &mut Nonces,
        now: Instant,
    ) -> Result<(), Reply> {
        let realm = self.digest_realm.as_str();
        let ask = |nonces: &mut Nonces, stale| {
            let nonce = nonces.issue(now, source);
            Reply::new(401)
                .with_header("WWW-Authenticate", challenge(Algorithm::Md5, realm, &nonce, stale))
        };
        let Some(given) = credentials(request, realm) else { return Err(ask(nonces, false)) };
        let client = self.client.as_ref().filter(|c| c.client.is_active && c.account.is_active);
        // Without a hash the same work is done on one nobody has, so that the time says nothing.
        let ha1 = client.and_then(ClientAuth::ha1).map(|secret| secret.0.as_str());
        let is_right = verify(&given, request.method(), Algorithm::Md5, ha1.unwrap_or(NOBODY));
        // Anybody can answer for the hash nobody has; a client without password has no other.
        if !is_right || ha1.is_none() {
            return Err(Reply::new(403));
        }
        // Only a right digest may use up a count of its nonce.
        match nonces.check(now, source, &given) {
            NonceVerdict::Fresh => Ok(()),
            NonceVerdict::Stale => Err(ask(nonces, true)),
            NonceVerdict::Bad => Err(ask(nonces, false)),
        }
    }

    fn by_number(self) -> Verdict<Admitted> {
        match self.number {
            Some(NumberRoute { account, application: Some(found) }) => Verdict::Pass(Admitted {
                account,
                client: None,
                answer: Answer::Application(Box::new(found)),
            }),
            _ => refuse(480, "no configured application"),
        }
    }

    fn by_client(self) -> Verdict<Admitted> {
        let (Some(client), Some(dialled)) = (self.client, self.dialled) else {
            return Verdict::Refuse(Reply::new(403));
        };
        match dialled {
            Dialled::Refused { status, why } => refuse(status, why),
            Dialled::Answer(answer) => Verdict::Pass(Admitted {
                account: client.account,
                client: Some(client.client.username),
                answer,
            }),
        }
    }
}

/// HA1 of no user: it stands in for a missing one and proves nothing.
const NOBODY: &str = "00000000000000000000000000000000";

fn refuse<T>(status: u16, why: &str) -> Verdict<T> {
    Verdict::Refuse(Reply::new(status).with_header("X-Reason", why))
}

/// The credentials given for `realm`, if any.
fn credentials(request: &Request, realm: &str) -> Option<DigestCredentials> {
    request
        .headers("Authorization")
        .filter_map(DigestCredentials::parse)
        .find(|given| given.realm().eq_ignore_ascii_case(realm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Client, ClientSid, PasswordTrace, Secret, ServiceProviderSid, Timestamp};
    use md5::{Digest as _, Md5};

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn md5_hex(text: &str) -> String {
        Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Alice's REGISTER to `new.example.com`, answering with `ha1` to a challenge of `realm`.
    fn register(ha1: &str, realm: &str, nonce: &str) -> Request {
        let uri = "sip:new.example.com";
        let ha2 = md5_hex(&format!("REGISTER:{uri}"));
        let response = md5_hex(&format!("{ha1}:{nonce}:00000001:c:auth:{ha2}"));
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:alice@new.example.com>;tag=1\r\n\
             To: <sip:alice@new.example.com>\r\n\
             Call-ID: 1\r\n\
             CSeq: 1 REGISTER\r\n\
             Contact: <sip:alice@127.0.0.1:5062>\r\n\
             Authorization: Digest username=\"alice\",realm=\"{realm}\",nonce=\"{nonce}\",\
             uri=\"{uri}\",response=\"{response}\",qop=auth,nc=00000001,cnonce=\"c\"\r\n\
             Content-Length: 0\r\n\r\n"
        );
        Request::parse(text.as_bytes()).unwrap()
    }

    /// Alice of an account whose realm was `old.example.com` when she was made.
    fn findings(password: Option<&str>) -> Findings {
        let mut account = Account::new(ServiceProviderSid::random(), "a");
        account.sip_realm = Some("new.example.com".to_owned());
        account.fixed_digest_realm = Some("old.example.com".to_owned());
        let trace =
            |text: &str| PasswordTrace::of("alice", "old.example.com", &Secret(text.to_owned()));
        let client = Client {
            sid: ClientSid::random(),
            account_sid: account.sid,
            username: "alice".to_owned(),
            password: password.map(trace),
            is_active: true,
            allow_direct_app_calling: true,
            allow_direct_queue_calling: true,
            allow_direct_user_calling: true,
            media_encryption: None,
            digest_algorithm: None,
            created_at: Timestamp::now(),
        };
        Findings {
            realm: account.sip_realm.clone(),
            digest_realm: account.digest_realm(),
            client: Some(ClientAuth { client, account }),
            ..Findings::default()
        }
    }

    fn judge(findings: Findings, ha1: &str, realm: &str) -> Verdict<Registrant> {
        let now = Instant::now();
        let mut nonces = Nonces::new([1; 32]);
        let request = register(ha1, realm, &nonces.issue(now, SOURCE));
        findings.on_register(&request, SOURCE, &mut nonces, now)
    }

    fn refused(verdict: Verdict<Registrant>) -> Reply {
        match verdict {
            Verdict::Refuse(reply) => reply,
            Verdict::Pass(registrant) => panic!("{registrant:?} got in"),
        }
    }

    #[test]
    fn the_digest_realm_is_challenged_and_the_sip_realm_is_the_address() {
        let ha1 = md5_hex("alice:old.example.com:secret");
        let Verdict::Pass(alice) = judge(findings(Some("secret")), &ha1, "old.example.com") else {
            panic!("refused");
        };
        assert_eq!(alice.aor, "alice@new.example.com");

        let ha1 = md5_hex("alice:new.example.com:secret");
        let reply = refused(judge(findings(Some("secret")), &ha1, "new.example.com"));
        assert_eq!(reply.status, 401);
        assert!(format!("{reply:?}").contains("old.example.com"), "{reply:?}");
    }

    #[test]
    fn a_client_without_password_is_refused_whatever_hash_is_answered_for() {
        for ha1 in [NOBODY, "", &md5_hex("alice:old.example.com:")] {
            let reply = refused(judge(findings(None), ha1, "old.example.com"));
            assert_eq!(reply.status, 403, "{ha1}");
        }
    }

    #[test]
    fn an_unknown_user_is_refused_for_the_hash_of_nobody() {
        let findings = Findings { client: None, ..findings(None) };
        assert_eq!(refused(judge(findings, NOBODY, "old.example.com")).status, 403);
    }

    #[test]
    fn who_is_switched_off_is_refused_with_the_right_password() {
        let ha1 = md5_hex("alice:old.example.com:secret");
        let mut off = findings(Some("secret"));
        off.client.as_mut().unwrap().client.is_active = false;
        assert_eq!(refused(judge(off, &ha1, "old.example.com")).status, 403);
        let mut closed = findings(Some("secret"));
        closed.client.as_mut().unwrap().account.is_active = false;
        assert_eq!(refused(judge(closed, &ha1, "old.example.com")).status, 403);
    }
}
