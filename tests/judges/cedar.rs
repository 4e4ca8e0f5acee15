//! Cedar's own command line, as the tests call it: nothing of cedargate is in it.

use cedar_policy_cli::{
    CedarExitCode, Cli, Commands, authorize, check_parse, evaluate, format_policies, run_tests, validate,
};
use clap::Parser as _;

fn main() -> CedarExitCode {
    match Cli::parse().command {
        Commands::Authorize(args) => authorize(&args),
        Commands::CheckParse(args) => check_parse(&args),
        Commands::Evaluate(args) => evaluate(&args).0,
        Commands::Format(args) => format_policies(&args),
        Commands::RunTests(args) => run_tests(&args),
        Commands::Validate(args) => validate(&args),
        _ => CedarExitCode::Failure,
    }
}
