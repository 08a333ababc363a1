import { Wire } from '@postern/mail/testing';
import { expect, test } from 'vitest';
import { converse, overTls, upToData } from './conversation.ts';
import { openInbox, text } from './inbox.ts';

test('close tells idle clients 421 and takes no new ones', async () => {
  const inbox = await openInbox({ limits: { drainMs: 60_000 } });
  using fresh = await Wire.connect({ port: inbox.port });
  using idle = await Wire.connect({ port: inbox.port });
  await converse(idle, overTls);
  using begun = await Wire.connect({ port: inbox.port });
  await converse(begun, `${overTls}\n C: MAIL FROM:<secure@a.test>\n S: 250`);
  await converse(fresh, 'S: 220');
  const closed = inbox.server.close();
  await converse(idle, 'S: 421 4.3.2\n S: closed');
  await converse(begun, 'S: 421 4.3.2\n S: closed');
  await converse(fresh, 'S: 421 4.3.2\n S: closed');
  await closed;
  await expect(Wire.connect({ port: inbox.port })).rejects.toThrow('ECONNREFUSED');
});

test('close waits for the data that is coming in and for its answer', async () => {
  const asked = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<{ kind: 'accepted' }>();
  const inbox = await openInbox({
    limits: { drainMs: 60_000 },
    onMessage: () => {
      asked.resolve();
      return taken.promise;
    },
  });
  using wire = await Wire.connect({ port: inbox.port });
  await converse(wire, upToData);
  let done = false;
  const closed = inbox.server.close().then(() => {
    done = true;
  });
  await converse(wire, 'C! last\\r\\n.\\r\\n');
  await asked.promise;
  expect(done).toBe(false);
  taken.resolve({ kind: 'accepted' });
  await converse(wire, 'S: 250\n S: 421 4.3.2\n S: closed');
  await closed;
  expect(inbox.messages.map(text)).toEqual(['last\r\n']);
});

test('close cuts what does not end by its deadline: data, handshakes, clients that do not hang up', async () => {
  const inbox = await openInbox({ limits: { drainMs: 100 } });
  using data = await Wire.connect({ port: inbox.port });
  await converse(data, `${upToData}\n C: unfinished`);
  using handshake = await Wire.connect({ port: inbox.port });
  await converse(handshake, 'S: 220\n C: EHLO client.test\n S: 250\n C: STARTTLS\n S: 220');
  await handshake.write(Buffer.from('1603010200', 'hex'));
  await inbox.server.close();
  await converse(data, 'S: closed');
  await converse(handshake, 'S: closed');
  expect(inbox.messages).toEqual([]);
});

test('close may be called twice', async () => {
  const inbox = await openInbox();
  await Promise.all([inbox.server.close(), inbox.server.close()]);
  expect(await inbox.server.close()).toBeUndefined();
});
