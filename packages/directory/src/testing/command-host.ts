import { answerCommands } from '@postern/runtime/testing';
import { main } from '../cli.ts';

answerCommands('postern-directory', main);
