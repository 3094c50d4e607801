/**
 * The servers that have nothing behind them, as a process of their own, like the master: what HTTP
 * alone can do on this machine.
 *
 *   koa     a POST with Koa, koa-bodyparser and zod, as the usual solution would take one: no log, no broker
 *   stream  a GET that streams one chunk of entries again and again
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Router from '@koa/router';
import Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import { z } from 'zod';
import { entryRecord } from '#protocol/record';
import { MESSAGE } from '../load/load';

const schema = z.object({ message: z.string(), w: z.int().optional(), id: z.string().optional() });

function koaServer() {
  const app = new Koa();
  const router = new Router();
  let seq = 0;
  router.post('/messages', (ctx) => {
    const { message } = schema.parse(ctx.request.body);
    seq += 1;
    ctx.status = 201;
    ctx.body = { seq, epoch: 1, id: `0123456789abcdef-${seq}`, ts: new Date().toISOString(), message, w: 2 };
  });
  app.use(bodyParser()).use(router.routes());
  return createServer(app.callback() as (request: unknown, response: ServerResponse) => void);
}

/** Entries in a chunk, like one that the master streams. */
const ENTRIES_A_CHUNK = 1_024;

function streamServer() {
  const id = '0123456789abcdef-123456';
  const ts = '2026-01-01T00:00:00.000Z';
  const { bytes } = entryRecord(1, { seq: 123_456, epoch: 1, id, ts, message: MESSAGE });
  const chunk = Buffer.from(`${Buffer.from(bytes).toString()}\n`.repeat(ENTRIES_A_CHUNK));
  return createServer((request, response) => {
    let left = Math.ceil(Number(new URL(request.url ?? '', 'http://x').searchParams.get('entries')) / ENTRIES_A_CHUNK);
    const send = () => {
      for (; left > 0; left -= 1) if (!response.write(chunk)) return void left--;
      response.end();
    };
    response.on('drain', send);
    send();
  });
}

const server = process.argv[2] === 'koa' ? koaServer() : streamServer();
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
