import { answerCommands } from '@postern/runtime/testing';
import { main } from '../src/cli.ts';

answerCommands('postern-node', main);
