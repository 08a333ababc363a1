#!/usr/bin/env -S node --max-semi-space-size=2 --max-old-space-size=1024
import { start } from '@postern/runtime/start';

await start('postern-node', () => import('../dist/main.js'));
