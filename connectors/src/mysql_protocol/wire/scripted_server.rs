//! A server of one connection for tests: it greets, lets anybody in, prepares anything, and answers to what is run with what a test says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use mysql_common::packets::Column;
use mysql_common::proto::MySerialize;

use super::buffer::frame;
use crate::catalog::CatalogConfig;
use crate::mysql_protocol::options::ConnectionConfig;

/// All flags that a server of MySQL 8 without TLS offers, compression and local files too.
const OFFERED: u32 = 0xdfff_f7ff;
/// COM_STMT_PREPARE, COM_STMT_EXECUTE and COM_QUERY.
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
const QUERY: u8 = 0x03;

/// What came from the client: the payloads of its packets, in order.
pub(crate) type Received = Arc<Mutex<Vec<Vec<u8>>>>;

/// A connection's end on the server's side.
pub(crate) struct Script {
    pub(crate) stream: TcpStream,
    pub(crate) sequence: u8,
    received: Received,
}

impl Script {
    pub(crate) fn send(&mut self, payload: &[u8]) {
        let mut bytes = Vec::new();
        self.sequence = frame(payload, self.sequence, &mut bytes);
        // A client that has seen enough goes away.
        drop(self.stream.write_all(&bytes));
    }

    /// How many columns there are, and a description of each.
    pub(crate) fn columns(&mut self, columns: &[Column]) {
        self.send(&[columns.len() as u8]);
        self.describe(columns);
    }

    fn describe(&mut self, columns: &[Column]) {
        for column in columns {
            let mut description = Vec::new();
            column.serialize(&mut description);
            self.send(&description);
        }
    }

    pub(crate) fn receive(&mut self) -> Option<Vec<u8>> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header).ok()?;
        let mut payload = vec![0; u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        self.sequence = header[3].wrapping_add(1);
        self.received.lock().unwrap().push(payload.clone());
        Some(payload)
    }

    pub(crate) fn greet(&mut self, plugin: &str) {
        let mut greeting = b"\x0a8.0.99\0\x07\0\0\x0012345678\0".to_vec();
        greeting.extend_from_slice(&(OFFERED as u16).to_le_bytes());
        greeting.extend_from_slice(&[45, 2, 0]);
        greeting.extend_from_slice(&((OFFERED >> 16) as u16).to_le_bytes());
        greeting.push(21);
        greeting.extend_from_slice(&[0; 10]);
        greeting.extend_from_slice(b"abcdefghijkl\0");
        greeting.extend_from_slice(plugin.as_bytes());
        greeting.push(0);
        self.sequence = 0;
        self.send(&greeting);
    }

    pub(crate) fn ok(&mut self) {
        self.send(&[0, 0, 0, 2, 0, 0, 0]);
    }

    /// The packet behind the last row.
    pub(crate) fn end(&mut self) {
        self.send(&[0xfe, 0, 0, 2, 0, 0, 0]);
    }
}

/// Serves one connection; `play` has it from its first byte on.
pub(crate) fn serve(play: impl FnOnce(&mut Script) + Send + 'static) -> (ConnectionConfig, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://root:hunter2@127.0.0.1:{}/d", listener.local_addr().unwrap().port());
    let options = [("url", url.as_str()), ("ssl_mode", "disabled"), ("read_timeout", "300ms")].into_iter().collect();
    let config = CatalogConfig { name: "shop".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    let config = ConnectionConfig::parse(&config, 3306, &[]).unwrap();
    let received = Received::default();
    let of_thread = Arc::clone(&received);
    std::thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            play(&mut Script { stream, sequence: 0, received: of_thread });
        }
    });
    (config, received)
}

/// Serves one connection, where each statement that is run has rows of these columns; `rows` sends them.
pub(crate) fn serve_rows(
    columns: Vec<Column>,
    rows: impl Fn(&mut Script) + Send + 'static,
) -> (ConnectionConfig, Received) {
    serve(move |script| {
        script.greet("mysql_native_password");
        script.receive();
        script.ok();
        while let Some(command) = script.receive() {
            match command.first() {
                Some(&PREPARE) => {
                    let count = (columns.len() as u16).to_le_bytes();
                    script.send(&[0, 1, 0, 0, 0, count[0], count[1], 0, 0, 0, 0, 0]);
                }
                Some(&(EXECUTE | QUERY)) => script.send(&[columns.len() as u8]),
                _ => continue,
            }
            script.describe(&columns);
            if command[0] != PREPARE {
                rows(script);
            }
        }
    })
}
