//! `/v1/docs`: the API document as a page for people. Plain HTML, made here of the same description:
//! it needs no script and nothing from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use actix_web::HttpResponse;
use serde_json::Value;

use super::openapi::description;

/// The page, written once.
pub(super) async fn page() -> HttpResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| render(&description()));
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(text.as_str())
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    code,pre{font-family:ui-monospace,monospace;font-size:.9em}\
    details{border:1px solid #ccc;border-radius:.4rem;margin:.3rem 0;padding:.3rem .7rem}\
    summary{cursor:pointer}summary b{display:inline-block;width:4.5rem}\
    table{border-collapse:collapse}td{padding:.1rem .8rem .1rem 0;vertical-align:top}\
    nav a{margin-right:.8rem}small{color:#666}";

fn render(document: &Value) -> String {
    let mut operations: BTreeMap<String, String> = BTreeMap::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item).filter(|(name, _)| *name != "parameters") {
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            let entry = section(document, path, method, item, operation);
            operations.entry(tag.to_owned()).or_default().push_str(&entry);
        }
    }
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Trunkline REST API</title>\
         <style>{STYLE}</style><h1>Trunkline REST API</h1><p>{}</p>\
         <p>The same for programs: <a href=openapi.json>openapi.json</a> (OpenAPI 3.1).</p><nav>",
        escaped(document["info"]["description"].as_str().unwrap_or_default())
    );
    let tags: Vec<String> = operations.keys().map(|tag| escaped(tag)).collect();
    for tag in &tags {
        push(&mut page, format_args!("<a href=#{tag}>{tag}</a> "));
    }
    page.push_str("</nav>");
    for (tag, text) in tags.iter().zip(operations.values()) {
        push(&mut page, format_args!("<h2 id={tag}>{tag}</h2>"));
        page.push_str(text);
    }
    page
}

fn section(document: &Value, path: &str, method: &str, item: &Value, operation: &Value) -> String {
    let mut text = format!(
        "<details><summary><b>{}</b> <code>{}</code> {}</summary>",
        method.to_uppercase(),
        escaped(path),
        escaped(operation["summary"].as_str().unwrap_or_default()),
    );
    if operation["security"].as_array().is_some_and(Vec::is_empty) {
        text.push_str("<p>Needs no token.</p>");
    }
    let parameters: Vec<&Value> = [item, operation]
        .into_iter()
        .filter_map(|of| of["parameters"].as_array())
        .flatten()
        .collect();
    if !parameters.is_empty() {
        text.push_str("<p>Parameters</p><table>");
        for parameter in parameters {
            let name = parameter["name"].as_str().unwrap_or_default();
            let place = parameter["in"].as_str().unwrap_or_default();
            let what = parameter["description"].as_str().unwrap_or_default();
            row(&mut text, name, &parameter["schema"], place, what);
        }
        text.push_str("</table>");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        text.push_str("<p>Body</p>");
        schema_table(&mut text, document, body);
    }
    for (code, answer) in members(&operation["responses"]) {
        let what = answer["description"].as_str().unwrap_or_default();
        push(&mut text, format_args!("<p><b>{}</b> {}</p>", escaped(code), escaped(what)));
        if code.starts_with('2') {
            for (_, content) in members(&answer["content"]) {
                schema_table(&mut text, document, &content["schema"]);
            }
        }
    }
    text.push_str("</details>");
    text
}

/// The properties of an object, of the objects of a list, or of the first kind there is.
fn schema_table(text: &mut String, document: &Value, schema: &Value) {
    let schema = resolved(document, schema);
    // What is one of several and says all its properties itself is shown as that.
    let (note, schema) = match (&schema["items"], &schema["oneOf"][0]) {
        (Value::Null, Value::Null) => ("", schema),
        (Value::Null, _) if schema["properties"].is_object() => ("", schema),
        (Value::Null, first) => return schema_table(text, document, first),
        (items, _) => ("a list of", resolved(document, items)),
    };
    let mut all: Vec<&Value> = vec![schema];
    all.extend(
        schema["allOf"].as_array().into_iter().flatten().map(|part| resolved(document, part)),
    );
    let required: Vec<&str> = all
        .iter()
        .filter_map(|part| part["required"].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let about = schema["description"].as_str().unwrap_or_default();
    push(text, format_args!("<p><small>{note} {}</small></p><table>", escaped(about)));
    let mut is_empty = true;
    for (name, property) in all.iter().flat_map(|part| members(&part["properties"])) {
        is_empty = false;
        let need = if required.contains(&name) { "required" } else { "" };
        let what = property["description"].as_str().unwrap_or_default();
        row(text, name, property, need, what);
    }
    if is_empty {
        push(text, format_args!("<tr><td>{}", escaped(&kind(schema))));
    }
    text.push_str("</table>");
}

fn row(text: &mut String, name: &str, schema: &Value, need: &str, what: &str) {
    let (name, kind, what) = (escaped(name), escaped(&kind(schema)), escaped(what));
    push(
        text,
        format_args!("<tr><td><code>{name}</code><td>{kind}<td><small>{need}</small><td>{what}"),
    );
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let of = |list: &Value| {
        let kinds = list.as_array().map(|all| all.iter().map(kind).collect::<Vec<_>>());
        kinds.map(|kinds| kinds.join(" or "))
    };
    if let Some(kinds) = of(&schema["anyOf"]).or_else(|| of(&schema["oneOf"])) {
        return kinds;
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(plain).collect::<Vec<_>>().join(" | ");
    }
    let mut text = match &schema["type"] {
        Value::Array(types) => types.iter().map(plain).collect::<Vec<_>>().join(" or "),
        Value::Null => "any".to_owned(),
        other => plain(other),
    };
    if let Some(format) = schema["format"].as_str() {
        text = format!("{text} ({format})");
    }
    if let Some(max) = schema["maxLength"].as_u64() {
        text = format!("{text}, at most {max} characters");
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// Writing to a `String` cannot fail.
fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_every_property_of_a_body_is_on_the_page() {
        let document = description();
        let page = render(&document);
        let mut count = 0;
        for (path, item) in members(&document["paths"]) {
            for (method, operation) in members(item).filter(|(name, _)| *name != "parameters") {
                count += 1;
                let head = format!("<b>{}</b> <code>{path}</code>", method.to_uppercase());
                assert!(page.contains(&head), "{method} {path}");
                let body = &operation["requestBody"]["content"]["application/json"]["schema"];
                for (name, _) in members(&resolved(&document, body)["properties"]) {
                    assert!(page.contains(&format!("<code>{name}</code>")), "{path}: {name}");
                }
            }
        }
        assert!(count > 100, "{count}");
        for kind in ["a list of", "uuid", "mp3 | wav", "required", "HookInput"] {
            assert!(page.contains(kind), "{kind}");
        }
    }

    #[test]
    fn what_is_written_is_text() {
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
