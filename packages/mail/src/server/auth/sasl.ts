import type { Reply } from '../reply.ts';

/** Where an exchange stands after a line of the client. */
export type Step =
  /** The server says 334 and `text`, and the next line of the client is `answer`'s. */
  | { readonly kind: 'challenge'; readonly text: string; answer(line: string): Step }
  | { readonly kind: 'login'; readonly user: string; readonly password: string }
  | { readonly kind: 'ended'; readonly reply: Reply };

/** The mechanisms of `beginExchange`: a password as it is, so only over TLS. */
export const mechanisms = ['PLAIN', 'LOGIN'] as const;

/** Longest line of an exchange in octets, with its CRLF (RFC 4954 section 4). */
export const maxExchangeOctets = 12_288;

/**
 * Reads an AUTH command (RFC 4954 section 4): PLAIN (RFC 4616), and LOGIN, which some mail programs know alone. Both
 * take an initial response.
 *
 * Strict: base64 is what an encoder would have written, users and passwords are UTF-8 without control characters, so
 * that nothing in them can become a line of somebody else's protocol.
 */
export function beginExchange(command: string): Step {
  const [, mechanism = '', initial, ...more] = command.split(' ');
  if (more.length > 0) return malformed;
  switch (mechanism.toUpperCase()) {
    case 'PLAIN':
      return first(initial, '', plain);
    case 'LOGIN':
      return first(initial, 'VXNlcm5hbWU6', loginUser);
    default:
      return { kind: 'ended', reply: [504, '5.5.4', 'mechanism not implemented'] };
  }
}

type Reader = (text: string) => Step;

/** `=` is the initial response of no octets. */
function first(initial: string | undefined, text: string, read: Reader): Step {
  if (initial === undefined) return challenge(text, read);
  return response(initial === '=' ? '' : initial, read);
}

function challenge(text: string, read: Reader): Step {
  return {
    kind: 'challenge',
    text,
    answer: (line) =>
      line === '*' ? { kind: 'ended', reply: [501, '5.7.0', 'cancelled'] } : response(line, read),
  };
}

function response(line: string, read: Reader): Step {
  const text = decode(line);
  return text === undefined ? malformed : read(text);
}

/** `authzid NUL authcid NUL passwd`. Nobody acts for another: the first is empty, or the second once more. */
const plain: Reader = (text) => {
  const [authzid, user, password, ...more] = text.split('\0');
  if (user === undefined || password === undefined || more.length > 0) return malformed;
  if (authzid !== '' && authzid !== user) return { kind: 'ended', reply: wrongLogin };
  return login(user, password);
};

const loginUser: Reader = (user) => challenge('UGFzc3dvcmQ6', (password) => login(user, password));

function login(user: string, password: string): Step {
  const usable = user !== '' && password !== '' && !control.test(user) && !control.test(password);
  return usable ? { kind: 'login', user, password } : malformed;
}

function decode(line: string): string | undefined {
  const octets = Buffer.from(line, 'base64');
  if (octets.toString('base64') !== line) return undefined;
  try {
    return utf8.decode(octets);
  } catch {
    return undefined;
  }
}

/** The same whether it was the user or the password. */
export const wrongLogin: Reply = [535, '5.7.8', 'wrong login'];
const malformed: Step = { kind: 'ended', reply: [501, '5.5.2', 'malformed login'] };
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const control = /[\p{Cc}\u2028\u2029]/u;
