//! Imports form a tree: no circle among the files of a crate, crates and rooms import downwards only, cores do no I/O,
//! unsafe code stays in its place.
//!
//! The rules stand below as data. A broken rule is mended by moving an item to where both sides may reach it, not by
//! a longer list. Read are the words of the code itself: comments, strings and tests never count.

mod graph;
mod source;

use graph::arrow::{Arrow, arrows};
use graph::circle::{circle, drawn};
use graph::krate::{Crate, Module};
use source::files;
use source::token::{Kind, Token, tokens};

/// The crates by the name under which others import them, with their first files; lowest first, and an import may only
/// point to an earlier one.
const CRATES: &[(&str, &[&str])] = &[
    ("dataplane", &["dataplane/src/lib.rs"]),
    ("controlplane", &["controlplane/src/lib.rs"]),
    ("tools", &["tools/src/lib.rs"]),
    ("longhaul", &["src/main.rs"]),
];

/// What the control plane may name of the data plane: what both planes share, and nothing of how bytes move in tunnels. The
/// name server's threads make their sockets and read their clock where all unsafe code is. The prober reads HTTP with the
/// planes' one reader, and knocks at back-ends with one INIT.
const SHARED_BY_THE_PLANES: &[&str] = &[
    "access",
    "http",
    "rules",
    "stdx",
    "time",
    "reactor::batch",
    "reactor::clock",
    "reactor::readiness",
    "reactor::socket",
    "tmp::conversation",
    "tmp::key",
    "tmp::knock",
    "tmp::random",
];

/// The rooms of the data plane, lowest first, and the rooms that each may name. `tmp` knows no HTTP, the blender no
/// tunnel, the reactor no protocol (it knows how many rings there are), and only `node` knows roles and drivers both.
const ROOMS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("access", &[]),
    ("stdx", &["time"]),
    ("port", &["stdx", "time"]),
    ("compression", &[]),
    ("exchange", &["compression", "port", "stdx", "time"]),
    ("http", &["stdx", "time"]),
    ("rules", &["http", "stdx"]),
    ("tmp", &["stdx", "time"]),
    ("blender", &["stdx", "time"]),
    ("reactor", &["blender", "port", "stdx", "time"]),
    (
        "role",
        &[
            "access",
            "blender",
            "compression",
            "exchange",
            "http",
            "port",
            "reactor",
            "rules",
            "stdx",
            "time",
            "tmp",
        ],
    ),
    (
        "node",
        &[
            "access",
            "blender",
            "compression",
            "exchange",
            "http",
            "port",
            "reactor",
            "role",
            "rules",
            "stdx",
            "time",
            "tmp",
        ],
    ),
];

/// Rooms without I/O, clock, threads and async: all but the drivers and what starts them.
const CORES: &[&str] =
    &["time", "access", "stdx", "port", "compression", "exchange", "http", "rules", "tmp", "blender", "role"];

/// Beginnings of paths that no core names.
const PATHS_OF_NO_CORE: &[&str] = &[
    "std::net::Tcp",
    "std::net::Udp",
    "std::net::ToSocketAddrs",
    "std::os",
    "std::fs",
    "std::thread",
    "std::process",
    "std::time",
    "std::env",
];

/// Words that no core's code contains.
const WORDS_OF_NO_CORE: &[&str] =
    &["println", "eprintln", "print", "eprint", "dbg", "async", "await", "SystemTime", "rand", "libc", "mio"];

/// Words of the list above that one core file does say, with the reason.
const WORDS_THAT_ONE_FILE_SAYS: &[(&str, &str, &str)] =
    &[("dataplane/src/tmp/random.rs", "rand", "the one door to the system's random numbers, behind a trait")];

/// Where unsafe code may stand: a folder, and single files with the reason.
const UNSAFE: &[(&str, &str)] = &[
    ("dataplane/src/reactor/", "system calls, shared rings and buffers that the kernel writes"),
    ("controlplane/src/signal.rs", "blocking signals before any thread starts"),
    ("tools/src/wan/kernel.rs", "attaching to a TUN device, real-time scheduling"),
];

fn crates() -> Vec<Crate> {
    let all = CRATES.iter().flat_map(|(name, firsts)| firsts.iter().map(|first| Crate::read(name, first)));
    all.collect()
}

fn data_plane() -> Crate {
    Crate::read("dataplane", "dataplane/src/lib.rs")
}

/// Fails with every complaint at once.
fn expect_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}\n{}", complaints.join("\n"));
}

/// The room of the data plane in which a file lies.
fn room(file: &str) -> &str {
    let inside = file.strip_prefix("dataplane/src/").expect("a file of the data plane");
    inside.split('/').next().expect("a first part").trim_end_matches(".rs")
}

#[test]
fn no_crate_has_a_circle() {
    for of in crates() {
        let arrows = arrows(&of);
        assert!(!arrows.is_empty() || of.modules.len() == 1, "the search has lost the arrows of {}", of.name);
        if let Some(found) = circle(&arrows) {
            panic!("a circle in {}:\n{}", of.name, drawn(&found));
        }
    }
}

#[test]
fn every_file_belongs_to_a_crate() {
    let crates = crates();
    let known: Vec<_> = crates.iter().flat_map(|of| of.modules.values().map(|module| &module.file)).collect();
    let folders = ["src/", "dataplane/src/", "controlplane/src/", "tools/src/"];
    let ours = |file: &String| folders.iter().any(|folder| file.starts_with(folder));
    let lost: Vec<_> = files::all().into_iter().filter(|file| ours(file) && !known.contains(&file)).collect();
    expect_none("files that no `mod` reaches:", &lost);
}

#[test]
fn crates_import_downwards() {
    let order: Vec<_> = CRATES.iter().map(|(name, _)| *name).collect();
    let mut complaints = Vec::new();
    for (place, of) in crates().iter().enumerate() {
        for (module, named) in
            of.modules.values().flat_map(|module| module.named.iter().map(move |n| (module, n)))
        {
            let target = order.iter().position(|name| named.segments[0] == *name);
            if target.is_some_and(|target| target >= place) {
                complaints.push(format!("{}:{} names {}", module.file, named.line, named.text()));
            }
        }
    }
    expect_none("imports of a higher crate:", &complaints);
}

#[test]
fn the_control_plane_names_what_the_planes_share() {
    let of = Crate::read("controlplane", "controlplane/src/lib.rs");
    let mut complaints = Vec::new();
    for module in of.modules.values() {
        for named in module.named.iter().filter(|named| named.segments[0] == "dataplane") {
            let below = named.segments[1..].join("::") + "::";
            if !SHARED_BY_THE_PLANES.iter().any(|room| below.starts_with(&format!("{room}::"))) {
                complaints.push(format!("{}:{} names {}", module.file, named.line, named.text()));
            }
        }
    }
    expect_none("the control plane names what is the data plane's own:", &complaints);
}

#[test]
fn rooms_import_downwards() {
    for (place, (room, below)) in ROOMS.iter().enumerate() {
        let lower = |name: &&str| ROOMS[..place].iter().any(|(room, _)| room == name);
        assert!(below.iter().all(lower), "{room} may name a room that is not below it");
    }
    let mut complaints = Vec::new();
    for Arrow { from, to, line } in arrows(&data_plane()) {
        if room(&from) == "lib" || room(&from) == room(&to) {
            continue;
        }
        let Some((_, below)) = ROOMS.iter().find(|(name, _)| *name == room(&from)) else {
            panic!("{from} lies in a room that has no row");
        };
        if !below.contains(&room(&to)) {
            complaints.push(format!("{from}:{line} imports from {to}"));
        }
    }
    expect_none("imports against the order of the rooms:", &complaints);
}

#[test]
fn cores_do_nothing_but_compute() {
    let of = data_plane();
    let cores = of.modules.values().filter(|module| CORES.contains(&room(&module.file)));
    let complaints: Vec<_> = cores.flat_map(|module| [io_paths(module), io_words(module)].concat()).collect();
    expect_none("I/O, clocks, threads or async in a core:", &complaints);
}

fn io_paths(module: &Module) -> Vec<String> {
    let banned = |text: &String| PATHS_OF_NO_CORE.iter().any(|path| text.starts_with(path));
    let named = module.named.iter().map(|named| (named.text(), named.line)).filter(|(text, _)| banned(text));
    named.map(|(text, line)| format!("{}:{line} names {text}", module.file)).collect()
}

fn io_words(module: &Module) -> Vec<String> {
    let excepted =
        |word: &str| WORDS_THAT_ONE_FILE_SAYS.iter().any(|row| (row.0, row.1) == (&module.file, word));
    let banned = |word: &str| WORDS_OF_NO_CORE.contains(&word) && !excepted(word);
    let found = module.code.iter().filter(|token| token.word().is_some_and(banned));
    found.map(|token| format!("{}:{} says {}", module.file, token.line, shown(token))).collect()
}

fn shown(token: &Token) -> &str {
    token.word().unwrap_or("a sign")
}

#[test]
fn unsafe_code_stays_in_its_place() {
    let mut complaints = Vec::new();
    for file in files::all().iter().filter(|file| file.contains("src/")) {
        if UNSAFE.iter().any(|(place, _)| file.starts_with(place)) {
            continue;
        }
        let tokens = tokens(&files::text(file));
        let found = tokens.iter().filter(|token| token.is_word("unsafe"));
        complaints.extend(found.map(|token| format!("{file}:{}", token.line)));
    }
    expect_none("unsafe code outside its places:", &complaints);
}

#[test]
fn parents_are_named_by_tests_only() {
    let mut complaints = Vec::new();
    for of in crates() {
        for module in of.modules.values() {
            let upwards = module.named.iter().filter(|named| named.segments[0] == "super");
            complaints.extend(
                upwards.map(|named| format!("{}:{} names {}", module.file, named.line, named.text())),
            );
        }
    }
    expect_none("`super::` outside tests; write the path from `crate`:", &complaints);
}

#[test]
fn folders_declare_and_nothing_else() {
    const ITEMS: &[&str] =
        &["fn", "struct", "enum", "trait", "impl", "const", "static", "type", "macro_rules"];
    let mut complaints = Vec::new();
    for of in crates() {
        for module in of.modules.values().filter(|module| module.file.ends_with("/mod.rs")) {
            let found = module.code.iter().find(|token| ITEMS.iter().any(|item| token.is_word(item)));
            complaints
                .extend(found.map(|token| format!("{}:{} has a {}", module.file, token.line, shown(token))));
        }
    }
    expect_none(
        "a folder's mod.rs declares its children and names what is public, and has no item itself:",
        &complaints,
    );
}

/// The rules themselves are tried on a made-up crate, so that a reader that sees nothing cannot pass for a clean tree.
#[test]
fn a_child_that_imports_from_its_folder_is_found() {
    let module = |path: &[&str], text: &str, children: &[&str]| {
        let code = tokens(text);
        assert!(code.iter().all(|token| token.kind != Kind::Literal));
        let module = Module {
            file: format!("{}.rs", path.join("/")),
            named: graph::path::named(&code),
            children: children.iter().map(|child| (*child).to_owned()).collect(),
            code,
        };
        (path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>(), module)
    };
    let modules = [
        module(&[], "mod tunnel;", &["tunnel"]),
        module(&["tunnel"], "mod packet; mod frame; pub use packet::Packet;", &["frame", "packet"]),
        module(&["tunnel", "packet"], "use crate::tunnel::frame::Frame;", &[]),
        module(&["tunnel", "frame"], "use crate::tunnel::Packet;", &[]),
    ];
    let of = Crate { name: "made_up", modules: modules.into_iter().collect() };
    let found = circle(&arrows(&of)).expect("the circle");
    assert_eq!(found.len(), 2);
    assert!(found.iter().any(|arrow| arrow.from == "tunnel/frame.rs" && arrow.to == "tunnel.rs"));
}
