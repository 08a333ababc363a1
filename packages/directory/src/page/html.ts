/** HTML that may be sent as it stands. Only `html` makes it. */
class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

export type Html = Markup;

/** What may stand in a template: texts are escaped, HTML is not, lists are joined. */
export type Piece = string | number | Html | readonly Html[];

/** HTML from a template whose literal parts are written here. Attributes are written with quotes, and an address that comes from elsewhere is no attribute. */
export function html(literals: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return new Markup(
    literals.reduce((text, literal, at) => `${text}${write(pieces[at - 1] ?? '')}${literal}`),
  );
}

function write(piece: Piece): string {
  if (piece instanceof Markup) return piece.toString();
  if (Array.isArray(piece)) return piece.map(write).join('');
  return String(piece).replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}
