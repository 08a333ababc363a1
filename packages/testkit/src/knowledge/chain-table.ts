import { chainFound } from './chain-found.ts';
import { chainRows, type Stretch } from './chain-rows.ts';
import { type Table, tableOf } from './table.ts';

/**
 * How a letter goes from one domain to the other by way of the servers of both, and what becomes of it: it lies in a mailbox, or the
 * recipient's gateway reports that there is no such mailbox.
 */
export interface Way {
  readonly mode: 'direct' | 'mix';
  /**
   * Who hands on what the author submits: the gateway of the author's domain by that domain's mail server, or the gateway itself, or a
   * provider that knows nothing of Postern.
   */
  readonly by: 'smarthost' | 'gateway' | 'account';
  /** Whether the consensus names the recipient's gateway; if not, a last mix finds it by DNS. Direct it does not matter. */
  readonly listed: boolean;
  readonly end: 'delivered' | 'reported';
}

/** Through mixes a smarthost has nothing to do; nobody reports to an account. */
export const chainWays: readonly Way[] = [
  { mode: 'direct', by: 'smarthost', listed: true, end: 'delivered' },
  { mode: 'direct', by: 'smarthost', listed: true, end: 'reported' },
  { mode: 'direct', by: 'gateway', listed: true, end: 'delivered' },
  { mode: 'direct', by: 'gateway', listed: true, end: 'reported' },
  { mode: 'direct', by: 'account', listed: true, end: 'delivered' },
  { mode: 'mix', by: 'gateway', listed: true, end: 'delivered' },
  { mode: 'mix', by: 'gateway', listed: true, end: 'reported' },
  { mode: 'mix', by: 'gateway', listed: false, end: 'delivered' },
  { mode: 'mix', by: 'gateway', listed: false, end: 'reported' },
  { mode: 'mix', by: 'account', listed: true, end: 'delivered' },
];

/** What people call it. */
export function wayName({ mode, by, listed, end }: Way): string {
  return `${mode}, by ${by === 'account' ? 'an' : 'a'} ${by}${listed ? '' : ', to a domain that DNS alone names'}, ${end}`;
}

/**
 * Who may know what of a letter on that way, report included (docs/threat-model.md). The gateways run beside a Postfix and a Dovecot of their
 * domain; a provider is a Postfix and a Dovecot, too.
 */
export function chainTable(way: Way): Table {
  const stretches = stretchesOf(way);
  return tableOf(
    Object.assign({}, ...stretches.map((one) => chainRows[one])),
    stretches.flatMap((one) => chainFound[one]),
  );
}

/** What a party may know says the last stretch in which it stands. */
function stretchesOf({ mode, by, listed, end }: Way): Stretch[] {
  const account = by === 'account';
  const ends: Stretch[] = ['always', account ? 'fromAccount' : 'fromGateway'];
  if (end === 'delivered') ends.push('read');
  const report = (one: Stretch): Stretch[] => (end === 'reported' ? [one] : []);
  if (mode === 'mix')
    return [
      ...ends,
      'mix',
      account ? 'mixFromAccount' : 'mixByGateway',
      listed ? 'listed' : 'unlisted',
      ...report('mixReport'),
    ];
  if (account) return [...ends, 'direct', 'directFromAccount'];
  return [
    ...ends,
    'direct',
    'directByGateway',
    by === 'smarthost' ? 'bySmarthost' : 'byItself',
    ...report('directReport'),
  ];
}
