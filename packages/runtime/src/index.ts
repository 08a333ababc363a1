export { askSecretly, confirm } from './ask.ts';
export { type Clock, systemClock } from './clock.ts';
export { commandLine, runCommandLine } from './command-line.ts';
export {
  domainName,
  duration,
  type Endpoint,
  endpoint,
  formatEndpoint,
  parseConfig,
  readToml,
  size,
} from './config.ts';
export { type Calls, type ControlOptions, callControl, readControl, serveControl } from './control.ts';
export { ConfigError, ExitCode, type Mistake, UserError } from './errors.ts';
export {
  makeDirectory,
  makePrivateDirectory,
  makeUnsharedDirectory,
  overwriteAndRemove,
  replaceSecret,
  syncDirectory,
  writeFileDurable,
} from './files.ts';
export { aborted, type Command, runCommand } from './lifecycle.ts';
export { createLog, type Log, type LogFields, type LogLevel, type LogOptions, silentLog } from './log.ts';
export { createMetrics, type Metrics, type OutcomeCounter } from './metrics.ts';
export { isPublicAddress } from './public-address.ts';
export { type Random, systemRandom } from './random.ts';
export { whyUnreadable } from './unreadable.ts';
