import { carriageLength, createSmtpSender } from '@postern/mail';
import { seenIn, startTestNetwork, type TestNetwork, transfersOf, writeLetter } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const alice = 'alice@a.test';
const bob = 'bob@b.test';

/** Envelope, header and body of a carriage, whole (spec carriage 2). */
const carriageSeen = new RegExp(
  [
    '^MAIL FROM:<secure@(?<from>[a-z0-9.]+)>',
    'RCPT TO:<secure@(?<to>[a-z0-9.]+)>',
    'DATA',
    String.raw`From: <secure@\k<from>>`,
    String.raw`To: <secure@\k<to>>`,
    String.raw`Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:00:00 \+0000`,
    String.raw`Message-ID: <(?<id>[0-9a-f]{32})@\k<from>>`,
    String.raw`MIME-Version: 1\.0`,
    'Content-Type: application/octet-stream',
    'Content-Transfer-Encoding: base64',
    'Padding: x+',
    '',
    String.raw`(?:[A-Za-z0-9+/]{76}\r\n)+[A-Za-z0-9+/=]{1,76}`,
    '$',
  ].join(String.raw`\r\n`),
);

/** What a mailbox gets, up to the armor, which has no header (spec sealed 2). */
const sealedSeen = new RegExp(
  [
    '^Return-Path: <>',
    'Delivered-To: bob@b.test',
    'From: secure@b.test',
    'To: bob@b.test',
    String.raw`Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:00:00 \+0000`,
    String.raw`Message-ID: <[0-9a-f]{32}@b\.test>`,
    String.raw`MIME-Version: 1\.0`,
    'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
    ' boundary="(?<boundary>[0-9a-f]{32})"',
    '',
    String.raw`--\k<boundary>`,
    'Content-Type: application/pgp-encrypted',
    '',
    'Version: 1',
    '',
    String.raw`--\k<boundary>`,
    'Content-Type: application/octet-stream',
    '$',
  ].join(String.raw`\r\n`),
);

describe('through a network in one process', () => {
  let net: TestNetwork;
  beforeAll(async () => {
    net = await startTestNetwork();
  }, 180_000);
  afterAll(() => net[Symbol.asyncDispose]());

  /** Sends a message and gives what each recipient opens. */
  async function journey(from: string, message: Buffer, to: readonly string[]) {
    const before = new Map<string, Set<string>>();
    for (const mailbox of to)
      before.set(mailbox, new Set((await net.delivered(mailbox)).map(({ path }) => path)));
    const sent = await net.client(from).send(message);
    if (sent.kind !== 'sent') throw new Error(JSON.stringify(sent.problems));
    await net.drain();
    const opened = await Promise.all(
      to.map(async (mailbox) => {
        const arrived = (await net.delivered(mailbox)).filter(({ path }) => !before.get(mailbox)?.has(path));
        expect(arrived).toHaveLength(1);
        return net.client(mailbox).open(arrived[0]?.bytes ?? Buffer.alloc(0));
      }),
    );
    return { sent, opened };
  }

  test('a line of text is one packet, and opens as it was written, signed by its author', async () => {
    const message = Buffer.from(
      'From: alice@a.test\r\nTo: bob@b.test\r\nSubject: Hello\r\n\r\nThrough three.\r\n',
    );
    const { sent, opened } = await journey(alice, message, [bob]);
    expect(sent.recipients).toMatchObject([{ mailbox: bob, packets: 1 }]);
    expect(sent.recipients[0]?.paths[0]?.hops).toHaveLength(3);
    expect(opened[0]).toMatchObject({
      kind: 'opened',
      from: alice,
      vouched: true,
      verdict: { kind: 'good' },
    });
    // What the author's program adds, a Date and a Message-ID, stands in the header; all that was written is there.
    const text = opened[0]?.kind === 'opened' ? Buffer.from(opened[0].message).toString() : '';
    expect(text).toContain('Subject: Hello\r\n');
    expect(text.endsWith('\r\n\r\nThrough three.\r\n')).toBe(true);
  });

  test('HTML, words beyond ASCII and an attachment arrive byte for byte', async () => {
    const date = new Date(net.clock.now());
    const { message } = writeLetter({ from: alice, to: [bob], date, attachmentBytes: 150_000 });
    const { sent, opened } = await journey(alice, message, [bob]);
    expect(sent.recipients[0]?.packets).toBeGreaterThan(3);
    expect(opened[0]?.kind === 'opened' && message.equals(opened[0].message)).toBe(true);
  });

  test('several recipients at both domains each get it, and nobody sees a Bcc', async () => {
    const lines = [
      'From: <bob@b.test>',
      'To: <alice@a.test>, <dave@b.test>',
      'Cc: <carol@a.test>',
      `Date: ${new Date(net.clock.now()).toUTCString().replace('GMT', '+0000')}`,
      'Message-ID: <round@b.test>',
      'Subject: To all',
    ];
    const write = (...more: string[]) => Buffer.from([...lines, ...more, '', 'Hello.', ''].join('\r\n'));
    const to = ['alice@a.test', 'carol@a.test', 'dave@b.test', 'bob@b.test'];
    const { opened } = await journey(bob, write('Bcc: <bob@b.test>'), to);
    for (const one of opened) expect(one.kind === 'opened' && write().equals(one.message)).toBe(true);
  });

  test('P3 every packet on every wire has one size, as plain text and as TLS records show it', async () => {
    const { packetBytes } = (await net.client(alice).route()).consensus.geometry;
    const sizes = new Set(net.recorder.sendings.map(({ outgoing }) => outgoing.message.length));
    expect([...sizes]).toEqual([carriageLength(packetBytes)]);
    const transfers = net.nodes.flatMap(({ tap }) => tap.connections.flatMap(transfersOf));
    expect(transfers).toHaveLength(net.recorder.sendings.length);
    // The dot that ends a message, and its line end, are part of what passes.
    expect([...new Set(transfers.map(({ bytes }) => bytes))]).toEqual([carriageLength(packetBytes) + 3]);
  });

  describe('P2 nothing stands', () => {
    test('around a packet but the two domains of a hop, the hour and chance', () => {
      const ids = new Set<string>();
      for (const sending of net.recorder.sendings) {
        const from = sending.by.replace(/^.*@/, '');
        const { groups } = carriageSeen.exec(Buffer.from(seenIn(sending)).toString('latin1')) ?? {};
        expect(groups).toMatchObject({ from, to: expect.not.stringContaining('@') });
        ids.add(groups?.id ?? '');
      }
      expect(ids.size).toBe(net.recorder.sendings.length);
      const domains = new Set(net.recorder.sendings.map(({ by }) => by.replace(/^.*@/, '')));
      const inClear = net.nodes.flatMap(({ tap }) =>
        tap.connections.map(({ chunks }) =>
          Buffer.concat(chunks.map(({ bytes }) => bytes)).toString('latin1'),
        ),
      );
      const greetings = inClear.flatMap((text) => /\bEHLO .*/.exec(text)?.[0].trim() ?? []);
      expect(new Set(greetings)).toEqual(new Set([...domains].map((domain) => `EHLO ${domain}`)));
    });

    test('around what is delivered but the mailbox, its domain, the hour and chance', async () => {
      const delivered = await net.delivered(bob);
      expect(delivered.length).toBeGreaterThan(1);
      for (const { bytes } of delivered)
        expect(
          Buffer.from(bytes).toString('latin1').split('\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n')[0],
        ).toMatch(sealedSeen);
    });
  });

  test('no two hand-overs share a line but those that every carriage has', async () => {
    const lines = net.recorder.sendings.map(
      (sending) => new Set(Buffer.from(seenIn(sending)).toString('latin1').split('\r\n')),
    );
    const common = lines.reduce((all, one) => all.intersection(one));
    for (const [at, one] of lines.entries()) {
      for (const other of lines.slice(at + 1)) {
        const shared = [...one.intersection(other).difference(common)];
        const allowed = /^(?:MAIL FROM|RCPT TO|From: |To: |Date: |Padding: )/;
        expect(shared.filter((line) => !allowed.test(line))).toEqual([]);
      }
    }
  });

  test('a packet that is handed over twice arrives once', async () => {
    const replayed = net.recorder.sendings.filter(({ by }) => by === alice);
    const counts = async () =>
      Promise.all(net.people.map(async ({ mailbox }) => (await net.delivered(mailbox)).length));
    const before = await counts();
    await using again = createSmtpSender({ ehloName: 'a.test' });
    for (const { peer, outgoing } of replayed)
      expect(await again.send(peer, outgoing)).toMatchObject({ kind: 'sent' });
    await net.drain();
    expect(await counts()).toEqual(before);
    const running = net.nodes.map((node) => node.running).filter((node) => node !== undefined);
    const statuses = await Promise.all(running.map((node) => node.status()));
    const dropped = statuses.reduce((sum, { counters }) => sum + (counters.peeled.replayed ?? 0), 0);
    expect(dropped).toBe(replayed.length);
  });

  test('a node that is stopped while packets wait in it goes on with them when it is back', async () => {
    const date = new Date(net.clock.now());
    const { message } = writeLetter({
      from: alice,
      to: [bob],
      date,
      attachmentBytes: 60_000,
      seed: 'stopped',
    });
    const before = (await net.delivered(bob)).length;
    const sent = await net.client(alice).send(message);
    if (sent.kind !== 'sent') throw new Error(JSON.stringify(sent.problems));
    await net.rest();
    const first = net.node(sent.recipients[0]?.paths[0]?.hops[0] ?? '');
    await first.stop();
    await net.clock.advanceBy(1_000);
    await first.start();
    await net.drain();
    expect(await net.delivered(bob)).toHaveLength(before + 1);
  });
});
