/**
 * A folder of another log with the same name: a master and a secondary on a vhost of their own, run
 * for a few appends and stopped in order. The log of a run that is kept is not told from it by its
 * name, nor are its nodes by theirs.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from '#protocol/entry';
import { eventually } from '#tests/support/eventually';
import { ask } from '#tests/support/http/ask';
import { RealProcess } from '#tests/support/real/process';
import type { OwnBroker } from '#tools/broker/own-broker';

const VHOST = 'elsewhere';
const ENTRIES = 25;
const APPEND_MS = 60_000;

export interface ForeignFolder {
  readonly folder: string;
  /** Id of its log. */
  readonly log: string;
  readonly entries: readonly Entry[];
}

interface ForeignLogOptions {
  readonly broker: OwnBroker;
  readonly logName: string;
  readonly dir: string;
}

export async function makeForeignFolder({ broker, logName, dir }: ForeignLogOptions): Promise<ForeignFolder> {
  const folder = join(dir, 'secondary');
  mkdirSync(dir, { recursive: true });
  await askManagement(broker, 'PUT', `vhosts/${VHOST}`);
  const { username } = new URL(broker.management);
  const everything = { configure: '.*', write: '.*', read: '.*' };
  await askManagement(broker, 'PUT', `permissions/${VHOST}/${username}`, everything);
  const shared = { HTTP_PORT: '0', LOG_NAME: logName, AMQP_URL: `${broker.amqpUrl}/${VHOST}` };
  const master = RealProcess.start({
    name: 'master elsewhere',
    script: 'services/master/main.js',
    env: { ...shared, NODE_ID: 'master', SECONDARIES: 'secondary-1', DATA_DIR: join(dir, 'master') },
  });
  const secondary = RealProcess.start({
    name: 'secondary elsewhere',
    script: 'services/secondary/main.js',
    env: { ...shared, NODE_ID: 'secondary-1', DATA_DIR: folder },
  });
  try {
    const url = await urlOf(master);
    for (let at = 1; at <= ENTRIES; at += 1) await append(url, `elsewhere ${at}`);
    const log = String((await ask(url, { path: '/health' })).json().log);
    const { text } = await ask(await urlOf(secondary), { path: '/messages' });
    return { folder, log, entries: JSON.parse(text) as Entry[] };
  } finally {
    await Promise.all([secondary.end('SIGTERM'), master.end('SIGTERM')]);
    await askManagement(broker, 'DELETE', `vhosts/${VHOST}`);
  }
}

/** What a folder's records are, byte by byte: name and content of each of its segments. */
export function segmentsIn(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder).filter((name) => name.endsWith('.log'));
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name)).toString('latin1')]));
}

async function urlOf(process: RealProcess): Promise<string> {
  return String((await process.line('that it listens', ({ msg }) => msg === 'listening')).url);
}

/** Again and again, until the log has begun. */
async function append(url: string, message: string): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify({ message, id: message, w: 2 });
  const look = async () => {
    const { status, text } = await ask(url, { method: 'POST', path: '/messages', headers, body });
    if (status !== 200 && status !== 201) throw new Error(`${status} ${text}`);
  };
  await eventually('an append to the other log is taken', look, { withinMs: APPEND_MS });
}

/** Again and again: the management API is served some seconds later than AMQP. */
async function askManagement(
  { management }: OwnBroker,
  method: string,
  path: string,
  content: unknown = {},
): Promise<void> {
  const { origin, username, password } = new URL(management);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const headers = { authorization, 'Content-Type': 'application/json' };
  const body = JSON.stringify(content);
  const look = async () => {
    const { status, text } = await ask(origin, { method, path: `/api/${path}`, headers, body });
    if (status >= 300) throw new Error(`${status} ${text}`);
  };
  await eventually(`${method} ${path} is answered`, look, { withinMs: APPEND_MS });
}
