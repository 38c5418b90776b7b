//! Session timers, both roles (RFC 4028): what is asked for, what is agreed, the refresh, the end.

use std::time::{Duration, Instant};

use super::config::Config;
use super::draft::Draft;
use super::event::EndCause;
use super::order::{Body, Reply};
use super::sent::Outcome;
use super::{Endpoint, closing};
use crate::dialog::{DialogId, Session, SessionTimer, Stage};
use crate::message::{Method, Refresher, Request, Response, SessionExpires, parse_min_se};

/// What a request of ours says of session timers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) expires: SessionExpires,
    /// Min-SE, if it is more than the RFC's own.
    pub(crate) min_se: Option<u32>,
    /// How often a 422 raised the interval.
    pub(crate) raised: u8,
}

/// What a 2xx of ours agrees to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Agreed {
    seconds: u32,
    refresher: Refresher,
    /// Whether the peer has to understand it: it refreshes.
    is_required: bool,
}

impl Endpoint {
    /// §7.1, §7.4: the fields of an INVITE or UPDATE in this session.
    pub(super) fn timing(&self, session: &Session) -> Option<Timing> {
        let min = seconds(self.config.min_se).max(session.min_se);
        let expires = match (&session.timer, self.config.session_expires) {
            (Some(timer), _) => SessionExpires {
                seconds: seconds(timer.interval).max(min),
                refresher: Some(if timer.is_ours { Refresher::Uac } else { Refresher::Uas }),
            },
            (None, Some(own)) if session.stage == Stage::Early => {
                SessionExpires { seconds: seconds(own).max(min), refresher: None }
            }
            _ => return None,
        };
        Some(Timing { expires, min_se: (min > MIN_SE).then_some(min), raised: 0 })
    }

    /// §9: a session that is to expire too soon is refused, if its sender can ask again.
    pub(super) fn refuse_brief(&self, request: &Request) -> Option<Reply> {
        if !matches!(request.method(), Method::Invite | Method::Update) {
            return None;
        }
        let value = request.header("Session-Expires")?;
        let Ok(asked) = value.parse::<SessionExpires>() else {
            return Some(Reply::new(400).with_reason("Bad Request: malformed Session-Expires"));
        };
        let min = seconds(self.config.min_se);
        let is_brief = asked.seconds < min && request.lists("Supported", "timer");
        is_brief.then(|| Reply::new(422).with_header("Min-SE", min.to_string()))
    }

    /// §9: a 2xx of ours to an INVITE or UPDATE: the timer starts again, and the reply says how.
    pub(super) fn agree_timer(
        &mut self,
        now: Instant,
        dialog: DialogId,
        request: &Request,
        reply: &mut Reply,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        if session.is_early_caller() {
            return;
        }
        if let Some(asked) = request.header("Min-SE").and_then(parse_min_se) {
            session.min_se = session.min_se.max(asked.min(MAX_SECONDS));
        }
        let agreed = agree(&self.config, session.timer.as_ref(), request)
            .filter(|agreed| agreed.is_required || session.can_refresh());
        session.timer = agreed.map(|agreed| {
            let is_ours = agreed.refresher == Refresher::Uas;
            SessionTimer::start(now, Duration::from_secs(agreed.seconds.into()), is_ours)
        });
        if let Some(Agreed { seconds, refresher, is_required }) = agreed {
            let value = SessionExpires { seconds, refresher: Some(refresher) }.to_string();
            reply.headers.push(("Session-Expires".to_owned(), value));
            if is_required {
                reply.headers.push(("Require".to_owned(), "timer".to_owned()));
            }
        }
    }

    /// §7.2: a 2xx of the peer's to our INVITE or UPDATE. Without Session-Expires the session has no
    /// end, unless we refresh it for a peer that knows no timers.
    pub(super) fn start_timer(&mut self, now: Instant, dialog: DialogId, response: &Response) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        if session.is_early_caller() {
            return;
        }
        let value = response.header("Session-Expires").and_then(|value| value.parse().ok());
        session.timer = match (value, session.timer) {
            (Some(SessionExpires { seconds, refresher }), _) => {
                let seconds = seconds.clamp(LEAST_SECONDS, MAX_SECONDS);
                let is_ours = refresher != Some(Refresher::Uas);
                Some(SessionTimer::start(now, Duration::from_secs(seconds.into()), is_ours))
            }
            (None, Some(SessionTimer { is_ours: true, interval, .. })) => {
                Some(SessionTimer::start(now, interval, true))
            }
            (None, _) => None,
        };
        self.rewake_dialog(dialog);
    }

    /// §7.3: a 422 names the least interval. False if asking again is of no use.
    pub(super) fn raise_interval(
        &mut self,
        dialog: DialogId,
        draft: &mut Draft,
        response: &Response,
    ) -> bool {
        let Some(timing) = &mut draft.timing else { return false };
        let least = response.header("Min-SE").and_then(parse_min_se);
        let Some(least) =
            least.filter(|least| (timing.expires.seconds + 1..=MAX_SECONDS).contains(least))
        else {
            return false;
        };
        if timing.raised >= MAX_RAISED {
            return false;
        }
        timing.raised += 1;
        timing.expires.seconds = least;
        timing.min_se = Some(least);
        if let Some(session) = self.sessions.get_mut(&dialog) {
            session.min_se = session.min_se.max(least);
        }
        true
    }

    /// Our refresh is due: an UPDATE without offer if the peer takes it, else a re-INVITE with the
    /// description as it was.
    pub(super) fn refresh_session(&mut self, now: Instant, dialog: DialogId) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let local = session.exchange.local.clone();
        let by_update = session.takes_update || local.is_none();
        let is_busy = session.incoming.is_some() || session.retry.is_some();
        let sent = if is_busy {
            false
        } else if by_update {
            self.send_update(now, dialog, Vec::new(), None, true).is_ok()
        } else {
            let sent = self.reinvite(now, dialog, Vec::new(), local.map(Body::sdp)).is_ok();
            let session = self.sessions.get_mut(&dialog);
            if let Some(outgoing) = session.and_then(|s| s.outgoing.as_mut()).filter(|_| sent) {
                outgoing.is_refresh = true;
            }
            sent
        };
        let at = (!sent).then(|| now + BUSY_WAIT);
        if let Some(timer) = self.sessions.get_mut(&dialog).and_then(|s| s.timer.as_mut()) {
            timer.refresh_at = at;
        }
        self.rewake_dialog(dialog);
    }

    /// A refresh of ours failed. If the peer is there it is tried again until the end; a path that is
    /// gone may come back until then.
    pub(super) fn on_refresh_failed(
        &mut self,
        now: Instant,
        dialog: DialogId,
        method: &Method,
        outcome: &Outcome,
    ) {
        let Outcome { status, response, .. } = outcome;
        let (status, is_local) = (*status, response.is_none());
        let wait = match status {
            491 => self.glare_wait(dialog),
            _ => FAILED_WAIT,
        };
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let is_update = *method == Method::Update;
        let knows_better = is_update && session.exchange.local.is_some();
        let is_foreign = !matches!(status, 408 | 481 | 491 | 500..);
        let wait = if knows_better && is_foreign {
            // its Allow promised too much
            session.takes_update = false;
            Duration::ZERO
        } else {
            wait
        };
        if let Some(timer) = session.timer.as_mut().filter(|timer| timer.is_ours) {
            timer.refresh_at = Some(now + wait);
        }
        if !(is_local && status == 503) {
            self.on_peer_gone(now, dialog, status, is_local);
        }
        self.rewake_dialog(dialog);
    }

    /// §10: nobody refreshed the session in time.
    pub(super) fn on_session_expired(&mut self, now: Instant, dialog: DialogId) {
        self.tell_end(dialog, EndCause::SessionExpired);
        self.send_bye(now, dialog, vec![closing::reason(408, "Session expired")]);
    }
}

/// §9, table 2: who refreshes how often. `None` if the session has no end.
fn agree(config: &Config, current: Option<&SessionTimer>, request: &Request) -> Option<Agreed> {
    let can = request.lists("Supported", "timer") || request.lists("Require", "timer");
    let asked: Option<SessionExpires> =
        request.header("Session-Expires").and_then(|value| value.parse().ok());
    let min_se = request.header("Min-SE").and_then(parse_min_se).unwrap_or_default();
    let own =
        config.session_expires.map(|own| seconds(own).max(seconds(config.min_se)).max(min_se));
    // an interval may be shortened on the way, never made longer
    let seconds = match (asked, own) {
        (Some(asked), Some(own)) => asked.seconds.min(own),
        (Some(asked), None) => asked.seconds,
        (None, own) => own?,
    };
    let refresher = match asked.and_then(|asked| asked.refresher) {
        _ if !can => Refresher::Uas,
        Some(refresher) => refresher,
        None if current.is_some_and(|timer| timer.is_ours) => Refresher::Uas,
        None => Refresher::Uac,
    };
    let seconds = seconds.clamp(LEAST_SECONDS, MAX_SECONDS);
    Some(Agreed { seconds, refresher, is_required: can && refresher == Refresher::Uac })
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(MAX_SECONDS).min(MAX_SECONDS)
}

/// §5: the least interval if nobody says otherwise, in seconds.
const MIN_SE: u32 = 90;
/// The shortest interval that is kept, in seconds: one a proxy wrote for a caller without timers.
const LEAST_SECONDS: u32 = 10;
/// The longest, in seconds: a year.
const MAX_SECONDS: u32 = 31_536_000;
/// How often an interval is raised for one request.
const MAX_RAISED: u8 = 3;
/// When a refresh is tried that found the dialog busy.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// When a refresh is tried again that was refused.
const FAILED_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::epoch;

    /// What is agreed when an INVITE with these fields is answered: `seconds;refresher`, and whether
    /// the 2xx requires timers.
    fn agreed(own: Option<u64>, current: Option<bool>, fields: &str) -> Option<(String, bool)> {
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=f\r\n\
             To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{fields}\r\n\r\n"
        );
        let mut config = Config::at("192.0.2.1:5060".parse().unwrap());
        config.session_expires = own.map(Duration::from_secs);
        let current =
            current.map(|ours| SessionTimer::start(epoch(), Duration::from_secs(90), ours));
        let request = Request::parse(text.as_bytes()).unwrap();
        agree(&config, current.as_ref(), &request).map(
            |Agreed { seconds, refresher, is_required }| {
                (SessionExpires { seconds, refresher: Some(refresher) }.to_string(), is_required)
            },
        )
    }

    #[test]
    fn rfc_4028_9_the_answer_follows_table_2() {
        let (none, some) = (None, Some(1_800));
        for (own, current, fields, expected) in [
            (none, None, "X: y", None),
            (none, None, "Supported: timer", None),
            (some, None, "X: y", Some(("1800;refresher=uas", false))),
            (some, None, "Supported: timer", Some(("1800;refresher=uac", true))),
            (none, None, "Session-Expires: 300", Some(("300;refresher=uas", false))),
            (none, None, "k: timer\r\nx: 300", Some(("300;refresher=uac", true))),
            (none, None, "k: timer\r\nx: 300;refresher=uac", Some(("300;refresher=uac", true))),
            (none, None, "k: timer\r\nx: 300;refresher=uas", Some(("300;refresher=uas", false))),
            (none, Some(true), "k: timer\r\nx: 300", Some(("300;refresher=uas", false))),
            (none, Some(false), "k: timer\r\nx: 300", Some(("300;refresher=uac", true))),
            (some, None, "k: timer\r\nx: 300", Some(("300;refresher=uac", true))),
            (some, None, "k: timer\r\nx: 3600", Some(("1800;refresher=uac", true))),
            (some, None, "k: timer\r\nx: 3600\r\nMin-SE: 2000", Some(("2000;refresher=uac", true))),
            (some, None, "Require: timer\r\nx: 600", Some(("600;refresher=uac", true))),
            // a proxy wrote it for a caller that knows no timers
            (some, None, "x: 1", Some(("10;refresher=uas", false))),
        ] {
            let expected = expected.map(|(value, required)| (value.to_owned(), required));
            assert_eq!(agreed(own, current, fields), expected, "{own:?} {current:?} {fields:?}");
        }
    }
}
