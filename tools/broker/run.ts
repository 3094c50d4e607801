/**
 * A broker for a developer: `npx tsx tools/broker/run.ts [--data FOLDER] [--management-port PORT] [--way WAY]...`
 *
 * Provides a RabbitMQ in the way that `npm start` does, prints its addresses and keeps it until Ctrl-C, SIGTERM, or the end
 * of stdin when that is a pipe. With --data what it stores is found again at the next start; without, it is deleted at the end.
 * --way restricts how it may be had: container, private-node, install (and then a private node); may be repeated.
 *
 * stdout is for programs, two lines of NAME=value (AMQP_URL, MANAGEMENT_URL); what is being done is told on stderr.
 */

import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BrokerError } from './errors';
import { provideBroker, WAYS, type Way } from './provide';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      'management-port': { type: 'string', default: '15680' },
      way: { type: 'string', multiple: true },
    },
  });
  const log = (line: string) => console.error(line);
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interruption.abort());
  const broker = await provideBroker({
    dataDir: values.data,
    name: 'rlog-dev',
    log,
    env: process.env,
    ports: { management: Number(values['management-port']) },
    signal: interruption.signal,
    ways: values.way?.map(asWay),
    onDied: (how) => {
      log(`the broker died: ${how}`);
      process.exitCode = 1;
      interruption.abort();
    },
  });
  console.log(`AMQP_URL=${broker.amqpUrl}`);
  if (broker.management) {
    const { url, user, password } = broker.management;
    console.log(`MANAGEMENT_URL=${url.replace('://', `://${user}:${password}@`)}`);
  }
  log(`${broker.describe()}; Ctrl-C stops it`);
  if (endsWithStdin()) process.stdin.resume().once('end', () => interruption.abort());
  const keepAlive = setInterval(() => undefined, 60_000);
  if (!interruption.signal.aborted) await once(interruption.signal, 'abort');
  clearInterval(keepAlive);
  log('stopping');
  await broker.stop();
}

function asWay(text: string): Way {
  const way = WAYS.find((known) => known === text);
  if (way === undefined) throw new RangeError(`--way is one of ${WAYS.join(', ')}`);
  return way;
}

/** A pipe's end means that whoever started us has gone; /dev/null or a terminal means nothing of the kind. */
function endsWithStdin(): boolean {
  const stdin = fstatSync(0);
  return stdin.isFIFO() || stdin.isSocket();
}

main().catch((error: unknown) => {
  if (error instanceof Error && error.name === 'AbortError') console.error('interrupted');
  else console.error(error instanceof BrokerError ? error.message : error);
  process.exit(1);
});
