/**
 * Free TCP ports on loopback. A preferred port is taken when it is free, so that an address stays
 * the same from start to start; otherwise one is drawn from 20000–29999. Not "listen on 0 and see":
 * that gives a port of the range from which the system serves outgoing connections, and then a
 * client that reconnects while the broker is down can be given the very port it calls, connect to
 * itself (TCP's simultaneous open), and keep the broker from ever coming back.
 */

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const RANGE = { from: 20_000, to: 30_000 };

/** A hundred misses in ten thousand ports means that something else is wrong. */
const MAX_DRAWS = 100;

/** Distinct free ports, one per preference (undefined: any). */
export async function freePorts(preferences: readonly (number | undefined)[]): Promise<number[]> {
  const taken: number[] = [];
  for (const preferred of preferences) taken.push(await freePort(preferred, taken));
  return taken;
}

async function freePort(preferred: number | undefined, taken: readonly number[]): Promise<number> {
  if (preferred !== undefined && !taken.includes(preferred) && (await isFree(preferred))) return preferred;
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const port = randomInt(RANGE.from, RANGE.to);
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
  throw new Error(`no free port found between ${RANGE.from} and ${RANGE.to} in ${MAX_DRAWS} draws`);
}

async function isFree(port: number): Promise<boolean> {
  return (await whyNotFree('127.0.0.1', port)) === null;
}

/** null: it is free. Else the system's word: EADDRINUSE, EACCES … */
export async function whyNotFree(host: string, port: number): Promise<string | null> {
  const server = createServer();
  const outcome = new Promise<string | null>((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.once('listening', () => resolve(null));
  });
  server.listen({ host, port, exclusive: true });
  const code = await outcome;
  if (code !== null) return code;
  server.close();
  await once(server, 'close');
  return null;
}
