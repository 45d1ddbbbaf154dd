//! The protocol's rules, each with a switch, and how much of everything the model has.

/// What keeps the protocol together. A test switches each one off and sees it break.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// An append compares the log's head with the one that was decided on.
    pub compare_head: bool,
    /// An append answers with what is stored under a known key.
    pub check_keys: bool,
    /// Nothing is answered before its append.
    pub answer_after_append: bool,
    /// A refusal is answered only when the head is the one that was decided on.
    pub confirm_refusals: bool,
    /// An append whose outcome is unknown is repeated as it was.
    pub repeat_the_same_append: bool,
    /// `published` moves over confirmed messages only.
    pub advance_over_confirmed: bool,
    /// `published` moves only if it is what was read.
    pub compare_published: bool,
    /// What the checkpoint has is dropped under its lock, and the rest must continue it.
    pub compare_checkpoint: bool,
    /// One transaction at a time holds the checkpoint.
    pub lock_checkpoint: bool,
    /// An event beyond the next position is not taken.
    pub insist_on_the_next: bool,
    /// A message must name the checkpoint's event as the one before it.
    pub compare_previous_id: bool,
    /// A read of the log begins at the checkpoint and compares its event.
    pub compare_anchor: bool,
    /// Only the stored checkpoint tells that a timeline is lost, never a remembered one.
    pub halt_by_what_is_stored: bool,
    /// A run is applied only if the log holds its last event.
    pub ask_the_log: bool,
    /// A stalled subscriber reads the log by itself.
    pub heal: bool,
    /// A process manager's commands are stored in the transaction of its checkpoint.
    pub store_commands_with_checkpoint: bool,
    /// That transaction compares the checkpoint with the one that was reacted from.
    pub compare_reaction: bool,
    /// A command stays pending until it was answered.
    pub forget_after_answer: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            compare_head: true,
            check_keys: true,
            answer_after_append: true,
            confirm_refusals: true,
            repeat_the_same_append: true,
            advance_over_confirmed: true,
            compare_published: true,
            compare_checkpoint: true,
            lock_checkpoint: true,
            insist_on_the_next: true,
            compare_previous_id: true,
            compare_anchor: true,
            halt_by_what_is_stored: true,
            ask_the_log: true,
            heal: true,
            store_commands_with_checkpoint: true,
            compare_reaction: true,
            forget_after_answer: true,
        }
    }
}

/// Where deliveries come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broker {
    /// Any event that was ever recorded, at any time, as often as one likes, or never.
    Anything,
    /// A queue that the relays fill.
    Queue,
}

/// How much there is of everything, so small that every interleaving can be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    pub writers: u8,
    /// How often the client with a key sends its command.
    pub sends: u8,
    /// How many clients without a key there are.
    pub withdrawals: u8,
    /// How many events are recorded without a writer.
    pub records: u8,
    pub relays: u8,
    pub broker: Broker,
    pub replicas: u8,
    pub managers: u8,
    /// Whether the log may be put back once.
    pub restores: bool,
    /// How many crashes, losses and repeats there are in all.
    pub faults: u8,
}

impl Scope {
    const NOTHING: Self = Self {
        writers: 0,
        sends: 0,
        withdrawals: 0,
        records: 0,
        relays: 0,
        broker: Broker::Anything,
        replicas: 0,
        managers: 0,
        restores: false,
        faults: 0,
    };
    pub const WRITING: Self = Self {
        writers: 2,
        sends: 2,
        withdrawals: 2,
        faults: 2,
        ..Self::NOTHING
    };
    pub const PUBLISHING: Self = Self {
        records: 3,
        relays: 2,
        broker: Broker::Queue,
        faults: 2,
        ..Self::NOTHING
    };
    pub const SUBSCRIBING: Self = Self {
        records: 3,
        replicas: 2,
        faults: 2,
        ..Self::NOTHING
    };
    pub const RESTORING: Self = Self {
        records: 4,
        replicas: 1,
        restores: true,
        faults: 2,
        ..Self::NOTHING
    };
    pub const MANAGING: Self = Self {
        records: 2,
        managers: 2,
        faults: 2,
        ..Self::NOTHING
    };
    pub const EVERYTHING: Self = Self {
        writers: 1,
        sends: 2,
        withdrawals: 0,
        records: 0,
        relays: 1,
        broker: Broker::Queue,
        replicas: 1,
        managers: 1,
        restores: false,
        faults: 1,
    };
}
