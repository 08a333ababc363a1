import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os';

/** What the figures were taken on, for whoever compares them. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? arch();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} × ${model}, ${memory} GiB, ${type()} ${release()}, Node ${process.versions.node}`;
}
