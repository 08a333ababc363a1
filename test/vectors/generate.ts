import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vectorFiles } from './packet.ts';

// Writes the vector files anew: npx node test/vectors/generate.ts
for (const [name, text] of Object.entries(vectorFiles())) {
  writeFileSync(join(import.meta.dirname, name), text);
}
