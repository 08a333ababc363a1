export type { Answer, FailureReason, RecordType, RecordTypes, Resolver } from './answer.ts';
export { type DnsConfig, dnsFields, refuseUnbelieved } from './config.ts';
export { parseAnchors } from './dnssec/anchors.ts';
export { createValidatingResolver, type ValidatorOptions } from './dnssec/validator.ts';
export { DnsError, type DnsErrorCode } from './errors.ts';
export { openResolver, systemServer } from './open.ts';
export { createStubResolver, isLoopback, type StubOptions } from './stub.ts';
