//! The house, floor by floor: a room uses rooms on lower floors only (`tests/tidy.rs` holds the table).

// Floor 0: the nouns, cards at rest, the service manager, mistakes on purpose.
pub mod iso;
pub mod planted;
pub mod seal;
pub mod systemd;

// Floor 1: where a message ends, how a network writes, what can happen, what is counted.
pub mod dialect;
pub mod framing;
pub mod meter;
pub mod record;

// Floor 2: bytes and messages, records made durable.
pub mod codec;
pub mod journal;

// Floor 3: peers' sockets, one network's words in another's, directions, what happened to every transaction and what is owed.
pub mod link;
pub mod mapping;
pub mod route;
pub mod tranlog;

// Floor 4: the day's files and positions.
pub mod clearing;

// Floor 5: the engine.
pub mod switch;

// Floor 6: what follows from the journal, the operator's window, simulated peers, and what people do without a switch.
pub mod books;
pub mod console;
pub mod sim;
pub mod tools;

// Floor 7: what merchants claim, what becomes of each claim, and who owes whom.
pub mod ledger;

// Floor 8: one file, the sum of the rooms' settings.
pub mod config;

// Floor 9: the shell around the engine.
pub mod daemon;

// Floor 10: argv in, exit code out.
pub mod cli;
