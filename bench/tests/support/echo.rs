//! A server that says yes to everything, as cheaply as possible: what the load generator can do
//! when nothing is in its way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Starts it; its threads end with the process.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut input = vec![0; 1 << 20];
    let mut filled = 0;
    while !input[..filled].ends_with(b"\r\n\r\n") {
        filled += Some(stream.read(&mut input[filled..]).ok()?).filter(|count| *count > 0)?;
    }
    let head = String::from_utf8_lossy(&input[..filled]).into_owned();
    let line = |line: &&str| line.to_ascii_lowercase().starts_with("sec-websocket-key:");
    let key = head.lines().find(line)?.split_once(':')?.1.trim().to_owned();
    let accept = derive_accept_key(key.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(response.as_bytes()).ok()?;
    filled = 0;
    let mut out = Vec::new();
    loop {
        filled += Some(stream.read(&mut input[filled..]).ok()?).filter(|count| *count > 0)?;
        let mut taken = 0;
        while let Some((payload, key, next)) = frame(&input[taken..filled]) {
            let bytes = &input[taken + payload..taken + next];
            // The id stands at the start: `{"id":123,`.
            let mut digits = [0; 20];
            let mut count = 0;
            for (index, byte) in bytes.iter().enumerate().skip(6).take(20) {
                let byte = byte ^ key[index % 4];
                if !byte.is_ascii_digit() {
                    break;
                }
                digits[count] = byte;
                count += 1;
            }
            let tail = b",\"status\":200,\"result\":{\"symbol\":\"USDCNY\",\"orderId\":1}}";
            out.extend_from_slice(&[0x81, (6 + count + tail.len()) as u8]);
            out.extend_from_slice(b"{\"id\":");
            out.extend_from_slice(&digits[..count]);
            out.extend_from_slice(tail);
            taken += next;
        }
        stream.write_all(&out).ok()?;
        out.clear();
        input.copy_within(taken..filled, 0);
        filled -= taken;
    }
}

/// Where the payload of the first frame starts, its key, and where the next frame starts.
fn frame(bytes: &[u8]) -> Option<(usize, [u8; 4], usize)> {
    let (header, length) = match bytes.get(1)? & 0x7F {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => return None,
        length => (2, usize::from(length)),
    };
    let key = bytes.get(header..header + 4)?.try_into().ok()?;
    let next = header + 4 + length;
    (bytes.len() >= next).then_some((header + 4, key, next))
}
