import { dayMs, onGrid, type Settled, type Spool, type SpoolId, type Verdict } from '../../spool.ts';
import { leaseGridMs } from './desk.ts';
import type { Chore } from './jobs.ts';
import { relayFields } from './relays.ts';
import { letterFields } from './returns.ts';
import type { ScriptName } from './scripts.ts';
import type { QueueName, Value } from './session.ts';
import { fragmentFields, idOfSet } from './sets.ts';
import type { ShelfContext } from './shelf.ts';

/** Each verdict is one script, which removes the input and stores what it became. They answer with what it came to and the queue of the input. */
export function createSettle(context: ShelfContext): Spool['settle'] {
  const { desk, leaseMs, maxBytes, clock } = context;

  const act = async (
    input: SpoolId,
    script: ScriptName,
    given: readonly Value[],
    follows: (answer: readonly string[]) => readonly Chore[] = () => [],
  ): Promise<readonly string[]> => {
    const answer = await desk.act(script, [input, ...given], (said: Buffer[]) => {
      const words = said.map(String);
      const queue = words[1] as QueueName | undefined;
      return [
        ...(queue === undefined ? [] : [{ kind: 'remove' as const, queue, id: input }]),
        ...follows(words),
      ];
    });
    return answer.map(String);
  };

  const relayed = async (
    input: SpoolId,
    { epoch, replayTag, relay, shelved = false }: Extract<Verdict, { kind: 'relay' }>,
  ): Promise<Settled> => {
    const id = desk.newId();
    const { values, dueMs: atMs, expiresMs } = relayFields(relay);
    const given = [epoch, replayTag, shelved ? 0 : leaseMs, leaseGridMs, id, ...values];
    const [kind = ''] = await act(input, 'relay', given, ([said, , heldMs]) => {
      if (said === 'shelved') return [{ kind: 'add', queue: 'relays', id, atMs }];
      return said === 'waiting'
        ? [{ kind: 'add', queue: 'relays', id, atMs: Number(heldMs), held: true }]
        : [];
    });
    if (kind !== 'waiting') return { kind: kind as 'shelved' | 'replayed' | 'gone' };
    const { next, dueMs } = relay;
    return { kind, waiting: { id, next, dueMs, expiresMs, attempts: 0 } };
  };

  const added = async (
    input: SpoolId,
    { fragment }: Extract<Verdict, { kind: 'fragment' }>,
  ): Promise<Settled> => {
    const id = idOfSet(fragment);
    const given = [leaseMs, leaseGridMs, ...fragmentFields(fragment, maxBytes)];
    const [kind = '', , , expiresMs] = await act(input, 'fragment', given, ([said, , heldMs]) =>
      said === 'complete' ? [{ kind: 'add', queue: 'sets', id, atMs: Number(heldMs), held: true }] : [],
    );
    if (kind !== 'complete') return { kind: kind as 'stored' | 'duplicate' | 'gone' };
    return { kind, complete: { id, dueMs: 0, expiresMs: Number(expiresMs), attempts: 0 } };
  };

  return async (input, verdict) => {
    switch (verdict.kind) {
      case 'relay':
        return relayed(input, verdict);
      case 'fragment':
        return added(input, verdict);
      case 'returned': {
        const { letter } = verdict;
        const [kind] = await act(input, 'returned', letterFields(letter, maxBytes), ([said]) =>
          said === 'told' ? [{ kind: 'add', queue: 'sets', id: idOfSet(letter.mail) }] : [],
        );
        return { kind: kind as 'told' | 'unknown-token' | 'gone' };
      }
      case 'complaint': {
        const day = Math.floor(clock.now() / dayMs);
        const given = [verdict.token, day, onGrid(verdict.forgetMs, dayMs)];
        const [kind] = await act(input, 'complaint', given);
        return { kind: kind as 'complaint' | 'known-complaint' | 'unknown-token' | 'gone' };
      }
      case 'deferred':
      case 'refused': {
        const [kind] = await act(input, verdict.kind === 'refused' ? 'refuse' : 'defer', []);
        return { kind: kind as 'refused' | 'deferred' | 'gone' };
      }
    }
  };
}
