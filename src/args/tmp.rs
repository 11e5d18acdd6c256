//! The flags of `longhaul tmp`.

use std::path::PathBuf;

/// What can be seen and what not.
const EXAMPLES: &str = "\
Without secrets a packet shows its kind, the receiver id (which names one epoch of one session), the
low 32 bits of its number, and its size: all that an observer sees. A private key does not open a
capture, and neither do both with the preshared key: each handshake mixes in two keys that are made
for it and forgotten. So what must be readable has to be logged while it happens:

  longhaul front ... --key-log keys.txt &      or at the back-end; either end knows both directions
  tcpdump -i eth0 -w tunnel.pcap udp port 7000
  longhaul tmp dump tunnel.pcap --key-log keys.txt

With the log every DATA packet of sessions that began under it is opened and its frames are printed.
A capture of the sending machine itself may show trains of datagrams as one (segmentation offload);
they are taken apart again.";

/// Looks into the tunnel protocol: what a capture shows
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct TmpArgs {
    #[command(subcommand)]
    pub(crate) door: TmpDoor,
}

/// What is done.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum TmpDoor {
    /// Print the tunnel's packets in a capture, and their frames where a key log opens them
    #[command(after_help = EXAMPLES)]
    Dump {
        /// The capture, pcap or pcapng; Ethernet, Linux cooked or raw IP
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// What --key-log of either end wrote
        #[arg(long, value_name = "FILE")]
        key_log: Option<PathBuf>,
        /// Only datagrams from or to this UDP port
        #[arg(long, value_name = "PORT")]
        port: Option<u16>,
    },
}
