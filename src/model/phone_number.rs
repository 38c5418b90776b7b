//! A phone number and the application that answers it (contract rest.md §2.4).

use super::{
    AccountSid, ApplicationSid, Fields, Invalid, Patch, PhoneNumberSid, ServiceProviderSid, number,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber {
    pub sid: PhoneNumberSid,
    /// Without a leading `+`.
    pub number: String,
    /// None: unassigned.
    pub account_sid: Option<AccountSid>,
    pub application_sid: Option<ApplicationSid>,
    pub service_provider_sid: Option<ServiceProviderSid>,
}

/// The body of a create or an update.
#[derive(Debug, Default)]
pub struct PhoneNumberInput {
    pub number: Option<String>,
    pub account_sid: Patch<AccountSid>,
    pub application_sid: Patch<ApplicationSid>,
    pub service_provider_sid: Patch<ServiceProviderSid>,
}

impl PhoneNumberInput {
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        let number = match fields.text("number", 132)? {
            Patch::Absent | Patch::Null => return Err(Invalid::Rule("number is required")),
            Patch::Value(text) if number::canonical(&text).is_empty() => {
                return Err(Invalid::Rule("number is required"));
            }
            Patch::Value(text) if text.chars().any(char::is_whitespace) => {
                return Err(Invalid::Rule("number cannot contain whitespace"));
            }
            Patch::Value(text) => number::canonical(&text).to_owned(),
        };
        fields.ignore(&["phone_number_sid"]);
        // Carriers are not provisioned here yet: no carrier exists that a number could name.
        if let Patch::Value(sid) = fields.text_or_empty("voip_carrier_sid", 36)? {
            return Err(Invalid::NoSuch { what: "voip_carrier", sid });
        }
        Ok(Self { number: Some(number), ..Self::read(fields)? })
    }

    pub fn update(fields: Fields) -> Result<Self, Invalid> {
        fields.refuse("phone_number_sid", Invalid::PrimaryKey("phone_number_sid"))?;
        fields.refuse("number", Invalid::Fixed("number"))?;
        fields.refuse("voip_carrier_sid", Invalid::Fixed("voip_carrier_sid"))?;
        Self::read(fields)
    }

    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let input = Self {
            number: None,
            account_sid: fields.sid("account_sid", AccountSid::parse)?,
            application_sid: fields.sid("application_sid", ApplicationSid::parse)?,
            service_provider_sid: fields.sid("service_provider_sid", ServiceProviderSid::parse)?,
        };
        fields.ignore(&["created_at"]);
        fields.finish()?;
        Ok(input)
    }

    pub fn apply(self, record: &mut PhoneNumber) {
        self.account_sid.apply(&mut record.account_sid);
        self.application_sid.apply(&mut record.application_sid);
        self.service_provider_sid.apply(&mut record.service_provider_sid);
    }
}
