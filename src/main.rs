//! argv in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    iso8583d::cli::main()
}
