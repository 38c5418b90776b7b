//! Records of the provisioned things and the inputs that make them. Deserialising is validating:
//! an input that exists is already correct in shape; what needs the database is the store's to say.

pub mod account;
pub mod alert;
pub mod api_key;
pub mod application;
pub mod bucket;
pub mod call;
pub mod call_record;
pub mod client;
pub mod encryption;
pub mod hook;
pub mod input;
pub mod network;
pub mod number;
pub mod phone_number;
pub mod predefined_carrier;
pub mod registration;
pub mod scope;
pub mod service_provider;
pub mod sid;
pub mod sip_gateway;
pub mod sip_text;
pub mod timestamp;
pub mod voip_carrier;
mod word;

pub use account::{Account, AccountInput, PlanType, RecordFormat};
pub use alert::{Alert, AlertRow, AlertType};
pub use api_key::{ApiKey, ApiKeyInput};
pub use application::{Application, ApplicationInput, Speech};
pub use bucket::BucketCredential;
pub use call::Direction;
pub use call_record::CallRecord;
pub use client::{Client, ClientAuth, ClientInput, DigestAlgorithm, FormerClient, PasswordTrace};
pub use encryption::Encryption;
pub use hook::{Hook, HookInput, HookMethod, Secret, StoredHook};
pub use input::{Fields, Invalid, Patch};
pub use network::Network;
pub use phone_number::{PhoneNumber, PhoneNumberInput};
pub use predefined_carrier::{PREDEFINED_CARRIERS, PredefinedCarrier};
pub use registration::Registration;
pub use scope::Scope;
pub use service_provider::{ServiceProvider, ServiceProviderInput};
pub use sid::*;
pub use sip_gateway::{Protocol, SipGateway, SipGatewayInput};
pub use timestamp::Timestamp;
pub use voip_carrier::{DtmfType, TrunkType, VoipCarrier, VoipCarrierInput};
