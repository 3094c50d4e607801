/**
 * `npm run force`: an operator's last resort when a majority of the voters is lost for good. Shows
 * what the master waits for, from which log it would begin and what would be given up; asks for the
 * log's name; then tells the master to force until it has.
 *
 *     look until the master has listened ──▶ ask for the name ──▶ POST until 202, or a refusal ──▶ wait until it has begun
 *
 * The question comes after the listening, so that what is shown is what is confirmed.
 */
import { createInterface } from 'node:readline/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { defineProgram, flag, option, type ValuesOf } from '#process/cli/program';
import { runProgram } from '#process/cli/run-program';
import { textField, tokenField, webUrlField, wholeNumberField } from '#process/setting-fields';

const URL_DEFAULT = 'http://127.0.0.1:8000';
const TIMEOUT_S_MAX = 999_999;

const PROGRAM = defineProgram({
  does: 'Begins a new configuration when a majority of the voters is lost for good. Entries that only they held are lost.',
  synopsis: ['npm run force -- --url URL [options]'],
  options: {
    '--url': option('URL', `the master's address (${URL_DEFAULT})`, webUrlField()),
    '--log': option(
      'NAME',
      "the log's name (LOG_NAME), which the master must have; with --yes it stands for typing the name",
      textField(null),
    ),
    '--new': flag('begin a new log, where a first start got stuck and nobody who is heard holds one'),
    '--yes': flag('do not ask; needs --log'),
    '--timeout': option(
      'S',
      'seconds until the master must have begun (60)',
      wholeNumberField({ min: 1, max: TIMEOUT_S_MAX, fallback: 60 }),
    ),
    '--token': option('TOKEN', "the master's API_TOKEN (the environment's API_TOKEN)", tokenField(), {
      variable: 'API_TOKEN',
    }),
  },
  relations: [
    {
      variable: '--yes',
      needs: ['--log'],
      fault: (values) =>
        values['--yes'] && values['--log'] === null ? 'needs --log, the name of the log that is meant' : null,
    },
  ],
  notes: `Before it asks it changes nothing. Exit codes: 0 the master has begun; 1 refused, not confirmed, not reached or not in time;
2 wrong use.`,
});

const ASK_EVERY_MS = 500;
const ANSWER_MS_MAX = 5_000;

/** The force did not come about: the message is for the operator. */
class NotForced extends Error {}

interface Problem {
  readonly type?: string;
  readonly title?: string;
  readonly detail?: string;
}

interface Health {
  readonly node: string;
  readonly status: string;
  readonly waitingFor?: string;
  readonly branch?: string;
  readonly log?: string;
  readonly voters?: { readonly names: readonly string[] };
  readonly secondaries?: readonly { readonly id: string; readonly status: string }[];
  readonly head: number;
  readonly epoch: number;
  readonly forcedEpoch?: number;
}

/** What a force would come to. */
interface Plan {
  readonly state: 'refused' | 'listening' | 'ready';
  readonly detail: string;
  readonly problem?: string;
}

interface Plans extends Plan {
  readonly log: string;
  readonly new: Plan;
}

interface Forced {
  readonly from: string;
  readonly lastSeq: number;
}

class Master {
  private readonly headers: Record<string, string>;

  constructor(
    readonly url: string,
    token: string | null,
  ) {
    this.headers = {
      'Content-Type': 'application/json',
      ...(token !== null && { Authorization: `Bearer ${token}` }),
    };
  }

  health(): Promise<Health> {
    return this.get('/health');
  }

  plans(): Promise<Plans> {
    return this.get('/members/force');
  }

  force(log: string) {
    return this.ask<Forced & Problem>('/members/force', { method: 'POST', body: JSON.stringify({ log }) });
  }

  private async get<Body>(path: string): Promise<Body> {
    const { status, body } = await this.ask<Body & Problem>(path);
    if (status !== 200) throw new NotForced(`GET ${path} is answered ${status}: ${body.detail ?? body.title}`);
    return body;
  }

  private async ask<Body>(path: string, init: RequestInit = {}): Promise<{ status: number; body: Body }> {
    let response: Response | undefined;
    try {
      const signal = AbortSignal.timeout(ANSWER_MS_MAX);
      response = await fetch(new URL(path, this.url), { headers: this.headers, signal, ...init });
      return { status: response.status, body: (await response.json()) as Body };
    } catch (error) {
      throw new NotForced(
        `${this.url} cannot be asked: ${response === undefined ? reasonOf(error) : `${response.status}, not JSON`}`,
      );
    }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** Asks again until there is a result. @throws NotForced saying `late` when there is none in time */
async function poll<Result>(deadline: number, late: string, ask: () => Promise<Result | null>): Promise<Result> {
  for (;;) {
    const result = await ask();
    if (result !== null) return result;
    if (Date.now() > deadline) throw new NotForced(late);
    await delay(ASK_EVERY_MS);
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Says each sentence when it changes. */
function teller(): (text: string) => void {
  let last = '';
  return (text) => {
    if (text !== last) say(`  ${text}`);
    last = text;
  };
}

function showSituation(health: Health, log: string): void {
  const { node, status, waitingFor, branch, voters, secondaries = [], head } = health;
  say(`${node} is ${status}${waitingFor === undefined ? '' : `, waiting for ${waitingFor}`}`);
  const width = Math.max(...['voters', node, ...secondaries.map(({ id }) => id)].map(({ length }) => length));
  const row = (name: string, text: string) => say(`  ${name.padEnd(width)}  ${text}`);
  row('log', `${log}, id ${health.log ?? 'none yet'}${branch === undefined ? '' : ` (branch ${branch})`}`);
  if (voters !== undefined && voters.names.length > 0) row('voters', voters.names.join(', '));
  row(node, head === 0 ? 'holds no entry' : `holds entries 1 to ${head}`);
  for (const { id, status: state } of secondaries) row(id, state);
}

/**
 * Tells what a force would come to, once the master has listened long enough to know. Returns the
 * log's name. @throws NotForced
 */
function awaitPlan(master: Master, deadline: number, { isNew, log }: { isNew: boolean; log: string | null }) {
  const tell = teller();
  return poll(deadline, 'The master has not listened long enough in that time.', async () => {
    const body = await master.plans();
    if (log !== null && body.log !== log)
      throw new NotForced(`--log says ${log}, and the log of ${master.url} is ${body.log}. Nothing was forced.`);
    const plan = isNew ? body.new : body;
    if (plan.state === 'refused') throw new NotForced(`Refused (${plan.problem}): ${plan.detail}`);
    tell(plan.detail);
    return plan.state === 'listening' ? null : body.log;
  });
}

async function isConfirmed(name: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  const typed = await Promise.race([lines.question(`Type the name of the log, ${name}, to force it: `), ended]);
  lines.close();
  return typed.trim() === name;
}

/** Asks again while the master still listens or fetches. @throws NotForced */
function forced(master: Master, deadline: number, log: string): Promise<Forced> {
  const tell = teller();
  return poll(deadline, 'The master was not ready in that time. Nothing was forced.', async () => {
    const { status, body } = await master.force(log);
    if (status === 202) return body;
    const detail = body.detail ?? body.title ?? 'no reason given';
    if (status !== 409 || body.type !== '/problems/not-yet') throw new NotForced(`Refused (${status}): ${detail}`);
    tell(detail);
    return null;
  });
}

/** Until the master reigns in the epoch that it was told to begin. @throws NotForced */
function begun(master: Master, deadline: number, before: Health): Promise<Health> {
  const late = 'The master was told, and has not begun yet: its /health says what it waits for.';
  return poll(deadline, late, async () => {
    const health = await master.health();
    const isNewer = health.epoch > before.epoch || health.forcedEpoch !== before.forcedEpoch;
    return isNewer && ['ok', 'degraded', 'read-only'].includes(health.status) ? health : null;
  });
}

async function main(values: ValuesOf<typeof PROGRAM>): Promise<void> {
  const { '--log': log, '--new': isNew } = values;
  const timeoutMs = 1_000 * values['--timeout'];
  const master = new Master(values['--url'] ?? URL_DEFAULT, values['--token']);
  const before = await master.health();
  showSituation(before, (await master.plans()).log);
  const name = await awaitPlan(master, Date.now() + timeoutMs, { isNew, log });
  if (!values['--yes'] && !(await isConfirmed(name))) throw new NotForced('Not confirmed. Nothing was forced.');
  const deadline = Date.now() + timeoutMs;
  const { from, lastSeq } = await forced(master, deadline, isNew ? 'new' : name);
  const health = await begun(master, deadline, before);
  const id = health.branch ?? health.log;
  if (isNew) say(`A new log has begun in epoch ${health.epoch}: ${id}.`);
  else say(`The log goes on in epoch ${health.epoch} with entries 1 to ${lastSeq} of ${from}; its branch is ${id}.`);
  say(`${health.node} is ${health.status}.`);
}

void runProgram(PROGRAM, async ({ values }) => {
  try {
    await main(values);
    return 0;
  } catch (error) {
    if (!(error instanceof NotForced)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
});
