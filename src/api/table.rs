//! One path of the route table: which handler answers which method, how that is described, and a 405
//! for all other methods.

use actix_web::dev::Handler;
use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, HttpResponse, Resource, Responder, guard, web};

use super::describe::{Answers, Extracts, Operation};
use super::reply::JSON;

/// Built with [`path`], closed with [`Path::on`].
pub(super) struct Path {
    pattern: &'static str,
    resource: Resource,
    methods: Vec<Method>,
}

/// A method of a path.
#[derive(Clone, Copy)]
pub(super) struct Method {
    name: &'static str,
    summary: &'static str,
    /// The name of the handler's function, with its modules.
    handler: &'static str,
    describe: fn(&mut Operation),
}

pub(super) fn path(pattern: &'static str) -> Path {
    Path { pattern, resource: web::resource(pattern), methods: Vec::new() }
}

impl Path {
    /// GET, and with it HEAD.
    pub(super) fn get<F, Args>(self, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Extracts + 'static,
        F::Output: Responder + Answers + 'static,
    {
        self.with("GET", summary, handler)
    }

    pub(super) fn post<F, Args>(self, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Extracts + 'static,
        F::Output: Responder + Answers + 'static,
    {
        self.with("POST", summary, handler)
    }

    pub(super) fn put<F, Args>(self, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Extracts + 'static,
        F::Output: Responder + Answers + 'static,
    {
        self.with("PUT", summary, handler)
    }

    pub(super) fn delete<F, Args>(self, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Extracts + 'static,
        F::Output: Responder + Answers + 'static,
    {
        self.with("DELETE", summary, handler)
    }

    fn with<F, Args>(mut self, name: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Extracts + 'static,
        F::Output: Responder + Answers + 'static,
    {
        let route = web::route().to(handler);
        let route = match name {
            "GET" => route.guard(guard::Any(guard::Get()).or(guard::Head())),
            "POST" => route.guard(guard::Post()),
            "PUT" => route.guard(guard::Put()),
            _ => route.guard(guard::Delete()),
        };
        self.resource = self.resource.route(route);
        self.methods.push(Method {
            name,
            summary,
            handler: std::any::type_name::<F>(),
            describe: |operation| {
                Args::describe(operation);
                F::Output::describe(operation);
            },
        });
        self
    }

    /// As the API document writes it: `/Accounts/{a}`.
    pub(super) fn pattern(&self) -> &'static str {
        self.pattern
    }

    pub(super) fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Puts the path into the table. Every other method is answered 405 with what is allowed.
    pub(super) fn on(self, config: &mut ServiceConfig) {
        let mut allowed: Vec<&str> = self.methods.iter().map(|method| method.name).collect();
        if allowed.contains(&"GET") {
            allowed.insert(1, "HEAD");
        }
        let allowed = allowed.join(", ");
        let refuse = move || {
            let allowed = allowed.clone();
            async move {
                HttpResponse::MethodNotAllowed()
                    .insert_header((ALLOW, allowed))
                    .insert_header((CONTENT_TYPE, JSON))
                    .body(r#"{"msg":"method not allowed"}"#)
            }
        };
        config.service(self.resource.default_service(web::route().to(refuse)));
    }
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        self.name
    }

    pub(super) fn summary(self) -> &'static str {
        self.summary
    }

    pub(super) fn handler(self) -> &'static str {
        self.handler
    }

    pub(super) fn describe(self) -> Operation {
        let mut operation = Operation::default();
        (self.describe)(&mut operation);
        operation
    }
}
