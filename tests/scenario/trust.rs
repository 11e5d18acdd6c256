//! Who may speak to whom: the preshared secret, unknown keys, sites that a front-end may not open, key files.

use crate::scenario::driver::on_each_driver;
use crate::scenario::keys::Keys;
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Plan, SHOP};

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A pair whose ends have these preshared secrets, with a short patience for its tunnel.
fn with_secrets(io: &str, origin: &Origin, front: &str, back: &str) -> Plan {
    let plan = Plan::new(io).site(SHOP, &origin.http());
    plan.front(&["--psk", front, "--tunnel-wait", "300ms"]).back(&["--psk", back])
}

#[test]
fn both_ends_need_the_same_secret() {
    on_each_driver(|io| {
        let keys = Keys::new();
        let (one, other) = (keys.make_shared("one.psk"), keys.make_shared("other.psk"));
        let origin = Origin::new();
        let pair = with_secrets(io, &origin, &one, &one).start();
        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        server.request();
        server.send(EMPTY);
        client.answer().expect_status(200);
        drop(pair);

        let pair = with_secrets(io, &origin, &one, &other).start();
        let mut client = pair.client();
        client.get(SHOP, "/");
        client.answer().expect_status(504);
        assert_eq!(pair.front.page("/healthz").0, 503);
        origin.stays_alone();
    });
}

#[test]
fn a_secret_at_one_end_only_is_no_secret() {
    on_each_driver(|io| {
        let keys = Keys::new();
        let secret = keys.make_shared("pair.psk");
        let origin = Origin::new();
        let plan = Plan::new(io).site(SHOP, &origin.http()).back(&["--psk", &secret]);
        let pair = plan.front(&["--tunnel-wait", "300ms"]).start();
        let mut client = pair.client();
        client.get(SHOP, "/");
        client.answer().expect_status(504);
    });
}

#[test]
fn a_front_end_that_the_back_end_does_not_know_gets_no_tunnel() {
    on_each_driver(|io| {
        let keys = Keys::new();
        keys.make("stranger.key");
        let origin = Origin::new();
        let plan = Plan::new(io).site(SHOP, &origin.http()).front(&["--tunnel-wait", "300ms"]);
        let pair = plan.front_key(&keys.path("stranger.key")).start();
        let mut client = pair.client();
        client.get(SHOP, "/");
        client.answer().expect_status(504);
        origin.stays_alone();
    });
}

#[test]
fn a_front_end_opens_only_the_sites_that_it_may() {
    on_each_driver(|io| {
        let (shop, secret) = (Origin::new(), Origin::new());
        let plan = Plan::new(io).site(SHOP, &shop.http()).site("secret.example", &secret.http());
        let pair = plan.may_open(SHOP).start();
        let mut client = pair.client();
        client.get("secret.example", "/");
        let status = client.answer().head.status();
        assert!(matches!(status, 421 | 502), "{status}");
        secret.stays_alone();
        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = shop.accept();
        server.request();
        server.send(EMPTY);
        client.answer().expect_status(200);
    });
}
