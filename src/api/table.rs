//! One path of the route table: which handler answers which method, and a 405 for all others.

use actix_web::dev::Handler;
use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, HttpResponse, Resource, Responder, guard, web};

use super::reply::JSON;

/// Built with [`path`], closed with [`Path::on`].
pub(super) struct Path {
    resource: Resource,
    allowed: Vec<&'static str>,
}

pub(super) fn path(pattern: &str) -> Path {
    Path { resource: web::resource(pattern), allowed: Vec::new() }
}

impl Path {
    /// GET, and with it HEAD.
    pub(super) fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allowed.extend(["GET", "HEAD"]);
        let reads = guard::Any(guard::Get()).or(guard::Head());
        self.resource = self.resource.route(web::route().guard(reads).to(handler));
        self
    }

    pub(super) fn post<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allowed.push("POST");
        self.resource = self.resource.route(web::post().to(handler));
        self
    }

    pub(super) fn put<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allowed.push("PUT");
        self.resource = self.resource.route(web::put().to(handler));
        self
    }

    pub(super) fn delete<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allowed.push("DELETE");
        self.resource = self.resource.route(web::delete().to(handler));
        self
    }

    /// Puts the path into the table. Every other method is answered 405 with what is allowed.
    pub(super) fn on(self, config: &mut ServiceConfig) {
        let allowed = self.allowed.join(", ");
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
