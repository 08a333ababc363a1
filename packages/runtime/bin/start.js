const neededMajor = 24;

/**
 * Loads a command's program where Node is new enough for it; elsewhere says how to run it. This file is what an older Node has to
 * understand, so it is built from nothing and imports nothing.
 */
export async function start(command, load) {
  if (Number(process.versions.node.split('.')[0]) >= neededMajor) return load();
  process.stderr.write(
    `${command}: needs Node ${neededMajor}, this is ${process.versions.node}\n  Run it as: npx ${command} (npx finds the Node that npm ci has brought)\n`,
  );
  process.exitCode = 78;
}
