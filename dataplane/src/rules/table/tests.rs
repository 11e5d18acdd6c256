//! Tables of rules against requests and answers.

use super::*;
use crate::http::{FieldTable, Limits, Parsed, parse_request};
use crate::rules::answer::AnswerCondition;
use crate::rules::condition::{Condition, Named};
use crate::rules::facts::MessageFacts;
use crate::rules::pattern::Pattern;

const REQUEST: &str = "GET /checkout/pay?step=2&x HTTP/1.1\r\nHost: shop.example\r\nCookie: a=b; cart=full\r\n\
                       Cookie: tier=gold\r\nX-Kind: Crawler\r\nPriority: u=1, i\r\n\r\n";

fn named(name: &str, value: Option<&str>) -> Named {
    Named { name: name.to_owned(), value: value.map(Pattern::new) }
}

fn holds_for(request: &str, condition: &Condition) -> bool {
    let limits = Limits::default();
    let mut table = FieldTable::new(&limits);
    let Parsed::Complete { head, .. } = parse_request(request.as_bytes(), &limits, &mut table) else {
        panic!("{request}")
    };
    condition.holds(&RequestFacts {
        site: b"shop.example",
        client: "192.0.2.7".parse().unwrap(),
        port: 8080,
        message: Some(MessageFacts::of(&head)),
    })
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

#[test]
fn conditions_hold_or_do_not() {
    let cases = [
        (Condition::Site(patterns(&["*.example"])), true),
        (Condition::Site(patterns(&["shop.test"])), false),
        (Condition::Method(vec!["POST".to_owned(), "GET".to_owned()]), true),
        (Condition::Method(vec!["get".to_owned()]), false),
        (Condition::Path(patterns(&["/cart", "/checkout/*"])), true),
        (Condition::Path(patterns(&["/checkout"])), false),
        (Condition::Header(named("x-kind", Some("Crawler"))), true),
        (Condition::Header(named("x-kind", Some("crawler"))), false),
        (Condition::Header(named("X-Other", None)), false),
        (Condition::Cookie(named("cart", None)), true),
        (Condition::Cookie(named("tier", Some("g*"))), true),
        (Condition::Cookie(named("cart", Some("empty"))), false),
        (Condition::Query(named("step", Some("2"))), true),
        (Condition::Query(named("x", None)), true),
        (Condition::Query(named("x", Some("1"))), false),
        (Condition::Query(named("ste", None)), false),
        (Condition::Client(vec!["192.0.2.0/24".parse().unwrap()]), true),
        (Condition::Client(vec!["198.51.100.0/24".parse().unwrap()]), false),
        (Condition::Port(vec![25, 8080]), true),
        (Condition::Port(vec![25]), false),
        (Condition::Urgency(0..=1), true),
        (Condition::Urgency(2..=7), false),
    ];
    for (condition, holds) in cases {
        assert_eq!(holds_for(REQUEST, &condition), holds, "{condition}");
    }
}

#[test]
fn urgency_is_read_as_the_rfc_says() {
    let cases = [
        ("", 3),
        ("i", 3),
        ("u=0", 0),
        ("u=7;x=1", 7),
        ("u=8", 3),
        ("u=x", 3),
        ("u=1, u=5", 5),
        ("i,u=4", 4),
    ];
    for (value, urgency) in cases {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nPriority: {value}\r\n\r\n");
        assert!(holds_for(&request, &Condition::Urgency(urgency..=urgency)), "{value}");
    }
    let request = "GET / HTTP/1.1\r\nHost: a\r\nPriority: u=1\r\nPriority: u=6\r\n\r\n";
    assert!(holds_for(request, &Condition::Urgency(6..=6)), "two lines are one dictionary");
}

#[test]
fn a_connection_has_no_message_to_look_at() {
    let facts =
        RequestFacts { site: b"mail.example", client: "::1".parse().unwrap(), port: 25, message: None };
    assert!(Condition::Port(vec![25]).holds(&facts) && Condition::Site(patterns(&["mail.*"])).holds(&facts));
    assert!(!Condition::Path(patterns(&["*"])).holds(&facts) && !Condition::Urgency(0..=7).holds(&facts));
}

#[test]
fn the_first_rule_that_fits_wins() {
    let rule = |label: &str, conditions: Vec<Condition>, class| RequestRule {
        label: Label::new(label).unwrap(),
        conditions,
        class,
        compress: Some(class == 0),
        cache: None,
    };
    let rules = Rules {
        requests: vec![
            rule("both", vec![Condition::Port(vec![25]), Condition::Site(patterns(&["b.example"]))], 0),
            rule("port", vec![Condition::Port(vec![25])], 1),
            rule("too late", vec![], 3),
        ],
        ..Rules::default()
    };
    let ask = |site: &'static [u8], port| {
        rules.judge(&RequestFacts { site, client: "::1".parse().unwrap(), port, message: None })
    };
    assert_eq!((ask(b"b.example", 25).class, ask(b"b.example", 25).compress), (0, Some(true)));
    assert_eq!(ask(b"a.example", 25).label.to_string(), "port");
    assert_eq!(ask(b"a.example", 80).class, 3);
    assert_eq!(Rules::default().unruled().class, 2);
}

#[test]
fn an_answer_has_a_class_now_and_another_later() {
    let rule = |conditions, after_bytes, class| AnswerRule {
        label: Label::new("x").unwrap(),
        conditions,
        after_bytes,
        class,
    };
    let html = || vec![AnswerCondition::ContentType(patterns(&["text/html"]))];
    let rules = Rules {
        answers: vec![
            rule(html(), 0, 1),
            rule(vec![AnswerCondition::SizeAtLeast(1_000), AnswerCondition::Status(200..=299)], 0, 4),
            rule(vec![AnswerCondition::Class(vec![2, 3])], 256, 4),
        ],
        ..Rules::default()
    };
    let facts = AnswerFacts { site: b"a", class: 2, status: 200, content_type: None, size_bytes: None };
    let later = Some(Later { after_bytes: 256, class: 4 });
    assert_eq!(rules.judge_answer(&facts), AnswerVerdict { class: None, later });
    let page = AnswerFacts { content_type: Some(b"Text/HTML; charset=utf-8"), class: 0, ..facts };
    assert_eq!(rules.judge_answer(&page), AnswerVerdict { class: Some(1), later: None });
    let large = AnswerFacts { size_bytes: Some(1_000), ..facts };
    assert_eq!(rules.judge_answer(&large).class, Some(4));
    let refused = AnswerFacts { status: 404, ..large };
    assert_eq!(rules.judge_answer(&refused).class, None);
}
