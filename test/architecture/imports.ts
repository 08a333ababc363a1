import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import { parseSync } from 'oxc-parser';
import { providerFolder, type Rule, table, testFolder } from './table.ts';

/** Every module that a source text names: static, dynamic and type-only imports, and re-exports. */
function importsOf(path: string, text: string): string[] {
  const { module, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);
  const dynamic = module.dynamicImports.map(({ moduleRequest }) =>
    text.slice(moduleRequest.start, moduleRequest.end).replace(/^['"`]|['"`]$/g, ''),
  );
  return [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap((entry) => entry.moduleRequest?.value ?? []),
    ),
    ...dynamic,
  ];
}

/** What one file imports against the table, a sentence each. `path` is relative to the repository. */
export function breaches(path: string, text: string): string[] {
  const [, name, rest] = /^packages\/([^/]+)\/src\/(.+)$/.exec(path) ?? [];
  const rule = name === undefined ? undefined : table[name];
  if (name === undefined || rest === undefined || rule === undefined)
    return [`${path} is in no known package`];
  return importsOf(path, text).flatMap((specifier) => {
    const fault = faultOf(specifier, { path, name, rest, rule });
    return fault === undefined ? [] : [`${path} imports ${specifier}: ${fault}`];
  });
}

interface Place {
  readonly path: string;
  readonly name: string;
  readonly rest: string;
  readonly rule: Rule;
}

function faultOf(specifier: string, place: Place): string | undefined {
  if (specifier.startsWith('.')) return relativeFault(specifier, place);
  if (specifier.startsWith('#')) return undefined;
  if (specifier.startsWith('node:') || builtinModules.includes(specifier))
    return builtinFault(specifier, place);
  if (specifier.startsWith('@postern/')) {
    const allowed = place.rule.ours.some((ours) => specifier === ours || specifier.startsWith(`${ours}/`));
    return allowed ? undefined : `${place.name} may not use it`;
  }
  const scoped = specifier.startsWith('@') ? 2 : 1;
  const theirs = specifier.split('/').slice(0, scoped).join('/');
  return place.rule.theirs.includes(theirs) ? undefined : `${theirs} is not on the list of ${place.name}`;
}

function builtinFault(specifier: string, { path, name }: Place): string | undefined {
  if (!specifier.startsWith('node:')) return 'Node modules are written with node:';
  if (name === 'protocol' && !path.startsWith(providerFolder)) return `only ${providerFolder} may`;
  return undefined;
}

function relativeFault(specifier: string, { path, name, rest, rule }: Place): string | undefined {
  const target = posix.join(posix.dirname(path), specifier);
  const inside = `packages/${name}/src/`;
  if (!target.startsWith(inside)) return 'it leaves the package; import the package by its name';
  const wanted = target.slice(inside.length);
  if (wanted.startsWith(testFolder) && !rest.startsWith(testFolder)) return 'only tests may';
  const from = stageOf(rest, rule);
  const to = stageOf(wanted, rule);
  if (from !== undefined && to !== undefined && from !== to)
    return `the stage ${from} may not know the stage ${to}`;
  return undefined;
}

function stageOf(rest: string, { stages }: Rule): string | undefined {
  const folder = rest.split('/')[0];
  return folder !== undefined && rest.includes('/') && stages.includes(folder) ? folder : undefined;
}
