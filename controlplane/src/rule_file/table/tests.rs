//! Rules files, right and wrong.

use super::*;
use dataplane::rules::{AnswerFacts, AnswerVerdict, Later};

#[test]
fn every_key_is_read() {
    let text = r#"
        default = 3

        [[rule]]
        name = "buyers"
        site = ["Shop.example", "*.shop.example"]
        method = "POST"
        path = ["/cart", "/checkout/*"]
        header = "X-Kind=buyer*"
        cookie = ["cart", "tier=gold"]
        query = "step"
        client = "10.0.0.0/8"
        port = [80, 8080]
        urgency = "0-2"
        class = 0
        compress = false
        cache = true

        [[rule]]
        urgency = 7
        class = 4

        [[answer]]
        site = "shop.example"
        type = "text/*"
        status = "200-299"
        size = "1k"
        was = [1, 2]
        class = 1

        [[answer]]
        name = "long"
        after = "256k"
        class = 4
    "#;
    let rules = read(text).unwrap();
    assert_eq!((rules.class_default, rules.requests.len(), rules.answers.len()), (3, 2, 2));
    let said: Vec<String> = rules.requests[0].conditions.iter().map(ToString::to_string).collect();
    let wanted = [
        "site shop.example or *.shop.example",
        "method POST",
        "path /cart or /checkout/*",
        "header X-Kind=buyer*",
        "cookie cart",
        "cookie tier=gold",
        "query step",
        "client 10.0.0.0/8",
        "port 80 or 8080",
        "urgency 0-2",
    ];
    assert_eq!(said, wanted);
    assert_eq!((rules.requests[0].compress, rules.requests[0].cache), (Some(false), Some(true)));
    assert_eq!(rules.requests[1].label.to_string(), "rule-2");
    assert_eq!(
        (rules.answers[0].label.to_string(), rules.answers[0].conditions.len()),
        ("answer-1".to_owned(), 5)
    );
    let facts = AnswerFacts {
        site: b"shop.example",
        class: 2,
        status: 204,
        content_type: Some(b"text/css"),
        size_bytes: Some(1_024),
    };
    let later = Some(Later { after_bytes: 256 << 10, class: 4 });
    assert_eq!(rules.judge_answer(&facts), AnswerVerdict { class: Some(1), later });
}

#[test]
fn an_empty_file_has_no_rules() {
    assert_eq!(read("").unwrap(), Rules::default());
}

#[test]
fn everything_wrong_is_said_at_once() {
    let text = "defualt = 1\n[[rule]]\npaht = '/x'\nclass = 5\n[[rule]]\npath = 'checkout'\nmethod = 'get'\n\
                client = ['10.0.0.1/8', 'x']\nurgency = '3-9'\nname = 'two words'\ncookie = '=x'\n\
                [[answer]]\nafter = 'long'\n";
    let said: Vec<String> = read(text).unwrap_err().iter().map(ToString::to_string).collect();
    let wanted = [
        "line 1, column 1: defualt is unknown here; write default",
        "line 3, column 1: paht is unknown here; write path",
        "line 4, column 9: class is 5; give a whole number from 0 to 4",
        "line 5, column 1: a rule without class; give class = 0 (highest) to 4",
        "line 6, column 8: no path begins like \"checkout\"; begin with / or *",
        "line 7, column 10: method \"get\" is never sent; write GET",
        "line 8, column 11: client \"10.0.0.1/8\" has bits set behind its prefix; write 10.0.0.0/8",
        "line 8, column 25: client \"x\" is no network; write ADDRESS or ADDRESS/BITS",
        "line 9, column 11: urgency is \"3-9\"; give a number from 0 to 7, or two as \"0-7\"",
        "line 10, column 8: \"two words\" cannot be a rule's name; use 1 to 31 visible ASCII characters without blanks",
        "line 11, column 10: \"=x\" names nothing; write NAME or NAME=PATTERN",
        "line 12, column 1: a rule without class; give class = 0 (highest) to 4",
        "line 13, column 9: after is \"long\"; write bytes, or a text such as \"256k\"",
    ];
    assert_eq!(said, wanted);
}
