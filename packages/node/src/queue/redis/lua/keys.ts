import { rows } from './rows.ts';

/** Which chain of mix keys the spool's processes have: that one, unless it names one or nothing is given. Gives what it names. */
export const lineage: string = `${rows}
if ARGV[5] ~= '' then call('HSETNX', KEYS[1], 'lineage', ARGV[5]) end
return call('HGET', KEYS[1], 'lineage')
`;

/** Which key of the domain is the newest that any process has had: fingerprint and since when it is in force. Gives the fingerprint of the one that is named then. */
export const newestKey: string = `${rows}
local named = call('HMGET', KEYS[1], 'domain-key', 'domain-key-since')
if named[1] and tonumber(ARGV[6]) <= number(named[2]) then return named[1] end
call('HSET', KEYS[1], 'domain-key', ARGV[5], 'domain-key-since', ARGV[6])
return ARGV[5]
`;
