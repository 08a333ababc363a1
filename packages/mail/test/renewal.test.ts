import { createSmtpSender, spkiPin, startSmtpServer } from '@postern/mail';
import { expect, test } from 'vitest';
import { createIdentity } from './certificate.ts';

const [first, second] = [await createIdentity('mx.test'), await createIdentity('mx.test')];

test.each([false, true])(
  'shows another certificate from the next handshake on (implicit TLS: %s)',
  async (implicitTls) => {
    let taken = 0;
    await using server = await startSmtpServer({
      listen: { host: '127.0.0.1', port: 0 },
      hostname: 'mx.test',
      tls: first,
      implicitTls,
      maxBytes: 10_000,
      accepts: () => true,
      onMessage: async () => {
        taken += 1;
        return { kind: 'accepted' };
      },
    });
    const send = async (pins: readonly string[]): Promise<string> => {
      const sender = createSmtpSender({ ehloName: 'a.test' });
      const tls = { kind: 'pin', pins } as const;
      const message = Buffer.from('Subject: x\r\n\r\nx\r\n');
      const mail = { from: 'secure@a.test', to: 'secure@mx.test', message };
      const result = await sender.send({ ...server.address, implicitTls, tls }, mail);
      await sender.close();
      return result.kind;
    };
    const [old, next] = [spkiPin(first.cert), spkiPin(second.cert)];
    expect(await send([old])).toBe('sent');
    expect(await send([next])).not.toBe('sent');
    expect(await send([next, old])).toBe('sent');
    expect(() => server.updateTls({ key: first.key, cert: second.cert })).toThrow(
      expect.objectContaining({ code: 'bad-certificate' }),
    );
    expect(await send([old])).toBe('sent');
    server.updateTls(second);
    expect(await send([old])).not.toBe('sent');
    expect(await send([next])).toBe('sent');
    expect(await send([old, next])).toBe('sent');
    expect(taken).toBe(5);
  },
);
