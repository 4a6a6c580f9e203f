//! Bodies of fuzz targets, as plain functions, so that a test can smoke-run them and a fuzzer can link them.

use alloc::vec::Vec;

use crate::bytes::SharedBytes;
use crate::control::ControlState;
use crate::message::Message;

/// Decodes `bytes` as one framed message. Whatever they are: no panic, and what decodes encodes to the same
/// bytes again.
pub fn fuzz_message(bytes: &[u8]) {
    let frame = SharedBytes::from(bytes.to_vec());
    if let Ok(message) = Message::decode(&frame) {
        assert_eq!(message.to_bytes(), bytes, "{message:?}");
    }
}

/// Decodes `bytes` as a stored control state, with the same two demands.
pub fn fuzz_control_state(bytes: &[u8]) {
    if let Ok(state) = ControlState::decode(bytes) {
        let mut encoded = Vec::new();
        state.encode(&mut encoded);
        assert_eq!(encoded, bytes, "{state:?}");
    }
}
