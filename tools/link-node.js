// Runs after every install: puts Node 24, which came as a package for this platform, where npm scripts and npx find it. npm
// makes that link itself, but npm 10 takes it away again together with the package for the other platform, of the same name inside.
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { arch, platform } from 'node:process';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../node_modules/', import.meta.url));
const link = `${modules}.bin/node`;
if (existsSync(`${modules}node-${platform}-${arch}/bin/node`) && !existsSync(link)) {
  mkdirSync(`${modules}.bin`, { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(`../node-${platform}-${arch}/bin/node`, link);
}
