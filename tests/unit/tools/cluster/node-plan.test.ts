import { environmentOf, type NodePlan, planNodes } from '#tools/cluster/node-plan';
import { readLauncherSettings } from '#tools/cluster/options';

const broker = {
  amqpUrl: 'amqp://guest:guest@127.0.0.1:5690',
  management: 'http://guest:p%40ss@127.0.0.1:15690',
};

function plan(
  args: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
  logId: string | null = null,
) {
  const settings = readLauncherSettings(['--data=/checkout/data', ...args], environment);
  if (settings === null) throw new Error('help is no plan');
  const nodes = planNodes(settings);
  return {
    nodes,
    environment: (node: NodePlan | undefined) => node && environmentOf(node, settings, broker, logId),
  };
}

describe('the nodes', () => {
  it('are a master and secondaries on the ports after it, each with its own folder', () => {
    expect(
      plan(['--secondaries', '3', '--port', '9000']).nodes.map(({ name, port, dataDir }) => [name, port, dataDir]),
    ).toEqual([
      ['master', 9000, '/checkout/data/master'],
      ['secondary-1', 9001, '/checkout/data/secondary-1'],
      ['secondary-2', 9002, '/checkout/data/secondary-2'],
      ['secondary-3', 9003, '/checkout/data/secondary-3'],
    ]);
  });

  it.each([
    ['127.0.0.1', 'http://127.0.0.1:8000'],
    ['0.0.0.0', 'http://127.0.0.1:8000'],
    ['::', 'http://127.0.0.1:8000'],
    ['::1', 'http://[::1]:8000'],
    ['box.example', 'http://box.example:8000'],
  ])('that listen on %s are called at %s', (HTTP_HOST, url) => {
    expect(plan([], { HTTP_HOST }).nodes[0]?.url).toBe(url);
  });
});

describe('the environment of a node', () => {
  it('names the members to the master, and the broker to all', () => {
    const { nodes, environment } = plan();
    expect(environment(nodes[0])).toMatchObject({
      NODE_ID: 'master',
      HTTP_PORT: '8000',
      SECONDARIES: 'secondary-1,secondary-2',
      LOG_STORE: 'disk',
      DATA_DIR: '/checkout/data/master',
      AMQP_URL: broker.amqpUrl,
      MANAGEMENT_URL: broker.management,
    });
  });

  it('lets faults be injected into secondaries', () => {
    const { nodes, environment } = plan([], { DELAY_MS: '10' });
    const [master, first] = nodes.map(environment);
    expect(master).not.toHaveProperty('FAULT_INJECTION');
    expect(first).toMatchObject({ FAULT_INJECTION: 'true', DELAY_MS: '10' });
  });

  it('keeps what the user has set for all, except what would make the nodes one', () => {
    const { nodes, environment } = plan([], { DEFAULT_W: 'majority', PUBLIC_URL: 'http://x', NODE_ID: 'x' });
    expect(environment(nodes[1])).toMatchObject({
      DEFAULT_W: 'majority',
      PUBLIC_URL: undefined,
      NODE_ID: 'secondary-1',
    });
  });

  it.each([
    [null, {}, undefined],
    ['60c249b35917a53d', {}, '60c249b35917a53d'],
    [null, { LOG_ID: 'new' }, 'new'],
  ])('with the id %s and the environment %j tells every node LOG_ID=%s', (logId, variables, expected) => {
    const { nodes, environment } = plan([], variables, logId);
    for (const node of nodes) expect(environment(node)?.LOG_ID).toBe(expected);
  });

  it('keeps nothing with --memory', () => {
    const { nodes, environment } = plan(['--memory'], { DATA_DIR: '/x' });
    expect(environment(nodes[0])).toMatchObject({ LOG_STORE: 'memory', DATA_DIR: undefined });
  });

  it.each([
    ['silent', 'info'],
    ['warn', 'info'],
    ['info', 'info'],
    ['debug', 'debug'],
    ['trace', 'trace'],
  ])('with --log-level %s logs from %s on, for the file', (level, logged) => {
    const { nodes, environment } = plan(['--log-level', level]);
    expect(environment(nodes[0])).toMatchObject({ LOG_LEVEL: logged });
  });
});
