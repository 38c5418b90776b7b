//! What the administrator notes about the installation, for the portal to show (contract rest.md
//! §2.17). The server keeps it and does nothing by it.

use super::sip_text::is_domain;
use super::{Fields, Invalid, Network, Patch};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemInformation {
    pub domain_name: Option<String>,
    pub sip_domain_name: Option<String>,
    pub monitoring_domain_name: Option<String>,
    /// One or several networks, with commas in between.
    pub private_network_cidr: Option<String>,
    /// `info` or `debug`.
    pub log_level: Option<String>,
}

/// The body of an update.
#[derive(Debug, Default)]
pub struct SystemInformationInput {
    domain_name: Patch<String>,
    sip_domain_name: Patch<String>,
    monitoring_domain_name: Patch<String>,
    private_network_cidr: Patch<String>,
    log_level: Patch<String>,
}

const LOG_LEVELS: [&str; 2] = ["info", "debug"];
const LONGEST_NAME: usize = 255;
const LONGEST_LIST: usize = 8192;

impl SystemInformationInput {
    pub fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let input = Self {
            domain_name: domain(&mut fields, "domain_name")?,
            sip_domain_name: domain(&mut fields, "sip_domain_name")?,
            monitoring_domain_name: domain(&mut fields, "monitoring_domain_name")?,
            private_network_cidr: networks(&mut fields)?,
            log_level: fields.one_of("log_level", &LOG_LEVELS, |text| {
                LOG_LEVELS.contains(&text).then(|| text.to_owned())
            })?,
        };
        fields.finish()?;
        Ok(input)
    }

    pub fn apply(self, record: &mut SystemInformation) {
        self.domain_name.apply(&mut record.domain_name);
        self.sip_domain_name.apply(&mut record.sip_domain_name);
        self.monitoring_domain_name.apply(&mut record.monitoring_domain_name);
        self.private_network_cidr.apply(&mut record.private_network_cidr);
        self.log_level.apply(&mut record.log_level);
    }
}

fn domain(fields: &mut Fields, name: &'static str) -> Result<Patch<String>, Invalid> {
    fields.text_or_empty(name, LONGEST_NAME)?.try_map(|text| {
        if is_domain(&text) { Ok(text) } else { Err(Invalid::Wrong { name, expected: "a domain" }) }
    })
}

fn networks(fields: &mut Fields) -> Result<Patch<String>, Invalid> {
    let name = "private_network_cidr";
    fields.text_or_empty(name, LONGEST_LIST)?.try_map(|text| {
        if text.split(',').all(|part| part.trim().parse::<Network>().is_ok()) {
            Ok(text)
        } else {
            Err(Invalid::Wrong { name, expected: "networks as 10.0.0.0/8, separated by commas" })
        }
    })
}
