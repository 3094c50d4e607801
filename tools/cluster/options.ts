/**
 * What `npm start` was asked for: its options, and the few environment variables that the launcher
 * itself looks at. All other variables are the nodes' and are checked by them.
 */
import { join, resolve } from 'node:path';
import { defineProgram, flag, option, readArguments } from '#process/cli/program';
import { DURATION_MS_MAX, LOG_LEVELS } from '#process/node-settings';
import { textField, wholeNumberField, wordField, wrong } from '#process/setting-fields';
import { type Environment, settingField } from '#process/settings';
import { LaunchError } from './launch-error';
import { secondaryName } from './node-plan';

/** Each is a process of some 60 MB; more than this on one machine is a slip of the finger. */
const SECONDARIES_MAX = 64;
const PORT_MAX = 65_535;
/** EX_USAGE of sysexits.h. */
const EXIT_USAGE = 64;

export const PROGRAM = defineProgram({
  does: 'Starts a replicated log on this machine: a RabbitMQ, a master and secondaries.',
  synopsis: ['npm start -- [options]'],
  options: {
    '--secondaries': option(
      'N',
      'how many secondaries (2)',
      wholeNumberField({ min: 0, max: SECONDARIES_MAX, fallback: 2 }),
    ),
    '--port': option(
      'N',
      "the master's port; secondary-1 has the next one, and so on (8000)",
      wholeNumberField({ min: 1, max: PORT_MAX, fallback: 8000 }),
    ),
    '--data': option('DIR', "where the logs and RabbitMQ's data are kept (./data)", textField(null)),
    '--memory': flag('keep nothing: logs in memory, RabbitMQ in a temporary folder'),
    '--no-install': flag(
      'do not install RabbitMQ where there is neither it nor Docker; without this, root installs the package on\nDebian and Ubuntu, and anybody else is asked first',
    ),
    '--delay': option(
      'NAME=MS',
      'the secondary waits so long before it appends (its DELAY_MS), as in --delay secondary-2=5000;\nmay be given several times',
      settingField<ReadonlyMap<string, number>>(readDelays, new Map()),
      { isList: true },
    ),
    '--log-level': option(
      'LEVEL',
      "what this terminal shows of the nodes' logs: fatal, error, warn, info, debug, trace, silent (warn);\ntheir files have info and above, or more when LEVEL is more",
      wordField(LOG_LEVELS, 'warn'),
      { variable: 'LOG_LEVEL' },
    ),
  },
  relations: [
    {
      variable: '--port',
      needs: ['--secondaries'],
      fault: (values) => {
        const last = values['--port'] + values['--secondaries'];
        return last <= PORT_MAX ? null : `leaves no ports for the secondaries: the last would be ${last}`;
      },
    },
    {
      variable: '--delay',
      needs: ['--secondaries'],
      fault: (values) => {
        const names = Array.from({ length: values['--secondaries'] }, (_, index) => secondaryName(index + 1));
        const unknown = [...values['--delay'].keys()].filter((name) => !names.includes(name));
        return unknown.length === 0 ? null : `${unknown.join(', ')}: there is only ${names.join(', ') || 'the master'}`;
      },
    },
  ],
  exitUsage: EXIT_USAGE,
  notes: `AMQP_URL names a RabbitMQ to use instead of one of our own. Other variables reach every node as they are: DEFAULT_W,
QUORUM_APPEND, HEARTBEAT_INTERVAL_MS, FAIL_RATE, HTTP_HOST, API_TOKEN, LOG_NAME …

The first start begins a log and keeps its id in DIR/log-id; every later start passes it to the nodes as LOG_ID, so that no
node which has lost its folder begins another log. LOG_ID in the environment is passed instead. To begin another log,
delete DIR. With --memory no id is kept, and none is passed.

A node that crashes is started again after 10 s, later after longer, 60 s at most. One that was stopped (kill PID) stays
down; kill -USR2 with the pid of npm start's process starts at once whatever is down. Ctrl-C stops everything.`,
});

function readDelays(text: string) {
  const delays = new Map<string, number>();
  for (const part of text.split(',')) {
    const [, name, milliseconds] = /^\s*([\w-]+)=([0-9]{1,9})\s*$/.exec(part) ?? [];
    if (name === undefined || Number(milliseconds) > DURATION_MS_MAX) {
      return wrong(part, `must be NAME=MILLISECONDS, at most ${DURATION_MS_MAX}`);
    }
    delays.set(name, Number(milliseconds));
  }
  return { value: delays };
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

export type LauncherSettings = NonNullable<ReturnType<typeof readLauncherSettings>>;

/** null: help is wanted. @throws UsageError that names every fault; LaunchError for options that npm took. */
export function readLauncherSettings({ args, environment, workingDir, root }: LauncherContext) {
  refuseTaken(environment);
  const values = readArguments(PROGRAM, args, environment)?.values;
  if (values === undefined) return null;
  return {
    secondaries: values['--secondaries'],
    /** Of the master; the secondaries have the ones after it. */
    port: values['--port'],
    /** Absolute. The nodes' logs, RabbitMQ's data, log files and the lock are below it. */
    dataDir: values['--data'] === null ? join(root, 'data') : resolve(workingDir, values['--data']),
    memory: values['--memory'],
    /** RabbitMQ's package may be installed where there is no other way to a broker. */
    mayInstall: !values['--no-install'],
    /** Of the terminal. */
    logLevel: values['--log-level'],
    /** In milliseconds, of the secondaries that have one. */
    delaysMs: values['--delay'],
    /** Where the nodes listen. */
    host: environment.HTTP_HOST || '127.0.0.1',
    apiToken: environment.API_TOKEN?.trim() || null,
    /** LOG_ID, when the user has set it: no kept id is passed then. */
    logId: environment.LOG_ID || null,
    logName: environment.LOG_NAME || 'rlog',
    environment,
  };
}

/** npm takes an option without a "--" before it for one of its own, and leaves it in the environment. */
function refuseTaken(environment: Environment): void {
  const given = Object.entries(PROGRAM.options).flatMap(([name, { shows }]) => {
    const variable = `npm_config_${name.replace(/^--(no-)?/, '').replaceAll('-', '_')}`;
    const value = environment[variable];
    if (value === undefined || (name === '--no-install' && value !== '')) return [];
    return [shows === null ? name : `${name} ${value === 'true' ? shows : value}`];
  });
  if (given.length === 0) return;
  const command = `npm start -- ${given.join(' ')}`;
  throw new LaunchError(
    `npm has taken options that are meant for the program. Options come after a "--":\n  ${command}`,
    {
      exitCode: EXIT_USAGE,
    },
  );
}
