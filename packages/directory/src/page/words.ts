import { type Html, html } from './html.ts';

/** A number of things. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** To the minute, or the second where it does not fall on one. */
export function time(seconds: number): Html {
  const iso = new Date(seconds * 1_000).toISOString();
  const shown = iso.slice(0, seconds % 60 === 0 ? 16 : 19).replace('T', ' ');
  return html`<time datetime="${iso.replace('.000Z', 'Z')}">${shown} UTC</time>`;
}
