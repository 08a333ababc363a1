#!/usr/bin/env node
const major = Number(process.versions.node.split('.')[0]);
if (major >= 24) {
  await import('../dist/main.js');
} else {
  process.stderr.write(
    `postern-node: needs Node 24, this is ${process.versions.node}\n  Run it as: npx postern-node (npx finds the Node that npm ci has brought)\n`,
  );
  process.exitCode = 78;
}
