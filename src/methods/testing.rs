//! People with methods, for the tests of methods.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::accounts::{Accounts, Envelope, NewUser};
use crate::clock::SystemEntropy;
use crate::config;
use crate::devices::Devices;
use crate::domain::{EmailAddress, GroupName, User, UserStatus, Username};
use crate::signals::Failures;
use crate::state::testing::Bench;
use crate::workers::{HashCost, HashPool, HashSettings, Password};

/// A state store, accounts with one user, ann, and a hash pool whose hashes are cheap.
pub(crate) struct House {
    pub(crate) bench: Bench,
    pub(crate) accounts: Accounts,
    pub(crate) hashing: HashPool,
    pub(crate) ann: User,
    _folder: tempfile::TempDir,
}

pub(crate) fn cheap(passes: u32) -> HashSettings {
    HashSettings { cost: HashCost { memory_kib: 19_456, passes, lanes: 1 }, threads: 2, queue: 64 }
}

impl House {
    /// Ann's password is `a long walk in the wood`.
    pub(crate) async fn new(hash: HashSettings) -> Self {
        let (bench, folder) = (Bench::new().await, tempfile::tempdir().unwrap());
        let envelope = Arc::new(Envelope::from_secret(&[9; 32]).unwrap());
        let settings = config::Accounts::sqlite(&folder.path().join("accounts.db"));
        let accounts = Accounts::open(&settings, envelope, bench.clock(), Arc::new(SystemEntropy)).await.unwrap();
        let hashing = HashPool::start(hash, Arc::new(SystemEntropy)).unwrap();
        let password = hashing.hash(Password::new("a long walk in the wood".to_owned())).await.unwrap();
        let mut new =
            NewUser::pending(Username::parse("ann").unwrap(), EmailAddress::parse("ann@example.com").unwrap());
        new.status = UserStatus::Active;
        new.groups = BTreeSet::from([GroupName::parse("aws-users").unwrap()]);
        new.password = Some(password);
        let id = accounts.create(&new).await.unwrap();
        let ann = accounts.user(id).await.unwrap().unwrap();
        Self { bench, accounts, hashing, ann, _folder: folder }
    }

    pub(crate) fn devices(&self) -> Devices {
        Devices::new(self.bench.store(), self.bench.clock(), Arc::new(SystemEntropy))
    }

    pub(crate) fn failures(&self) -> Failures {
        Failures::new(self.bench.store(), &[7; 32])
    }
}
