//! What is done in Redis in one step each: Lua that runs there, between which nothing else runs.
//!
//! Each script gets the key of the entry, the index of its kind and owner, and the marker of the store; then the id, and the
//! generation that the caller knows behind a letter that says whether the kind is volatile. Everything that can fail for want of memory comes first in a script, so that a full store
//! refuses before anything has changed.

use redis::Script;

/// What every script starts with. Nothing is done in a generation that the caller does not know: an emptied store would answer
/// that nobody has a device. The value of a volatile kind stands behind the generation it was written in, and is there only
/// in that generation.
const PRELUDE: &str = r"
local entry, index, marker = KEYS[1], KEYS[2], KEYS[3]
local id, stamp = ARGV[1], ''
local generation = string.sub(ARGV[2], 2)
if redis.call('HGET', marker, 'generation') ~= generation then
  return redis.error_reply('EMPTIED the marker of the store is missing or another')
end
if string.sub(ARGV[2], 1, 1) == 'v' then stamp = generation end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function value_of(stored)
  if stored and string.sub(stored, 1, #stamp) == stamp then
    return string.sub(stored, #stamp + 1)
  end
  return false
end

local function live_until(key, ttl)
  if redis.call('PTTL', key) < ttl then
    redis.call('PEXPIRE', key, ttl)
  end
end

local function set(value, ttl)
  redis.call('SET', entry, stamp .. value)
  redis.call('PEXPIRE', entry, ttl)
  if id ~= '' then
    local at = now()
    redis.call('ZADD', index, at + ttl, id)
    redis.call('ZREMRANGEBYSCORE', index, '-inf', at)
    live_until(index, ttl)
  end
end

local function remove()
  redis.call('DEL', entry)
  if id ~= '' then
    redis.call('ZREM', index, id)
  end
end
";

const GET: &str = "return value_of(redis.call('GET', entry))";

const PUT: &str = "set(ARGV[3], tonumber(ARGV[4])) return 1";

const PUT_IF_ABSENT: &str = r"
if value_of(redis.call('GET', entry)) then return 0 end
set(ARGV[3], tonumber(ARGV[4]))
return 1
";

const TAKE: &str = r"
local value = value_of(redis.call('GET', entry))
remove()
return value
";

/// Values of volatile kinds only count in their generation; counters and sets are none.
const DELETE: &str = r"
local there = redis.call('EXISTS', entry) == 1
if there and stamp ~= '' then
  there = value_of(redis.call('GET', entry)) ~= false
end
remove()
return there and 1 or 0
";

const COMPARE_AND_SWAP: &str = r"
if value_of(redis.call('GET', entry)) ~= ARGV[3] then return 0 end
set(ARGV[4], tonumber(ARGV[5]))
return 1
";

const INCREMENT: &str = r"
local number = redis.call('INCR', entry)
if number == 1 then redis.call('PEXPIRE', entry, ARGV[3]) end
return number
";

const DECREMENT: &str = r"
local number = tonumber(redis.call('GET', entry) or '0')
if number > 0 then return redis.call('DECR', entry) end
return 0
";

const COUNT: &str = "return redis.call('GET', entry)";

/// Answers what became of the member (0 full, 1 inserted, 2 present) and the size of the set.
const INSERT_BOUNDED: &str = r"
local member, limit, ttl = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local at = now()
local size = redis.call('ZCOUNT', entry, string.format('(%.0f', at), '+inf')
local until_when = redis.call('ZSCORE', entry, member)
local present = until_when and tonumber(until_when) > at
if not present and size >= limit then return {0, size} end
redis.call('ZADD', entry, at + ttl, member)
redis.call('ZREMRANGEBYSCORE', entry, '-inf', at)
live_until(entry, ttl)
if present then return {2, size} end
return {1, size + 1}
";

const REMOVE_MEMBER: &str = r"
local until_when = redis.call('ZSCORE', entry, ARGV[3])
redis.call('ZREM', entry, ARGV[3])
return (until_when and tonumber(until_when) > now()) and 1 or 0
";

const MEMBERS: &str = "return redis.call('ZRANGEBYSCORE', entry, string.format('(%.0f', now()), '+inf')";

/// Answers ids and values in turn. `entry` is the key with the empty id, which sorts before all others. Ids are compared byte
/// by byte: Lua's own comparison follows the locale of the server.
const LIST: &str = r"
local limit = tonumber(ARGV[3])
local function before(a, b)
  for at = 1, math.min(#a, #b) do
    local x, y = string.byte(a, at), string.byte(b, at)
    if x ~= y then return x < y end
  end
  return #a < #b
end
local ids = redis.call('ZRANGEBYSCORE', index, string.format('(%.0f', now()), '+inf')
table.sort(ids, before)
table.insert(ids, 1, '')
local found = {}
for _, each in ipairs(ids) do
  if #found >= 2 * limit then break end
  local value = value_of(redis.call('GET', entry .. each))
  if value then
    table.insert(found, each)
    table.insert(found, value)
  end
end
return found
";

/// Answers the generation in force and when the store was born, in milliseconds since 1970. The generation goes with one run of
/// one server and one line of replication; the first node that sees another begins the next one, for all nodes. The birth
/// stays: it is written where there is none, which is in an empty store, or in one of a version that wrote none.
const CLAIM: &str = r"
local held = redis.call('HMGET', KEYS[1], 'server', 'generation', 'born')
if held[1] == ARGV[1] and held[2] and held[3] then return {held[2], held[3]} end
local time = redis.call('TIME')
local born = held[3] or string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local generation = held[1] == ARGV[1] and held[2] or ARGV[2]
redis.call('HSET', KEYS[1], 'server', ARGV[1], 'generation', generation, 'born', born)
return {generation, born}
";

/// Each command that the other scripts use, so that one that is not permitted is told before somebody needs it.
const PROBE: &str = r"
local entry, set = KEYS[1], KEYS[2]
redis.call('SET', entry, 1)
redis.call('INCR', entry)
redis.call('DECR', entry)
redis.call('GET', entry)
redis.call('EXISTS', entry)
redis.call('PEXPIRE', entry, 60000)
redis.call('PTTL', entry)
redis.call('ZADD', set, 1, 'a')
redis.call('ZSCORE', set, 'a')
redis.call('ZCOUNT', set, '-inf', '+inf')
redis.call('ZRANGEBYSCORE', set, '-inf', '+inf')
redis.call('ZREMRANGEBYSCORE', set, '-inf', '(1')
redis.call('ZREM', set, 'a')
redis.call('HGET', 'cg:{store}:generation', 'generation')
redis.call('TIME')
redis.call('DEL', entry, set)
return 1
";

/// All scripts; each knows its digest.
pub(super) struct Scripts {
    pub(super) get: Script,
    pub(super) put: Script,
    pub(super) put_if_absent: Script,
    pub(super) take: Script,
    pub(super) delete: Script,
    pub(super) compare_and_swap: Script,
    pub(super) increment: Script,
    pub(super) decrement: Script,
    pub(super) count: Script,
    pub(super) insert_bounded: Script,
    pub(super) remove_member: Script,
    pub(super) members: Script,
    pub(super) list: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let script = |body: &str| Script::new(&format!("{PRELUDE}{body}"));
        Self {
            get: script(GET),
            put: script(PUT),
            put_if_absent: script(PUT_IF_ABSENT),
            take: script(TAKE),
            delete: script(DELETE),
            compare_and_swap: script(COMPARE_AND_SWAP),
            increment: script(INCREMENT),
            decrement: script(DECREMENT),
            count: script(COUNT),
            insert_bounded: script(INSERT_BOUNDED),
            remove_member: script(REMOVE_MEMBER),
            members: script(MEMBERS),
            list: script(LIST),
        }
    }
}

/// See [`PROBE`].
pub(super) fn probe() -> Script {
    Script::new(PROBE)
}

/// See [`CLAIM`].
pub(super) fn claim() -> Script {
    Script::new(CLAIM)
}
