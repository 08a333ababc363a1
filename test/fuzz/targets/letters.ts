import { seeded } from '@postern/protocol/testing';
import { bytes } from '../target.ts';

/* What inputs of several mail targets are made of. */

export const random = seeded('fuzz mail');

export const carriageParts = {
  fromDomain: 'a.test',
  toDomain: 'b.test',
  bytes: random.bytes(60),
  now: new Date('2026-06-01T10:20:30Z'),
  random: (length: number) => random.bytes(length),
};
export const words = [
  '\r\n',
  '\n',
  '\r',
  '\r\n ',
  ': ',
  '<',
  '>',
  '@',
  '"',
  ';',
  '=',
  '--',
  '\0',
  'Received: x\r\n',
];

export function joined(...pieces: readonly (string | Uint8Array)[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? bytes(piece) : piece))),
  );
}
