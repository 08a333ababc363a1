import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Letter, relayExpiresGridMs, type Spool, type Submission } from '../src/spool.ts';
import { fragment, relayVerdict, type Site, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded } from './support.ts';

const random = seeded('spool returns');
const start = Date.UTC(2030, 0, 1, 0, 0, 0);
const dayMs = 86_400_000;
const domain = { kind: 'domain', domain: 'b.test' } as const;

/** What every store of a domain's gateway has to hold: authors' relays, and what they are told. */
export function returnsContract(name: string, createSite: () => Promise<Site>): void {
  describe(`the spool's contract for authors, ${name}`, () => {
    let site: Site;
    let clock: FakeClock;
    let spool: Spool;

    beforeEach(async () => {
      site = await createSite();
      clock = fakeClock(start);
      spool = await site.open(clock);
    });
    afterEach(async () => {
      await spool.close();
      await site.dispose();
    });
    const restart = async (): Promise<void> => {
      await spool.close();
      spool = await site.open(clock);
    };
    const submission = (of: Partial<Submission> = {}): Submission => ({
      relay: relayVerdict({ next: domain }).relay,
      token: Buffer.from(random.bytes(16)).toString('hex'),
      author: 'alice@a.test',
      tokenExpiresMs: start + 14 * dayMs,
      ...of,
    });
    const letter = (token: string, final = true): Letter => ({
      token,
      final,
      mail: fragment({ recipient: 'alice@a.test' }),
    });

    test('a submitted relay is anybody’s to claim and says whose it is, after a restart too', async () => {
      const given = submission({
        relay: { ...relayVerdict().relay, next: { ...domain, tlsOptional: true, own: true } },
      });
      const woken = spool.relays.wake(new AbortController().signal);
      expect(await spool.submit(given)).toBe('submitted');
      await woken;
      await restart();
      const [relay] = await spool.relays.claim(2);
      expect(relay).toMatchObject({ next: given.relay.next, token: given.token });
      expect(await spool.relays.read(relay?.id ?? '')).toEqual(given.relay.bytes);
    });

    test('an author is found by the token, and by the id of a relay to a domain', async () => {
      const given = submission();
      await spool.submit(given);
      await spool.submit({ ...given, relay: relayVerdict().relay });
      const relays = await spool.relays.claim(3);
      const known = { token: given.token, author: given.author, delayed: false };
      expect(await spool.returns.find({ token: given.token })).toEqual(known);
      for (const { id, next } of relays)
        expect(await spool.returns.find({ carriage: id })).toEqual(
          next.kind === 'domain' ? known : undefined,
        );
      expect(await spool.returns.find({ token: '00'.repeat(16) })).toBeUndefined();
    });

    test('nobody takes another author’s token', async () => {
      const given = submission();
      await spool.submit(given);
      expect(await spool.submit(submission({ token: given.token, author: 'eve@a.test' }))).toBe(
        'foreign-token',
      );
      expect(await spool.counts()).toMatchObject({ relays: 1 });
      expect(await spool.returns.find({ token: given.token })).toMatchObject({ author: given.author });
    });

    test('a final letter is a set to deliver, once; the relay goes, and so does what was known', async () => {
      const given = submission();
      await spool.submit(given);
      const [relay] = await spool.relays.claim(1);
      const { mail } = letter(given.token);
      const woken = spool.sets.wake(new AbortController().signal);
      expect(await spool.returns.tell({ ...letter(given.token), mail }, relay?.id)).toBe('told');
      await woken;
      await restart();
      const sets = await spool.sets.claim(2);
      expect(await spool.sets.read(sets[0]?.id ?? '')).toEqual([mail]);
      expect(await spool.counts()).toMatchObject({ relays: 0, deliveries: 1 });
      expect(await spool.returns.tell(letter(given.token))).toBe('unknown-token');
      expect(await spool.returns.find({ token: given.token })).toBeUndefined();
      expect(await spool.returns.find({ carriage: relay?.id ?? '' })).toBeUndefined();
      expect(await spool.counts()).toMatchObject({ deliveries: 1 });
      // More of the message may come, and tells nothing more; nor is the token anybody else's.
      expect(await spool.submit(submission({ token: given.token }))).toBe('submitted');
      expect(await spool.returns.tell(letter(given.token))).toBe('unknown-token');
      expect(await spool.submit(submission({ token: given.token, author: 'eve@a.test' }))).toBe(
        'foreign-token',
      );
    });

    test('when an author handed over is not known to the second', async () => {
      await clock.advance(754_321);
      const given = submission();
      await spool.submit({ ...given, relay: { ...given.relay, dueMs: clock.now() } });
      expect(await spool.relays.nextDue()).toBe(0);
    });

    test('a delay is told once, and a final letter still after it', async () => {
      const { token } = submission();
      await spool.submit(submission({ token }));
      expect(await spool.returns.tell(letter(token, false))).toBe('told');
      expect(await spool.returns.find({ token })).toMatchObject({ delayed: true });
      expect(await spool.returns.tell(letter(token, false))).toBe('unknown-token');
      expect(await spool.returns.tell(letter(token))).toBe('told');
      expect(await spool.counts()).toMatchObject({ relays: 1, deliveries: 2 });
    });

    test('whoever is told or not, the relay goes', async () => {
      await spool.submit(submission());
      const [relay] = await spool.relays.claim(1);
      expect(await spool.returns.tell(letter('00'.repeat(16)), relay?.id)).toBe('unknown-token');
      expect(await spool.counts()).toMatchObject({ relays: 0, deliveries: 0 });
    });

    test('a report that came as an input tells once: a replayed and a forged one do nothing', async () => {
      const { token } = submission();
      await spool.submit(submission({ token }));
      const kinds = [];
      for (const told of [token, token, '00'.repeat(16)]) {
        await spool.accept(unit('exit'));
        const [input] = await spool.claimInputs('exit', 1);
        const settled = await spool.settle(input?.id ?? '', { kind: 'returned', letter: letter(told) });
        kinds.push(settled.kind);
      }
      expect(kinds).toEqual(['told', 'unknown-token', 'unknown-token']);
      expect(await spool.counts()).toMatchObject({ inputs: 0, deliveries: 1 });
    });

    test('expired relays of authors are kept for whoever tells them; their tokens go', async () => {
      const given = submission({ relay: relayVerdict({ next: domain, expiresMs: start + 1 }).relay });
      await spool.submit(given);
      await clock.advance(relayExpiresGridMs);
      expect(await spool.sweep()).toEqual({ relays: 0 });
      expect(await spool.relays.claim(1)).toMatchObject([{ token: given.token }]);
      await clock.advance(14 * dayMs);
      await spool.sweep();
      expect(await spool.returns.find({ token: given.token })).toBeUndefined();
    });

    test('what attests an exit unit stays with it', async () => {
      await spool.accept({ ...unit('exit'), attested: 'a.test' });
      await spool.accept(unit('exit'));
      await restart();
      const inputs = await spool.claimInputs('exit', 2);
      expect(inputs.map(({ attested }) => attested).sort()).toEqual(['a.test', undefined]);
    });

    test('a full spool refuses authors too', async () => {
      await spool.close();
      spool = await site.open(clock, { maxBytes: 1 });
      await spool.submit(submission()).then(
        () => expect(spool.submit(submission())).rejects.toMatchObject({ code: 'spool-full' }),
        (error: unknown) => expect(error).toMatchObject({ code: 'spool-full' }),
      );
    });
  });
}
