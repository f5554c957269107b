//! The first packets of a connection (MySQL: "Connection Phase"): the server's greeting, TLS, and what is told of the client.

use mysql_common::collations::CollationId;
use mysql_common::constants::CapabilityFlags;
use mysql_common::packets::{AuthPlugin, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;

use super::channel::Channel;
use super::error::{Result, WireError};
use super::fields::Fields;
use super::login::{self, Credentials};
use super::stream::Stream;
use super::{reply, tls};
use crate::mysql_protocol::options::{ConnectionConfig, SslMode};

/// The version of the protocol, since MySQL 3.21.
const PROTOCOL_VERSION: u8 = 10;
/// No packet before the login is longer: keys and certificates' names have their place in TLS.
const GREETING_LIMIT: usize = 64 << 10;
/// Length of the challenge that passwords are mixed with.
const CHALLENGE_BYTES: usize = 20;
/// The client's side of what both sides can. Local files, compression and session tracking are left out on purpose.
const CAPABILITIES: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_LONG_PASSWORD)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_MULTI_STATEMENTS)
    .union(CapabilityFlags::CLIENT_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PS_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_DEPRECATE_EOF)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH);

/// What is known of a connection that has logged in.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) channel: Channel,
    /// Whether the server ends rows and column descriptions with an EOF packet, as all did before MySQL 5.7.5.
    pub(super) has_eof: bool,
}

/// Connects and logs in.
pub(super) async fn connect(config: &ConnectionConfig) -> Result<LoggedIn> {
    let stream = Stream::connect(&config.host, config.port).await?;
    let mut channel = Channel::new(stream, GREETING_LIMIT);
    let packet = channel.packet().await?;
    let greeting = Greeting::parse(channel.buffer.bytes(packet))?;
    let mut capabilities = greeting.capabilities & CAPABILITIES;
    let max_packet = u32::try_from(config.max_allowed_packet).unwrap_or(u32::MAX);

    let offers_tls = greeting.capabilities.contains(CapabilityFlags::CLIENT_SSL);
    if config.ssl_mode.forces_tls() && !offers_tls {
        return Err(WireError::NoTls);
    }
    if offers_tls && config.ssl_mode != SslMode::Disabled {
        let connector = tls::connector(config).await?;
        capabilities.insert(CapabilityFlags::CLIENT_SSL);
        let request = SslRequest::new(capabilities, max_packet, CollationId::UTF8MB4_GENERAL_CI as u8);
        channel.send(&serialized(&request)).await?;
        channel = channel.encrypt(&config.host, &connector).await?;
    }

    let password = config.password.expose();
    let mut credentials = Credentials { password, plugin: greeting.plugin, challenge: greeting.challenge };
    let proof = credentials.proof()?;
    let response = HandshakeResponse::new(
        Some(proof),
        // The first version that knows utf8mb4; older ones take its number for their default.
        (5, 5, 3),
        Some(config.user.as_bytes()),
        None::<&[u8]>,
        Some(credentials.plugin.borrow()),
        capabilities,
        None,
        max_packet,
    );
    channel.send(&serialized(&response)).await?;
    login::finish(&mut channel, &mut credentials).await?;
    channel.buffer.set_limit(config.max_allowed_packet);
    let has_eof = !capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF);
    Ok(LoggedIn { channel, has_eof })
}

fn serialized(packet: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.serialize(&mut bytes);
    bytes
}

/// The server's first packet (MySQL: "Protocol::HandshakeV10").
#[derive(Debug)]
struct Greeting {
    capabilities: CapabilityFlags,
    /// Random bytes that the password is mixed with.
    challenge: Vec<u8>,
    plugin: AuthPlugin<'static>,
}

impl Greeting {
    fn parse(packet: &[u8]) -> Result<Self> {
        match packet.first() {
            Some(&reply::ERROR) => return Err(reply::error(packet)),
            Some(&PROTOCOL_VERSION) => {}
            _ => return Err(WireError::Malformed("the greeting is of another version")),
        }
        Self::read(&mut Fields(packet)).ok_or(WireError::Malformed("the greeting is too short"))
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let _version = fields.byte()?;
        let _server_version = fields.text_to_nul()?;
        let _connection_id = fields.u32()?;
        let mut challenge = fields.take(8)?.to_vec();
        let _filler = fields.byte()?;
        let low = fields.u16()?;
        let _collation = fields.byte()?;
        let _status = fields.u16()?;
        let high = fields.u16()?;
        let capabilities = CapabilityFlags::from_bits_truncate(u32::from(high) << 16 | u32::from(low));
        let challenge_length = fields.byte()?;
        let _reserved = fields.take(10)?;
        if capabilities.contains(CapabilityFlags::CLIENT_SECURE_CONNECTION) {
            let rest = usize::from(challenge_length.saturating_sub(8)).max(13);
            challenge.extend_from_slice(fields.take(rest)?);
        }
        challenge.resize(CHALLENGE_BYTES, 0);
        // Some servers leave out the zero at its end.
        let name = fields.clone().text_to_nul().unwrap_or(fields.0);
        // Others are asked for by name, if they are needed.
        let plugin = match AuthPlugin::from_bytes(name) {
            AuthPlugin::CachingSha2Password => AuthPlugin::CachingSha2Password,
            _ => AuthPlugin::MysqlNativePassword,
        };
        Some(Self { capabilities, challenge, plugin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> Vec<u8> {
        let mut packet = b"\x0a8.0.99\0\x07\0\0\x0012345678\0".to_vec();
        packet.extend_from_slice(&[0xff, 0xf7, 45, 2, 0, 0xff, 0xdf, 21]);
        packet.extend_from_slice(&[0; 10]);
        packet.extend_from_slice(b"abcdefghijkl\0caching_sha2_password\0");
        packet
    }

    #[test]
    fn a_greeting_tells_challenge_and_way_to_log_in() {
        let greeting = Greeting::parse(&greeting()).unwrap();
        assert_eq!(greeting.challenge, b"12345678abcdefghijkl");
        assert_eq!(greeting.plugin, AuthPlugin::CachingSha2Password);
        assert!(greeting.capabilities.contains(CAPABILITIES));
    }

    #[test]
    fn a_greeting_of_any_length_and_with_any_byte_is_read_or_refused() {
        let whole = greeting();
        for length in 0..whole.len() {
            drop(Greeting::parse(&whole[..length]));
        }
        for at in 1..whole.len() {
            for byte in 0..=255 {
                let mut packet = whole.clone();
                packet[at] = byte;
                drop(Greeting::parse(&packet));
            }
        }
        for other in [&b""[..], b"\x09", b"HTTP/1.1 400"] {
            assert!(matches!(Greeting::parse(other), Err(WireError::Malformed(_))));
        }
        let busy = Greeting::parse(b"\xff\x10\x04Too many connections").unwrap_err();
        assert!(matches!(busy, WireError::Server { code: 1040, .. }));
    }
}
