import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os';

/** What figures were taken on, for whoever compares them. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? arch();
  const memory = Math.round(totalmem() / 2 ** 30);
  const { node, openssl } = process.versions;
  return `${availableParallelism()} × ${model}, ${memory} GiB, ${type()} ${release()}, Node ${node}, OpenSSL ${openssl}`;
}
