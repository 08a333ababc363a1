#!/usr/bin/env node
import { runCommand } from '@postern/runtime';
import { run } from './cli/program.ts';
import { systemTerminal } from './cli/terminal.ts';

await runCommand({
  name: 'postern',
  main: (stop) => run(process.argv.slice(2), systemTerminal(), stop),
});
