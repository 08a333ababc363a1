import type { Log } from '@postern/runtime';

/** What an operator has to know of, and other authorities' operators perhaps as well. */
export type AlarmKind =
  | 'clock-off'
  | 'cut-off'
  | 'peer-clock-off'
  | 'silent'
  | 'withheld-reveal'
  | 'equivocation'
  | 'signed-twice'
  | 'key-used-twice'
  | 'split'
  | 'fork'
  | 'other-parameters'
  | 'unproven-history'
  | 'other-width'
  | 'store-restored';

export interface Alarm {
  readonly kind: AlarmKind;
  /** Name of the authority that it is about; '' when it is about none in particular. */
  readonly about: string;
  readonly why: string;
}

/** Alarms that stand. Each is logged when it begins, when it says something else, and when it is over. */
export interface Alarms {
  raise(kind: AlarmKind, about: string, why: string): void;
  clear(kind: AlarmKind, about: string): void;
  readonly standing: readonly Alarm[];
}

/** These show that somebody is faulty, or that there may be no consensus; the others may pass by themselves. */
const grave: readonly AlarmKind[] = [
  'clock-off',
  'cut-off',
  'equivocation',
  'signed-twice',
  'key-used-twice',
  'split',
  'fork',
  'store-restored',
];

export function createAlarms(log: Log): Alarms {
  const standing = new Map<string, Alarm>();
  return {
    raise(kind, about, why) {
      const key = `${kind} ${about}`;
      const known = standing.get(key);
      if (known?.why === why) return;
      standing.set(key, { kind, about, why });
      log[grave.includes(kind) ? 'error' : 'warn']('alarm', { kind, about, why });
    },
    clear(kind, about) {
      if (standing.delete(`${kind} ${about}`)) log.info('alarm is over', { kind, about });
    },
    get standing() {
      return [...standing.values()];
    },
  };
}
