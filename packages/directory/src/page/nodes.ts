import type { NodeEntry } from '@postern/protocol/consensus';
import { formatEndpoint } from '@postern/runtime';
import { type Html, html } from './html.ts';
import type { ConsensusView } from './view.ts';
import { counted } from './words.ts';

/** What is shown of a node. All of it is what a stranger says of itself. */
const columns: readonly { readonly title: string; show(node: NodeEntry, contact: string): Html }[] = [
  { title: 'Family', show: ({ family }) => html`<bdi>${family === '' ? 'none' : family}</bdi>` },
  {
    title: 'Delivers for',
    show: ({ domains }) =>
      html`${domains.map((domain, at) => html`${at === 0 ? '' : ', '}<bdi>${domain}</bdi>`)}`,
  },
  {
    title: 'Packets a second',
    show: ({ capacity }) => html`${capacity === 0 ? '' : `${capacity}`}`,
  },
  { title: 'Contact', show: (_, contact) => html`<bdi>${contact}</bdi>` },
  { title: 'SMTP', show: ({ smtp }) => html`<bdi>${formatEndpoint(smtp)}</bdi>` },
  { title: 'Id', show: ({ id }) => html`<code>${id.slice(0, 16)}…</code>` },
];

const drawn = new WeakMap<ConsensusView, Html>();

/** One table, layer by layer, and gateways last. Drawn once for each consensus: there may be thousands of rows. */
export function nodesOf(consensus: ConsensusView): Html {
  const known = drawn.get(consensus);
  if (known !== undefined) return known;
  const { layers, gateways, rest, contacts } = consensus;
  const titles = html`${columns.map(({ title }) => html`<th scope="col">${title}</th>`)}`;
  const made = html`<section aria-labelledby="nodes">
<h2 id="nodes">Nodes</h2>
<div class="scroll" role="region" aria-label="Table of nodes" tabindex="0">
<table>
<thead><tr><th scope="col">Name</th>${titles}</tr></thead>
${layers.map(({ layer, nodes }) => group(`Layer ${layer}: ${counted(nodes.length, 'mix', 'mixes')}`, nodes, contacts))}${
  gateways.length === 0
    ? html``
    : group(`In no layer: ${counted(gateways.length, 'gateway')}`, gateways, contacts)
}</table>
</div>
${rest.count === 0 ? html`` : html`<p>Not drawn for this epoch: ${counted(rest.count, 'node')}.</p>`}
</section>`;
  drawn.set(consensus, made);
  return made;
}

function group(title: string, nodes: readonly NodeEntry[], contacts: ConsensusView['contacts']): Html {
  return html`<tbody>
<tr><th class="group" scope="rowgroup" colspan="${columns.length + 1}">${title}</th></tr>
${nodes.map((node) => row(node, contacts.get(node.id) ?? ''))}</tbody>
`;
}

function row(node: NodeEntry, contact: string): Html {
  return html`<tr><th scope="row"><bdi>${node.name}</bdi></th>${columns.map(
    (column) => html`<td>${column.show(node, contact)}</td>`,
  )}</tr>
`;
}
