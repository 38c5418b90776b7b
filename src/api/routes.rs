//! The route table: the only place where a path is written.

use super::service_providers as providers;
use super::table::{Path, path};
use super::{
    accounts, alerts, api_keys, app_env, applications, bucket_test, call_traces, calls, clients,
    conferences, limits, login, openapi, participants, password_settings, phone_numbers, portal,
    predefined_carriers, queued_calls, queues, recent_calls, reference, registered_sip_users, sbcs,
    sip_gateways, sip_realms, system_information, users, voip_carriers,
};

/// Everything under `/v1`.
pub(super) fn routes() -> Vec<Path> {
    vec![
        path("/openapi.json").get("This description", openapi::document),
        path("/docs").get("This description for people", reference::page),
        path("/login").post("Log in", login::login),
        path("/logout").post("Log out", login::logout),
        path("/change-password").post("Change the own password", login::change_password),
        path("/Users").get("List users", users::list).post("Make a user", users::create),
        path("/Users/me").get("Who is logged in", users::me),
        path("/Users/{sid}")
            .get("Read a user", users::read)
            .put("Change a user", users::update)
            .delete("Delete a user", users::delete),
        path("/PasswordSettings")
            .get("What new passwords must be", password_settings::read)
            .post("Say what new passwords must be", password_settings::replace),
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
        path("/ServiceProviders/{sp}/RecentCalls/{call_id}")
            .get("The trace of a call: none", call_traces::trace_of_provider),
        path("/ServiceProviders/{sp}/RecentCalls/{call_id}/logs")
            .get("The logs of a call: none", call_traces::logs_of_provider),
        path("/ServiceProviders/{sp}/RecentCalls/{call_id}/{method}/pcap")
            .get("The packets of a call: none", call_traces::pcap_of_provider),
        path("/ServiceProviders/{sp}/RecentCalls/trace/{trace_id}")
            .get("The spans of a call: none", call_traces::jaeger_of_provider),
        path("/ServiceProviders/{sp}/SpeechCredentials")
            .get("Speech credentials: none", portal::speech_credentials_of_provider),
        path("/ServiceProviders/{sp}/SpeechCredentials/speech/supportedLanguagesAndVoices")
            .get("What a vendor of speech offers: nothing", portal::voices_of_provider),
        path("/ServiceProviders/{sp}/Alerts")
            .get("List the alerts of a service provider", alerts::list_of_provider),
        path("/ServiceProviders/{sp}/Limits")
            .get("List the limits of a service provider", limits::list_of_provider)
            .post("Set a limit of a service provider", limits::set_of_provider)
            .delete("Take limits of a service provider away", limits::delete_of_provider),
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
        path("/Accounts/{a}/BucketCredentialTest")
            .post("Try out the credentials of a bucket", bucket_test::test),
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
        path("/Accounts/{a}/Conferences")
            .get("List conferences", conferences::list)
            .post("Lay down a conference", conferences::create),
        path("/Accounts/{a}/Conferences/{conference}")
            .get("Read a conference", conferences::read)
            .put("Change or control a conference", conferences::update)
            .delete("End a conference", conferences::delete),
        path("/Accounts/{a}/Conferences/{conference}/Participants")
            .get("List participants", participants::list)
            .post("Add a participant", participants::create),
        path("/Accounts/{a}/Conferences/{conference}/Participants/{call_sid}")
            .get("Read a participant", participants::read)
            .put("Change a participant", participants::update)
            .delete("Remove a participant", participants::delete),
        path("/Accounts/{a}/Queues")
            .get("List queues", queues::list)
            .post("Lay down a queue", queues::create),
        path("/Accounts/{a}/Queues/{queue}")
            .get("Read a queue", queues::read)
            .put("Change a queue", queues::update)
            .delete("Delete a queue", queues::delete),
        path("/Accounts/{a}/Queues/{queue}/Calls")
            .get("List queued calls", queued_calls::list)
            .post("Have a call wait in a queue", queued_calls::create),
        path("/Accounts/{a}/Queues/{queue}/Calls/{queued_call}")
            .get("Read a queued call", queued_calls::read)
            .put("Change what becomes of a queued call", queued_calls::update)
            .delete("Take a call out of a queue", queued_calls::delete),
        path("/Accounts/{a}/RegisteredSipUsers")
            .get("List registered users", registered_sip_users::list)
            .post("Where users are registered", registered_sip_users::details),
        path("/Accounts/{a}/RegisteredSipUsers/{user}")
            .get("Where a user is registered", registered_sip_users::read),
        path("/Accounts/{a}/RecentCalls")
            .get("List the ended calls of an account", recent_calls::list_of_account),
        path("/Accounts/{a}/Limits")
            .get("List the limits of an account", limits::list_of_account)
            .post("Set a limit of an account", limits::set_of_account)
            .delete("Take limits of an account away", limits::delete_of_account),
        path("/Accounts/{a}/RecentCalls/{call_id}")
            .get("The trace of a call: none", call_traces::trace_of_account),
        path("/Accounts/{a}/RecentCalls/{call_id}/logs")
            .get("The logs of a call: none", call_traces::logs_of_account),
        path("/Accounts/{a}/RecentCalls/{call_id}/{method}/pcap")
            .get("The packets of a call: none", call_traces::pcap_of_account),
        path("/Accounts/{a}/RecentCalls/trace/{trace_id}")
            .get("The spans of a call: none", call_traces::jaeger_of_account),
        path("/Accounts/{a}/RecentCalls/{call_id}/record/{yyyy}/{mm}/{dd}/{format}")
            .get("The recording of a call: none", call_traces::read_record)
            .delete("Delete the recording of a call: none", call_traces::delete_record),
        path("/Accounts/{a}/SpeechCredentials")
            .get("Speech credentials: none", portal::speech_credentials_of_account),
        path("/Accounts/{a}/SpeechCredentials/speech/supportedLanguagesAndVoices")
            .get("What a vendor of speech offers: nothing", portal::voices_of_account),
        path("/Accounts/{a}/TtsCache")
            .get("The size of the cache of speech", portal::tts_cache_of_account)
            .delete("Empty the cache of speech", portal::empty_tts_cache_of_account),
        path("/Accounts/{a}/Messages")
            .post("Send a text message: not possible here", portal::send_message),
        path("/Accounts/{a}/SipRealms/{realm}").post("Set the SIP realm", sip_realms::set),
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
        path("/AppEnv").get("Which settings an application takes", app_env::read),
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
        path("/Smpps").get("SMPP addresses: none", portal::smpps),
        path("/Sbcs")
            .get("List the addresses SIP is spoken at", sbcs::list)
            .post("Add an address", sbcs::create),
        path("/Sbcs/{sid}").delete("Delete an address", sbcs::delete),
        path("/Availability").get("Is a value still free?", sip_realms::availability),
        path("/SystemInformation")
            .get("Read the notes about the installation", system_information::read)
            .post("Change the notes about the installation", system_information::update),
        path("/Lcrs").get("Routes by cost: none", portal::lcrs),
        path("/TtsCache")
            .get("The size of the cache of speech", portal::tts_cache)
            .delete("Empty the cache of speech", portal::empty_tts_cache),
        path("/GoogleCustomVoices").get("Custom voices: none", portal::google_custom_voices),
        path("/MicrosoftTeamsTenants").get("Teams tenants: none", portal::teams_tenants),
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
