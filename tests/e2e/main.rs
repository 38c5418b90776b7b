//! The server from outside: foreign phones, foreign applications, bad weather. One binary.
//!
//! Every scenario starts the built server on ports of its own (see `stage`) and asserts on what is
//! seen and heard outside of it. Needs the Debian packages `baresip-core`, `sip-tester`, `kamailio`,
//! `openssl` and `postgresql`, the npm packages of `tests/e2e/node` and the Python packages of
//! `tests/e2e/python`; `make test` installs them.

mod addresses;
mod application;
mod backup;
mod bad_input;
mod bad_requests;
mod browser;
mod carriers;
mod changes;
mod codecs;
mod conference;
mod conference_entry;
mod conference_members;
mod crash;
mod dial;
mod dial_rows;
mod dial_talk;
mod encryption;
mod every_method;
mod flood;
mod fork;
mod holding;
mod idempotency;
mod in_dialog;
mod isolation;
mod killed;
mod limits;
mod node_app;
mod node_client;
mod openapi;
mod outbound;
mod phone_transfer;
mod phones;
mod phones_at_rest;
mod portal;
mod postgres;
mod proxies;
mod queue_rows;
mod rates;
mod recording;
mod rooms;
mod rooms_rows;
mod scenarios;
mod scripted;
mod secure;
mod signalling;
mod silence;
mod smoke_tester;
mod speech;
mod stage;
mod torture;
mod transfer;
mod transports;
mod trunks;
mod ws_application;
