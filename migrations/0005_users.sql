-- People who log in at the portal, and what they may do. password_hash is an argon2id string in PHC form.
-- Of an account: account_sid; of a service provider: the other; of neither: an administrator.
CREATE TABLE users (
    user_sid             TEXT PRIMARY KEY,
    name                 TEXT NOT NULL,
    email                TEXT NOT NULL,
    password_hash        TEXT NOT NULL,
    account_sid          TEXT REFERENCES accounts (account_sid) ON DELETE CASCADE,
    service_provider_sid TEXT REFERENCES service_providers (service_provider_sid),
    is_active            SMALLINT NOT NULL,
    force_change         SMALLINT NOT NULL,
    is_view_only         SMALLINT NOT NULL,
    created_at           BIGINT NOT NULL
);
CREATE INDEX users_by_account ON users (account_sid);
CREATE INDEX users_by_provider ON users (service_provider_sid);

-- What a user may type to log in: the name and the email, in lower case. One table for both, so that
-- nobody is called by another's email.
CREATE TABLE user_logins (
    login    TEXT PRIMARY KEY,
    user_sid TEXT NOT NULL REFERENCES users (user_sid) ON DELETE CASCADE
);
CREATE INDEX user_logins_by_user ON user_logins (user_sid);

-- Logged in: SHA-256 of the token in hex. A token whose row is gone is worth nothing.
CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    user_sid   TEXT NOT NULL REFERENCES users (user_sid) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_sid);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- One row once the administrator has set them.
CREATE TABLE password_settings (
    only_row                  SMALLINT PRIMARY KEY,
    min_password_length       BIGINT NOT NULL,
    require_digit             SMALLINT NOT NULL,
    require_special_character SMALLINT NOT NULL
);
