import { readMasterSettings } from '#master/config';
import { ConfigError, type Environment } from '#process/settings';

const MEBIBYTE = 2 ** 20;

function faultsOf(environment: Environment): readonly string[] {
  try {
    readMasterSettings(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map(({ variable, message }) => `${variable} ${message}`);
    throw error;
  }
}

describe('the settings of a master', () => {
  it('need nothing to be set', () => {
    expect(readMasterSettings({})).toEqual({
      nodeId: 'master',
      logLevel: 'info',
      http: {
        host: '127.0.0.1',
        port: 8000,
        publicUrl: null,
        bodyBytesMax: 16 * MEBIBYTE,
        apiToken: null,
        limits: {
          readersMax: 1_000,
          readBytesMax: 64 * MEBIBYTE,
          waitMsMax: 3_600_000,
          stalledMs: 10_000,
          seqGraceMs: 1_500,
        },
      },
      broker: { urls: ['amqp://guest:guest@127.0.0.1:5672'], heartbeatS: 5, connections: 2, managementUrl: null },
      logName: 'rlog',
      logId: 'auto',
      store: { kind: 'disk', directory: './data/master' },
      diskFreeBytesMin: 256 * MEBIBYTE,
      heartbeatIntervalMs: 500,
      gapTimeoutMs: 200,
      misspelt: [],
      secondaries: [],
      openMembership: false,
      defaultWriteConcern: 'all',
      quorumAppend: true,
      standby: false,
      suspectAfterMs: 1500,
      unhealthyAfterMs: 3000,
      messageBytesMax: MEBIBYTE,
      inFlightBytesMax: 64 * MEBIBYTE,
      queueType: 'classic',
      queueBytesMax: 256 * MEBIBYTE,
    });
  });

  it('are what the environment says', () => {
    const settings = readMasterSettings({
      NODE_ID: 'm-1',
      SECONDARIES: 'a, b,c',
      DEFAULT_W: '4',
      AMQP_URL: 'amqp://u:p@one:5672/v,amqps://two',
      PUBLIC_URL: 'http://m.example:80/',
      QUORUM_APPEND: 'false',
      QUEUE_TYPE: 'quorum',
      DELAY_MS: 'ignored',
    });
    expect(settings).toMatchObject({
      secondaries: ['a', 'b', 'c'],
      defaultWriteConcern: 4,
      broker: { urls: ['amqp://u:p@one:5672/v', 'amqps://two'] },
      http: { publicUrl: 'http://m.example:80' },
      store: { kind: 'disk', directory: './data/m-1' },
      quorumAppend: false,
      queueType: 'quorum',
    });
    expect(readMasterSettings({ LOG_STORE: 'memory', DATA_DIR: '/x' }).store).toEqual({
      kind: 'memory',
      directory: '/x',
    });
    expect(readMasterSettings({ DATA_DIR: '/x' }).store).toEqual({ kind: 'disk', directory: '/x' });
  });

  it.each([
    ['secret\n', 'secret'],
    [' \tsecret\r\n', 'secret'],
    ['two words', 'two words'],
  ])('drop white space at the ends of the token %j', (text, apiToken) => {
    expect(readMasterSettings({ API_TOKEN: text }).http.apiToken).toBe(apiToken);
  });

  it('do not show a token that is wrong', () => {
    expect(faultsOf({ API_TOKEN: 'se\ncret' }).join()).not.toContain('cret');
  });

  it('drop the line end of a URL', () => {
    expect(readMasterSettings({ PUBLIC_URL: 'http://m.example/\n' }).http.publicUrl).toBe('http://m.example');
  });

  it.each([
    ['SECONDARYS', 'SECONDARIES'],
    ['SECONDARY', 'SECONDARIES'],
    ['secondaries', 'SECONDARIES'],
    ['HEARTBEAT_INTERVALL_MS', 'HEARTBEAT_INTERVAL_MS'],
    ['HTTPPORT', 'HTTP_PORT'],
    ['API_TOKENS', 'API_TOKEN'],
  ])('name the variable %s, which is nearly %s, and start', (variable, meant) => {
    const message = `is no setting; did you mean ${meant}?`;
    expect(readMasterSettings({ [variable]: 'x' }).misspelt).toEqual([{ variable, message }]);
  });

  it('name it beside the faults that stop the process', () => {
    expect(faultsOf({ NODE_ID: 'a b', SECONDARYS: 'a' })).toHaveLength(2);
  });

  it('say nothing of the variables of others', () => {
    const environment = { DELAY_MS: '1', FAIL_RATE: '0', FAULT_INJECTION: 'true', NODE_ENV: 'test', LOGNAME: 'me' };
    const others = {
      NODE: '/usr/bin/node',
      NODE_VERSION: '20',
      HOSTNAME: 'h',
      http_proxy: 'x',
      PATH: '/bin',
      SECONDARYS: '',
    };
    expect(readMasterSettings({ ...environment, ...others }).misspelt).toEqual([]);
  });

  it('cannot be changed, at any depth', () => {
    const settings = readMasterSettings({ SECONDARIES: 'a' });
    const parts = [
      settings,
      settings.http,
      settings.http.limits,
      settings.broker,
      settings.broker.urls,
      settings.store,
      settings.secondaries,
    ];
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true);
  });

  it.each<[string, Environment]>([
    ['NODE_ID', { NODE_ID: 'a b' }],
    ['NODE_ID', { NODE_ID: 'x'.repeat(65) }],
    ['LOG_NAME', { LOG_NAME: 'a.b' }],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }],
    ['LOG_STORE', { LOG_STORE: 'tape' }],
    ['HEARTBEAT_INTERVAL_MS', { HEARTBEAT_INTERVAL_MS: '19' }],
    ['HTTP_HOST', { HTTP_HOST: 'a b' }],
    ['HTTP_PORT', { HTTP_PORT: '65536' }],
    ['HTTP_PORT', { HTTP_PORT: 'http' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'ftp://x' }],
    ['MANAGEMENT_URL', { MANAGEMENT_URL: 'x' }],
    ['AMQP_URL', { AMQP_URL: 'http://x' }],
    ['AMQP_URL', { AMQP_URL: 'amqp://' }],
    ['AMQP_URL', { AMQP_URL: 'amqp://x,' }],
    ['AMQP_HEARTBEAT_S', { AMQP_HEARTBEAT_S: '0' }],
    ['SECONDARIES', { SECONDARIES: 'a,a' }],
    ['SECONDARIES', { SECONDARIES: 'a,,b' }],
    ['SECONDARIES', { SECONDARIES: 'a,b.c' }],
    ['SECONDARIES', { SECONDARIES: 'a,master' }],
    ['OPEN_MEMBERSHIP', { OPEN_MEMBERSHIP: '1' }],
    ['OPEN_MEMBERSHIP', { OPEN_MEMBERSHIP: 'true' }],
    ['OPEN_MEMBERSHIP', { OPEN_MEMBERSHIP: 'true', LOG_ID: 'auto' }],
    ['OPEN_MEMBERSHIP', { OPEN_MEMBERSHIP: 'true', LOG_STORE: 'memory' }],
    ['LOG_ID', { LOG_ID: 'old' }],
    ['LOG_ID', { LOG_ID: 'AUTO' }],
    ['LOG_ID', { LOG_ID: '60c249b35917a53' }],
    ['LOG_ID', { LOG_ID: '60c249b35917a53d0' }],
    ['LOG_ID', { LOG_ID: '60C249B35917A53D' }],
    ['LOG_ID', { LOG_ID: '60c249b35917a53d/0b1f0b1f0b1f0b1f' }],
    ['LOG_ID', { LOG_ID: 'new', LOG_STORE: 'memory' }],
    ['LOG_ID', { LOG_ID: '60c249b35917a53d', LOG_STORE: 'memory' }],
    ['QUORUM_APPEND', { QUORUM_APPEND: 'no' }],
    ['DEFAULT_W', { DEFAULT_W: '0' }],
    ['DEFAULT_W', { DEFAULT_W: 'most' }],
    ['DEFAULT_W', { DEFAULT_W: '3', SECONDARIES: 'a' }],
    ['SUSPECT_AFTER_MS', { HEARTBEAT_INTERVAL_MS: '500', SUSPECT_AFTER_MS: '1000' }],
    ['UNHEALTHY_AFTER_MS', { SUSPECT_AFTER_MS: '3000', UNHEALTHY_AFTER_MS: '3000' }],
    ['UNHEALTHY_AFTER_MS', { HEARTBEAT_INTERVAL_MS: '1000', UNHEALTHY_AFTER_MS: '3000' }],
    ['GAP_TIMEOUT_MS', { GAP_TIMEOUT_MS: '0' }],
    ['MAX_MESSAGE_BYTES', { MAX_MESSAGE_BYTES: '0' }],
    ['MAX_MESSAGE_BYTES', { MAX_MESSAGE_BYTES: '2621441' }],
    ['MAX_MESSAGE_BYTES', { MAX_MESSAGE_BYTES: '1001', MAX_BODY_BYTES: '1000' }],
    ['MAX_IN_FLIGHT_BYTES', { MAX_IN_FLIGHT_BYTES: '-1' }],
    ['QUEUE_TYPE', { QUEUE_TYPE: 'stream' }],
    ['QUEUE_MAX_BYTES', { QUEUE_MAX_BYTES: '1GB' }],
    ['MAX_READERS', { MAX_READERS: '0' }],
    ['MAX_READ_BYTES', { MAX_READ_BYTES: '1000' }],
    ['MAX_WAIT_MS', { MAX_WAIT_MS: '86400001' }],
    ['STALLED_AFTER_MS', { STALLED_AFTER_MS: '10' }],
    ['DATA_DIR', { DATA_DIR: '/data\n' }],
    ['API_TOKEN', { API_TOKEN: ' \n' }],
    ['API_TOKEN', { API_TOKEN: 'a\nb' }],
    ['API_TOKEN', { API_TOKEN: 'a\u0000b' }],
    ['API_TOKEN', { API_TOKEN: 'geheimß' }],
  ])('refuse a wrong %s: %j', (variable, environment) => {
    const faults = faultsOf(environment);
    expect(faults).toHaveLength(1);
    expect(faults[0]?.startsWith(`${variable} `)).toBe(true);
  });

  it.each<Environment>([
    { DEFAULT_W: '3', OPEN_MEMBERSHIP: 'true', SECONDARIES: 'a' },
    { OPEN_MEMBERSHIP: 'true', LOG_ID: 'new' },
    { OPEN_MEMBERSHIP: 'true', LOG_ID: '60c249b35917a53d' },
    { OPEN_MEMBERSHIP: 'true', SECONDARIES: 'a', LOG_ID: 'auto' },
    { LOG_ID: 'auto', LOG_STORE: 'memory' },
    { DEFAULT_W: 'majority' },
    { HEARTBEAT_INTERVAL_MS: '100', SUSPECT_AFTER_MS: '201', UNHEALTHY_AFTER_MS: '202' },
    { MAX_MESSAGE_BYTES: '2621440' },
    { HTTP_PORT: '0', HTTP_HOST: '::1' },
  ])('take %j', (environment) => {
    expect(faultsOf(environment)).toEqual([]);
  });

  it.each(['auto', 'new', '60c249b35917a53d'])('name the log: LOG_ID=%s', (logId) => {
    expect(readMasterSettings({ LOG_ID: logId }).logId).toBe(logId);
  });

  it('say what to set where nobody could know that there is a log already', () => {
    const [fault] = faultsOf({ OPEN_MEMBERSHIP: 'true' });
    expect(fault).toContain('needs SECONDARIES or LOG_ID');
    expect(fault).toContain('LOG_ID=new');
  });

  it('bound the message by the body where only the body is set', () => {
    expect(readMasterSettings({ MAX_BODY_BYTES: '1000' }).messageBytesMax).toBe(1000);
  });

  it('never show a password', () => {
    expect(faultsOf({ AMQP_URL: 'http://user:hunter2@x' }).join()).not.toContain('hunter2');
  });
});

test('what depends on the heartbeat interval follows it, unless it is set', () => {
  expect(readMasterSettings({ HEARTBEAT_INTERVAL_MS: '400' })).toMatchObject({
    suspectAfterMs: 1_200,
    unhealthyAfterMs: 2_400,
    http: { limits: { seqGraceMs: 1_200 } },
  });
  expect(readMasterSettings({ SUSPECT_AFTER_MS: '2000' })).toMatchObject({ unhealthyAfterMs: 4_000 });
  const set = { HEARTBEAT_INTERVAL_MS: '400', SUSPECT_AFTER_MS: '1000', UNHEALTHY_AFTER_MS: '1001' };
  expect(readMasterSettings(set)).toMatchObject({ suspectAfterMs: 1_000, unhealthyAfterMs: 1_001 });
});
