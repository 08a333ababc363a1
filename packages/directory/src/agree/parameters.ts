import { parseNote } from '@postern/protocol/codec';
import { joinSignatures, maxParametersLength } from '@postern/protocol/consensus';
import type { Alarms } from '../alarms.ts';
import type { Answer } from '../ask.ts';
import { maxAuthoritiesBytes, readAuthorities, tellOthers } from './authorities.ts';
import type { Members } from './members.ts';
import type { Peers } from './peers.ts';

/** The parameters of the network, under the signatures of all who say the same (spec consensus 5). */
export interface SharedParameters {
  /** Undefined while there is no key to sign them with. */
  readonly signed: string | undefined;
  /** Whether as many have signed as have to. */
  readonly isComplete: boolean;
  /** Asks the others for theirs, and by which authorities and which threshold they go. */
  collect(peers: Peers, alarms: Alarms): Promise<void>;
}

/** `own` gives them under this authority's signature alone; `now` is in milliseconds. */
export function shareParameters(
  own: () => string | undefined,
  members: Members,
  now: () => number,
): SharedParameters {
  let base: string | undefined;
  let joined: string | undefined;
  /** As each of the others last gave them. */
  const given = new Map<string, string>();
  const signed = (): string | undefined => {
    const mine = own();
    if (mine !== base) joined = mine;
    base = mine;
    return joined;
  };
  const joinedWith = (signed: string, other: string): string | undefined => {
    const { signingKeys } = members;
    const at = Math.floor(now() / 1_000);
    return joinSignatures(signed, other, { signingKeys, at, maxLength: maxParametersLength });
  };
  /** In what the parameters of another one differ, in words, if that is known; they are kept when they do not. */
  const othersOf = (name: string, answer: Answer): string[] | undefined => {
    const mine = own();
    if (answer.kind !== 'answer' || answer.status !== 200 || mine === undefined) return undefined;
    if (joinedWith(mine, answer.text) === undefined)
      return ['its epoch length, geometry or mean delay is another one'];
    given.set(name, answer.text);
    return [];
  };
  const otherAuthorities = (answer: Answer): string[] => {
    const told = answer.kind === 'answer' && answer.status === 200 ? readAuthorities(answer.text) : undefined;
    return told === undefined ? [] : tellOthers(members, told);
  };
  return {
    get signed() {
      return signed();
    },
    get isComplete() {
      const note = parseNote(signed() ?? '', maxParametersLength);
      return new Set(note?.signatures.map(({ name }) => name)).size >= members.threshold;
    },
    async collect(peers, alarms) {
      const ask = async (name: string): Promise<void> => {
        const [said, authorities] = await Promise.all([
          peers.ask(name, '/v1/parameters', { maxBytes: 2 * maxParametersLength }),
          peers.ask(name, '/v1/agreement/authorities', { maxBytes: maxAuthoritiesBytes }),
        ]);
        const parameters = othersOf(name, said);
        const others = [...(parameters ?? []), ...otherAuthorities(authorities)];
        if (others.length > 0) alarms.raise('other-parameters', name, others.join('; '));
        else if (parameters !== undefined && authorities.kind === 'answer')
          alarms.clear('other-parameters', name);
      };
      await Promise.all(peers.names.map(ask));
      const mine = own();
      if (mine === undefined) return;
      // from the beginning: signatures by keys of before go
      base = mine;
      joined = [...given.values()].reduce((sum, other) => joinedWith(sum, other) ?? sum, mine);
    },
  };
}
