import { rows } from './rows.ts';

/** An input's `kind` is packet, exit, or deferred: an exit that was set apart and has no job. */
export const inputs: string = `${rows}
local function dropInput(id)
  local kind = call('HGET', key('input', id), 'kind')
  if not kind then return nil end
  local queue = kind == 'deferred' and 'exit' or kind
  free(queue, id)
  dropBytes(id)
  call('DEL', key('input', id))
  call('SREM', key('inputs'), id)
  call('SREM', key('deferred'), id)
  return queue
end
`;

export const accept: string = `${inputs}
local id, kind, attested, most, bytes = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
assertRoom(most)
call('HSET', key('input', id), 'kind', kind)
if attested ~= '' then call('HSET', key('input', id), 'attested', attested) end
putBytes(id, bytes)
call('SADD', key('inputs'), id)
outbox(kind, id)
`;

export const refuse: string = `${inputs}
local queue = dropInput(ARGV[5])
return queue and { 'refused', queue } or { 'gone' }
`;

export const defer: string = `${inputs}
local id = ARGV[5]
if call('HGET', key('input', id), 'kind') ~= 'exit' then return { 'gone' } end
free('exit', id)
call('HSET', key('input', id), 'kind', 'deferred')
call('SADD', key('deferred'), id)
return { 'deferred', 'exit' }
`;

/** Up to so many deferred inputs, which are exits again. */
export const resume: string = `${inputs}
local ids = call('SPOP', key('deferred'), ARGV[5])
for _, id in ipairs(ids) do
  call('HSET', key('input', id), 'kind', 'exit')
  outbox('exit', id)
end
return ids
`;
