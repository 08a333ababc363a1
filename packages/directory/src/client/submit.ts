import { type Answer, ask } from '../ask.ts';
import { type RegisterRefusal, registerRefusals } from '../registration.ts';
import type { Directory } from './collect.ts';
import { DirectoryError, describeFailures, type Untaken } from './errors.ts';

/** Which URLs took a descriptor. */
export interface Submission {
  readonly accepted: readonly string[];
  readonly failed: readonly Untaken[];
}

/** Posts a signed descriptor to every URL, or to some of them, at once. Throws `DirectoryError` `not-published` when none accepts it. */
export async function submit(
  directory: Directory,
  descriptor: string,
  urls: readonly string[] = directory.urls,
): Promise<Submission> {
  const outcomes = await Promise.all(
    urls.map(async (url) => {
      const answer = await ask(`${url}/v1/descriptors`, { ...directory, maxBytes: 8_192, body: descriptor });
      const status = answer.kind === 'answer' ? answer.status : undefined;
      return { url, detail: refusalIn(answer), refusal: reasonIn(answer), status };
    }),
  );
  const accepted = outcomes.filter(({ detail }) => detail === undefined).map(({ url }) => url);
  const failed = outcomes.flatMap(({ url, detail, refusal, status }) =>
    detail === undefined
      ? []
      : [
          {
            url,
            reason: 'unreachable' as const,
            detail,
            ...(refusal && { refusal }),
            ...(status && { status }),
          },
        ],
  );
  if (accepted.length > 0) return { accepted, failed };
  const message = `no directory took the descriptor: ${describeFailures(failed)}`;
  throw new DirectoryError('not-published', message, { untaken: failed });
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
