//! The audio of a call to a WebSocket, from a media thread, with real sockets and no SIP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::support::heard::median_level_db;
use ::support::wait;
use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use trunkline::bridge;
use trunkline::bridge::message::Enter;
use trunkline::hook::{HookClient, HookConfig};
use trunkline::listen::Listener;
use trunkline::model::AddressPolicy;
use trunkline::participant::message::Tap;
use trunkline::verb::{Listen, MixType, RunId};
use url::Url;

use crate::media_house::{House, LEVEL_DB, Member, SOON, settings, wait_until_all_hear_all};

/// What came over the socket.
#[derive(Default)]
struct Came {
    setup: Value,
    said: Vec<i16>,
    heard: Vec<i16>,
    closed: Option<u16>,
}

/// A server that takes one socket, and keeps what comes.
async fn server() -> (Url, Arc<Mutex<Came>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("ws://{}/", listener.local_addr().unwrap())).unwrap();
    let came = Arc::<Mutex<Came>>::default();
    let keeper = came.clone();
    // A thread of its own: the test's is busy listening.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = listener.into_std().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                let mut came = keeper.lock().unwrap();
                match message {
                    message if message.is_text() => {
                        came.setup = serde_json::from_str(message.to_text().unwrap()).unwrap();
                    }
                    tokio_tungstenite::tungstenite::Message::Close(frame) => {
                        came.closed = frame.map(|frame| frame.code.into());
                    }
                    message => {
                        for four in message.into_data().chunks_exact(4) {
                            came.said.push(i16::from_le_bytes([four[0], four[1]]));
                            came.heard.push(i16::from_le_bytes([four[2], four[3]]));
                        }
                    }
                }
            }
        });
    });
    (url, came)
}

fn enter(member: &Member) -> Enter {
    Enter {
        call: member.call,
        participant: member.participant.clone(),
        media: member.guest.clone().recipient(),
        told: member.guest.clone().recipient(),
        run: RunId(1),
    }
}

#[actix_web::test]
async fn a_call_that_is_streamed_is_heard_at_the_other_end_wherever_it_goes() {
    let house = House::new().await;
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    let (url, came) = server().await;
    let addresses = AddressPolicy::loopback();
    let hooks = HookClient::new(&HookConfig { addresses, ..HookConfig::default() }).unwrap();
    let threads = actix::Arbiter::new();
    let listener = Listener::new(hooks, threads.handle());
    let listen = Listen {
        url: url.to_string(),
        mix: MixType::Stereo,
        sample_rate: 8_000,
        metadata: None,
        auth: None,
        pass_dtmf: false,
        is_of_callee: false,
    };
    let (streaming, tap) = listener.open(url, &listen, Map::new(), |_| {});
    a.participant.do_send(Tap::new(tap));
    wait::expect("audio of the call alone", SOON, || {
        let came = came.lock().unwrap();
        came.said.len() > 4_000 && median_level_db(&came.said, 450.0) > LEVEL_DB - 3.0
    });
    assert_eq!(came.lock().unwrap().setup["type"], "setup");
    assert!(median_level_db(&came.lock().unwrap().heard, 800.0) < LEVEL_DB - 30.0);
    let bridge = bridge::open(&house.plane, settings()).unwrap();
    for member in [&a, &b] {
        bridge.do_send(enter(member));
    }
    wait_until_all_hear_all(&[&a, &b]);
    let begun = came.lock().unwrap().heard.len();
    wait::expect("audio of the bridge", SOON, || {
        let came = came.lock().unwrap();
        let heard = &came.heard[begun..];
        heard.len() > 4_000
            && median_level_db(heard, 800.0) > LEVEL_DB - 3.0
            && median_level_db(&came.said[begun..], 450.0) > LEVEL_DB - 3.0
    });
    drop(streaming);
    wait::expect("the end", SOON, || came.lock().unwrap().closed == Some(1000));
    let _ = a.rtp.listen(Duration::from_millis(100));
    assert!(a.hears(&b), "the call goes on");
    threads.stop();
}
