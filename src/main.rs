//! The `heliostat` binary: glue only.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(heliostat::cli::main())
}
