//! Origin and load against each other over loopback sockets.
