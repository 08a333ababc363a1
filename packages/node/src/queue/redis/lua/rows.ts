/** What Redis 7.0 takes for one, measured: a replay tag 88 to 104 bytes, depending on how full its table is. */
export const tagBytes = 104;
const setIdBytes = 372;
/** With the id of one carriage. */
const tokenBytes = 980;

/**
 * What every script begins with, where `skew` says how far the caller's clock may be from that of Redis: what a wrong one takes for over is not.
 * `KEYS[1]` is the hash that says which spool this is; every other key has its hash tag, so that all of
 * a spool lies in one slot. A row's claim says until when it is whose; its job in BullMQ's queue says when to look at the row again.
 * Rows: `input:<id>`, `relay:<id>`, `set:<id>`; packets lie under `bytes:<id>`.
 */
export const rows: string = `
local K, mine, now, me = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local call = redis.call
if call('HGET', KEYS[1], 'id') ~= mine then return redis.error_reply('SPOOLLOST another spool or none is there') end
local time = call('TIME')
if math.abs(time[1] * 1000 + math.floor(time[2] / 1000) - now) > skew then return redis.error_reply('SPOOLCLOCK another time is there') end
local tables = { packet = 'input', exit = 'input', relays = 'relay', sets = 'set' }
local function key(...) return K .. ':' .. table.concat({ ... }, ':') end
local function row(queue, id) return key(tables[queue], id) end
local function number(text) return tonumber(text or '0') end
local function onGrid(ms, grid) return math.ceil(ms / grid) * grid end

local function grow(what, by) call('HINCRBY', key('sums'), what, string.format('%.0f', by + 0)) end
local function sum(what) return number(call('HGET', key('sums'), what)) end
-- Bytes that it takes to know replay tags, delivered sets and return tokens again.
local function remembered()
  local tags = 0
  for _, epoch in ipairs(call('ZRANGE', key('epochs'), 0, -1)) do tags = tags + call('SCARD', key('tags', epoch)) end
  return ${tagBytes} * tags + ${setIdBytes} * call('ZCARD', key('over')) + ${tokenBytes} * call('ZCARD', key('returns'))
end
local function assertRoom(most)
  if sum('bytes') + remembered() > tonumber(most) then error({ err = 'SPOOLFULL it holds as much as it may' }) end
end

-- The job of a row in the outbox may not be what the row says.
local function outbox(queue, id) call('SADD', key('outbox'), queue .. ':' .. id) end

local function held(of) return number(call('HGET', of, 'claim')) > now end
local function free(queue, id)
  local by = call('HGET', row(queue, id), 'by')
  if not by then return end
  call('SREM', key('held', by), queue .. ':' .. id)
  call('HDEL', row(queue, id), 'claim', 'by')
end
local function take(queue, id, fromMs, lease, grid)
  free(queue, id)
  local untilMs = onGrid(math.max(now, fromMs) + lease, grid)
  call('HSET', row(queue, id), 'claim', untilMs, 'by', me)
  call('SADD', key('held', me), queue .. ':' .. id)
  -- Redis may run this when its process has been buried already: then it is buried again.
  call('SADD', key('processes'), me)
  return untilMs
end
local function putBytes(id, bytes)
  call('SET', key('bytes', id), bytes)
  grow('bytes', #bytes)
end
local function dropBytes(id)
  grow('bytes', -call('STRLEN', key('bytes', id)))
  call('DEL', key('bytes', id))
end
`;
