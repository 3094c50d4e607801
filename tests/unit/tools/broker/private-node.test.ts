import { foreignEnvironment, nodeEnvironment, renderConf } from '#tools/broker/private-node';

const environment = (epmd = 21_004) =>
  nodeEnvironment('/d', 'rlog@localhost', { amqp: 21_001, management: 21_002, distribution: 21_003, epmd });

describe('a private node', () => {
  it('takes nothing from the system: no default port, no file outside the data folder', () => {
    const env = environment();
    expect(env).toMatchObject({
      RABBITMQ_DIST_PORT: '21003',
      ERL_EPMD_PORT: '21004',
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
    });
    const others = ['RABBITMQ_NODENAME', 'RABBITMQ_DIST_PORT', 'RABBITMQ_CONF_ENV_FILE'];
    others.push('RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS');
    const files = Object.entries(env).filter(([name]) => /^(RABBITMQ_|HOME$)/.test(name) && !others.includes(name));
    expect(files.length).toBeGreaterThan(9);
    for (const [, file] of files) expect(file).toMatch(/^\/d\//);
  });

  it('drops what the environment says about another RabbitMQ, and keeps the rest', () => {
    const env = { PATH: '/bin', RABBITMQ_SERVER_START_ARGS: '-x', ERL_FLAGS: '-y', AMQP_URL: 'amqp://x' };
    expect(foreignEnvironment(env)).toEqual({ PATH: '/bin', AMQP_URL: 'amqp://x' });
  });

  it('does not inherit the locale, under which it would not boot below a folder with Cyrillic letters', () => {
    expect(foreignEnvironment({ LANG: 'uk_UA.UTF-8', LC_ALL: 'C.UTF-8', LANGUAGE: 'uk' })).toEqual({});
  });

  it('listens on loopback only, and on no default port', () => {
    const text = renderConf({ amqp: 21_001, management: 21_002 });
    expect(text).toContain('listeners.tcp.local = 127.0.0.1:21001\n');
    expect(text).toContain('management.tcp.ip = 127.0.0.1\n');
    expect(text).toContain('management.tcp.port = 21002\n');
    expect(text).not.toMatch(/= .*\b1?5672\b/);
  });

  it('has the settings that every RabbitMQ of this project has, each key once', () => {
    const text = renderConf({ amqp: 1, management: 2 });
    expect(text).toContain('raft.wal_max_size_bytes = 67108864\n');
    const keys = text.split('\n').flatMap((line) => /^[a-z_.]+(?= = )/.exec(line) ?? []);
    expect(new Set(keys).size).toBe(keys.length);
  });
});
