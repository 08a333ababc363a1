import type { Refusal } from '@postern/protocol/route';

/** A refusal as a sentence. */
export function describeRefusal({ reason, layer }: Refusal): string {
  switch (reason) {
    case 'too-many-pins':
      return `there is no layer ${layer} to pin a mix for`;
    case 'unknown-node':
      return `the mix pinned for layer ${layer} is not in the consensus`;
    case 'wrong-layer':
      return `the mix pinned for layer ${layer} is not in that layer`;
    case 'pin-not-allowed':
      return `the mix pinned for layer ${layer} is excluded or not included`;
    case 'empty-layer':
      return `the constraints leave no mix in layer ${layer}`;
    case 'family-conflict':
      return `every path up to layer ${layer} has two mixes of one family`;
  }
}
