//! The route table: the only place where a path is written.

use super::service_providers as providers;
use super::table::{Path, path};
use super::{
    accounts, alerts, api_keys, applications, calls, clients, conferences, openapi, participants,
    phone_numbers, predefined_carriers, recent_calls, registered_sip_users, sip_gateways,
    voip_carriers,
};

/// Everything under `/v1`.
pub(super) fn routes() -> Vec<Path> {
    vec![
        path("/openapi.json").get("This description", openapi::document),
        path("/ServiceProviders")
            .get("List service providers", providers::list)
            .post("Make a service provider", providers::create),
        path("/ServiceProviders/{sp}")
            .get("Read a service provider", providers::read)
            .put("Change a service provider", providers::update)
            .delete("Delete a service provider", providers::delete),
        path("/ServiceProviders/{sp}/Accounts")
            .get("List the accounts of a service provider", accounts::list_of_provider),
        path("/ServiceProviders/{sp}/ApiKeys")
            .get("List the API keys of a service provider", api_keys::list_of_provider),
        path("/ServiceProviders/{sp}/Applications")
            .get("List the applications of a service provider", applications::list_of_provider),
        path("/ServiceProviders/{sp}/PhoneNumbers")
            .get("List the phone numbers of a service provider", phone_numbers::list_of_provider),
        path("/ServiceProviders/{sp}/VoipCarriers")
            .get("List the carriers of a service provider", voip_carriers::list_of_provider)
            .post("Make a carrier", voip_carriers::create_in_provider),
        path("/ServiceProviders/{sp}/VoipCarriers/{sid}")
            .put("Change a carrier", voip_carriers::update_in_provider),
        path("/ServiceProviders/{sp}/PredefinedCarriers/{p}")
            .post("Make a carrier from a template", predefined_carriers::copy_to_provider),
        path("/ServiceProviders/{sp}/RecentCalls")
            .get("List the ended calls of a service provider", recent_calls::list_of_provider),
        path("/ServiceProviders/{sp}/Alerts")
            .get("List the alerts of a service provider", alerts::list_of_provider),
        path("/Accounts")
            .get("List accounts", accounts::list)
            .post("Make an account", accounts::create),
        path("/Accounts/{a}")
            .get("Read an account", accounts::read)
            .put("Change an account", accounts::update)
            .delete("Delete an account", accounts::delete),
        path("/Accounts/{a}/ApiKeys")
            .get("List the API keys of an account", api_keys::list_of_account),
        path("/Accounts/{a}/Applications")
            .get("List the applications of an account", applications::list_of_account)
            .post("Make an application", applications::create_in_account),
        path("/Accounts/{a}/Applications/{sid}")
            .get("Read an application", applications::read_in_account)
            .put("Change an application", applications::update_in_account)
            .delete("Delete an application", applications::delete_in_account),
        path("/Accounts/{a}/CallCount").get("How many calls are live", calls::count),
        path("/Accounts/{a}/Calls")
            .get("List calls", calls::list)
            .post("Place a call", calls::create),
        path("/Accounts/{a}/Calls/count").get("How many calls are live", calls::count),
        path("/Accounts/{a}/Calls/{call_sid}")
            .get("Read a call", calls::read)
            .put("Control a live call", calls::update)
            .post("Control a live call", calls::update)
            .delete("End a call", calls::delete),
        path("/Accounts/{a}/Conferences").get("List conferences", conferences::list),
        path("/Accounts/{a}/Conferences/{conference}")
            .get("Read a conference", conferences::read)
            .delete("End a conference", conferences::delete),
        path("/Accounts/{a}/Conferences/{conference}/Participants")
            .get("List participants", participants::list),
        path("/Accounts/{a}/Conferences/{conference}/Participants/{call_sid}")
            .get("Read a participant", participants::read)
            .put("Change a participant", participants::update)
            .delete("Remove a participant", participants::delete),
        path("/Accounts/{a}/RegisteredSipUsers")
            .get("List registered users", registered_sip_users::list)
            .post("Where users are registered", registered_sip_users::details),
        path("/Accounts/{a}/RegisteredSipUsers/{user}")
            .get("Where a user is registered", registered_sip_users::read),
        path("/Accounts/{a}/RecentCalls")
            .get("List the ended calls of an account", recent_calls::list_of_account),
        path("/Accounts/{a}/Alerts").get("List the alerts of an account", alerts::list_of_account),
        path("/Accounts/{a}/VoipCarriers")
            .get("List the carriers of an account", voip_carriers::list_of_account)
            .post("Make a carrier", voip_carriers::create_in_account),
        path("/Accounts/{a}/VoipCarriers/{sid}")
            .put("Change a carrier", voip_carriers::update_in_account),
        path("/Accounts/{a}/PredefinedCarriers/{p}")
            .post("Make a carrier from a template", predefined_carriers::copy_to_account),
        path("/Accounts/{a}/WebhookSecret")
            .get("The secret that signs webhooks", accounts::webhook_secret),
        path("/ApiKeys").post("Make an API key", api_keys::create),
        path("/ApiKeys/{sid}").delete("Delete an API key", api_keys::delete),
        path("/Applications")
            .get("List applications", applications::list)
            .post("Make an application", applications::create),
        path("/Applications/{sid}")
            .get("Read an application", applications::read)
            .put("Change an application", applications::update)
            .delete("Delete an application", applications::delete),
        path("/PhoneNumbers")
            .get("List phone numbers", phone_numbers::list)
            .post("Make a phone number", phone_numbers::create),
        path("/PhoneNumbers/{sid}")
            .get("Read a phone number", phone_numbers::read)
            .put("Change a phone number", phone_numbers::update)
            .delete("Delete a phone number", phone_numbers::delete),
        path("/VoipCarriers")
            .get("List carriers", voip_carriers::list)
            .post("Make a carrier", voip_carriers::create),
        path("/VoipCarriers/{sid}")
            .get("Read a carrier", voip_carriers::read)
            .put("Change a carrier", voip_carriers::update)
            .delete("Delete a carrier", voip_carriers::delete),
        path("/SipGateways")
            .get("List gateways", sip_gateways::list)
            .post("Make a gateway", sip_gateways::create),
        path("/SipGateways/{sid}")
            .get("Read a gateway", sip_gateways::read)
            .put("Change a gateway", sip_gateways::update)
            .delete("Delete a gateway", sip_gateways::delete),
        path("/SmppGateways").get("SMPP gateways: none", sip_gateways::list_of_smpp),
        path("/PredefinedCarriers").get("List carrier templates", predefined_carriers::list),
        path("/Clients")
            .get("List SIP users", clients::list)
            .post("Make a SIP user", clients::create),
        path("/Clients/{sid}")
            .get("Read a SIP user", clients::read)
            .put("Change a SIP user", clients::update)
            .delete("Delete a SIP user", clients::delete),
    ]
}
