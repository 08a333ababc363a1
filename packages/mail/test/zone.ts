import type { ExchangeDeps, Mx, PolicyEntry, Resolution, Tlsa } from '@postern/mail';

/** DNS and the web as a test wants them. */
export interface World extends ExchangeDeps {
  /** `MX b.test` and the like; what is not there does not exist, securely. */
  readonly answers: Map<string, Resolution<never> | Resolution<Mx> | Resolution<Tlsa> | Resolution<string>>;
  /** Look-ups and fetches, in order. */
  readonly asked: string[];
  readonly entries: Map<string, PolicyEntry>;
  /** By URL. */
  readonly pages: Map<string, () => Response | Promise<Response>>;
  pass(seconds: number): void;
}

export function createWorld(more: Partial<ExchangeDeps> = {}): World {
  const answers: World['answers'] = new Map();
  const pages: World['pages'] = new Map();
  const entries = new Map<string, PolicyEntry>();
  const asked: string[] = [];
  let now = 1_800_000_000_000;
  return {
    answers,
    pages,
    entries,
    asked,
    resolver: {
      async resolve(name: string, type: string): Promise<Resolution<never>> {
        const question = `${type} ${name}`;
        asked.push(question);
        return (answers.get(question) ?? { kind: 'none', secure: true }) as Resolution<never>;
      },
    },
    async fetch(url, { redirect }) {
      asked.push(url);
      if (redirect !== 'error') throw new Error('follows redirects');
      const page = pages.get(url);
      if (page === undefined) throw new Error('no such host');
      return page();
    },
    store: {
      get: async (domain) => entries.get(domain),
      set: async (domain, entry) => void entries.set(domain, structuredClone(entry)),
    },
    now: () => now,
    chance: () => 0,
    pass: (seconds) => {
      now += seconds * 1000;
    },
    ...more,
  };
}

export function found<T>(records: readonly T[], secure = true): Resolution<T> {
  return { kind: 'found', secure, records };
}

export const failed: Resolution<never> = { kind: 'failed', reason: 'bogus' };

/** `mx1.b.test` before `mx2.b.test`. */
export const twoHosts: readonly Mx[] = [
  { preference: 20, exchange: 'mx2.b.test' },
  { preference: 10, exchange: 'MX1.B.test.' },
];

export const record: Tlsa = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };

export const policyUrl = 'https://mta-sts.b.test/.well-known/mta-sts.txt';

export function page(text: string, init: ResponseInit = {}): Response {
  return new Response(text, { headers: { 'content-type': 'text/plain; charset=utf-8' }, ...init });
}

export function policy(mode: string, mx: readonly string[] = ['*.b.test'], maxAge = 604_800): string {
  return ['version: STSv1', `mode: ${mode}`, ...mx.map((each) => `mx: ${each}`), `max_age: ${maxAge}`].join(
    '\r\n',
  );
}

/** Announces a policy and puts it up. */
export function publish(world: World, id: string, text: string): void {
  world.answers.set('TXT _mta-sts.b.test', found([`v=STSv1; id=${id};`], false));
  world.pages.set(policyUrl, () => page(text));
}
