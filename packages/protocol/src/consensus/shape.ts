import { decodeBase64 } from '../codec/base64.ts';
import { ProtocolError } from '../errors.ts';

/** Checks a value and returns it typed, rebuilt from known members alone. Throws `ProtocolError` `wrong-document`. */
export type Shape<T> = (value: unknown, at: string) => T;

export function refuse(at: string, what: string): never {
  throw new ProtocolError('wrong-document', `${at === '' ? 'the document' : at} ${what}`);
}

/** An object with these members, each present, and no others. */
export function object<T extends object>(members: { readonly [K in keyof T]-?: Shape<T[K]> }): Shape<T> {
  const names = Object.keys(members) as (keyof T & string)[];
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(at, 'is no object');
    const given = Object.keys(value);
    for (const name of given) {
      if (!Object.hasOwn(members, name)) refuse(at, `has a member that is not defined`);
    }
    for (const name of names) {
      if (!Object.hasOwn(value, name)) refuse(at, `lacks the member ${name}`);
    }
    const entries = names.map((name) => [
      name,
      members[name]((value as T)[name], at === '' ? name : `${at}.${name}`),
    ]);
    return Object.fromEntries(entries) as T;
  };
}

/** A list whose items strictly ascend by `compare`, so that a set has one encoding. */
export function ascending<T>(item: Shape<T>, most: number, compare: (a: T, b: T) => number): Shape<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) refuse(at, 'is no list');
    if (value.length > most) refuse(at, `has more than ${most} items`);
    const items = value.map((one, index) => item(one, `${at}[${index}]`));
    items.forEach((one, index) => {
      const before = items[index - 1];
      if (before !== undefined && compare(before, one) >= 0) refuse(`${at}[${index}]`, 'is out of order');
    });
    return items;
  };
}

/** A list of at least one item in an order that means something, none of them twice. */
export function distinct(item: Shape<string>, most: number): Shape<string[]> {
  return (value, at) => {
    if (!Array.isArray(value) || value.length === 0) refuse(at, 'is no list with an item');
    if (value.length > most) refuse(at, `has more than ${most} items`);
    const items = value.map((one, index) => item(one, `${at}[${index}]`));
    if (new Set(items).size !== items.length) refuse(at, 'has an item twice');
    return items;
  };
}

export function integer(least: number, most: number): Shape<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) refuse(at, 'is no integer');
    if (value < least || value > most) refuse(at, `is not between ${least} and ${most}`);
    return value;
  };
}

export function oneOf<T extends string | number>(...allowed: readonly T[]): Shape<T> {
  return (value, at) => {
    const found = allowed.find((one) => one === value);
    return found ?? refuse(at, `is none of ${allowed.join(', ')}`);
  };
}

export function text(holds: (value: string) => boolean, what: string): Shape<string> {
  return (value, at) => {
    if (typeof value !== 'string' || !holds(value)) refuse(at, `is no ${what}`);
    return value;
  };
}

/** Strict base64 of exactly `length` bytes. */
export function base64Of(length: number): Shape<string> {
  return text((value) => decodeBase64(value)?.length === length, `base64 of ${length} bytes`);
}

/** Lower-case hex of a SHA-256. */
export const hexDigest: Shape<string> = text((value) => /^[0-9a-f]{64}$/.test(value), 'hex SHA-256');

/** '' or what `shape` takes. */
export function orEmpty(shape: Shape<string>): Shape<string> {
  return (value, at) => (value === '' ? '' : shape(value, at));
}

/** Code unit order: the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
