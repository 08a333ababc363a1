import type { NodeEntry } from '@postern/protocol/consensus';
import type { View } from '../page/view.ts';

/** What a stranger may write where a name is wanted. */
const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(1)>\u202e&amp;`;

const node: NodeEntry = {
  id: 'ab'.repeat(32),
  name: `name${hostile}`,
  roles: ['mix'],
  smtp: { host: `host${hostile}`, port: 25 },
  tlsPins: [],
  family: `family${hostile}`,
  domains: [`domain${hostile}`],
  layer: 1,
  mixKey: '',
  mirror: `http://mirror.test/${hostile}`,
  capacity: 16,
};

/** A page in which every text that is not ours is hostile. */
export const hostileView: View = {
  authority: 'authority1.test',
  now: 3_600_060,
  epoch: 1_000,
  epochEnds: 3_603_600,
  threshold: 2,
  registered: 1,
  alarms: [{ kind: 'fork', about: `about${hostile}`, why: `why${hostile}` }],
  heldUp: `held${hostile}`,
  consensus: {
    epoch: 999,
    digest: 'cd'.repeat(32),
    previous: 'ef'.repeat(32),
    validAfter: 3_596_400,
    freshUntil: 3_600_000,
    validUntil: 3_607_200,
    meanDelayMs: 200,
    revoked: [],
    rest: { count: 7, root: 'ab'.repeat(32) },
    contacts: new Map([[node.id, `contact${hostile}`]]),
    signatures: [{ authority: `signer${hostile}`, signed: false }],
    layers: [{ layer: 1, nodes: [node] }],
    gateways: [{ ...node, layer: 0 }],
    changes: { since: 998, joined: [node], left: [node], moved: [{ node, from: 2 }] },
  },
  outages: {
    by: ['authority1.test'],
    missed: [{ id: node.id, name: node.name, by: ['authority1.test'], out: true }],
  },
  next: undefined,
  log: { size: 2, root: '12'.repeat(32) },
};
