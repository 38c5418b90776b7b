-- What the administrator notes about the installation as a whole.

-- SIP addresses beside those this server listens on. Without service provider they serve everybody.
CREATE TABLE sbc_addresses (
    sbc_address_sid      TEXT PRIMARY KEY,
    ipv4                 TEXT NOT NULL,
    port                 BIGINT,
    tls_port             BIGINT,
    wss_port             BIGINT,
    service_provider_sid TEXT REFERENCES service_providers (service_provider_sid) ON DELETE CASCADE,
    last_updated         BIGINT NOT NULL
);

-- One row at most.
CREATE TABLE system_information (
    id                     SMALLINT PRIMARY KEY,
    domain_name            TEXT,
    sip_domain_name        TEXT,
    monitoring_domain_name TEXT,
    private_network_cidr   TEXT,
    log_level              TEXT
);
