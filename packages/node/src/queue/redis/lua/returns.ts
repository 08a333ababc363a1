import { sets } from './sets.ts';

/** `told` of a token: 0 nothing, 1 of a delay, 2 of a failure. Even then it stays until it expires: more of the message may come yet. */
const returns: string = `${sets}
local function note(token, final)
  local of = key('return', token)
  local told = call('HGET', of, 'told')
  if not told or told == '2' or (not final and told == '1') then return false end
  call('HSET', of, 'told', final and 2 or 1)
  if final then
    for _, id in ipairs(call('SMEMBERS', key('carriages', token))) do call('DEL', key('carriage', id)) end
    call('DEL', key('carriages', token))
  end
  return true
end
local function tell(token, final, at)
  if not note(token, final == '1') then return 'unknown-token' end
  if addFragment(at) == 'complete' then outbox('sets', ARGV[at]) end
  return 'told'
end
`;

/** Most bytes, author, token's expiry, whether it goes to a domain, token, relay id, relay. */
export const submit: string = `${returns}
local author, expires, carried, token, id = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
assertRoom(ARGV[5])
local of = key('return', token)
if call('EXISTS', of) == 0 then
  call('HSET', of, 'author', author, 'expires', expires, 'told', 0, 'complained', 0)
  call('ZADD', key('returns'), expires, token)
end
if call('HGET', of, 'author') ~= author then return 'foreign-token' end
putRelay(id, 11)
if carried == '1' then
  call('SET', key('carriage', id), token)
  call('SADD', key('carriages', token), id)
end
return 'submitted'
`;

/** Input, token, whether it is final, fragment. */
export const returned: string = `${returns}
local queue = dropInput(ARGV[5])
if not queue then return { 'gone' } end
return { tell(ARGV[6], ARGV[7], 8), queue }
`;

/** Relay that goes or none, token, whether it is final, fragment. */
export const tellAuthor: string = `${returns}
if ARGV[5] ~= '' then dropRelay(ARGV[5]) end
return tell(ARGV[6], ARGV[7], 8)
`;

/** By token, or by the id of a relay: token, author, what they were told. */
export const findReturn: string = `${returns}
local token = ARGV[5] == 'token' and ARGV[6] or call('GET', key('carriage', ARGV[6]))
if not token then return nil end
local found = call('HMGET', key('return', token), 'author', 'told')
if not found[1] or found[2] == '2' then return nil end
return { token, found[1], found[2] }
`;

/** Up to so many expired tokens. */
export const forgetReturns: string = `${returns}
local tokens = call('ZRANGEBYSCORE', key('returns'), '-inf', now, 'LIMIT', 0, ARGV[5])
for _, token in ipairs(tokens) do
  for _, id in ipairs(call('SMEMBERS', key('carriages', token))) do call('DEL', key('carriage', id)) end
  call('DEL', key('carriages', token), key('return', token))
  call('ZREM', key('returns'), token)
end
return #tokens
`;

/** Input, token, day, when the day's are forgotten. Members are "<day> <author>". */
export const complaint: string = `${returns}
local queue = dropInput(ARGV[5])
if not queue then return { 'gone' } end
local of = key('return', ARGV[6])
local found = call('HMGET', of, 'author', 'expires', 'complained')
if not found[1] or tonumber(found[2]) <= now then return { 'unknown-token', queue } end
if found[3] == '1' then return { 'known-complaint', queue } end
call('HSET', of, 'complained', 1)
local member = ARGV[7] .. ' ' .. found[1]
call('HINCRBY', key('complaints'), member, 1)
call('ZADD', key('complained'), 'NX', ARGV[8], member)
return { 'complaint', queue }
`;

export const complaints: string = `${returns} return call('HGETALL', key('complaints')) `;

/** Up to so many days of authors. */
export const forgetComplaints: string = `${returns}
local members = call('ZRANGEBYSCORE', key('complained'), '-inf', now, 'LIMIT', 0, ARGV[5])
for _, member in ipairs(members) do
  call('HDEL', key('complaints'), member)
  call('ZREM', key('complained'), member)
end
return #members
`;
