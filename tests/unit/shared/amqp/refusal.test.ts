import { amqpErrorOf } from '#amqp/error';
import { credentialsOf } from '#amqp/handshake';
import { isConnectionLimit, remedyOf, sizeLimitIn } from '#amqp/refusal';

describe('what RabbitMQ says when it refuses', () => {
  it.each([
    ["ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 't'", 'set_permissions --vhost / t'],
    ["ACCESS_REFUSED - access to exchange 'amq.default' in vhost 'a b' refused for user 't'", "--vhost 'a b' t"],
    ["NOT_ALLOWED - access to vhost '/' refused for user 'zoë'", "'zoë'"],
    ['NOT_ALLOWED - vhost nope not found', 'rabbitmqctl add_vhost nope'],
    ["NOT_ALLOWED - access to vhost 'v1' refused for user 't': connection limit (1) is reached", 'set_vhost_limits'],
    ["NOT_ALLOWED - connection refused for user 'lim': user connection limit (1) is reached", 'set_user_limits'],
    ['ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details …', 'AMQP_URL'],
  ])('"%s" is told with what ends it', (said, remedy) => {
    expect(amqpErrorOf(new Error(said), { what: 'x', on: 'channel' }).message).toContain(said);
    expect(remedyOf(said)).toContain(remedy);
  });

  it('any other text is told as it is', () => {
    expect(remedyOf('Unexpected close')).toBe('');
  });

  it('a connection limit is told from a missing right', () => {
    expect(isConnectionLimit("access to vhost 'v' refused for user 't': connection limit (1) is reached")).toBe(true);
    expect(isConnectionLimit("access to vhost 'v' refused for user 't'")).toBe(false);
  });

  it('the size that it takes is read from the refusal of a larger message', () => {
    const said = 'PRECONDITION_FAILED - message size 600000 is larger than configured max size 262144';
    expect(sizeLimitIn(said)).toBe(262_144);
    expect(sizeLimitIn('PRECONDITION_FAILED - unknown delivery tag 7')).toBeNull();
    const error = amqpErrorOf(Object.assign(new Error(said), { code: 406 }), { what: 'x', on: 'channel' });
    expect(error.code).toBe('too-large');
  });
});

describe('the user and the password of an AMQP URL', () => {
  it.each([
    ['amqp://zo%C3%AB:p%C3%A4ss%20w%2Frd@h', '\0zoë\0päss w/rd'],
    ['amqp://u:p@h', '\0u\0p'],
    ['amqp://h', '\0guest\0guest'],
    ['amqp://u@h', '\0u\0'],
  ])('%s', (url, response) => {
    expect(credentialsOf(url).response().toString('utf8')).toBe(response);
  });
});
