//! Gateways. They are within reach as their carrier is: an account reads those of a shared carrier
//! and changes those of its own.

use sqlx::Row as _;

use super::column::{Columns, flag};
use super::sql::QueryBuilder;
use super::{Error, Found, Row, Store, Tx, voip_carriers};
use crate::model::sip_gateway::INVALID_CARRIER;
use crate::model::{Invalid, Scope, SipGateway, SipGatewayInput, SipGatewaySid, VoipCarrierSid};

/// Carriers are `t`, as for `push_visible`.
const SELECT: &str = "SELECT g.*, t.account_sid AS owner_account, \
     t.service_provider_sid AS owner_provider FROM sip_gateways g \
     JOIN voip_carriers t ON t.voip_carrier_sid = g.voip_carrier_sid WHERE ";

/// Which is tried first.
const ORDER: &str = " ORDER BY g.priority, g.position, g.sip_gateway_sid";

#[derive(Clone, Copy, Debug)]
pub struct SipGateways<'s> {
    pub(super) store: &'s Store,
}

impl SipGateways<'_> {
    /// As one to change.
    pub async fn locate(
        &self,
        scope: Scope,
        sid: SipGatewaySid,
    ) -> Result<Found<SipGateway>, Error> {
        let row = by_sid(sid).build().fetch_optional(self.store.read()).await?;
        place(row.as_ref(), scope)
    }

    /// As one to read: an account sees those of a carrier shared with it.
    pub async fn get(&self, scope: Scope, sid: SipGatewaySid) -> Result<Option<SipGateway>, Error> {
        let mut query = by_sid(sid);
        voip_carriers::push_visible(&mut query, scope);
        let row = query.build().fetch_optional(self.store.read()).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// Those of a carrier, in the order they are tried in; `None` for a carrier not to be read.
    pub async fn list(
        &self,
        scope: Scope,
        carrier: VoipCarrierSid,
    ) -> Result<Option<Vec<SipGateway>>, Error> {
        match self.store.voip_carriers().get(scope, carrier).await? {
            Some(carrier) => self.of_carrier(carrier.sid).await.map(Some),
            None => Ok(None),
        }
    }

    /// All of a carrier, in the order they are tried in, the inactive ones too.
    pub async fn of_carrier(&self, carrier: VoipCarrierSid) -> Result<Vec<SipGateway>, Error> {
        let mut query = QueryBuilder::new("SELECT g.* FROM sip_gateways g WHERE ");
        query.push("g.voip_carrier_sid = ").push_bind(carrier).push(ORDER);
        let rows = query.build().fetch_all(self.store.read()).await?;
        rows.iter().map(read).collect()
    }

    /// All there are, in the order they are tried in.
    pub async fn all(&self) -> Result<Vec<SipGateway>, Error> {
        let mut query = QueryBuilder::new("SELECT g.* FROM sip_gateways g WHERE 1 = 1");
        let rows = query.push(ORDER).build().fetch_all(self.store.read()).await?;
        rows.iter().map(read).collect()
    }

    /// # Errors
    /// [`Invalid`] for a carrier that is not the scope's to change.
    pub async fn create(&self, scope: Scope, input: SipGatewayInput) -> Result<SipGateway, Error> {
        let carrier = input.voip_carrier_sid.ok_or(Invalid::Missing("voip_carrier_sid"))?;
        let record = input.into_record(carrier)?;
        let mut tx = self.store.begin().await?;
        self.check_carrier(&mut tx, scope, carrier).await?;
        insert(&mut tx, &record).await?;
        tx.commit().await?;
        Ok(record)
    }

    /// The record before and after.
    ///
    /// # Errors
    /// As [`SipGateways::create`], and those of [`SipGatewayInput::apply`].
    pub async fn update(
        &self,
        scope: Scope,
        sid: SipGatewaySid,
        input: SipGatewayInput,
    ) -> Result<(SipGateway, SipGateway), Error> {
        let mut tx = self.store.begin().await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?;
        let before = place(row.as_ref(), scope)?.ok()?;
        let mut record = before.clone();
        input.apply(&mut record)?;
        if record.voip_carrier_sid != before.voip_carrier_sid {
            self.check_carrier(&mut tx, scope, record.voip_carrier_sid).await?;
        }
        write(&mut tx, &record).await?;
        tx.commit().await?;
        Ok((before, record))
    }

    /// What was deleted.
    pub async fn delete(&self, scope: Scope, sid: SipGatewaySid) -> Result<SipGateway, Error> {
        let mut tx = self.store.begin().await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?;
        let before = place(row.as_ref(), scope)?.ok()?;
        sqlx::query("DELETE FROM sip_gateways WHERE sip_gateway_sid = $1")
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(before)
    }

    /// A carrier out of reach is as good as none.
    async fn check_carrier(
        &self,
        tx: &mut Tx,
        scope: Scope,
        sid: VoipCarrierSid,
    ) -> Result<(), Error> {
        match voip_carriers::in_tx(tx, scope, sid, self.store.seal()).await {
            Ok(_) => Ok(()),
            Err(Error::NotFound | Error::OutOfReach) => Err(Invalid::Rule(INVALID_CARRIER).into()),
            Err(other) => Err(other),
        }
    }
}

fn by_sid(sid: SipGatewaySid) -> QueryBuilder {
    let mut query = QueryBuilder::new(SELECT);
    query.push("g.sip_gateway_sid = ").push_bind(sid);
    query
}

fn place(row: Option<&Row>, scope: Scope) -> Result<Found<SipGateway>, Error> {
    let Some(row) = row else { return Ok(Found::Nowhere) };
    if !scope.reaches(row.try_get("owner_account")?, row.try_get("owner_provider")?) {
        return Ok(Found::Elsewhere);
    }
    read(row).map(Found::Here)
}

/// The row with its columns that never change; [`write`] fills in the rest.
pub(super) async fn insert(tx: &mut Tx, record: &SipGateway) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO sip_gateways (sip_gateway_sid, position, voip_carrier_sid, ipv4, netmask, \
         inbound, outbound, is_active, protocol, send_options_ping, use_sips_scheme, pad_crypto, \
         remove_ice, dtls_off, priority, created_at) \
         VALUES ($1, (SELECT COALESCE(MAX(position), 0) + 1 FROM sip_gateways), $2, '', 0, 0, 0, 0, \
         '', 0, 0, 0, 0, 0, 0, $3)",
    )
    .bind(record.sid)
    .bind(record.voip_carrier_sid)
    .bind(record.created_at)
    .execute(&mut **tx)
    .await?;
    write(tx, record).await
}

/// Writes every column that can change.
async fn write(tx: &mut Tx, record: &SipGateway) -> Result<(), Error> {
    sqlx::query(
        "UPDATE sip_gateways SET voip_carrier_sid = $2, ipv4 = $3, port = $4, netmask = $5, \
         inbound = $6, outbound = $7, is_active = $8, protocol = $9, send_options_ping = $10, \
         use_sips_scheme = $11, pad_crypto = $12, remove_ice = $13, dtls_off = $14, priority = $15 \
         WHERE sip_gateway_sid = $1",
    )
    .bind(record.sid)
    .bind(record.voip_carrier_sid)
    .bind(&record.host)
    .bind(record.port.map(i64::from))
    .bind(i64::from(record.netmask))
    .bind(flag(record.inbound))
    .bind(flag(record.outbound))
    .bind(flag(record.is_active))
    .bind(record.protocol)
    .bind(flag(record.send_options_ping))
    .bind(flag(record.use_sips_scheme))
    .bind(flag(record.pad_crypto))
    .bind(flag(record.remove_ice))
    .bind(flag(record.dtls_off))
    .bind(i64::from(record.priority))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn read(row: &Row) -> Result<SipGateway, Error> {
    Ok(SipGateway {
        sid: row.try_get("sip_gateway_sid")?,
        voip_carrier_sid: row.try_get("voip_carrier_sid")?,
        host: row.try_get("ipv4")?,
        port: row
            .try_get::<Option<i64>, _>("port")?
            .map(|port| narrow(port, "port"))
            .transpose()?,
        netmask: narrow(row.try_get("netmask")?, "netmask")?,
        inbound: row.flag("inbound")?,
        outbound: row.flag("outbound")?,
        is_active: row.flag("is_active")?,
        protocol: row.try_get("protocol")?,
        send_options_ping: row.flag("send_options_ping")?,
        use_sips_scheme: row.flag("use_sips_scheme")?,
        pad_crypto: row.flag("pad_crypto")?,
        remove_ice: row.flag("remove_ice")?,
        dtls_off: row.flag("dtls_off")?,
        priority: narrow(row.try_get("priority")?, "priority")?,
        created_at: row.try_get("created_at")?,
    })
}

fn narrow<T: TryFrom<i64>>(value: i64, column: &'static str) -> Result<T, Error> {
    T::try_from(value).map_err(|_| Error::Corrupt { column })
}
