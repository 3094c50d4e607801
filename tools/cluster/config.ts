/**
 * What `npm start` was asked for: options, and the few environment variables that the launcher itself looks at. Every fault
 * of every option is found before anything is said. All other variables are the nodes' and are checked by them.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DURATION_MS_MAX, LOG_LEVELS, type LogLevel } from '#process/node-settings';
import { textField, wholeNumberField, wordField, wrong } from '#process/setting-fields';
import {
  ConfigError,
  type Environment,
  readSettings,
  type SettingFault,
  type SettingRelation,
  settingField,
} from '#process/settings';
import { secondaryName } from './plan/cluster-plan';
import { UsageError } from './usage';

/** Each is a process of some 60 MB; more than this on one machine is a slip of the finger. */
const SECONDARIES_MAX = 64;
const PORT_MAX = 65_535;

export interface LauncherSettings {
  readonly secondaries: number;
  /** Of the master; the secondaries have the ones after it. */
  readonly port: number;
  /** Absolute. The nodes' logs, RabbitMQ's data, log files and the lock are below it. */
  readonly dataDir: string;
  readonly memory: boolean;
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

const OPTIONS = {
  secondaries: { type: 'string' },
  port: { type: 'string' },
  data: { type: 'string' },
  memory: { type: 'boolean' },
  delay: { type: 'string' },
  'log-level': { type: 'string' },
  help: { type: 'boolean' },
} as const;

const fields = {
  '--secondaries': wholeNumberField({ min: 0, max: SECONDARIES_MAX, fallback: 2 }),
  '--port': wholeNumberField({ min: 1, max: PORT_MAX, fallback: 8000 }),
  '--data': textField(null),
  '--log-level': wordField(LOG_LEVELS, 'warn'),
  '--delay': settingField<ReadonlyMap<string, number>>(readDelays, new Map()),
};

const relations: readonly SettingRelation<typeof fields>[] = [
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
];

export interface LauncherContext {
  /** What follows `npm start --`. */
  readonly args: readonly string[];
  readonly environment: Environment;
  /** Relative folders are below it. */
  readonly workingDir: string;
  /** Of the checkout: the default data folder is in it. */
  readonly root: string;
}

/** null: help is wanted. Throws a `UsageError` that names every fault. */
export function readLauncherSettings({
  args,
  environment,
  workingDir,
  root,
}: LauncherContext): LauncherSettings | null {
  const { given, isHelp, faults } = readArguments(args);
  if (isHelp) return null;
  const values = collect(faults, () =>
    readSettings({ ...given, '--log-level': given['--log-level'] ?? environment.LOG_LEVEL }, fields, relations),
  );
  if (values === null || faults.length > 0) throw new UsageError(faults);
  return Object.freeze({
    secondaries: values['--secondaries'],
    port: values['--port'],
    dataDir: values['--data'] === null ? join(root, 'data') : resolve(workingDir, values['--data']),
    memory: '--memory' in given,
    logLevel: values['--log-level'],
    delaysMs: values['--delay'],
    host: environment.HTTP_HOST || '127.0.0.1',
    apiToken: environment.API_TOKEN || null,
    logId: environment.LOG_ID || null,
    logName: environment.LOG_NAME || 'rlog',
    environment,
  });
}

function collect<Values>(faults: SettingFault[], read: () => Values): Values | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults);
    return null;
  }
}

/** Not strict: parseArgs would stop at the first fault, and here all are wanted. */
function readArguments(args: readonly string[]) {
  const { tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given: Record<string, string> = {};
  const faults: SettingFault[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') faults.push({ variable: token.value, message: POSITIONAL_HINT });
    if (token.kind !== 'option') continue;
    const fault = faultOf(token);
    if (fault !== null) faults.push({ variable: token.rawName, message: fault });
    else given[token.rawName] = joined(given[token.rawName], token);
  }
  return { given, isHelp: '--help' in given, faults };
}

const POSITIONAL_HINT = 'is no option; options come after a "--", as in npm start -- --secondaries 4';

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function faultOf({ rawName, value, inlineValue }: OptionToken): string | null {
  const option = Object.entries(OPTIONS).find(([known]) => rawName === `--${known}`)?.[1];
  if (option === undefined) return 'is not known';
  if (option.type === 'boolean') return value === undefined ? null : 'takes no value';
  const isMissing = value === undefined || value === '' || (inlineValue === false && value.startsWith('--'));
  return isMissing ? 'needs a value' : null;
}

/** The last one counts, except that delays add up. */
function joined(before: string | undefined, { name, value = 'true' }: OptionToken): string {
  return name === 'delay' && before !== undefined ? `${before},${value}` : value;
}

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
