//! A phone number and the application that answers it (contract rest.md §2.4).

use super::{
    AccountSid, ApplicationSid, Fields, Invalid, Patch, PhoneNumberSid, ServiceProviderSid,
    VoipCarrierSid, number,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber {
    pub sid: PhoneNumberSid,
    /// Without a leading `+`.
    pub number: String,
    /// The carrier that its calls come from. Never changes.
    pub voip_carrier_sid: Option<VoipCarrierSid>,
    /// None: unassigned.
    pub account_sid: Option<AccountSid>,
    pub application_sid: Option<ApplicationSid>,
    pub service_provider_sid: Option<ServiceProviderSid>,
}

/// The body of a create or an update.
#[derive(Debug, Default)]
pub struct PhoneNumberInput {
    pub number: Option<String>,
    pub voip_carrier_sid: Option<VoipCarrierSid>,
    pub account_sid: Patch<AccountSid>,
    pub application_sid: Patch<ApplicationSid>,
    pub service_provider_sid: Patch<ServiceProviderSid>,
}

const REQUIRED: Invalid = Invalid::MissingAs { name: "number", text: "number is required" };

impl PhoneNumberInput {
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        let number = match fields.text("number", 132)? {
            Patch::Absent | Patch::Null => return Err(REQUIRED),
            Patch::Value(text) if number::canonical(&text).is_empty() => {
                return Err(REQUIRED);
            }
            Patch::Value(text) if text.chars().any(char::is_whitespace) => {
                return Err(Invalid::Rule("number cannot contain whitespace"));
            }
            Patch::Value(text) => number::canonical(&text).to_owned(),
        };
        fields.ignore(&["phone_number_sid"]);
        let carrier = fields.text_or_empty("voip_carrier_sid", 36)?.try_map(|sid| {
            VoipCarrierSid::parse(&sid).ok_or(Invalid::NoSuch { what: "voip_carrier", sid })
        })?;
        Ok(Self { number: Some(number), voip_carrier_sid: carrier.value(), ..Self::read(fields)? })
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
            voip_carrier_sid: None,
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
