#!/usr/bin/env node
import { runCommand } from '@postern/runtime';
import { main } from './cli.ts';

await runCommand({ name: 'postern-node', codes: true, main: (stop) => main(process.argv.slice(2), stop) });
