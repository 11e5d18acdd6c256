//! From what the operator said to what the data plane takes: keys are read, the driver is chosen, sizes are copied.

use std::sync::Arc;

use controlplane::logs::daemon;
use dataplane::blender::{Mode, Options as BlenderOptions};
use dataplane::node::{Io as Driver, NodeOptions, TunnelSetup, WorkerPlace};
use dataplane::reactor::machine;
use dataplane::reactor::options::{BufferOptions, DriverOptions};
use dataplane::reactor::socket::{ListenOptions, UdpOptions};
use dataplane::tmp::options::TunnelOptions;

use crate::config::{BlenderMode, Buffers, HugePages, Io, NodeConfig};
use crate::exit::Exit;
use crate::{key_log, memory};

/// Access records that may wait for the log per worker: 40 ms at 100,000 requests a second.
const RECORD_SLOTS: usize = 4_096;
/// Tunnels of one worker at once: a back-end's front-ends, each with a tunnel.
const TUNNELS_MAX: usize = 1_024;
/// Descriptors that are neither clients nor origins: sockets, rings, logs, and some to spare.
const DESCRIPTORS_BESIDE: u64 = 256;

/// What the data plane is started with; what is wrong has been logged on an error.
pub(crate) fn options(config: &NodeConfig) -> Result<NodeOptions, Exit> {
    raise_descriptors(config)?;
    let workers = (0..config.cores.cpus.len()).map(|worker| WorkerPlace {
        cpu: Some(config.cores.cpus[worker]),
        accepts: !config.cores.is_dedicated(worker),
        owns_tunnels: config.cores.owners().contains(&(worker as u8)),
    });
    Ok(NodeOptions {
        plan: Arc::new(config.plan.clone()),
        may_ask_origins: config.may_grow,
        limits: Arc::new(config.limits.clone()),
        workers: workers.collect(),
        io: choose(config.driver.io)?,
        driver: driver(config),
        listen: ListenOptions {
            backlog: config.sockets.backlog,
            receive_buffer_bytes: config.sockets.tcp_receive_bytes,
            send_buffer_bytes: config.sockets.tcp_send_bytes,
            ..ListenOptions::default()
        },
        udp: UdpOptions {
            reuse_port: true,
            receive_buffer_bytes: config.sockets.udp_receive_bytes,
            send_buffer_bytes: config.sockets.udp_send_bytes,
            gro: config.driver.gro,
            ..UdpOptions::default()
        },
        tunnels: tunnels(config)?,
        trains: config.driver.trains,
        ring_slots: config.driver.ring_slots,
        record_slots: RECORD_SLOTS,
        huge_pages: config.driver.huge_pages == HugePages::Try,
    })
}

/// The driver: io_uring where it works, unless the operator says otherwise.
fn choose(io: Io) -> Result<Driver, Exit> {
    if io == Io::Epoll {
        return Ok(Driver::Epoll);
    }
    match dataplane::reactor::feature::usable() {
        Ok(()) => Ok(Driver::Uring),
        Err(reason) if io == Io::Auto => {
            daemon::warning("io_uring does not work here; epoll serves", &[("why", &reason)]);
            Ok(Driver::Epoll)
        }
        Err(reason) => {
            daemon::error("--io uring: io_uring does not work here", &[("why", &reason)]);
            Err(Exit::Unable)
        }
    }
}

fn driver(config: &NodeConfig) -> DriverOptions {
    let buffers = |buffers: Buffers| BufferOptions { bytes: buffers.bytes, count: buffers.count };
    DriverOptions {
        small: buffers(config.driver.small),
        large: buffers(config.driver.large),
        datagrams: buffers(config.driver.datagrams),
        spin_us: config.driver.spin_us,
        batch_wait_us: config.driver.batch_wait_us,
        coalesce_us: config.driver.coalesce_us,
        gso_segments_max: config.driver.gso_segments_max,
        submission_entries: config.driver.submission_entries,
        completion_entries: config.driver.completion_entries,
        ..DriverOptions::default()
    }
}

fn tunnels(config: &NodeConfig) -> Result<Option<TunnelSetup>, Exit> {
    let Some(key) = &config.key else { return Ok(None) };
    let key_log = config.key_log.as_deref().map(key_log::open).transpose()?;
    let tuning = &config.tunnel;
    Ok(Some(TunnelSetup {
        key: key.clone(),
        psk: config.psk.clone(),
        sockets: config.listen_udp.clone(),
        transport: TunnelOptions {
            streams_max: tuning.streams_max,
            send_budget_bytes: tuning.send_budget_bytes,
            receive_budget_bytes: tuning.receive_budget_bytes,
            credit_bytes_min: tuning.credit_bytes_min,
            datagram_bytes_max: tuning.datagram_bytes_max,
            keep_alive: tuning.keep_alive,
            profile: tuning.profile,
            window_floor: tuning.window_floor,
            repair_percent: tuning.repair_percent,
            ..TunnelOptions::default()
        },
        blender: BlenderOptions {
            weights: config.blender.weights,
            sub_packet_bytes: config.blender.sub_packet_bytes,
            mode: match config.blender.mode {
                BlenderMode::Literal => Mode::Literal,
                BlenderMode::Bounded => Mode::Bounded,
            },
            ..BlenderOptions::default()
        },
        turn_us: config.blender.turn_us,
        tunnels_max: TUNNELS_MAX,
        codec: tuning.codec,
        key_log,
    }))
}

/// Descriptors of the whole process when every bound is reached: clients, origins, and what stands beside them.
fn descriptors(config: &NodeConfig) -> u64 {
    (config.cores.cpus.len() as u64).saturating_mul(memory::connections(config)) + DESCRIPTORS_BESIDE
}

/// Every connection takes a descriptor: the bounds must fit what the process may have.
pub(crate) fn raise_descriptors(config: &NodeConfig) -> Result<(), Exit> {
    let wanted = descriptors(config);
    match machine::raise_descriptor_limit(wanted) {
        Ok(held) if held < wanted => {
            let advice =
                "raise LimitNOFILE (systemd) or ulimit -n, or lower --connections-max and --exchanges-max";
            daemon::warning(
                "fewer descriptors than connections",
                &[("wanted", &wanted), ("held", &held), ("do", &advice)],
            );
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(error) => {
            daemon::error("cannot read the limit on descriptors", &[("why", &error)]);
            Err(Exit::Failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::front::FrontArgs;
    use crate::front;

    #[test]
    fn connections_to_origins_need_descriptors_too() {
        let wanted = |site: &str, flags: &[&str]| {
            let base = ["--listen", "127.0.0.1:0", "--site", site, "--cpus", "0"];
            let args = FrontArgs::from_flags([&base[..], flags].concat()).unwrap();
            descriptors(&front::configure(&args).unwrap())
        };
        assert!(wanted("*=http://h", &[]) >= 10_256 + 16_384 + DESCRIPTORS_BESIDE);
        let more = wanted("*=http://h", &["--exchanges-max", "32768"]) - wanted("*=http://h", &[]);
        assert_eq!(more, 16_384 + 1_024);
    }
}
