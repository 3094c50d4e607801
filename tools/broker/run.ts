/**
 * A broker for a developer: provides a RabbitMQ in the way that `npm start` does, prints its
 * addresses and keeps it until Ctrl-C, SIGTERM, or the end of stdin when that is a pipe.
 *
 * stdout is for programs, two lines of NAME=value (AMQP_URL, MANAGEMENT_URL); what is being done is
 * told on stderr.
 */

import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { defineProgram, option, type ValuesOf } from '#process/cli/program';
import { runProgram, terminate } from '#process/cli/run-program';
import { textField, wholeNumberField, wordsField } from '#process/setting-fields';
import { BrokerError } from './errors';
import { provideBroker, WAYS } from './provide';

const PROGRAM = defineProgram({
  does: 'Provides a RabbitMQ, prints its addresses and keeps it until Ctrl-C.',
  synopsis: ['npx tsx tools/broker/run.ts [options]'],
  options: {
    '--data': option('DIR', 'what it stores is kept here (deleted at the end)', textField(null)),
    '--management-port': option(
      'PORT',
      'of its web page (15680)',
      wholeNumberField({ min: 1, max: 65_535, fallback: 15_680 }),
    ),
    '--way': option('WAY', `one of ${WAYS.join(', ')}; may be given several times (any)`, wordsField(WAYS), {
      isList: true,
    }),
  },
});

async function main(values: ValuesOf<typeof PROGRAM>): Promise<number> {
  let exitCode = 0;
  const log = (line: string) => console.error(line);
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interruption.abort());
  const broker = await provideBroker({
    dataDir: values['--data'] ?? undefined,
    name: 'rlog-dev',
    log,
    env: process.env,
    ports: { management: values['--management-port'] },
    signal: interruption.signal,
    ways: values['--way'].length === 0 ? undefined : values['--way'],
    onDied: (how) => {
      log(`the broker died: ${how}`);
      exitCode = 1;
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
  return exitCode;
}

/**
 * A pipe's end means that whoever started us has gone; /dev/null or a terminal means nothing of the
 * kind.
 */
function endsWithStdin(): boolean {
  const stdin = fstatSync(0);
  return stdin.isFIFO() || stdin.isSocket();
}

void runProgram(
  PROGRAM,
  ({ values }) =>
    main(values).catch((error: unknown) => {
      if (error instanceof Error && error.name === 'AbortError') console.error('interrupted');
      else console.error(error instanceof BrokerError ? error.message : error);
      return 1;
    }),
  { onReaderGone: terminate },
).then(() => process.exit());
