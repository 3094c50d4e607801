/**
 * `npm run force`: an operator's last resort when a majority of the voters is lost for good. Shows what the master waits for, from which log
 * it would begin and what would be given up; asks for the log's name; then tells the master to force until it has.
 *
 *     look until the master has listened ──▶ ask for the name ──▶ POST until 202, or a refusal ──▶ wait until it has begun
 *
 * The question comes after the listening, so that what is shown is what is confirmed.
 */
import { createInterface } from 'node:readline/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const USAGE = `Begins a new list of voters when a majority of the voters is lost for good. What only the lost ones had is given up.

  npm run force -- --url URL [options]

  --url URL        the master's address (http://127.0.0.1:8000)
  --log NAME       the log's name (LOG_NAME), which the master must have; with --yes it stands for typing the name
  --new            begin a new log, where a first start got stuck and nobody who is heard holds one
  --yes            do not ask; needs --log
  --timeout S      seconds until the master must have begun (60)
  --token TOKEN    the master's API_TOKEN (the environment's API_TOKEN)
  --help           this text

Before it asks it changes nothing. Exit codes: 0 the master has begun; 1 refused, not confirmed, not reached or not in time;
2 wrong use.`;

const OPTIONS = {
  url: { type: 'string', default: 'http://127.0.0.1:8000' },
  log: { type: 'string' },
  new: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  timeout: { type: 'string', default: '60' },
  token: { type: 'string', default: process.env.API_TOKEN ?? '' },
  help: { type: 'boolean', short: 'h', default: false },
};

const ASK_EVERY_MS = 500;
const ANSWER_MS_MAX = 5_000;

/** The force did not come about: the message is for the operator. */
class NotForced extends Error {}

function optionsIn(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) return values;
  const faults = [];
  if (!URL.canParse(values.url) || !/^https?:$/.test(new URL(values.url).protocol))
    faults.push(`--url: ${values.url} is no http address`);
  if (!/^[0-9]{1,6}$/.test(values.timeout) || Number(values.timeout) === 0)
    faults.push(`--timeout: ${values.timeout} is no number of seconds`);
  if (values.yes && values.log === undefined) faults.push('--yes needs --log, the name of the log that is meant');
  if (faults.length > 0) throw new TypeError(faults.join('\n'));
  return { ...values, timeoutMs: 1_000 * Number(values.timeout) };
}

class Master {
  constructor({ url, token }) {
    this.url = url;
    this.headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
  }

  async ask(path, init = {}) {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    let response;
    try {
      response = await fetch(new URL(path, this.url), { headers: this.headers, signal, ...init });
      return { status: response.status, body: await response.json() };
    } catch (error) {
      const why = response === undefined ? (error.cause?.message ?? error.message) : `${response.status}, not JSON`;
      throw new NotForced(`${this.url} cannot be asked: ${why}`);
    }
  }

  async get(path) {
    const { status, body } = await this.ask(path);
    if (status !== 200) throw new NotForced(`GET ${path} is answered ${status}: ${body.detail ?? body.title}`);
    return body;
  }

  health() {
    return this.get('/health');
  }

  force(log) {
    return this.ask('/members/force', { method: 'POST', body: JSON.stringify({ log }) });
  }
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

/** Says each sentence when it changes. */
function teller() {
  let last = '';
  return (text) => {
    if (text !== last) say(`  ${text}`);
    last = text;
  };
}

function showSituation(health, log) {
  const { node, status, waitingFor, branch, voters, secondaries = [], head } = health;
  say(`${node} is ${status}${waitingFor === undefined ? '' : `, waiting for ${waitingFor}`}`);
  const width = Math.max(...['voters', node, ...secondaries.map(({ id }) => id)].map(({ length }) => length));
  const row = (name, text) => say(`  ${name.padEnd(width)}  ${text}`);
  row('log', `${log}, id ${health.log ?? 'none yet'}${branch === undefined ? '' : ` (branch ${branch})`}`);
  if (voters?.names.length > 0) row('voters', voters.names.join(', '));
  row(node, head === 0 ? 'holds no entry' : `holds entries 1 to ${head}`);
  for (const { id, status: state } of secondaries) row(id, state);
}

/** What a force would come to, once the master has listened long enough to know. @throws NotForced */
async function planOf(master, { isNew, log, deadline }) {
  const tell = teller();
  for (;;) {
    const body = await master.get('/members/force');
    if (log !== undefined && body.log !== log)
      throw new NotForced(`--log says ${log}, and the log of ${master.url} is ${body.log}. Nothing was forced.`);
    const plan = isNew ? body.new : body;
    if (plan.state === 'refused') throw new NotForced(`Refused (${plan.problem}): ${plan.detail}`);
    tell(plan.detail);
    if (plan.state !== 'listening') return { name: body.log, plan };
    if (Date.now() > deadline) throw new NotForced('The master has not listened long enough in that time.');
    await delay(ASK_EVERY_MS);
  }
}

async function isConfirmed(name) {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  const ended = new Promise((resolve) => lines.once('close', () => resolve('')));
  const typed = await Promise.race([lines.question(`Type the name of the log, ${name}, to force it: `), ended]);
  lines.close();
  return typed.trim() === name;
}

/** Asks again while the master still listens or fetches. @throws NotForced */
async function forced(master, { log, deadline }) {
  const tell = teller();
  for (;;) {
    const { status, body } = await master.force(log);
    if (status === 202) return body;
    const detail = body.detail ?? body.title;
    if (status !== 409 || body.type !== '/problems/not-yet') throw new NotForced(`Refused (${status}): ${detail}`);
    tell(detail);
    if (Date.now() > deadline) throw new NotForced('The master was not ready in that time. Nothing was forced.');
    await delay(ASK_EVERY_MS);
  }
}

/** Until the master reigns in the epoch that it was told to begin. @throws NotForced */
async function begun(master, { before, deadline }) {
  for (;;) {
    const health = await master.health();
    const isNewer = health.epoch > before.epoch || health.forcedEpoch !== before.forcedEpoch;
    if (isNewer && ['ok', 'degraded', 'read-only'].includes(health.status)) return health;
    if (Date.now() > deadline)
      throw new NotForced('The master was told, and has not begun yet: its /health says what it waits for.');
    await delay(ASK_EVERY_MS);
  }
}

async function main(options) {
  const { log, yes, timeoutMs, new: isNew } = options;
  const master = new Master(options);
  const before = await master.health();
  const first = await master.get('/members/force');
  showSituation(before, first.log);
  const { name } = await planOf(master, { isNew, log, deadline: Date.now() + timeoutMs });
  if (!yes && !(await isConfirmed(name))) throw new NotForced('Not confirmed. Nothing was forced.');
  const deadline = Date.now() + timeoutMs;
  const { from, lastSeq } = await forced(master, { log: isNew ? 'new' : name, deadline });
  const health = await begun(master, { before, deadline });
  const id = health.branch ?? health.log;
  if (isNew) say(`A new log has begun in epoch ${health.epoch}: ${id}.`);
  else say(`The log goes on in epoch ${health.epoch} with entries 1 to ${lastSeq} of ${from}; its branch is ${id}.`);
  say(`${health.node} is ${health.status}.`);
}

let options;
try {
  options = optionsIn(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error.message}\n\n${USAGE}\n`);
  process.exit(2);
}
if (options.help) {
  say(USAGE);
} else {
  try {
    await main(options);
  } catch (error) {
    if (!(error instanceof NotForced)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
