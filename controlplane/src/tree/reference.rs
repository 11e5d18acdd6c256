//! The reference page and the JSON Schema, both made from the definition.

use crate::tree::definition::{LEAVES, TABLES};
use serde_json::{Map, Value, json};

/// The page, as Markdown.
pub fn page() -> String {
    let mut page = "# `longhaul.toml`: every key\n\nMade by `longhaul config reference`; a test keeps it so. `NAME` stands for a name of your \
                    choice, in quotes where it has other characters than letters, digits, `-` and `_`.\n"
        .to_owned();
    for (table, doc) in TABLES {
        page.push_str(&format!(
            "\n## `[{}]`\n\n{doc}\n\n| key | takes | default | |\n|---|---|---|---|\n",
            dotted(table)
        ));
        for leaf in
            LEAVES.iter().filter(|leaf| leaf.path.rsplit_once(' ').is_some_and(|(of, _)| of == *table))
        {
            let key = leaf.path.rsplit(' ').next().unwrap_or("").replace('*', "NAME");
            let default = leaf.default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
            page.push_str(&format!("| `{key}` | {} | {default} | {} |\n", leaf.form.name(), leaf.doc));
        }
    }
    page
}

fn dotted(path: &str) -> String {
    path.replace('*', "NAME").replace(' ', ".")
}

/// The schema (JSON Schema 2020-12), for editors.
pub fn schema() -> Value {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "longhaul.toml", "type": "object", "additionalProperties": false, "properties": {},
    });
    for leaf in LEAVES {
        let mut at = &mut root;
        let parts: Vec<&str> = leaf.path.split(' ').collect();
        for (place, part) in parts.iter().enumerate() {
            let is_last = place + 1 == parts.len();
            let entry = if is_last { described(leaf) } else { table(&parts[..=place]) };
            at = step(at, part, entry);
        }
    }
    root
}

fn described(leaf: &crate::tree::definition::Leaf) -> Value {
    let mut schema = leaf.form.schema();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".into(), leaf.doc.into());
    }
    schema
}

fn table(path: &[&str]) -> Value {
    let path = path.join(" ");
    let doc = TABLES.iter().find(|(table, _)| *table == path).map_or("", |(_, doc)| doc);
    json!({ "type": "object", "additionalProperties": false, "properties": {}, "description": doc })
}

/// The schema of one step below `at`, made if it is not there; any name is `additionalProperties`.
fn step<'v>(at: &'v mut Value, part: &str, entry: Value) -> &'v mut Value {
    let Some(object) = at.as_object_mut() else { panic!("a schema is an object") };
    if part == "*" {
        let place = object.entry("additionalProperties").or_insert(Value::Bool(false));
        if place.is_boolean() {
            *place = entry;
        }
        return place;
    }
    let properties = object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    let Some(properties) = properties.as_object_mut() else { panic!("properties are an object") };
    properties.entry(part).or_insert(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_is_in_both() {
        let (page, schema) = (page(), schema());
        for leaf in LEAVES {
            assert!(page.contains(leaf.doc), "{}", leaf.path);
            let mut at = &schema;
            for part in leaf.path.split(' ') {
                at = if part == "*" { &at["additionalProperties"] } else { &at["properties"][part] };
            }
            assert_eq!(at["description"], leaf.doc, "{}", leaf.path);
        }
    }
}
