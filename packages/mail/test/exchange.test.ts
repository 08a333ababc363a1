import { createSmtpSender, type Exchanges, findExchanges, type Mx } from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { createAuthority, issue, selected } from './certificate.ts';
import { openInbox } from './inbox.ts';
import {
  createWorld,
  failed,
  found,
  policy,
  policyUrl,
  publish,
  record,
  twoHosts,
  type World,
} from './zone.ts';

const web = (host: string): object => ({ host, port: 25, tls: { kind: 'web', names: [host] } });
const dane = (host: string): object => ({
  host,
  port: 25,
  tls: { kind: 'dane', records: [record], names: [host, 'b.test'] },
});
const any = (host: string): object => ({ host, port: 25, tls: { kind: 'opportunistic' } });

/** A world in which b.test has two hosts, by an answer that DNSSEC vouches for, or not. */
function worldWith(hosts: readonly Mx[] = twoHosts, secure = true): World {
  const world = createWorld();
  world.answers.set('MX b.test', found(hosts, secure));
  return world;
}

function find(world: World, tls: 'require' | 'prefer' = 'require'): Promise<Exchanges> {
  return findExchanges('b.test', tls, world);
}

describe('which hosts, in which order', () => {
  const names = async (hosts: Mx[], more: Partial<World> = {}): Promise<unknown> => {
    const answer = await find({ ...worldWith(hosts), ...more }, 'prefer');
    return answer.kind === 'found' ? answer.exchanges.map(({ host }) => host) : answer;
  };
  const mx = (preference: number, exchange: string): Mx => ({ preference, exchange });

  test('by preference, and equal ones by chance', async () => {
    const hosts = [mx(20, 'c.test'), mx(10, 'a.test'), mx(10, 'b.test')];
    const lots =
      (...each: number[]): (() => number) =>
      () =>
        each.shift() ?? 0;
    expect(await names(hosts, { chance: lots(0, 0.1, 0.9) })).toEqual(['a.test', 'b.test', 'c.test']);
    expect(await names(hosts, { chance: lots(0, 0.9, 0.1) })).toEqual(['b.test', 'a.test', 'c.test']);
  });

  test('in lower case without the dot, each once, ten at most', async () => {
    expect(await names([mx(1, 'MX.b.test.'), mx(2, 'mx.b.test')])).toEqual(['mx.b.test']);
    expect(await names(Array.from({ length: 50 }, (_, n) => mx(n, `mx${n}.b.test`)))).toHaveLength(10);
  });

  test('no MX: the domain itself', async () => {
    const world = createWorld();
    expect(await find(world)).toEqual({ kind: 'found', exchanges: [web('b.test')] });
    expect(world.asked).toContain('TLSA _25._tcp.b.test');
    world.answers.set('TLSA _25._tcp.b.test', found([record]));
    expect(await find(world)).toMatchObject({ exchanges: [{ tls: { kind: 'dane', names: ['b.test'] } }] });
  });

  test('null MX: it takes no mail', async () => {
    for (const root of ['.', '']) {
      expect(await names([mx(0, root)])).toEqual({ kind: 'refused', code: 556, enhanced: '5.1.10' });
    }
    expect(await names([mx(0, '.'), mx(10, 'mx.b.test')])).toEqual(['mx.b.test']);
  });

  test('what is no host name is none, and nothing else is no way', async () => {
    const hosts = ['192.0.2.1', '[192.0.2.1]', 'mx_1.b.test', 'mx b.test', 'mx\r\n.b.test'].map((name) =>
      mx(1, name),
    );
    expect(await names(hosts)).toEqual({ kind: 'refused', code: 550, enhanced: '5.4.4' });
    expect(await names([...hosts, mx(9, 'mx.b.test')])).toEqual(['mx.b.test']);
  });

  test('this server itself, and those behind it, are no way on', async () => {
    const hosts = [mx(1, 'a.test'), mx(2, 'Me.test'), mx(2, 'b.test'), mx(3, 'c.test')];
    expect(await names(hosts, { ownNames: ['me.Test'] })).toEqual(['a.test']);
    expect(await names(hosts.slice(1), { ownNames: ['me.Test'] })).toEqual({
      kind: 'refused',
      code: 554,
      enhanced: '5.4.6',
    });
  });

  test.each(['require', 'prefer'] as const)(
    'MX that has no answer: later, and not without (%s)',
    async (tls) => {
      const world = worldWith();
      world.answers.set('MX b.test', failed);
      expect(await find(world, tls)).toEqual({ kind: 'failed' });
    },
  );

  test('what is no domain', async () => {
    await expect(findExchanges('b test', 'require', createWorld())).rejects.toMatchObject({
      code: 'bad-domain',
    });
  });
});

describe('prefer', () => {
  test('asks nobody for proof', async () => {
    const world = worldWith(twoHosts, false);
    world.answers.set('TLSA _25._tcp.mx1.b.test', failed);
    expect(await find(world, 'prefer')).toEqual({
      kind: 'found',
      exchanges: [any('mx1.b.test'), any('mx2.b.test')],
    });
    expect(world.asked).toEqual(['MX b.test']);
  });
});

describe('require: DANE', () => {
  test('where MX and TLSA are secure; a host without it has a certificate', async () => {
    const world = worldWith();
    world.answers.set('TLSA _25._tcp.mx1.b.test', found([record, { ...record, usage: 1 }]));
    expect(await find(world)).toEqual({ kind: 'found', exchanges: [dane('mx1.b.test'), web('mx2.b.test')] });
  });

  test('of the port that is asked for', async () => {
    const world = { ...worldWith(), port: 2525 };
    world.answers.set('TLSA _2525._tcp.mx2.b.test', found([record]));
    expect(await find(world)).toMatchObject({
      exchanges: [
        { port: 2525, tls: { kind: 'web' } },
        { port: 2525, tls: { kind: 'dane' } },
      ],
    });
  });

  test.each([
    ['TLSA that is not secure', found([record], false)],
    [
      'only records that cannot be used',
      found([
        { ...record, usage: 0 },
        { ...record, data: record.data.subarray(1) },
        { ...record, matching: 2 },
      ]),
    ],
  ])('%s: as if there were none', async (_, answer) => {
    const world = worldWith();
    world.answers.set('TLSA _25._tcp.mx1.b.test', answer);
    expect(await find(world)).toEqual({ kind: 'found', exchanges: [web('mx1.b.test'), web('mx2.b.test')] });
  });

  test('MX that is not secure: no DANE, whatever TLSA says', async () => {
    const world = worldWith(twoHosts, false);
    world.answers.set('TLSA _25._tcp.mx1.b.test', found([record]));
    expect(await find(world)).toEqual({ kind: 'unverifiable' });
    expect(world.asked).not.toContain('TLSA _25._tcp.mx1.b.test');
  });

  test('TLSA that has no answer: the host is not used, and never without', async () => {
    const world = worldWith();
    world.answers.set('TLSA _25._tcp.mx1.b.test', failed);
    expect(await find(world)).toEqual({ kind: 'found', exchanges: [web('mx2.b.test')] });
    world.answers.set('TLSA _25._tcp.mx2.b.test', failed);
    expect(await find(world)).toEqual({ kind: 'failed' });
  });

  test.each([
    ['is not signed', found(['192.0.2.1'], false), { kind: 'found', exchanges: [web('mx1.b.test')] }],
    ['is signed', found(['192.0.2.1']), { kind: 'failed' }],
    ['does not answer either', failed, { kind: 'failed' }],
  ])('TLSA that has no answer, of a host whose zone %s', async (_, addresses, result) => {
    const world = worldWith(twoHosts.slice(1));
    world.answers.set('TLSA _25._tcp.mx1.b.test', failed);
    world.answers.set('A mx1.b.test', addresses);
    expect(await find(world)).toEqual(result);
  });

  test('all hosts with it: nobody asks for a policy', async () => {
    const world = worldWith();
    for (const host of ['mx1', 'mx2']) world.answers.set(`TLSA _25._tcp.${host}.b.test`, found([record]));
    await find(world);
    expect(world.asked.filter((question) => question.includes('mta-sts'))).toEqual([]);
  });
});

describe('require: MTA-STS', () => {
  test.each(['enforce', 'testing'])('mode %s: a certificate for the hosts that it names', async (mode) => {
    const world = worldWith(twoHosts, false);
    publish(world, 'a', policy(mode, ['mx2.b.test']));
    expect(await find(world)).toEqual({ kind: 'found', exchanges: [web('mx2.b.test')] });
    expect(world.asked.filter((question) => question === policyUrl)).toHaveLength(1);
  });

  test('that names none of the hosts: nobody is the right one', async () => {
    const world = worldWith();
    publish(world, 'a', policy('enforce', ['mx.c.test']));
    expect(await find(world)).toEqual({ kind: 'unverifiable' });
    publish(world, 'b', policy('testing', ['mx.c.test']));
    expect(await find(world)).toEqual({ kind: 'found', exchanges: [web('mx1.b.test'), web('mx2.b.test')] });
  });

  test('says nothing of a host with DANE', async () => {
    const world = worldWith();
    world.answers.set('TLSA _25._tcp.mx1.b.test', found([record]));
    publish(world, 'a', policy('enforce', ['mx2.b.test']));
    expect(await find(world)).toEqual({ kind: 'found', exchanges: [dane('mx1.b.test'), web('mx2.b.test')] });
  });

  test('of mode none, or none at all: only by DNSSEC', async () => {
    const world = worldWith(twoHosts, false);
    expect(await find(world)).toEqual({ kind: 'unverifiable' });
    publish(world, 'a', policy('none'));
    expect(await find(world)).toEqual({ kind: 'unverifiable' });
  });
});

test('what is found can be sent to', async () => {
  const root = await createAuthority('root');
  const tls = await issue(root, { names: ['mx1.b.test'] });
  await using inbox = await openInbox({ tls, minTls: 'TLSv1.2' });
  await using sender = createSmtpSender({ ehloName: 'sender.test' });
  const send = async (world: World): Promise<unknown> => {
    const answer = await findExchanges('b.test', 'require', { ...world, port: inbox.port });
    const [first] = answer.kind === 'found' ? answer.exchanges : [];
    if (first === undefined) return answer;
    const peer = { ...first, host: '127.0.0.1' };
    return sender.send(peer, { from: '', to: 'secure@mx.test', message: Buffer.from('x\r\n') });
  };
  const world = worldWith();
  expect(await send(world)).toEqual({ kind: 'untrusted' }); // nobody trusts this root
  const data = selected(tls.cert, 0);
  world.answers.set(
    `TLSA _${inbox.port}._tcp.mx1.b.test`,
    found([{ usage: 3, selector: 0, matching: 0, data }]),
  );
  expect(await send(world)).toEqual({ kind: 'sent', secured: true });
});
