//! What a Redis server says about itself, and whether that makes it fit to keep state.

use std::collections::HashMap;

use crate::clock::Timestamp;

/// The oldest Redis that is taken: access lists as they are today, and scripts whose effects are replicated.
const OLDEST: (u32, u32) = (6, 2);

/// The most seconds that our clock and the server's may differ.
pub(super) const MAX_SKEW_SECONDS: i64 = 30;

/// Why a server that answers is not fit to keep state. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("it is Redis {0}; at least 6.2 is needed")]
    Old(String),
    #[error("it is a node of a Redis Cluster, which is not supported; use a server of its own")]
    Cluster,
    #[error("it is a replica, which takes no writes; let `state.url` name the primary")]
    Replica,
    #[error(
        "its `maxmemory-policy` is `{0}`, so it would throw sessions away when it is full; set `maxmemory-policy noeviction`"
    )]
    Evicts(String),
    #[error("its INFO does not say `{0}`; the user of `state.url` has to be allowed INFO")]
    Silent(&'static str),
}

/// The part of INFO that matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// As in `7.0.15`.
    pub(super) version: String,
    /// Which run of which server, on which line of replication, this is.
    pub(super) identity: String,
    aof: bool,
    failed_writes: bool,
}

impl Server {
    /// Reads INFO.
    pub(super) fn read(info: &str) -> Result<Self, Unfit> {
        let fields: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let field = |name: &'static str| fields.get(name).copied().ok_or(Unfit::Silent(name));
        let version = field("redis_version")?;
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
            return Err(Unfit::Old(version.to_owned()));
        }
        if field("redis_mode")? == "cluster" {
            return Err(Unfit::Cluster);
        }
        if field("role")? != "master" {
            return Err(Unfit::Replica);
        }
        let (maxmemory, policy) = (field("maxmemory")?, field("maxmemory_policy")?);
        if maxmemory != "0" && policy != "noeviction" {
            return Err(Unfit::Evicts(policy.to_owned()));
        }
        Ok(Self {
            version: version.to_owned(),
            identity: format!("{}.{}", field("run_id")?, field("master_replid")?),
            aof: field("aof_enabled")? == "1",
            failed_writes: ["rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"]
                .iter()
                .any(|name| fields.get(name).is_some_and(|status| *status != "ok")),
        })
    }

    /// What somebody who runs it should change. `snapshots` is the setting `save`, if the server told it.
    pub(super) fn warnings(&self, snapshots: Option<&str>) -> Vec<String> {
        let mut warnings = Vec::new();
        match (self.aof, snapshots) {
            (true, _) | (false, Some(_)) if self.failed_writes => {
                warnings.push("Redis could not write to its disk: see its log".to_owned());
            }
            (false, Some("")) => warnings.push(
                "Redis writes nothing to disk, so a restart signs everybody out and forgets their devices: set \
                 `appendonly yes`"
                    .to_owned(),
            ),
            (false, None) => warnings.push(
                "Redis keeps no append-only file and does not say whether it saves snapshots: set `appendonly yes`, or allow \
                 the user `config|get`"
                    .to_owned(),
            ),
            _ => {}
        }
        warnings
    }
}

/// By how many seconds the server's clock is ahead of ours (negative: behind), when that is too much.
pub(super) fn skew(server: i64, ours: Timestamp) -> Option<i64> {
    let skew = server.saturating_sub(ours.as_second());
    (skew.abs() > MAX_SKEW_SECONDS).then_some(skew)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:abc\r\n# Memory\r\n\
        maxmemory:0\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\nrdb_last_bgsave_status:ok\r\n\
        aof_last_write_status:ok\r\n# Replication\r\nrole:master\r\nmaster_replid:def\r\n";

    fn with(from: &str, to: &str) -> Result<Server, Unfit> {
        assert!(INFO.contains(from));
        Server::read(&INFO.replace(from, to))
    }

    #[test]
    fn a_usual_server_is_fit() {
        let server = Server::read(INFO).unwrap();
        assert_eq!((server.version.as_str(), server.identity.as_str()), ("7.0.15", "abc.def"));
        assert!(server.warnings(Some("")).is_empty() && server.warnings(None).is_empty());
        assert!(
            with("maxmemory:0\r\nmaxmemory_policy:noeviction", "maxmemory:0\r\nmaxmemory_policy:allkeys-lru").is_ok()
        );
        assert!(with("maxmemory:0", "maxmemory:1000000").is_ok());
        assert!(with("7.0.15", "6.2.0").is_ok() && with("7.0.15", "10.1").is_ok());
    }

    #[test]
    fn a_server_that_would_lose_or_refuse_entries_is_not() {
        let evicts = with("maxmemory:0\r\nmaxmemory_policy:noeviction", "maxmemory:9\r\nmaxmemory_policy:volatile-ttl");
        assert_eq!(evicts, Err(Unfit::Evicts("volatile-ttl".to_owned())));
        assert_eq!(with("7.0.15", "6.0.16"), Err(Unfit::Old("6.0.16".to_owned())));
        assert_eq!(with("standalone", "cluster"), Err(Unfit::Cluster));
        assert_eq!(with("role:master", "role:slave"), Err(Unfit::Replica));
        for name in ["redis_version", "redis_mode", "role", "maxmemory", "maxmemory_policy", "run_id", "master_replid"]
        {
            assert_eq!(with(&format!("{name}:"), "x:"), Err(Unfit::Silent(name)));
        }
    }

    #[test]
    fn missing_persistence_is_told() {
        let server = with("aof_enabled:1", "aof_enabled:0").unwrap();
        assert!(server.warnings(Some("3600 1")).is_empty());
        assert!(server.warnings(Some(""))[0].contains("writes nothing to disk"));
        assert!(server.warnings(None)[0].contains("config|get"));
        let failed = with("rdb_last_bgsave_status:ok", "rdb_last_bgsave_status:err").unwrap();
        assert!(failed.warnings(Some("3600 1"))[0].contains("could not write"));
    }

    #[test]
    fn half_a_minute_is_the_most_that_clocks_may_differ() {
        let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = noon.as_second();
        for near in [0, 30, -30] {
            assert_eq!(skew(at + near, noon), None);
        }
        assert_eq!((skew(at + 31, noon), skew(at - 31, noon)), (Some(31), Some(-31)));
    }
}
