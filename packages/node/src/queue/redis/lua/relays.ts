import { inputs } from './inputs.ts';

/** A relay of somebody here has a token, and no place among those that `expire` drops. */
export const relays: string = `${inputs}
local function putRelay(id, at)
  local next, due, expires, token, bytes = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  call('HSET', key('relay', id), 'next', next, 'due', due, 'expires', expires, 'attempts', 0)
  if token == '' then call('ZADD', key('expiring'), expires, id)
  else call('HSET', key('relay', id), 'token', token) end
  putBytes(id, bytes)
  call('SADD', key('relays'), id)
  outbox('relays', id)
end
local function dropRelay(id)
  if call('EXISTS', key('relay', id)) == 0 then return end
  free('relays', id)
  dropBytes(id)
  call('DEL', key('relay', id))
  call('SREM', key('relays'), id)
  call('ZREM', key('expiring'), id)
end
`;

/** Input, replay tag and relay in one: input, epoch, tag, lease, lease grid, relay id, relay. Without a lease it is nobody's. */
export const relay: string = `${relays}
local input, epoch, tag, lease, grid, id = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]
local queue = dropInput(input)
if not queue then return { 'gone' } end
call('ZADD', key('epochs'), epoch, epoch)
if call('SADD', key('tags', epoch), tag) == 0 then return { 'replayed', queue } end
putRelay(id, 11)
if lease == 0 then return { 'shelved', queue } end
return { 'waiting', queue, tostring(take('relays', id, tonumber(ARGV[12]), lease, grid)) }
`;

export const send: string = `${relays}
assertRoom(ARGV[5])
putRelay(ARGV[6], 7)
`;

export const finishRelay: string = `${relays} dropRelay(ARGV[5]) `;

/** The bytes, unless the row has gone. */
export const readRelay: string = `${relays}
if call('EXISTS', key('relay', ARGV[5])) == 0 then return nil end
return call('GET', key('bytes', ARGV[5]))
`;

/** Up to so many expired relays of nobody here that nobody holds. */
export const expire: string = `${relays}
local dropped, from = {}, 0
while #dropped < tonumber(ARGV[5]) do
  local ids = call('ZRANGEBYSCORE', key('expiring'), '-inf', now, 'LIMIT', from, 100)
  if #ids == 0 then break end
  for _, id in ipairs(ids) do
    if held(key('relay', id)) then from = from + 1
    else
      dropRelay(id)
      table.insert(dropped, id)
    end
  end
end
return dropped
`;

export const forgetTags: string = `${relays}
for _, epoch in ipairs(call('ZRANGEBYSCORE', key('epochs'), '-inf', '(' .. ARGV[5])) do
  call('UNLINK', key('tags', epoch))
  call('ZREM', key('epochs'), epoch)
end
`;
