//! A changed tree and the front-end and back-end that run: what changes for whom, what does not, what waits for the next
//! start, and what serves when the tree is broken.

use crate::process::{Folder, Node, PATIENCE, ask, connect, each_driver, has_ended, read_one, until};
use crate::{longhaul, run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// An origin that answers everything with its name; the second half of what lies under `/held` when it is told so.
struct Origin {
    address: SocketAddr,
    released: Arc<(Mutex<bool>, Condvar)>,
}

impl Origin {
    fn named(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Self { address: listener.local_addr().unwrap(), released: Arc::default() };
        let released = origin.released.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let released = released.clone();
                std::thread::spawn(move || answer(&stream, name, &released));
            }
        });
        origin
    }

    fn release(&self) {
        *self.released.0.lock().unwrap() = true;
        self.released.1.notify_all();
    }
}

fn answer(mut stream: &TcpStream, name: &str, released: &(Mutex<bool>, Condvar)) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let first = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let (one, two) = name.split_at(1);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{one}", name.len()).ok()?;
        if first.contains(" /held ") {
            let held = released.0.lock().unwrap();
            drop(released.1.wait_timeout_while(held, PATIENCE, |is_released| !*is_released).unwrap());
        }
        stream.write_all(two.as_bytes()).ok()?;
    }
}

/// Machines that run from one tree: a front-end and back-ends, each with its control door.
struct Network {
    folder: Folder,
    tree: String,
    sites: Mutex<String>,
}

impl Network {
    fn new(backs: &[&str]) -> Self {
        Self::on("epoll", "0", backs)
    }

    /// The same on a driver and on cpus.
    fn on(io: &str, cpus: &str, backs: &[&str]) -> Self {
        let folder = Folder::new();
        let tree = folder.path("longhaul.toml");
        let front = folder.key("front.key").1;
        let mut text = format!(
            "[node.fra]\nroles = [\"front\"]\nkey = \"front.key\"\npublic_key = \"{front}\"\n\
             front.listen = [\"127.0.0.1:0\"]\nflags = {{ cpus = \"{cpus}\", io = \"{io}\", admin = \"127.0.0.1:0\", \
             control = \"{}\" }}\n",
            folder.path("fra.ctl")
        );
        for back in backs {
            let key = folder.key(&format!("{back}.key")).1;
            text.push_str(&format!(
                "[node.{back}]\nroles = [\"back\"]\nkey = \"{back}.key\"\npublic_key = \"{key}\"\n\
                 back.listen = [\"127.0.0.1:0\"]\nback.reach = [\"127.0.0.1:9\"]\nflags = {{ cpus = \"{cpus}\", \
                 io = \"{io}\", admin = \"127.0.0.1:0\", control = \"{}\" }}\n",
                folder.path(&format!("{back}.ctl"))
            ));
        }
        fs::write(&tree, text).unwrap();
        Self { folder, tree, sites: Mutex::default() }
    }

    /// Replaces all sites: name, back-ends, origins, and whatever else.
    fn sites(&self, sites: &[(&str, &str, &[&Origin], &str)]) {
        let mut text = String::new();
        for (name, back, origins, more) in sites {
            let back = if back.is_empty() { String::new() } else { format!("back = [\"{back}\"]\n") };
            let origins: Vec<String> =
                origins.iter().map(|origin| format!("\"http://{}\"", origin.address)).collect();
            let origins = origins.join(", ");
            text.push_str(&format!("[site.\"{name}\"]\n{back}origins = [{origins}]\n{more}\n"));
        }
        let mut before = self.sites.lock().unwrap();
        let whole = fs::read_to_string(&self.tree).unwrap();
        let kept = whole.strip_suffix(before.as_str()).unwrap();
        fs::write(&self.tree, format!("{kept}{text}")).unwrap();
        *before = text;
    }

    fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(&self.tree).unwrap();
        assert!(text.contains(old), "{old}");
        fs::write(&self.tree, text.replacen(old, new, 1)).unwrap();
    }

    /// Starts a back-end, and tells the tree where it is.
    fn back(&self, name: &str) -> Node {
        let node = Node::start(&["back", "--config", &self.tree, "--node", name]);
        self.edit("127.0.0.1:9\"", &format!("{}\"", node.tunnel()));
        node
    }

    fn front(&self, flags: &[&str]) -> Node {
        let node = Node::start(&[&["front", "--config", &self.tree, "--node", "fra"], flags].concat());
        until("the node is healthy", || (node.page("/healthz").0 == 200).then_some(()));
        node
    }

    /// Reloads a node; its status and what it says.
    fn reload(&self, node: &str) -> (i32, String) {
        run(&["ctl", "--control", &self.folder.path(&format!("{node}.ctl")), "reload"])
    }

    fn reloaded(&self, node: &str) -> String {
        let (status, said) = self.reload(node);
        assert_eq!(status, 0, "{said}");
        said
    }
}

fn request(site: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {site}\r\n\r\n").into_bytes()
}

fn status(node: &Node) -> Value {
    serde_json::from_str(&node.page("/status").1).unwrap()
}

/// Status and body of a site's page, on a connection of its own.
fn get(front: &Node, site: &str) -> (u16, String) {
    let answer = ask(&mut connect(front.address()), &request(site, "/"));
    (answer.status, if answer.status == 200 { answer.body() } else { String::new() })
}

fn got(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

#[test]
fn a_hundred_reloads_drop_nothing_and_change_what_they_should() {
    each_driver(|io| hold_through_reloads(io, "0"));
}

/// Workers hear of a plan one after the other, while exchanges cross from one to the other.
#[test]
fn two_workers_take_a_hundred_plans_over() {
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1) {
        hold_through_reloads("epoll", "0,1");
    } else {
        println!("SKIPPED: there is one cpu only");
    }
}

/// A thousand connections and a tunnel, over a hundred reloads of both ends in which other sites change each time.
fn hold_through_reloads(io: &str, cpus: &str) {
    const CONNECTIONS: usize = 1_000;
    const RELOADS: usize = 100;
    let [steady, one, two] = ["steady", "one", "two"].map(Origin::named);
    let network = Network::on(io, cpus, &["home"]);
    let stays = ("shop.example", "home", &[&steady][..], "");
    network.sites(&[stays, ("news.example", "home", &[&one], "")]);
    let back = network.back("home");
    let front = network.front(&[]);
    let mut idle: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(front.address())).collect();
    let held = {
        let mut held = connect(front.address());
        held.write_all(&request("shop.example", "/held")).unwrap();
        held
    };
    let before = status(&front)["tunnels"][0]["path_losses"].clone();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut client, mut answered) = (connect(front.address()), 0);
            while !stop.load(Ordering::Relaxed) {
                let answer = ask(&mut client, &request("shop.example", "/"));
                assert_eq!((answer.status, answer.body()), got("steady"));
                answered += 1;
            }
            answered
        });
        for number in 1..=RELOADS {
            let is_odd = number % 2 == 1;
            let news = ("news.example", "home", &[if is_odd { &two } else { &one }][..], "");
            let extra = ("extra.example", "home", &[&one][..], "");
            let all = [stays, news, extra];
            network.sites(&all[..if is_odd { 3 } else { 2 }]);
            network.reloaded("home");
            network.reloaded("fra");
            assert_eq!(get(&front, "news.example"), got(if is_odd { "two" } else { "one" }), "{number}");
            let (status, _) = get(&front, "extra.example");
            assert_eq!(status, if is_odd { 200 } else { 421 }, "{number}");
        }
        stop.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0, "requests went on");
    });
    assert!(!idle.iter().any(has_ended), "a connection was dropped");
    for client in idle.iter_mut().step_by(100) {
        assert_eq!(ask(client, &request("shop.example", "/")).status, 200);
    }
    steady.release();
    let mut held = held;
    assert_eq!(read_one(&mut held).body(), "steady", "what began before a hundred reloads ends as it should");
    let shown = status(&front);
    assert_eq!(shown["tunnels"].as_array().unwrap().len(), 1);
    assert_eq!((&shown["tunnels"][0]["up"], &shown["tunnels"][0]["path_losses"]), (&true.into(), &before));
    for node in [&front, &back] {
        let shown = status(node);
        assert_eq!((&shown["reload"]["done"], &shown["reload"]["failed"]), (&RELOADS.into(), &0.into()));
        assert_eq!(shown["generation"], RELOADS);
    }
}

/// A site goes over to another back-end while an answer is under way over the first, whose tunnel goes when that is done.
#[test]
fn ways_come_and_go_while_streams_end_as_they_began() {
    let [one, two] = ["one", "two"].map(Origin::named);
    let network = Network::new(&["home", "away"]);
    network.sites(&[("shop.example", "home", &[&one], ""), ("other.example", "away", &[&two], "")]);
    let home = network.back("home");
    let _away = network.back("away");
    network.sites(&[("shop.example", "home", &[&one], "")]);
    let front = network.front(&[]);
    let mut held = connect(front.address());
    held.write_all(&request("shop.example", "/held")).unwrap();
    until("it is under way", || (status(&front)["tunnels"][0]["streams"] == 1).then_some(()));

    network.sites(&[("shop.example", "away", &[&two], "")]);
    let said = network.reloaded("fra");
    assert!(said.contains("site.\"shop.example\".back changes from [\"home\"] to [\"away\"]"), "{said}");
    assert_eq!(get(&front, "shop.example").0, 421, "away does not let this site in yet");
    network.reloaded("away");
    assert_eq!(get(&front, "shop.example"), got("two"));
    until("both are shown", || (status(&front)["tunnels"].as_array()?.len() == 2).then_some(()));
    one.release();
    assert_eq!(read_one(&mut held).body(), "one");
    until("the first tunnel is closed", || {
        let shown = status(&front);
        let tunnels = shown["tunnels"].as_array().unwrap().clone();
        (tunnels.len() == 1 && tunnels[0]["to"] == "away").then_some(())
    });
    // Nothing goes over home any more, so its tree says nothing of it: what it has stays.
    let (code, said) = network.reload("home");
    assert!(code == 2 && said.contains("nothing was reloaded; what was there stays"), "{said}");
    assert_eq!(status(&home)["reload"]["failed"], 1);
    network.sites(&[("shop.example", "home", &[&one], "")]);
    network.reloaded("home");
    network.reloaded("fra");
    assert_eq!(get(&front, "shop.example"), got("one"), "and back again");
}

/// Who may open what follows the tree, too, for tunnels that stand.
#[test]
fn a_back_end_lets_in_whom_the_tree_names_now() {
    let [one, two] = ["one", "two"].map(Origin::named);
    let network = Network::new(&["home"]);
    let other = network.folder.key("other.key").1;
    network.edit(
        "[node.home]",
        &format!("[node.nyc]\nroles = [\"front\"]\npublic_key = \"{other}\"\n\n[node.home]"),
    );
    network.sites(&[("a.example", "home", &[&one], ""), ("b.example", "home", &[&two], "")]);
    let _home = network.back("home");
    let front = network.front(&[]);
    assert_eq!((get(&front, "a.example"), get(&front, "b.example")), (got("one"), got("two")));
    network
        .sites(&[("a.example", "home", &[&one], ""), ("b.example", "home", &[&two], "fronts = [\"nyc\"]")]);
    network.reloaded("home");
    assert_eq!((get(&front, "a.example"), get(&front, "b.example").0), (got("one"), 421));
    network.sites(&[
        ("a.example", "home", &[&one], "fronts = [\"nyc\"]"),
        ("b.example", "home", &[&two], "fronts = [\"nyc\"]"),
    ]);
    network.reloaded("home");
    until("its tunnel is closed", || (front.page("/healthz").0 == 503).then_some(()));
    network.sites(&[("a.example", "home", &[&one], ""), ("b.example", "home", &[&two], "")]);
    network.reloaded("home");
    until("its tunnel is up again", || (front.page("/healthz").0 == 200).then_some(()));
    assert_eq!(get(&front, "b.example"), got("two"));
}

#[test]
fn what_cannot_change_while_it_runs_waits_and_is_said() {
    let [one, two] = ["one", "two"].map(Origin::named);
    let network = Network::new(&[]);
    network.sites(&[("a.example", "", &[&one], "")]);
    let front = network.front(&[]);
    network.sites(&[("a.example", "", &[&two], ""), ("b.example", "", &[&one], "")]);
    network.edit("io = \"epoll\"", "io = \"auto\", head-timeout = \"3s\", weights = \"9,8,4,2,1\"");
    network.edit("front.listen = [\"127.0.0.1:0\"]", "front.listen = [\"127.0.0.1:0\", \"[::1]:0\"]");
    let said = network.reloaded("fra");
    for line in [
        "waits for a restart: head-timeout: 3s, was none",
        "waits for a restart: io: auto, was epoll",
        "waits for a restart: listen: 127.0.0.1:0 [::1]:0, was 127.0.0.1:0",
        "site.\"b.example\".origins is now",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("restart: weights"), "{said}");
    assert_eq!((get(&front, "a.example"), get(&front, "b.example")), (got("two"), got("one")));
    let shown = status(&front);
    assert_eq!(shown["reload"]["waits_for_restart"].as_array().unwrap().len(), 3, "{shown}");
    assert_eq!(shown["settings"]["weights"]["value"], "9,8,4,2,1");
    // What was set by hand stays as long as the tree says nothing else.
    let door = network.folder.path("fra.ctl");
    assert!(longhaul(&["ctl", "--control", &door, "set", "weights", "5,4,3,2,1"]).status.success());
    front.signal("HUP");
    until("it is read again", || (status(&front)["reload"]["done"] == 2).then_some(()));
    assert_eq!(status(&front)["settings"]["weights"]["value"], "5,4,3,2,1");
    // A site that would need a tunnel, where the process has no key for one, stays as it was.
    let keyless = Network::new(&["home"]);
    keyless.edit("key = \"front.key\"\n", "");
    keyless.sites(&[("a.example", "", &[&one], "")]);
    let front = keyless.front(&[]);
    keyless.sites(&[("a.example", "home", &[&two], "")]);
    let said = keyless.reload("fra");
    assert!(said.1.contains("waits for a restart: site a.example: it needs a key"), "{said:?}");
    assert_eq!(get(&front, "a.example"), got("one"));
}

/// A front-end that had neither tunnels nor origins of its own gets its first ones without a restart.
#[test]
fn the_first_tunnel_and_the_first_origin_come_by_a_reload() {
    each_driver(|io| {
        for cpus in ["0", "0,1"] {
            let [one, two] = ["one", "two"].map(Origin::named);
            let network = Network::on(io, cpus, &["home"]);
            network.sites(&[("a.example", "", &[&one], "")]);
            let front = network.front(&[]);
            assert_eq!(get(&front, "a.example"), got("one"));
            network.sites(&[("a.example", "home", &[&two], ""), ("b.example", "", &[&one], "")]);
            let _home = network.back("home");
            let said = network.reloaded("fra");
            assert!(!said.contains("waits for a restart"), "{said}");
            assert_eq!((get(&front, "a.example"), get(&front, "b.example")), (got("two"), got("one")));

            let network = Network::on(io, cpus, &["home"]);
            network.sites(&[("a.example", "home", &[&two], "")]);
            let _home = network.back("home");
            let front = network.front(&[]);
            assert_eq!(get(&front, "a.example"), got("two"));
            network.sites(&[("a.example", "home", &[&two], ""), ("b.example", "", &[&one], "")]);
            let said = network.reloaded("fra");
            assert!(!said.contains("waits for a restart"), "{said}");
            assert_eq!((get(&front, "a.example"), get(&front, "b.example")), (got("two"), got("one")));
        }
    });
}

#[test]
fn a_broken_tree_changes_nothing_and_the_last_good_one_starts() {
    let one = Origin::named("one");
    let network = Network::new(&[]);
    network.sites(&[("a.example", "", &[&one], "")]);
    let kept = network.folder.path("last-good.toml");
    let front = network.front(&["--last-good", &kept]);
    let good = fs::read_to_string(&network.tree).unwrap();
    until("it is kept", || (fs::read_to_string(&kept).ok()? == good).then_some(()));

    for (broken, why) in [
        (
            "[site.\"b.example\"]\nfronts = [\"frx\"]\n",
            "there is no node frx with the role front; fra is near",
        ),
        ("[site.\"b.example\"]\norigins = [\"gopher://x\"]\n", "--site b.example=gopher://x"),
        ("[sitee.\"b.example\"]\n", "sitee is no key; site is near"),
        ("[network]\nrules = \"none.toml\"\n", "none.toml: cannot be read"),
    ] {
        fs::write(&network.tree, format!("{good}{broken}")).unwrap();
        let (code, said) = network.reload("fra");
        assert!(code == 2 && said.contains(why), "{why}: {said}");
        let problems = status(&front)["reload"]["problems"].to_string();
        assert!(problems.contains(why.split(';').next().unwrap()), "{why}: {problems}");
        assert_eq!(get(&front, "a.example"), got("one"));
    }
    assert_eq!(fs::read_to_string(&kept).unwrap(), good);
    drop(front);

    // Broken in two ways: it cannot be read as a tree; it can, and would not start.
    for broken in ["[sight]\n", "[site.\"b.example\"]\norigins = [\"gopher://x\"]\n"] {
        fs::write(&network.tree, format!("{good}{broken}")).unwrap();
        let front = network.front(&["--last-good", &kept]);
        front.wait_for("the tree is broken; the last good one serves");
        assert_eq!(get(&front, "a.example"), got("one"));
        let shown = status(&front);
        assert_eq!((&shown["reload"]["last_good"], &shown["reload"]["failed"]), (&true.into(), &1.into()));
        assert_eq!(front.metric("longhaul_last_good"), Some(1.0));
        assert_eq!(fs::read_to_string(&kept).unwrap(), good, "a broken tree is not kept");
        fs::write(&network.tree, &good).unwrap();
        network.reloaded("fra");
        assert_eq!(front.metric("longhaul_last_good"), Some(0.0));
    }
    fs::write(&network.tree, "[sight]\n").unwrap();
    let words =
        ["front", "--config", &network.tree, "--node", "fra", "--listen", "nowhere", "--last-good", &kept];
    let (code, said) = run(&words);
    assert!(
        code == 2 && said.contains("sight is no key"),
        "what is wrong with the flags is no case for it: {said}"
    );
}

/// `[user.NAME]` says who may give which commands; a reload changes that, too.
#[test]
fn users_of_the_tree_may_what_the_tree_says() {
    let one = Origin::named("one");
    let network = Network::new(&[]);
    network.sites(&[("a.example", "", &[&one], "")]);
    let (door, folder) =
        (network.folder.path("fra.ctl"), std::path::Path::new(&network.tree).parent().unwrap());
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let mode = || fs::metadata(&door).unwrap().permissions().mode() & 0o777;
    let users = |may: &str| {
        let text = fs::read_to_string(&network.tree).unwrap();
        let kept = text.split("[user.").next().unwrap().to_owned();
        let user = if may.is_empty() { String::new() } else { format!("[user.65534]\nmay = [{may}]\n") };
        fs::write(&network.tree, format!("{kept}{user}[user.nobody-of-this-name]\n")).unwrap();
    };
    let front = network.front(&[]);
    assert_eq!(mode(), 0o600);
    // As in the tests of the door: Perl is where our own program may not be reached.
    let say = "use IO::Socket::UNIX; $SIG{PIPE} = 'IGNORE'; $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; \
               print $s qq([$ARGV[1]]\\n); $s->flush; print scalar <$s>;";
    let as_user = |words: &str| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", "65534", "--clear-groups", "perl", "-e", say, &door, words]);
        command.stdin(std::process::Stdio::null()).output()
    };
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root || !as_user("").is_ok_and(|output| output.status.code().is_some_and(|code| code < 126)) {
        println!("SKIPPED: only root can become a user, and perl and setpriv have to be there");
        assert!(std::env::var_os("LONGHAUL_REQUIRE_ALL").is_none_or(|all| all != "1"), "they are required");
        return;
    }
    let told = |words: &str| {
        let output = as_user(words).unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert!(told("\"show\"").contains("Permission denied"));
    users("\"show\", \"set\"");
    network.reloaded("fra");
    front.wait_for("a user of the tree is none of this machine user=nobody-of-this-name");
    assert_eq!(mode(), 0o666);
    assert!(told("\"show\"").contains("weights = "));
    assert!(told("\"set\",\"weights\",\"5,4,3,2,1\"").contains("\"status\":0"));
    assert_eq!(status(&front)["settings"]["weights"]["set_by_uid"], 65_534);
    for command in ["\"reload\"", "\"drain\"", "\"status\""] {
        let said = told(command);
        assert!(said.contains("uid 65534 may not ") && said.contains("\"status\":1"), "{said}");
    }
    front.wait_for("command through the control door command=drain uid=65534");
    assert_eq!(front.page("/healthz").0, 200, "it was not drained");
    users("");
    network.reloaded("fra");
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&door, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(told("\"show\"").contains("may not change this process"));
    fs::write(&network.tree, fs::read_to_string(&network.tree).unwrap() + "[user.eve]\nmay = [\"drian\"]\n")
        .unwrap();
    let (code, said) = network.reload("fra");
    assert!(code == 2 && said.contains("write a list of some of \"show\""), "{said}");
}

/// A site's own classes are asked before the network's rules, and change with the tree.
#[test]
fn sites_have_classes_of_their_own() {
    let one = Origin::named("one");
    let network = Network::new(&[]);
    let log = network.folder.path("access.log");
    fs::write(network.folder.path("rules.toml"), "[[rule]]\npath = '/pay/*'\nclass = 0\n").unwrap();
    network.edit("[node.fra]", "[network]\nrules = \"rules.toml\"\n\n[node.fra]");
    let own = "classes = [\"path=/map/*:4\", \"default:3\"]";
    network.sites(&[("a.example", "", &[&one], own), ("b.example", "", &[&one], "")]);
    let front = network.front(&["--access-log", &log]);
    let class = |site: &str, path: &str| -> u64 {
        let before = fs::read_to_string(&log).unwrap().lines().count();
        assert_eq!(ask(&mut connect(front.address()), &request(site, path)).status, 200);
        let line = until("the record is written", || {
            fs::read_to_string(&log).unwrap().lines().nth(before).map(str::to_owned)
        });
        serde_json::from_str::<Value>(&line).unwrap()["class"].as_u64().unwrap()
    };
    for (site, path, expected) in [
        ("a.example", "/map/x", 4),
        ("a.example", "/pay/x", 3),
        ("b.example", "/map/x", 2),
        ("b.example", "/pay/x", 0),
    ] {
        assert_eq!(class(site, path), expected, "{site}{path}");
    }
    network.sites(&[("a.example", "", &[&one], ""), ("b.example", "", &[&one], "classes = [\"default:1\"]")]);
    network.reloaded("fra");
    assert_eq!((class("a.example", "/pay/x"), class("b.example", "/pay/x")), (0, 1));
    network.sites(&[("a.example", "", &[&one], "classes = [\"pth=/x:1\"]")]);
    let (code, said) = network.reload("fra");
    assert!(code == 2 && said.contains("--site-class a.example=pth=/x:1"), "{said}");
}
