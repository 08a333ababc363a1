#!/usr/bin/env node
import { start } from '@postern/runtime/start';

await start('postern-node', () => import('../dist/main.js'));
