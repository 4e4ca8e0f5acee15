use tempfile::TempDir;

use super::*;
use crate::accounts::LinkToken;

const CONFIG: &str = r#"
[server]
public_url = "https://login.example.com"
[groups]
staff = "everybody who works here"
aws-users = "may open AWS"
"#;

/// A folder with a configuration; each command opens it anew, as the program does.
struct Machine(TempDir);

impl Machine {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    async fn opened(&self) -> anyhow::Result<Opened> {
        Opened::open(&self.0.path().join("config.toml")).await
    }

    /// The exit code's success and what was printed, or the error.
    async fn run(&self, command: Command) -> Result<(bool, String), String> {
        let opened = self.opened().await.map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        let code = execute(command, &opened, &mut out).await.map_err(|error| error.to_string())?;
        opened.accounts.close().await;
        Ok((code == ExitCode::SUCCESS, String::from_utf8(out).unwrap()))
    }

    async fn import(&self, csv: &str, dry_run: bool) -> (bool, String) {
        let file = self.file("people.csv", csv);
        self.run(Command::Import(ImportArgs { file, dry_run, json: false })).await.unwrap()
    }
}

fn user(name: &str) -> UserArgs {
    UserArgs { user: name.to_owned() }
}

#[tokio::test]
async fn the_printed_sample_imports() {
    let machine = Machine::new(CONFIG);
    let (_, sample) = machine.run(Command::SampleCsv).await.unwrap();
    let (good, dry) = machine.import(&sample, true).await;
    assert!(good && dry.contains("line 2: ann: would be created") && dry.contains("nothing was changed"), "{dry}");
    let (good, applied) = machine.import(&sample, false).await;
    assert!(good && applied.contains("2 created"), "{applied}");
    let (good, again) = machine.import(&sample, false).await;
    assert!(!good && again.contains("username: `ann` is taken by an existing user"), "{again}");
}

#[tokio::test]
async fn a_file_with_problems_names_each_line_and_changes_nothing() {
    let machine = Machine::new(CONFIG);
    let (good, report) =
        machine.import("username,email,groups\nann,ann@example.com,staf\nben,ben@example.com,\n", false).await;
    assert!(!good);
    assert_eq!(
        report,
        "line 2: ann: refused\n    groups: `staf` is not declared; did you mean `staff`?\n\
         line 3: ben: fine, held back\n1 of 2 rows have problems; nobody was created\n"
    );
    let (good, report) = machine.import("username;email\nann;ann@example.com\n", false).await;
    assert!(!good && report.contains("separated by `;`"), "{report}");
    assert_eq!(machine.run(Command::List(JsonArgs { json: true })).await.unwrap().1, "[]\n");
}

#[tokio::test]
async fn people_are_listed_and_shown_for_readers_and_for_programs() {
    let machine = Machine::new(CONFIG);
    machine
        .import("username,email,first_name,groups,country\nann,Ann@example.com,Änn,staff;aws-users,DE\n", false)
        .await;
    let (_, list) = machine.run(Command::List(JsonArgs { json: false })).await.unwrap();
    assert_eq!(
        list,
        "USERNAME  EMAIL            NAME  STATUS   GROUPS\n\
         ann       Ann@example.com  Änn   pending  aws-users;staff\n"
    );
    for name in ["ANN", "ann@EXAMPLE.com"] {
        let show = ShowArgs { user: name.to_owned(), json: true };
        let (_, shown) = machine.run(Command::Show(show)).await.unwrap();
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown["username"], &shown["country"]), (&"ann".into(), &"DE".into()));
        assert_eq!(shown["groups"], serde_json::json!(["aws-users", "staff"]));
        assert!(shown["authenticators"].as_array().unwrap().is_empty() && shown["phone"].is_null());
    }
    let missing = machine.run(Command::Show(ShowArgs { user: "ghost".into(), json: false })).await;
    assert_eq!(missing, Err("there is no user `ghost`".to_owned()));
}

#[tokio::test]
async fn disabling_and_enabling_end_sessions_and_say_so() {
    let machine = Machine::new(CONFIG);
    machine.import("username,email\nann,ann@example.com\n", false).await;
    let (_, said) = machine.run(Command::Disable(user("ann"))).await.unwrap();
    assert_eq!(said, "ann: suspended (was pending); all sessions ended\n");
    let refused = machine.run(Command::ActivationLink(user("ann"))).await.unwrap_err();
    assert!(refused.contains("suspended"), "{refused}");
    let (_, said) = machine.run(Command::Enable(user("ann"))).await.unwrap();
    assert_eq!(said, "ann: active (was suspended); all sessions ended\n");
    let opened = machine.opened().await.unwrap();
    assert_eq!(opened.find("ann").await.unwrap().session_epoch, 2);
}

#[tokio::test]
async fn the_first_owner_registers_by_a_link_that_works_once() {
    let machine = Machine::new(CONFIG);
    let bootstrap = |email: Option<&str>| {
        let email = email.map(|email| EmailAddress::parse(email).unwrap());
        Command::BootstrapAdmin(BootstrapArgs { username: Username::parse("Root").unwrap(), email })
    };
    let error = machine.run(bootstrap(None)).await.unwrap_err();
    assert!(error.contains("--email"), "{error}");
    let (_, first) = machine.run(bootstrap(Some("root@example.com"))).await.unwrap();
    let (_, second) = machine.run(bootstrap(None)).await.unwrap();
    let token = |printed: &str| {
        LinkToken::parse(printed.trim().strip_prefix("https://login.example.com/link/").unwrap()).unwrap()
    };
    let opened = machine.opened().await.unwrap();
    assert_eq!(opened.accounts.take_link(&token(&first)).await.unwrap(), None, "the second link replaced the first");
    let link = opened.accounts.take_link(&token(&second)).await.unwrap().unwrap();
    let owner = opened.accounts.user(link.user).await.unwrap().unwrap();
    assert_eq!((owner.status, owner.groups.iter().next().unwrap().as_str()), (UserStatus::Pending, OWNERS));
    assert_eq!(opened.accounts.take_link(&token(&second)).await.unwrap(), None);
    opened.accounts.set_status(owner.id, UserStatus::Active).await.unwrap();
    opened.accounts.close().await;
    let error = machine.run(bootstrap(None)).await.unwrap_err();
    assert!(error.contains("there already"), "an owner who has registered gets no link this way: {error}");
}

#[tokio::test]
async fn a_lost_secret_is_not_silently_replaced() {
    let machine = Machine::new(CONFIG);
    machine.import("username,email\nann,ann@example.com\n", false).await;
    std::fs::remove_file(machine.0.path().join("var/secret")).unwrap();
    let error = machine.run(Command::List(JsonArgs { json: false })).await.unwrap_err();
    assert!(error.contains("restore it from the backup"), "{error}");
}

#[tokio::test]
async fn a_broken_configuration_stops_every_command() {
    let machine = Machine::new("[server]\npublic_ulr = \"x\"\n");
    assert!(machine.run(Command::List(JsonArgs { json: false })).await.is_err());
}

#[test]
fn the_command_line_is_consistent_and_checks_names_early() {
    use clap::{CommandFactory as _, Parser};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Command,
    }

    Cli::command().debug_assert();
    assert!(Cli::try_parse_from(["users", "bootstrap-admin", "--username", "a b"]).is_err());
    assert!(Cli::try_parse_from(["users", "bootstrap-admin", "--email", "nobody"]).is_err());
    assert!(Cli::try_parse_from(["users", "import", "people.csv", "--dry-run", "--json"]).is_ok());
}
