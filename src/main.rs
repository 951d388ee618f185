//! argv in, exit code out.

use std::process::ExitCode;

/// Messages are made by the threads of the sessions and freed by the journal's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    iso8583d::cli::main()
}
