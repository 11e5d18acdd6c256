"""The pairs that stand beside each other: ours on io_uring, ours on epoll, HAProxy's and nginx's, and the origins.

Each pair is two processes on one core: a front that takes the clients' plain HTTP/1.1 and, on a port of its own, their
plain TCP, and a back that asks the origin, joined by an encrypted hop whose connections are kept. Each has one thread or worker, writes no access log, keeps
its connections to the origin, and seals with AES-256-GCM, which OpenSSL and we choose alike where the processor has AES.
"""

import os
import shutil
import socket
import subprocess

from server import Failure, Server, free_port, wait_for_answer

# The site that is asked for, and the one behind the port for plain TCP.
SITE, TCP_SITE = "bench.example", "tcp.bench.example"
# Idle connections that a pair may keep towards the next hop: as many as there are clients at most.
KEPT_CONNECTIONS = 1024
# Connections that a peer may have at once: both sides of the clients' number, with room to spare.
CONNECTIONS_MAX = 8192


class Place:
    """What all contestants have in common."""

    def __init__(self, binary, folder, pair_cpu, load_cpu):
        self.binary = binary
        self.folder = folder
        self.pair_cpu = pair_cpu
        self.load_cpu = load_cpu
        self.origin_port = self.echo_port = None

    def both_cpus(self):
        return f"{self.load_cpu},{self.pair_cpu}"

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)


class Pair:
    """A running pair. `tcp_port` is the one for plain TCP, if it has one; `admin` is that of our own front-end's page. A floor
    is no peer: it does less than any of them, and bears a load only that leaves its core idle now and then."""

    is_floor = False

    def __init__(self, name, port, tcp_port, back, front, admin=None):
        self.name, self.port, self.tcp_port, self.admin = name, port, tcp_port, admin
        self.servers = [back, front]
        self.is_ours = admin is not None

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def tcp_url(self, path):
        return f"tcp://127.0.0.1:{self.tcp_port}{path}"

    def wait(self):
        wait_for_answer(self.url("/b128"), SITE, self.servers)

    def stop(self):
        for server in reversed(self.servers):
            server.stop()


class Origins:
    """What is behind the pairs: an origin that speaks HTTP and one that gives plain TCP back."""

    def __init__(self, place):
        self.servers = []
        try:
            place.origin_port, place.echo_port = free_port(), free_port()
            http = self.start(place, "origin", place.origin_port)
            self.start(place, "echo", place.echo_port, "--tcp-echo")
            wait_for_answer(f"http://127.0.0.1:{place.origin_port}/b128", SITE, [http])
        except BaseException:
            self.stop()
            raise

    def start(self, place, name, port, *flags):
        command = [place.binary, "origin", "--listen", f"127.0.0.1:{port}", *flags]
        self.servers.append(Server(name, command, place.load_cpu, place.folder))
        return self.servers[-1]

    def stop(self):
        for server in self.servers:
            server.stop()


def start_longhaul(place, io, name, binary, cpus=None):
    cpus = str(place.pair_cpu if cpus is None else cpus)
    port, tcp, admin, tunnel = free_port(), free_port(), free_port(), free_port(socket.SOCK_DGRAM)
    # The port tells keys of one contestant apart that is started again.
    back_key, back_public = new_key(place, f"{name}-{port}-back.key")
    front_key, front_public = new_key(place, f"{name}-{port}-front.key")
    both = ["--io", io, "--cpus", cpus, "--log-level", "warning"]
    back = [binary, "back", *both, "--key", back_key, "--listen", f"127.0.0.1:{tunnel}",
            "--peer", f"{front_public}={SITE},{TCP_SITE}", "--origin", f"{SITE}=http://127.0.0.1:{place.origin_port}",
            "--origin", f"{TCP_SITE}=tcp://127.0.0.1:{place.echo_port}"]
    front = [binary, "front", *both, "--key", front_key, "--listen", f"127.0.0.1:{port}",
             "--route", f"far={back_public}@127.0.0.1:{tunnel}", "--site", f"{SITE}=far",
             "--tcp", f"127.0.0.1:{tcp}={TCP_SITE}", "--admin", f"127.0.0.1:{admin}"]
    return start(place, name, (port, tcp), back, front, admin, cpus)


def new_key(place, name):
    command = [place.binary, "key", "new", "--out", place.path(name)]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    return place.path(name), made.stdout.split()[-1]


def start_haproxy(place):
    port, tcp, hop, tcp_hop = free_port(), free_port(), free_port(), free_port()
    certificate, _, bundle = make_certificate(place)
    checked = f"ssl ca-file {certificate} verify required ssl-min-ver TLSv1.3"
    bind = f"ssl crt {bundle} ssl-min-ver TLSv1.3"
    front = haproxy_configuration(f"127.0.0.1:{port}", "", f"127.0.0.1:{hop}", f"{checked} alpn h2 proto h2")
    front += haproxy_plain(f"127.0.0.1:{tcp}", "", f"127.0.0.1:{tcp_hop}", checked)
    back = haproxy_configuration(f"127.0.0.1:{hop}", f"{bind} alpn h2", f"127.0.0.1:{place.origin_port}", "")
    back += haproxy_plain(f"127.0.0.1:{tcp_hop}", bind, f"127.0.0.1:{place.echo_port}", "")
    front, back = place.write("haproxy-front.cfg", front), place.write("haproxy-back.cfg", back)
    command = ["haproxy", "-db", "-f"]
    return start(place, "haproxy TLS h2", (port, tcp), [*command, back], [*command, front])


def haproxy_configuration(listen, bind, to, server, tuning=""):
    return f"""\
global
  nbthread 1
  maxconn {CONNECTIONS_MAX}
  {tuning}
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend clients
  bind {listen} backlog 4096 {bind}
  default_backend next
backend next
  server next {to} pool-max-conn {KEPT_CONNECTIONS} {server}
"""


def haproxy_plain(listen, bind, to, server):
    return f"""\
listen plain
  mode tcp
  bind {listen} backlog 4096 {bind}
  server next {to} {server}
"""


# Debian has nginx's plain TCP as a module of its own.
NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


def start_nginx(place):
    port, hop, tcp_hop = free_port(), free_port(), free_port()
    tcp = free_port() if os.path.exists(NGINX_STREAM) else None
    certificate, key, _ = make_certificate(place)
    checked = (f"proxy_ssl_protocols TLSv1.3; proxy_ssl_name {SITE}; proxy_ssl_verify on; "
               f"proxy_ssl_trusted_certificate {certificate};")
    shown = f"ssl_protocols TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key};"
    front = nginx_configuration(place, "nginx-front", f"listen 127.0.0.1:{port} backlog=4096;", hop,
                                f"proxy_pass https://next; {checked}",
                                tcp and nginx_plain(f"listen 127.0.0.1:{tcp} backlog=4096;", tcp_hop,
                                                    f"proxy_ssl on; {checked}"))
    back = nginx_configuration(place, "nginx-back", f"listen 127.0.0.1:{hop} ssl backlog=4096; {shown}",
                               place.origin_port, "proxy_pass http://next;",
                               tcp and nginx_plain(f"listen 127.0.0.1:{tcp_hop} ssl backlog=4096; {shown}",
                                                   place.echo_port, ""))
    return start(place, "nginx TLS h1", (port, tcp), nginx_command(place, back), nginx_command(place, front))


def nginx_command(place, configuration):
    return ["nginx", "-p", place.folder, "-e", "stderr", "-c", configuration]


def nginx_plain(listen, to_port, how):
    return f"stream {{ server {{ {listen} tcp_nodelay on; proxy_half_close on; proxy_pass 127.0.0.1:{to_port}; {how} }} }}"


def nginx_configuration(place, name, listen, to_port, towards, plain=None):
    # Started by root, nginx gives its worker another user, who could not reach the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = " ".join(f"{kind}_temp_path {place.path(f'{name}-{kind}')};" for kind in kinds)
    module = f"load_module {NGINX_STREAM};" if plain else ""
    return place.write(f"{name}.conf", f"""\
{module}
daemon off; worker_processes 1; {user} pid {place.path(name)}.pid; error_log stderr error;
events {{ worker_connections {CONNECTIONS_MAX}; }}
{plain or ""}
http {{
  access_log off; tcp_nodelay on; {folders}
  keepalive_timeout 60s; keepalive_requests 1000000000;
  upstream next {{
    server 127.0.0.1:{to_port}; keepalive {KEPT_CONNECTIONS}; keepalive_requests 1000000000;
  }}
  server {{
    {listen}
    location / {{
      {towards}
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_buffer_size 16k; proxy_buffers 8 16k; proxy_max_temp_file_size 0;
    }}
  }}
}}
""")


def make_certificate(place):
    """Certificate, key, and both in one file; made once."""
    certificate, key, bundle = (place.path(name) for name in ("hop.crt", "hop.key", "hop.pem"))
    if not os.path.exists(bundle):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-days", "2", "-subj", f"/CN={SITE}", "-addext", f"subjectAltName=DNS:{SITE}",
                   "-keyout", key, "-out", certificate]
        subprocess.run(command, check=True, capture_output=True)
        with open(certificate) as first, open(key) as second:
            place.write("hop.pem", first.read() + second.read())
    return certificate, key, bundle


def start(place, name, ports, back, front, admin=None, cpus=None):
    """Starts both ends, the back first, and waits until the pair answers. `ports`: for HTTP, for plain TCP."""
    label = name.replace(" ", "-")
    servers = []
    try:
        for end, command in (("back", back), ("front", front)):
            servers.append(Server(f"{label}-{end}", command, place.pair_cpu if cpus is None else cpus, place.folder))
        pair = Pair(name, *ports, *servers, admin)
        pair.wait()
        return pair
    except BaseException:
        for server in servers:
            server.stop()
        raise


def start_floor(place):
    """What two processes must do at least: `floor/relay.rs`."""
    relay = place.path("relay")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "floor", "relay.rs")
    subprocess.run(["rustc", "--edition", "2024", "-O", "-o", relay, source], check=True)
    port, *hop = free_port(), free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    here, there = (f"127.0.0.1:{own}" for own in hop)
    back = [relay, "back", here, there, f"127.0.0.1:{place.origin_port}"]
    front = [relay, "front", there, here, f"127.0.0.1:{port}"]
    pair = start(place, FLOOR, (port, None), back, front)
    pair.is_floor = True
    return pair


# Ours with a worker on each of the two cores, beside load and origin: what a request costs when it crosses cores. And with
# one worker on the core of load and origin: what sharing a core with them costs by itself.
TWO_WORKERS, BESIDE_LOAD = "longhaul-two-workers", "longhaul-beside-load"
# Bytes handed on by two processes, and nothing else: answers of a few hundred bytes, because it repeats nothing.
FLOOR, FLOOR_BYTES_MAX = "floor", 1024

# By name: what starts it, and the programs without which it cannot be.
CONTESTANTS = {
    "longhaul": (lambda place: start_longhaul(place, "uring", "longhaul", place.binary), ()),
    "longhaul-epoll": (lambda place: start_longhaul(place, "epoll", "longhaul-epoll", place.binary), ()),
    TWO_WORKERS: (lambda place: start_longhaul(place, "uring", TWO_WORKERS, place.binary, place.both_cpus()), ()),
    BESIDE_LOAD: (lambda place: start_longhaul(place, "uring", BESIDE_LOAD, place.binary, place.load_cpu), ()),
    FLOOR: (start_floor, ("rustc",)),
    "haproxy": (start_haproxy, ("haproxy", "openssl")),
    "nginx": (start_nginx, ("nginx", "openssl")),
}


def add_build(name, binary):
    """Another build of our program as a contestant; `-epoll` at the end of its name chooses the driver."""
    io = "epoll" if name.endswith("-epoll") else "uring"
    CONTESTANTS[name] = (lambda place: start_longhaul(place, io, name, binary), ())


def why_not(name):
    """What has to be installed before this pair can run; nothing if it can."""
    missing = [program for program in CONTESTANTS[name][1] if shutil.which(program) is None]
    return f"apt-get install {' '.join(missing)}" if missing else ""


def start_contestant(name, place):
    try:
        return CONTESTANTS[name][0](place)
    except subprocess.CalledProcessError as error:
        said = error.stderr if isinstance(error.stderr, str) else (error.stderr or b"").decode(errors="replace")
        raise Failure(f"{name}: {error.cmd[0]} failed:\n{said}") from error
