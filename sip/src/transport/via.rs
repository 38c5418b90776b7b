//! Via handling of the transport layer.
