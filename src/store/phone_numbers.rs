//! Phone numbers. A number may belong to an account, to a service provider, or to nobody yet.

use sqlx::Row as _;

use super::page::{push_containing, push_scope};
use super::sql::QueryBuilder;
use super::{
    Error, Found, Listing, Page, Row, Store, Tx, accounts, applications, duplicate, voip_carriers,
};
use crate::model::{
    AccountSid, Invalid, Patch, PhoneNumber, PhoneNumberInput, PhoneNumberSid, Scope,
    ServiceProviderSid, Timestamp, number,
};

const SELECT: &str = "SELECT t.*, \
     COALESCE(a.service_provider_sid, t.service_provider_sid) AS owner_provider \
     FROM phone_numbers t LEFT JOIN accounts a ON a.account_sid = t.account_sid WHERE ";

const OWNER: &str = "COALESCE(a.service_provider_sid, t.service_provider_sid)";

#[derive(Clone, Copy, Debug)]
pub struct PhoneNumbers<'s> {
    pub(super) store: &'s Store,
}

/// Narrows a list; never widens the scope it is asked in.
#[derive(Clone, Debug, Default)]
pub struct PhoneNumberQuery {
    /// A part of the number.
    pub filter: Option<String>,
    pub account_sid: Option<AccountSid>,
    pub service_provider_sid: Option<ServiceProviderSid>,
}

impl PhoneNumbers<'_> {
    pub async fn locate(
        &self,
        scope: Scope,
        sid: PhoneNumberSid,
    ) -> Result<Found<PhoneNumber>, Error> {
        let row = by_sid(sid).build().fetch_optional(self.store.read()).await?;
        place(row.as_ref(), scope)
    }

    pub async fn get(
        &self,
        scope: Scope,
        sid: PhoneNumberSid,
    ) -> Result<Option<PhoneNumber>, Error> {
        Ok(self.locate(scope, sid).await?.here())
    }

    /// Those within reach, by number.
    pub async fn list(
        &self,
        scope: Scope,
        narrow: &PhoneNumberQuery,
        page: Option<Page>,
    ) -> Result<Listing<PhoneNumber>, Error> {
        let push = |query: &mut QueryBuilder| {
            push_scope(query, scope, "t.account_sid", OWNER);
            if let Some(filter) = &narrow.filter {
                push_containing(query, "t.number", number::canonical(filter));
            }
            if let Some(sid) = narrow.account_sid {
                query.push(" AND t.account_sid = ").push_bind(sid);
            }
            if let Some(sid) = narrow.service_provider_sid {
                query.push(" AND ").push(OWNER).push(" = ").push_bind(sid);
            }
        };
        let mut query = QueryBuilder::new(SELECT);
        query.push("1 = 1");
        push(&mut query);
        query.push(" ORDER BY t.number, t.phone_number_sid");
        if let Some(page) = page {
            page.push(&mut query);
        }
        let rows = query.build().fetch_all(self.store.read()).await?;
        let rows: Vec<_> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let total = match page {
            None => rows.len() as i64,
            Some(_) => {
                let mut count = QueryBuilder::new(
                    "SELECT COUNT(*) FROM phone_numbers t \
                     LEFT JOIN accounts a ON a.account_sid = t.account_sid WHERE 1 = 1",
                );
                push(&mut count);
                count.build_query_scalar().fetch_one(self.store.read()).await?
            }
        };
        Ok(Listing { total, rows })
    }

    /// Makes a number. An account token's number is its account's.
    pub async fn create(
        &self,
        scope: Scope,
        mut input: PhoneNumberInput,
    ) -> Result<PhoneNumberSid, Error> {
        let number = input.number.take().ok_or(Invalid::Rule("number is required"))?;
        if let Scope::Account(own) = scope {
            input.account_sid = Patch::Value(own);
        }
        let sid = PhoneNumberSid::random();
        let mut record = PhoneNumber {
            sid,
            number,
            voip_carrier_sid: input.voip_carrier_sid,
            account_sid: None,
            application_sid: None,
            service_provider_sid: None,
        };
        let mut tx = self.store.begin().await?;
        let mut named = Named::of(&input);
        input.apply(&mut record);
        named.provider |= keep_reachable(scope, &mut record);
        self.check(&mut tx, scope, &record, named).await?;
        sqlx::query(
            "INSERT INTO phone_numbers (phone_number_sid, number, voip_carrier_sid, account_sid, \
             application_sid, service_provider_sid, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(record.sid)
        .bind(&record.number)
        .bind(record.voip_carrier_sid)
        .bind(record.account_sid)
        .bind(record.application_sid)
        .bind(record.service_provider_sid)
        .bind(Timestamp::now())
        .execute(&mut *tx)
        .await
        .map_err(duplicate("this phone number already exists"))?;
        tx.commit().await?;
        Ok(sid)
    }

    pub async fn update(
        &self,
        scope: Scope,
        sid: PhoneNumberSid,
        input: PhoneNumberInput,
    ) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?;
        let mut record = place(row.as_ref(), scope)?.ok()?;
        let mut named = Named::of(&input);
        input.apply(&mut record);
        named.provider |= keep_reachable(scope, &mut record);
        self.check(&mut tx, scope, &record, named).await?;
        sqlx::query(
            "UPDATE phone_numbers SET account_sid = $2, application_sid = $3, \
             service_provider_sid = $4 WHERE phone_number_sid = $1",
        )
        .bind(record.sid)
        .bind(record.account_sid)
        .bind(record.application_sid)
        .bind(record.service_provider_sid)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    pub async fn delete(&self, scope: Scope, sid: PhoneNumberSid) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?;
        place(row.as_ref(), scope)?.ok()?;
        sqlx::query("DELETE FROM phone_numbers WHERE phone_number_sid = $1")
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The result must be within reach and hang together.
    async fn check(
        &self,
        tx: &mut Tx,
        scope: Scope,
        record: &PhoneNumber,
        named: Named,
    ) -> Result<(), Error> {
        let seal = self.store.seal();
        let provider = match record.account_sid {
            Some(account) if named.account => {
                Some(accounts::owner(tx, scope, account, seal).await?.service_provider_sid)
            }
            // An account token may not give its number away to nobody.
            None if scope.account().is_some() => return Err(Error::OutOfReach),
            Some(_) | None => None,
        };
        if let (true, Some(sid)) = (named.account || named.carrier, record.voip_carrier_sid) {
            let carrier = voip_carriers::visible_in_tx(tx, scope, sid, seal)
                .await?
                .ok_or_else(|| Invalid::NoSuch { what: "voip_carrier", sid: sid.to_string() })?;
            if !voip_carriers::may_hold(&carrier, record.account_sid, provider) {
                let text = "voip_carrier_sid does not belong to the account";
                return Err(Invalid::Rule(text).into());
            }
        }
        if let (true, Some(provider)) = (named.provider, record.service_provider_sid) {
            check_provider(tx, scope, provider).await?;
        }
        let Some(application) = record.application_sid else { return Ok(()) };
        match record.account_sid {
            Some(account) => applications::check_owner(tx, application, account).await,
            None => {
                let sid = application.to_string();
                Err(Invalid::NoSuch { what: "application", sid }.into())
            }
        }
    }
}

/// A provider's number without an account stays the provider's. Whether it had to be given to it.
fn keep_reachable(scope: Scope, record: &mut PhoneNumber) -> bool {
    if record.account_sid.is_some() || record.service_provider_sid.is_some() {
        return false;
    }
    record.service_provider_sid = scope.service_provider();
    true
}

/// Which references a body named; the others were checked when they were stored.
struct Named {
    account: bool,
    provider: bool,
    carrier: bool,
}

impl Named {
    fn of(input: &PhoneNumberInput) -> Self {
        Self {
            account: !input.account_sid.is_absent(),
            provider: !input.service_provider_sid.is_absent(),
            carrier: input.voip_carrier_sid.is_some(),
        }
    }
}

/// A service provider named in a body must exist and be the token's own.
async fn check_provider(tx: &mut Tx, scope: Scope, sid: ServiceProviderSid) -> Result<(), Error> {
    let own = match scope {
        Scope::Admin => Some(sid),
        Scope::ServiceProvider(own) => Some(own),
        Scope::Account(account) => {
            let row =
                sqlx::query("SELECT service_provider_sid FROM accounts WHERE account_sid = $1")
                    .bind(account)
                    .fetch_optional(&mut **tx)
                    .await?;
            row.map(|row| row.try_get("service_provider_sid")).transpose()?
        }
    };
    let known = sqlx::query("SELECT 1 FROM service_providers WHERE service_provider_sid = $1")
        .bind(sid)
        .fetch_optional(&mut **tx)
        .await?;
    if known.is_some() && own == Some(sid) {
        return Ok(());
    }
    Err(Invalid::NoSuch { what: "service_provider", sid: sid.to_string() }.into())
}

fn by_sid(sid: PhoneNumberSid) -> QueryBuilder {
    let mut query = QueryBuilder::new(SELECT);
    query.push("t.phone_number_sid = ").push_bind(sid);
    query
}

fn place(row: Option<&Row>, scope: Scope) -> Result<Found<PhoneNumber>, Error> {
    let Some(row) = row else { return Ok(Found::Nowhere) };
    let record = read(row)?;
    if !scope.reaches(record.account_sid, row.try_get("owner_provider")?) {
        return Ok(Found::Elsewhere);
    }
    Ok(Found::Here(record))
}

pub(super) fn read(row: &Row) -> Result<PhoneNumber, Error> {
    Ok(PhoneNumber {
        sid: row.try_get("phone_number_sid")?,
        number: row.try_get("number")?,
        voip_carrier_sid: row.try_get("voip_carrier_sid")?,
        account_sid: row.try_get("account_sid")?,
        application_sid: row.try_get("application_sid")?,
        service_provider_sid: row.try_get("service_provider_sid")?,
    })
}
