import { type Complaints, dayMs, type Letter, type Returns } from '../../spool.ts';
import type { Value } from './session.ts';
import { fragmentFields, idOfSet } from './sets.ts';
import type { ShelfContext } from './shelf.ts';

/** A letter as scripts take it. */
export function letterFields({ token, final, mail }: Letter, maxBytes: number): Value[] {
  return [token, final ? 1 : 0, ...fragmentFields(mail, maxBytes)];
}

export function createReturns({ desk, maxBytes }: ShelfContext): Returns {
  return {
    async find(by) {
      const [what, value] = 'token' in by ? ['token', by.token] : ['carriage', by.carriage];
      const found = (await desk.ask('findReturn', what, value)) as Buffer[] | null;
      if (found === null) return undefined;
      const [token = '', author = '', told] = found.map(String);
      return { token, author, delayed: told === '1' };
    },
    async tell(letter, relay = '') {
      const said = await desk.act(
        'tellAuthor',
        [relay, ...letterFields(letter, maxBytes)],
        (answer: Buffer) => [
          ...(relay === '' ? [] : [{ kind: 'remove' as const, queue: 'relays' as const, id: relay }]),
          ...(String(answer) === 'told'
            ? [{ kind: 'add' as const, queue: 'sets' as const, id: idOfSet(letter.mail) }]
            : []),
        ],
      );
      return String(said) as 'told' | 'unknown-token';
    },
    async complaints() {
      const pairs = ((await desk.ask('complaints')) as Buffer[]).map(String);
      const all = pairs.flatMap((member, at): Complaints[] => {
        if (at % 2 === 1) return [];
        const [, day = '', author = ''] = /^(\d+) (.*)$/s.exec(member) ?? [];
        return [{ author, dayMs: Number(day) * dayMs, count: Number(pairs[at + 1]) }];
      });
      return all.sort(
        (a, b) => Buffer.compare(Buffer.from(a.author), Buffer.from(b.author)) || a.dayMs - b.dayMs,
      );
    },
  };
}
