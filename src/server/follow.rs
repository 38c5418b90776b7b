//! How what is live follows a change made over REST: registrations that no longer hold are dropped,
//! an account that is gone or was switched off has no calls, and carriers are taken as they are stored.

use std::sync::Arc;

use actix::prelude::*;

use crate::api::Change;
use crate::call::actor::Hangup;
use crate::directory::{ConferenceDefined, DirectoryActor, Live, QueueDefined};
use crate::model::{Account, AccountSid, Client, FormerClient};
use crate::sip_io::message::Revoke;
use crate::sip_io::stack::StackActor;
use crate::sip_io::trunks::Trunks;
use crate::sip_io::trunks::keeper::{Follow, TrunkKeeper};

/// What a change means for what is live.
#[derive(Debug, Default, PartialEq, Eq)]
struct Consequence {
    revoke: Option<Revoke>,
    hang_up: Option<AccountSid>,
}

/// Who follows.
pub(super) struct Followers {
    pub(super) stack: Addr<StackActor>,
    pub(super) trunks: Arc<Trunks>,
    pub(super) keeper: Addr<TrunkKeeper>,
    pub(super) live: Arc<Live>,
    pub(super) directory: Addr<DirectoryActor>,
}

/// The listener for `AppState::with_on_change`; the work is done on the control arbiter.
pub(super) fn listener(
    Followers { stack, trunks, keeper, live, directory }: Followers,
    control: ArbiterHandle,
) -> impl Fn(Change) + Send + Sync + 'static {
    move |change| {
        if concerns_trunks(&change) {
            // Before the client hears that its change is made: the next call goes by it.
            trunks.changed();
            keeper.do_send(Follow);
        }
        if let Change::Conference { account, name } = &change {
            directory.do_send(ConferenceDefined { account: *account, name: name.clone() });
        }
        if let Change::Queue { account, name } = &change {
            directory.do_send(QueueDefined { account: *account, name: name.clone() });
        }
        let Consequence { revoke: Some(revoke), hang_up } = consequence(&change) else { return };
        let (stack, live) = (stack.clone(), live.clone());
        control.spawn(async move {
            // Answered, it lets in no more calls on the old record. Unanswered, the server stops, and
            // hangs up every call anyway.
            if stack.send(revoke).await.is_err() {
                return;
            }
            // A call that came in just before is being started on this arbiter: its turn first.
            tokio::task::yield_now().await;
            let calls = hang_up.map(|account| live.calls(account)).unwrap_or_default();
            for actor in calls.into_iter().filter_map(|call| call.actor) {
                actor.do_send(Hangup);
            }
        });
    }
}

/// Whether the table of carriers is another one now. A closed account's carriers are out of use, and
/// those of one that is gone are gone with it.
fn concerns_trunks(change: &Change) -> bool {
    match change {
        Change::Carrier { .. } | Change::Gateway { .. } => true,
        Change::Account { before, after } => {
            after.as_deref().is_none_or(|after| after.is_active != before.is_active)
        }
        Change::Client { .. } | Change::Conference { .. } | Change::Queue { .. } => false,
    }
}

fn consequence(change: &Change) -> Consequence {
    match change {
        Change::Account { before, after } => of_account(before, after.as_deref()),
        Change::Client { before, after } => of_client(before, after.as_deref()),
        Change::Carrier { .. }
        | Change::Gateway { .. }
        | Change::Conference { .. }
        | Change::Queue { .. } => Consequence::default(),
    }
}

fn of_account(before: &Account, after: Option<&Account>) -> Consequence {
    let is_closed = after.is_none_or(|after| !after.is_active);
    // An address of record names the realm, and another account may have that one next.
    let has_moved = after.is_some_and(|after| after.sip_realm != before.sip_realm);
    let revoke = Revoke { realm: before.sip_realm.clone(), user: None };
    Consequence {
        revoke: (is_closed || has_moved).then_some(revoke),
        hang_up: is_closed.then_some(before.sid),
    }
}

fn of_client(
    FormerClient { client, sip_realm }: &FormerClient,
    after: Option<&Client>,
) -> Consequence {
    let stays = after.is_some_and(|after| {
        after.is_active
            && after.username == client.username
            && after.account_sid == client.account_sid
    });
    let revoke = Revoke { realm: sip_realm.clone(), user: Some(client.username.clone()) };
    Consequence { revoke: (!stays).then_some(revoke), hang_up: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClientInput, Secret, ServiceProviderSid};

    fn account() -> Account {
        let mut account = Account::new(ServiceProviderSid::random(), "a");
        account.sip_realm = Some("example.com".to_owned());
        account
    }

    fn after_account(change: impl FnOnce(&mut Account)) -> (bool, bool) {
        let before = account();
        let mut after = before.clone();
        change(&mut after);
        let done = of_account(&before, Some(&after));
        if let Some(revoke) = &done.revoke {
            assert_eq!((revoke.realm.as_deref(), &revoke.user), (Some("example.com"), &None));
        }
        (done.revoke.is_some(), done.hang_up.is_some())
    }

    #[test]
    fn an_account_loses_its_calls_when_closed_and_its_users_also_when_its_realm_moves() {
        assert_eq!(after_account(|a| a.name = "b".to_owned()), (false, false));
        assert_eq!(after_account(|a| a.sip_realm = None), (true, false));
        assert_eq!(after_account(|a| a.is_active = false), (true, true));
        let before = account();
        let done = of_account(&before, None);
        assert_eq!((done.revoke.is_some(), done.hang_up), (true, Some(before.sid)));
    }

    #[test]
    fn an_account_without_realm_still_loses_its_calls() {
        let mut before = account();
        before.sip_realm = None;
        let done = of_account(&before, None);
        assert_eq!(done.revoke, Some(Revoke { realm: None, user: None }));
        assert_eq!(done.hang_up, Some(before.sid));
    }

    #[test]
    fn a_client_loses_its_registration_when_its_address_or_its_right_is_gone() {
        let input = ClientInput::new("alice", Secret("secret".to_owned()));
        let client = input.into_record(AccountSid::random(), "realm").unwrap();
        let sip_realm = Some("example.com".to_owned());
        let before = FormerClient { client: client.clone(), sip_realm: sip_realm.clone() };
        let changed = |change: fn(&mut Client)| {
            let mut after = client.clone();
            change(&mut after);
            of_client(&before, Some(&after))
        };
        assert_eq!(changed(|c| c.allow_direct_app_calling = false), Consequence::default());
        let dropped = Consequence {
            revoke: Some(Revoke { realm: sip_realm, user: Some("alice".to_owned()) }),
            hang_up: None,
        };
        assert_eq!(changed(|c| c.is_active = false), dropped);
        assert_eq!(changed(|c| c.username = "bob".to_owned()), dropped);
        assert_eq!(changed(|c| c.account_sid = AccountSid::random()), dropped);
        assert_eq!(of_client(&before, None), dropped);
    }

    #[test]
    fn carriers_are_read_anew_when_they_or_the_state_of_an_account_change() {
        let before = account();
        let changed = |change: fn(&mut Account)| {
            let mut after = before.clone();
            change(&mut after);
            let before = Box::new(before.clone());
            concerns_trunks(&Change::Account { before, after: Some(Box::new(after)) })
        };
        assert!(changed(|a| a.is_active = false));
        assert!(!changed(|a| a.name = "b".to_owned()));
        assert!(concerns_trunks(&Change::Account { before: before.clone().into(), after: None }));
        assert!(concerns_trunks(&Change::Carrier { before: None, after: None }));
        assert!(concerns_trunks(&Change::Gateway { before: None, after: None }));
    }
}
