#!/usr/bin/env node
import { start } from '@postern/runtime/start';

await start('postern', () => import('../dist/main.js'));
