/**
 * Reading settings from the environment: every fault of every variable is found before anything is
 * said, so that a person mends them all in one go. Nothing here reads `process.env`; a service's
 * config.ts hands it in.
 *
 * A variable set to the empty string counts as unset, for compose files and shells have no other
 * way to say it. Variables that nobody asked for are ignored. Relations between variables (this one
 * above that one) are checked when the variables that they need are right themselves, so one wrong
 * number is not reported twice.
 */
import { z } from 'zod';

/** Usually `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A wrong variable and what it must be. */
export interface SettingFault {
  readonly variable: string;
  readonly message: string;
}

/** EX_CONFIG of sysexits.h. */
const EXIT_CONFIG = 78;

/** Settings that no process can run with; `message` is fit for a person at a terminal. */
export class ConfigError extends Error {
  readonly exitCode = EXIT_CONFIG;

  constructor(readonly faults: readonly SettingFault[]) {
    super(reportOf(faults));
    this.name = 'ConfigError';
  }
}

/** How each variable is read: from its text, or from undefined when it is not set. */
export type SettingFields = Readonly<Record<string, z.ZodType<unknown, string | undefined>>>;

export type SettingValues<Fields extends SettingFields> = {
  readonly [Variable in keyof Fields]: z.output<Fields[Variable]>;
};

/** A rule about several variables. */
export interface SettingRelation<Fields extends SettingFields> {
  /** The one to blame. */
  readonly variable: keyof Fields & string;
  /** What else `fault` looks at; it is asked only when all of them are right. */
  readonly needs: readonly (keyof Fields & string)[];
  /** What is wrong, or null. */
  readonly fault: (values: SettingValues<Fields>) => string | null;
}

/** Reads every field, then checks every relation. Throws one `ConfigError` with all faults. */
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
  if (faults.length > 0) throw new ConfigError(faults);
  return complete;
}

/** What reading one text came to. */
export type ReadText<Value> = { readonly value: Value } | { readonly fault: string };

/** A field read by `read`; left out, it is `fallback`, and without one it must be set. */
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
