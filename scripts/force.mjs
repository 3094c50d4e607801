/**
 * `npm run force -- --url http://localhost:8000 --log rlog`: the last resort when a majority of the voters is lost for good. Shows what the master
 * waits for, then tells it to begin a new list from the best log it has heard. Whatever only the lost nodes had is gone.
 *
 * Exit codes: 0 the master reigns again; 1 it refused, or did not come up in time; 64 wrong use.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const USAGE = `usage: npm run force -- --url URL --log NAME [--token TOKEN]

  --url URL      the master's address, as in http://localhost:8000
  --log NAME     the log's name (LOG_NAME), to show that you mean it
  --token TOKEN  its API_TOKEN, if it has one`;

/** An election over a whole log to be fetched; the master says itself what it waits for meanwhile. */
const REIGN_MS_MAX = 60_000;

function optionsOrExit() {
  try {
    const { values } = parseArgs({
      options: { url: { type: 'string' }, log: { type: 'string' }, token: { type: 'string' } },
    });
    if (values.url && values.log) return values;
    console.error(USAGE);
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
  }
  process.exit(64);
}

const { url, log, token } = optionsOrExit();
const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) };

async function ask(path, init = {}) {
  const response = await fetch(new URL(path, url), { headers, ...init });
  return { status: response.status, body: await response.json() };
}

async function force() {
  const before = await ask('/health');
  console.log(
    `the master is ${before.body.status}${before.body.waitingFor ? `, waiting for ${before.body.waitingFor}` : ''}`,
  );
  const answer = await ask('/members/force', { method: 'POST', body: JSON.stringify({ log }) });
  if (answer.status !== 202) {
    console.error(`refused: ${answer.body.detail ?? answer.body.title}`);
    return 1;
  }
  for (const deadline = Date.now() + REIGN_MS_MAX; Date.now() < deadline; await delay(200)) {
    const { body } = await ask('/health');
    if (body.forcedEpoch === undefined) continue;
    console.log(`a new list began in epoch ${body.forcedEpoch}; the log's head is ${body.head}`);
    return 0;
  }
  console.error('the master was told, and has not begun a reign yet: its /health says what it waits for');
  return 1;
}

try {
  process.exitCode = await force();
} catch (error) {
  console.error(`${url} cannot be asked: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
