//! SIP addresses that the administrator added to those of the server.

use sqlx::Row as _;

use super::sql::QueryBuilder;
use super::{Error, Row, Store};
use crate::model::{Invalid, Sbc, SbcAddressSid, Scope, ServiceProviderSid};

#[derive(Clone, Copy, Debug)]
pub struct Sbcs<'s> {
    pub(super) store: &'s Store,
}

impl Sbcs<'_> {
    /// Those that serve everybody, and those of the service providers within reach: of one only, if
    /// it is named.
    pub async fn list(
        &self,
        scope: Scope,
        provider: Option<ServiceProviderSid>,
    ) -> Result<Vec<Sbc>, Error> {
        let mut query = QueryBuilder::new(
            "SELECT * FROM sbc_addresses WHERE (service_provider_sid IS NULL OR (1 = 1",
        );
        match scope {
            Scope::Admin => {}
            Scope::ServiceProvider(own) => {
                query.push(" AND service_provider_sid = ").push_bind(own);
            }
            Scope::Account(own) => {
                query.push(
                    " AND service_provider_sid = \
                     (SELECT service_provider_sid FROM accounts WHERE account_sid = ",
                );
                query.push_bind(own).push(")");
            }
        }
        if let Some(provider) = provider {
            query.push(" AND service_provider_sid = ").push_bind(provider);
        }
        query.push(")) ORDER BY ipv4, COALESCE(port, 0), sbc_address_sid");
        let rows = query.build().fetch_all(self.store.read()).await?;
        rows.iter().map(read).collect()
    }

    /// # Errors
    /// [`Invalid::NoSuch`] for an unknown service provider.
    pub async fn create(&self, record: &Sbc) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        if let Some(provider) = record.service_provider_sid {
            let known =
                sqlx::query("SELECT 1 FROM service_providers WHERE service_provider_sid = $1")
                    .bind(provider)
                    .fetch_optional(&mut *tx)
                    .await?;
            if known.is_none() {
                let sid = provider.to_string();
                return Err(Invalid::NoSuch { what: "service_provider", sid }.into());
            }
        }
        sqlx::query(
            "INSERT INTO sbc_addresses (sbc_address_sid, ipv4, port, tls_port, wss_port, \
             service_provider_sid, last_updated) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(record.sid)
        .bind(&record.host)
        .bind(record.port.map(i64::from))
        .bind(record.tls_port.map(i64::from))
        .bind(record.wss_port.map(i64::from))
        .bind(record.service_provider_sid)
        .bind(record.last_updated)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// # Errors
    /// [`Error::NotFound`]
    pub async fn delete(&self, sid: SbcAddressSid) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let done = sqlx::query("DELETE FROM sbc_addresses WHERE sbc_address_sid = $1")
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        if done.rows_affected() == 0 { Err(Error::NotFound) } else { Ok(()) }
    }
}

fn read(row: &Row) -> Result<Sbc, Error> {
    let port = |column: &'static str| -> Result<Option<u16>, Error> {
        let stored: Option<i64> = row.try_get(column)?;
        stored.map(|port| u16::try_from(port).map_err(|_| Error::Corrupt { column })).transpose()
    };
    Ok(Sbc {
        sid: row.try_get("sbc_address_sid")?,
        host: row.try_get("ipv4")?,
        port: port("port")?,
        tls_port: port("tls_port")?,
        wss_port: port("wss_port")?,
        service_provider_sid: row.try_get("service_provider_sid")?,
        last_updated: row.try_get("last_updated")?,
    })
}
