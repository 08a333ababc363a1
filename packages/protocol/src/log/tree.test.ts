import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeHex, encodeHex } from '../codec/hex.ts';
import {
  emptyRoot,
  isConsistent,
  isIncluded,
  leafHash,
  proveConsistency,
  proveInclusion,
  type Subtrees,
  subtreesOf,
} from './tree.ts';

// Inputs and roots of the reference tree in certificate-transparency's merkle tests (RFC 6962).
const contents = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const roots = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const leaves = contents.map((hex) => leafHash(decodeHex(hex) ?? new Uint8Array()));
const treeOf = (hashes: readonly Uint8Array[], size: number) => ({
  size,
  root: size === 0 ? emptyRoot : subtreesOf((at) => hashes[at] as Uint8Array)(0, size),
});

describe('a Merkle tree (RFC 6962)', () => {
  test('has the roots that others compute', () => {
    expect(leaves.map((_, at) => encodeHex(treeOf(leaves, at + 1).root))).toEqual(roots);
    expect(encodeHex(treeOf([], 0).root)).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
  });

  const many = Array.from({ length: 70 }, (_, at) => leafHash(Uint8Array.of(at)));
  const hashOf = (at: number): Uint8Array => many[at] as Uint8Array;
  const subtree: Subtrees = subtreesOf(hashOf);
  const sized = fc.integer({ min: 1, max: many.length });

  test('proves each of its leaves, and none elsewhere or of another tree', () => {
    fc.assert(
      fc.property(sized, fc.nat(), fc.nat(), (size, one, other) => {
        const [at, elsewhere] = [one % size, other % size];
        const tree = treeOf(many, size);
        const proof = proveInclusion(subtree, at, size);
        expect(isIncluded(hashOf(at), at, tree, proof)).toBe(true);
        expect(isIncluded(hashOf(elsewhere), at, tree, proof)).toBe(elsewhere === at);
        expect(isIncluded(hashOf(at), elsewhere, tree, proof)).toBe(elsewhere === at);
        expect(isIncluded(hashOf(at), at, treeOf(many, size - 1), proof)).toBe(false);
        expect(isIncluded(hashOf(at), at, tree, [...proof, hashOf(0)])).toBe(false);
        expect(isIncluded(hashOf(at), at, tree, proof.slice(1))).toBe(size === 1);
      }),
    );
  });

  test('proves that it begins with each smaller one, and with no other', () => {
    fc.assert(
      fc.property(sized, fc.nat(), (size, one) => {
        const before = one % (size + 1);
        const [older, newer] = [treeOf(many, before), treeOf(many, size)];
        const proof = proveConsistency(subtree, before, size);
        expect(isConsistent(older, newer, proof)).toBe(true);
        expect(isConsistent(older, newer, [...proof, hashOf(0)])).toBe(false);
        if (before === 0) return;
        const forged = [...many];
        forged[before - 1] = leafHash(Uint8Array.of(255, 255));
        expect(isConsistent(treeOf(forged, before), newer, proof)).toBe(false);
        expect(isConsistent(older, treeOf(forged, size), proof)).toBe(false);
        expect(isConsistent(older, newer, proof.slice(0, -1))).toBe(before === size);
      }),
    );
  });

  test('refuses to prove what is not there', () => {
    expect(() => proveInclusion(subtree, 5, 5)).toThrow(RangeError);
    expect(() => proveConsistency(subtree, 6, 5)).toThrow(RangeError);
  });
});
