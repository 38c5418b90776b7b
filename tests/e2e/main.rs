//! The server from outside: foreign phones, foreign applications, bad weather. One binary.
//!
//! Every scenario starts the built server on ports of its own (see `stage`) and asserts on what is
//! seen and heard outside of it. Needs the Debian packages `baresip-core`, `sip-tester`, `kamailio` and
//! `openssl`, and the npm packages of `tests/e2e/node`; `make test` installs them.

mod application;
mod backup;
mod bad_input;
mod bad_requests;
mod carriers;
mod changes;
mod codecs;
mod conference;
mod crash;
mod encryption;
mod flood;
mod fork;
mod holding;
mod in_dialog;
mod killed;
mod node_client;
mod outbound;
mod phone_transfer;
mod phones;
mod proxies;
mod rates;
mod scenarios;
mod secure;
mod signalling;
mod silence;
mod stage;
mod torture;
mod transfer;
mod transports;
mod trunks;
