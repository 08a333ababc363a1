import { expect, test } from 'vitest';
import { NodeError } from './errors.ts';
import { formatStatus, type NodeStatus, spoolStatus, type ToldStatus } from './status.ts';

const until = '2033-01-01T00:00:00.000Z';
const status: ToldStatus = {
  name: 'gate.b.test',
  id: 'ab',
  roles: ['delivery', 'submission'],
  stages: ['receive', 'submit', 'unwrap', 'forward'],
  smtp: { host: '127.0.0.1', port: 2525 },
  submissions: [],
  epoch: 1,
  unusedMixKeys: null,
  consensus: null,
  consensusTrouble: null,
  descriptorTrouble: null,
  untakenBy: [],
  tlsKeys: [],
  dkimKeys: [
    { selector: 's3', phase: 'next', until },
    { selector: 's2', phase: 'signs' },
    { selector: 's1', phase: 'before', until },
  ],
  dns: 'proven',
  exitByDns: false,
  domainKeys: ['new', 'old'],
  domainKeyOverlap: { publication: 'missing' },
  counts: { inputs: 0, relays: 0, fragments: 0, deliveries: 0 },
  fault: null,
  counters: {} as NodeStatus['counters'],
};

test('DKIM keys are shown with their phase, and what a next one waits for', () => {
  const lines = formatStatus(status).split('\n');
  expect(lines.filter((line) => line.startsWith('dkim '))).toEqual([
    `dkim next   s3, signs from ${until} on at the earliest`,
    'dkim signs  s2',
    `dkim before  s1, until ${until}`,
  ]);
  const waiting = { selector: 's3', phase: 'next', until, publication: 'missing' } as const;
  expect(formatStatus({ ...status, dkimKeys: [waiting] })).toContain('s3, signs once DNS has it: publish');
});

test('directories that have not taken the descriptor are named, with the reason', () => {
  const untakenBy = [
    { url: 'http://one.test', why: 'name-taken', since: until },
    { url: 'http://two.test', why: 'unreached', since: until },
  ] as const;
  const lines = formatStatus({ ...status, untakenBy }).split('\n');
  expect(lines.filter((line) => line.startsWith('directory'))).toEqual([
    `directory   http://one.test refuses this node: name-taken, since ${until}`,
    `directory   http://two.test has not been reached, since ${until}`,
  ]);
});

test('why no descriptor can be made is said, with what mends it', () => {
  const lines = (descriptorTrouble: NodeStatus['descriptorTrouble']): string[] =>
    formatStatus({ ...status, descriptorTrouble })
      .split('\n')
      .filter((line) => /^descriptor| {12}/.test(line));
  expect(lines(null)).toEqual([]);
  expect(lines({ why: 'it is damaged', hint: 'Remove it', since: until })).toEqual([
    `descriptor  none can be made, since ${until}: it is damaged`,
    '            Remove it',
  ]);
  expect(lines({ why: 'TypeError', since: until })).toHaveLength(1);
});

test('whether exits go by DNS is said of a mix, whichever it is', () => {
  const dns = (of: Partial<ToldStatus>): string | undefined =>
    /^dns {9}(.*)$/m.exec(formatStatus({ ...status, ...of }))?.[1];
  expect(dns({})).toBe('answers are proven');
  expect(dns({ roles: ['mix'], exitByDns: true })).toBe('answers are proven; exits go by it');
  expect(dns({ roles: ['mix'] })).toContain('domains that the consensus does not name go nowhere');
});

test('a domain’s key before that is kept says why, and what to do', () => {
  const kept = (overlap: NodeStatus['domainKeyOverlap']): string | undefined =>
    /^ {2}kept {4} {2}(.*)$/m.exec(formatStatus({ ...status, domainKeyOverlap: overlap }))?.[1];
  expect(kept(null)).toBeUndefined();
  expect(kept({ publication: 'missing' })).toContain('publish what postern-node dns zone prints');
  expect(kept({ publication: 'published', until })).toContain(`until ${until}`);
  expect(kept({ publication: 'unknown', until })).toContain('DNS gives no answer');
});

test('mix keys that the process does not use are said, with what becomes of them', () => {
  const line = (unusedMixKeys: NodeStatus['unusedMixKeys']): string | undefined =>
    /^mix keys {4}(.*)$/m.exec(formatStatus({ ...status, unusedMixKeys }))?.[1];
  expect(line(null)).toBeUndefined();
  expect(line('others-peel')).toContain('postern-node mix-keys destroy');
  expect(line('no-mix')).toContain('destroyed once its epoch is over');
});

test('that there is no consensus says why, and since when', () => {
  const none = 'consensus   no consensus that holds: nothing is sent';
  expect(formatStatus(status)).toContain(`${none}\ndns `);
  const consensusTrouble = { code: 'clock', why: 'the clock here is 2 h behind', since: until };
  expect(formatStatus({ ...status, consensusTrouble })).toContain(
    `${none}\n            since ${until}: clock: the clock here is 2 h behind\ndns `,
  );
});

test('a spool that does not answer is said, with its fault', async () => {
  const lost = new NodeError('spool-io', 'the spool failed', { hint: 'See whether it runs.' });
  const found = await spoolStatus({ counts: () => Promise.reject(lost) });
  const fault = { code: 'spool-io', message: 'the spool failed', hint: 'See whether it runs.', exitCode: 1 };
  expect(found).toEqual({ counts: null, fault });
  expect(formatStatus({ ...status, ...found })).toMatch(/^spool {7}does not answer$/m);
  await expect(spoolStatus({ counts: () => Promise.reject(new TypeError()) })).rejects.toThrow(TypeError);
});
