/** What each package may import: of ours, and of others'. The one place that says so for the code under `src`. */
export interface Rule {
  /** Specifiers of our packages, without the subpath unless one is named. */
  readonly ours: readonly string[];
  /** Third-party packages. */
  readonly theirs: readonly string[];
  /** Folders of `src` that import no other of these: the stages a message goes through. */
  readonly stages: readonly string[];
}

export const table: Readonly<Record<string, Rule>> = {
  protocol: {
    ours: [],
    theirs: [
      '@noble/ciphers',
      '@noble/curves',
      '@noble/hashes',
      '@noble/post-quantum',
      'canonicalize',
      'openpgp',
      'pako',
    ],
    stages: [],
  },
  mail: { ours: [], theirs: ['mailauth', 'nodemailer', 'smtp-server'], stages: [] },
  runtime: {
    ours: [],
    theirs: ['commander', 'fastify', 'pino', 'prom-client', 'smol-toml', 'zod'],
    stages: [],
  },
  directory: {
    ours: ['@postern/protocol', '@postern/mail', '@postern/runtime'],
    theirs: ['@fastify/swagger', 'commander', 'fastify', 'zod'],
    stages: ['register', 'agree', 'outages', 'publish', 'client'],
  },
  node: {
    ours: [
      '@postern/protocol',
      '@postern/mail',
      '@postern/runtime',
      '@postern/directory/client',
      '@postern/directory/mirror',
    ],
    theirs: ['@peculiar/x509', 'bullmq', 'commander', 'imapflow', 'ioredis', 'zod'],
    stages: ['receive', 'submit', 'queue', 'peel', 'mix', 'forward', 'unwrap', 'deliver'],
  },
  client: {
    ours: ['@postern/protocol', '@postern/mail', '@postern/runtime', '@postern/directory/client'],
    theirs: ['commander', 'libmime', 'openpgp', 'zod'],
    stages: ['compose', 'seal', 'wrap', 'submit', 'collect', 'open', 'route'],
  },
  testkit: {
    ours: [
      '@postern/protocol',
      '@postern/mail',
      '@postern/runtime',
      '@postern/directory',
      '@postern/node',
      '@postern/client',
    ],
    theirs: ['commander'],
    stages: [],
  },
};

/** The only folder of `protocol` that may use Node's own modules: everything else runs in a browser. */
export const providerFolder = 'packages/protocol/src/primitives/';

/** Below `src`: what tests beside the sources share. */
export const testFolder = 'testing/';

/** Lines in one source file, at most. More is usually two subjects. */
export const longestFile = 400;
