import type { Question } from './ends.ts';
import { type Arrival, startSink } from './sink.ts';
import { send } from './source.ts';

/** The process of one end: answers its parent's questions until the parent lets go. */
let onMessage: (arrival: Arrival) => void = () => undefined;

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'listen':
      return startSink({ ...question, onMessage: (arrival) => onMessage(arrival) });
    case 'arrived':
      return arrive(question.count, question.keep);
    case 'send':
      return send({ ...question, messages: question.messages.map((message) => Buffer.from(message)) });
  }
}

function arrive(count: number, keep: boolean): Promise<unknown> {
  const kept: Arrival[] = [];
  let left = count;
  return new Promise((resolve) => {
    onMessage = ({ atMs, message }) => {
      // A copy: it is a part of something longer.
      if (keep) kept.push({ atMs, message: Buffer.from(message) });
      left -= 1;
      if (left === 0) resolve({ lastMs: atMs, kept });
    };
  });
}

process.on('message', (question: Question) => {
  answer(question).then(
    (given) => process.send?.({ answer: given }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
