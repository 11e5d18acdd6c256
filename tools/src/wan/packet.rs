//! A packet on its way. Sizes are bytes of the IP packet, whatever part of it the emulator holds.

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What is carried: a whole IP packet over TUN, a datagram's payload over UDP.
    pub bytes: Vec<u8>,
    /// Bytes of headers that the path sees and `bytes` lacks.
    pub header_bytes: usize,
    /// Whose packet it is: the driver's own mark, carried along.
    pub flow: u32,
}

impl Packet {
    /// The size by which rate, queue and MTU count, bytes.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len() + self.header_bytes
    }
}
