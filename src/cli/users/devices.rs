//! `cedargate users devices`: a person's devices, and freeing one for them.

use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::accounts::Opened;
use crate::clock::{SystemClock, SystemEntropy};
use crate::devices::{Devices, ListedDevice};
use crate::domain::{AppId, CONSOLE, DeviceId, PORTAL};
use crate::state::{self, StateStore};

/// Arguments of `users devices`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DevicesArgs {
    /// Username or email address
    user: String,
    /// Remove the device with this id
    #[arg(long, value_name = "ID", conflicts_with = "remove_all")]
    remove: Option<String>,
    /// Remove all of them
    #[arg(long)]
    remove_all: bool,
    /// Let the devices be counted anew that were on record before the state store was lost
    #[arg(long, conflicts_with_all = ["remove", "remove_all"])]
    forget_history: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A device as JSON.
#[derive(Serialize)]
struct DeviceView {
    id: String,
    browser: Option<String>,
    system: Option<String>,
    place: Option<String>,
    address: Option<String>,
    first_allowed: Option<String>,
    last_allowed: Option<String>,
    apps: Vec<String>,
}

impl From<ListedDevice> for DeviceView {
    fn from(device: ListedDevice) -> Self {
        Self {
            id: device.id.to_string(),
            browser: device.name.browser,
            system: device.name.system,
            place: device.place,
            address: device.ip.map(|ip| ip.to_string()),
            first_allowed: device.first_allowed.map(|at| at.to_string()),
            last_allowed: device.last_allowed.map(|at| at.to_string()),
            apps: device.apps.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Lists a person's devices; or removes some, which ends their sessions and their trust.
pub(super) async fn run(args: &DevicesArgs, opened: &Opened, out: &mut impl Write) -> anyhow::Result<()> {
    let user = opened.find(&args.user).await?;
    if args.forget_history {
        opened.accounts.forget_device_history(user.id).await?;
        writeln!(out, "{}: devices from before the state store was lost no longer count", user.username)?;
        return Ok(());
    }
    let store = store(opened).await?;
    let born = store.born().await?;
    let devices = Devices::new(store, Arc::new(SystemClock), Arc::new(SystemEntropy));
    let apps = apps(opened)?;
    if let Some(id) = &args.remove {
        let found = match DeviceId::parse(id) {
            Some(device) => devices.remove(user.id, device, &apps).await?,
            None => false,
        };
        if !found {
            bail!("`{}` has no device `{id}`; `cedargate users devices` lists them", user.username);
        }
        writeln!(out, "{}: device removed; its sessions and its trust are over", user.username)?;
    } else if args.remove_all {
        let removed = devices.remove_all(user.id, None, &apps).await?.len();
        writeln!(out, "{}: {removed} removed; sessions and trust on them are over", user.username)?;
    } else {
        let views: Vec<DeviceView> = devices.list(user.id, &apps).await?.into_iter().map(DeviceView::from).collect();
        print(out, &views, args.json)?;
        if !args.json && user.devices_since.is_some_and(|since| since != born) {
            writeln!(
                out,
                "{}: the state store that held more of them was lost; `--forget-history` lets it pass",
                user.username
            )?;
        }
    }
    Ok(())
}

/// The store that the server uses, too: what is removed here counts for it from its next request on.
async fn store(opened: &Opened) -> anyhow::Result<Arc<dyn StateStore>> {
    Ok(state::open(&opened.config.state, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?)
}

fn apps(opened: &Opened) -> anyhow::Result<Vec<AppId>> {
    let mut apps: Vec<AppId> = opened.config.apps.iter().map(|app| app.id.clone()).collect();
    for reserved in [PORTAL, CONSOLE] {
        apps.push(AppId::parse(reserved)?);
    }
    Ok(apps)
}

fn print(out: &mut impl Write, views: &[DeviceView], json: bool) -> anyhow::Result<()> {
    if json {
        serde_json::to_writer_pretty(&mut *out, views)?;
        writeln!(out)?;
        return Ok(());
    }
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    for view in views {
        let place = view.place.as_ref().or(view.address.as_ref()).cloned();
        writeln!(
            out,
            "{}  {} on {}, {}, last {}, apps {}",
            view.id,
            known(&view.browser),
            known(&view.system),
            known(&place),
            known(&view.last_allowed),
            view.apps.join(" ")
        )?;
    }
    Ok(())
}
