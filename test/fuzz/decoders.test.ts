import { parseSync } from 'oxc-parser';
import { expect, test } from 'vitest';
import { files, read } from '../architecture/tree.ts';

/** Where code runs that what strangers write comes to. */
const packages = ['protocol', 'mail', 'runtime', 'directory', 'node', 'client'];

/** How functions and classes that read something are named. */
const reading =
  /^(?:decode|decrypt|find|frame|inspect|judge|load|open|parse|peel|read|split|unprotect|verify)(?:[A-Z]\w*)?$|Reader$/;

/** Decoders that are no targets, each with the reason. */
const notTargets: Readonly<Record<string, string>> = {
  'client open': 'what it calls are targets; what it adds looks up keys of one’s own',
  'client openAccount': 'opens a connection: smtp-client goes through it',
  'client openClient': 'reads files of one’s own',
  'client openDomains': 'asks for records, whose readers are targets, and reads files of one’s own',
  'client openKeyFiles': 'reads files of one’s own; what is imported into them is a target',
  'client openKeys': 'reads files of one’s own; what is imported into them is a target',
  'client openMemory': 'reads files of one’s own, whose zones are a target',
  'client openOffers': 'reads files of one’s own',
  'client openOutbox': 'reads files of one’s own, whose packets are a target',
  'client openPins': 'reads files of one’s own, whose zones are a target',
  'client openRecipients': 'asks for certificates, whose readers are targets',
  'client openReturns': 'reads files of one’s own, whose content is a target',
  'client readClientConfig': 'reads a file; what parses it is a target',
  'client readPassword': 'asks the person',
  'directory findEquivocations': 'compares votes that were read, by a target',
  'directory loadKeys': 'reads key files of one’s own',
  'directory openAll': 'asks URLs for documents and tiles, whose readers are targets',
  'directory openAhead': 'reads a file of one’s own, by a target',
  'directory openArchive': 'asks a URL for documents and tiles, whose readers are targets',
  'directory openCache': 'reads files of one’s own; what it keeps was verified, by targets',
  'directory openHistory': 'asks a URL for documents and tiles, whose readers are targets',
  'directory openRecent': 'reads files of one’s own, by a target',
  'directory openLog': 'reads a database of one’s own',
  'directory openPeerCertificates': 'reads a database of one’s own, by a target',
  'directory openServed': 'asks a URL for documents and tiles, whose readers are targets',
  'directory openStore': 'opens a database of one’s own',
  'directory openCertificates': 'asks a URL for a list; what reads each of them is a target',
  'directory openSigningFile': 'reads files of one’s own, by targets',
  'directory openSigningKeys': 'reads files of one’s own, by targets',
  'directory parsePrivateKey': 'reads a key file of one’s own',
  'directory readAuthority': 'reads a file of one’s own, by a target',
  'directory readPrivateKey': 'reads a key file of one’s own',
  'directory readRecordsOf': 'reads ballots of a record, both by targets',
  'directory readSigningFiles': 'reads files of one’s own',
  'directory verifyFrom':
    'asks a URL for certificates, whose reader is a target; what verifies the document is one',
  'node loadBefore': 'reads keys of one’s own',
  'node loadCertificate': 'reads a certificate of one’s own',
  'node loadDkimKeys': 'reads keys of one’s own',
  'node loadDomainKey': 'reads a key of one’s own',
  'node loadRing': 'reads keys of one’s own',
  'node loadSigningKey': 'reads a key of one’s own',
  'node openAuthors': 'asks a login server of one’s own, or a file whose reader is a target',
  'node openCertificateFiles': 'reads files of one’s own',
  'node openDatabase': 'opens a database of one’s own',
  'node openDesk': 'opens a Redis of one’s own',
  'node openDkim': 'reads keys of one’s own',
  'node openDomainKeys': 'reads keys of one’s own',
  'node openEpochs': 'reads keys of one’s own',
  'node openFileAuthors': 'reads a file; what parses it is a target',
  'node openPolicies': 'reads files of one’s own; what they hold was read by a target',
  'node openRedisSpool': 'opens a Redis of one’s own',
  'node openRotation': 'reads keys of one’s own',
  'node openSession': 'opens a Redis of one’s own',
  'node openSpool': 'opens a spool of one’s own',
  'node openSqliteSpool': 'opens a database of one’s own',
  'node openSubmission': 'opens a socket by configuration: smtp-submission goes through what listens there',
  'node openTlsKeys': 'reads keys of one’s own',
  'node parseInfo': 'reads what a Redis of one’s own says',
  'node parseNext': 'reads what this node has written into its spool',
  'node peel': 'hands packets to threads: packet-peel goes through what they do',
  'node readAuthorsFile': 'reads a file; what parses it is a target',
  'node readChains': 'reads keys of one’s own',
  'node readConfig': 'reads a file; what parses it is a target',
  'node readKeyFile': 'reads a key file of one’s own',
  'node parseSeed': 'reads a key file of one’s own',
  'node readDowntime': 'reads a file of one’s own',
  'node readIdentity': 'reads a key of one’s own',
  'node readOwnConfig': 'reads a file; what parses it is a target',
  'node readOpenFile': 'reads a file of one’s own',
  'node readPublicFile': 'reads a key file of one’s own',
  'node readPublished': 'reads a file of one’s own',
  'node readRecord': 'reads a zone file of one’s own, by a target',
  'node readRing': 'reads keys of one’s own',
  'node readSecret': 'reads a key file of one’s own',
  'mail readBody': 'carriages go through it',
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
  'protocol readCertified': 'consensus-text goes through it',
  'protocol readGeometry': 'consensus-text goes through it',
  'protocol split': 'cuts a message of one’s own',
  'protocol verifyDescriptorSignature': 'consensus-signed goes through it',
  'runtime openResolver': 'opens a socket by configuration',
  'runtime parseConfig': 'settings goes through it, with every schema',
  'runtime readAll': 'dns-message goes through it',
  'runtime readControl': 'asks a process of one’s own over a socket that only its user can open',
  'runtime readSecretFile': 'reads a key file of one’s own',
  'runtime readSecretFileSync': 'the same, at once',
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
