/**
 * Free TCP ports, looked for before anything is started. Another process may still take a port
 * before it is used; then the one that wanted to listen says so.
 *
 * Ports are drawn from 20000–29999. Listening on 0 would give one of the range for outgoing
 * connections: a client that reconnects while the broker is down could get the very port it calls,
 * connect to itself (TCP's simultaneous open), and keep the broker from ever coming back.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';
const RANGE = { from: 20_000, to: 30_000 };
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EACCES: 'needs more rights than this process has',
  EADDRNOTAVAIL: 'this is no address of this machine (HTTP_HOST)',
  ENOTFOUND: 'this is no address of this machine (HTTP_HOST)',
};

/** Distinct free ports on loopback, one per preference (undefined: any). */
export async function freePorts(preferences: readonly (number | undefined)[]): Promise<number[]> {
  const draw = () => randomInt(RANGE.from, RANGE.to);
  const taken: number[] = [];
  for (const preferred of preferences) {
    let port = preferred ?? draw();
    while (taken.includes(port) || (await whyNotFree(LOOPBACK, port)) !== null) port = draw();
    taken.push(port);
  }
  return taken;
}

/** Each of the ports that cannot be had, for whom, and why; empty: all are free. */
export async function findRefused(host: string, wanted: readonly { name: string; port: number }[]): Promise<string[]> {
  const refused: string[] = [];
  for (const { name, port } of wanted) {
    const code = await whyNotFree(host, port);
    if (code !== null) refused.push(`  port ${port} on ${host}, for ${name}: ${REASONS[code] ?? code}`);
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
