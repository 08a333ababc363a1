import { sets } from './sets.ts';

/** Whether a row is to have a job, and when that is to look at it: nothing when the row has gone or is set apart. */
const wanting = `${sets}
local function wanted(queue, id)
  local of = row(queue, id)
  if tables[queue] == 'input' then
    if call('HGET', of, 'kind') ~= queue then return nil end
  elseif queue == 'sets' then
    if call('HGET', of, 'state') ~= '1' then return nil end
  elseif call('EXISTS', of) == 0 then
    return nil
  end
  if held(of) then return number(call('HGET', of, 'claim')) end
  return number(call('HGET', of, 'due'))
end
local function jobs(queue, name) return key('jobs', queue, name) end
`;

/**
 * The claim of rows whose jobs have come: queue, lease, lease grid, ids. For each what became of it: "gone"; "later" and when to look
 * again; or "taken", until when, and its fields. Bytes of inputs come along.
 */
export const claim: string = `${wanting}
local queue, lease, grid = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local answers = {}
for at = 8, #ARGV do
  local id = ARGV[at]
  local when = wanted(queue, id)
  if not when then table.insert(answers, { 'gone' })
  elseif when > now then table.insert(answers, { 'later', tostring(when) })
  else
    local untilMs = tostring(take(queue, id, 0, lease, grid))
    if tables[queue] == 'input' then
      local bytes, attested = call('GET', key('bytes', id)), call('HGET', row(queue, id), 'attested')
      table.insert(answers, { 'taken', untilMs, bytes, attested or '' })
    elseif queue == 'relays' then
      local f = call('HMGET', row(queue, id), 'due', 'expires', 'attempts', 'next', 'token')
      table.insert(answers, { 'taken', untilMs, f[1], f[2], f[3], f[4], f[5] or '' })
    else
      local f = call('HMGET', row(queue, id), 'due', 'expires', 'attempts')
      table.insert(answers, { 'taken', untilMs, f[1], f[2], f[3] })
    end
  end
end
return answers
`;

/** Gives claims of the caller's own back: queue, ids. Gives id and due time by turns. */
export const release: string = `${wanting}
local queue, moved = ARGV[5], {}
for at = 6, #ARGV do
  local id = ARGV[at]
  local job = wanted(queue, id)
  -- A set that is open has no job, and is claimed once it has expired.
  if (job or queue == 'sets') and call('HGET', row(queue, id), 'by') == me then
    free(queue, id)
    if job then
      outbox(queue, id)
      table.insert(moved, id)
      table.insert(moved, tostring(wanted(queue, id)))
    end
  end
end
return moved
`;

/** Makes a row due again and gives the claim back: queue, id, due, attempts more. 0 when it has gone, or is in another's hands by now. */
export const again: string = `${wanting}
local queue, id = ARGV[5], ARGV[6]
local of = row(queue, id)
if not wanted(queue, id) or (held(of) and call('HGET', of, 'by') ~= me) then return 0 end
call('HSET', of, 'due', ARGV[7])
call('HINCRBY', of, 'attempts', ARGV[8])
free(queue, id)
outbox(queue, id)
return 1
`;

/** How many jobs of a queue may be taken now. */
export const ready: string = `${wanting}
local queue = ARGV[5]
return call('LLEN', jobs(queue, 'wait')) + call('ZCARD', jobs(queue, 'prioritized'))
  + call('ZCOUNT', jobs(queue, 'delayed'), 0, (now + 1) * 4096 - 1)
`;

/**
 * When the first row of a queue that nobody holds is due. Jobs of held rows stand where their claims end; past so many of
 * them the next job's time is given instead, which is no later.
 */
export const nextDue: string = `${wanting}
local queue = ARGV[5]
local function due(id)
  local of = row(queue, id)
  if not wanted(queue, id) or held(of) then return nil end
  return call('HGET', of, 'due')
end
for _, id in ipairs(call('LRANGE', jobs(queue, 'wait'), -100, -1)) do
  local found = due(id)
  if found then return found end
end
local next = call('ZRANGE', jobs(queue, 'delayed'), 0, 299, 'WITHSCORES')
for at = 1, #next, 2 do
  local found = due(next[at])
  if found then return found end
end
if #next < 600 then return nil end
return tostring(math.floor(next[600] / 4096))
`;

/**
 * After BullMQ has done what was asked of it: queue, whether to wake, ids. A delayed job gets the time that its row wants by now, whoever
 * changed that meanwhile, and the row leaves the outbox, unless its job went meanwhile. What BullMQ notes of order and time beside a job goes: its events, its counters, when
 * it was last taken, how long it was to wait from then, and its place among those that are due at the same time, or
 * have the same priority.
 */
export const settled: string = `${wanting}
local queue = ARGV[5]
for at = 7, #ARGV do
  local id = ARGV[at]
  local when = wanted(queue, id)
  if when then call('ZADD', jobs(queue, 'delayed'), 'XX', string.format('%.0f', math.max(1, when) * 4096), id) end
  local place = call('ZSCORE', jobs(queue, 'prioritized'), id)
  if place then call('ZADD', jobs(queue, 'prioritized'), 'XX', string.format('%.0f', math.floor(place / 2^32) * 2^32), id) end
  call('HDEL', jobs(queue, id), 'processedOn', 'ats', 'atm', 'stc', 'delay')
  if when and call('EXISTS', jobs(queue, id)) == 0 then outbox(queue, id)
  else call('SREM', key('outbox'), queue .. ':' .. id) end
end
call('DEL', jobs(queue, 'events'), jobs(queue, 'pc'), jobs(queue, 'id'))
if ARGV[6] == '1' then call('PUBLISH', key('wake'), queue) end
`;

/** Inputs that wait get other priorities: queue, id and priority by turns. */
export const redraw: string = `${wanting}
local queue = ARGV[5]
for at = 6, #ARGV, 2 do
  local id, priority = ARGV[at], ARGV[at + 1]
  if call('ZADD', jobs(queue, 'prioritized'), 'XX', 'CH', string.format('%.0f', priority * 2^32), id) == 1 then
    call('HSET', jobs(queue, id), 'priority', priority)
  end
end
`;

/** What the rows of outbox members want: "gone", or when their job is to look at them. */
export const wants: string = `${wanting}
local answers = {}
for at = 5, #ARGV do
  local queue, id = string.match(ARGV[at], '^(%a+):(%x+)$')
  local when = wanted(queue, id)
  table.insert(answers, when and tostring(when) or 'gone')
end
return answers
`;

/** Puts rows that want a job and have none into the outbox: queue, ids. Gives how many. */
export const mend: string = `${wanting}
local queue, mended = ARGV[5], 0
for at = 6, #ARGV do
  if wanted(queue, ARGV[at]) and call('EXISTS', jobs(queue, ARGV[at])) == 0 then
    outbox(queue, ARGV[at])
    mended = mended + 1
  end
end
return mended
`;

/** Frees all that a process held which has died. */
export const bury: string = `${wanting}
local dead = ARGV[5]
for _, member in ipairs(call('SMEMBERS', key('held', dead))) do
  local queue, id = string.match(member, '^(%a+):(%x+)$')
  if call('HGET', row(queue, id), 'by') == dead then
    free(queue, id)
    if wanted(queue, id) then call('SADD', key('outbox'), member) end
  end
end
call('DEL', key('held', dead))
call('SREM', key('processes'), dead)
`;

/** Findings that no crash explains: a row without bytes, a set whose fragments are not what it counts. Where their ids stand, table, ids. */
export const inspect: string = `${wanting}
local listed, of, wrong = key(ARGV[5]), ARGV[6], 0
for at = 7, #ARGV do
  local id = ARGV[at]
  local fine = call('EXISTS', key(of, id), key('bytes', id)) == 2
  if of == 'set' then
    local has = number(call('HGET', key('set', id), 'has'))
    fine = has > 0 and has == call('HLEN', key('fragments', id))
  end
  -- Another process may have removed it just now.
  if not fine and call('SISMEMBER', listed, id) == 1 then wrong = wrong + 1 end
end
return wrong
`;

export const counts: string = `${wanting}
return { call('SCARD', key('inputs')), call('SCARD', key('relays')), sum('fragments'), call('SCARD', key('complete')) }
`;
