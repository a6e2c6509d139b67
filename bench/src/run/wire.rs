//! The bytes of the load generator: client frames out, server frames in, by hand.
//!
//! The generator shares its processors with the server it measures, so a request costs no
//! allocation and a good reply no JSON parser. Frames follow RFC 6455, masked with a fresh key
//! each, because that is what the server has to undo for every real client.

/// A small generator of pseudo-random numbers (xorshift64*): seeded, fast, and good enough to
/// mask frames and to pick orders.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Seeds it; any seed will do.
    pub fn new(seed: u64) -> Self {
        // One round of splitmix64, so that neighbouring seeds start far apart and none is zero.
        let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`, which must not be zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }
}

/// Opcode of a text message.
pub const TEXT: u8 = 1;
/// Opcode of a close frame.
pub const CLOSE: u8 = 8;
/// Opcode of a ping.
pub const PING: u8 = 9;
/// Opcode of a pong.
pub const PONG: u8 = 10;

/// Appends one masked frame.
pub fn write_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8], random: &mut Random) {
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let key = (random.bits() as u32).to_ne_bytes();
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    let key_eight = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut chunks = out[start..].chunks_exact_mut(8);
    for chunk in &mut chunks {
        let masked = u64::from_ne_bytes(chunk.try_into().expect("eight bytes")) ^ key_eight;
        chunk.copy_from_slice(&masked.to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key_eight.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// A frame of the server, as a view of the receive buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The last frame of its message.
    pub is_final: bool,
    /// Zero continues a message.
    pub opcode: u8,
    /// Unmasked, as servers send it.
    pub payload: &'a [u8],
    /// Bytes of the frame with its header.
    pub length: usize,
}

/// The frame at the start of `bytes`; `None` until all of it is there.
pub fn read_frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (start, length): (usize, usize) = match second & 0x7F {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        length => (2, usize::from(length)),
    };
    // A masked server frame breaks the protocol; its key would be read as payload and the reply
    // would then be no JSON, which is counted.
    let length = start.checked_add(length)?;
    let payload = bytes.get(start..length)?;
    Some(Frame { is_final: first & 0x80 != 0, opcode: first & 0x0F, payload, length })
}

/// The id and the status of a reply, found without parsing the rest; `None` where the message
/// needs a real parser.
///
/// In the dialect both stand in front of everything else, so the first occurrence is theirs.
pub fn scan_reply(payload: &[u8]) -> Option<(u64, u16)> {
    let rest = match payload.strip_prefix(b"{\"id\":") {
        Some(rest) => rest,
        None => behind(payload, b"\"id\":")?,
    };
    let (id, rest) = leading_number(rest)?;
    let rest = match rest.strip_prefix(b",\"status\":") {
        Some(rest) => rest,
        None => behind(payload, b"\"status\":")?,
    };
    let (status, _rest) = leading_number(rest)?;
    Some((id, u16::try_from(status).ok()?))
}

fn behind<'a>(bytes: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(key.len()).position(|window| window == key)?;
    Some(&bytes[at + key.len()..])
}

fn leading_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 18 {
        return None;
    }
    let (digits, rest) = bytes.split_at(digits);
    Some((digits.iter().fold(0, |value, byte| value * 10 + u64::from(byte - b'0')), rest))
}

/// Appends a number in decimal.
pub fn write_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Undoes the mask as a server does, to judge the writer.
    fn unmask(frame: &[u8]) -> Vec<u8> {
        let header = match frame[1] & 0x7F {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let key = &frame[header..header + 4];
        frame[header + 4..].iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]).collect()
    }

    #[test]
    fn frames_of_every_length_survive_the_mask() {
        let mut random = Random::new(1);
        for length in [0, 1, 7, 8, 125, 126, 127, 255, 4_096, 65_535, 65_536, 70_001] {
            let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let mut out = Vec::new();
            write_frame(&mut out, TEXT, &payload, &mut random);
            assert_eq!(out[0], 0x81);
            assert_ne!(out[1] & 0x80, 0, "client frames are masked");
            assert_eq!(unmask(&out), payload, "length {length}");
        }
    }

    #[test]
    fn server_frames_are_read_when_they_are_whole() {
        for length in [0_usize, 5, 125, 126, 65_535, 65_536] {
            let mut bytes = vec![0x81];
            match length {
                0..=125 => bytes.push(length as u8),
                126..=65_535 => {
                    bytes.push(126);
                    bytes.extend_from_slice(&(length as u16).to_be_bytes());
                }
                _ => {
                    bytes.push(127);
                    bytes.extend_from_slice(&(length as u64).to_be_bytes());
                }
            }
            bytes.resize(bytes.len() + length, b'x');
            let whole = bytes.len();
            assert_eq!(read_frame(&bytes[..whole - 1]), None, "length {length}");
            bytes.extend_from_slice(b"next");
            let frame = read_frame(&bytes).expect("a frame");
            assert_eq!((frame.length, frame.payload.len()), (whole, length));
            assert!(frame.is_final && frame.opcode == TEXT);
        }
    }

    #[test]
    fn replies_are_scanned_or_left_to_a_parser() {
        let check = |text: &str, expected| assert_eq!(scan_reply(text.as_bytes()), expected, "{text}");
        check("{\"id\":17,\"status\":200,\"result\":{\"orderId\":5}}", Some((17, 200)));
        check("{\"status\":400,\"id\":3,\"error\":{}}", Some((3, 400)));
        check("{ \"id\":3 , \"status\":429}", Some((3, 429)));
        check("{\"id\": 3, \"status\": 200}", None);
        check("{\"id\":\"3\",\"status\":200}", None);
        check("{\"id\":null,\"status\":400}", None);
        check("{\"event\":{}}", None);
        check("", None);
    }

    #[test]
    fn numbers_are_decimal() {
        for value in [0, 7, 10, 1_738_000_000_123, u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, value);
            assert_eq!(out, value.to_string().into_bytes());
        }
    }

    #[test]
    fn random_numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut random = Random::new(0);
        let mut seen = [0; 5];
        for _ in 0..5_000 {
            seen[random.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 800), "{seen:?}");
    }
}
