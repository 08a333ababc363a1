/** What Redis says of itself, by name. */
export type Fields = Readonly<Record<string, string>>;

/** The answer to INFO. */
export function parseInfo(text: string): Fields {
  const pairs = text.split('\r\n').map((line) => /^(\w+):(.*)$/.exec(line));
  return Object.fromEntries(pairs.flatMap((found) => (found === null ? [] : [[found[1], found[2]]])));
}
