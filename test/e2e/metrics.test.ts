import { copyFile, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseAuthorityConfig, startAuthority } from '@postern/directory';
import { initNode, parseNodeConfig, startNode } from '@postern/node';
import { counterStep, silentLog, systemClock, systemRandom } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';

const fileOf = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = await fileOf('docs/operations/metrics.md');
const rules = parse(await fileOf('infra/monitoring/postern.rules.yml')) as Rules;

interface Rules {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: { readonly summary: string; readonly description: string };
    }[];
  }[];
}

/** Outcomes of a series, none for one without the label, by the series' name. */
type Series = Map<string, string[]>;

/** What the page's table lists. */
function listed(): Series {
  const rows = page.matchAll(/^\| `(?<name>postern_\w+)` \|(?<outcomes>[^|]*)\|[^|]+\|(?<leak>[^|]+)\|$/gm);
  return new Map(
    [...rows].map(({ groups: { name = '', outcomes = '', leak = '' } = {} }) => {
      expect(leak.trim()).not.toBe('');
      return [name, outcomes.trim() === '' ? [] : outcomes.trim().split(', ')];
    }),
  );
}

/** What a scrape shows. The only labels are `outcome` and, of the release, `version`. */
function shown(scraped: string): Series {
  const names = [...scraped.matchAll(/^# TYPE (\S+) (?:counter|gauge)$/gm)].map(([, name = '']) => name);
  const series: Series = new Map(names.map((name) => [name, []]));
  for (const line of scraped.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const {
      name = '',
      outcome,
      version,
    } = /^(?<name>\w+)(?:\{(?:outcome="(?<outcome>[a-z-]+)"|version="(?<version>[\d.]+)")\})? \S+$/.exec(line)
      ?.groups ?? {};
    const outcomes = series.get(name);
    if (outcomes === undefined) throw new Error(`what is this? ${line}`);
    expect(version !== undefined).toBe(name.endsWith('_build_info'));
    if (outcome !== undefined) outcomes.push(outcome);
  }
  return series;
}

const scrape = (socketPath: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/metrics', agent: false }, (response) => {
      text(response).then(resolve, reject);
    });
    asked.on('error', reject);
    asked.end();
  });

const scraped = { node: '', directory: '' };
const stack = new AsyncDisposableStack();

/** An authority, and a node with every role and everything that has a series. */
beforeAll(async () => {
  const folder = await storesFolder('metrics');
  stack.defer(() => rm(folder, { recursive: true }));
  const deps = { clock: systemClock, random: systemRandom, log: silentLog };
  const at = (name: string): string => join(folder, name);
  const authority = stack.use(
    await startAuthority(
      parseAuthorityConfig({
        name: 'authority.test',
        data_dir: at('authority'),
        listen: '127.0.0.1:0',
        bootstrap: { nodes: 1 },
        metrics: { listen: `unix:${at('directory.sock')}` },
      }),
      deps,
    ),
  );
  const asked = {
    name: 'gate.b.test',
    roles: ['mix', 'delivery', 'submission'],
    delivery: { domain: 'b.test', maildir: at('mail/{local}'), mailboxes: ['bob'] },
    submission: { listen: '127.0.0.1:0', authors: at('authors') },
  } as const;
  const smtp = { listen: '127.0.0.1:0', advertise: '127.0.0.1:0' };
  const directory = { urls: [authority.url], authorities: [authority.vkey] };
  const configPath = at('node.toml');
  const place = { configPath, dataDir: 'data', ...smtp };
  await initNode(
    {
      ...asked,
      roles: [...asked.roles],
      ...place,
      directoryUrls: directory.urls,
      authorities: directory.authorities,
    },
    deps,
  );
  for (const end of ['key', 'crt']) await copyFile(at(`data/tls.${end}`), at(`shown.${end}`));
  const config = parseNodeConfig({
    ...asked,
    data_dir: at('data'),
    smtp,
    directory,
    dns: { resolver: '127.0.0.1:1' },
    submission: { ...asked.submission, tls_key: at('shown.key'), tls_cert: at('shown.crt') },
    metrics: { listen: `unix:${at('node.sock')}` },
  });
  stack.use(await startNode(config, deps));
  scraped.node = await scrape(at('node.sock'));
  scraped.directory = await scrape(at('directory.sock'));
});
afterAll(() => stack.disposeAsync());

test('the page lists every series and every outcome that node and authority export, and no other', () => {
  const exported = [...shown(scraped.node), ...shown(scraped.directory)];
  expect(Object.fromEntries(exported)).toEqual(Object.fromEntries(listed()));
  expect(exported).toHaveLength(listed().size);
});

test('the page says how coarse they are', () => {
  expect(page).toContain(`grow by ${counterStep} at a time`);
  expect(page).toContain(`from ${counterStep / 2} to ${counterStep * 1.5}.`);
});

test('what is known shows from the start', () => {
  for (const name of ['epoch', 'domain_record_expires_seconds', 'submission_certificate_expires_seconds'])
    expect(scraped.node).toMatch(new RegExp(`^postern_node_${name} [1-9]`, 'm'));
  expect(scraped.node).toMatch(/^postern_node_disk_free_bytes (?:0|[1-9]\d{9,10})$/m);
  expect(scraped.node).toMatch(/^postern_node_consensus_epoch \d+$/m);
});

const alerts = rules.groups.flatMap((group) => group.rules);

test.each(alerts.map(({ alert, ...rule }) => [alert, rule] as const))(
  'the alert %s asks for series and outcomes that are there, and says what to do',
  (_, { expr, annotations }) => {
    const series = listed();
    const names = [...expr.matchAll(/\bpostern_\w+/g)].map(([name]) => name);
    expect(names.filter((name) => !series.has(name))).toEqual([]);
    // Prometheus' own says whether a scrape was answered.
    expect([...names, ...(/^up\{job="postern"\}/.exec(expr) ?? [])]).not.toEqual([]);
    const outcomes = [...expr.matchAll(/outcome=~?"([^"]+)"/g)].flatMap(([, one = '']) => one.split('|'));
    for (const outcome of outcomes) for (const name of names) expect(series.get(name)).toContain(outcome);
    expect(annotations).toMatchObject({ summary: expect.any(String), description: expect.any(String) });
  },
);

test('there are alerts, each with a name of its own', () => {
  const names = alerts.map(({ alert }) => alert);
  expect(names.length).toBeGreaterThan(10);
  expect(new Set(names).size).toBe(names.length);
});
