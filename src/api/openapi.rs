//! `/v1/openapi.json`: the API's description (OpenAPI 3.1), made of the route table and of what its
//! handlers say of themselves.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::describe::Operation;
use super::reply::JSON;
use super::table::Path;

/// The document, written once.
pub(super) async fn document() -> HttpResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| description().to_string());
    HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON)).body(text.as_str())
}

/// The description of everything under `/v1`.
pub fn description() -> Value {
    let mut paths = Map::new();
    let mut components = Map::from_iter([("Error".to_owned(), error_schema())]);
    let mut ids = BTreeSet::new();
    for path in super::routes() {
        let mut item = Map::new();
        for method in path.methods() {
            let mut operation = method.describe();
            components.append(&mut operation.components);
            let id = operation_id(&mut ids, method.handler());
            let entry = operation_json(&path, method.summary(), &id, &operation);
            item.insert(method.name().to_ascii_lowercase(), entry);
        }
        let parameters: Vec<Value> = parameter_names(path.pattern()).map(path_parameter).collect();
        if !parameters.is_empty() {
            item.insert("parameters".to_owned(), parameters.into());
        }
        paths.insert(path.pattern().to_owned(), item.into());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Trunkline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Calls, conferences, queues and what they are provisioned with. \
                Every refusal has a body {\"msg\": text}.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/v1"}, {"url": "/api/v1"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key, or the token of a login",
                },
            },
        },
    })
}

/// Resource and function of a handler; with a number where it serves more than one path or method.
fn operation_id(ids: &mut BTreeSet<String>, handler: &str) -> String {
    let (module, function) = handler.rsplit_once("::").unwrap_or(("", handler));
    let name = format!("{}.{function}", module.rsplit("::").next().unwrap_or_default());
    let numbered = (2..).map(|n| format!("{name}.{n}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|id| !ids.contains(id));
    let id = free.unwrap_or(name);
    ids.insert(id.clone());
    id
}

fn operation_json(path: &Path, summary: &str, id: &str, operation: &Operation) -> Value {
    let mut entry = json!({
        "summary": summary,
        "operationId": id,
        "tags": [tag(path.pattern())],
        "security": if operation.is_secured { json!([{"bearer": []}]) } else { json!([]) },
        "responses": responses(operation),
    });
    let query = operation.query.iter().map(|param| param.to_json("query"));
    let headers = operation.headers.iter().map(|param| param.to_json("header"));
    let parameters: Vec<Value> = query.chain(headers).collect();
    if !parameters.is_empty() {
        entry["parameters"] = parameters.into();
    }
    if let Some(schema) = &operation.body {
        entry["requestBody"] = json!({"content": {"application/json": {"schema": schema}}});
    }
    entry
}

fn responses(operation: &Operation) -> Value {
    let refusal = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}});
    let mut all = Map::new();
    for answered in &operation.answers {
        let mut response = json!({"description": answered.what});
        if let Some((kind, schema)) = &answered.content {
            response["content"] = json!({*kind: {"schema": schema}});
        }
        let status = answered.status.to_string();
        if let Some(other) = all.get(&status).and_then(|other| other.pointer("/content")) {
            response["content"] = either(other, &response["content"]);
        }
        all.insert(status, response);
    }
    if operation.is_secured {
        all.insert(
            "401".to_owned(),
            json!({"description": "no token, or one that is not valid", "content": refusal}),
        );
    }
    all.insert(
        "4XX".to_owned(),
        json!({"description": "refused: msg says why", "content": refusal}),
    );
    all.into()
}

/// The contents of a status that has two shapes.
fn either(one: &Value, other: &Value) -> Value {
    let mut all = one.as_object().cloned().unwrap_or_default();
    for (kind, content) in other.as_object().into_iter().flatten() {
        let schema = match all.get(kind) {
            Some(known) => json!({"anyOf": [known["schema"], content["schema"]]}),
            None => content["schema"].clone(),
        };
        all.insert(kind.clone(), json!({"schema": schema}));
    }
    all.into()
}

/// The resource a path is about: its last word in capitals.
fn tag(pattern: &str) -> &str {
    pattern.rsplit('/').find(|word| word.starts_with(char::is_uppercase)).unwrap_or("Session")
}

fn parameter_names(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('/').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'))
}

/// What stands behind the names of the route table. Conferences and queues go by name as well.
fn path_parameter(name: &str) -> Value {
    let (what, schema) = match name {
        "a" => ("account_sid", uuid()),
        "sp" => ("service_provider_sid", uuid()),
        "p" => ("predefined_carrier_sid", uuid()),
        "sid" | "call_sid" => (name, uuid()),
        _ => (name, json!({"type": "string", "minLength": 1})),
    };
    json!({"name": name, "in": "path", "required": true, "description": what, "schema": schema})
}

fn uuid() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["msg"],
        "properties": {
            "msg": {"type": "string", "description": "what is wrong, for people"},
            "status": {"const": "fail"},
            "message": {"type": "string", "description": "the same as msg"},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_no_two_operations_share_a_name() {
        let document = description();
        let text = document.to_string();
        for (at, _) in text.match_indices("#/components/schemas/") {
            let name = text[at..].split('"').next().unwrap().rsplit('/').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{method} {path}: {name} is taken");
            }
        }
    }
}
