/**
 * Declares what a program of the command line takes, and reads its arguments. One table of options
 * is the source of both the usage text and the parser, so that neither can miss an option.
 *
 * Every fault of every argument is found before anything is said, as with settings. `--help` and
 * `-h` win over all faults. Nothing here writes or exits: that is run-program.ts.
 */
import { parseArgs } from 'node:util';
import type { z } from 'zod';
import { nearestName } from '../nearest';
import { flagField } from '../setting-fields';
import { ConfigError, type Environment, readSettings, type SettingFault, type SettingRelation } from '../settings';

type Field<Value> = z.ZodType<Value, string | undefined>;

interface Option<Value> {
  /** What the usage shows for the value, as in `--port N`; null: the option is a flag. */
  readonly shows: string | null;
  /** May have several lines. */
  readonly help: string;
  readonly field: Field<Value>;
  /** A single letter, as in `-t`. */
  readonly short?: string;
  /** Given several times, the values are joined by commas; otherwise the last one counts. */
  readonly isList?: boolean;
  /** The variable that is read when the option is not given. */
  readonly variable?: string;
}

interface Outline {
  /** The first sentence of the usage. */
  readonly does: string;
  /** The command, one line for each way to call it. */
  readonly synopsis: readonly string[];
  /** Keys are written as on the command line: `--port`. */
  readonly options: Readonly<Record<string, Option<unknown>>>;
  /** Arguments that are no options. Left out: there are none. */
  readonly operands?: Operands;
  /** What the usage says below the options. */
  readonly notes?: string;
  /** Exit code for wrong use; 2 when left out. */
  readonly exitUsage?: number;
}

/** `Values` has a key for each option, with what its text is read as. */
export interface Program<Values> extends Outline {
  readonly options: { readonly [Name in keyof Values]: Option<Values[Name]> };
  readonly relations?: readonly Relation<Values>[];
}

/** A rule about several options. */
interface Relation<Values> {
  /** The one to blame. */
  readonly variable: keyof Values & string;
  /** What else `fault` looks at; it is asked only when all of them are right. */
  readonly needs: readonly (keyof Values & string)[];
  readonly fault: (values: Values) => string | null;
}

interface Operands {
  readonly min: number;
  readonly max: number;
  /** The fault when there are fewer or more, a whole sentence. */
  readonly rule: string;
  /** What follows a `--` is not counted, and is returned apart. */
  readonly hasRest?: boolean;
}

/** What a command line gave: the options' values and the other words. */
export interface Arguments<Values> {
  readonly values: Values;
  readonly operands: readonly string[];
  /** What follows a `--`, when the program has a use for it. */
  readonly rest: readonly string[];
}

/** What the options of a program are read as. */
export type ValuesOf<Declared> = Declared extends Program<infer Values> ? Values : never;

const EXIT_USAGE = 2;
const HELP = { name: '--help', short: 'h', help: 'this text' };

/** Arguments that cannot be used; the message is every fault, then the usage. */
export class UsageError extends Error {
  constructor(
    readonly faults: readonly SettingFault[],
    usage: string,
    readonly exitCode: number,
  ) {
    super(`${faults.map(sentenceOf).join('\n')}\n\n${usage}`);
    this.name = 'UsageError';
  }
}

/** Gives the table its type; the usage and the parser take the result. */
export function defineProgram<Values>(program: Program<Values>): Program<Values> {
  return program;
}

/** An option with a value. */
export function option<Value>(
  shows: string,
  help: string,
  field: Field<Value>,
  more: Pick<Option<Value>, 'short' | 'isList' | 'variable'> = {},
): Option<Value> {
  return { shows, help, field, ...more };
}

/** An option without a value. */
export function flag(help: string): Option<boolean> {
  return { shows: null, help, field: flagField(false) };
}

/** The text of `--help`, for a terminal of 80 columns or more. */
export function usageOf({ does, synopsis, options, notes }: Outline): string {
  const rows = Object.entries(options).map(([name, { shows, short, help }]) => ({
    left: `${short === undefined ? '' : `-${short}, `}${name}${shows === null ? '' : ` ${shows}`}`,
    help,
  }));
  rows.push({ left: `-${HELP.short}, ${HELP.name}`, help: HELP.help });
  const width = Math.max(...rows.map(({ left }) => left.length));
  const table = rows.map(
    ({ left, help }) => `  ${left.padEnd(width)}  ${help.replaceAll('\n', `\n${' '.repeat(width + 4)}`)}`,
  );
  const parts = [does, synopsis.map((line) => `  ${line}`).join('\n'), table.join('\n'), notes];
  return parts.filter((part) => part !== undefined).join('\n\n');
}

/** Null: help is wanted. @throws UsageError with every fault. */
export function readArguments<Values>(
  program: Program<Values>,
  args: readonly string[],
  environment: Environment = {},
): Arguments<Values> | null {
  const { given, operands, rest, faults, isHelp } = sort(program, args);
  if (isHelp) return null;
  const options: readonly [string, Option<unknown>][] = Object.entries(program.options);
  const fields = Object.fromEntries(options.map(([name, { field }]) => [name, field]));
  const texts = options.map(([name, { variable }]) => {
    return [name, given.get(name) ?? (variable === undefined ? undefined : environment[variable])];
  });
  const relations = program.relations as readonly SettingRelation<typeof fields>[] | undefined;
  const values = collect(faults, () => readSettings(Object.fromEntries(texts), fields, relations) as Values);
  if (values !== null && faults.length === 0) return { values, operands, rest };
  throw new UsageError(faults, usageOf(program), program.exitUsage ?? EXIT_USAGE);
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

function optionOf({ options }: Outline, name: string): Option<unknown> | undefined {
  return Object.hasOwn(options, name) ? options[name] : undefined;
}

/** Not strict: parseArgs would stop at the first fault, and here all are wanted. */
function sort(program: Outline, args: readonly string[]) {
  const { tokens } = parseArgs({
    args: [...args],
    options: parserOptions(program.options),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string>();
  const [operands, rest]: [string[], string[]] = [[], []];
  const faults: SettingFault[] = [];
  const end = tokens.find(({ kind }) => kind === 'option-terminator')?.index ?? args.length;
  let isHelp = false;
  for (const token of tokens) {
    if (token.kind === 'positional')
      (program.operands?.hasRest && token.index > end ? rest : operands).push(token.value);
    if (token.kind !== 'option') continue;
    const name = fullNameOf(program.options, token.rawName);
    if (name === HELP.name && token.value === undefined) isHelp = true;
    const fault = faultOf(program, name, token);
    const before = optionOf(program, name)?.isList ? given.get(name) : undefined;
    const value = token.value ?? 'true';
    if (fault !== null) faults.push({ variable: token.rawName, message: fault });
    else given.set(name, before === undefined ? value : `${before},${value}`);
  }
  if (program.operands !== undefined || !faults.some(({ message }) => message.startsWith(UNKNOWN)))
    faults.push(...operandFaults(program.operands, operands));
  return { given, operands, rest, faults, isHelp };
}

function parserOptions(options: Outline['options']) {
  const entries = Object.entries(options).map(([name, { shows, short }]) => {
    const type: 'string' | 'boolean' = shows === null ? 'boolean' : 'string';
    return [name.slice(2), { type, ...(short !== undefined && { short }) }] as const;
  });
  return Object.fromEntries([...entries, [HELP.name.slice(2), { type: 'boolean' as const, short: HELP.short }]]);
}

/** parseArgs takes `--no-x` for an `x`; the name as it was typed does not. */
function fullNameOf(options: Outline['options'], rawName: string): string {
  if (rawName === `-${HELP.short}`) return HELP.name;
  const byShort = Object.entries(options).find(([, { short }]) => short !== undefined && rawName === `-${short}`);
  return byShort?.[0] ?? rawName;
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

/** Its value, if it was meant to have one, looks like an operand, which is no fault of its own. */
const UNKNOWN = 'unknown option';

function faultOf(program: Outline, name: string, { rawName, value, inlineValue }: OptionToken): string | null {
  if (name === HELP.name) return value === undefined ? null : 'takes no value';
  const known = optionOf(program, name);
  if (known === undefined) {
    const near = nearestName(rawName, [...Object.keys(program.options), HELP.name]);
    return near === null ? UNKNOWN : `${UNKNOWN}; did you mean ${near}?`;
  }
  if (known.shows === null) return value === undefined ? null : 'takes no value';
  const isMissing = value === undefined || value === '' || (inlineValue === false && value.startsWith('--'));
  return isMissing ? 'needs a value' : null;
}

function operandFaults(operands: Operands | undefined, given: readonly string[]): SettingFault[] {
  if (operands === undefined)
    return given.map((text) => ({ variable: text, message: 'is no option; with npm, options come after a "--"' }));
  const isRight = given.length >= operands.min && given.length <= operands.max;
  return isRight ? [] : [{ variable: '', message: operands.rule }];
}

/** "unknown option --minuts; did you mean --minutes?", "--port needs a value". */
function sentenceOf({ variable, message }: SettingFault): string {
  if (message.startsWith(UNKNOWN)) return message.replace(UNKNOWN, `${UNKNOWN} ${variable}`);
  return variable === '' ? message : `${variable} ${message}`;
}
