//! Where a hook really goes: relative URLs, and whose credentials travel with the request
//! (contract verbs.md §1.2, D-2).

use std::fmt;

use url::Url;

use super::HookError;
use crate::model::{Hook, HookMethod, Secret};

/// User name and password for Basic authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

/// A hook that can be asked as it is. `Debug` shows the URL without its query, which may hold a
/// token.
#[derive(Clone, PartialEq, Eq)]
pub struct ResolvedHook {
    /// Without user name and password; the fragment holds retry parameters.
    pub url: Url,
    pub method: HookMethod,
    pub auth: Option<Login>,
    pub via: Via,
}

/// How a hook is asked.
#[derive(Clone, PartialEq, Eq)]
pub enum Via {
    /// `http` or `https`.
    Http,
    /// Over the session's socket, which the URL names; here the hook as the application wrote it.
    Session(Box<str>),
    /// Over another socket: `ws` or `wss`.
    Socket,
}

impl fmt::Debug for ResolvedHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedHook")
            .field("url", &shown(&self.url))
            .field("method", &self.method)
            .field("auth", &self.auth)
            .field("via", &self.via)
            .finish()
    }
}

/// A hook's text may hold a token.
impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "Http",
            Self::Session(_) => "Session",
            Self::Socket => "Socket",
        })
    }
}

impl ResolvedHook {
    /// For a hook that is told one event after the other: by HTTP, or over the session's socket.
    ///
    /// # Errors
    /// [`HookError::WebSocket`] for any other socket.
    pub fn for_events(self) -> Result<Self, HookError> {
        match self.via {
            Via::Http | Via::Session(_) => Ok(self),
            Via::Socket => Err(HookError::WebSocket { url: shown(&self.url) }),
        }
    }

    /// The URL as alerts and logs show it: without what may hold a secret.
    pub fn shown(&self) -> String {
        shown(&self.url)
    }

    /// The hook as the messages of the session's socket name it.
    pub fn session_hook(&self) -> Option<&str> {
        match &self.via {
            Via::Session(hook) => Some(hook),
            Via::Http | Via::Socket => None,
        }
    }
}

/// What relative URLs of a session refer to, and the session's credentials: an origin, or the socket
/// of a WebSocket application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// Of HTTP the origin alone, of a socket all of it.
    url: Option<Url>,
    auth: Option<Login>,
}

impl Base {
    /// The base of a session that `hook` opens; a hook that cannot be used gives an empty base.
    pub fn of(hook: &Hook) -> Self {
        match Self::default().resolve(hook) {
            Ok(resolved) => Self::from_resolved(&resolved),
            Err(_) => Self::default(),
        }
    }

    /// Resolves a hook within the session. Its own credentials win; the session's are added only
    /// towards the session's own origin.
    ///
    /// Within a WebSocket application what is no URL of its own is a name, said over its socket.
    ///
    /// # Errors
    /// [`HookError::BadUrl`].
    pub fn resolve(&self, hook: &Hook) -> Result<ResolvedHook, HookError> {
        if let Some(socket) = self.socket()
            && is_name(&hook.url)
        {
            return Ok(self.over(socket, &hook.url));
        }
        let mut url = self.absolute(&hook.url)?;
        let own = hook
            .credentials()
            .map(|(username, password)| login(username, password))
            .or_else(|| login_in_url(&url));
        // The setters fail only for URLs without a host, which `absolute` refuses.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        if let Some(socket) = self.socket().filter(|socket| is_same(socket, &url)) {
            return Ok(self.over(socket, &hook.url));
        }
        let auth = own.or_else(|| self.auth.clone().filter(|_| self.is_origin_of(&url)));
        let via = if is_socket(&url) { Via::Socket } else { Via::Http };
        Ok(ResolvedHook { url, method: hook.method, auth, via })
    }

    /// The socket of a WebSocket application, for what has no hook of its own.
    pub fn session_socket(&self) -> Option<ResolvedHook> {
        self.socket().map(|socket| self.over(socket, ""))
    }

    /// From now on a socket of its own to the same WebSocket application (contract verbs.md §1.9); `None`:
    /// it is none.
    pub fn leave_family(&mut self) -> Option<ResolvedHook> {
        let url = self.url.as_mut().filter(|url| is_socket(url))?;
        let path = format!("{}/adulting", url.path().trim_end_matches('/'));
        url.set_path(&path);
        self.session_socket()
    }

    fn socket(&self) -> Option<&Url> {
        self.url.as_ref().filter(|url| is_socket(url))
    }

    fn over(&self, socket: &Url, hook: &str) -> ResolvedHook {
        ResolvedHook {
            url: socket.clone(),
            method: HookMethod::Post,
            auth: self.auth.clone(),
            via: Via::Session(hook.into()),
        }
    }

    /// Resolves the URL of a media file; schemes that are not HTTP stay as they are.
    pub fn resolve_media(&self, url: &str) -> String {
        if !url.starts_with('/') {
            return url.to_owned();
        }
        match self.absolute(url) {
            Ok(absolute) => absolute.into(),
            Err(_) => url.to_owned(),
        }
    }

    /// Resolves the URL of a WebSocket for audio: `ws`, `wss`, or the scheme of HTTP that goes with it.
    ///
    /// # Errors
    /// [`HookError::BadUrl`].
    pub fn resolve_socket(&self, url: &str) -> Result<Url, HookError> {
        let bad = || HookError::BadUrl { url: shown_text(url) };
        let mut socket = match url.starts_with('/') {
            true => self.absolute(url)?,
            false => Url::parse(url).map_err(|_| bad())?,
        };
        let scheme = match socket.scheme() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            _ => return Err(bad()),
        };
        socket.set_scheme(scheme).map_err(|()| bad())?;
        // The setters fail only for URLs without a host, which none of these can be.
        let _ = socket.set_username("");
        let _ = socket.set_password(None);
        Ok(socket)
    }

    /// A redirect succeeded: a different origin, or socket, becomes the base of the rest of the session.
    pub fn follow(&mut self, target: &ResolvedHook) {
        let stays = match target.via {
            Via::Session(_) => true,
            Via::Http => self.is_origin_of(&target.url),
            Via::Socket => false,
        };
        if !stays {
            *self = Self::from_resolved(target);
        }
    }

    fn from_resolved(target: &ResolvedHook) -> Self {
        let mut url = target.url.clone();
        if !is_socket(&url) {
            url.set_path("");
            url.set_query(None);
            url.set_fragment(None);
        }
        Self { url: Some(url), auth: target.auth.clone() }
    }

    fn is_origin_of(&self, url: &Url) -> bool {
        self.url.as_ref().is_some_and(|base| base.origin() == url.origin())
    }

    fn absolute(&self, text: &str) -> Result<Url, HookError> {
        let bad = || HookError::BadUrl { url: shown_text(text) };
        let url = match (&self.url, text.starts_with('/')) {
            // Scheme, host and port of the base, whatever its path. Not by the rules of relative
            // references: `//elsewhere/x` would name another host, with our credentials.
            (Some(base), true) => {
                let origin = base.origin().ascii_serialization();
                // What a WebSocket application serves besides has no socket.
                let origin = match origin.strip_prefix("ws") {
                    Some(rest) => format!("http{rest}"),
                    None => origin,
                };
                Url::parse(&(origin + text))
            }
            (None, true) => return Err(bad()),
            (_, false) => Url::parse(text),
        };
        let url = url.map_err(|_| bad())?;
        match url.scheme() {
            "http" | "https" | "ws" | "wss" if url.has_host() => Ok(url),
            _ => Err(bad()),
        }
    }
}

/// Whether a URL is asked over a WebSocket.
pub(super) fn is_socket(url: &Url) -> bool {
    matches!(url.scheme(), "ws" | "wss")
}

/// Whether a hook of a WebSocket application is a name and no URL that could be asked by itself.
fn is_name(text: &str) -> bool {
    let schemes = ["http:", "https:", "ws:", "wss:"];
    let has = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    !text.is_empty() && !schemes.into_iter().any(has)
}

/// Whether both name one socket; retry parameters do not count.
fn is_same(one: &Url, other: &Url) -> bool {
    let of = |url: &Url| url[..url::Position::AfterQuery].to_owned();
    of(one) == of(other)
}

/// A URL as alerts and logs show it: no user name, password, query or fragment, since
/// applications put tokens there.
pub(super) fn shown(url: &Url) -> String {
    let mut text = url.clone();
    // The setters fail only for URLs without a host, which have no user name either.
    let _ = text.set_username("");
    let _ = text.set_password(None);
    text.set_query(url.query().map(|_| "..."));
    text.set_fragment(None);
    text.into()
}

/// The same for text that is no URL.
fn shown_text(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let plain = &text[..end];
    let plain = plain.rsplit_once('@').map_or(plain, |(_, host)| host);
    plain.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

fn login(username: &str, password: &str) -> Login {
    Login { username: username.to_owned(), password: Secret(password.to_owned()) }
}

fn login_in_url(url: &Url) -> Option<Login> {
    let decode = |text: &str| percent_decode(text);
    match (url.username(), url.password()) {
        ("", _) | (_, None) => None,
        (username, Some(password)) => Some(login(&decode(username), &decode(password))),
    }
}

fn percent_decode(text: &str) -> String {
    // Form decoding, with the two characters that mean more there than here taken literally.
    let query = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Enough of a bad URL to recognise it.
const SHOWN_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(url: &str) -> Hook {
        Hook::post(url)
    }

    fn with_login(url: &str, username: &str, password: &str) -> Hook {
        Hook {
            username: Some(username.into()),
            password: Some(Secret(password.into())),
            ..Hook::post(url)
        }
    }

    fn session() -> Base {
        Base::of(&with_login("https://app.example:8443/hello?x=1", "u", "p"))
    }

    #[test]
    fn relative_urls_take_the_origin_of_the_session_and_not_its_path() {
        for (text, resolved) in [
            ("/next", "https://app.example:8443/next"),
            ("/a/b?c=d#rc=1", "https://app.example:8443/a/b?c=d#rc=1"),
            ("/", "https://app.example:8443/"),
            ("//elsewhere.example/x", "https://app.example:8443//elsewhere.example/x"),
            ("/\\elsewhere.example/x", "https://app.example:8443//elsewhere.example/x"),
            ("/@elsewhere.example/x", "https://app.example:8443/@elsewhere.example/x"),
        ] {
            let target = session().resolve(&hook(text)).unwrap();
            assert_eq!(target.url.as_str(), resolved);
            assert_eq!(target.auth, Some(login("u", "p")));
        }
    }

    #[test]
    fn absolute_urls_stay_and_only_the_own_origin_gets_the_session_credentials() {
        for (text, ours) in [
            ("https://app.example:8443/x", true),
            ("https://APP.example:8443/x", true),
            ("https://app.example/x", false),
            ("http://app.example:8443/x", false),
            ("https://other.example:8443/x", false),
        ] {
            let target = session().resolve(&hook(text)).unwrap();
            assert_eq!(target.url, Url::parse(text).unwrap());
            assert_eq!(target.auth.is_some(), ours, "{text}");
        }
    }

    #[test]
    fn own_credentials_win_over_those_of_the_session() {
        let target = session().resolve(&with_login("/x", "own", "secret")).unwrap();
        assert_eq!(target.auth, Some(login("own", "secret")));
        let half = Hook { username: Some("own".into()), ..hook("/x") };
        assert_eq!(session().resolve(&half).unwrap().auth, Some(login("u", "p")));
    }

    #[test]
    fn credentials_in_a_url_leave_it() {
        let target =
            Base::default().resolve(&hook("http://jo%40x:p%26%3D+&%25@a.example/x")).unwrap();
        assert_eq!(target.url.as_str(), "http://a.example/x");
        assert_eq!(target.auth, Some(login("jo@x", "p&=+&%")));
    }

    #[test]
    fn a_redirect_to_another_origin_moves_the_base_and_one_to_the_same_does_not() {
        let mut base = session();
        let same = base.resolve(&with_login("/other", "own", "secret")).unwrap();
        base.follow(&same);
        assert_eq!(base, session());
        let away = base.resolve(&hook("http://b.example/start")).unwrap();
        base.follow(&away);
        let next = base.resolve(&hook("/next")).unwrap();
        assert_eq!(next.url.as_str(), "http://b.example/next");
        assert_eq!(next.auth, None);
    }

    #[test]
    fn a_websocket_application_is_asked_over_its_socket_and_others_where_they_are() {
        let opener = with_login("wss://u:p@app.example/call?x=1#rc=2", "u", "p");
        let base = Base::of(&opener);
        for text in
            ["/next?a=b", "next", "//x/y", "dial:action", "/ü \\", "wss://app.example/call?x=1"]
        {
            let target = base.resolve(&hook(text)).unwrap();
            assert_eq!(target.via, Via::Session(text.into()), "{text}");
            assert_eq!(target.url.as_str(), "wss://app.example/call?x=1#rc=2");
            assert_eq!(target.auth, Some(login("u", "p")));
        }
        assert_eq!(base.resolve(&opener).unwrap().url, base.session_socket().unwrap().url);
        for (text, via, ours) in [
            ("wss://app.example/other", Via::Socket, true),
            ("wss://b.example/call?x=1", Via::Socket, false),
            ("https://app.example/call", Via::Http, false),
        ] {
            let target = base.resolve(&hook(text)).unwrap();
            assert!(target.via == via && target.auth.is_some() == ours, "{text}");
        }
        assert!(base.resolve(&hook("")).is_err());
        assert_eq!(base.resolve_media("/a.wav"), "https://app.example/a.wav");
    }

    #[test]
    fn a_session_moves_between_http_and_sockets() {
        let mut base = session();
        assert!(base.session_socket().is_none());
        let socket = base.resolve(&hook("ws://b.example/x")).unwrap();
        assert!(socket.via == Via::Socket);
        base.follow(&socket);
        let next = base.resolve(&hook("/next")).unwrap();
        assert_eq!((next.url.as_str(), next.session_hook()), ("ws://b.example/x", Some("/next")));
        base.follow(&next);
        let away = base.resolve(&hook("http://b.example/y")).unwrap();
        base.follow(&away);
        let next = base.resolve(&hook("/next")).unwrap();
        assert!(next.via == Via::Http);
        assert_eq!(next.url.as_str(), "http://b.example/next");
    }

    #[test]
    fn a_child_leaves_for_a_socket_of_its_own() {
        assert!(session().leave_family().is_none());
        for (at, own) in [
            ("wss://u:p@a.example/call?x=1#rc=2", "wss://a.example/call/adulting?x=1#rc=2"),
            ("ws://a.example", "ws://a.example/adulting"),
        ] {
            let mut base = Base::of(&hook(at));
            let target = base.leave_family().unwrap();
            assert_eq!((target.url.as_str(), target.session_hook()), (own, Some("")));
            assert_eq!(target.auth.is_some(), at.contains("u:p"));
            assert_eq!(base.resolve(&hook("/next")).unwrap().url.as_str(), own);
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused_by_name() {
        for text in ["", "next", "ftp://a.example/x", "http://", "mailto:a@b", "app.example/x"] {
            let error = session().resolve(&hook(text)).unwrap_err();
            assert!(matches!(error, HookError::BadUrl { .. }), "{text}");
        }
        let error = Base::default().resolve(&hook("/x")).unwrap_err();
        assert_eq!(error, HookError::BadUrl { url: "/x".into() });
    }

    #[test]
    fn a_shown_url_keeps_no_secret() {
        let url = Url::parse("https://u:hunter2@a.example:8/p/q?token=hunter2#hunter2").unwrap();
        assert_eq!(shown(&url), "https://a.example:8/p/q?...");
        let target = session().resolve(&with_login("/x?token=hunter2", "u", "hunter2")).unwrap();
        let base = Base::of(&with_login("http://a.example/x?hunter2", "u", "hunter2"));
        assert!(!format!("{target:?} {base:?}").contains("hunter2"));
        for text in ["ht!tp://u:hunter2@a/x?token=hunter2", "u:hunter2@#", "a?hunter2@x"] {
            let error = Base::default().resolve(&hook(text)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn media_urls_are_resolved_only_when_relative() {
        assert_eq!(session().resolve_media("/a.wav"), "https://app.example:8443/a.wav");
        for url in ["http://b.example/a.wav", "silence_stream://1000", "file.wav"] {
            assert_eq!(session().resolve_media(url), url);
        }
    }
}
