//! OK, error and end-of-rows packets (MySQL: "Generic Response Packets").

use mysql_common::constants::StatusFlags;

use super::error::{Result, WireError};
use super::fields::Fields;

/// First byte of an OK packet.
pub(super) const OK: u8 = 0x00;
/// First byte of an error packet.
pub(super) const ERROR: u8 = 0xff;
/// First byte of the packet behind the last row, and of a request for another way to log in.
pub(super) const END: u8 = 0xfe;
/// First byte of a request for a file of the client's machine.
pub(super) const LOCAL_FILE: u8 = 0xfb;

/// What an OK packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OkReply {
    pub(super) affected_rows: u64,
    pub(super) status: StatusFlags,
    pub(super) warnings: u16,
    pub(super) info: String,
}

/// Reads an OK packet, that of an end of rows too where the old form is not spoken.
pub(super) fn ok(packet: &[u8]) -> Result<OkReply> {
    let short = WireError::Malformed("an OK packet is too short");
    let mut fields = Fields(packet);
    let read = |fields: &mut Fields<'_>| {
        fields.byte()?;
        let affected_rows = fields.length()?;
        let _last_insert_id = fields.length()?;
        let status = StatusFlags::from_bits_truncate(fields.u16()?);
        Some((affected_rows, status, fields.u16()?))
    };
    let Some((affected_rows, status, warnings)) = read(&mut fields) else { return Err(short) };
    // By the documentation a length stands before it only with CLIENT_SESSION_TRACK, which is not asked for, and it is all that is left
    // without. But MySQL, MariaDB and StarRocks write the length always, and MySQL's own client reads it so; what has no length, from a
    // server that keeps to the letter, is known by not being as long as its first byte says.
    let mut with_length = fields;
    let info = match with_length.string() {
        Some(info) if with_length.is_empty() => info,
        _ => fields.rest(),
    };
    Ok(OkReply { affected_rows, status, warnings, info: String::from_utf8_lossy(info).into_owned() })
}

/// Whether a packet between rows ends them; `has_eof` where the server speaks of the end in the old form.
#[inline]
pub(super) fn is_end(packet: &[u8], has_eof: bool) -> bool {
    // A row of the text protocol may begin with that byte too, but is then at least 16 MB long.
    packet.first() == Some(&END) && packet.len() < if has_eof { 9 } else { 0xff_ffff }
}

/// The status in the packet behind the last row.
pub(super) fn end_status(packet: &[u8], has_eof: bool) -> Result<StatusFlags> {
    if !has_eof {
        return ok(packet).map(|ok| ok.status);
    }
    let mut fields = Fields(packet);
    let status = fields.take(3).and_then(|_| fields.u16());
    // Before version 4.1 there was none.
    Ok(StatusFlags::from_bits_truncate(status.unwrap_or_default()))
}

/// Reads an error packet.
pub(super) fn error(packet: &[u8]) -> WireError {
    let mut fields = Fields(packet);
    let Some(code) = fields.byte().and_then(|_| fields.u16()) else {
        return WireError::Malformed("an error packet is too short");
    };
    // Before the login the server does not know whether we read states, and leaves them out.
    if fields.0.first() == Some(&b'#') && fields.0.len() >= 6 {
        fields.take(6);
    }
    WireError::Server { code, message: String::from_utf8_lossy(fields.rest()).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ok_packet_tells_rows_status_and_info_in_either_form() {
        let head = [0, 3, 0, 2, 0, 7, 0];
        for (tail, info) in [(&b""[..], ""), (b"\x04info", "info"), (b"{'label'}", "{'label'}"), (b"\x00", "")] {
            let packet = [&head[..], tail].concat();
            let ok = ok(&packet).unwrap();
            assert_eq!((ok.affected_rows, ok.warnings, ok.info.as_str()), (3, 7, info), "{tail:?}");
            assert!(ok.status.contains(StatusFlags::SERVER_STATUS_AUTOCOMMIT));
        }
        for length in 0..head.len() {
            assert!(matches!(ok(&head[..length]), Err(WireError::Malformed(_))), "{length} bytes");
        }
    }

    #[test]
    fn the_info_of_a_load_has_its_length_before_it_however_long_it_is() {
        // As StarRocks sends it without CLIENT_SESSION_TRACK. At 123 bytes the length is the byte of "{", at 251 it has three bytes.
        for length in [16, 122, 123, 124, 125, 250, 251, 300] {
            let info = format!("{{'label':'{}'}}", "x".repeat(length - 12));
            assert_eq!(info.len(), length);
            let mut packet = vec![0, 3, 0, 2, 0, 0, 0];
            mysql_common::proto::MySerialize::serialize(&mysql_common::Value::Bytes(info.clone().into()), &mut packet);
            assert_eq!(ok(&packet).unwrap().info, info, "{length} bytes");
        }
    }

    #[test]
    fn an_error_has_a_state_or_none() {
        for (packet, expected) in
            [(&b"\xff\x15\x04#28000no"[..], "no"), (b"\xff\x15\x04Host 'x'", "Host 'x'"), (b"\xff\x15\x04", "")]
        {
            let WireError::Server { code, message } = error(packet) else { panic!("no error of the server") };
            assert_eq!((code, message.as_str()), (1045, expected));
        }
        assert!(matches!(error(b"\xff\x15"), WireError::Malformed(_)));
    }

    #[test]
    fn rows_end_with_a_short_packet() {
        assert!(is_end(&[0xfe, 0, 0, 2, 0], true));
        assert!(is_end(&[0xfe, 0, 0, 2, 0, 0, 0], false));
        assert!(!is_end(&[0xfe; 9], true));
        assert!(!is_end(&[0, 0, 0], false));
        assert!(end_status(&[0xfe, 0, 0, 8, 0], true).unwrap().contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS));
        assert!(
            end_status(&[0xfe, 0, 0, 8, 0, 0, 0], false).unwrap().contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS)
        );
    }
}
