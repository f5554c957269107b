//! One connection: login, then commands until the client leaves.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::fault;
use super::handshake::log_in;
use super::packet::{Fields, PacketReader, PacketWriter, Payload, put_length};
use super::parameters::{ParameterType, read_parameters};
use super::response::{self, ColumnHead, type_code};
use super::rows::{RowEncoder, RowFormat, column_head};
use crate::sql::{self, Literal, OkInfo, Outcome, ParsedStatement, RowStream, Services, Session, SqlError};

/// Longest statement or execution, in bytes (MySQL: `max_allowed_packet`).
pub(crate) const MAX_STATEMENT_BYTES: usize = 64 << 20;
/// MySQL: `wait_timeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(28_800);
/// Most prepared statements of one connection.
const MAX_PREPARED: usize = 4096;
/// Most long data that one statement's parameters may gather.
const MAX_LONG_DATA_BYTES: usize = MAX_STATEMENT_BYTES;

/// Command bytes (MySQL: `COM_…`).
mod command {
    pub(super) const QUIT: u8 = 1;
    pub(super) const INIT_DB: u8 = 2;
    pub(super) const QUERY: u8 = 3;
    pub(super) const FIELD_LIST: u8 = 4;
    pub(super) const STATISTICS: u8 = 9;
    pub(super) const PING: u8 = 14;
    pub(super) const STMT_PREPARE: u8 = 22;
    pub(super) const STMT_EXECUTE: u8 = 23;
    pub(super) const STMT_SEND_LONG_DATA: u8 = 24;
    pub(super) const STMT_CLOSE: u8 = 25;
    pub(super) const STMT_RESET: u8 = 26;
    pub(super) const SET_OPTION: u8 = 27;
    pub(super) const RESET_CONNECTION: u8 = 31;
}

/// A prepared statement.
struct Prepared {
    statement: ParsedStatement,
    text: String,
    types: Vec<ParameterType>,
    long_data: HashMap<u16, Vec<u8>>,
}

/// What the command loop does next.
#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    Close,
}

pub(crate) struct Connection {
    reader: PacketReader<OwnedReadHalf>,
    writer: PacketWriter<OwnedWriteHalf>,
    session: Session,
    prepared: HashMap<u32, Prepared>,
    last_statement: u32,
}

/// Serves one client. An error is of the socket or the protocol; a statement's error goes to the client.
pub(crate) async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    connection_id: u32,
    services: Arc<Services>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    let mut reader = PacketReader::new(read);
    let mut writer = PacketWriter::new(write);
    let host = peer.ip().to_string();
    let Some(login) = log_in(&mut reader, &mut writer, connection_id, services.password(), &host).await? else {
        return Ok(());
    };
    let mut session = Session::new(services, connection_id, host);
    let chosen = match &login.database {
        Some(database) => session.use_database(database),
        None => Ok(()),
    };
    let mut connection = Connection { reader, writer, session, prepared: HashMap::new(), last_statement: 0 };
    let refused = chosen.is_err();
    connection.answer(chosen.map(|()| OkInfo::default())).await?;
    connection.writer.flush().await?;
    if refused { Ok(()) } else { connection.run().await }
}

impl Connection {
    async fn run(mut self) -> io::Result<()> {
        loop {
            let payload = self.reader.read(MAX_STATEMENT_BYTES + 1, IDLE_TIMEOUT).await?;
            self.writer.set_sequence(self.reader.next_sequence());
            let next = match payload {
                Payload::Closed => return Ok(()),
                Payload::TooLong => {
                    let text = format!("Got a packet bigger than 'max_allowed_packet' bytes ({MAX_STATEMENT_BYTES})");
                    self.answer(Err(SqlError::new(1153, text))).await?;
                    Next::Continue
                }
                Payload::Bytes(payload) => self.command(payload).await?,
            };
            self.writer.flush().await?;
            if next == Next::Close {
                return Ok(());
            }
        }
    }

    async fn command(&mut self, mut payload: Vec<u8>) -> io::Result<Next> {
        if payload.is_empty() {
            self.answer(Err(SqlError::new(1047, "Unknown command"))).await?;
            return Ok(Next::Continue);
        }
        let code = payload.remove(0);
        match code {
            command::QUIT => return Ok(Next::Close),
            command::PING | command::SET_OPTION => self.answer(Ok(OkInfo::default())).await?,
            command::INIT_DB => {
                let result = self.session.use_database(&String::from_utf8_lossy(&payload));
                self.answer(result.map(|()| OkInfo::default())).await?;
            }
            command::QUERY => self.query(payload).await?,
            // an empty list of fields: clients ask only to complete names while typing
            command::FIELD_LIST => {
                response::write_eof(self.writer.payload(), false);
                self.writer.end().await?;
            }
            command::STATISTICS => {
                self.writer.payload().extend_from_slice(b"MiniRocks");
                self.writer.end().await?;
            }
            command::STMT_PREPARE => self.prepare(payload).await?,
            command::STMT_EXECUTE => self.execute(&payload).await?,
            command::STMT_SEND_LONG_DATA => self.long_data(&payload),
            command::STMT_CLOSE => {
                if let Some(id) = Fields::new(&payload).u32() {
                    self.prepared.remove(&id);
                }
            }
            command::STMT_RESET => {
                if let Some(prepared) = Fields::new(&payload).u32().and_then(|id| self.prepared.get_mut(&id)) {
                    prepared.long_data.clear();
                }
                self.answer(Ok(OkInfo::default())).await?;
            }
            command::RESET_CONNECTION => {
                self.session.reset();
                self.prepared.clear();
                self.answer(Ok(OkInfo::default())).await?;
            }
            // COM_CHANGE_USER would need a new login: the client has to connect again
            _ => self.answer(Err(SqlError::new(1047, format!("Unknown command {code}")))).await?,
        }
        Ok(Next::Continue)
    }

    async fn answer(&mut self, result: Result<OkInfo, SqlError>) -> io::Result<()> {
        match result {
            Ok(info) => response::write_ok(self.writer.payload(), &info, false),
            Err(error) => response::write_error(self.writer.payload(), &error),
        }
        self.writer.end().await
    }

    async fn query(&mut self, payload: Vec<u8>) -> io::Result<()> {
        let fault = self.session.services().faults.strike_statement(&String::from_utf8_lossy(&payload));
        if let Some(refused) = fault::before(fault.as_ref()).await? {
            return self.answer(Err(refused)).await;
        }
        let statements = match String::from_utf8(payload) {
            Ok(text) => sql::parse(&text),
            Err(_) => Err(SqlError::new(1300, "Invalid utf8mb4 character string in the statement")),
        };
        let statements = match statements {
            Ok(statements) => statements,
            Err(error) => return self.answer(Err(error)).await,
        };
        let count = statements.len();
        for (index, statement) in statements.into_iter().enumerate() {
            let more_results = index + 1 < count;
            let outcome = self.session.execute(statement, &[]).await;
            if !more_results {
                fault::after(fault.clone()).await?;
            }
            if !self.outcome(outcome, RowFormat::Text, more_results).await? {
                break;
            }
        }
        Ok(())
    }

    /// Sends a statement's outcome; false after an error.
    async fn outcome(
        &mut self,
        outcome: Result<Outcome, SqlError>,
        format: RowFormat,
        more_results: bool,
    ) -> io::Result<bool> {
        match outcome {
            Ok(Outcome::Rows(rows)) => self.rows(rows, format, more_results).await,
            Ok(Outcome::Done(info)) => {
                response::write_ok(self.writer.payload(), &info, more_results);
                self.writer.end().await?;
                Ok(true)
            }
            Err(error) => {
                self.answer(Err(error)).await?;
                Ok(false)
            }
        }
    }

    /// Sends rows as they come. An error in their midst ends the result with an error packet.
    async fn rows(&mut self, mut rows: RowStream, format: RowFormat, more_results: bool) -> io::Result<bool> {
        let heads: Vec<ColumnHead> = rows.schema().fields().iter().map(|field| column_head(field)).collect();
        put_length(self.writer.payload(), heads.len() as u64);
        self.writer.end().await?;
        self.columns(&heads).await?;
        while let Some(batch) = rows.next().await {
            let encoder = batch.and_then(|batch| {
                RowEncoder::new(&batch, format).map_err(|error| SqlError::analysis(error.to_string()))
            });
            let mut encoder = match encoder {
                Ok(encoder) => encoder,
                Err(error) => {
                    self.answer(Err(error)).await?;
                    return Ok(false);
                }
            };
            for row in 0..encoder.rows() {
                encoder.write(row, self.writer.payload());
                self.writer.end().await?;
            }
        }
        response::write_eof(self.writer.payload(), more_results);
        self.writer.end().await?;
        Ok(true)
    }

    async fn columns(&mut self, heads: &[ColumnHead]) -> io::Result<()> {
        for head in heads {
            response::write_column(self.writer.payload(), head);
            self.writer.end().await?;
        }
        response::write_eof(self.writer.payload(), false);
        self.writer.end().await
    }

    /// MySQL: `COM_STMT_PREPARE_OK`: the statement's id, its parameters and, for a query, its columns.
    async fn prepare(&mut self, payload: Vec<u8>) -> io::Result<()> {
        if self.prepared.len() >= MAX_PREPARED {
            let text =
                format!("Can't create more than max_prepared_stmt_count statements (current value: {MAX_PREPARED})");
            return self.answer(Err(SqlError::new(1461, text))).await;
        }
        let text = String::from_utf8_lossy(&payload).into_owned();
        let statement = match String::from_utf8(payload) {
            Ok(text) => sql::parse_one(&text),
            Err(_) => Err(SqlError::new(1300, "Invalid utf8mb4 character string in the statement")),
        };
        let statement = match statement {
            Ok(statement) => statement,
            Err(error) => return self.answer(Err(error)).await,
        };
        let Ok(parameters) = u16::try_from(statement.parameters) else {
            return self.answer(Err(SqlError::new(1390, "Prepared statement contains too many placeholders"))).await;
        };
        let heads: Vec<ColumnHead> = match self.session.result_schema(&statement).await {
            Some(schema) => schema.fields().iter().map(|field| column_head(field)).collect(),
            None => Vec::new(),
        };
        self.last_statement = self.last_statement.wrapping_add(1);
        let id = self.last_statement;
        let payload = self.writer.payload();
        payload.push(0);
        payload.extend_from_slice(&id.to_le_bytes());
        payload.extend_from_slice(&u16::try_from(heads.len()).unwrap_or_default().to_le_bytes());
        payload.extend_from_slice(&parameters.to_le_bytes());
        payload.extend_from_slice(&[0, 0, 0]);
        self.writer.end().await?;
        if parameters > 0 {
            let parameter = ColumnHead {
                name: "?".to_owned(),
                code: type_code::VAR_STRING,
                unsigned: false,
                decimals: 0,
                length: 0,
            };
            self.columns(&vec![parameter; usize::from(parameters)]).await?;
        }
        if !heads.is_empty() {
            self.columns(&heads).await?;
        }
        self.prepared.insert(id, Prepared { statement, text, types: Vec::new(), long_data: HashMap::new() });
        Ok(())
    }

    async fn execute(&mut self, payload: &[u8]) -> io::Result<()> {
        let (statement, parameters) = match self.bound_statement(payload) {
            Ok(bound) => bound,
            Err(error) => return self.answer(Err(error)).await,
        };
        let text = Fields::new(payload).u32().and_then(|id| self.prepared.get(&id)).map_or("", |p| p.text.as_str());
        let fault = self.session.services().faults.strike_statement(text);
        if let Some(refused) = fault::before(fault.as_ref()).await? {
            return self.answer(Err(refused)).await;
        }
        let outcome = self.session.execute(statement, &parameters).await;
        fault::after(fault).await?;
        self.outcome(outcome, RowFormat::Binary, false).await.map(|_| ())
    }

    fn bound_statement(&mut self, payload: &[u8]) -> Result<(ParsedStatement, Vec<Literal>), SqlError> {
        let mut fields = Fields::new(payload);
        let malformed = || SqlError::new(1835, "Malformed communication packet.");
        let id = fields.u32().ok_or_else(malformed)?;
        let cursor = fields.byte().ok_or_else(malformed)?;
        // the number of iterations, always 1
        fields.u32().ok_or_else(malformed)?;
        let unknown = || SqlError::new(1243, format!("Unknown prepared statement handler ({id}) given to EXECUTE"));
        let prepared = self.prepared.get_mut(&id).ok_or_else(unknown)?;
        if cursor != 0 {
            return Err(SqlError::unsupported("cursors of prepared statements"));
        }
        let count = prepared.statement.parameters;
        let parameters = read_parameters(fields, count, &mut prepared.types, &prepared.long_data);
        prepared.long_data.clear();
        Ok((prepared.statement.clone(), parameters?))
    }

    /// MySQL: `COM_STMT_SEND_LONG_DATA` has no answer; what is wrong shows at the execution.
    fn long_data(&mut self, payload: &[u8]) {
        let mut fields = Fields::new(payload);
        let (Some(id), Some(parameter)) = (fields.u32(), fields.u16()) else { return };
        let Some(prepared) = self.prepared.get_mut(&id) else { return };
        let gathered: usize = prepared.long_data.values().map(Vec::len).sum();
        if gathered + fields.rest().len() <= MAX_LONG_DATA_BYTES {
            prepared.long_data.entry(parameter).or_default().extend_from_slice(fields.rest());
        } else {
            // never a part of a value: without its data the parameter fails to be read
            prepared.long_data.remove(&parameter);
            prepared.types.clear();
        }
    }
}
