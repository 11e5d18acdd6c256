//! Files with one secret key each: made with mode 0600 and never overwritten, read only if nobody else can read them.

use crate::problem::Wrong;
use controlplane::dns::cookie::{Secret, Secrets};
use controlplane::join::invitation::Ticket;
use controlplane::report::{self, key::ReportKey};
use dataplane::tmp::key::{KeyError, PresharedKey, PrivateKey};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of a key file that are read at most: a key's text, and room for white space.
const FILE_BYTES_MAX: usize = 512;

/// Makes the file with the key's text in it. What stands there already stays as it is.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), Wrong> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| wrong_on_create(path, &error))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n"));
    written.and_then(|()| file.sync_all()).map_err(|error| {
        // Half a key is worse than none, and would be in the way of the next try.
        let _ = std::fs::remove_file(path);
        wrong_on_create(path, &error)
    })
}

/// Reads a private key.
pub(crate) fn private(path: &Path) -> Result<PrivateKey, Wrong> {
    let text = read(path, "new")?;
    PrivateKey::from_text(&text).map_err(|error| wrong_key(path, error, "new"))
}

/// Reads a secret that both ends share.
pub(crate) fn preshared(path: &Path) -> Result<PresharedKey, Wrong> {
    let text = read(path, "psk")?;
    PresharedKey::from_text(&text).map_err(|error| wrong_key(path, error, "psk"))
}

/// Reads the secrets of DNS cookies: 32 hexadecimal digits, and on a second line perhaps those that are still taken.
pub(crate) fn cookie_secrets(path: &Path) -> Result<Secrets, Wrong> {
    let text = read(path, "cookie")?;
    let mut lines = text.split_whitespace().map(secret);
    match (lines.next(), lines.next(), lines.next()) {
        (Some(Some(current)), None, None) => Ok(Secrets { current, other: None }),
        (Some(Some(current)), Some(Some(other)), None) => Ok(Secrets { current, other: Some(other) }),
        _ => Err(Wrong::new(
            format!("{} has no secrets for cookies", path.display()),
            "give one or two lines of 32 hexadecimal digits; `longhaul key cookie` makes one",
        )),
    }
}

/// Reads an invitation to the network.
pub(crate) fn ticket(path: &Path) -> Result<Ticket, Wrong> {
    let text = read(path, "invite")?;
    Ticket::read(&text).ok_or_else(|| {
        let what = format!("{} is no invitation", path.display());
        Wrong::new(what, "give the file that `longhaul key invite --out FILE` made")
    })
}

/// Stands before the secret behind all keys of reports.
const REPORT_SECRET: &str = "longhaul-report-secret";
/// Stands before the key of one node, whose name follows.
const REPORT_KEY: &str = "longhaul-report-key";

/// The text of a secret of reports.
pub(crate) fn report_secret_text(secret: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(format!("{REPORT_SECRET} {}", *hex(secret)))
}

/// The text of a node's key of reports.
pub(crate) fn report_key_text(node: &str, key: &ReportKey) -> Zeroizing<String> {
    Zeroizing::new(format!("{REPORT_KEY} {node} {}", *hex(key.bytes())))
}

/// Reads the secret behind all keys of reports.
pub(crate) fn report_secret(path: &Path) -> Result<report::key::Secret, Wrong> {
    let text = read(path, "report")?;
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [REPORT_SECRET, digits] => report::key::read(digits).map(report::key::Secret::new),
        _ => None,
    }
    .ok_or_else(|| {
        let what = format!("{} has no secret of reports", path.display());
        Wrong::new(what, "give the file that `longhaul key report --out FILE` made")
    })
}

/// Reads a node's key of reports, or makes it from the secret behind them all.
pub(crate) fn report_key(path: &Path, node: &str) -> Result<ReportKey, Wrong> {
    let text = read(path, "report")?;
    let instead = format!("longhaul key report --of SECRET --node {node} --out FILE makes it");
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [REPORT_SECRET, _] => report_secret(path).map(|secret| secret.of_node(node)),
        [REPORT_KEY, other, _] if other != node => {
            Err(Wrong::new(format!("{} is the key of {other}, not of {node}", path.display()), instead))
        }
        [REPORT_KEY, _, digits] => report::key::read(digits)
            .map(ReportKey::new)
            .ok_or_else(|| Wrong::new(format!("{} has no key of reports", path.display()), instead)),
        _ => Err(Wrong::new(format!("{} has no key of reports", path.display()), instead)),
    }
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn secret(text: &str) -> Option<Secret> {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    (text.len() == 32).then_some(Secret(bytes))
}

fn wrong_key(path: &Path, error: KeyError, maker: &str) -> Wrong {
    Wrong::new(
        format!("{}: {error}", path.display()),
        format!("give a file that `longhaul key {maker}` made"),
    )
}

/// Reads the key's text. The checks are made on the open file, so that it cannot be exchanged in between. `maker` is
/// the door that makes such files.
fn read(path: &Path, maker: &str) -> Result<Zeroizing<String>, Wrong> {
    // A pipe would block the open, and never be a key file.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| wrong_on_open(path, &error, maker))?;
    check(path, &file)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
    let limit = FILE_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| wrong_on_read(path, &error))?;
    let text = core::str::from_utf8(&bytes).ok().filter(|text| text.len() <= FILE_BYTES_MAX);
    let text = text.ok_or_else(|| {
        Wrong::new(format!("{} is no key file", path.display()), "give one that `longhaul key` made")
    })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn check(path: &Path, file: &File) -> Result<(), Wrong> {
    let shown = path.display();
    let metadata = file.metadata().map_err(|error| wrong_on_read(path, &error))?;
    if !metadata.is_file() {
        return Err(Wrong::new(format!("{shown} is no regular file"), "give one that `longhaul key` made"));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let what = format!("{shown} is open to others than its owner (mode {mode:04o})");
        return Err(Wrong::new(
            what,
            format!("chmod 600 {shown}, or make a new key if someone may have read it"),
        ));
    }
    if metadata.size() == 0 {
        return Err(Wrong::new(format!("{shown} is empty"), "remove it and make the key again"));
    }
    Ok(())
}

fn wrong_on_create(path: &Path, error: &io::Error) -> Wrong {
    let shown = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => {
            Wrong::new(format!("{shown} exists and is not overwritten"), "give another name, or remove it")
        }
        _ => Wrong::new(
            format!("{shown} cannot be written: {error}"),
            "give a file in a folder that you may write",
        ),
    }
}

fn wrong_on_open(path: &Path, error: &io::Error, maker: &str) -> Wrong {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => Wrong::new(
            format!("{shown} does not exist"),
            format!("longhaul key {maker} --out {shown} makes it"),
        ),
        _ => wrong_on_read(path, error),
    }
}

fn wrong_on_read(path: &Path, error: &io::Error) -> Wrong {
    Wrong::new(format!("{} cannot be read: {error}", path.display()), "give a file that this user owns")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use dataplane::tmp::random::PredictableRandom;
    use std::fs::{self, Permissions};

    fn text() -> Zeroizing<String> {
        PrivateKey::generate(&mut PredictableRandom::new(1)).to_text()
    }

    #[test]
    fn a_file_is_made_once_for_its_owner_only() {
        let folder = Scratch::new();
        let path = folder.path("a.key");
        create(&path, &text()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(private(&path).unwrap().to_text(), text());
        let wrong = create(&path, "other").unwrap_err().to_string();
        assert!(wrong.contains("exists and is not overwritten"), "{wrong}");
        assert_eq!(private(&path).unwrap().to_text(), text());
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let folder = Scratch::new();
        let path = folder.path("a.key");
        create(&path, &text()).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let wrong = private(&path).unwrap_err().to_string();
            assert!(wrong.contains("open to others") && wrong.contains("chmod 600"), "{wrong}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(private(&path).is_ok());
    }

    #[test]
    fn what_is_no_key_file_is_refused_with_a_remedy() {
        let folder = Scratch::new();
        let refused = |path: &Path, word: &str| {
            let wrong = private(path).unwrap_err().to_string();
            assert!(wrong.contains(word), "{wrong}");
        };
        refused(&folder.path("none.key"), "longhaul key new --out");
        refused(&folder.path("."), "no regular file");
        create(&folder.path("long"), &"a".repeat(600)).unwrap();
        refused(&folder.path("long"), "no key file");
        create(&folder.path("short"), "abc").unwrap();
        refused(&folder.path("short"), "54 characters");
        fs::write(folder.path("empty"), "").unwrap();
        fs::set_permissions(folder.path("empty"), Permissions::from_mode(0o600)).unwrap();
        refused(&folder.path("empty"), "is empty");
    }

    #[test]
    fn keys_of_reports_are_made_and_told_apart() {
        let folder = Scratch::new();
        let [secret, fra] = ["reports.key", "fra.report"].map(|name| folder.path(name));
        create(&secret, &report_secret_text(&[7; 32])).unwrap();
        let key = report_secret(&secret).unwrap().of_node("fra");
        create(&fra, &report_key_text("fra", &key)).unwrap();
        assert_eq!(report_key(&fra, "fra").unwrap().bytes(), key.bytes());
        assert_eq!(report_key(&secret, "fra").unwrap().bytes(), key.bytes());
        assert!(report_key(&fra, "nyc").unwrap_err().to_string().contains("is the key of fra, not of nyc"));
        assert!(report_secret(&fra).unwrap_err().to_string().contains("has no secret of reports"));
        let other = folder.path("other");
        create(&other, &text()).unwrap();
        assert!(report_key(&other, "fra").unwrap_err().to_string().contains("has no key of reports"));
    }

    #[test]
    fn kinds_are_not_mixed_up_and_secrets_not_repeated() {
        let folder = Scratch::new();
        let path = folder.path("a.key");
        create(&path, &text()).unwrap();
        let wrong = preshared(&path).unwrap_err().to_string();
        assert!(wrong.contains("this is a private key") && !wrong.contains(&**text()), "{wrong}");
    }
}
