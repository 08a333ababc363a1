#!/usr/bin/env node
import { start } from '@postern/runtime/start';

await start('postern-directory', () => import('../dist/main.js'));
