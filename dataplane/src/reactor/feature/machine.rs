//! Questions about the machine: limits, sysctls, clock, processor. All are read, none is changed.

#![allow(unsafe_code, reason = "getrlimit is a foreign function")]

use std::fs;

use crate::reactor::feature::report::Row;

/// Descriptors below which a front end is small: 20,000 clients and their servers.
const DESCRIPTORS_MIN: u64 = 65_536;

/// Bytes that a ring may have to lock on kernels before 5.12, and that zero-copy sends would pin.
const LOCKED_BYTES_MIN: u64 = 8 << 20;

/// All questions about the machine.
pub(crate) fn rows() -> Vec<Row> {
    vec![
        descriptors(),
        locked_memory(),
        at_least("net.core.somaxconn", 4_096, "bursts of new clients will be refused"),
        at_least(
            "net.core.rmem_max",
            8 << 20,
            "without CAP_NET_ADMIN tunnel sockets get small receive buffers",
        ),
        at_least("net.core.wmem_max", 8 << 20, "without CAP_NET_ADMIN tunnel sockets get small send buffers"),
        migration(),
        local_ports(),
        clock_source(),
        governor(),
        aes(),
    ]
}

fn limit(resource: libc::__rlimit_resource_t) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid record for the length of the call.
    (unsafe { libc::getrlimit(resource, &raw mut limit) } == 0).then_some(limit.rlim_cur)
}

fn descriptors() -> Row {
    const NAME: &str = "open files (RLIMIT_NOFILE)";
    match limit(libc::RLIMIT_NOFILE) {
        Some(count) if count >= DESCRIPTORS_MIN => Row::ok(NAME, amount(count)),
        count => Row::warn(
            NAME,
            count.map_or_else(|| String::from("unknown"), amount),
            format!("bounds the connections: set LimitNOFILE={DESCRIPTORS_MIN} or more"),
        ),
    }
}

fn locked_memory() -> Row {
    const NAME: &str = "locked memory (RLIMIT_MEMLOCK)";
    match limit(libc::RLIMIT_MEMLOCK) {
        Some(bytes) if bytes >= LOCKED_BYTES_MIN => Row::ok(NAME, amount(bytes)),
        bytes => Row::warn(
            NAME,
            bytes.map_or_else(|| String::from("unknown"), amount),
            format!("rings may be refused: set LimitMEMLOCK={LOCKED_BYTES_MIN} or more"),
        ),
    }
}

fn amount(count: u64) -> String {
    if count == libc::RLIM_INFINITY { String::from("unlimited") } else { count.to_string() }
}

/// A sysctl's words; `None` if it is not there or not to be read.
fn sysctl(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(String::from(text.trim()))
}

fn at_least(name: &'static str, least: u64, loss: &str) -> Row {
    match sysctl(name).and_then(|text| text.parse::<u64>().ok()) {
        Some(value) if value >= least => Row::ok(name, value.to_string()),
        Some(value) => Row::warn(name, value.to_string(), format!("{loss}: `sysctl {name}={least}`")),
        None => Row::warn(name, "cannot be read", format!("if it is below {least}, {loss}")),
    }
}

fn migration() -> Row {
    const NAME: &str = "net.ipv4.tcp_migrate_req";
    match sysctl(NAME).as_deref() {
        Some("1") => Row::ok(NAME, "1"),
        value => Row::warn(
            NAME,
            value.unwrap_or("not there"),
            format!(
                "clients that wait at a worker's listener are reset if it stops alone: `sysctl {NAME}=1`"
            ),
        ),
    }
}

fn local_ports() -> Row {
    const NAME: &str = "net.ipv4.ip_local_port_range";
    const LEAST: u32 = 28_000;
    let text = sysctl(NAME).unwrap_or_default();
    let ends: Vec<u32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let count = if let [low, high] = ends[..] { high.saturating_sub(low) } else { 0 };
    if count >= LEAST {
        return Row::ok(NAME, format!("{count} ports per server"));
    }
    Row::warn(
        NAME,
        format!("{count} ports per server"),
        format!("bounds the connections to one server: `sysctl {NAME}=\"1024 65535\"`"),
    )
}

fn clock_source() -> Row {
    const NAME: &str = "clock source";
    let found = fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    match found.as_deref().map(str::trim) {
        // These are read in user space, without a system call.
        Ok(source @ ("tsc" | "kvm-clock" | "arch_sys_counter" | "hyperv_clocksource_tsc_page")) => {
            Row::ok(NAME, source)
        }
        Ok(source) => Row::warn(
            NAME,
            source,
            "reading the time costs a system call: find out why the kernel rejects the TSC",
        ),
        Err(_) => Row::warn(NAME, "cannot be read", "make /sys readable to know"),
    }
}

fn governor() -> Row {
    const NAME: &str = "processor governor";
    match fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
        .as_deref()
        .map(str::trim)
    {
        Ok("performance") => Row::ok(NAME, "performance"),
        Ok(other) => {
            Row::warn(NAME, other, "wake-ups are slow at low clock: choose the governor performance")
        }
        Err(_) => Row::ok(NAME, "not the guest's to choose"),
    }
}

fn aes() -> Row {
    const NAME: &str = "AES instructions";
    if has_aes() {
        Row::ok(NAME, "present")
    } else {
        Row::warn(NAME, "absent", "choose ChaCha20-Poly1305 for tunnels, which is faster without them")
    }
}

#[cfg(target_arch = "x86_64")]
fn has_aes() -> bool {
    std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes() -> bool {
    false
}
