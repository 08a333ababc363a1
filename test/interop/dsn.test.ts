import { randomBytes } from 'node:crypto';
import { composeReport } from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { havePython, runPython } from './python.ts';

const id = randomBytes(16).toString('hex');

describe.skipIf(!havePython)(
  'B4 what we write to an author is a report to Python’s email package too',
  () => {
    test('without a defect, and with every part', () => {
      const data = randomBytes(540);
      const message = composeReport({
        author: 'alice@a.test',
        domain: 'a.test',
        token: id,
        action: 'failed',
        sealed: { kind: 'sealed', data },
        now: new Date(),
        random: randomBytes,
      });
      const read = JSON.parse(
        runPython(
          `
import email, email.policy
message = email.message_from_bytes(base64.b64decode(given), policy=email.policy.default)
status = [dict(block) for block in message.get_payload()[1].get_payload()]
print(json.dumps({
    'defects': [str(defect) for part in message.walk() for defect in part.defects],
    'types': [part.get_content_type() for part in message.iter_parts()],
    'auto': message['Auto-Submitted'],
    'to': message['To'].addresses[0].addr_spec,
    'status': status,
    'text': message.get_payload()[0].get_content(),
    'sealed': base64.b64encode(message.get_payload()[2].get_content()).decode(),
}))
`,
          Buffer.from(message).toString('base64'),
        ),
      ) as unknown;
      expect(read).toEqual({
        defects: [],
        types: ['text/plain', 'message/delivery-status', 'application/vnd.postern.report'],
        auto: 'auto-replied',
        to: 'alice@a.test',
        status: [
          { 'Original-Envelope-Id': id, 'Reporting-MTA': 'dns; a.test' },
          { 'Final-Recipient': 'rfc822; undisclosed@postern.invalid', Action: 'failed', Status: '5.0.0' },
        ],
        text: expect.stringContaining('postern open'),
        sealed: Buffer.concat([Uint8Array.of(1), data]).toString('base64'),
      });
    });
  },
);
