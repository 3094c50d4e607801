/**
 * Whether the nodes will be able to listen, asked before anything is started, so that a port in use
 * costs a sentence and not a half-started cluster. Between the question and the node's own attempt
 * somebody may still take the port; then the node says so.
 */
import { whyNotFree } from '#tools/broker/ports';

/** Runs of ports that are looked at for an alternative to suggest. */
const SUGGESTIONS_MAX = 50;

export interface WantedPort {
  /** Who wants it. */
  readonly name: string;
  readonly port: number;
}

export interface RefusedPort extends WantedPort {
  /** The system's word: EADDRINUSE, EACCES … */
  readonly code: string;
}

export async function findRefused(host: string, wanted: readonly WantedPort[]): Promise<readonly RefusedPort[]> {
  const refused: RefusedPort[] = [];
  for (const each of wanted) {
    const code = await whyNotFree(host, each.port);
    if (code !== null) refused.push({ ...each, code });
  }
  return refused;
}

/** The first of `count` free ports in a row, at or above `from`; null when none is found nearby. */
export async function suggestPort(host: string, from: number, count: number): Promise<number | null> {
  for (let first = from; first < from + SUGGESTIONS_MAX * 10 && first + count <= 65_536; first += 10) {
    const row = Array.from({ length: count }, (_, index) => ({ name: '', port: first + index }));
    if ((await findRefused(host, row)).length === 0) return first;
  }
  return null;
}

/** What is wrong and what to do about it. */
export function explainRefused(refused: readonly RefusedPort[], host: string, suggestion: number | null): string {
  const lines = refused.map(({ name, port, code }) => `  port ${port} on ${host}, for ${name}: ${reasonOf(code)}`);
  const other = suggestion === null ? 'npm start -- --port N' : `npm start -- --port ${suggestion}`;
  return [
    refused.length === 1 ? 'A port cannot be had:' : 'Ports cannot be had:',
    ...lines,
    `Stop what listens there, or use other ports: ${other}`,
  ].join('\n');
}

function reasonOf(code: string): string {
  if (code === 'EADDRINUSE') return 'is in use';
  if (code === 'EACCES') return 'needs more rights than this process has';
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return 'this is no address of this machine (HTTP_HOST)';
  return code;
}
