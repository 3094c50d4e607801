/**
 * Reads settings from environment variables, and reports the faults of all variables at once, so
 * that the operator can correct them in one go. This file does not read `process.env`; a service's
 * config.ts passes it in.
 *
 * A variable that is set to the empty string counts as unset, because compose files and shells have
 * no other way to unset one. Unknown variables are ignored, because the environment is shared with
 * other programs; one whose name is nearly that of a setting is reported (`misspelt`). Relations
 * between variables (this one above that one) are checked only when the variables that they need
 * are valid, so one wrong number is not reported twice.
 */
import { z } from 'zod';
import { nearestName } from './nearest';

/** Usually `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable with a fault, and what its value must be. */
export interface SettingFault {
  readonly variable: string;
  readonly message: string;
}

/** EX_CONFIG of sysexits.h. */
const EXIT_CONFIG = 78;

/** Settings that the process cannot run with. `message` lists all faults, for a terminal. */
export class ConfigError extends Error {
  readonly exitCode = EXIT_CONFIG;

  constructor(readonly faults: readonly SettingFault[]) {
    super(reportOf(faults));
    this.name = 'ConfigError';
  }
}

/** A reader for each variable: from its text, or from undefined when it is not set. */
export type SettingFields = Readonly<Record<string, z.ZodType<unknown, string | undefined>>>;

/** The values that `readSettings` returns for these fields, by variable. */
export type SettingValues<Fields extends SettingFields> = {
  readonly [Variable in keyof Fields]: z.output<Fields[Variable]>;
};

/** A rule about several variables. */
export interface SettingRelation<Fields extends SettingFields> {
  /** The variable that is reported. */
  readonly variable: keyof Fields & string;
  /** The other variables that `fault` reads; it is called only when all of them are valid. */
  readonly needs: readonly (keyof Fields & string)[];
  /** Returns the fault, to follow the variable's name, or null. */
  readonly fault: (values: SettingValues<Fields>) => string | null;
}

/**
 * Reads every field, then checks every relation. Returns a frozen object. Throws a `ConfigError`
 * with all faults.
 */
export function readSettings<Fields extends SettingFields>(
  environment: Environment,
  fields: Fields,
  relations: readonly SettingRelation<Fields>[] = [],
): SettingValues<Fields> {
  const values: Record<string, unknown> = {};
  const faults: SettingFault[] = [];
  for (const [variable, field] of Object.entries(fields)) {
    const text = environment[variable];
    const read = field.safeParse(text === '' ? undefined : text);
    if (read.success) values[variable] = read.data;
    else faults.push(...read.error.issues.map(({ message }) => ({ variable, message })));
  }
  const complete = Object.freeze(values) as SettingValues<Fields>;
  for (const { variable, needs, fault } of relations) {
    if (![variable, ...needs].every((name) => name in values)) continue;
    const message = fault(complete);
    if (message !== null) faults.push({ variable, message });
  }
  if (faults.length > 0) throw new ConfigError([...faults, ...misspelt(environment, fields)]);
  return complete;
}

/** Variables of shells, npm, proxies and orchestrators that are near to settings. */
const OF_OTHERS = new Set(['LOGNAME', 'NODE', 'NODE_ENV', 'NODE_IP', 'NODE_NAME', 'POD_NAME', 'HTTP_PROXY']);

/** The variables that are set and are no settings, but were probably meant to be. */
export function misspelt(environment: Environment, fields: SettingFields): readonly SettingFault[] {
  const known = Object.keys(fields);
  return Object.entries(environment).flatMap(([variable, text]) => {
    if (text === '' || variable in fields || OF_OTHERS.has(variable.toUpperCase())) return [];
    const near = nearestName(variable, known);
    return near === null ? [] : [{ variable, message: `is no setting; did you mean ${near}?` }];
  });
}

/** The result of reading one text. */
export type ReadText<Value> = { readonly value: Value } | { readonly fault: string };

/**
 * A field that is read with `read`. When the variable is not set the value is `fallback`; without a
 * fallback it must be set.
 */
export function settingField<Value>(
  read: (text: string) => ReadText<Value>,
  fallback?: Value,
): z.ZodType<Value, string | undefined> {
  return z
    .string()
    .optional()
    .transform((text, context): Value => {
      const result = text === undefined ? absent(fallback) : read(text);
      if ('value' in result) return result.value;
      context.addIssue({ code: 'custom', message: result.fault });
      return z.NEVER;
    });
}

function absent<Value>(fallback: Value | undefined): ReadText<Value> {
  return fallback === undefined ? { fault: 'must be set' } : { value: fallback };
}

function reportOf(faults: readonly SettingFault[]): string {
  const width = Math.max(...faults.map(({ variable }) => variable.length));
  const lines = faults.map(({ variable, message }) => `  ${variable.padEnd(width)}  ${message}`);
  return [faults.length === 1 ? 'A setting is wrong:' : `${faults.length} settings are wrong:`, ...lines].join('\n');
}
