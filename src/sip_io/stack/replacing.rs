//! INVITEs that take the place of a dialog (RFC 3891): from a registered user of the account, or from
//! a call of that account in this very server, which follows a REFER (adr/0015).

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use sip::{DialogId, Flow, Replaces, Reply, Request};

use super::{Owner, StackActor};
use crate::model::{AccountSid, ClientAuth, Encryption};
use crate::sip_io::gate::Identity;
use crate::sip_io::message::{Happened, Replacing};

/// Who wants to take a dialog's place.
#[derive(Clone, Copy)]
struct Replacer {
    account: AccountSid,
    is_client: bool,
    encryption: Option<Encryption>,
}

impl StackActor {
    pub(super) fn on_replacing(
        &mut self,
        dialog: DialogId,
        request: Arc<Request>,
        flow: Flow,
        ctx: &mut Context<Self>,
    ) {
        let named: Vec<_> = request.headers("Replaces").map(Replaces::parse).collect();
        let [Ok(replaces)] = named.as_slice() else {
            return self.reject(dialog, Reply::new(400));
        };
        let replaces = replaces.clone();
        // Nobody else knows Call-ID and tag of an INVITE that went to ourselves alone, and it can do no
        // more than the user wanted whose REFER it follows.
        let tag = request.from().tag().filter(|_| is_from_here(&flow)).unwrap_or_default();
        let own = self.parts.endpoint.placed(request.call_id(), tag);
        let own = own.filter(|own| self.replacing.get(own) == Some(&replaces));
        if let Some(owner) = own.and_then(|own| self.owners.get(&own)) {
            let by = Replacer { account: owner.account, is_client: false, encryption: None };
            return self.replace(dialog, request, flow, &replaces, by);
        }
        self.deciding.insert(dialog);
        let gate = self.parts.gate.clone();
        let asked = request.clone();
        let revoked = self.revoked;
        let look_up = async move { gate.identify(&asked, &flow).await };
        ctx.spawn(look_up.into_actor(self).map(move |found, this, ctx| {
            // The caller may have given up during the look-up.
            if !this.deciding.remove(&dialog) {
                return;
            }
            match found {
                _ if this.revoked != revoked => this.on_replacing(dialog, request, flow, ctx),
                Ok(identity) => this.let_replace(dialog, request, flow, &replaces, identity),
                Err(error) => {
                    tracing::error!(%error, "cannot look up who calls");
                    this.reject(dialog, Reply::new(500));
                }
            }
            this.pump(ctx);
        }));
    }

    fn let_replace(
        &mut self,
        dialog: DialogId,
        request: Arc<Request>,
        flow: Flow,
        replaces: &Replaces,
        identity: Identity,
    ) {
        let (now, source) = (Instant::now(), flow.peer.ip());
        let known = match identity.prove(&request, source, &mut self.parts.nonces, now) {
            Ok(known) => known,
            Err(reply) => return self.refuse(dialog, &request, flow, reply),
        };
        let by = known.client().map(|ClientAuth { client, account }| Replacer {
            account: account.sid,
            is_client: true,
            encryption: client.media_encryption,
        });
        match by {
            Some(by) => {
                self.parts.defence.proved(now, source);
                self.replace(dialog, request, flow, replaces, by);
            }
            None => self.refuse(dialog, &request, flow, Reply::new(403)),
        }
    }

    /// A dialog of another account is as unknown as one that does not exist: 481.
    fn replace(
        &mut self,
        dialog: DialogId,
        request: Arc<Request>,
        flow: Flow,
        replaces: &Replaces,
        by: Replacer,
    ) {
        let Replacer { account, is_client, encryption } = by;
        let old = self.parts.endpoint.find_replaced(replaces);
        let found = old.and_then(|old| Some((old, self.owners.get(&old)?)));
        let Some((old, owner)) = found.filter(|(_, owner)| owner.account == account) else {
            return self.reject(dialog, Reply::new(481));
        };
        let owner = Owner { events: owner.events.clone(), account };
        self.owners.insert(dialog, owner);
        let early_only = replaces.early_only;
        let replacing = Replacing { dialog, request, flow, early_only, is_client, encryption };
        self.tell(old, Happened::Replaced(Box::new(replacing)));
    }
}

/// Whether it came from this very host: no datagram of the outside has such a source.
fn is_from_here(flow: &Flow) -> bool {
    flow.peer.ip().is_loopback() || flow.peer.ip() == flow.local.ip()
}
