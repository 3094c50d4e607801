/**
 * Whether a Docker engine of this machine answers and has the RabbitMQ image, and getting the image
 * if it can be had.
 *
 * An engine on another machine does not count: it would publish the broker's ports on that
 * machine's loopback.
 *
 * `docker pull` prints its first line once the registry has answered with the image's manifest.
 * Without a terminal it is silent while a layer loads, so from then on silence only means a slow
 * line, and the bound is a long one.
 */

import type { DockerFact } from '../choose';
import { runCommand } from '../command';
import { messageOf } from '../errors';

export const IMAGE = 'rabbitmq:4-management';

/** An engine that runs answers within milliseconds; one that hangs must not hold up a start. */
const ENGINE_MS = 3_000;

/** A registry that has not answered by then cannot be reached. */
const REGISTRY_MS = 15_000;

/** For one layer, over a slow line. */
const LAYER_MS = 5 * 60_000;

/** The whole image, about 100 MB. */
const PULL_MS = 30 * 60_000;

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

/**
 * Where the engine listens, if that is on this machine. DOCKER_HOST and contexts are the command's
 * own business.
 */
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
  { env, signal }: DockerSearch,
  log: (line: string) => void,
  registryMs = REGISTRY_MS,
): Promise<string | undefined> {
  const silence = new AbortController();
  const giveUp = (boundMs: number) =>
    setTimeout(() => silence.abort(new Error(`no progress in ${boundMs / 1000} s`)), boundMs);
  let timer = giveUp(registryMs);
  try {
    const { code, stderr } = await runCommand('docker', ['pull', IMAGE], {
      timeoutMs: PULL_MS,
      env,
      signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
      onLine: (line) => {
        clearTimeout(timer);
        timer = giveUp(LAYER_MS);
        log(`  ${line}`);
      },
    });
    return code === 0 ? undefined : (firstLine(stderr) ?? `docker pull ended with ${code}`);
  } catch (error) {
    signal?.throwIfAborted();
    return messageOf(error);
  } finally {
    clearTimeout(timer);
  }
}
