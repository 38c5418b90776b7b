//! Carriers and gateways for the tests of this folder, from what REST would be sent.

use serde_json::{Value, json};

use crate::model::{Fields, SipGatewayInput, Trunk, VoipCarrierInput, VoipCarrierSid};

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(map) => Fields::new(map),
        other => panic!("no object: {other}"),
    }
}

/// `carrier` needs a name and an owner; a gateway an address.
pub(super) fn trunk(carrier: Value, gateways: &[Value]) -> Trunk {
    let carrier = VoipCarrierInput::create(fields(carrier)).unwrap().into_record().unwrap();
    let gateway = |body: &Value| {
        let mut body = body.clone();
        body["voip_carrier_sid"] = json!(VoipCarrierSid::random());
        SipGatewayInput::create(fields(body)).unwrap().into_record(carrier.sid).unwrap()
    };
    let gateways = gateways.iter().map(gateway).collect();
    Trunk { carrier, gateways, is_closed: false }
}
