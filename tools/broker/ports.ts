/**
 * Free TCP ports. They are asked for before anything is started, so that a port in use costs a
 * sentence and not a half-started cluster. Between the question and the use somebody may still take
 * the port; then whoever wanted to listen says so.
 *
 * A port that nobody has asked for is drawn from 20000–29999. Not "listen on 0 and see": that gives
 * a port of the range from which the system serves outgoing connections, and then a client that
 * reconnects while the broker is down can be given the very port it calls, connect to itself (TCP's
 * simultaneous open), and keep the broker from ever coming back.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';
const RANGE = { from: 20_000, to: 30_000 };

/** First ports of the rows that are looked at for an alternative to suggest. */
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

/** Distinct free ports on loopback, one per preference (undefined: any). */
export async function freePorts(preferences: readonly (number | undefined)[]): Promise<number[]> {
  const taken: number[] = [];
  for (const preferred of preferences) {
    let port = preferred ?? randomInt(RANGE.from, RANGE.to);
    while (taken.includes(port) || (await whyNotFree(LOOPBACK, port)) !== null) port = randomInt(RANGE.from, RANGE.to);
    taken.push(port);
  }
  return taken;
}

export async function findRefused(host: string, wanted: readonly WantedPort[]): Promise<readonly RefusedPort[]> {
  const refused: RefusedPort[] = [];
  for (const each of wanted) {
    const code = await whyNotFree(host, each.port);
    if (code !== null) refused.push({ ...each, code });
  }
  return refused;
}

/** null: it is free. */
async function whyNotFree(host: string, port: number): Promise<string | null> {
  const server = createServer().listen({ host, port, exclusive: true });
  try {
    await once(server, 'listening');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
  server.close();
  await once(server, 'close');
  return null;
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
  return [
    refused.length === 1 ? 'A port cannot be had:' : 'Ports cannot be had:',
    ...lines,
    `Stop what listens there, or use other ports: npm start -- --port ${suggestion ?? 'N'}`,
  ].join('\n');
}

function reasonOf(code: string): string {
  if (code === 'EADDRINUSE') return 'is in use';
  if (code === 'EACCES') return 'needs more rights than this process has';
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return 'this is no address of this machine (HTTP_HOST)';
  return code;
}
