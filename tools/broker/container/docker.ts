/**
 * Whether a Docker engine of this machine answers and has the RabbitMQ image, and getting the image if it can be had.
 *
 * An engine on another machine does not count: it would publish the broker's ports on that machine's loopback.
 *
 * The image is pulled through the engine's API rather than by `docker pull`, because without a terminal that command is
 * silent while a layer loads, and silence is how we tell an unreachable registry from a slow one. The price is that stored
 * registry logins are not used; the image is a public one.
 * Source: docs.docker.com/reference/api/engine, POST /images/create.
 */

import { request } from 'node:http';
import { createInterface } from 'node:readline';
import type { DockerFact } from '../choose';
import { runCommand } from '../command';
import { messageOf } from '../errors';

export const IMAGE = 'rabbitmq:4-management';

/** An engine that runs answers within milliseconds; one that hangs must not hold up a start. */
const ENGINE_MS = 3_000;

/** No progress for this long means that the registry cannot be reached. */
export const PULL_SILENCE_MS = 10_000;

/** Between two lines about the progress of a pull. */
const REPORT_MS = 3_000;

export interface DockerSearch {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

export async function findDocker(search: DockerSearch): Promise<DockerFact> {
  try {
    const host = await endpoint(search);
    if (host === undefined) return { state: 'unusable', why: 'the engine is on another machine' };
    const version = await ask(search, ['version', '--format', '{{.Server.Version}}']);
    if (version.code !== 0)
      return { state: 'unusable', why: firstLine(version.stderr) ?? 'the engine does not answer' };
    const image = await ask(search, ['image', 'inspect', '--format', '{{.Id}}', IMAGE]);
    return { state: image.code === 0 ? 'ready' : 'image-missing' };
  } catch (error) {
    search.signal?.throwIfAborted();
    const cause = error instanceof Error ? error.cause : undefined;
    if ((cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT')
      return { state: 'unusable', why: 'not installed' };
    return { state: 'unusable', why: messageOf(error) };
  }
}

/** Where the engine listens, if that is on this machine. DOCKER_HOST and contexts are the command's own business. */
async function endpoint(search: DockerSearch): Promise<string | undefined> {
  const { stdout } = await ask(search, ['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}']);
  // A client too old to know contexts has only the local engine, or DOCKER_HOST.
  const host = stdout.trim() || (search.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock');
  return /^(unix|npipe):|^tcp:\/\/(localhost|127\.)/.test(host) ? host : undefined;
}

function ask({ env, signal }: DockerSearch, args: readonly string[]) {
  return runCommand('docker', args, { timeoutMs: ENGINE_MS, env, signal });
}

function firstLine(text: string): string | undefined {
  return text.split('\n').find((line) => line.trim() !== '');
}

/**
 * Pulls the image. Returns why it cannot be had, or undefined once it is there.
 * @throws the signal's reason when aborted.
 */
export async function pullImage(
  search: DockerSearch,
  log: (line: string) => void,
  silenceMs = PULL_SILENCE_MS,
): Promise<string | undefined> {
  try {
    const host = await endpoint(search);
    const socket = host?.match(/^unix:\/\/(.+)$/)?.[1];
    await (socket ? pullByApi(socket, search, log, silenceMs) : pullByCommand(search, silenceMs));
    return undefined;
  } catch (error) {
    search.signal?.throwIfAborted();
    return messageOf(error);
  }
}

interface PullEvent {
  readonly id?: string;
  readonly error?: string;
  /** Of an answer that is an error as a whole. */
  readonly message?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

export async function pullByApi(
  socketPath: string,
  { signal }: DockerSearch,
  log: (line: string) => void,
  silenceMs: number,
): Promise<void> {
  const [fromImage = '', tag = ''] = IMAGE.split(':');
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), silenceMs);
  const either = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  try {
    await new Promise<void>((resolve, reject) => {
      const path = `/images/create?${new URLSearchParams({ fromImage, tag })}`;
      const pull = request({ socketPath, path, method: 'POST', signal: either }, (response) => {
        const progress = new PullProgress(log);
        const lines = createInterface({ input: response });
        lines.on('line', (line) => {
          const event = parseEvent(line);
          const failure = event.error ?? (response.statusCode === 200 ? undefined : (event.message ?? line));
          if (failure !== undefined) reject(new Error(failure));
          else if (progress.note(event)) timer.refresh();
        });
        // The lines pass on the errors of what they read from.
        lines.on('error', reject);
        response.on('end', resolve);
      });
      pull.on('error', reject).end();
    });
  } catch (cause) {
    if (silence.signal.aborted) throw new Error(`no progress in ${silenceMs / 1000} s`, { cause });
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}

/** Something between us and the engine may answer in its own words. */
function parseEvent(line: string): PullEvent {
  try {
    return JSON.parse(line) as PullEvent;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { error: `not an engine's answer: ${line.slice(0, 100)}` };
  }
}

/** Sums up the layers, and says so now and then. */
class PullProgress {
  private readonly layers = new Map<string, { current: number; total: number }>();
  private seen = '';
  private reportedAt = Date.now();

  constructor(private readonly log: (line: string) => void) {}

  /** false when the event tells nothing new, as repeated "Retrying in 3 seconds" does. */
  note({ id, progressDetail, ...rest }: PullEvent): boolean {
    const { current, total } = progressDetail ?? {};
    if (id !== undefined && current !== undefined && total !== undefined) this.layers.set(id, { current, total });
    const state = JSON.stringify([id, current, Object.values(rest).join().replace(/\d+/g, '')]);
    const isNew = state !== this.seen;
    this.seen = state;
    if (isNew && Date.now() - this.reportedAt >= REPORT_MS) this.report();
    return isNew;
  }

  private report(): void {
    this.reportedAt = Date.now();
    const sum = (of: 'current' | 'total') => [...this.layers.values()].reduce((bytes, layer) => bytes + layer[of], 0);
    const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(0);
    this.log(`pulling ${IMAGE}: ${mib(sum('current'))} of ${mib(sum('total'))} MiB known so far`);
  }
}

/** Where the engine's socket cannot be opened by us (Windows pipes, TCP). Each line is progress. */
async function pullByCommand({ env, signal }: DockerSearch, silenceMs: number): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error(`no progress in ${silenceMs / 1000} s`)), silenceMs);
  try {
    const { code, stderr } = await runCommand('docker', ['pull', IMAGE], {
      timeoutMs: 30 * 60_000,
      env,
      signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
      onLine: () => timer.refresh(),
    });
    if (code !== 0) throw new Error(firstLine(stderr) ?? `docker pull ended with ${code}`);
  } finally {
    clearTimeout(timer);
  }
}
