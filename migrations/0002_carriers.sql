-- Carriers and their gateways, and what a client's calls are protected with.
-- position is the order of creation, which two rows of one millisecond would lose.

-- A carrier without account is shared by the accounts of its service provider. All four passwords
-- must be readable: they are sealed.
CREATE TABLE voip_carriers (
    voip_carrier_sid              TEXT PRIMARY KEY,
    position                      BIGINT NOT NULL,
    name                          TEXT NOT NULL,
    description                   TEXT,
    account_sid                   TEXT REFERENCES accounts (account_sid) ON DELETE CASCADE,
    service_provider_sid          TEXT REFERENCES service_providers (service_provider_sid) ON DELETE CASCADE,
    application_sid               TEXT REFERENCES applications (application_sid),
    trunk_type                    TEXT NOT NULL,
    is_active                     SMALLINT NOT NULL,
    e164_leading_plus             SMALLINT NOT NULL,
    tech_prefix                   TEXT,
    diversion                     TEXT,
    outbound_sip_proxy            TEXT,
    dtmf_type                     TEXT NOT NULL,
    requires_register             SMALLINT NOT NULL,
    register_username             TEXT,
    register_password_sealed      TEXT,
    register_from_user            TEXT,
    register_sip_realm            TEXT,
    register_from_domain          TEXT,
    register_public_ip_in_contact SMALLINT NOT NULL,
    register_use_tls              SMALLINT NOT NULL,
    inbound_auth_username         TEXT,
    inbound_auth_password_sealed  TEXT,
    smpp_system_id                TEXT,
    smpp_password_sealed          TEXT,
    smpp_enquire_link_interval    BIGINT NOT NULL,
    smpp_inbound_system_id        TEXT,
    smpp_inbound_password_sealed  TEXT,
    media_encryption              TEXT,
    digest_algorithm              TEXT,
    created_at                    BIGINT NOT NULL
);
CREATE INDEX voip_carriers_by_account ON voip_carriers (account_sid);
CREATE INDEX voip_carriers_by_provider ON voip_carriers (service_provider_sid);
CREATE INDEX voip_carriers_by_application ON voip_carriers (application_sid);
CREATE INDEX voip_carriers_by_inbound_user ON voip_carriers (inbound_auth_username);

CREATE TABLE sip_gateways (
    sip_gateway_sid   TEXT PRIMARY KEY,
    position          BIGINT NOT NULL,
    voip_carrier_sid  TEXT NOT NULL REFERENCES voip_carriers (voip_carrier_sid) ON DELETE CASCADE,
    ipv4              TEXT NOT NULL,
    port              BIGINT,
    netmask           BIGINT NOT NULL,
    inbound           SMALLINT NOT NULL,
    outbound          SMALLINT NOT NULL,
    is_active         SMALLINT NOT NULL,
    protocol          TEXT NOT NULL,
    send_options_ping SMALLINT NOT NULL,
    use_sips_scheme   SMALLINT NOT NULL,
    pad_crypto        SMALLINT NOT NULL,
    remove_ice        SMALLINT NOT NULL,
    dtls_off          SMALLINT NOT NULL,
    priority          BIGINT NOT NULL,
    created_at        BIGINT NOT NULL
);
CREATE INDEX sip_gateways_by_carrier ON sip_gateways (voip_carrier_sid);

CREATE INDEX phone_numbers_by_carrier ON phone_numbers (voip_carrier_sid);

ALTER TABLE clients ADD COLUMN media_encryption TEXT;
ALTER TABLE clients ADD COLUMN digest_algorithm TEXT;
