/**
 * What RabbitMQ says when it refuses something, read for a person: the limit that it names, and what
 * an operator can do about a missing right. The texts are those of RabbitMQ 3.10 to 4.3.
 */

/**
 * The broker's `max_message_size` in bytes, from the text that it closes a channel with for a larger
 * message; null for any other text.
 */
export function sizeLimitIn(said: string): number | null {
  const match = /message size \d+ is larger than configured max size (\d+)/.exec(said);
  return match === null ? null : Number(match[1]);
}

/** The broker has no room for another connection of this user, or in this vhost. */
export function isConnectionLimit(said: string): boolean {
  return /connection limit \(\d+\) is reached/.test(said);
}

/**
 * What ends a refusal, as a sentence to be put after the broker's own words; '' where the words are
 * all that is known.
 */
export function remedyOf(said: string): string {
  if (/Login was refused|Login failed/i.test(said))
    return '. The user or the password in AMQP_URL is wrong (percent-encoded UTF-8 in a URL)';
  const vhost = /vhost '?(.+?)'? not found/.exec(said)?.[1];
  if (vhost !== undefined) return `. Create it: rabbitmqctl add_vhost ${quoted(vhost)}`;
  if (isConnectionLimit(said))
    return '. A node needs two connections, or one where the broker allows no more (AMQP_CONNECTIONS=1): raise the limit (rabbitmqctl set_vhost_limits, set_user_limits)';
  const denied = /access to (?:.* in )?vhost '(.*?)' refused for user '(.*?)'/.exec(said);
  if (denied === null) return '';
  const [, where = '/', user = ''] = denied;
  return `. Grant it: rabbitmqctl set_permissions --vhost ${quoted(where)} ${quoted(user)} <configure> <write> <read>, see docs/broker.md`;
}

function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
