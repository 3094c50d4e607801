import { AmqpError, amqpErrorOf, describeUrl, type MetOn, mismatchOf } from '#amqp/error';

describe('what an error of amqplib means', () => {
  it.each<[string, unknown, MetOn, string, string]>([
    [
      'a refused socket',
      Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
      'connecting',
      'unreachable',
      'connection',
    ],
    [
      'a refused login',
      new Error('Handshake terminated by server: 403 (ACCESS-REFUSED) with message "…"'),
      'connecting',
      'denied',
      'connection',
    ],
    [
      'an unknown vhost',
      new Error('Handshake terminated by server: 530 (NOT_ALLOWED) with message "…"'),
      'connecting',
      'denied',
      'connection',
    ],
    ['a dead socket', new Error('Unexpected close'), 'connection', 'connection-lost', 'connection'],
    ['a forced close', Object.assign(new Error('320'), { code: 320 }), 'connection', 'connection-lost', 'connection'],
    ['a missing exchange', Object.assign(new Error('NOT_FOUND'), { code: 404 }), 'channel', 'missing', 'channel'],
    [
      'a foreign exclusive queue',
      Object.assign(new Error('RESOURCE_LOCKED'), { code: 405 }),
      'channel',
      'locked',
      'channel',
    ],
    ['a missing permission', Object.assign(new Error('ACCESS_REFUSED'), { code: 403 }), 'channel', 'denied', 'channel'],
    [
      'an unknown delivery tag',
      Object.assign(new Error('PRECONDITION_FAILED - unknown delivery tag 7'), { code: 406 }),
      'channel',
      'channel-lost',
      'channel',
    ],
    ['a thrown string', 'oops', 'channel', 'channel-lost', 'channel'],
  ])('%s', (_, cause, on, code, blastRadius) => {
    const error = amqpErrorOf(cause, { what: 'test', on });
    expect(error).toMatchObject({ code, blastRadius, cause });
  });

  it('an error that was understood already stays what it is', () => {
    const error = new AmqpError('x', { code: 'nacked', blastRadius: 'delivery' });
    expect(amqpErrorOf(error, { what: 'test', on: 'connection' })).toBe(error);
  });

  it('a password in a message is left out', () => {
    const error = amqpErrorOf(new Error('no such host amqp://u:secret@h:1'), { what: 'test', on: 'connecting' });
    expect(error.message).toBe('test: no such host amqp://h:1');
  });
});

describe('a declaration that does not fit', () => {
  const said = (kind: string, name: string) =>
    `Operation failed: QueueDeclare; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - inequivalent arg 'x-max-length-bytes' for ${kind} '${name}' in vhost '/': received the value '1' of type 'signedint' but current is none"`;

  it('of a queue: names it, the setting, the difference and both ways to mend it', () => {
    const error = amqpErrorOf(new Error(said('queue', 'rlog.entries.s1')), { what: 'x', on: 'channel' });
    expect(error.code).toBe('mismatch');
    expect(error.message).toBe(
      "queue rlog.entries.s1 exists with other settings: x-max-length-bytes (received the value '1' of type 'signedint' but current is none). " +
        'Delete it in the management UI or with: rabbitmqctl delete_queue --vhost / rlog.entries.s1; it is then declared anew and no entry is lost',
    );
  });

  it('of an exchange: there is no command for it', () => {
    expect(mismatchOf(said('exchange', 'rlog.entries'))).toMatch(
      /^exchange rlog.entries exists .* in the management UI;/,
    );
  });

  it('any other text is none', () => {
    expect(mismatchOf('PRECONDITION_FAILED - unknown delivery tag 7')).toBeNull();
  });
});

it.each([
  ['amqp://user:pass@host:5672', 'amqp://host:5672'],
  ['amqps://host/v?heartbeat=3', 'amqps://host/v'],
  ['amqp://host/', 'amqp://host'],
  ['nonsense', '(not an address)'],
])('%s is shown as %s', (url, shown) => {
  expect(describeUrl(url)).toBe(shown);
});
