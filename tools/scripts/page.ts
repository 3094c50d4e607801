/** Generated parts of a page in Markdown. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Replaces what is between two marks of a page. @throws Error when the page does not have both */
export function putBetween(path: string, [begin, end]: readonly [string, string], text: string): void {
  const page = readFileSync(path, 'utf8');
  const [from, to] = [page.indexOf(begin), page.indexOf(end, page.indexOf(begin))];
  if (from < 0 || to < 0) throw new Error(`${path} has no place for a text: ${begin.trim()} … ${end.trim()}`);
  writeFileSync(path, `${page.slice(0, from)}${begin}${text}${page.slice(to)}`);
}
