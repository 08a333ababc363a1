export { askSecretly, confirm } from './ask.ts';
export { type Clock, passTime, systemClock } from './clock.ts';
export { commandLine, runCommandLine } from './command-line.ts';
export {
  checkedTogether,
  domainName,
  duration,
  type Endpoint,
  endpoint,
  endpointOrSocket,
  formatEndpoint,
  parseConfig,
  readToml,
  type SocketPath,
  size,
  type Together,
} from './config.ts';
export {
  type Calls,
  type ControlOptions,
  callControl,
  type Fault,
  readControl,
  serveControl,
  serveFault,
  tellFault,
} from './control.ts';
export { ConfigError, ExitCode, type Mistake, UserError } from './errors.ts';
export { type Exporter, exportMetrics, snapshotMs } from './exporter.ts';
export { isHeld, lockFile, mayNotWrite } from './file-lock.ts';
export {
  makeDirectory,
  makePrivateDirectory,
  makeUnsharedDirectory,
  overwriteAndRemove,
  replaceSecret,
  requirePrivateDirectory,
  syncDirectory,
  writeFileDurable,
} from './files.ts';
export { aborted, type Command, runCommand } from './lifecycle.ts';
export { cannotListen } from './listening.ts';
export { createLog, type Log, type LogFields, type LogLevel, type LogOptions, silentLog } from './log.ts';
export { counterStep, createMetrics, type Metrics, type OutcomeCounter } from './metrics.ts';
export { type MetricsConfig, metricsSection } from './metrics-config.ts';
export { isPublicAddress } from './public-address.ts';
export { type Random, systemRandom } from './random.ts';
export { freeRoom } from './room.ts';
export { isExposed, readSecretFile, readSecretFileSync } from './secret-file.ts';
export { type Supervision, superviseBy, tellSupervisor } from './supervisor.ts';
export { requireTrustedPath } from './trusted-path.ts';
export { isDenied, isMissing, whyUnreadable } from './unreadable.ts';
export { version } from './version.ts';
