//! What an operator ordered about servers through the control door: which, why, until when, by whom. The orders count
//! more than the tree's, end by themselves, and may be kept in a file so that they outlive the process.

use crate::dns::policy::model::{Action, Override};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The orders, by server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders(BTreeMap<String, Override>);

impl Orders {
    /// The order about a server.
    pub fn get(&self, server: &str) -> Option<&Override> {
        self.0.get(server)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Override)> {
        self.0.iter().map(|(name, order)| (name.as_str(), order))
    }

    /// Orders something about a server, in place of what was ordered before.
    pub fn give(&mut self, server: &str, order: Override) {
        self.0.insert(server.to_owned(), order);
    }

    /// Takes an order back.
    pub fn take_back(&mut self, server: &str) -> Option<Override> {
        self.0.remove(server)
    }

    /// Forgets those whose time is over; their names.
    pub fn expire(&mut self, now_s: u64) -> Vec<String> {
        let is_over = |order: &Override| order.until_s.is_some_and(|until_s| until_s <= now_s);
        let over: Vec<String> =
            self.0.iter().filter(|(_, order)| is_over(order)).map(|(name, _)| name.clone()).collect();
        over.iter().for_each(|name| drop(self.0.remove(name)));
        over
    }

    /// As they are kept: JSON, one entry per server.
    pub fn write(&self) -> String {
        let one = |order: &Override| {
            json!({
                "action": order.action.name(), "reason": order.reason,
                "until": order.until_s, "uid": order.by_uid,
            })
        };
        let all: Map<String, Value> = self.0.iter().map(|(name, order)| (name.clone(), one(order))).collect();
        format!("{:#}\n", Value::Object(all))
    }

    /// Reads what was kept.
    pub fn read(text: &str) -> Result<Self, String> {
        let root: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        let all = root.as_object().ok_or("is no object of orders, by server")?;
        let one = |(name, order): (&String, &Value)| {
            let order = read_one(order).ok_or_else(|| format!("{name}: is no order of ours"))?;
            Ok((name.clone(), order))
        };
        all.iter().map(one).collect::<Result<_, String>>().map(Self)
    }
}

fn read_one(order: &Value) -> Option<Override> {
    let word = order.get("action")?.as_str()?;
    let action = [Action::Drain, Action::Up, Action::Down].into_iter().find(|a| a.name() == word)?;
    let number = |key: &str| match order.get(key) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_u64().map(Some),
    };
    Some(Override {
        action,
        reason: order.get("reason")?.as_str()?.to_owned(),
        until_s: number("until")?,
        by_uid: number("uid")?.map(u32::try_from).transpose().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(action: Action, until_s: Option<u64>) -> Override {
        Override { action, reason: "a \"disk\"".into(), until_s, by_uid: Some(0) }
    }

    #[test]
    fn orders_end_and_are_kept() {
        let mut orders = Orders::default();
        orders.give("fra1", order(Action::Drain, Some(10)));
        orders.give("nyc1", order(Action::Down, None));
        assert_eq!(Orders::read(&orders.write()).as_ref(), Ok(&orders));
        assert_eq!((orders.expire(9).len(), orders.expire(10)), (0, vec!["fra1".to_owned()]));
        assert_eq!(orders.all().map(|(name, _)| name).collect::<Vec<_>>(), ["nyc1"]);
        assert!(orders.take_back("nyc1").is_some() && orders.take_back("nyc1").is_none());
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for wrong in [
            "",
            "[]",
            r#"{"a": {}}"#,
            r#"{"a": {"action": "stop", "reason": "r"}}"#,
            r#"{"a": {"action": "up"}}"#,
        ] {
            assert!(Orders::read(wrong).is_err(), "{wrong}");
        }
        assert!(Orders::read(r#"{"a": {"action": "up", "reason": "r", "until": -1}}"#).is_err());
        assert!(Orders::read(r#"{"a": {"action": "up", "reason": "r"}}"#).is_ok());
    }
}
