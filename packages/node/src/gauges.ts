import { X509Certificate } from 'node:crypto';
import { freeRoom, type Metrics } from '@postern/runtime';
import { readRecord } from './keys/domain-keys.ts';
import type { NodeStatus } from './status.ts';
import type { Parts } from './wiring.ts';

/** A spool that has not answered by then does not answer: the other series must not wait for it. */
const mostAnswerMs = 10_000;

/** What a node exports beside its counters: what anybody can look up who knows the node, whether its spool answers, and the disk, in powers of two. */
export function addGauges(
  metrics: Metrics,
  { config, clock, epochs, topology, submission, spool }: Parts,
  { counted, proof }: { readonly counted: () => boolean; readonly proof: () => NodeStatus['dns'] },
): void {
  const { dataDir, delivery } = config;
  metrics.release('postern_node_build_info');
  metrics.gauge('postern_node_epoch', 'The epoch of the node’s clock and keys.', () => epochs.epoch);
  metrics.gauge(
    'postern_node_consensus_epoch',
    'The epoch of the consensus in use; 0 while none holds, and nothing is sent.',
    () => topology.valid()?.consensus.epoch ?? 0,
  );
  metrics.gauge(
    'postern_node_listed',
    'Whether that consensus lists this node, or counts it and has drawn others.',
    () => Number(counted()),
  );
  metrics.gauge('postern_node_resolver_proven', 'Whether the resolver proves its answers.', () => {
    const found = proof();
    return found === 'unasked' || found === 'unknown' ? undefined : Number(found === 'proven');
  });
  metrics.gauge(
    'postern_node_domain_record_expires_seconds',
    'Until when the domain’s record holds, as the gateway last wrote it, Unix time.',
    async () => delivery && (await readRecord(dataDir, delivery.domain)).expires,
  );
  metrics.gauge(
    'postern_node_submission_certificate_expires_seconds',
    'Until when the certificate of tls_cert holds, Unix time.',
    () =>
      submission?.files && Date.parse(new X509Certificate(submission.files.current().cert).validTo) / 1_000,
  );
  metrics.gauge('postern_node_spool_answers', 'Whether the spool answers.', () => {
    const answered = spool.counts().then(
      () => 1,
      () => 0,
    );
    const over = new AbortController();
    const late = clock.wait(clock.now() + mostAnswerMs, over.signal).then(() => 0);
    return Promise.race([answered, late]).finally(() => over.abort());
  });
  metrics.gauge('postern_node_disk_free_bytes', 'Free on the disk of data_dir, as a power of two.', () =>
    freeRoom(dataDir),
  );
}
