//! Statements and their answers.

use std::sync::Arc;

use mysql_common::constants::{ColumnType, Command, StatusFlags, StmtExecuteParamFlags};
use mysql_common::io::ParseBuf;
use mysql_common::packets::Column;
use mysql_common::proto::MySerialize;
use mysql_common::row::new_row;
use mysql_common::{Row, Value};

use super::channel::Channel;
use super::error::{Result, WireError};
use super::fields::Fields;
use super::{cell, greeting, reply};
use crate::mysql_protocol::options::ConnectionConfig;

/// Columns of one result at most: the protocol counts those of prepared statements with 16 bits.
const MOST_COLUMNS: u64 = u16::MAX as u64;
/// Bytes of all descriptions of a result's columns at most. The 4096 columns that a table may have need 5 MB.
const MOST_DESCRIPTION_BYTES: usize = 64 << 20;
/// Rows at most of an answer that is kept as a whole: a partition, a table, a column or an index has one.
const MOST_ROWS: usize = 100_000;
/// Bytes of memory at most of an answer that is kept as a whole.
const MOST_ROW_BYTES: usize = 64 << 20;

/// What a statement answers first.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Rows follow, with these columns. Take them with [`step`](WireConnection::step) until [`Step::End`].
    Rows(Arc<[Column]>),
    /// No result set.
    Done {
        /// Rows that the server says it changed.
        rows_affected: u64,
        /// How many warnings it has to tell, up to 65,535.
        warnings: u16,
        /// What it says besides.
        info: String,
    },
}

/// What is next in an answer's rows.
#[derive(Debug)]
pub enum Step<'a> {
    /// A row, as bytes of its protocol.
    Row(&'a [u8]),
    /// There are no more rows.
    End,
    /// The next row is not all there: [`fill`](WireConnection::fill), then ask again.
    Wait,
}

/// A connection that is logged in. One statement at a time: its answer must be read to the end, or the connection dropped, which closes
/// the socket at once. A step that is given up in its middle (a timeout, a dropped future) leaves a connection that refuses the next one.
#[derive(Debug)]
pub struct WireConnection {
    channel: Channel,
    has_eof: bool,
    phase: Phase,
    /// How the rows of the last statement are written; those of all results of a procedure alike.
    protocol: Protocol,
    /// The statement that was prepared last: the splits of a table differ in nothing but their values.
    prepared: Option<Prepared>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The server waits for a statement.
    Ready,
    /// In the middle of an exchange.
    Busy,
    /// Rows are being read.
    Rows,
    /// Another answer to the same text follows.
    NextAnswer,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Rows of a prepared statement (MySQL: "Binary Protocol Resultset Row").
    Binary,
    /// Rows of a statement that was sent as text.
    Text,
}

#[derive(Debug)]
struct Prepared {
    sql: String,
    id: u32,
    parameters: u16,
}

impl WireConnection {
    /// Connects and logs in; the session is as the server begins it.
    ///
    /// # Errors
    /// As the server or the network says. No limit of time is kept here.
    pub async fn connect(config: &ConnectionConfig) -> Result<Self> {
        let logged_in = greeting::connect(config).await?;
        Ok(Self {
            channel: logged_in.channel,
            has_eof: logged_in.has_eof,
            phase: Phase::Ready,
            protocol: Protocol::Text,
            prepared: None,
        })
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.channel.is_tls()
    }

    /// Whether the last answer was read to its end, so that another statement may be sent.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Bytes of memory that are held for packets.
    pub fn buffer_bytes(&self) -> usize {
        self.channel.buffer.capacity()
    }

    /// Sends statements as text; their rows come in the text protocol.
    ///
    /// # Errors
    /// Server if the first of them is refused.
    pub async fn query(&mut self, sql: &str) -> Result<Answer> {
        self.query_bytes(sql.as_bytes()).await
    }

    /// As [`query`](Self::query), of text that is already bytes: what a write has put together.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn query_bytes(&mut self, sql: &[u8]) -> Result<Answer> {
        self.command(Command::COM_QUERY, sql).await?;
        self.protocol = Protocol::Text;
        self.answer().await
    }

    /// Prepares a statement, unless it is the one that was prepared last; says how many values it wants. Preparing runs nothing.
    ///
    /// # Errors
    /// Server if the statement is refused.
    pub async fn prepare(&mut self, sql: &str) -> Result<u16> {
        if let Some(prepared) = self.prepared.as_ref().filter(|prepared| prepared.sql == sql) {
            return Ok(prepared.parameters);
        }
        self.forget_prepared().await?;
        self.command(Command::COM_STMT_PREPARE, sql.as_bytes()).await?;
        let packet = self.channel.packet().await?;
        let packet = self.channel.buffer.bytes(packet);
        if packet.first() == Some(&reply::ERROR) {
            let error = reply::error(packet);
            self.phase = Phase::Ready;
            return Err(error);
        }
        let mut fields = Fields(packet);
        let read = |fields: &mut Fields<'_>| {
            let (reply::OK, id) = (fields.byte()?, fields.u32()?) else { return None };
            Some((id, fields.u16()?, fields.u16()?))
        };
        let Some((id, columns, parameters)) = read(&mut fields) else {
            return Err(WireError::Malformed("the answer to a prepared statement"));
        };
        // They come again with each answer, as they may change until then.
        for descriptions in [parameters, columns] {
            self.skip_columns(descriptions).await?;
        }
        self.prepared = Some(Prepared { sql: sql.to_owned(), id, parameters });
        self.phase = Phase::Ready;
        Ok(parameters)
    }

    /// Runs the statement that was prepared last; its rows come in the binary protocol.
    ///
    /// # Errors
    /// Server if it is refused; Malformed if there is none or it wants another number of values.
    pub async fn execute(&mut self, values: &[Value]) -> Result<Answer> {
        let Some(prepared) = &self.prepared else { return Err(WireError::Malformed("no statement is prepared")) };
        if usize::from(prepared.parameters) != values.len() {
            return Err(WireError::Malformed("a prepared statement wants another number of values"));
        }
        let payload = execute_payload(prepared.id, values);
        self.command(Command::COM_STMT_EXECUTE, &payload).await?;
        self.protocol = Protocol::Binary;
        let answer = self.answer().await;
        if matches!(answer, Err(WireError::Server { .. })) {
            // A definition that changed, for one, makes some servers forget what was prepared.
            self.forget_prepared().await?;
        }
        answer
    }

    /// Prepares a statement and runs it with these values.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare) and [`execute`](Self::execute).
    pub async fn query_bound(&mut self, sql: &str, values: &[Value]) -> Result<Answer> {
        self.prepare(sql).await?;
        self.execute(values).await
    }

    async fn forget_prepared(&mut self) -> Result<()> {
        if let Some(prepared) = self.prepared.take() {
            self.command(Command::COM_STMT_CLOSE, &prepared.id.to_le_bytes()).await?;
            // It has no answer.
            self.phase = Phase::Ready;
        }
        Ok(())
    }

    /// Asks whether the server is there.
    ///
    /// # Errors
    /// If it is not.
    pub async fn ping(&mut self) -> Result<()> {
        self.command(Command::COM_PING, &[]).await?;
        self.answer().await.map(|_| ())
    }

    /// Ends the connection in good order.
    ///
    /// # Errors
    /// If it ended already.
    pub async fn quit(mut self) -> Result<()> {
        if self.is_ready() {
            self.command(Command::COM_QUIT, &[]).await?;
        }
        self.channel.shut_down().await
    }

    /// What is next in the rows, without waiting.
    ///
    /// # Errors
    /// Server if the statement failed behind its first rows.
    #[inline]
    pub fn step(&mut self) -> Result<Step<'_>> {
        let Some(range) = self.channel.buffer.take()? else { return Ok(Step::Wait) };
        let packet = self.channel.buffer.bytes(range.clone());
        match packet.first() {
            Some(&reply::END) if reply::is_end(packet, self.has_eof) => {
                let status = reply::end_status(packet, self.has_eof)?;
                self.ended(status);
                Ok(Step::End)
            }
            Some(&reply::ERROR) => {
                let error = reply::error(packet);
                self.phase = Phase::Ready;
                Err(error)
            }
            _ => Ok(Step::Row(self.channel.buffer.bytes(range))),
        }
    }

    /// Waits for bytes and reads what has come, a buffer full at most.
    ///
    /// # Errors
    /// Closed or Cut when the server ended the connection.
    pub async fn fill(&mut self) -> Result<()> {
        self.channel.fill().await
    }

    /// The rows of a small answer, all of them; later answers to the same text are read for their errors.
    ///
    /// # Errors
    /// As [`step`](Self::step); Malformed for a row that is none; AnswerTooLarge for more than 100,000 rows or 64 MB of memory.
    pub async fn rows_of(&mut self, answer: Answer) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        if let Answer::Rows(columns) = answer {
            let protocol = self.protocol;
            let values_bytes = columns.len() * size_of::<Value>();
            let mut bytes = 0;
            while self.phase == Phase::Rows {
                match self.step()? {
                    Step::Row(row) => {
                        bytes += row.len() + values_bytes;
                        if rows.len() == MOST_ROWS || bytes > MOST_ROW_BYTES {
                            return Err(WireError::AnswerTooLarge);
                        }
                        rows.push(new_row(values(row, &columns, protocol)?, Arc::clone(&columns)));
                    }
                    Step::End => {}
                    Step::Wait => self.fill().await?,
                }
            }
        }
        self.finish().await?;
        Ok(rows)
    }

    /// How the rows of the last statement are written.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The answer to the next statement of the same text, or of a procedure; None if there is none. Rows that are left are skipped.
    ///
    /// # Errors
    /// Server if that statement failed.
    pub async fn next_answer(&mut self) -> Result<Option<Answer>> {
        while self.phase == Phase::Rows {
            if let Step::Wait = self.step()? {
                self.fill().await?;
            }
        }
        if self.phase != Phase::NextAnswer {
            return Ok(None);
        }
        self.phase = Phase::Busy;
        self.answer().await.map(Some)
    }

    /// Reads all that is left of an answer; says whether further result sets were among it.
    ///
    /// # Errors
    /// Server if a later statement of the same text failed.
    pub async fn finish(&mut self) -> Result<bool> {
        let mut more_rows = false;
        while let Some(answer) = self.next_answer().await? {
            more_rows |= matches!(answer, Answer::Rows(_));
        }
        Ok(more_rows)
    }

    async fn command(&mut self, command: Command, payload: &[u8]) -> Result<()> {
        if self.phase != Phase::Ready {
            return Err(WireError::Closed);
        }
        self.phase = Phase::Busy;
        self.channel.restart()?;
        self.channel.send(&[&[command as u8], payload].concat()).await
    }

    async fn answer(&mut self) -> Result<Answer> {
        let packet = self.channel.packet().await?;
        let packet = self.channel.buffer.bytes(packet);
        match packet.first() {
            Some(&reply::OK) => {
                let ok = reply::ok(packet)?;
                self.ended(ok.status);
                Ok(Answer::Done { rows_affected: ok.affected_rows, warnings: ok.warnings, info: ok.info })
            }
            Some(&reply::ERROR) => {
                let error = reply::error(packet);
                self.phase = Phase::Ready;
                Err(error)
            }
            Some(&reply::LOCAL_FILE) => Err(WireError::LocalFile),
            _ => {
                let count = Fields(packet).length().filter(|count| (1..=MOST_COLUMNS).contains(count));
                let count = count.ok_or(WireError::Malformed("a number of columns that no result has"))?;
                let columns = self.columns(count).await?;
                self.phase = Phase::Rows;
                Ok(Answer::Rows(columns))
            }
        }
    }

    fn ended(&mut self, status: StatusFlags) {
        let has_more = status.contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS);
        self.phase = if has_more { Phase::NextAnswer } else { Phase::Ready };
    }

    async fn columns(&mut self, count: u64) -> Result<Arc<[Column]>> {
        let mut columns = Vec::new();
        let mut bytes = 0;
        for _ in 0..count {
            let packet = self.channel.packet().await?;
            let packet = self.channel.buffer.bytes(packet);
            bytes += packet.len();
            if bytes > MOST_DESCRIPTION_BYTES {
                return Err(WireError::Malformed("descriptions of columns that have no end"));
            }
            let column = ParseBuf(packet).parse::<Column>(());
            columns.push(column.map_err(|_| WireError::Malformed("the description of a column"))?);
        }
        if self.has_eof {
            self.channel.packet().await?;
        }
        Ok(columns.into())
    }

    async fn skip_columns(&mut self, count: u16) -> Result<()> {
        let eof = u32::from(self.has_eof && count > 0);
        for _ in 0..u32::from(count) + eof {
            self.channel.packet().await?;
        }
        Ok(())
    }
}

/// The values of a row.
fn values(row: &[u8], columns: &[Column], protocol: Protocol) -> Result<Vec<Value>> {
    let read = || match protocol {
        Protocol::Text => {
            let mut fields = Fields(row);
            columns.iter().map(|_| cell::text(&mut fields).map(|cell| cell.map_or(Value::NULL, Value::from))).collect()
        }
        Protocol::Binary => {
            let (nulls, mut fields) = cell::split_row(row, columns.len())?;
            let value = |(index, column)| match cell::is_null(nulls, index) {
                true => Some(Value::NULL),
                false => cell::Form::of(column).read(&mut fields).map(Value::from),
            };
            columns.iter().enumerate().map(value).collect::<Option<Vec<_>>>()
        }
    };
    read().ok_or(WireError::Malformed("a row that is too short"))
}

/// MySQL: "COM_STMT_EXECUTE". No cursor: rows are sent as they are found.
fn execute_payload(statement: u32, values: &[Value]) -> Vec<u8> {
    let mut payload = statement.to_le_bytes().to_vec();
    let (no_cursor, iterations) = (0, 1_u32);
    payload.push(no_cursor);
    payload.extend_from_slice(&iterations.to_le_bytes());
    if values.is_empty() {
        return payload;
    }
    for eight in values.chunks(8) {
        let bit = |(place, value): (usize, &Value)| u8::from(*value == Value::NULL) << place;
        payload.push(eight.iter().enumerate().map(bit).sum());
    }
    let types_follow = 1;
    payload.push(types_follow);
    for value in values {
        let (kind, flags) = match value {
            Value::NULL => (ColumnType::MYSQL_TYPE_NULL, StmtExecuteParamFlags::empty()),
            Value::Bytes(_) => (ColumnType::MYSQL_TYPE_VAR_STRING, StmtExecuteParamFlags::empty()),
            Value::Int(_) => (ColumnType::MYSQL_TYPE_LONGLONG, StmtExecuteParamFlags::empty()),
            Value::UInt(_) => (ColumnType::MYSQL_TYPE_LONGLONG, StmtExecuteParamFlags::UNSIGNED),
            Value::Float(_) => (ColumnType::MYSQL_TYPE_FLOAT, StmtExecuteParamFlags::empty()),
            Value::Double(_) => (ColumnType::MYSQL_TYPE_DOUBLE, StmtExecuteParamFlags::empty()),
            Value::Date(..) => (ColumnType::MYSQL_TYPE_DATETIME, StmtExecuteParamFlags::empty()),
            Value::Time(..) => (ColumnType::MYSQL_TYPE_TIME, StmtExecuteParamFlags::empty()),
        };
        payload.extend_from_slice(&[kind as u8, flags.bits()]);
    }
    for value in values {
        value.serialize(&mut payload);
    }
    payload
}
