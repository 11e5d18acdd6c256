"""What a reader of a figure must know about where it was measured: command, machine, kernel, versions, commit."""

import os
import platform
import re
import shlex
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# How each program says its version.
VERSION_COMMANDS = {
    "haproxy": ["haproxy", "-v"], "nginx": ["nginx", "-v"], "openssl": ["openssl", "version"],
    "gdnsd": ["gdnsd", "version"], "knot": ["knotd", "--version"], "nsd": ["nsd", "-v"],
}
# Those whose hop is sealed by OpenSSL.
TLS_PEERS = ("haproxy", "nginx")


def about_run(binary, peers=()):
    """The command; when, where and with which versions it ran. `binary`: our program, if it ran."""
    command = shlex.join([os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]])
    parts = [about_machine(), *([about_versions(binary, peers)] if binary else []), f"commit {commit()}"]
    return f"    {command}\n\n{'; '.join(parts)}."


def commit():
    """Of the tree; a changed page or result changes no figure."""
    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
    changed = git("diff", "--quiet", "HEAD", "--", ".", ":!*.md", ":!benches/results").returncode != 0
    return (git("rev-parse", "--short", "HEAD").stdout.strip() or "unknown") + ("-dirty" if changed else "")


def about_machine():
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return f"{date}; {processor()}, {os.cpu_count()} cores, {gigabytes:.0f} GiB, Linux {platform.release()}"


def processor():
    model, hypervisor = platform.machine(), ""
    with open("/proc/cpuinfo") as info:
        for line in info:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
            if name.strip() == "flags" and "hypervisor" in value.split():
                hypervisor = " (virtual machine)"
    return model + hypervisor


def about_versions(binary, peers):
    programs = [*peers, *(["openssl"] if set(peers) & set(TLS_PEERS) else [])]
    versions = [version("longhaul", [binary, "--version"])]
    return ", ".join(versions + [version(name, VERSION_COMMANDS[name]) for name in programs])


def version(name, command):
    """The program's name and the first number in what it says of itself."""
    said = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+\S*", said.stdout + said.stderr)
    return f"{name} {found[0] if found else 'of unknown version'}"
