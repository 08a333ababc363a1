/**
 * Text of others for a terminal: what a terminal acts on (C0, DEL, C1) and what turns the order of letters around is shown as its code
 * point instead. Line ends and tabs stay where `lines` asks for it; everywhere else they would let a name forge a line of its own.
 */
export function visible(text: string, { lines = false }: { lines?: boolean } = {}): string {
  return text.replace(unseen, (found) => (lines && /^(\r?\n|\t)$/.test(found) ? found : escaped(found)));
}

// Cc, and the bidirectional controls of UAX #9.
const unseen = /\r\n|[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/gu;

function escaped(characters: string): string {
  return Array.from(characters, (each) => `\\u{${(each.codePointAt(0) ?? 0).toString(16)}}`).join('');
}

/** JSON for a terminal: it escapes C0 itself, and here DEL and C1 too. The value is the same. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}
