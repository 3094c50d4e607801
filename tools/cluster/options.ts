/**
 * The options of `npm start`, and the few environment variables that the launcher itself reads. All
 * others are the nodes' and are checked by them.
 */
import { resolve } from 'node:path';
import { defineProgram, flag, option, readArguments } from '#process/cli/program';
import { LOG_LEVELS } from '#process/node-settings';
import { textField, wholeNumberField, wordField } from '#process/setting-fields';
import type { Environment } from '#process/settings';
import { LaunchError } from '../broker/launch-error';

/** Each is a process of some 60 MB; more on one machine is a mistake. */
const SECONDARIES_MAX = 64;
const secondariesField = wholeNumberField({ min: 0, max: SECONDARIES_MAX, fallback: 2 });
const portField = wholeNumberField({ min: 1, max: 65_535 - SECONDARIES_MAX, fallback: 8000 });
/** EX_USAGE of sysexits.h. */
const EXIT_USAGE = 64;

export const PROGRAM = defineProgram({
  does: 'Starts a replicated log on this machine: a RabbitMQ, a master and secondaries.',
  synopsis: ['npm start -- [options]'],
  options: {
    '--secondaries': option('N', 'how many secondaries (2)', secondariesField),
    '--port': option('N', "the master's port; secondary-1 has the next one, and so on (8000)", portField),
    '--data': option('DIR', "where the logs and RabbitMQ's data are kept (./data)", textField(null)),
    '--memory': flag('keep nothing: logs in memory, RabbitMQ in a temporary folder'),
    '--no-install': flag(
      'do not install RabbitMQ where there is neither it nor Docker; without this, root installs the package on\n' +
        'Debian and Ubuntu, and anybody else is asked first',
    ),
    '--log-level': option(
      'LEVEL',
      "what this terminal shows of the nodes' logs: fatal, error, warn, info, debug, trace, silent (warn);\n" +
        'their files have info and above, or more when LEVEL is more',
      wordField(LOG_LEVELS, 'warn'),
      { variable: 'LOG_LEVEL' },
    ),
  },
  exitUsage: EXIT_USAGE,
  notes: `AMQP_URL names a RabbitMQ to use instead of one of our own. Other variables reach every node as they are: DEFAULT_W,
QUORUM_APPEND, HEARTBEAT_INTERVAL_MS, DELAY_MS, FAIL_RATE, HTTP_HOST, API_TOKEN, LOG_NAME …

The first start begins a log and keeps its id in DIR/log-id; every later start passes it to the nodes as LOG_ID, so that no
node which has lost its folder begins another log. LOG_ID in the environment is passed instead. To begin another log,
delete DIR. With --memory no id is kept, and none is passed.

A node that crashes is started again after 10 s, later after longer, 60 s at most. One that was stopped (kill PID) stays
down; kill -USR2 with the pid of npm start's process starts at once whatever is down. Ctrl-C stops everything.`,
});

export type LauncherSettings = NonNullable<ReturnType<typeof readLauncherSettings>>;

/**
 * `args` is what follows `npm start --`. null: help is wanted. @throws UsageError that names every
 * fault; LaunchError for options that npm took.
 */
export function readLauncherSettings(args: readonly string[], environment: Environment) {
  refuseTaken(environment);
  const values = readArguments(PROGRAM, args, environment)?.values;
  if (values === undefined) return null;
  return {
    secondaries: values['--secondaries'],
    port: values['--port'],
    /** Absolute. The nodes' logs, RabbitMQ's data, log files and the lock are below it. */
    dataDir: resolve(values['--data'] ?? 'data'),
    memory: values['--memory'],
    mayInstall: !values['--no-install'],
    logLevel: values['--log-level'],
    host: environment.HTTP_HOST || '127.0.0.1',
    apiToken: environment.API_TOKEN?.trim() || null,
    /** LOG_ID, when the user has set it: no kept id is passed then. */
    logId: environment.LOG_ID || null,
    logName: environment.LOG_NAME || 'rlog',
    environment,
  };
}

/** npm takes an option without a "--" before it for its own, and leaves it in the environment. */
function refuseTaken(environment: Environment): void {
  const given = Object.entries(PROGRAM.options).flatMap(([name, { shows }]) => {
    const value = environment[`npm_config_${name.replace(/^--(no-)?/, '').replaceAll('-', '_')}`];
    if (value === undefined || (name === '--no-install' && value !== '')) return [];
    return [shows === null ? name : `${name} ${value === 'true' ? shows : value}`];
  });
  if (given.length === 0) return;
  const sentence = 'npm has taken options that are meant for the program. Options come after a "--":';
  throw new LaunchError(`${sentence}\n  npm start -- ${given.join(' ')}`, { exitCode: EXIT_USAGE });
}
