import { parseSync } from 'oxc-parser';
import { expect, test } from 'vitest';
import { files, read } from '../architecture/tree.ts';

/** The packages that what strangers write comes through first. */
const packages = ['protocol', 'mail', 'runtime'];

/** How functions and classes that read something are named. */
const reading =
  /^(?:decode|decrypt|find|frame|inspect|judge|load|open|parse|peel|read|split|unprotect|verify)(?:[A-Z]\w*)?$|Reader$/;

/** Decoders that are no targets, each with the reason. */
const notTargets: Readonly<Record<string, string>> = {
  'mail readKey': 'reads a key file of one’s own',
  'mail findExchanges': 'asks others for records and a policy, whose readers are targets',
  'mail openSmtp': 'opens a connection: smtp-client goes through it',
  'mail openLmtp': 'opens a connection: lmtp-client goes through it',
  'mail openTls': 'opens a connection; TLS and X.509 are Node’s',
  'protocol ByteReader': 'what the targets of packets, fragments and reports read with',
  'protocol decodeBytes': 'what the targets of packets, fragments and reports read with',
  'protocol decryptBody': 'gives bytes for any bytes: packet-peel goes through it',
  'protocol decryptLioness': 'gives bytes for any bytes: packet-peel goes through it',
  'protocol loadXWing': 'reads a key of one’s own; public keys are encapsulated to in consensus-signed',
  'protocol readGeometry': 'consensus-text goes through it',
  'protocol split': 'cuts a message of one’s own',
  'runtime openResolver': 'opens a socket by configuration',
  'runtime parseConfig': 'settings goes through it, with every schema',
  'runtime readAll': 'dns-message goes through it',
  'runtime readControl': 'asks a process of one’s own over a socket that only its user can open',
  'runtime readToml': 'reads a file; what parses it is a target',
};

const decoders = files(
  ...packages.flatMap((name) => [`packages/${name}/src/*.ts`, `packages/${name}/src/**/*.ts`]),
)
  .filter((path) => !path.endsWith('.test.ts') && !path.includes('/testing/'))
  .flatMap((path) => exportsOf(path).map((name) => `${path.split('/')[1]} ${name}`))
  .filter((decoder) => reading.test(decoder.split(' ')[1] ?? ''));
const imported = new Set(files('test/fuzz/targets/*.ts').flatMap(importsOf));

test('every decoder is fuzzed, or is on the list with a reason', () => {
  expect(decoders.length).toBeGreaterThan(60);
  expect(decoders.filter((decoder) => !imported.has(decoder) && notTargets[decoder] === undefined)).toEqual(
    [],
  );
});

test('the list names only decoders that there are and that are no targets', () => {
  expect(Object.keys(notTargets).filter((name) => !decoders.includes(name) || imported.has(name))).toEqual(
    [],
  );
});

/** Exported functions and classes of one file. */
function exportsOf(path: string): string[] {
  const { program } = parseSync(path, read(path));
  return program.body.flatMap((statement) => {
    if (statement.type !== 'ExportNamedDeclaration') return [];
    const { declaration } = statement;
    const named = declaration?.type === 'FunctionDeclaration' || declaration?.type === 'ClassDeclaration';
    return named && declaration.id !== null ? [declaration.id.name] : [];
  });
}

/** What one file imports of our packages, as `package name`; what is imported is used, or the linter says so. */
function importsOf(path: string): string[] {
  return parseSync(path, read(path)).module.staticImports.flatMap(({ moduleRequest, entries }) => {
    const [, name] = /^@postern\/([a-z]+)/.exec(moduleRequest.value) ?? [];
    return name === undefined
      ? []
      : entries.flatMap(({ importName, isType }) =>
          isType || importName.name === null ? [] : [`${name} ${importName.name}`],
        );
  });
}
