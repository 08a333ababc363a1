import { hash } from 'node:crypto';
import type { Answer, Arrived, Keep, Question } from './ends.ts';
import { type Arrival, startSink } from './sink.ts';
import { send } from './source.ts';

/** The process of one end: answers its parent's questions until the parent lets go. */
let onMessage: (arrival: Arrival) => void = () => undefined;
let taken = 0;
let missing = 0;

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'listen':
      return startSink({ ...question, onMessage: take });
    case 'taken':
      return taken;
    case 'missing':
      return missing;
    case 'arrived':
      return arrive(question.count, question.keep);
    case 'send':
      return send({ ...question, messages: question.messages.map((message) => Buffer.from(message)) });
  }
}

function take(arrival: Arrival): void {
  taken += 1;
  onMessage(arrival);
}

function arrive(wanted: number, keep: Keep): Promise<Arrived> {
  const kept: Arrival[] = [];
  const digests = new Set<string>();
  let count = 0;
  missing = wanted;
  return new Promise((resolve) => {
    onMessage = ({ atMs, message }) => {
      count += 1;
      const before = digests.size;
      digests.add(hash('sha256', bodyOf(message), 'base64').slice(0, 16));
      if (digests.size === before) return;
      missing -= 1;
      // Not as it is: it is a part of something longer.
      if (keep === 'messages') kept.push({ atMs, message: Buffer.from(message) });
      if (digests.size >= wanted) resolve({ count, lastMs: atMs, kept });
    };
  });
}

function bodyOf(message: Buffer): Buffer {
  return message.subarray(message.indexOf('\r\n\r\n'));
}

function reply(answer: Answer): void {
  process.send?.(answer);
}

process.on('message', ({ number, question }: { number: number; question: Question }) => {
  answer(question).then(
    (given) => reply({ number, answer: given }),
    (error: unknown) => reply({ number, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
