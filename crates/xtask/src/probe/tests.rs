//! Probes against sockets that are silent, strange or hostile. The real servers are probed wherever `test` and `up` run.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::{Fault, postgres, rabbitmq};
use crate::address::Address;

/// A server that reads what comes first, answers with `answer` and closes.
fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(answer);
    });
    port
}

fn ask_postgres(port: u16) -> Result<(), Fault> {
    postgres::log_in(&Address::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres")).unwrap()).map(drop)
}

fn ask_rabbitmq(port: u16) -> Result<(), Fault> {
    rabbitmq::log_in(&Address::parse(&format!("amqp://guest:guest@127.0.0.1:{port}/%2f")).unwrap())
}

#[test]
fn a_closed_port_is_silence() {
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    assert!(matches!(ask_postgres(port), Err(Fault::Silent(_))));
    assert!(matches!(ask_rabbitmq(port), Err(Fault::Silent(_))));
}

#[test]
fn a_web_server_is_neither() {
    const PAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert!(matches!(
        ask_postgres(server(PAGE)),
        Err(Fault::Stranger(_) | Fault::Silent(_))
    ));
    assert!(matches!(ask_rabbitmq(server(PAGE)), Err(Fault::Stranger(_))));
}

#[test]
fn a_server_that_hangs_up_is_no_server() {
    assert!(matches!(ask_postgres(server(b"")), Err(Fault::Silent(_))));
    assert!(matches!(ask_rabbitmq(server(b"")), Err(Fault::Silent(_))));
}

#[test]
fn another_amqp_version_is_a_stranger() {
    assert!(matches!(
        ask_rabbitmq(server(b"AMQP\x03\x01\x00\x00")),
        Err(Fault::Stranger(_))
    ));
}

#[test]
fn a_refusal_is_told_in_the_servers_own_words() {
    // ErrorResponse: severity, SQLSTATE, message.
    const REFUSAL: &[u8] = b"E\x00\x00\x00\x28SFATAL\0C28P01\0Mwrong password here\0\0";
    let fault = ask_postgres(server(REFUSAL)).unwrap_err();
    assert!(fault.to_string().contains("wrong password here"), "{fault}");
}

#[test]
fn a_missing_database_is_not_a_missing_server() {
    const REFUSAL: &[u8] = b"E\x00\x00\x00\x1aSFATAL\0C3D000\0Mno db\0\0";
    let port = server(REFUSAL);
    let address = Address::parse(&format!("postgres://postgres@127.0.0.1:{port}/nothing")).unwrap();
    assert!(matches!(
        postgres::log_in(&address),
        Ok(postgres::Answer::NoSuchDatabase)
    ));
}
