//! The routes of the served description.

use serde_json::Value;
use support::Rest;

/// One method of one path.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: String,
    /// `/Accounts/{a}/Calls`.
    pub(crate) path: String,
    /// Both, for messages.
    pub(crate) name: String,
    /// Query arguments that hold a sid.
    pub(crate) sids: Vec<String>,
}

impl Route {
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').skip(1).collect()
    }

    /// What it is about: the last segment that is no parameter.
    pub(crate) fn collection(&self) -> &str {
        self.segments().into_iter().rev().find(|s| !s.starts_with('{')).unwrap_or_default()
    }

    pub(crate) fn has_parameters(&self) -> bool {
        self.path.contains('{')
    }

    /// `/Applications`.
    pub(crate) fn is_plain(&self) -> bool {
        self.segments().len() == 1
    }

    /// `/Applications/{sid}`: a resource that is not under its account or service provider.
    pub(crate) fn is_flat(&self) -> bool {
        let segments = self.segments();
        segments.len() == 2 && !matches!(segments[0], "Accounts" | "ServiceProviders")
    }
}

/// All that ask for a token, but for those that concern nobody else whatever is sent.
pub(crate) fn of(anyone: &Rest) -> Vec<Route> {
    let document = anyone.get("/v1/openapi.json").expect("an answer").json;
    let paths = document["paths"].as_object().expect("paths");
    let methods = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.filter(|(_, operation)| is_secured(operation)).map(move |(method, operation)| {
            Route {
                method: method.to_uppercase(),
                path: path.clone(),
                name: format!("{} {path}", method.to_uppercase()),
                sids: sids(operation),
            }
        })
    });
    let routes: Vec<Route> = methods.filter(|route| !is_about_nobody(route)).collect();
    assert!(routes.len() > 60, "{routes:?}");
    routes
}

fn is_secured(operation: &Value) -> bool {
    operation["security"].as_array().is_some_and(|security| !security.is_empty())
}

fn sids(operation: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let in_query = parameters.filter(|parameter| parameter["in"] == "query");
    let names = in_query.filter_map(|parameter| parameter["name"].as_str());
    names.filter(|name| name.ends_with("_sid")).map(str::to_owned).collect()
}

/// Without a parameter and without a reference in its body it cannot name anything of others, and
/// does not list anything of anybody.
fn is_about_nobody(route: &Route) -> bool {
    let asks_for_nothing = route.method != "GET" && super::case::references(route).is_empty();
    !route.has_parameters() && asks_for_nothing || route.path == "/logout"
}
