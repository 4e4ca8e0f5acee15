//! The names in policies against those in config.toml, and which proofs policies tell apart.

use cedar_policy::EntityUid;

use super::vocabulary::Vocabulary;
use crate::domain::{Country, CountryListName, GroupName, NetworkName};

/// What is wrong with an entity that a policy names; `None` when it is known.
pub(super) fn refuse(uid: &EntityUid, vocabulary: &Vocabulary) -> Option<(String, Option<String>)> {
    let name: &str = uid.id().as_ref();
    let kind = uid.type_name().to_string();
    if is_declared(&kind, name, vocabulary) {
        return None;
    }
    let known: Vec<String> = match kind.as_str() {
        "Group" => vocabulary.groups.keys().map(ToString::to_string).collect(),
        "App" => vocabulary.apps.iter().map(|app| app.id.to_string()).collect(),
        "Role" => {
            vocabulary.apps.iter().flat_map(|app| app.roles.iter().map(|role| app.role_entity_id(role))).collect()
        }
        "Network" => vocabulary.networks.iter().map(ToString::to_string).collect(),
        "CountryList" => vocabulary.country_lists.keys().map(ToString::to_string).collect(),
        "AppGroup" => Vec::new(),
        "Country" if Country::parse(name).is_err() => {
            let help = "use the two capital letters of ISO 3166-1, `ZZ` or `XX-PRIVATE`".to_owned();
            return Some((format!("`{name}` is no country"), Some(help)));
        }
        // Users are not declared; actions, proofs and signals are the validator's.
        _ => return None,
    };
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, _)| *distance <= 3)
        .min_by_key(|(distance, _)| *distance);
    let help = match nearest {
        Some((_, known)) => format!("did you mean `{}::\"{known}\"`?", uid.type_name()),
        None => "declare it in config.toml".to_owned(),
    };
    Some((format!("`{uid}` is not declared in config.toml"), Some(help)))
}

/// Whether config.toml declares it. Asked of every name in a large set, so nothing is listed for it.
fn is_declared(kind: &str, name: &str, vocabulary: &Vocabulary) -> bool {
    match kind {
        "Group" => GroupName::parse(name).is_ok_and(|name| vocabulary.groups.contains_key(&name)),
        "App" => vocabulary.app(name).is_some(),
        "Role" => vocabulary.apps.iter().any(|app| app.roles.iter().any(|role| app.role_entity_id(role) == name)),
        "Network" => NetworkName::parse(name).is_ok_and(|name| vocabulary.networks.contains(&name)),
        "CountryList" => CountryListName::parse(name).is_ok_and(|name| vocabulary.country_lists.contains_key(&name)),
        _ => false,
    }
}
