//! Reads what RabbitMQ says about an exchange or queue that is declared differently.

use callboard::log::Source;

use crate::error::BrokerError;

/// AMQP's code for arguments that differ from what is there.
const PRECONDITION_FAILED: u16 = 406;

/// `error` of a declaration, as a mismatch if it is one.
pub(super) fn mismatch(kind: &'static str, name: &str, error: BrokerError) -> BrokerError {
    let Some(text) = precondition(&error) else { return error };
    let (argument, difference) = parse(&text);
    BrokerError::Mismatch {
        kind,
        name: name.into(),
        argument,
        difference,
    }
}

fn precondition(error: &BrokerError) -> Option<String> {
    let BrokerError::Call { source, .. } = error else {
        return None;
    };
    protocol_error(source, PRECONDITION_FAILED)
}

/// The broker's words, if `source` is a protocol error with this code.
pub(super) fn protocol_error(source: &Source, code: u16) -> Option<String> {
    match source.downcast_ref::<lapin::Error>()?.kind() {
        lapin::ErrorKind::ProtocolError(error) if error.get_id() == code => Some(error.get_message().to_string()),
        _ => None,
    }
}

/// Finds the argument and the difference in, e.g., `PRECONDITION_FAILED - inequivalent arg
/// 'x-max-length' for queue 'q' in vhost '/': received '5' but current is '6'`.
fn parse(text: &str) -> (String, String) {
    let argument = text
        .split_once("arg '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map(|(argument, _)| argument);
    let difference = text.find("received ").map(|at| &text[at..]).unwrap_or(text);
    (argument.unwrap_or("argument").into(), difference.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_and_the_difference_are_found_in_the_brokers_words() {
        let text = "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'dev.a.b' in vhost '/': \
                    received the value '100000' of type 'signedint' but current is none";
        let (argument, difference) = parse(text);
        assert_eq!(argument, "x-max-length");
        assert_eq!(
            difference,
            "received the value '100000' of type 'signedint' but current is none"
        );
    }

    #[test]
    fn words_of_another_release_are_repeated_as_they_are() {
        assert_eq!(parse("something else"), ("argument".into(), "something else".into()));
    }
}
