import { joinSignatures, maxParametersLength } from '@postern/protocol/consensus';
import type { Alarms } from '../alarms.ts';
import type { Members } from './members.ts';
import type { Peers } from './peers.ts';

/** The parameters of the network, under the signatures of all who say the same (spec consensus 5). */
export interface SharedParameters {
  readonly signed: string;
  /** Asks the others for theirs. */
  collect(peers: Peers, alarms: Alarms): Promise<void>;
}

export function shareParameters(own: string, { others, authorities }: Members): SharedParameters {
  let signed = own;
  const bounds = { authorities, maxLength: maxParametersLength };
  return {
    get signed() {
      return signed;
    },
    async collect(peers, alarms) {
      const ask = async (name: string): Promise<void> => {
        const answer = await peers.ask(name, '/v1/parameters', { maxBytes: 2 * maxParametersLength });
        if (answer.kind !== 'answer' || answer.status !== 200) return;
        const joined = joinSignatures(signed, answer.text, bounds);
        if (joined === undefined)
          alarms.raise('other-parameters', name, 'its epoch length, geometry or mean delay is another one');
        else {
          signed = joined;
          alarms.clear('other-parameters', name);
        }
      };
      await Promise.all(others.map(({ name }) => ask(name)));
    },
  };
}
