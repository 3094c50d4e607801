/**
 * Defines the kinds of setting that services have. The fault of a field says what the value must be
 * and what it was, unless the text may hold a password.
 */
import type { z } from 'zod';
import { REIGN_LENGTH } from '#protocol/entry';
import { NAME_PATTERN } from '#protocol/topology';
import { type ReadText, settingField } from './settings';

type Field<Value> = z.ZodType<Value, string | undefined>;

const NAME_RULE = '1 to 64 letters, digits, "-" or "_"';
const LOG_ID_PATTERN = new RegExp(`^[0-9a-f]{${REIGN_LENGTH}}$`);
const HOST_PATTERN = /^[A-Za-z0-9._:%-]+$/;

/** A whole number from `min` to `max`, both included. Without a fallback it must be set. */
export function wholeNumberField<Fallback extends number | null = number>(range: {
  min: number;
  max: number;
  fallback?: Fallback;
}): Field<number | Fallback> {
  return settingField<number | Fallback>((text) => {
    const value = /^-?[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    return value >= range.min && value <= range.max
      ? { value }
      : wrong(text, `must be a whole number from ${range.min} to ${range.max}`);
  }, range.fallback);
}

/** A number above 0, with or without a fraction. */
export function positiveField(fallback: number): Field<number> {
  return settingField((text) => {
    const value = /^(?:[0-9]{1,9}\.?[0-9]*|\.[0-9]+)$/.test(text) ? Number(text) : Number.NaN;
    return value > 0 ? { value } : wrong(text, 'must be a number above 0');
  }, fallback);
}

/** A probability from 0 to 1. */
export function rateField(fallback: number): Field<number> {
  return settingField((text) => {
    const value = /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)$/.test(text) ? Number(text) : Number.NaN;
    return value >= 0 && value <= 1 ? { value } : wrong(text, 'must be a number from 0 to 1');
  }, fallback);
}

/** `true` or `false`. */
export function flagField(fallback: boolean): Field<boolean> {
  return settingField(
    (text) => (text === 'true' || text === 'false' ? { value: text === 'true' } : wrong(text, 'must be true or false')),
    fallback,
  );
}

/** One of a few words. */
export function wordField<Word extends string, Fallback extends Word | null>(
  words: readonly Word[],
  fallback: Fallback,
): Field<Word | Fallback> {
  return settingField<Word | Fallback>((text) => {
    const value = words.find((word) => word === text);
    return value === undefined ? wrong(text, `must be one of ${words.join(', ')}`) : { value };
  }, fallback);
}

/** Several of a few words, comma-separated; none when left out. */
export function wordsField<Word extends string>(words: readonly Word[]): Field<readonly Word[]> {
  return settingField<readonly Word[]>((text) => {
    const given = text.split(',').filter((word) => word !== '');
    const known = given.flatMap((word) => words.find((each) => each === word) ?? []);
    return known.length === given.length ? { value: known } : wrong(text, `must be of ${words.join(', ')}`);
  }, []);
}

/** A node id or a log's name (`NAME_PATTERN`). Without a fallback it must be set. */
export function nameField(fallback?: string): Field<string> {
  return settingField(
    (text) => (NAME_PATTERN.test(text) ? { value: text } : wrong(text, `must be ${NAME_RULE}`)),
    fallback,
  );
}

/** LOG_ID: a log id as /health shows it, `auto` (the default) or `new`. */
export function logIdField(): Field<string> {
  return settingField<string>(
    (text) =>
      text === 'auto' || text === 'new' || LOG_ID_PATTERN.test(text)
        ? { value: text }
        : wrong(text, `must be auto, new or the id of a log, ${REIGN_LENGTH} hex digits as /health shows them`),
    'auto',
  );
}

/** Distinct names, comma-separated; an empty list when not set. */
export function namesField(): Field<readonly string[]> {
  return settingField<readonly string[]>((text) => {
    const names = text.split(',').map((name) => name.trim());
    const bad = names.filter((name) => !NAME_PATTERN.test(name));
    if (bad.length > 0) return wrong(bad.join('", "'), `must be names of ${NAME_RULE}, comma-separated`);
    const twice = names.filter((name, at) => names.indexOf(name) !== at);
    if (twice.length > 0) return { fault: `must be distinct: ${[...new Set(twice)].join(', ')} is named twice` };
    return { value: names };
  }, []);
}

/** A host name or IP address to listen on. */
export function hostField(fallback: string): Field<string> {
  return settingField(
    (text) => (HOST_PATTERN.test(text) ? { value: text } : wrong(text, 'must be a host name or an IP address')),
    fallback,
  );
}

/** An http or https URL, returned without trailing slashes; null when not set. */
export function webUrlField(): Field<string | null> {
  return settingField<string | null>(
    (text) =>
      isUrl(text, ['http:', 'https:'])
        ? { value: text.trim().replace(/\/+$/, '') }
        : { fault: 'must be an http:// or https:// URL' },
    null,
  );
}

/**
 * AMQP URLs, comma-separated, in the order in which to try them. They contain passwords, so a fault
 * does not show them.
 */
export function brokerUrlsField(fallback: string): Field<readonly string[]> {
  return settingField<readonly string[]>(
    (text) => {
      const urls = text.split(',').map((url) => url.trim());
      const bad = urls.findIndex((url) => !isUrl(url, ['amqp:', 'amqps:']));
      if (bad < 0) return { value: urls };
      return { fault: `must be amqp:// or amqps:// URLs, comma-separated; number ${bad + 1} is not` };
    },
    [fallback],
  );
}

/** Any text. */
export function textField(fallback: string | null): Field<string | null> {
  return settingField<string | null>((value) => ({ value }), fallback);
}

/** A path of the file system; null when not set. White space at an end is a slip, not a name. */
export function pathField(): Field<string | null> {
  return settingField<string | null>(
    (text) => (text === text.trim() ? { value: text } : wrong(text, 'must not begin or end with white space')),
    null,
  );
}

/**
 * A secret that a header carries; null when not set. White space at its ends is dropped: files and
 * shells add a line end. A fault does not show it.
 */
export function tokenField(): Field<string | null> {
  return settingField<string | null>((text) => {
    const token = text.trim();
    if (token === '') return { fault: 'must not be blank; leave it out for no token' };
    return /^[\t\x20-\x7e]+$/.test(token)
      ? { value: token }
      : { fault: 'must be of ASCII characters that a header can carry' };
  }, null);
}

/** A fault that shows the text, cut to 80 characters to keep the report readable. */
export function wrong(text: string, must: string): ReadText<never> {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return { fault: `${must}, not "${shown}"` };
}

function isUrl(text: string, protocols: readonly string[]): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, pathname } = new URL(text);
  return protocols.includes(protocol) && hostname !== '' && [username, password, pathname].every(isPercentEncoded);
}

/** Percent-encoded UTF-8, or without a percent sign. */
function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
