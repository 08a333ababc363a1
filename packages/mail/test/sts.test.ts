import { type Exchanges, findExchanges, type PolicyFetch } from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { createWorld, failed, found, page, policy, policyUrl, publish, type World } from './zone.ts';

const day = 86_400;

/** One host, which only a policy can vouch for. */
function unsigned(): World {
  const world = createWorld();
  world.answers.set('MX b.test', found([{ preference: 1, exchange: 'mx.b.test' }], false));
  return world;
}

async function verified(world: World): Promise<boolean> {
  const answer: Exchanges = await findExchanges('b.test', 'require', world);
  return answer.kind === 'found';
}

function fetches(world: World): number {
  return world.asked.filter((question) => question === policyUrl).length;
}

describe('a policy that is kept', () => {
  test('is not fetched again while its record has the same id, for a day', async () => {
    const world = unsigned();
    publish(world, 'a', policy('enforce'));
    for (let n = 0; n < 3; n += 1) expect(await verified(world)).toBe(true);
    expect(fetches(world)).toBe(1);
    world.pass(day);
    expect(await verified(world)).toBe(true);
    expect(fetches(world)).toBe(2);
  });

  test('gives way to one with another id', async () => {
    const world = unsigned();
    publish(world, 'a', policy('enforce'));
    expect(await verified(world)).toBe(true);
    publish(world, 'b', policy('none'));
    expect(await verified(world)).toBe(false);
    expect(fetches(world)).toBe(2);
  });

  test.each<[string, (world: World) => void]>([
    ['the record is gone', (world) => world.answers.delete('TXT _mta-sts.b.test')],
    ['the record has no answer', (world) => world.answers.set('TXT _mta-sts.b.test', failed)],
    [
      'there are two records',
      (world) => {
        world.answers.set('TXT _mta-sts.b.test', found(['v=STSv1; id=b', 'v=STSv1; id=c']));
      },
    ],
    [
      'a new one cannot be fetched',
      (world) => {
        publish(world, 'b', '');
        world.pages.delete(policyUrl);
      },
    ],
    ['a new one is none', (world) => publish(world, 'b', 'version: STSv2')],
  ])('holds until its age is over, though %s', async (_, happen) => {
    const world = unsigned();
    publish(world, 'a', policy('enforce', ['*.b.test'], 10 * day));
    expect(await verified(world)).toBe(true);
    happen(world);
    world.pass(10 * day - 1);
    expect(await verified(world)).toBe(true);
    world.pass(1);
    expect(await verified(world)).toBe(false);
  });
});

describe('a policy that cannot be had', () => {
  test.each<[string, () => Response | Promise<Response>]>([
    ['404', () => page(policy('enforce'), { status: 404 })],
    ['204', () => new Response(null, { status: 204 })],
    ['another type', () => page(policy('enforce'), { headers: { 'content-type': 'text/html' } })],
    ['no type', () => new Response(Buffer.from(policy('enforce')))],
    ['a page without end', () => page(`${policy('enforce')}\r\nx: ${'y'.repeat(70_000)}`)],
    ['what is no policy', () => page('hello')],
    [
      'a host that is not there, or shows a wrong certificate',
      () => Promise.reject(new TypeError('fetch failed')),
    ],
  ])('%s: as if there were none', async (_, answer) => {
    const world = unsigned();
    publish(world, 'a', '');
    world.pages.set(policyUrl, answer);
    expect(await verified(world)).toBe(false);
  });

  test('is not asked for again for five minutes, unless it has another id', async () => {
    const world = unsigned();
    publish(world, 'a', 'hello');
    expect(await verified(world)).toBe(false);
    world.pass(299);
    expect(await verified(world)).toBe(false);
    expect(fetches(world)).toBe(1);
    publish(world, 'b', policy('enforce'));
    expect(await verified(world)).toBe(true);
    publish(world, 'c', 'hello');
    expect(await verified(world)).toBe(true);
    world.pass(300);
    publish(world, 'c', policy('none'));
    expect(await verified(world)).toBe(false);
    expect(fetches(world)).toBe(4);
  });

  test('a web server that does not answer is not waited for longer than it may be', async () => {
    const world = unsigned();
    publish(world, 'a', '');
    const fetch: PolicyFetch = (_, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      );
    expect(await verified({ ...world, fetch, fetchMs: 10 })).toBe(false);
  });
});

test('the fetch of the platform will do', () => {
  const platform: PolicyFetch = fetch;
  expect(platform).toBe(fetch);
});
