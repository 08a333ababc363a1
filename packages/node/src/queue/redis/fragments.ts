import type { Fragment } from '@postern/protocol/envelope';

interface Head {
  readonly recipient: string;
  readonly index: number;
  readonly k: number;
  readonly n: number;
  readonly totalBytes: number;
  readonly expires: number;
  /** Lengths of what follows, in the order in which it does. */
  readonly lengths: readonly [returnInfo: number, attestation: number, data: number];
}

/** A fragment as it lies in Redis: length of the head (4 octets), head (JSON), return information, attestation, data. Its set is not said. */
export function packFragment(fragment: Fragment): Buffer {
  const { setId: _, returnInfo, attestation, data, ...rest } = fragment;
  const head: Head = { ...rest, lengths: [returnInfo.length, attestation.length, data.length] };
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, returnInfo, attestation, data]);
}

export function unpackFragment(setId: string, bytes: Uint8Array): Fragment {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const start = 4 + view.readUInt32BE(0);
  const { lengths, ...rest } = JSON.parse(view.toString('utf8', 4, start)) as Head;
  const [info, attested, data] = lengths;
  const part = (from: number, length: number): Uint8Array =>
    new Uint8Array(view.subarray(from, from + length));
  return {
    ...rest,
    setId: new Uint8Array(Buffer.from(setId, 'hex')),
    returnInfo: part(start, info),
    attestation: part(start + info, attested),
    data: part(start + info + attested, data),
  };
}
