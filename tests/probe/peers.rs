//! Real servers of others: nginx with TLS, vsftpd.

use crate::process::{Folder, until};
use crate::run;
use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// A server that is ended with its test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Whether all of these programs are here; if not, the reason is printed, or a failure where everything is required.
fn are_there(programs: &[&str]) -> bool {
    let is_there = |program: &&&str| {
        Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success()
    };
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(
        std::env::var_os("LONGHAUL_REQUIRE_ALL").is_none_or(|all| all != "1"),
        "{missing:?} are required"
    );
    println!("SKIPPED: {missing:?} are not installed");
    false
}

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn nginx_is_probed_over_tls() {
    if !are_there(&["nginx", "openssl"]) {
        return;
    }
    let folder = Folder::new();
    let [certificate, key, conf, page] =
        ["cert.pem", "key.pem", "nginx.conf", "index.html"].map(|name| folder.path(name));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
        ])
        .args([
            "-subj",
            "/CN=shop.test",
            "-addext",
            "subjectAltName=DNS:shop.test",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    fs::write(&page, "welcome\n").unwrap();
    let root = folder.path("");
    let (server, url) = until("nginx is there", || {
        let port = port();
        let text = format!(
            "daemon off; master_process off; pid {root}nginx.pid; error_log {root}error.log;\nevents {{}}\n\
             http {{ access_log off; client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root};\n\
             uwsgi_temp_path {root}; scgi_temp_path {root};\n\
             server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};\n\
             location / {{ root {root}; }} location = /moved {{ return 302 /index.html; }} }} }}\n"
        );
        fs::write(&conf, text).unwrap();
        let child = Command::new("nginx")
            .args(["-e", &folder.path("error.log"), "-c", &conf])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Peer(child);
        let url = format!("https://127.0.0.1:{port}");
        until("it answers or ends", || {
            let is_up = run(&["probe", "once", &format!("tcp://127.0.0.1:{port}")]).0 == 0;
            (is_up || server.0.try_wait().unwrap().is_some()).then_some(())
        });
        server.0.try_wait().unwrap().is_none().then_some((server, url))
    });
    let common = ["probe", "once", "--host", "shop.test", "--timeout", "20s"];
    let probe = |flags: &[&str]| run(&[&common[..], flags].concat());
    let (status, said, _) = probe(&["--ca", &certificate, "--body", "welcome", &format!("{url}/index.html")]);
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("certificate until") && (said.contains(" 29 days") || said.contains(" 30 days")),
        "{said}"
    );
    assert!(said.contains("modified") && said.contains("etag"), "{said}");
    let (status, said, _) = probe(&["--ca", &certificate, "--redirects", "3", &format!("{url}/moved")]);
    assert!(status == 0 && said.contains("1 redirects"), "{said}");
    let (status, said, _) = probe(&["--insecure", &format!("{url}/none")]);
    assert!(status == 1 && said.contains("status: status 404"), "{said}");
    let other = ["probe", "once", "--ca", &certificate, "--host", "mail.test", "--timeout", "20s", &url];
    let (status, said, _) = run(&other);
    assert!(status == 1 && said.contains("certificate: "), "{said}");
    drop(server);
}

#[test]
fn a_file_of_vsftpd_is_fetched() {
    if !are_there(&["vsftpd"]) {
        return;
    }
    let folder = Folder::new();
    let conf = folder.path("vsftpd.conf");
    fs::create_dir(folder.path("pub")).unwrap();
    fs::write(folder.path("pub/file"), vec![b'x'; 1_000_000]).unwrap();
    let root = folder.path("pub");
    let (server, url) = until("vsftpd is there", || {
        let port = port();
        let text = format!(
            "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\n\
             anon_root={root}\nrun_as_launching_user=YES\nno_anon_password=YES\nseccomp_sandbox=NO\nxferlog_enable=NO\n"
        );
        fs::write(&conf, text).unwrap();
        let child =
            Command::new("vsftpd").arg(&conf).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut server = Peer(child);
        until("it answers or ends", || {
            let is_up = run(&["probe", "once", &format!("tcp://127.0.0.1:{port}")]).0 == 0;
            (is_up || server.0.try_wait().unwrap().is_some()).then_some(())
        });
        server.0.try_wait().unwrap().is_none().then_some((server, format!("ftp://127.0.0.1:{port}")))
    });
    let (status, said, _) = run(&["probe", "once", "--timeout", "20s", &format!("{url}/file")]);
    assert!(status == 0 && said.contains("1000000"), "{said}");
    let (status, said, _) = run(&["probe", "once", "--timeout", "20s", &format!("{url}/none")]);
    assert!(status == 1 && said.contains("RETR: 550"), "{said}");
    drop(server);
}
