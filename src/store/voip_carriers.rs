//! Carriers. An account has its own and uses, without changing them, those that its service provider
//! shares among its accounts.

use sqlx::Row as _;

use super::column::{Columns, flag};
use super::page::{push_containing, push_scope};
use super::sql::QueryBuilder;
use super::{Error, Found, Listing, Page, Row, Seal, Store, Tx, accounts, sip_gateways};
use crate::model::voip_carrier::{
    InboundAuth, Register, Smpp, UNKNOWN_ACCOUNT, UNKNOWN_APPLICATION,
};
use crate::model::{
    AccountSid, ApplicationSid, Invalid, Patch, Scope, Secret, ServiceProviderSid, SipGatewayInput,
    VoipCarrier, VoipCarrierInput, VoipCarrierSid,
};

#[derive(Clone, Copy, Debug)]
pub struct VoipCarriers<'s> {
    pub(super) store: &'s Store,
}

/// Narrows a list; never widens the scope it is asked in.
#[derive(Clone, Debug, Default)]
pub struct VoipCarrierQuery {
    /// A part of the name.
    pub name: Option<String>,
    pub account_sid: Option<AccountSid>,
}

impl VoipCarriers<'_> {
    /// As one to change: a shared carrier is out of an account's reach.
    pub async fn locate(
        &self,
        scope: Scope,
        sid: VoipCarrierSid,
    ) -> Result<Found<VoipCarrier>, Error> {
        let row = by_sid(sid).build().fetch_optional(self.store.read()).await?;
        place(row.as_ref(), scope, self.store.seal())
    }

    /// As one to read: an account sees what is shared with it.
    pub async fn get(
        &self,
        scope: Scope,
        sid: VoipCarrierSid,
    ) -> Result<Option<VoipCarrier>, Error> {
        let mut query = by_sid(sid);
        push_visible(&mut query, scope);
        let row = query.build().fetch_optional(self.store.read()).await?;
        row.map(|row| read(&row, self.store.seal())).transpose()
    }

    /// Those to read, in order of creation.
    pub async fn list(
        &self,
        scope: Scope,
        narrow: &VoipCarrierQuery,
        page: Option<Page>,
    ) -> Result<Listing<VoipCarrier>, Error> {
        let push = |query: &mut QueryBuilder| {
            push_visible(query, scope);
            if let Some(name) = &narrow.name {
                push_containing(query, "t.name", name);
            }
            if let Some(sid) = narrow.account_sid {
                query.push(" AND t.account_sid = ").push_bind(sid);
            }
        };
        let mut query = QueryBuilder::new("SELECT t.* FROM voip_carriers t WHERE 1 = 1");
        push(&mut query);
        query.push(" ORDER BY t.position, t.voip_carrier_sid");
        if let Some(page) = page {
            page.push(&mut query);
        }
        let rows = query.build().fetch_all(self.store.read()).await?;
        let rows: Vec<_> =
            rows.iter().map(|row| read(row, self.store.seal())).collect::<Result<_, _>>()?;
        let total = match page {
            None => rows.len() as i64,
            Some(_) => {
                let mut count =
                    QueryBuilder::new("SELECT COUNT(*) FROM voip_carriers t WHERE 1 = 1");
                push(&mut count);
                count.build_query_scalar().fetch_one(self.store.read()).await?
            }
        };
        Ok(Listing { total, rows })
    }

    /// # Errors
    /// [`Error::OutOfReach`] for an account that is not the scope's; [`Invalid`] for an application or
    /// service provider that the carrier cannot have.
    pub async fn create(
        &self,
        scope: Scope,
        input: VoipCarrierInput,
    ) -> Result<VoipCarrier, Error> {
        self.create_with(scope, input, Vec::new(), |_| None).await
    }

    /// A carrier and its gateways, all or nothing. `rename` may find it another name, knowing those
    /// of the carriers with the same owner.
    pub async fn create_with(
        &self,
        scope: Scope,
        mut input: VoipCarrierInput,
        gateways: Vec<SipGatewayInput>,
        rename: impl FnOnce(&[String]) -> Option<String> + Send,
    ) -> Result<VoipCarrier, Error> {
        if let Scope::Account(own) = scope {
            input.account_sid = Patch::Value(own);
        }
        let seal = self.store.seal();
        let mut record = input.into_record()?;
        let mut tx = self.store.begin().await?;
        settle(&mut tx, scope, &mut record, seal).await?;
        if let Some(name) = rename(&siblings(&mut tx, &record).await?) {
            record.name = name;
        }
        insert(&mut tx, &record, seal).await?;
        for gateway in gateways {
            sip_gateways::insert(&mut tx, &gateway.into_record(record.sid)?).await?;
        }
        tx.commit().await?;
        Ok(record)
    }

    /// The record before and after.
    ///
    /// # Errors
    /// As [`VoipCarriers::create`]; [`Error::InUse`] when it would leave the account of numbers that
    /// are on it.
    pub async fn update(
        &self,
        scope: Scope,
        sid: VoipCarrierSid,
        input: VoipCarrierInput,
    ) -> Result<(VoipCarrier, VoipCarrier), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        let before = in_tx(&mut tx, scope, sid, seal).await?;
        let mut record = before.clone();
        let names_provider = !input.service_provider_sid.is_absent();
        input.apply(&mut record)?;
        if record.account_sid.is_some() && !names_provider {
            // It follows the account, also to another provider.
            record.service_provider_sid = None;
        }
        settle(&mut tx, scope, &mut record, seal).await?;
        let owner = |carrier: &VoipCarrier| (carrier.account_sid, carrier.service_provider_sid);
        if owner(&before) != owner(&record) {
            check_numbers(&mut tx, &record).await?;
        }
        write(&mut tx, &record, seal).await?;
        tx.commit().await?;
        Ok((before, record))
    }

    /// What was deleted. Its gateways go with it.
    ///
    /// # Errors
    /// [`Error::InUse`] while numbers are on it.
    pub async fn delete(&self, scope: Scope, sid: VoipCarrierSid) -> Result<VoipCarrier, Error> {
        let mut tx = self.store.begin().await?;
        let before = in_tx(&mut tx, scope, sid, self.store.seal()).await?;
        let used = sqlx::query("SELECT 1 FROM phone_numbers WHERE voip_carrier_sid = $1 LIMIT 1")
            .bind(sid)
            .fetch_optional(&mut *tx)
            .await?;
        if used.is_some() {
            return Err(Error::InUse("cannot delete voip carrier with active phone numbers"));
        }
        sqlx::query("DELETE FROM voip_carriers WHERE voip_carrier_sid = $1")
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(before)
    }
}

/// Takes a service provider's carriers out of the store, with the numbers on them: without accounts
/// those are nobody's.
pub(super) async fn delete_of_provider(
    tx: &mut Tx,
    provider: ServiceProviderSid,
    seal: &Seal,
) -> Result<Vec<VoipCarrier>, Error> {
    let rows = sqlx::query("SELECT * FROM voip_carriers WHERE service_provider_sid = $1")
        .bind(provider)
        .fetch_all(&mut **tx)
        .await?;
    for sql in [
        "DELETE FROM phone_numbers WHERE voip_carrier_sid IN \
         (SELECT voip_carrier_sid FROM voip_carriers WHERE service_provider_sid = $1)",
        "DELETE FROM voip_carriers WHERE service_provider_sid = $1",
    ] {
        sqlx::query(sql).bind(provider).execute(&mut **tx).await?;
    }
    rows.iter().map(|row| read(row, seal)).collect()
}

/// A carrier that a body names: within reach to read, else as good as none.
pub(super) async fn visible_in_tx(
    tx: &mut Tx,
    scope: Scope,
    sid: VoipCarrierSid,
    seal: &Seal,
) -> Result<Option<VoipCarrier>, Error> {
    let mut query = by_sid(sid);
    push_visible(&mut query, scope);
    let row = query.build().fetch_optional(&mut **tx).await?;
    row.map(|row| read(&row, seal)).transpose()
}

/// Reads a carrier inside a write transaction, to change it.
pub(super) async fn in_tx(
    tx: &mut Tx,
    scope: Scope,
    sid: VoipCarrierSid,
    seal: &Seal,
) -> Result<VoipCarrier, Error> {
    let row = by_sid(sid).build().fetch_optional(&mut **tx).await?;
    place(row.as_ref(), scope, seal)?.ok()
}

/// Whose it is, and that everything it names is theirs.
async fn settle(
    tx: &mut Tx,
    scope: Scope,
    record: &mut VoipCarrier,
    seal: &Seal,
) -> Result<(), Error> {
    let named = record.service_provider_sid;
    let owner = match record.account_sid {
        Some(sid) => match accounts::owner(tx, scope, sid, seal).await {
            Err(Error::Invalid(_)) => return Err(Invalid::Rule(UNKNOWN_ACCOUNT).into()),
            other => Some(other?.service_provider_sid),
        },
        None => match scope {
            Scope::ServiceProvider(own) if provider_exists(tx, own).await? => Some(own),
            // An account token may not give its carrier away to everybody; the provider is deleted since,
            // or a minted token's that never was.
            Scope::Account(_) | Scope::ServiceProvider(_) => return Err(Error::OutOfReach),
            Scope::Admin => named,
        },
    };
    record.service_provider_sid = owner;
    if let Some(sid) = named
        && (owner != named || !provider_exists(tx, sid).await?)
    {
        return Err(Invalid::NoSuch { what: "service_provider", sid: sid.to_string() }.into());
    }
    match (record.application_sid, record.account_sid) {
        (Some(application), Some(account)) => {
            check_application(tx, scope, application, account).await
        }
        _ => Ok(()),
    }
}

async fn provider_exists(tx: &mut Tx, sid: ServiceProviderSid) -> Result<bool, Error> {
    let row = sqlx::query("SELECT 1 FROM service_providers WHERE service_provider_sid = $1")
        .bind(sid)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

/// Another account's application is told from none only to whoever may see it.
async fn check_application(
    tx: &mut Tx,
    scope: Scope,
    sid: ApplicationSid,
    account: AccountSid,
) -> Result<(), Error> {
    let row = sqlx::query(
        "SELECT t.account_sid, a.service_provider_sid FROM applications t \
         JOIN accounts a ON a.account_sid = t.account_sid WHERE t.application_sid = $1",
    )
    .bind(sid)
    .fetch_optional(&mut **tx)
    .await?;
    let unknown = Error::Invalid(Invalid::Rule(UNKNOWN_APPLICATION));
    let Some(row) = row else { return Err(unknown) };
    let owner: AccountSid = row.try_get("account_sid")?;
    if owner == account {
        return Ok(());
    }
    if !scope.reaches(Some(owner), Some(row.try_get("service_provider_sid")?)) {
        return Err(unknown);
    }
    Err(Invalid::Rule("application_sid does not exist for specified account_sid").into())
}

/// Numbers on a carrier are of accounts that may use it.
async fn check_numbers(tx: &mut Tx, record: &VoipCarrier) -> Result<(), Error> {
    let rows = sqlx::query(
        "SELECT t.account_sid, a.service_provider_sid FROM phone_numbers t \
         LEFT JOIN accounts a ON a.account_sid = t.account_sid WHERE t.voip_carrier_sid = $1",
    )
    .bind(record.sid)
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        if !may_hold(record, row.try_get("account_sid")?, row.try_get("service_provider_sid")?) {
            return Err(Error::InUse("cannot move voip carrier with phone numbers of others"));
        }
    }
    Ok(())
}

/// Whether a number of this account may be on the carrier. One that is nobody's yet only on a shared
/// one.
pub(super) fn may_hold(
    carrier: &VoipCarrier,
    account: Option<AccountSid>,
    provider: Option<ServiceProviderSid>,
) -> bool {
    match (account, provider) {
        (Some(account), Some(provider)) => carrier.serves(account, provider),
        _ => carrier.account_sid.is_none(),
    }
}

/// Names of the carriers with the same owner.
async fn siblings(tx: &mut Tx, record: &VoipCarrier) -> Result<Vec<String>, Error> {
    let mut query = QueryBuilder::new("SELECT name FROM voip_carriers WHERE ");
    match (record.account_sid, record.service_provider_sid) {
        (Some(account), _) => query.push("account_sid = ").push_bind(account),
        (None, Some(provider)) => {
            query.push("account_sid IS NULL AND service_provider_sid = ").push_bind(provider)
        }
        (None, None) => query.push("account_sid IS NULL AND service_provider_sid IS NULL"),
    };
    Ok(query.build_query_scalar().fetch_all(&mut **tx).await?)
}

fn by_sid(sid: VoipCarrierSid) -> QueryBuilder {
    let mut query =
        QueryBuilder::new("SELECT t.* FROM voip_carriers t WHERE t.voip_carrier_sid = ");
    query.push_bind(sid);
    query
}

/// Limits a query of carriers `t` to what `scope` may read.
pub(super) fn push_visible(query: &mut QueryBuilder, scope: Scope) {
    match scope {
        Scope::Admin | Scope::ServiceProvider(_) => {
            push_scope(query, scope, "t.account_sid", "t.service_provider_sid");
        }
        Scope::Account(own) => {
            query.push(" AND (t.account_sid = ").push_bind(own);
            query.push(
                " OR (t.account_sid IS NULL AND t.service_provider_sid = \
                 (SELECT service_provider_sid FROM accounts WHERE account_sid = ",
            );
            query.push_bind(own).push(")))");
        }
    }
}

fn place(row: Option<&Row>, scope: Scope, seal: &Seal) -> Result<Found<VoipCarrier>, Error> {
    let Some(row) = row else { return Ok(Found::Nowhere) };
    let record = read(row, seal)?;
    Ok(if record.is_reached_by(scope) { Found::Here(record) } else { Found::Elsewhere })
}

/// The row with its columns that never change; [`write`] fills in the rest.
async fn insert(tx: &mut Tx, record: &VoipCarrier, seal: &Seal) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO voip_carriers (voip_carrier_sid, position, name, trunk_type, is_active, \
         e164_leading_plus, dtmf_type, requires_register, register_public_ip_in_contact, \
         register_use_tls, smpp_enquire_link_interval, created_at) \
         VALUES ($1, (SELECT COALESCE(MAX(position), 0) + 1 FROM voip_carriers), $2, '', 0, 0, '', \
         0, 0, 0, 0, $3)",
    )
    .bind(record.sid)
    .bind(&record.name)
    .bind(record.created_at)
    .execute(&mut **tx)
    .await?;
    write(tx, record, seal).await
}

/// Writes every column that can change.
async fn write(tx: &mut Tx, record: &VoipCarrier, seal: &Seal) -> Result<(), Error> {
    let sealed = |secret: &Option<Secret>| {
        secret.as_ref().map(|secret| seal.seal(record.sid, &secret.0)).transpose()
    };
    let VoipCarrier { register, inbound_auth, smpp, .. } = record;
    sqlx::query(
        "UPDATE voip_carriers SET name = $2, description = $3, account_sid = $4, \
         service_provider_sid = $5, application_sid = $6, trunk_type = $7, is_active = $8, \
         e164_leading_plus = $9, tech_prefix = $10, diversion = $11, outbound_sip_proxy = $12, \
         dtmf_type = $13, requires_register = $14, register_username = $15, \
         register_password_sealed = $16, register_from_user = $17, register_sip_realm = $18, \
         register_from_domain = $19, register_public_ip_in_contact = $20, register_use_tls = $21, \
         inbound_auth_username = $22, inbound_auth_password_sealed = $23, smpp_system_id = $24, \
         smpp_password_sealed = $25, smpp_enquire_link_interval = $26, \
         smpp_inbound_system_id = $27, smpp_inbound_password_sealed = $28, \
         media_encryption = $29, digest_algorithm = $30 WHERE voip_carrier_sid = $1",
    )
    .bind(record.sid)
    .bind(&record.name)
    .bind(&record.description)
    .bind(record.account_sid)
    .bind(record.service_provider_sid)
    .bind(record.application_sid)
    .bind(record.trunk_type)
    .bind(flag(record.is_active))
    .bind(flag(record.e164_leading_plus))
    .bind(&record.tech_prefix)
    .bind(&record.diversion)
    .bind(&record.outbound_sip_proxy)
    .bind(record.dtmf_type)
    .bind(flag(register.required))
    .bind(&register.username)
    .bind(sealed(&register.password)?)
    .bind(&register.from_user)
    .bind(&register.sip_realm)
    .bind(&register.from_domain)
    .bind(flag(register.public_ip_in_contact))
    .bind(flag(register.use_tls))
    .bind(&inbound_auth.username)
    .bind(sealed(&inbound_auth.password)?)
    .bind(&smpp.system_id)
    .bind(sealed(&smpp.password)?)
    .bind(smpp.enquire_link_interval)
    .bind(&smpp.inbound_system_id)
    .bind(sealed(&smpp.inbound_password)?)
    .bind(record.media_encryption)
    .bind(record.digest_algorithm)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) fn read(row: &Row, seal: &Seal) -> Result<VoipCarrier, Error> {
    let sid: VoipCarrierSid = row.try_get("voip_carrier_sid")?;
    let secret = |column: &'static str| {
        let sealed = row.try_get::<Option<&str>, _>(column)?;
        sealed.map(|sealed| seal.unseal(sid, sealed).map(Secret)).transpose()
    };
    Ok(VoipCarrier {
        sid,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        account_sid: row.try_get("account_sid")?,
        service_provider_sid: row.try_get("service_provider_sid")?,
        application_sid: row.try_get("application_sid")?,
        trunk_type: row.try_get("trunk_type")?,
        is_active: row.flag("is_active")?,
        e164_leading_plus: row.flag("e164_leading_plus")?,
        tech_prefix: row.try_get("tech_prefix")?,
        diversion: row.try_get("diversion")?,
        outbound_sip_proxy: row.try_get("outbound_sip_proxy")?,
        dtmf_type: row.try_get("dtmf_type")?,
        register: Register {
            required: row.flag("requires_register")?,
            username: row.try_get("register_username")?,
            password: secret("register_password_sealed")?,
            from_user: row.try_get("register_from_user")?,
            sip_realm: row.try_get("register_sip_realm")?,
            from_domain: row.try_get("register_from_domain")?,
            public_ip_in_contact: row.flag("register_public_ip_in_contact")?,
            use_tls: row.flag("register_use_tls")?,
        },
        inbound_auth: InboundAuth {
            username: row.try_get("inbound_auth_username")?,
            password: secret("inbound_auth_password_sealed")?,
        },
        smpp: Smpp {
            system_id: row.try_get("smpp_system_id")?,
            password: secret("smpp_password_sealed")?,
            enquire_link_interval: row.try_get("smpp_enquire_link_interval")?,
            inbound_system_id: row.try_get("smpp_inbound_system_id")?,
            inbound_password: secret("smpp_inbound_password_sealed")?,
        },
        media_encryption: row.try_get("media_encryption")?,
        digest_algorithm: row.try_get("digest_algorithm")?,
        created_at: row.try_get("created_at")?,
    })
}
