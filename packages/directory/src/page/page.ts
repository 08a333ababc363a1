import type { NodeEntry } from '@postern/protocol/consensus';
import type { Alarm, AlarmKind } from '../alarms.ts';
import type { Missed } from '../outages/outages.ts';
import { type Html, html } from './html.ts';
import { nodesOf } from './nodes.ts';
import { style } from './style.ts';
import type { Changes, ConsensusView, View } from './view.ts';
import { counted, time } from './words.ts';

/** The page of an authority, whole. */
export function renderPage(view: View): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${view.authority}: Postern directory authority</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${view.authority}</h1>
<p class="soft">A directory authority of Postern. As of ${time(view.now)}.</p>
</header>
<main>
${stateOf(view)}
${alarmsOf(view)}
${view.consensus === undefined ? html`` : outagesOf(view)}
${view.consensus === undefined ? html`` : detailsOf(view.consensus, view)}
<section aria-labelledby="log">
<h2 id="log">Log</h2>
<dl>
<dt>Consensuses</dt><dd>${view.log.size}</dd>
<dt>Root</dt><dd><code>${view.log.root}</code></dd>
</dl>
<p class="hint"><code>postern-directory audit</code> verifies all of it.</p>
</section>
</main>
${linksOf(view)}
</body>
</html>
`.toString();
}

function stateOf({ epoch, epochEnds, registered, consensus, next }: View): Html {
  return html`<section aria-labelledby="epoch">
<h2 id="epoch">Epoch ${epoch}</h2>
<dl>
<dt>Ends</dt><dd>${time(epochEnds)}</dd>
<dt>Consensus</dt><dd>${consensus === undefined ? 'There is none yet.' : tellConsensus(consensus, epoch)}</dd>
<dt>Next epoch</dt><dd>${next === undefined ? 'Not agreed on yet.' : html`The consensus of epoch ${next.epoch} is there, signed by ${countOf(next)}.`}</dd>
<dt>Registered</dt><dd>${counted(registered, 'node')}</dd>
</dl>
</section>`;
}

function tellConsensus({ epoch, freshUntil, validUntil, validAfter }: ConsensusView, now: number): Html {
  if (epoch > now) return html`The newest is of epoch ${epoch}, which begins at ${time(validAfter)}.`;
  if (epoch === now) return html`Of this epoch; fresh until ${time(freshUntil)}.`;
  return html`<span class="missing">None of this epoch.</span> That of epoch ${epoch} serves until ${time(validUntil)}.`;
}

/** What is wrong, in words. */
const titles: Readonly<Record<AlarmKind, string>> = {
  'clock-off': 'The clock here is wrong',
  'cut-off': 'Cut off',
  'peer-clock-off': 'Another time',
  silent: 'No vote',
  'withheld-reveal': 'Nothing revealed',
  equivocation: 'Two votes',
  'signed-twice': 'Two documents for one epoch',
  'key-used-twice': 'Keys used twice',
  split: 'No agreement',
  fork: 'Two histories',
  'other-parameters': 'Other parameters',
  'unproven-history': 'A history without proof',
  'other-width': 'Another width',
  'store-restored': 'An older store',
};

function alarmsOf({ alarms, heldUp }: View): Html {
  const held = heldUp === undefined ? [] : [html`<li><strong>Held up:</strong> ${heldUp}</li>`];
  const all = [...held, ...alarms.map(tellAlarm)];
  return html`<section aria-labelledby="alarms">
<h2 id="alarms">Alarms</h2>
${all.length === 0 ? html`<p class="quiet">None.</p>` : html`<ul class="alarms">${all}</ul>`}
</section>`;
}

function tellAlarm({ kind, about, why }: Alarm): Html {
  return html`<li><strong>${titles[kind]}${about === '' ? '' : `, ${about}`}:</strong> <bdi>${why}</bdi></li>
`;
}

/** Fewer authorities than sign a consensus take no mix out. */
function outagesOf({ outages: { by, missed }, consensus, threshold }: View): Html {
  const asked = counted(consensus?.signatures.length ?? 0, 'authority', 'authorities');
  const told = `Mixes are tried by ${by.length} of ${asked}; those that ${threshold} cannot reach are left out of new paths.`;
  return html`<section aria-labelledby="outages">
<h2 id="outages">Out of reach</h2>
<p>${told}</p>
${missed.length === 0 ? html`<p class="quiet">None.</p>` : html`<ul>${missed.map(tellMissed)}</ul>`}
</section>`;
}

function tellMissed({ name, by, out }: Missed): Html {
  const state = out ? html`<strong class="missing">left out</strong>` : 'still used';
  return html`<li><bdi>${name}</bdi>: ${state}, not reached by ${by.join(', ')}</li>
`;
}

function detailsOf(consensus: ConsensusView, { threshold }: View): Html {
  const { epoch, digest, previous, signatures, changes, revoked, meanDelayMs } = consensus;
  return html`<section aria-labelledby="consensus">
<h2 id="consensus">Consensus of epoch ${epoch}</h2>
<dl>
<dt>Digest</dt><dd><code>${digest}</code></dd>
<dt>Follows on</dt><dd>${previous === '' ? 'nothing: it is the first' : html`<code>${previous}</code>`}</dd>
<dt>Mean delay</dt><dd>${meanDelayMs} ms at each hop</dd>
<dt>Revoked</dt><dd>${counted(revoked.length, 'node')}</dd>
</dl>
<h3>Signed by ${countOf(consensus)}; ${threshold} needed</h3>
<ul>
${signatures.map(
  ({ authority, signed }) =>
    html`<li>${authority}: ${signed ? html`<span class="signed">signed</span>` : html`<span class="missing">has not signed</span>`}</li>
`,
)}</ul>
</section>
${nodesOf(consensus)}
${changes === undefined ? html`` : changesOf(changes)}`;
}

function changesOf({ since, joined, left, moved }: Changes): Html {
  return html`<section aria-labelledby="changes">
<h2 id="changes">Since epoch ${since}</h2>
<dl>
<dt>In</dt><dd>${namesOf(joined)}</dd>
<dt>Out</dt><dd>${namesOf(left)}</dd>
<dt>Moved</dt><dd>${counted(moved.length, 'node')} to another layer; layers are dealt anew for every epoch.</dd>
</dl>
${
  moved.length === 0
    ? html``
    : html`<details>
<summary>Which moved</summary>
<ul>
${moved.map(
  ({ node, from }) => html`<li><bdi>${node.name}</bdi>: ${layerName(from)} to ${layerName(node.layer)}</li>
`,
)}</ul>
</details>`
}
</section>`;
}

/** What there is for machines; relative, so that it holds wherever a proxy has put it. */
function linksOf({ consensus }: View): Html {
  const link = (path: string, text: string): Html => html`<li><a href="${path}">${text}</a></li>
`;
  return html`<footer>
<nav aria-label="Documents">
<ul>
${link('v1/consensus', 'The newest consensus, signed')}${
  consensus === undefined
    ? []
    : [
        link(`v1/consensus/${consensus.epoch}`, `The consensus of epoch ${consensus.epoch}`),
        link(`v1/agreement/${consensus.epoch}`, 'What was voted and revealed for it'),
      ]
}${link('v1/outages', 'Which mixes authorities cannot reach, signed')}${link('v1/log/checkpoint', 'The log’s checkpoint, signed')}${link('v1/certificates', 'Certificates of the authorities’ signing keys')}${link('v1/parameters', 'Parameters')}${link('openapi.json', 'The interface, as OpenAPI')}</ul>
</nav>
<p>Nothing here is signed: whoever has to be sure verifies the documents. No record is kept of who asks.</p>
</footer>`;
}

function namesOf(nodes: readonly NodeEntry[]): Html {
  if (nodes.length === 0) return html`None.`;
  return html`${nodes.map(({ name }, at) => html`${at === 0 ? '' : ', '}<bdi>${name}</bdi>`)}`;
}

function layerName(layer: number): string {
  return layer === 0 ? 'no mix' : `layer ${layer}`;
}

function countOf({ signatures }: Pick<ConsensusView, 'signatures'>): string {
  return `${signatures.filter(({ signed }) => signed).length} of ${counted(signatures.length, 'authority', 'authorities')}`;
}
