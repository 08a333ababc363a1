import { rows } from './rows.ts';

/** Which chain of mix keys the spool's processes have: that one, unless it names one or nothing is given. Gives what it names. */
export const lineage: string = `${rows}
if ARGV[5] ~= '' then call('HSETNX', KEYS[1], 'lineage', ARGV[5]) end
return call('HGET', KEYS[1], 'lineage')
`;
