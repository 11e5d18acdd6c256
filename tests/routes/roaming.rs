//! What happens to ways in the field: one becomes ten times as long, a NAT forgets its mapping. No byte is wrong, no connection new.

use crate::process::{Node, each_driver, one_cpu, until};
use crate::{Keys, World, origin, said};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Stands between a front-end and a back-end, and goes on from another port when it is told to.
struct Nat {
    inside: Arc<UdpSocket>,
    outside: Arc<Mutex<Arc<UdpSocket>>>,
    to: SocketAddr,
    /// Who writes from inside.
    client: Arc<Mutex<Option<SocketAddr>>>,
    is_over: Arc<AtomicBool>,
}

impl Nat {
    fn start(to: SocketAddr) -> Self {
        let nat = Self {
            inside: Arc::new(socket()),
            outside: Arc::new(Mutex::new(Arc::new(socket()))),
            to,
            client: Arc::default(),
            is_over: Arc::default(),
        };
        nat.bring_back(nat.port());
        let (inside, outside, client) = (nat.inside.clone(), nat.outside.clone(), nat.client.clone());
        let is_over = nat.is_over.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 2_048];
            while !is_over.load(Ordering::Relaxed) {
                if let Ok((length, from)) = inside.recv_from(&mut buffer) {
                    *client.lock().unwrap() = Some(from);
                    let _sent = outside.lock().unwrap().send_to(&buffer[..length], to);
                }
            }
        });
        nat
    }

    fn port(&self) -> Arc<UdpSocket> {
        self.outside.lock().unwrap().clone()
    }

    /// What comes to a port goes inside, for as long as the mapping lives.
    fn bring_back(&self, port: Arc<UdpSocket>) {
        let (inside, outside) = (self.inside.clone(), self.outside.clone());
        let (client, is_over, to) = (self.client.clone(), self.is_over.clone(), self.to);
        std::thread::spawn(move || {
            let mut buffer = [0; 2_048];
            let lives = || !is_over.load(Ordering::Relaxed) && Arc::ptr_eq(&outside.lock().unwrap(), &port);
            while lives() {
                if let Ok((length, from)) = port.recv_from(&mut buffer)
                    && from == to
                    && let Some(client) = *client.lock().unwrap()
                {
                    let _sent = inside.send_to(&buffer[..length], client);
                }
            }
        });
    }

    /// Forgets the mapping; the address that the back-end will see.
    fn rebind(&self) -> SocketAddr {
        let fresh = Arc::new(socket());
        *self.outside.lock().unwrap() = fresh.clone();
        self.bring_back(fresh.clone());
        fresh.local_addr().unwrap()
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Its reader looks now and then whether it is still wanted.
fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    socket
}

#[test]
fn a_nat_that_forgets_its_mapping_costs_nothing() {
    each_driver(|io| {
        let (origin, site) = origin();
        let Keys { folder, front: front_key, back: back_key, back_public, peer } = Keys::new();
        let (cpu, any) = (one_cpu(), "127.0.0.1:0");
        let fixed = ["--io", io, "--cpus", &cpu, "--listen", any, "--admin", any];
        let own = ["back", "--key", &back_key, "--peer", &peer, "--origin", &site];
        let back = Node::start(&[&own[..], &fixed].concat());
        let nat = Nat::start(back.tunnel());
        let route = format!("east={back_public}@{}", nat.inside.local_addr().unwrap());
        let own = ["front", "--key", &front_key, "--route", &route, "--site", "*=east"];
        let front = Node::start(&[&own[..], &fixed].concat());
        front.wait_for("a tunnel is up to=east");
        let world = World { origin, relays: Vec::new(), front, back, folder };
        let moved_to = |address: SocketAddr| {
            until("the back-end follows the front-end", || {
                let paths = world.paths(&world.back);
                paths.first().is_some_and(|path| path["address"] == address.to_string()).then_some(())
            });
        };
        let said = world.load(&["--connections", "8", "--requests", "1500", "--rate", "400"], || {
            (0..3).for_each(|_| moved_to(nat.rebind()));
        });
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(report["requests"], 1_500, "{said}");
        drop(world.origin);
    });
}

#[test]
fn a_path_that_becomes_ten_times_as_long_is_left_and_taken_again() {
    each_driver(|io| {
        let world = World::start(io, &[]);
        let steer = |spec: &str| {
            let control = world.folder.path("relay0.sock");
            let (status, text) = said(&["wan", "ctl", &control, "set", spec]);
            assert_eq!(status, 0, "{text}");
        };
        let said = world.load(&["--connections", "8", "--requests", "1000", "--rate", "150"], || {
            steer("rtt=400ms");
            world.wait_active(&world.front, 1);
            world.wait_active(&world.back, 1);
            steer("rtt=20ms");
        });
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(report["requests"], 1_000, "{said}");
        world.wait_active(&world.front, 0);
        world.wait_active(&world.back, 0);
        drop(world.origin);
    });
}
