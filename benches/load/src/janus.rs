//! Joining an AudioBridge room of Janus by its HTTP API, as plain RTP participants.
//!
//! One session for all: Janus tells every participant of every newcomer, and what is not fetched
//! would be counted as its memory.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use support::Rest;

use crate::codec::{Codec, LEVEL_ID};

const JOIN_LIMIT: Duration = Duration::from_secs(10);
/// Bits per second asked of its Opus encoders, as of everybody's.
const OPUS_BITRATE: u32 = 24_000;

pub(crate) struct Janus {
    rest: Rest,
    /// Path of the session.
    session: String,
    room: u64,
}

impl Janus {
    /// # Errors
    /// When nothing answers at `url` as Janus does.
    pub(crate) fn open(url: &str, room: u64) -> Result<Self> {
        let mut janus = Self { rest: Rest::new(url, ""), session: String::new(), room };
        let answer = janus.ask(json!({ "janus": "create" }))?;
        janus.session = format!("/{}", id_of(&answer)?);
        Ok(janus)
    }

    /// Joins with an own handle; gives the address that takes this participant's packets.
    ///
    /// # Errors
    /// When Janus refuses or does not answer.
    pub(crate) fn join(
        &self,
        number: usize,
        codec: Codec,
        local: SocketAddr,
        levels: bool,
    ) -> Result<SocketAddr> {
        let attach = json!({ "janus": "attach", "plugin": "janus.plugin.audiobridge" });
        let handle = id_of(&self.ask(attach)?)?;
        let mut rtp = json!({
            "ip": local.ip(),
            "port": local.port(),
            "payload_type": codec.payload_type(),
            "fec": false,
        });
        if levels {
            rtp["audiolevel_ext"] = LEVEL_ID.into();
        }
        let mut body = json!({
            "request": "join",
            "room": self.room,
            "display": number.to_string(),
            "codec": codec.name(),
            "rtp": rtp,
        });
        if codec == Codec::Opus {
            body["bitrate"] = OPUS_BITRATE.into();
        }
        let transaction = format!("join-{number}");
        let message = json!({ "janus": "message", "transaction": transaction, "body": body });
        self.post(&format!("{}/{handle}", self.session), &message)?;
        let give_up = Instant::now() + JOIN_LIMIT;
        while Instant::now() < give_up {
            for event in self.events()? {
                if event["transaction"] == transaction.as_str() {
                    return address_of(&event["plugindata"]["data"]);
                }
            }
        }
        bail!("Janus did not say that participant {number} has joined")
    }

    /// Reads what Janus has to tell, so that it need not keep it.
    ///
    /// # Errors
    /// When Janus is gone.
    pub(crate) fn events(&self) -> Result<Vec<Value>> {
        let answer = self.rest.get(&format!("{}?maxev=500", self.session))?;
        Ok(match answer.json {
            Value::Array(events) => events,
            event => vec![event],
        })
    }

    /// Ends the session and with it all participants.
    ///
    /// # Errors
    /// When Janus is gone.
    pub(crate) fn leave(&self) -> Result<()> {
        self.ask(json!({ "janus": "destroy" })).map(|_| ())
    }

    fn ask(&self, mut message: Value) -> Result<Value> {
        message["transaction"] = "ask".into();
        self.post(&self.session, &message)
    }

    fn post(&self, path: &str, message: &Value) -> Result<Value> {
        let answer = self.rest.post(path, message)?.json;
        ensure!(answer["janus"] != "error", "Janus: {}", answer["error"]["reason"]);
        Ok(answer)
    }
}

fn id_of(answer: &Value) -> Result<u64> {
    answer["data"]["id"].as_u64().with_context(|| format!("no id in {answer}"))
}

fn address_of(joined: &Value) -> Result<SocketAddr> {
    let rtp = &joined["rtp"];
    let ip = rtp["ip"].as_str().and_then(|ip| ip.parse::<IpAddr>().ok());
    let port = rtp["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    let Some((ip, port)) = ip.zip(port) else { bail!("Janus refused: {joined}") };
    ensure!(ip.is_loopback(), "{ip} is not on the loopback interface: refused");
    Ok((ip, port).into())
}
