/**
 * An http or https URL without the slash at its end; undefined for anything else, and for one that holds what would identify the reader or get
 * lost.
 */
export function baseOf(text: string): string | undefined {
  const url = URL.parse(text);
  const plain =
    url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!plain || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  return url.href.replace(/\/+$/, '');
}
