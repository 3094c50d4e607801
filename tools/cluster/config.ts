/**
 * What `npm start` was asked for: its options (options.ts), and the few environment variables that the
 * launcher itself looks at. All other variables are the nodes' and are checked by them.
 */
import { join, resolve } from 'node:path';
import { readArguments } from '#process/cli/program';
import type { LogLevel } from '#process/node-settings';
import type { Environment } from '#process/settings';
import { PROGRAM } from './options';

export interface LauncherSettings {
  readonly secondaries: number;
  /** Of the master; the secondaries have the ones after it. */
  readonly port: number;
  /** Absolute. The nodes' logs, RabbitMQ's data, log files and the lock are below it. */
  readonly dataDir: string;
  readonly memory: boolean;
  /** RabbitMQ's package may be installed where there is no other way to a broker. */
  readonly mayInstall: boolean;
  /** Of the terminal. */
  readonly logLevel: LogLevel;
  /** In milliseconds, of the secondaries that have one. */
  readonly delaysMs: ReadonlyMap<string, number>;
  /** Where the nodes listen. */
  readonly host: string;
  readonly apiToken: string | null;
  /** LOG_ID, when the user has set it: no kept id is passed then. */
  readonly logId: string | null;
  readonly logName: string;
  readonly environment: Environment;
}

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
