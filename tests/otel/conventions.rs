//! The list of the conventions, and whether a span is as it says.

use opentelemetry::{
    Array, Value,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::trace::SpanData;
use serde_json::Value as Json;

use crate::recorder::attribute;

pub fn list() -> Json {
    serde_json::from_str(include_str!("conventions.json")).unwrap()
}

/// What kind of database it is.
#[derive(Clone, Copy, PartialEq)]
pub enum System {
    Sqlite,
    /// One that is reached by a network.
    Server,
}

/// Fails where the span has what the list has not, lacks what it demands, or is called otherwise.
pub fn check(span: &SpanData, system: System) {
    let list = list();
    let rows = list["span"]["attributes"].as_object().unwrap();
    assert_eq!(span.span_kind, SpanKind::Client, "{span:?}");
    for own in &span.attributes {
        let row = rows.get(own.key.as_str());
        let row = row.unwrap_or_else(|| panic!("{} stands in no list", own.key));
        let kind = match &own.value {
            Value::I64(_) => "int",
            Value::String(_) => "string",
            Value::Array(Array::String(_)) => "strings",
            other => panic!("{} is {other:?}", own.key),
        };
        assert_eq!(row["type"], kind, "{}", own.key);
        let value = attribute(span, own.key.as_str()).unwrap();
        if let Some(values) = row["values"].as_array() {
            assert!(
                values.iter().any(|word| *word == value),
                "{} = {value}",
                own.key
            );
        }
    }
    let has = |key: &str| attribute(span, key).is_some();
    let failed = matches!(span.status, Status::Error { .. });
    assert_ne!(
        has("db.operation.name"),
        has("db.query.summary"),
        "a call or a text: {span:?}"
    );
    for (key, row) in rows {
        let needed = match row["needs"].as_str().unwrap() {
            "always" | "database" => true,
            "call" => !has("db.query.summary"),
            "text" => !has("db.operation.name"),
            "failure" => failed,
            "network" => system == System::Server,
            "optional" => continue,
            other => panic!("{other}"),
        };
        assert_eq!(has(key), needed, "{key} of {span:?}");
    }
    let target = attribute(span, "db.namespace");
    let name = match (
        attribute(span, "db.query.summary"),
        attribute(span, "db.operation.name"),
    ) {
        (Some(summary), _) => summary,
        (None, operation) => format!("{} {}", operation.unwrap(), target.unwrap()),
    };
    assert_eq!(span.name, name);
}
