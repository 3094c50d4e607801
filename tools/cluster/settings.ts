/** What `npm start` was asked to run: the result of its options and its environment. */
import type { LogLevel } from '#process/node-settings';
import type { Environment } from '#process/settings';

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
