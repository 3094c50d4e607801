/**
 * What a reader of a page would do at a terminal, and what the terminal shows: commands in a shell,
 * run to their end or in the background. Waits are on conditions, with bounds.
 *
 * Nothing is written by hand; what differs from run to run (pids, times, ids) is what this run had.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { signalProcess } from '../signal-process';

const STEP_MS_MAX = 120_000;
const LOOK_MS = 50;

/** Where commands run, and how what they print is shown. */
export interface Place {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** A command as the page shows it → as it is run; left out: unchanged. */
  readonly real?: (command: string) => string;
  /** What was printed → as the page shows it. */
  readonly shown: (text: string) => string;
}

const interruption = new AbortController();
const running = new Set<Running>();

/** Ends every command. What is typed or waited for from now on rejects; `run` goes on, to clean up. */
export function interrupt(): void {
  interruption.abort('interrupted');
  for (const each of running) void each.stop();
}

/** A command that runs in a process group of its own. Its output is echoed to stderr. */
export class Running {
  /** stdout and stderr so far, as a terminal has them. */
  text = '';
  hasEnded = false;
  private readonly child: ChildProcess;
  private readonly closed: Promise<void>;

  constructor(
    private readonly place: Place,
    command: string,
    input = '',
  ) {
    const { cwd, env, real = String } = place;
    this.child = spawn('bash', ['-c', real(command)], {
      cwd,
      env,
      stdio: [input === '' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    process.stderr.write(`$ ${command}\n`);
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.text += chunk;
        process.stderr.write(chunk);
      });
    this.child.stdin?.end(input);
    running.add(this);
    this.closed = once(this.child, 'close').then(() => {
      this.hasEnded = true;
      running.delete(this);
    });
  }

  /** Resolves with all that it printed, as the page shows it. */
  async ended(): Promise<string> {
    await this.closed;
    return this.place.shown(this.text);
  }

  /** As Ctrl-C would. Resolves with what it printed from then on. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<string> {
    const before = this.text.length;
    if (!this.hasEnded && this.child.pid !== undefined) signalProcess(-this.child.pid, signal);
    await this.closed;
    return this.place.shown(this.text.slice(before));
  }
}

/** Resolves with what the command printed, as the page shows it, whatever its exit code. */
export function run(place: Place, command: string, input = ''): Promise<string> {
  return new Running(place, command, input).ended();
}

/** A condition that throws does not hold. @throws Error when it does not hold in time */
export async function until(what: string, condition: () => Promise<boolean> | boolean, boundMs = STEP_MS_MAX) {
  const deadline = Date.now() + boundMs;
  while (
    !(await Promise.resolve()
      .then(condition)
      .catch(() => false))
  ) {
    interruption.signal.throwIfAborted();
    if (Date.now() > deadline) throw new Error(`not within ${boundMs} ms: ${what}`);
    await delay(LOOK_MS);
  }
}

/** One transcript: what `use` does at a terminal. */
export async function transcribe(place: Place, use: (terminal: Terminal) => Promise<void>): Promise<string> {
  const terminal = new Terminal(place);
  await use(terminal);
  return `${terminal}`;
}

export class Terminal {
  private readonly lines: string[] = [];
  private readonly waiting: { readonly title: string; readonly output: Promise<string> }[] = [];

  constructor(private readonly place: Place) {}

  /** @param end of the command line, which is run and not shown */
  async type(command: string, end = ''): Promise<void> {
    interruption.signal.throwIfAborted();
    this.show(command, await run(this.place, command + end));
  }

  /** Not waited for: its output is where `collect` is called, below the title. */
  leave(command: string, title: string): void {
    this.lines.push(`$ ${command} &`, '');
    this.waiting.push({ title, output: run(this.place, command) });
  }

  async collect(): Promise<void> {
    for (const { title, output } of this.waiting.splice(0)) this.lines.push(`[${title}]`, await output, '');
  }

  show(command: string, output: string): void {
    this.lines.push(`$ ${command}`, output, '');
  }

  say(comment: string): void {
    this.lines.push(`# ${comment}`);
  }

  toString(): string {
    const text = this.lines.join('\n');
    return text.replaceAll(/\n{3,}/g, '\n\n').trim();
  }
}
