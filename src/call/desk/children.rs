//! Children of calls: planned like any call, within the same limits.

use actix::Addr;

use super::Desk;
use crate::call::child::{self, ChildOrder};
use crate::call::originate::{NoRoute, NotPlaced, Plan};
use crate::model::Scope;
use crate::sip_io::message::Fields;
use crate::sip_io::stack::StackActor;

impl Desk {
    /// The plan of a call to a target of `dial`; `identity` are headers that say who is really calling.
    ///
    /// # Errors
    /// What its status would show, if it cannot even begin: a limit is reached, the account is gone.
    pub async fn plan_child(
        &self,
        stack: Addr<StackActor>,
        order: ChildOrder,
        identity: Fields,
    ) -> Result<Plan, NoRoute> {
        let unavailable = NoRoute { status: 503, reason: "Service Unavailable" };
        let sid = order.parent.facts.account_sid;
        let account = self.store.accounts().get(Scope::Account(sid), sid).await;
        let account = account.map_err(|error| {
            tracing::error!(%error, "cannot look up the account of a call");
            unavailable.clone()
        })?;
        let account =
            account.filter(|account| account.is_active).ok_or_else(|| unavailable.clone())?;
        let about = format!("call dialled by call {}", order.parent.facts.call_sid);
        let counted = self.let_out(&account, about).await.map_err(|why| {
            if let NotPlaced::Store(error) = why {
                tracing::error!(%error, "cannot look up the limits of an account");
            }
            unavailable.clone()
        })?;
        Ok(child::plan(self, stack, account, order, identity, counted).await)
    }
}
