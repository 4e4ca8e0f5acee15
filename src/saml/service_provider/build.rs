//! From `[[apps]]` to a [`ServiceProvider`], with every problem at once.

use std::collections::{BTreeMap, BTreeSet};

use super::mapping::{self, Naming};
use super::{
    AwsSession, Initiation, MAX_REQUEST_CERTIFICATES, RelayRule, ServiceProvider, SessionEnd, Supplied, aws, aws_lint,
    encryption, imported,
};
use crate::config::{AppConfig, Preset, Problem, SignedRequests};
use crate::domain::{App, LogoutEndpoint, NameIdFormat, RelayState, UserField};

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
        let metadata = supplied.metadata.as_ref();
        let entity_id = config.entity_id.clone().or_else(|| metadata.map(|metadata| metadata.entity_id.clone()));
        let entity_id = entity_id.or_else(|| partition.map(|p| p.entity_id.to_owned()));
        let entity_id = entity_id.unwrap_or_else(|| {
            problems.push(missing("entity_id", "the entity id the service provider calls itself by"));
            String::new()
        });
        let named_by = if config.entity_id.is_none() && metadata.is_some() { ".metadata" } else { ".entity_id" };
        check_entity_id(named_by, &entity_id, &mut problems);
        if config.request_certificates.len() > MAX_REQUEST_CERTIFICATES {
            let message = format!("an app signs with at most {MAX_REQUEST_CERTIFICATES} certificates");
            problems.push(Problem::new(".request_certificates", message));
        }
        let acs = match metadata.filter(|_| config.acs.is_empty()) {
            Some(metadata) => imported::acs(metadata, partition.as_ref(), &mut problems),
            None => acs(config, partition.as_ref(), &mut problems),
        };
        let acs_numbers = imported::acs_numbers(&acs, metadata.filter(|_| config.acs.is_empty()));
        let attributes = mapping::attributes(config, &mut problems);
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
            app: Self::app_of(config),
            entity_id,
            acs,
            acs_numbers,
            valid_until: metadata.and_then(|metadata| metadata.valid_until),
            relay_state: relay_state.and_then(|state| parse_relay_state(".relay_state", &state, &mut problems)),
            relay_rule: relay_rule(config, partition.is_some(), &mut problems),
            relay_states: relay_states(config, &mut problems),
            sign: imported::sign(config, metadata),
            signature_algorithm: config.signature_algorithm,
            signed_requests: signed_requests(config, supplied, &mut problems),
            request_certificates: supplied.request_certificates.clone(),
            encryption: encryption::encryption(config, supplied, &mut problems),
            session_end: match config.session_end.unwrap_or(config.preset.is_none()) {
                true => SessionEnd::Told,
                false => SessionEnd::Untold,
            },
            name_id: imported::name_id(config, metadata, &mut problems),
            name_id_field: name_id_field(config, &mut problems),
            attributes,
            roles,
            aws: session,
            initiation: if config.idp_initiated { Initiation::Anybody } else { Initiation::ServiceProviderOnly },
            logout: logout(config, partition.is_some(), &mut problems)
                .or_else(|| metadata.filter(|_| partition.is_none()).and_then(imported::logout)),
            icon: config.icon.clone().or_else(|| partition.map(|_| "cloud".to_owned())),
        };
        if problems.is_empty() { Ok(sp) } else { Err(problems) }
    }

    /// The app as policies and pages see it: config says all of it.
    #[must_use]
    pub fn app_of(config: &AppConfig) -> App {
        App {
            id: config.id.clone(),
            name: config.name.clone().unwrap_or_else(|| match config.preset {
                Some(Preset::Aws) => "Amazon Web Services".to_owned(),
                None => config.id.to_string(),
            }),
            device_limit: config.device_limit,
            pilot: config.pilot_group.clone(),
            roles: config.roles.iter().map(|role| role.name.clone()).collect(),
        }
    }
}

fn missing(key: &str, what: &str) -> Problem {
    Problem::new(".id", format!("this app needs `{key}`: {what}"))
}

fn check_entity_id(key: &str, entity_id: &str, problems: &mut Vec<Problem>) {
    if entity_id.len() > MAX_ENTITY_ID || entity_id.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let message = format!("an entity id has at most {MAX_ENTITY_ID} characters and no spaces");
        problems.push(Problem::new(key, message));
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

/// Whether something that is secret may be sent to this address.
pub(in crate::saml) fn check_acs_url(acs: &str) -> Result<(), String> {
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

fn name_id_field(config: &AppConfig, problems: &mut Vec<Problem>) -> Option<Naming> {
    let naming = mapping::naming(".name_id_field", config.name_id_field.as_ref()?, problems)?;
    let wrong = match config.name_id {
        Some(NameIdFormat::Transient) => "a transient NameID is new each time and comes from no field",
        Some(NameIdFormat::EmailAddress) if !naming.may_be_an_address() => {
            "a NameID of format `emailAddress` is the `email`, or a template that makes an address"
        }
        _ => return Some(naming),
    };
    problems.push(Problem::new(".name_id_field", wrong));
    None
}

fn signed_requests(config: &AppConfig, supplied: &Supplied, problems: &mut Vec<Problem>) -> SignedRequests {
    if config.signed_requests == SignedRequests::Required && supplied.request_certificates.is_empty() {
        problems.push(
            imported::lacking(
                ".signed_requests",
                supplied,
                "nobody could sign: none of the app's certificates is known",
            )
            .with_help("name the files with its certificates in `request_certificates`"),
        );
    }
    // Metadata asks for more, never for less.
    if imported::signs_requests(supplied, problems) { SignedRequests::Required } else { config.signed_requests }
}

fn aws_session(config: &AppConfig, problems: &mut Vec<Problem>) -> AwsSession {
    let name = config.role_session_name.as_ref();
    let name = name.and_then(|name| mapping::naming(".role_session_name", name, problems));
    if let Some(seconds) = config.session_duration.filter(|seconds| !aws_lint::DURATION.contains(seconds)) {
        let message = format!("AWS takes 900 to 43200 seconds, not {seconds}");
        problems.push(Problem::new(".session_duration", message));
    }
    AwsSession {
        name: name.unwrap_or_else(|| Naming::field(UserField::Email)),
        duration: config.session_duration,
        transitive_tags: aws::transitive_tags(config, problems),
    }
}

fn only_with_preset(config: &AppConfig, problems: &mut Vec<Problem>) {
    for (key, present) in [
        (".roles", !config.roles.is_empty()),
        (".role_session_name", config.role_session_name.is_some()),
        (".session_duration", config.session_duration.is_some()),
        (".transitive_tags", !config.transitive_tags.is_empty()),
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
