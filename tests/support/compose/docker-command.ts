/**
 * The docker command, as a person would type it: bounded, and what it says is in the error when it
 * fails.
 */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';

const ROOT = resolve(__dirname, '../../..');

/** A build on a loaded machine with nothing cached. */
const COMMAND_MS_MAX = 8 * 60_000;
const OUTPUT_BYTES_MAX = 64 * 2 ** 20;

export type DockerEnvironment = Readonly<Record<string, string>>;

/** Resolves with stdout. */
export function docker(args: readonly string[], env: DockerEnvironment = {}): Promise<string> {
  const options = {
    cwd: ROOT,
    env: { ...process.env, ...env },
    timeout: COMMAND_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
  };
  return new Promise((done, reject) => {
    execFile('docker', args, options, (cause, stdout, stderr) => {
      if (cause === null) done(stdout.trim());
      else reject(new Error(`docker ${args.join(' ')}\n${stderr.slice(-4000)}`, { cause }));
    });
  });
}
