import { type Answer, failed, type RecordType, type Resolver } from '../answer.ts';
import { exchange } from '../exchange.ts';
import type { Message } from '../message.ts';
import { type Name, parseName, readName } from '../name.ts';
import { isAnswer, longestChain, negativeTtl, readAll, readAnswer, recordsAt } from '../read.ts';
import { completed, type StubOptions } from '../stub.ts';
import { types } from '../types.ts';
import { ianaAnchors, parseAnchors } from './anchors.ts';
import { deny, nearer } from './denial.ts';
import type { Zone } from './signature.ts';
import { check, createZones, type Inquiry, provenBy } from './zones.ts';

export interface ValidatorOptions extends StubOptions {
  /** Lines of a zone file; the Internet's root unless given. */
  readonly anchors?: string;
}

/**
 * Validates DNSSEC here, from the root's keys down, so that no resolver and no way to it has to be trusted: any that passes DNSSEC
 * records on will do. What it does not understand is `unprovable`, never `none`. Throws `DnsError` `wrong-anchors`.
 */
export function createValidatingResolver({ anchors = ianaAnchors, ...options }: ValidatorOptions): Resolver {
  const full = completed(options);
  const { clock } = full;
  const zones = createZones(parseAnchors(anchors), clock);

  const answer = async <T extends RecordType>(
    name: Name,
    type: T,
    inquiry: Inquiry,
    links = 0,
  ): Promise<Answer<T>> => {
    if (links > longestChain) return failed('malformed');
    const place = await zones.placeOf(name, inquiry);
    if (place.kind === 'failed') return place;
    const message = await inquiry.ask(name, types[type]);
    if (typeof message === 'string') return failed(message);
    if (!isAnswer(message)) return failed('servfail');
    if (place.kind === 'unsigned') return readAnswer(message, name, type, false);
    const { zone } = place;
    const means = { clock, budget: inquiry.budget };
    // What a DNAME makes of names is not followed.
    if (message.answer.some((record) => record.type === types.DNAME)) return failed('unprovable');
    const step = readSigned(message, name, type, zone, means);
    if (step.kind !== 'alias') return step;
    const rest = await answer(step.target, type, inquiry, links + 1);
    return rest.kind === 'failed'
      ? rest
      : {
          ...rest,
          secure: rest.secure && step.secure,
          ttlSeconds: Math.min(rest.ttlSeconds, step.ttlSeconds),
        };
  };

  return {
    async resolve<T extends RecordType>(text: string, type: T, signal?: AbortSignal): Promise<Answer<T>> {
      const deadline = clock.now() + full.timeoutMs;
      const inquiry: Inquiry = {
        budget: { verifications: mostVerifications },
        ask: (name, number) =>
          exchange({ name, type: number, checkingDisabled: true }, full, { deadline, signal }),
      };
      return answer(parseName(text), type, inquiry);
    },
  };
}

/** A chain of five zones takes some thirty. */
const mostVerifications = 200;

type Step<T extends RecordType> =
  | Answer<T>
  | {
      readonly kind: 'alias';
      readonly target: Name;
      readonly secure: boolean;
      readonly ttlSeconds: number;
    };

/** What a signed zone says of one name: records, a CNAME, or proof that there is neither. */
function readSigned<T extends RecordType>(
  message: Message,
  name: Name,
  type: T,
  zone: Zone,
  means: Parameters<typeof check>[3],
): Step<T> {
  const direct = recordsAt(message.answer, name, types[type]);
  const records = direct.length > 0 ? direct : recordsAt(message.answer, name, types.CNAME);
  if (records.length === 0) return readDenied(message, name, type, zone, means);
  const judged = check(records, message.answer, zone, means);
  if (judged.kind !== 'valid') return failed(judged.kind);
  const { ttlSeconds, wildcardAt } = judged;
  let secure = true;
  if (wildcardAt !== undefined) {
    const { proofs } = provenBy(message.authority, zone, means);
    const between = nearer({ name, zone: zone.name }, wildcardAt, proofs);
    if (between === 'unproven') return failed('bogus');
    secure = between === 'nothing';
  }
  if (direct.length > 0) {
    const values = readAll(type, records);
    return values === undefined
      ? failed('malformed')
      : { kind: 'found', secure, records: values, ttlSeconds };
  }
  const [alias] = records;
  const target = alias && readName(alias.data, 0);
  return target === undefined || records.length > 1
    ? failed('malformed')
    : { kind: 'alias', target: target.name, secure, ttlSeconds };
}

function readDenied<T extends RecordType>(
  message: Message,
  name: Name,
  type: T,
  zone: Zone,
  means: Parameters<typeof check>[3],
): Answer<T> {
  const { proofs, ttlSeconds } = provenBy(message.authority, zone, means);
  const denial = deny({ name, type: types[type], zone: zone.name }, proofs);
  const none = { kind: 'none', ttlSeconds: Math.min(ttlSeconds, negativeTtl(message)) } as const;
  switch (denial.kind) {
    case 'nodata':
    case 'absent':
      return { ...none, secure: true };
    case 'opt-out':
      return { ...none, secure: false };
    case 'unprovable':
      return failed('unprovable');
    case 'unproven':
      return failed(means.budget.verifications > 0 ? 'bogus' : 'unprovable');
  }
}
