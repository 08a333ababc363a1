import type { Decision } from '@postern/mail';
import type { Outcome } from '../counters.ts';

/** What an author's program is told. The texts are for its log: none names a mailbox, a domain or another author. */
export const answer: Readonly<Record<Outcome<'submitted'>, Decision>> = {
  accepted: { kind: 'accepted' },
  malformed: {
    kind: 'rejected',
    code: 554,
    enhanced: '5.6.0',
    text: 'this is no carriage from here to there',
  },
  'wrong-kind': { kind: 'rejected', code: 554, enhanced: '5.7.1', text: 'authors do not send that' },
  'no-mix': { kind: 'rejected', code: 550, enhanced: '5.1.2', text: 'no mix has that name' },
  'no-consensus': {
    kind: 'deferred',
    code: 451,
    enhanced: '4.4.3',
    text: 'the network is not known now, try again later',
  },
  expired: { kind: 'rejected', code: 554, enhanced: '5.4.7', text: 'the keys of that packet are gone' },
  // Not why: that somebody has the token is none of an author's business.
  'foreign-token': { kind: 'rejected', code: 550, enhanced: '5.7.1', text: 'not taken' },
  limited: { kind: 'deferred', code: 452, enhanced: '4.7.1', text: 'too much in one hour, try again later' },
  deferred: { kind: 'deferred', text: 'cannot store it now, try again later' },
};

export const spoolFull: Decision = {
  kind: 'deferred',
  code: 452,
  enhanced: '4.3.1',
  text: 'no room now, try again later',
};
