/** Starts a server of server.ts and measures it: the limits that HTTP sets. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { requestOf, type Target } from '../load/http-connection';
import { closedLoop, ONE_APPEND } from '../load/load';
import { countLines } from '../load/read-stream';
import type { LimitMeasured } from '../row';

export async function bareKoa({ clients, seconds }: { readonly clients: number; readonly seconds: number }) {
  return onServer('koa', async (target): Promise<LimitMeasured> => {
    const request = requestOf('POST', '/messages?w=2', ONE_APPEND);
    const { perSecond, latencyMs } = await closedLoop({ target, request, clients, seconds });
    return { value: perSecond, latencyMs };
  });
}

export function rawStream(entries: number): Promise<LimitMeasured> {
  return onServer('stream', async (target) => {
    const { perSecond } = await countLines(target, `/?entries=${entries}`);
    return { value: perSecond };
  });
}

async function onServer<T>(kind: 'koa' | 'stream', use: (target: Target) => Promise<T>): Promise<T> {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'server.ts'), kind], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    if (child.stdout === null) throw new Error('no stdout');
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    return await use({ host: '127.0.0.1', port: Number(said.toString()) });
  } finally {
    child.kill();
  }
}
