//! From `[[apps]]` to a [`ServiceProvider`], with every problem at once.

use std::collections::{BTreeMap, BTreeSet};

use super::field::Field;
use super::{AwsSession, Initiation, RelayRule, ServiceProvider, Supplied, aws};
use crate::config::{AppConfig, Preset, Problem};
use crate::domain::{App, LogoutEndpoint, NameIdFormat, RelayState};

const MAX_ACS: usize = 64;
/// SAML core §8.3.6.
const MAX_ENTITY_ID: usize = 1024;

impl ServiceProvider {
    /// Fills in the preset, and what the app's files say, and checks everything that would be refused by the service provider later.
    ///
    /// # Errors
    /// All problems, their keys relative to the app: `.roles[0].role_arn`.
    pub fn build(config: &AppConfig, supplied: &Supplied) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let partition = config.preset.map(|Preset::Aws| aws::partition(config));
        let entity_id = config.entity_id.clone().or_else(|| partition.map(|p| p.entity_id.to_owned()));
        let entity_id = entity_id.unwrap_or_else(|| {
            problems.push(missing("entity_id", "the entity id the service provider calls itself by"));
            String::new()
        });
        check_entity_id(&entity_id, &mut problems);
        let acs = acs(config, partition.as_ref(), &mut problems);
        let attributes = attributes(config, &mut problems);
        let (roles, session) = match config.preset {
            Some(Preset::Aws) => {
                aws::attributes(&attributes, &mut problems);
                if config.roles.is_empty() {
                    problems.push(missing("roles", "at least one role to become"));
                }
                (aws::roles(config, &mut problems), Some(aws_session(config, &mut problems)))
            }
            None => {
                only_with_preset(config, &mut problems);
                (Vec::new(), None)
            }
        };
        let preset_relay_state = partition.map(|p| p.relay_state.to_owned());
        let relay_state = config.relay_state.clone().or(preset_relay_state);
        let sp = Self {
            app: App {
                id: config.id.clone(),
                name: config.name.clone().unwrap_or_else(|| match config.preset {
                    Some(Preset::Aws) => "Amazon Web Services".to_owned(),
                    None => config.id.to_string(),
                }),
                device_limit: config.device_limit,
                roles: config.roles.iter().map(|role| role.name.clone()).collect(),
            },
            entity_id,
            acs,
            relay_state: relay_state.and_then(|state| parse_relay_state(".relay_state", &state, &mut problems)),
            relay_rule: relay_rule(config, partition.is_some(), &mut problems),
            relay_states: relay_states(config, &mut problems),
            sign: config.sign,
            signature_algorithm: config.signature_algorithm,
            name_id: config.name_id,
            name_id_field: name_id_field(config, &mut problems),
            attributes,
            roles,
            aws: session,
            initiation: if config.idp_initiated { Initiation::Anybody } else { Initiation::ServiceProviderOnly },
            logout: logout(config, partition.is_some(), &mut problems),
            request_certificates: supplied.request_certificates.clone(),
            icon: config.icon.clone().or_else(|| partition.map(|_| "cloud".to_owned())),
        };
        if problems.is_empty() { Ok(sp) } else { Err(problems) }
    }
}

fn missing(key: &str, what: &str) -> Problem {
    Problem::new(".id", format!("this app needs `{key}`: {what}"))
}

fn check_entity_id(entity_id: &str, problems: &mut Vec<Problem>) {
    if entity_id.len() > MAX_ENTITY_ID || entity_id.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let message = format!("an entity id has at most {MAX_ENTITY_ID} characters and no spaces");
        problems.push(Problem::new(".entity_id", message));
    }
}

fn acs(config: &AppConfig, partition: Option<&aws::Partition>, problems: &mut Vec<Problem>) -> Vec<String> {
    if let (true, Some(partition)) = (config.acs.is_empty(), partition) {
        return vec![partition.acs.to_owned()];
    }
    if config.acs.is_empty() {
        problems.push(missing("acs", "the address its responses are posted to"));
    }
    if config.acs.len() > MAX_ACS {
        problems.push(Problem::new(".acs", format!("an app has at most {MAX_ACS} addresses")));
    }
    let mut seen = BTreeSet::new();
    for (index, acs) in config.acs.iter().enumerate() {
        // A list of one may stand there as a plain text; its key then has no index.
        let key = if config.acs.len() == 1 { ".acs".to_owned() } else { format!(".acs[{index}]") };
        let checked = check_acs_url(acs).and_then(|()| partition.map_or(Ok(()), |p| aws::check_acs(acs, p)));
        if let Err(rule) = checked {
            problems.push(Problem::new(key, format!("`{acs}` cannot take responses: {rule}")));
        } else if !seen.insert(acs) {
            problems.push(Problem::new(key, format!("`{acs}` stands there twice")));
        }
    }
    config.acs.clone()
}

fn check_acs_url(acs: &str) -> Result<(), String> {
    let url = url::Url::parse(acs).map_err(|e| e.to_string())?;
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if acs.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Err("it holds spaces or control characters".to_owned())
    } else if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        Err("it may hold no user name and no `#`".to_owned())
    } else if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
        Ok(())
    } else {
        Err("use https (http only on this machine)".to_owned())
    }
}

fn parse_field(key: &str, name: &str, problems: &mut Vec<Problem>) -> Option<Field> {
    let field = Field::parse(name);
    if field.is_none() {
        let help = match Field::nearest(name) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("the fields are {}", Field::names()),
        };
        problems.push(Problem::new(key, format!("there is no user field `{name}`")).with_help(help));
    }
    field
}

/// A field that says who somebody is: nothing people edit themselves.
fn naming_field(key: &str, name: &str, problems: &mut Vec<Problem>) -> Option<Field> {
    let field = parse_field(key, name, problems)?;
    if field.names_a_person() {
        return Some(field);
    }
    problems.push(
        Problem::new(key, format!("`{name}` cannot name a person: people may edit it, or it has several values"))
            .with_help("use `email` or `username`"),
    );
    None
}

fn attributes(config: &AppConfig, problems: &mut Vec<Problem>) -> Vec<(String, Field)> {
    let mut attributes = Vec::with_capacity(config.attributes.len());
    for (name, field) in &config.attributes {
        let key = format!(".attributes.{name:?}");
        if name.is_empty() || name.len() > 512 || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            problems.push(Problem::new(&key, "an attribute's name has 1 to 512 characters and no spaces"));
        }
        attributes.extend(parse_field(&key, field, problems).map(|field| (name.clone(), field)));
    }
    attributes
}

fn name_id_field(config: &AppConfig, problems: &mut Vec<Problem>) -> Option<Field> {
    let name = config.name_id_field.as_deref()?;
    let field = naming_field(".name_id_field", name, problems)?;
    let wrong = match config.name_id {
        Some(NameIdFormat::Transient) => "a transient NameID is new each time and comes from no field",
        Some(NameIdFormat::EmailAddress) if field != Field::Email => "a NameID of format `emailAddress` is the `email`",
        _ => return Some(field),
    };
    problems.push(Problem::new(".name_id_field", wrong));
    None
}

fn aws_session(config: &AppConfig, problems: &mut Vec<Problem>) -> AwsSession {
    let name = config.role_session_name.as_deref().unwrap_or("email");
    if let Some(seconds) = config.session_duration.filter(|seconds| !(900..=43_200).contains(seconds)) {
        let message = format!("AWS takes 900 to 43200 seconds, not {seconds}");
        problems.push(Problem::new(".session_duration", message));
    }
    AwsSession {
        name: naming_field(".role_session_name", name, problems).unwrap_or(Field::Email),
        duration: config.session_duration,
    }
}

fn only_with_preset(config: &AppConfig, problems: &mut Vec<Problem>) {
    for (key, present) in [
        (".roles", !config.roles.is_empty()),
        (".role_session_name", config.role_session_name.is_some()),
        (".session_duration", config.session_duration.is_some()),
    ] {
        if present {
            problems.push(Problem::new(key, "has an effect only with `preset = \"aws\"`"));
        }
    }
}

fn parse_relay_state(key: &str, state: &str, problems: &mut Vec<Problem>) -> Option<RelayState> {
    RelayState::parse(state).map_err(|e| problems.push(Problem::new(key, e.to_string()))).ok()
}

/// Both addresses; one stands for both when it stands alone.
fn logout(config: &AppConfig, preset: bool, problems: &mut Vec<Problem>) -> Option<LogoutEndpoint> {
    let logout = config.logout.as_ref()?;
    if preset {
        problems.push(Problem::new(".logout", "AWS takes no logout messages: it signs people out by its own clock"));
    }
    let addresses = [(".logout.response_url", logout.response_url.as_ref()), (".logout", Some(&logout.url))];
    for (key, url) in addresses {
        if let Some((url, Err(rule))) = url.map(|url| (url, check_acs_url(url))) {
            problems.push(Problem::new(key, format!("`{url}` cannot take logout messages: {rule}")));
        }
    }
    Some(LogoutEndpoint {
        url: logout.url.clone(),
        response_url: logout.response_url.clone().unwrap_or_else(|| logout.url.clone()),
        binding: logout.binding,
    })
}

fn relay_rule(config: &AppConfig, preset: bool, problems: &mut Vec<Problem>) -> RelayRule {
    if config.relay_state_override && config.relay_state.is_none() && !preset {
        problems.push(
            Problem::new(".relay_state_override", "there is no RelayState to override others with")
                .with_help("set `relay_state`"),
        );
    }
    if config.relay_state_override { RelayRule::Override } else { RelayRule::Echo }
}

fn relay_states(config: &AppConfig, problems: &mut Vec<Problem>) -> BTreeMap<String, RelayState> {
    let mut states = BTreeMap::new();
    for (name, state) in &config.relay_states {
        let key = format!(".relay_states.{name:?}");
        if let Some(state) = parse_relay_state(&key, state, problems) {
            states.insert(name.clone(), state);
        }
    }
    states
}
