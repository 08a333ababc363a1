import { describe, expect, test } from 'vitest';
import { breaches } from './imports.ts';
import { longestFile, table } from './table.ts';
import { files, read } from './tree.ts';

const sources = files('packages/*/src/*.ts', 'packages/*/src/**/*.ts');
const production = sources.filter((path) => !path.endsWith('.test.ts'));

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

function manifest(path: string): Manifest {
  return JSON.parse(read(path)) as Manifest;
}

test('runs on Node 24', () => {
  expect(Number(process.versions.node.split('.')[0])).toBe(24);
});

describe('imports', () => {
  test('there is source to look at', () => {
    expect(production.length).toBeGreaterThan(50);
  });

  test('keep to the table', () => {
    expect(production.flatMap((path) => breaches(path, read(path)))).toEqual([]);
  });

  test.each([
    ['packages/protocol/src/packet/x.ts', `import { readFile } from 'node:fs';`],
    ['packages/protocol/src/packet/x.ts', `import { systemClock } from '@postern/runtime';`],
    ['packages/mail/src/x.ts', `import type { Geometry } from '@postern/protocol/packet';`],
    ['packages/node/src/forward/x.ts', `import { createClient } from '@postern/client';`],
    ['packages/client/src/seal/x.ts', `export { startNode } from '@postern/node';`],
    ['packages/node/src/peel/x.ts', `import { forward } from '../forward/forward.ts';`],
    ['packages/node/src/peel/x.ts', `const later = await import('../deliver/deliver.ts');`],
    ['packages/node/src/peel/x.ts', `import { x } from '../../../mail/src/index.ts';`],
    ['packages/node/src/peel/x.ts', `import { startAuthority } from '@postern/directory';`],
    ['packages/protocol/src/packet/x.ts', `import { seeded } from '../testing/seeded.ts';`],
    ['packages/runtime/src/x.ts', `import express from 'express';`],
    ['packages/runtime/src/x.ts', `import { readFile } from 'fs';`],
  ])('a wrong import in %s is found: %s', (path, text) => {
    expect(breaches(path, text)).toHaveLength(1);
  });

  test('a right import is none', () => {
    const text = `import { peel } from '@postern/protocol/packet';\nimport type { Input } from '../spool.ts';`;
    expect(breaches('packages/node/src/peel/x.ts', text)).toEqual([]);
  });
});

describe('dependencies', () => {
  test.each(Object.entries(table))(
    '%s declares what its list names, and nothing else',
    (name, { ours, theirs }) => {
      const declared = Object.keys(manifest(`packages/${name}/package.json`).dependencies ?? {});
      const packages = new Set(ours.map((specifier) => specifier.split('/').slice(0, 2).join('/')));
      const named = [...packages, ...theirs];
      expect(declared.sort()).toEqual(named.sort());
    },
  );

  test('each has its line in docs/dependencies.md', () => {
    const page = read('docs/dependencies.md');
    const manifests = files('package.json', 'packages/*/package.json', 'test/package.json').map(manifest);
    const names = manifests.flatMap((m) => [
      ...Object.keys(m.dependencies ?? {}),
      ...Object.keys(m.devDependencies ?? {}),
      ...Object.keys(m.optionalDependencies ?? {}),
    ]);
    const others = [...new Set(names)].filter((name) => !name.startsWith('@postern/'));
    expect(others.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

test(`no source file is longer than ${longestFile} lines`, () => {
  const long = production.filter((path) => read(path).split('\n').length > longestFile);
  expect(long).toEqual([]);
});

describe('spec', () => {
  test('every section that the code cites stands in docs/spec', () => {
    const cited = files('packages/**/*.ts', 'test/**/*.ts').flatMap((path) =>
      [...read(path).matchAll(/\bspec ([a-z]+) (\d+(?:\.\d+)*)/g)].map(([, page, section]) => ({
        path,
        page,
        section,
      })),
    );
    expect(cited.length).toBeGreaterThan(0);
    const specs = new Map(files('docs/spec/*.md').map((path) => [path, read(path)]));
    const dangling = cited.filter(({ page, section }) => {
      const heading = new RegExp(`^#+ ${section?.replaceAll('.', '\\.')}[. ]`, 'm');
      return !heading.test(specs.get(`docs/spec/${page}.md`) ?? '');
    });
    expect(dangling).toEqual([]);
  });
});
