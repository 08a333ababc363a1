import { relays } from './relays.ts';

/**
 * `state` of a set: 0 open, 1 complete, 2 over. `size` is what its fragments' data take, `stored` what the fragments take as they lie here.
 * Open sets are kept within a bound; chance picks those that go.
 */
export const sets: string = `${relays}
local function clearFragments(id)
  local of, state = key('set', id), call('HGET', key('set', id), 'state')
  if state == '0' then grow('unfinished', -number(call('HGET', of, 'size'))) end
  grow('fragments', -call('HLEN', key('fragments', id)))
  grow('bytes', -number(call('HGET', of, 'stored')))
  call('DEL', key('fragments', id))
  call('SREM', key('open'), id)
  call('SREM', key('complete'), id)
  call('ZREM', key('lasting'), id)
end
local function makeRoom(keep, most)
  while sum('unfinished') > most and call('SCARD', key('open')) > 1 do
    for _, victim in ipairs(call('SRANDMEMBER', key('open'), 2)) do
      if victim ~= keep then
        free('sets', victim)
        clearFragments(victim)
        call('DEL', key('set', victim))
        break
      end
    end
  end
end
local function addFragment(at)
  local id, index, needs, expires = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local size, most, bytes = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), ARGV[at + 6]
  local of = key('set', id)
  if call('EXISTS', of) == 0 then
    call('HSET', of, 'state', 0, 'needs', needs, 'has', 0, 'due', 0, 'expires', expires, 'attempts', 0, 'size', 0, 'stored', 0)
    call('ZADD', key('lasting'), expires, id)
    call('SADD', key('open'), id)
  end
  local state = call('HGET', of, 'state')
  if state == '2' or call('HSETNX', key('fragments', id), index, bytes) == 0 then return 'duplicate' end
  grow('fragments', 1)
  grow('bytes', #bytes)
  call('HINCRBY', of, 'stored', #bytes)
  local has = call('HINCRBY', of, 'has', 1)
  if state == '1' then return 'stored' end
  if has >= number(call('HGET', of, 'needs')) then
    grow('unfinished', -number(call('HGET', of, 'size')))
    call('HSET', of, 'state', 1)
    call('SREM', key('open'), id)
    call('SADD', key('complete'), id)
    return 'complete'
  end
  call('HINCRBY', of, 'size', size)
  grow('unfinished', size)
  makeRoom(id, most)
  return 'stored'
end
`;

/** Input, lease, lease grid, fragment. */
export const fragment: string = `${sets}
local lease, grid, id = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local queue = dropInput(ARGV[5])
if not queue then return { 'gone' } end
local added = addFragment(8)
if added ~= 'complete' then return { added, queue } end
outbox('sets', id)
return { 'complete', queue, tostring(take('sets', id, 0, lease, grid)), call('HGET', key('set', id), 'expires') }
`;

/** Set, whether there is a report, its relay id, its relay. */
export const finishSet: string = `${sets}
local id = ARGV[5]
local of = key('set', id)
local state = call('HGET', of, 'state')
if not state or state == '2' then return 0 end
free('sets', id)
clearFragments(id)
call('HSET', of, 'state', 2, 'due', 0, 'attempts', 0, 'size', 0, 'stored', 0)
call('ZADD', key('over'), call('HGET', of, 'expires'), id)
if ARGV[6] == '1' then putRelay(ARGV[7], 8) end
return 1
`;

/** All fragments: position and bytes by turns. */
export const readSet: string = `${sets} return call('HGETALL', key('fragments', ARGV[5])) `;

/** Up to so many sets that expired before they were delivered: id, state, expiry by turns; limit, lease, lease grid. */
export const claimExpired: string = `${sets}
local found, from = {}, 0
while #found < 3 * tonumber(ARGV[5]) do
  local ids = call('ZRANGEBYSCORE', key('lasting'), '-inf', now, 'LIMIT', from, 100)
  if #ids == 0 then break end
  for _, id in ipairs(ids) do
    local of = key('set', id)
    if not held(of) and #found < 3 * tonumber(ARGV[5]) then
      take('sets', id, 0, tonumber(ARGV[6]), tonumber(ARGV[7]))
      for _, field in ipairs({ id, call('HGET', of, 'state'), call('HGET', of, 'expires') }) do table.insert(found, field) end
    end
  end
  from = from + #ids
end
return found
`;

/** Up to so many sets that are over and have expired. */
export const forgetSets: string = `${sets}
local ids = call('ZRANGEBYSCORE', key('over'), '-inf', now, 'LIMIT', 0, ARGV[5])
for _, id in ipairs(ids) do
  call('DEL', key('set', id))
  call('ZREM', key('over'), id)
end
return #ids
`;
