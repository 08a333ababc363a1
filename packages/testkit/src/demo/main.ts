#!/usr/bin/env node
import { runCommand } from '@postern/runtime';
import { main } from './cli.ts';

await runCommand({ name: 'demo', main: (stop) => main(process.argv.slice(2), stop) });
