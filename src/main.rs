//! The `cedargate` binary. All it does is hand the command line to [`cedargate::cli`].

fn main() -> std::process::ExitCode {
    cedargate::cli::main()
}
