-- Provisioned objects, call records and alerts. Written for SQLite and PostgreSQL alike:
-- sids are 36-character text, moments are milliseconds since 1970 UTC, booleans are 0 or 1,
-- hooks are JSON text whose password is sealed, columns named *_sealed hold sealed text.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE service_providers (
    service_provider_sid TEXT PRIMARY KEY,
    name                 TEXT NOT NULL UNIQUE,
    description          TEXT,
    root_domain          TEXT UNIQUE,
    ms_teams_fqdn        TEXT,
    registration_hook    TEXT,
    created_at           BIGINT NOT NULL
);

-- The two application references are checked by the store: a foreign key would be circular.
-- digest_realm is set when the first client is stored and never changes: its clients' HA1 name it.
CREATE TABLE accounts (
    account_sid                    TEXT PRIMARY KEY,
    service_provider_sid           TEXT NOT NULL REFERENCES service_providers (service_provider_sid),
    name                           TEXT NOT NULL,
    sip_realm                      TEXT UNIQUE,
    digest_realm                   TEXT,
    registration_hook              TEXT,
    queue_event_hook               TEXT,
    device_calling_application_sid TEXT,
    siprec_hook_sid                TEXT,
    webhook_secret_sealed          TEXT NOT NULL,
    is_active                      SMALLINT NOT NULL,
    disable_cdrs                   SMALLINT NOT NULL,
    record_all_calls               SMALLINT NOT NULL,
    record_format                  TEXT NOT NULL,
    bucket_credential_sealed       TEXT,
    enable_debug_log               SMALLINT NOT NULL,
    plan_type                      TEXT NOT NULL,
    stripe_customer_id             TEXT,
    trial_end_date                 BIGINT,
    deactivated_reason             TEXT,
    device_to_call_ratio           BIGINT NOT NULL,
    created_at                     BIGINT NOT NULL
);
CREATE INDEX accounts_by_provider ON accounts (service_provider_sid);

-- token_hash is SHA-256 in hex. An account key has account_sid, a provider key the other, an admin
-- key neither.
CREATE TABLE api_keys (
    api_key_sid          TEXT PRIMARY KEY,
    token_hash           TEXT NOT NULL UNIQUE,
    prefix               TEXT NOT NULL,
    account_sid          TEXT REFERENCES accounts (account_sid) ON DELETE CASCADE,
    service_provider_sid TEXT REFERENCES service_providers (service_provider_sid) ON DELETE CASCADE,
    is_bootstrap         SMALLINT NOT NULL,
    expires_at           BIGINT,
    last_used            BIGINT,
    created_at           BIGINT NOT NULL
);
CREATE INDEX api_keys_by_account ON api_keys (account_sid);
CREATE INDEX api_keys_by_provider ON api_keys (service_provider_sid);

CREATE TABLE applications (
    application_sid                     TEXT PRIMARY KEY,
    account_sid                         TEXT NOT NULL REFERENCES accounts (account_sid) ON DELETE CASCADE,
    name                                TEXT NOT NULL,
    call_hook                           TEXT NOT NULL,
    call_status_hook                    TEXT,
    messaging_hook                      TEXT,
    app_json                            TEXT,
    speech_synthesis_vendor             TEXT NOT NULL,
    speech_synthesis_language           TEXT NOT NULL,
    speech_synthesis_voice              TEXT,
    speech_synthesis_label              TEXT,
    speech_recognizer_vendor            TEXT NOT NULL,
    speech_recognizer_language          TEXT NOT NULL,
    speech_recognizer_label             TEXT,
    use_for_fallback_speech             SMALLINT NOT NULL,
    fallback_speech_synthesis_vendor    TEXT,
    fallback_speech_synthesis_language  TEXT,
    fallback_speech_synthesis_voice     TEXT,
    fallback_speech_synthesis_label     TEXT,
    fallback_speech_recognizer_vendor   TEXT,
    fallback_speech_recognizer_language TEXT,
    fallback_speech_recognizer_label    TEXT,
    env_vars_sealed                     TEXT,
    record_all_calls                    SMALLINT NOT NULL,
    created_at                          BIGINT NOT NULL,
    UNIQUE (account_sid, name)
);

CREATE TABLE phone_numbers (
    phone_number_sid     TEXT PRIMARY KEY,
    number               TEXT NOT NULL,
    voip_carrier_sid     TEXT,
    account_sid          TEXT REFERENCES accounts (account_sid) ON DELETE CASCADE,
    application_sid      TEXT REFERENCES applications (application_sid),
    service_provider_sid TEXT REFERENCES service_providers (service_provider_sid) ON DELETE SET NULL,
    created_at           BIGINT NOT NULL
);
-- A number without a carrier is one, too: NULL must not make room for a second one.
CREATE UNIQUE INDEX phone_numbers_by_number ON phone_numbers (number, COALESCE(voip_carrier_sid, ''));
CREATE INDEX phone_numbers_by_account ON phone_numbers (account_sid);
CREATE INDEX phone_numbers_by_application ON phone_numbers (application_sid);

-- No password: ha1_* are MD5 and SHA-256 of username:digest_realm:password in hex, password_obscured is
-- its first character and an X for each other one. All three are null for a client without password.
CREATE TABLE clients (
    client_sid                 TEXT PRIMARY KEY,
    account_sid                TEXT NOT NULL REFERENCES accounts (account_sid) ON DELETE CASCADE,
    username                   TEXT NOT NULL,
    ha1_md5                    TEXT,
    ha1_sha256                 TEXT,
    password_obscured          TEXT,
    is_active                  SMALLINT NOT NULL,
    allow_direct_app_calling   SMALLINT NOT NULL,
    allow_direct_queue_calling SMALLINT NOT NULL,
    allow_direct_user_calling  SMALLINT NOT NULL,
    created_at                 BIGINT NOT NULL,
    UNIQUE (account_sid, username)
);

-- Records outlive what they name, so nothing here references another table.
CREATE TABLE calls (
    call_sid             TEXT PRIMARY KEY,
    account_sid          TEXT NOT NULL,
    service_provider_sid TEXT,
    application_sid      TEXT,
    parent_call_sid      TEXT,
    direction            TEXT NOT NULL,
    from_party           TEXT NOT NULL,
    to_party             TEXT NOT NULL,
    caller_name          TEXT,
    trunk                TEXT,
    sip_callid           TEXT NOT NULL,
    sip_parent_callid    TEXT,
    host                 TEXT,
    remote_host          TEXT,
    attempted_at         BIGINT NOT NULL,
    answered_at          BIGINT,
    terminated_at        BIGINT NOT NULL,
    call_status          TEXT NOT NULL,
    sip_status           BIGINT NOT NULL,
    sip_reason           TEXT,
    termination_reason   TEXT,
    call_termination_by  TEXT,
    trace_id             TEXT,
    customer_data        TEXT
);
CREATE INDEX calls_by_account ON calls (account_sid, attempted_at);
CREATE INDEX calls_by_provider ON calls (service_provider_sid, attempted_at);

CREATE TABLE alerts (
    alert_sid            TEXT PRIMARY KEY,
    time                 BIGINT NOT NULL,
    account_sid          TEXT NOT NULL,
    service_provider_sid TEXT,
    alert_type           TEXT NOT NULL,
    message              TEXT NOT NULL,
    detail               TEXT,
    target_sid           TEXT
);
CREATE INDEX alerts_by_account ON alerts (account_sid, time);
CREATE INDEX alerts_by_provider ON alerts (service_provider_sid, time);
