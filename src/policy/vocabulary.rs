//! The names that policies may use, as config.toml declares them. Cedar itself does not notice a mistyped
//! `Group::"stafff"`: it would simply match nobody.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    App, AppId, CONSOLE, CONSOLE_GROUPS, CONSOLE_USERS, Country, CountryListName, EVERYONE, GroupName, NetworkName,
    PORTAL,
};

/// What config.toml declares, with the built-in groups and apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Each group and the groups it lies in.
    pub groups: BTreeMap<GroupName, BTreeSet<GroupName>>,
    /// The apps, `portal` and `console` among them.
    pub apps: Vec<App>,
    /// The named networks.
    pub networks: BTreeSet<NetworkName>,
    /// The named lists of countries.
    pub country_lists: BTreeMap<CountryListName, BTreeSet<Country>>,
}

impl Vocabulary {
    /// Takes what config.toml declares and adds what is built in: the group `everyone`, the groups of the console, and the
    /// apps `portal` and `console`.
    #[must_use]
    pub fn new(
        declared_groups: impl IntoIterator<Item = GroupName>,
        apps: impl IntoIterator<Item = App>,
        networks: impl IntoIterator<Item = NetworkName>,
        country_lists: BTreeMap<CountryListName, BTreeSet<Country>>,
    ) -> Self {
        let mut groups: BTreeMap<_, _> = declared_groups.into_iter().map(|group| (group, BTreeSet::new())).collect();
        let built_in = |name: &str| GroupName::parse(name).ok();
        for name in [EVERYONE, CONSOLE_USERS].into_iter().filter_map(built_in) {
            groups.insert(name, BTreeSet::new());
        }
        for name in CONSOLE_GROUPS.into_iter().filter_map(built_in) {
            groups.insert(name, built_in(CONSOLE_USERS).into_iter().collect());
        }
        let reserved = [(PORTAL, "Portal"), (CONSOLE, "Console")].into_iter().filter_map(|(id, name)| {
            let id = AppId::parse(id).ok()?;
            Some(App { id, name: name.to_owned(), device_limit: 0, pilot: None, roles: Vec::new() })
        });
        let apps = reserved.chain(apps).collect();
        Self { groups, apps, networks: networks.into_iter().collect(), country_lists }
    }

    /// The app of this id.
    #[must_use]
    pub fn app(&self, id: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.id.as_str() == id)
    }

    /// `direct`, `everyone`, and every group that holds one of them.
    #[must_use]
    pub fn closure(&self, direct: &BTreeSet<GroupName>) -> BTreeSet<GroupName> {
        let mut all = BTreeSet::new();
        let mut open: Vec<GroupName> = direct.iter().cloned().chain(GroupName::parse(EVERYONE)).collect();
        while let Some(group) = open.pop() {
            if let Some(parents) = self.groups.get(&group) {
                open.extend(parents.difference(&all).cloned());
            }
            all.insert(group);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> GroupName {
        GroupName::parse(name).unwrap()
    }

    #[test]
    fn a_help_desk_member_is_a_console_user_and_everybody() {
        let vocabulary = Vocabulary::new([group("staff")], [], [], BTreeMap::new());
        let closure = vocabulary.closure(&[group("helpdesk"), group("staff")].into());
        assert_eq!(closure, ["console-users", "everyone", "helpdesk", "staff"].map(group).into());
    }

    #[test]
    fn groups_in_a_ring_end() {
        let mut vocabulary = Vocabulary::new([], [], [], BTreeMap::new());
        vocabulary.groups.insert(group("a"), [group("b")].into());
        vocabulary.groups.insert(group("b"), [group("a")].into());
        assert_eq!(vocabulary.closure(&[group("a")].into()).len(), 3, "a, b and everyone");
    }
}
