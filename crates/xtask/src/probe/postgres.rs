//! A PostgreSQL client that can log in and ask for one value; what it takes to probe a server and to make a database.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::{backend, frontend};

use super::{Fault, dial};
use crate::address::Address;

/// Older ones lack what the migrations use.
const OLDEST: u32 = 15;

/// The SQLSTATE of a database that is not there.
const NO_SUCH_DATABASE: &str = "3D000";

/// What a login found.
pub enum Answer {
    /// We are in.
    Session(Session),
    /// The server is there and knows us, but it has no such database.
    NoSuchDatabase,
    /// A server is there, but only the real client could tell more: TLS or a socket file is asked for.
    Unproven,
}

/// A connection that is ready for queries.
pub struct Session {
    stream: TcpStream,
    buffer: BytesMut,
    version: String,
}

/// Logs in as the URL says.
pub fn log_in(address: &Address) -> Result<Answer, Fault> {
    if address.parameter("host").is_some() || address.host.starts_with('/') {
        return Ok(Answer::Unproven);
    }
    let mut stream = dial(address)?;
    if matches!(
        address.parameter("sslmode"),
        Some("require" | "verify-ca" | "verify-full")
    ) {
        return asks_for_tls(&mut stream);
    }
    let mut session = Session {
        stream,
        buffer: BytesMut::new(),
        version: String::new(),
    };
    let database = address
        .path
        .as_deref()
        .filter(|path| !path.is_empty())
        .unwrap_or(&address.user);
    match session.start(address, database) {
        Ok(()) => session.new_enough().map(Answer::Session),
        Err(Failure::Server { code, .. }) if code == NO_SUCH_DATABASE => Ok(Answer::NoSuchDatabase),
        Err(failure) => Err(failure.into()),
    }
}

fn asks_for_tls(stream: &mut TcpStream) -> Result<Answer, Fault> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request)?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    match answer[0] {
        b'S' => Ok(Answer::Unproven),
        b'N' => Err(Fault::Refused(
            "the URL asks for TLS, which it does not speak".to_owned(),
        )),
        _ => Err(Fault::Stranger("PostgreSQL")),
    }
}

impl Session {
    /// The first column of the first row, as text; `None` if there is none or it is null.
    pub fn value(&mut self, sql: &str) -> Result<Option<String>, Fault> {
        let mut request = BytesMut::new();
        frontend::query(sql, &mut request)?;
        self.stream.write_all(&request)?;
        let (mut value, mut failure) = (None, None);
        loop {
            match self.receive()? {
                Message::DataRow(row) if value.is_none() => value = first_column(&row)?,
                Message::ErrorResponse(body) => failure = Some(Failure::server(&body)?),
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        failure.map_or(Ok(value), |failure| Err(failure.into()))
    }

    fn start(&mut self, address: &Address, database: &str) -> Result<(), Failure> {
        let mut request = BytesMut::new();
        let parameters = [
            ("user", address.user.as_str()),
            ("database", database),
            ("application_name", "xtask"),
        ];
        frontend::startup_message(parameters, &mut request)?;
        self.stream.write_all(&request)?;
        let mut scram = None;
        loop {
            match self.receive()? {
                Message::AuthenticationOk => {}
                Message::AuthenticationCleartextPassword => self.send_password(address.password.as_bytes())?,
                Message::AuthenticationMd5Password(body) => {
                    let hash = md5_hash(address.user.as_bytes(), address.password.as_bytes(), body.salt());
                    self.send_password(hash.as_bytes())?;
                }
                Message::AuthenticationSasl(_) => {
                    let client =
                        sasl::ScramSha256::new(address.password.as_bytes(), sasl::ChannelBinding::unsupported());
                    self.send(|request| {
                        frontend::sasl_initial_response(sasl::SCRAM_SHA_256, client.message(), request)
                    })?;
                    scram = Some(client);
                }
                Message::AuthenticationSaslContinue(body) => {
                    let client = scram.as_mut().ok_or(Failure::Stranger)?;
                    client.update(body.data())?;
                    self.send(|request| frontend::sasl_response(client.message(), request))?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    scram.as_mut().ok_or(Failure::Stranger)?.finish(body.data())?;
                }
                Message::ParameterStatus(body) if body.name()? == "server_version" => {
                    self.version = body.value()?.to_owned();
                }
                Message::ErrorResponse(body) => return Err(Failure::server(&body)?),
                Message::ReadyForQuery(_) => return Ok(()),
                Message::ParameterStatus(_) | Message::BackendKeyData(_) | Message::NoticeResponse(_) => {}
                _ => return Err(Failure::UnknownLogin),
            }
        }
    }

    fn send_password(&mut self, password: &[u8]) -> io::Result<()> {
        self.send(|request| frontend::password_message(password, request))
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> io::Result<()> {
        let mut request = BytesMut::new();
        write(&mut request)?;
        self.stream.write_all(&request)
    }

    fn receive(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.buffer)? {
                return Ok(message);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk)? {
                0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the connection was closed",
                    ));
                }
                length => self.buffer.extend_from_slice(&chunk[..length]),
            }
        }
    }

    fn new_enough(self) -> Result<Self, Fault> {
        let major = self
            .version
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < OLDEST) {
            return Err(Fault::Old {
                found: self.version,
                needed: "PostgreSQL 15 or newer",
            });
        }
        Ok(self)
    }
}

fn first_column(row: &backend::DataRowBody) -> io::Result<Option<String>> {
    let range = row.ranges().next()?.flatten();
    Ok(range.map(|range| String::from_utf8_lossy(&row.buffer()[range]).into_owned()))
}

/// What can go wrong between us and the server.
enum Failure {
    Connection(io::Error),
    /// The server's own error: SQLSTATE and message.
    Server {
        code: String,
        message: String,
    },
    /// What came is not of this protocol.
    Stranger,
    /// An authentication that only the real client knows.
    UnknownLogin,
}

impl Failure {
    fn server(body: &backend::ErrorResponseBody) -> io::Result<Self> {
        let (mut code, mut message) = (String::new(), String::new());
        let mut fields = body.fields();
        while let Some(field) = fields.next()? {
            let value = || String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => code = value(),
                b'M' => message = value(),
                _ => {}
            }
        }
        Ok(Self::Server { code, message })
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // How the parser says that it can't make sense of the bytes.
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Self::Stranger,
            _ => Self::Connection(error),
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connection(error) => Self::Silent(error),
            Failure::Server { message, .. } => Self::Refused(message),
            Failure::Stranger => Self::Stranger("PostgreSQL"),
            Failure::UnknownLogin => Self::Refused("it asks for a kind of login that xtask does not know".to_owned()),
        }
    }
}
