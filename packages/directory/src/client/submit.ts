import { type Answer, ask } from '../ask.ts';
import { type RegisterRefusal, registerRefusals } from '../registration.ts';
import type { Directory } from './collect.ts';
import { DirectoryError, describeFailures, type Failure } from './errors.ts';

/** Which URLs took a descriptor. */
export interface Submission {
  readonly accepted: readonly string[];
  readonly failed: readonly FailedSubmission[];
}

interface FailedSubmission extends Failure {
  /** What a directory that was reached said; undefined when it said nothing that is known here. */
  readonly refusal: RegisterRefusal | undefined;
  /** Whether it may take the same descriptor later. A mirror never does, nor one that has refused it for what it says. */
  readonly again: boolean;
}

/** Posts a signed descriptor to every URL at once. Throws `DirectoryError` `not-published` when none accepts it. */
export async function submit(directory: Directory, descriptor: string): Promise<Submission> {
  const submission = await submitTo(directory, directory.urls, descriptor);
  const { accepted, failed } = submission;
  if (accepted.length > 0) return submission;
  const { refusal } = failed.find(({ refusal }) => refusal !== undefined) ?? {};
  const message = `no directory took the descriptor: ${describeFailures(failed)}`;
  throw new DirectoryError('not-published', message, { refusal });
}

/** The same to some of them, whatever comes of it. */
export async function submitTo(
  directory: Directory,
  urls: readonly string[],
  descriptor: string,
): Promise<Submission> {
  const outcomes = await Promise.all(
    urls.map(async (url) => {
      const answer = await ask(`${url}/v1/descriptors`, { ...directory, maxBytes: 8_192, body: descriptor });
      const refusal = reasonIn(answer);
      return { url, detail: refusalIn(answer), refusal, again: mayPass(answer, refusal) };
    }),
  );
  return {
    accepted: outcomes.filter(({ detail }) => detail === undefined).map(({ url }) => url),
    failed: outcomes.flatMap(({ detail, ...failed }) =>
      detail === undefined ? [] : [{ ...failed, reason: 'unreachable' as const, detail }],
    ),
  };
}

/** A descriptor from the future is one of the present in a while. */
function mayPass(answer: Answer, refusal: RegisterRefusal | undefined): boolean {
  if (answer.kind !== 'answer') return answer.kind === 'unreachable';
  return answer.status >= 500 || answer.status === 429 || refusal === 'from-the-future';
}

/** What speaks against it; undefined when it was accepted. */
function refusalIn(answer: Answer): string | undefined {
  if (answer.kind === 'unreachable') return answer.why;
  if (answer.kind !== 'answer') return 'its answer is too long';
  if (answer.status === 202) return undefined;
  return `answered ${answer.status}${messageIn(answer.text)}`;
}

/** One of those that there are; whatever else a directory says is none. */
function reasonIn(answer: Answer): RegisterRefusal | undefined {
  if (answer.kind !== 'answer') return undefined;
  try {
    const { error } = JSON.parse(answer.text) as { error?: unknown };
    return registerRefusals.find((reason) => reason === error);
  } catch {
    return undefined;
  }
}

/** The authority's own words, as long as they are plain ones. */
function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return ` (${message.slice(0, 200).replaceAll(/[^\x20-\x7e]/g, '?')})`;
  } catch {
    // no JSON: the status says enough
  }
  return '';
}
