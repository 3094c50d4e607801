/**
 * What can go wrong between a node and its broker: one error type with a closed code, how far the
 * damage reaches, and the cause.
 *
 * amqplib hands over whatever it met: a socket's error, a broker's reply code, a sentence.
 * `amqpErrorOf` decides here, once, what each of them means, so that nobody else reads messages.
 * Reply codes: AMQP 0-9-1 specification, "constants".
 */

/**
 * - `unreachable`: no connection came about. `denied`: the broker knows us and refuses (login,
 *   vhost, permission).
 * - `connection-lost`, `channel-lost`: it was there and ended. `timeout`: no answer within the
 *   bound; the connection is dropped.
 * - `missing`: the queue or exchange does not exist. `locked`: it is exclusively another
 *   connection's. `mismatch`: it exists with other settings.
 * - `nacked`, `returned`: the broker did not take a publish; no queue was bound. `too-large`,
 *   `overloaded`: it was not sent.
 * - `not-up`: there is no session now. `closed`: this side was closed on purpose.
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
 * What ends with the error: one message, the channel it came on, or the connection and all its
 * channels.
 */
type BlastRadius = 'delivery' | 'channel' | 'connection';

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
 * Where an error was met: `connecting` until the broker said open-ok, then on a connection or on
 * one of its channels.
 */
export type MetOn = 'connecting' | 'connection' | 'channel';

const CODE_OF_REPLY: Readonly<Record<number, AmqpErrorCode>> = {
  403: 'denied',
  404: 'missing',
  405: 'locked',
  530: 'denied',
};

/**
 * Makes an AmqpError of anything that amqplib rejects with or emits; `what` is what was being done,
 * for the message.
 */
export function amqpErrorOf(cause: unknown, { what, on }: { what: string; on: MetOn }): AmqpError {
  if (cause instanceof AmqpError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  const mismatch = mismatchOf(said);
  const code = mismatch === null ? codeOf(cause, said, on) : 'mismatch';
  const blastRadius = on === 'channel' ? 'channel' : 'connection';
  return new AmqpError(mismatch ?? `${what}: ${withoutCredentials(said)}`, { code, blastRadius, cause });
}

/**
 * For the text of a 406 about a declaration: a sentence that names the object, the setting and how
 * to mend it; null for any other text. A 406 that is not about a declaration (an unknown delivery
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

/** An address without its credentials, for logs: `amqps://host:port/vhost`. */
export function describeUrl(url: string): string {
  if (!URL.canParse(url)) return '(not an address)';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

function codeOf(cause: unknown, said: string, on: MetOn): AmqpErrorCode {
  const reply = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
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
