import { layOutNode } from '#tools/broker/installed/layout';

const ports = { amqp: 21_001, management: 21_002, distribution: 21_003, epmd: 21_004 };
const layout = (more: Partial<Parameters<typeof layOutNode>[0]> = {}) =>
  layOutNode({ dataDir: '/d', name: 'rlog', ports, env: {}, ...more });

describe('the layout of a private node', () => {
  it('keeps its name and folders when the ports change, so that the next start finds the queues', () => {
    const first = layout();
    const second = layout({ ports: { amqp: 1, management: 2, distribution: 3, epmd: 4 } });
    expect(second.nodeName).toBe(first.nodeName);
    expect(second.folders).toEqual(first.folders);
    expect(second.env.RABBITMQ_MNESIA_BASE).toBe(first.env.RABBITMQ_MNESIA_BASE);
  });

  it('takes nothing from the system: no default port, no file outside the data folder', () => {
    const { env } = layout();
    expect(env).toMatchObject({
      RABBITMQ_DIST_PORT: '21003',
      ERL_EPMD_PORT: '21004',
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
    });
    const files = ['HOME', 'RABBITMQ_CONFIG_FILE', 'RABBITMQ_CONFIG_FILES', 'RABBITMQ_ADVANCED_CONFIG_FILE'];
    files.push('RABBITMQ_ENABLED_PLUGINS_FILE', 'RABBITMQ_MNESIA_BASE', 'RABBITMQ_LOG_BASE', 'RABBITMQ_LOGS');
    files.push('RABBITMQ_PID_FILE', 'RABBITMQ_PLUGINS_EXPAND_DIR', 'RABBITMQ_GENERATED_CONFIG_DIR');
    for (const file of files) expect(env[file]).toMatch(/^\/d\//);
  });

  it('drops what the environment says about another RabbitMQ, and keeps the rest', () => {
    const env = {
      PATH: '/bin',
      RABBITMQ_NODENAME: 'theirs',
      RABBITMQ_SERVER_START_ARGS: '-x',
      ERL_FLAGS: '-y',
      HOME: '/h',
    };
    expect(layout({ env }).env).toMatchObject({ PATH: '/bin', RABBITMQ_NODENAME: 'rlog@localhost', HOME: '/d/home' });
    expect(Object.keys(layout({ env }).env)).not.toEqual(expect.arrayContaining(['ERL_FLAGS']));
    expect(Object.keys(layout({ env }).env)).not.toEqual(expect.arrayContaining(['RABBITMQ_SERVER_START_ARGS']));
  });

  it('writes the settings, the plugins, and an advanced configuration that shadows the system’s', () => {
    const texts = Object.fromEntries(layout().files.map(({ path, text }) => [path, text]));
    expect(texts['/d/rabbitmq.conf']).toContain('listeners.tcp.local = 127.0.0.1:21001');
    expect(texts['/d/enabled_plugins']).toBe('[rabbitmq_management].\n');
    expect(texts['/d/advanced.config']).toBe('[].\n');
  });

  it('wipes the stored data and nothing else', () => {
    expect(layout().wipeFolders).toEqual(['/d/mnesia']);
  });
});
