export { formatMailbox, type Mailbox, parseMailbox } from './address.ts';
export { type CarriageParts, makeCarriage } from './carriage/make.ts';
export {
  type CarriageRefusal,
  maxReceivedFields,
  maxTraceOctets,
  type OpenedCarriage,
  openCarriage,
} from './carriage/open.ts';
export { carriageLength } from './carriage/shape.ts';
export {
  type DkimAlgorithm,
  type DkimKey,
  dkimOwner,
  dkimRecord,
  generateDkimKeys,
} from './dkim/keys.ts';
export { createDkimSigner, type DkimSigner, type DkimSignerOptions } from './dkim/sign.ts';
export {
  type DkimResult,
  type DkimVerifyOptions,
  type LookupTxt,
  type UnattestedReason,
  verifyDkim,
} from './dkim/verify.ts';
export { composeReport, type ReportParts, type SealedPart } from './dsn/compose.ts';
export { maxReportOctets, type ReportRefusal } from './dsn/multipart.ts';
export { type Dsn, readDsn } from './dsn/read.ts';
export { type ReadReport, readReport } from './dsn/report.ts';
export type { Action } from './dsn/status.ts';
export { MailError, type MailErrorCode } from './errors.ts';
export { type Exchange, type ExchangeDeps, type Exchanges, findExchanges } from './exchange/find.ts';
export type { PolicyDeps, PolicyEntry, PolicyFetch, PolicyStore } from './exchange/policy.ts';
export type { StsPolicy } from './exchange/policytext.ts';
export type { ExchangeResolver, Mx, Resolution } from './exchange/resolver.ts';
export {
  type CheckOptions,
  checkLogin,
  checkReach,
  type LoginCheck,
  type ReachCheck,
} from './sender/check.ts';
export {
  createLmtpSender,
  type DeliveryResult,
  type LmtpSender,
  type LmtpSenderOptions,
} from './sender/lmtp.ts';
export type { LmtpTarget } from './sender/open.ts';
export { spkiPin } from './sender/pin.ts';
export type { SmtpPeer, Tlsa, TlsPolicy } from './sender/policy.ts';
export type { Deferred, DeferredReason, Refused, SendResult, Sent } from './sender/result.ts';
export {
  createSmtpSender,
  defaultSendTimeouts,
  type OutgoingMessage,
  type SendTimeouts,
  type SmtpSender,
  type SmtpSenderOptions,
} from './sender/sender.ts';
export { type OpenedTls, openTls, type TlsPeer } from './sender/tls.ts';
export {
  type AuthClock,
  type AuthDecision,
  type Authenticator,
  type AuthLimits,
  type AuthOutcome,
  defaultAuthLimits,
  type Login,
} from './server/auth/authenticator.ts';
export { createGatekeeper, type Gatekeeper } from './server/auth/gatekeeper.ts';
export { defaultSmtpLimits, type SmtpLimits } from './server/limits.ts';
export type { Decision, Message, Receiver, Refusal } from './server/receive.ts';
export { type SmtpServer, type SmtpServerOptions, startSmtpServer } from './server/server.ts';
