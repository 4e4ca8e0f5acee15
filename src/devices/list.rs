//! The list of one user's devices, and taking devices off it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::trust::Stored;
use super::{
    DeviceError, DeviceName, Devices, Registration, Trust, app_devices_key, known_key, registration_key, trust_key,
};
use crate::clock::Timestamp;
use crate::domain::{AppId, DeviceId, UserId};
use crate::state::{Key, Kind, MAX_LISTED, decode};

/// A device that a user was allowed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDevice {
    /// Which.
    pub id: DeviceId,
    /// What it is called.
    pub name: DeviceName,
    /// Where it was last, in words.
    pub place: Option<String>,
    /// The address it last came from; `None` for a device of which only its count is left.
    pub ip: Option<IpAddr>,
    /// When the user was first allowed from it.
    pub first_allowed: Option<Timestamp>,
    /// When the user was last allowed from it.
    pub last_allowed: Option<Timestamp>,
    /// The apps that count it.
    pub apps: Vec<AppId>,
    /// The apps it is trusted for. Whether a trust still stands, see [`Trust::stands`].
    pub trusts: Vec<(AppId, Trust)>,
}

impl Devices {
    /// The devices that any of `apps` counts for the user, the one used last first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(&self, user: UserId, apps: &[AppId]) -> Result<Vec<ListedDevice>, DeviceError> {
        let mut counted: BTreeMap<DeviceId, Vec<AppId>> = BTreeMap::new();
        for app in apps {
            for member in self.store.members(&app_devices_key(user, app)).await? {
                if let Some(device) = DeviceId::parse(&member) {
                    counted.entry(device).or_default().push(app.clone());
                }
            }
        }
        let registrations = self.registrations(user).await?;
        let mut trusts = self.trusts(user, &registrations).await?;
        let mut listed: Vec<ListedDevice> = counted
            .into_iter()
            .map(|(id, apps)| {
                let found = registrations.get(&id);
                ListedDevice {
                    id,
                    name: found.map(|known| known.name.clone()).unwrap_or_default(),
                    place: found.and_then(|known| known.place.clone()),
                    ip: found.map(|known| known.ip),
                    first_allowed: found.map(|known| known.first_allowed),
                    last_allowed: found.map(|known| known.last_allowed),
                    apps,
                    trusts: trusts.remove(&id).unwrap_or_default(),
                }
            })
            .collect();
        listed.sort_by(|a, b| b.last_allowed.cmp(&a.last_allowed).then_with(|| a.id.cmp(&b.id)));
        Ok(listed)
    }

    /// Takes a device off the user's list: it is no longer registered, known or trusted in any of `apps` (all there are), and
    /// sessions that began on it are over. `false` when it was not on the list.
    ///
    /// # Errors
    /// The store failed. What was removed by then stays removed.
    pub async fn remove(&self, user: UserId, device: DeviceId, apps: &[AppId]) -> Result<bool, DeviceError> {
        // The registration first: without it nothing else counts.
        let mut found = self.store.delete(&registration_key(user, device)).await?;
        let member = device.to_string();
        for app in apps {
            found |= self.store.remove_member(&app_devices_key(user, app), &member).await?;
            self.store.delete(&known_key(user, device, Some(app))).await?;
            self.store.delete(&trust_key(user, device, app)).await?;
        }
        self.store.delete(&known_key(user, device, None)).await?;
        Ok(found)
    }

    /// Takes every device off the user's list, but `keep`. How many there were.
    ///
    /// # Errors
    /// The store failed. What was removed by then stays removed.
    pub async fn remove_all(
        &self,
        user: UserId,
        keep: Option<DeviceId>,
        apps: &[AppId],
    ) -> Result<Vec<DeviceId>, DeviceError> {
        let mut removed = Vec::new();
        for device in self.list(user, apps).await?.into_iter().map(|device| device.id) {
            if Some(device) != keep && self.remove(user, device, apps).await? {
                removed.push(device);
            }
        }
        Ok(removed)
    }

    async fn registrations(&self, user: UserId) -> Result<BTreeMap<DeviceId, Registration>, DeviceError> {
        let owner = user.to_string();
        let mut found = BTreeMap::new();
        for entry in self.store.list(Kind::UserDevice, &owner, MAX_LISTED).await? {
            if let Some(device) = DeviceId::parse(&entry.id) {
                found.insert(device, decode(&Key::new(Kind::UserDevice, &owner, &entry.id), &entry.value)?);
            }
        }
        Ok(found)
    }

    async fn trusts(
        &self,
        user: UserId,
        registrations: &BTreeMap<DeviceId, Registration>,
    ) -> Result<BTreeMap<DeviceId, Vec<(AppId, Trust)>>, DeviceError> {
        let owner = user.to_string();
        let mut trusts: BTreeMap<DeviceId, Vec<(AppId, Trust)>> = BTreeMap::new();
        for entry in self.store.list(Kind::Trust, &owner, MAX_LISTED).await? {
            let named =
                entry.id.split_once('.').and_then(|(id, app)| Some((DeviceId::parse(id)?, AppId::parse(app).ok()?)));
            let Some((device, app)) = named else { continue };
            let stored: Stored = decode(&Key::new(Kind::Trust, &owner, &entry.id), &entry.value)?;
            if registrations.get(&device).is_some_and(|registration| stored.belongs_to(registration)) {
                trusts.entry(device).or_default().push((app, stored.trust));
            }
        }
        Ok(trusts)
    }
}
