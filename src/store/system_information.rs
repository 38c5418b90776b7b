//! The administrator's notes about the installation: one row, or none yet.

use sqlx::Row as _;

use super::{Error, Row, Store};
use crate::model::{SystemInformation, SystemInformationInput};

impl Store {
    /// What is noted; empty at first.
    pub async fn system_information(&self) -> Result<SystemInformation, Error> {
        let row = sqlx::query(SELECT).fetch_optional(self.read()).await?;
        row.as_ref().map(read).transpose().map(Option::unwrap_or_default)
    }

    /// Changes what the input names, and returns all.
    pub async fn update_system_information(
        &self,
        input: SystemInformationInput,
    ) -> Result<SystemInformation, Error> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(SELECT).fetch_optional(&mut *tx).await?;
        let mut record = row.as_ref().map(read).transpose()?.unwrap_or_default();
        input.apply(&mut record);
        sqlx::query(
            "INSERT INTO system_information (id, domain_name, sip_domain_name, \
             monitoring_domain_name, private_network_cidr, log_level) \
             VALUES (1, $1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
             domain_name = excluded.domain_name, sip_domain_name = excluded.sip_domain_name, \
             monitoring_domain_name = excluded.monitoring_domain_name, \
             private_network_cidr = excluded.private_network_cidr, \
             log_level = excluded.log_level",
        )
        .bind(&record.domain_name)
        .bind(&record.sip_domain_name)
        .bind(&record.monitoring_domain_name)
        .bind(&record.private_network_cidr)
        .bind(&record.log_level)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(record)
    }
}

const SELECT: &str = "SELECT * FROM system_information WHERE id = 1";

fn read(row: &Row) -> Result<SystemInformation, Error> {
    Ok(SystemInformation {
        domain_name: row.try_get("domain_name")?,
        sip_domain_name: row.try_get("sip_domain_name")?,
        monitoring_domain_name: row.try_get("monitoring_domain_name")?,
        private_network_cidr: row.try_get("private_network_cidr")?,
        log_level: row.try_get("log_level")?,
    })
}
