/**
 * What `npm start` was asked for: its options (options.ts), and the few environment variables that
 * the launcher itself looks at. All other variables are the nodes' and are checked by them.
 */
import { join, resolve } from 'node:path';
import { readArguments } from '#process/cli/program';
import type { Environment } from '#process/settings';
import { PROGRAM } from './options';
import type { LauncherSettings } from './settings';

export interface LauncherContext {
  /** What follows `npm start --`. */
  readonly args: readonly string[];
  readonly environment: Environment;
  /** Relative folders are below it. */
  readonly workingDir: string;
  /** Of the checkout: the default data folder is in it. */
  readonly root: string;
}

/** null: help is wanted. @throws UsageError that names every fault. */
export function readLauncherSettings({
  args,
  environment,
  workingDir,
  root,
}: LauncherContext): LauncherSettings | null {
  const values = readArguments(PROGRAM, args, environment)?.values;
  if (values === undefined) return null;
  return Object.freeze({
    secondaries: values['--secondaries'],
    port: values['--port'],
    dataDir: values['--data'] === null ? join(root, 'data') : resolve(workingDir, values['--data']),
    memory: values['--memory'],
    mayInstall: !values['--no-install'],
    logLevel: values['--log-level'],
    delaysMs: values['--delay'],
    host: environment.HTTP_HOST || '127.0.0.1',
    apiToken: environment.API_TOKEN || null,
    logId: environment.LOG_ID || null,
    logName: environment.LOG_NAME || 'rlog',
    environment,
  });
}
