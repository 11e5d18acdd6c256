//! Changes of one leaf that leave everything else as it is: comments, order, white space.

use crate::tree::definition::leaf_at;
use crate::tree::path::Path;
use toml_edit::{DocumentMut, Item, Table, Value};

/// The text with `value` (as TOML; a bare word counts as a text) at `path`, or what is wrong.
pub fn set(text: &str, path: &Path, value: &str) -> Result<String, String> {
    let Some(leaf) = leaf_at(path.parts()) else {
        return Err(format!("{path} is no leaf of the tree; `longhaul config reference` lists them"));
    };
    let parsed = value.parse::<Value>().ok().filter(|value| leaf.form.take(value).is_ok());
    let value = parsed.unwrap_or_else(|| Value::from(value));
    leaf.form.take(&value).map_err(|instead| format!("{path} does not take this; {instead}"))?;
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let Some((last, above)) = path.parts().split_last() else { return Err("names nothing".to_owned()) };
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for part in above {
        let item = table.entry(part).or_insert_with(|| {
            // A table that only holds tables has no head of its own.
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        table = item.as_table_like_mut().ok_or_else(|| format!("{part} is no table"))?;
    }
    match table.get_mut(last) {
        Some(Item::Value(old)) => {
            // What stands beside the old value, a comment for one, stays beside the new one.
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        Some(_) => return Err(format!("{path} is no value")),
        None => {
            table.insert(last, Item::Value(value));
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::form::Taken;
    use crate::tree::read::Tree;

    const TEXT: &str =
        "# ours\n[policy.web]   # the shop\nttl = \"10s\"  # short\nanswers = 2\n\n# machines\n[node.fra1]\n";

    #[test]
    fn comments_stay_where_they_were() {
        let path = Path::parse("policy.web.ttl").unwrap();
        let changed = set(TEXT, &path, "20s").unwrap();
        assert_eq!(changed, TEXT.replace("10s", "20s"));
        let new = set(&changed, &Path::parse("site.\"shop.example\".dns.policy").unwrap(), "web").unwrap();
        assert!(new.starts_with(&changed[..changed.len() - 1]), "{new}");
        let tree = Tree::read(&new).unwrap();
        assert_eq!(tree.value(&["site", "shop.example", "dns", "policy"]), Some(Taken::Text("web".into())));
        let list = set(TEXT, &Path::parse("node.fra1.addresses").unwrap(), "[\"192.0.2.1\"]").unwrap();
        assert_eq!(
            Tree::read(&list).unwrap().value(&["node", "fra1", "addresses"]),
            Some(Taken::List(vec!["192.0.2.1".into()]))
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (path, value, part) in [
            ("policy.web.ttl", "soon", "write a number with its unit"),
            ("policy.web.answers", "99", "1 to 16"),
            ("policy.web", "x", "is no leaf"),
            ("polcy.web.ttl", "1s", "is no leaf"),
        ] {
            let wrong = set(TEXT, &Path::parse(path).unwrap(), value).unwrap_err();
            assert!(wrong.contains(part), "{wrong}");
        }
    }
}
