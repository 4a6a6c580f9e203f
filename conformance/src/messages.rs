//! Framing of PostgreSQL's protocol (documentation, "Message Formats").

/// A message with its type byte.
pub struct Message<'a> {
    /// The type byte.
    pub kind: u8,
    /// What follows the length.
    pub body: &'a [u8],
}

/// Splits the complete messages off the front of `buffer`: calls `each` for every one and returns
/// how many bytes they take. `Err` if a length is impossible.
pub fn complete(buffer: &[u8], mut each: impl FnMut(Message<'_>)) -> Result<usize, String> {
    let mut at = 0;
    while let Some(header) = buffer.get(at..at + 5) {
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if length < 4 {
            return Err(format!("message {} has the length {length}", header[0] as char));
        }
        let Some(body) = buffer.get(at + 5..at + 1 + length) else { break };
        each(Message { kind: header[0], body });
        at += 1 + length;
    }
    Ok(at)
}

/// The length of the startup packet at the front of `buffer`, once it is there.
pub fn startup_length(buffer: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(buffer.get(..4)?.try_into().ok()?) as usize;
    (buffer.len() >= length).then_some(length)
}

/// Field codes and values of an ErrorResponse or NoticeResponse.
pub fn error_fields(body: &[u8]) -> Vec<(u8, String)> {
    body.split(|&byte| byte == 0)
        .filter_map(|field| {
            let (&code, value) = field.split_first()?;
            Some((code, String::from_utf8_lossy(value).into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_messages_are_taken() {
        let bytes = b"Q\0\0\0\x06a\0C\0\0\0\x08ab";
        let mut kinds = Vec::new();
        let taken = complete(bytes, |message| kinds.push((message.kind, message.body.len())));
        assert_eq!((taken, kinds), (Ok(7), vec![(b'Q', 2)]));
        assert!(complete(b"Q\0\0\0\x03", |_| ()).is_err());
        assert_eq!(startup_length(b"\0\0\0\x08\0\x03\0\0more"), Some(8));
        assert_eq!(startup_length(b"\0\0\0\x09\0\x03\0\0"), None);
    }
}
