/**
 * Classifies the errors between a node and its broker: one error type with a closed set of codes,
 * how far the damage reaches (blast radius), and the cause.
 *
 * amqplib passes on what it received: a socket's error, a reply code of the broker, a sentence.
 * Only `amqpErrorOf` interprets these, so no other file reads error messages. Reply codes: AMQP
 * 0-9-1 specification, "constants".
 */

import { remedyOf, sizeLimitIn } from './refusal';

/**
 * - `unreachable`: no connection could be opened. `denied`: the broker refused this user (login,
 *   vhost, permission).
 * - `connection-lost`, `channel-lost`: it was open and ended. `timeout`: no answer within the
 *   limit; the connection is dropped.
 * - `missing`: the queue or exchange does not exist. `locked`: it is exclusive to another
 *   connection. `mismatch`: it exists with other settings.
 * - `nacked`: the broker did not take a publish. `returned`: no queue was bound. `overloaded`: the
 *   message was not sent. `too-large`: it was not sent, or the broker ended the channel for its
 *   size.
 * - `not-up`: there is no session now. `closed`: this side closed on purpose.
 */
type AmqpErrorCode =
  | 'unreachable'
  | 'denied'
  | 'connection-lost'
  | 'channel-lost'
  | 'timeout'
  | 'missing'
  | 'locked'
  | 'mismatch'
  | 'nacked'
  | 'returned'
  | 'too-large'
  | 'overloaded'
  | 'not-up'
  | 'closed';

/**
 * The scope that ends with the error: one delivery, the channel, or the connection with its
 * channels.
 */
type BlastRadius = 'delivery' | 'channel' | 'connection';

/** An error of the AMQP edge; `cause` is amqplib's error, if there was one. */
export class AmqpError extends Error {
  readonly code: AmqpErrorCode;
  readonly blastRadius: BlastRadius;

  constructor(message: string, options: ErrorOptions & { code: AmqpErrorCode; blastRadius: BlastRadius }) {
    super(message, { cause: options.cause });
    this.name = 'AmqpError';
    this.code = options.code;
    this.blastRadius = options.blastRadius;
  }
}

/**
 * Where an error occurred: `connecting` until open-ok, then on a connection or one of its channels.
 */
export type MetOn = 'connecting' | 'connection' | 'channel';

const CODE_OF_REPLY: Readonly<Record<number, AmqpErrorCode>> = {
  403: 'denied',
  404: 'missing',
  405: 'locked',
  530: 'denied',
};

/**
 * Converts any value that amqplib rejects with or emits to an `AmqpError`, without credentials in
 * its message; `what` names the operation, for the message. An `AmqpError` is returned as it is.
 */
export function amqpErrorOf(cause: unknown, { what, on }: { what: string; on: MetOn }): AmqpError {
  if (cause instanceof AmqpError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  const mismatch = mismatchOf(said);
  const code = mismatch === null ? codeOf(cause, said, on) : 'mismatch';
  const blastRadius = on === 'channel' ? 'channel' : 'connection';
  const message = mismatch ?? `${what}: ${withoutCredentials(said)}${remedyOf(said)}`;
  return new AmqpError(message, { code, blastRadius, cause });
}

/**
 * For the text of a 406 (precondition-failed) about a declaration: a sentence that names the
 * object, the setting and the remedy; null for any other text. Another 406 (an unknown delivery
 * tag, a consumer's timeout) is an ordinary end of the channel.
 */
export function mismatchOf(said: string): string | null {
  const match = /inequivalent arg '([^']*)' for (queue|exchange) '([^']*)' in vhost '([^']*)'(?:: ?([^"]*))?/.exec(
    said,
  );
  if (match === null) return null;
  const [, setting, kind, name, vhost, difference] = match;
  const ctl = kind === 'queue' ? ` or with: rabbitmqctl delete_queue --vhost ${vhost} ${name}` : '';
  const detail = difference === undefined || difference === '' ? '' : ` (${difference.trim()})`;
  return `${kind} ${name} exists with other settings: ${setting}${detail}. Delete it in the management UI${ctl}; it is then declared anew and no entry is lost`;
}

/** A broker's URL without credentials, for logs: `amqps://host:port/vhost`. */
export function describeUrl(url: string): string {
  if (!URL.canParse(url)) return '(not an address)';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

function codeOf(cause: unknown, said: string, on: MetOn): AmqpErrorCode {
  const reply = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  if (sizeLimitIn(said) !== null) return 'too-large';
  if (typeof reply === 'number' && reply in CODE_OF_REPLY) return CODE_OF_REPLY[reply] ?? 'channel-lost';
  if (on === 'channel') return 'channel-lost';
  if (on === 'connection') return 'connection-lost';
  return /Handshake terminated by server: (403|530)|SASL mechanism|ACCESS[-_]REFUSED/.test(said)
    ? 'denied'
    : 'unreachable';
}

function withoutCredentials(said: string): string {
  return said.replaceAll(/\/\/[^/@\s]*@/g, '//');
}
