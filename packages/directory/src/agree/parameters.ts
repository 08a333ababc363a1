import { joinSignatures, maxParametersLength } from '@postern/protocol/consensus';
import type { Alarms } from '../alarms.ts';
import type { Members } from './members.ts';
import type { Peers } from './peers.ts';

/** The parameters of the network, under the signatures of all who say the same (spec consensus 5). */
export interface SharedParameters {
  /** Undefined while there is no key to sign them with. */
  readonly signed: string | undefined;
  /** Asks the others for theirs. */
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
  const signed = (): string | undefined => {
    const mine = own();
    if (mine !== base) joined = mine;
    base = mine;
    return joined;
  };
  return {
    get signed() {
      return signed();
    },
    async collect(peers, alarms) {
      const ask = async (name: string): Promise<void> => {
        const answer = await peers.ask(name, '/v1/parameters', { maxBytes: 2 * maxParametersLength });
        const before = signed();
        if (answer.kind !== 'answer' || answer.status !== 200 || before === undefined) return;
        const { signingKeys } = members;
        const at = Math.floor(now() / 1_000);
        const both = joinSignatures(before, answer.text, { signingKeys, at, maxLength: maxParametersLength });
        if (both === undefined)
          alarms.raise('other-parameters', name, 'its epoch length, geometry or mean delay is another one');
        else {
          joined = both;
          alarms.clear('other-parameters', name);
        }
      };
      await Promise.all(peers.names.map(ask));
    },
  };
}
