/** Reads a long answer as fast as it comes, and counts its lines without keeping them. */
import { get } from 'node:http';
import type { Target } from './http-connection';

/** What was read, and how fast: lines a second. */
export interface Counted {
  readonly lines: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly perSecond: number;
}

const LINE_FEED = 0x0a;

export function countLines(
  target: Target,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Counted> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const request = get({ ...target, path, headers }, (response) => {
      let [lines, bytes] = [0, 0];
      response.on('data', (data: Buffer) => {
        bytes += data.length;
        for (let at = data.indexOf(LINE_FEED); at >= 0; at = data.indexOf(LINE_FEED, at + 1)) lines += 1;
      });
      response.on('error', reject);
      response.on('end', () => {
        const seconds = (performance.now() - startedAt) / 1000;
        resolve({ lines, bytes, seconds, perSecond: Math.round(lines / seconds) });
      });
    });
    request.on('error', reject);
  });
}
