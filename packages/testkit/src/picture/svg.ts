/** Text and attributes of SVG, escaped. */
export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** One element with its content, which is SVG already. */
export function element(name: string, attributes: Attributes, ...content: readonly string[]): string {
  const shown = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) => ` ${key}="${escapeXml(typeof value === 'number' ? round(value) : String(value))}"`,
    );
  const inside = content.join('');
  return inside === '' ? `<${name}${shown.join('')}/>` : `<${name}${shown.join('')}>${inside}</${name}>`;
}

export function text(x: number, y: number, content: string, style: string, anchor = 'middle'): string {
  return element('text', { x, y, class: style, 'text-anchor': anchor }, escapeXml(content));
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
