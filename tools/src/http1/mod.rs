//! HTTP/1.1 framing that both tools need.
