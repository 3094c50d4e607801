/**
 * The echo client's process: sends its arguments as one message, prints the answer. It logs to
 * stderr, so that stdout is the answer and nothing else. Exit code 0 for an answer, 69 when the
 * server cannot be reached or refuses.
 */

import { type ProcessHandle, runProcess } from '#process/lifecycle';
import { createLogger } from '#process/logger';
import { readEchoClientSettings } from './config';
import { sendEcho } from './send-echo';

void runProcess(runEchoClient);

async function runEchoClient(handle: ProcessHandle): Promise<null> {
  const settings = readEchoClientSettings();
  const logger = createLogger({ level: settings.logLevel, node: 'echo', role: 'echo-client', to: 'stderr' });
  handle.useLogger(logger);
  const message = process.argv.slice(2).join(' ');
  const answer = await sendEcho({ url: settings.url, message, logger });
  process.stdout.write(`${answer}\n`);
  return null;
}
