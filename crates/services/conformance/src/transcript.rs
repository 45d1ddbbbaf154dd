//! What a part of the suite was answered, to compare between topologies.

use serde_json::Value;

use crate::answer::Answer;

/// Answers in order, each with what was asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transcript(Vec<(String, Value)>);

impl Transcript {
    /// Nothing asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes an answer, without what differs from run to run, and hands it back.
    pub fn note(&mut self, asked: impl Into<String>, answer: Answer) -> Answer {
        self.0.push((asked.into(), answer.timeless()));
        answer
    }

    /// Notes something that was found out.
    pub fn found(&mut self, what: impl Into<String>, value: impl Into<Value>) {
        self.0.push((what.into(), value.into()));
    }

    /// Everything of another one behind this.
    pub fn append(&mut self, part: &str, other: Self) {
        let named = other
            .0
            .into_iter()
            .map(|(asked, answer)| (format!("{part}: {asked}"), answer));
        self.0.extend(named);
    }

    /// Compares two, naming the first difference.
    ///
    /// # Panics
    /// When they differ.
    #[track_caller]
    pub fn assert_same(&self, other: &Self, whose: &str) {
        for ((asked, one), (asked_there, another)) in self.0.iter().zip(&other.0) {
            assert_eq!(asked, asked_there, "{whose} was asked something else");
            assert_eq!(one, another, "{whose} answers otherwise to {asked}");
        }
        assert_eq!(self.0.len(), other.0.len(), "{whose} was asked more or less");
    }

    /// How much was asked.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
