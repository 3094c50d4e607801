/**
 * What `npm test` must know of Docker: is there one that can run the acceptance tests, and has a
 * run left containers behind? The tests take down what they bring up, but a run that is killed does
 * not get there.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ROOT } from '../build';

const command = promisify(execFile);

/** An engine that hangs counts as none. */
const ANSWER_MS_MAX = 15_000;
const PULL_MS_MAX = 180_000;
const DOWN_MS_MAX = 120_000;

/**
 * The base images of Dockerfile and rabbitmq/Dockerfile: present or pullable, else nothing can be
 * built.
 */
const BASE_IMAGES = ['node:24-slim', 'rabbitmq:4-management'];

/**
 * Of every compose project of the tests (tests/support/compose/project.ts), followed by a part of
 * the run's id.
 */
export const PROJECT_PREFIX = 'rlog-test-';

/** null: the acceptance tests can run. */
export async function whyNoDocker(): Promise<string | null> {
  try {
    await docker(['version'], ANSWER_MS_MAX);
    await docker(['compose', 'version'], ANSWER_MS_MAX);
    for (const image of BASE_IMAGES) await provideImage(image);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'docker is not installed' : firstLine(error);
  }
}

async function provideImage(image: string): Promise<void> {
  try {
    await docker(['image', 'inspect', image], ANSWER_MS_MAX);
  } catch {
    await docker(['pull', '--quiet', image], PULL_MS_MAX);
  }
}

/** Ends what the run has left. Returns the projects that were left. */
export async function endLeftProjects(run: string): Promise<readonly string[]> {
  const label = 'com.docker.compose.project';
  const { stdout } = await docker(['ps', '--all', '--format', `{{.Label "${label}"}}`], ANSWER_MS_MAX);
  const prefix = `${PROJECT_PREFIX}${run.slice(0, 8)}-`;
  const left = [...new Set(stdout.split('\n'))].filter((project) => project.startsWith(prefix));
  for (const project of left) {
    const down = ['down', '--volumes', '--remove-orphans', '--timeout', '2'];
    await docker(['compose', '--project-name', project, '--profile', '*', ...down], DOWN_MS_MAX);
  }
  return left;
}

/**
 * Ends brokers that testcontainers has left: where its reaper image cannot be had, nobody else
 * does. The run's id is a label that tests/support/real/test-broker.ts gives. Returns the
 * containers that were left.
 */
export async function endLeftBrokers(run: string): Promise<readonly string[]> {
  try {
    const label = `label=replicated-log.test-run=${run}`;
    const { stdout } = await docker(['ps', '--all', '--quiet', '--filter', label], ANSWER_MS_MAX);
    const left = stdout.split('\n').filter((id) => id !== '');
    if (left.length > 0) await docker(['rm', '--force', '--volumes', ...left], DOWN_MS_MAX);
    return left;
  } catch (error) {
    // Without an engine there are no containers.
    process.stderr.write(`no containers are looked for: ${firstLine(error)}\n`);
    return [];
  }
}

function docker(args: readonly string[], timeout: number) {
  return command('docker', args, { cwd: ROOT, timeout });
}

function firstLine(error: unknown): string {
  const { stderr = '', message } = error as Error & { readonly stderr?: string };
  return (stderr.trim() || message).split('\n')[0] ?? '';
}
