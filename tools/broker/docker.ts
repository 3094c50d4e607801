/**
 * Whether a Docker engine of this machine answers, and getting the RabbitMQ image if it can be had.
 * An engine on another machine does not count: it would publish the broker's ports on that
 * machine's loopback.
 */

import type { Environment } from '#process/settings';
import { runCommand } from './command';
import { messageOf } from './errors';

export const IMAGE = 'rabbitmq:4-management';

/** An engine that runs answers within milliseconds; one that hangs must not hold up a start. */
const ENGINE_MS = 3_000;
/** A registry that has not answered by then cannot be reached. */
const REGISTRY_MS = 15_000;
/** The whole image, about 100 MB, over a slow line. */
const PULL_MS = 30 * 60_000;

export type DockerFact =
  /** No engine, one of another machine, or one whose container did not come up. */
  | { readonly state: 'unusable'; readonly why: string }
  | { readonly state: 'image-missing' }
  | { readonly state: 'ready' };

export interface DockerSearch {
  readonly env: Environment;
  readonly signal?: AbortSignal | undefined;
}

/** @throws the signal's reason when aborted. */
export async function findDocker({ env, signal }: DockerSearch): Promise<DockerFact> {
  const docker = (...args: string[]) => runCommand(['docker', ...args], { env, signal, timeoutMs: ENGINE_MS });
  try {
    const context = await docker('context', 'inspect', '--format', '{{.Endpoints.docker.Host}}').catch((error) => {
      // A client too old to know contexts has only the local engine, or DOCKER_HOST.
      if (codeOf(error) === 'ENOENT') throw error;
      return env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
    });
    if (!/^(unix|npipe):|^tcp:\/\/(localhost|127\.)/.test(context))
      return { state: 'unusable', why: 'the engine is on another machine' };
    await docker('version', '--format', '{{.Server.Version}}');
  } catch (error) {
    signal?.throwIfAborted();
    return { state: 'unusable', why: codeOf(error) === 'ENOENT' ? 'not installed' : firstLine(error) };
  }
  const image = await docker('image', 'inspect', '--format', '{{.Id}}', IMAGE).catch(() => undefined);
  signal?.throwIfAborted();
  return { state: image === undefined ? 'image-missing' : 'ready' };
}

function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code;
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}

/**
 * Pulls the image, and hands on each line that `docker pull` says: the first one once the registry
 * has answered. Returns why the image cannot be had, or undefined once it is there.
 * @throws the signal's reason when aborted.
 */
export async function pullImage(
  { env, signal }: DockerSearch,
  log: (line: string) => void,
  registryMs = REGISTRY_MS,
): Promise<string | undefined> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error(`no progress in ${registryMs / 1000} s`)), registryMs);
  const onLine = (line: string) => {
    clearTimeout(timer);
    log(`  ${line}`);
  };
  try {
    const either = AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]);
    await runCommand(['docker', 'pull', IMAGE], { env, signal: either, timeoutMs: PULL_MS, onLine });
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    return firstLine(error);
  } finally {
    clearTimeout(timer);
  }
}
