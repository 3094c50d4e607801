import { resolve } from 'node:path';
import { UsageError, usageOf } from '#process/cli/program';
import { type LauncherSettings, PROGRAM, readLauncherSettings } from '#tools/cluster/options';

function read(args: readonly string[], environment: Readonly<Record<string, string>> = {}): LauncherSettings | null {
  return readLauncherSettings(args, environment);
}

function faultsOf(args: readonly string[], environment = {}): Record<string, string> {
  try {
    read(args, environment);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    expect(error.exitCode).toBe(64);
    expect(error.message).toContain(usageOf(PROGRAM));
    return Object.fromEntries(error.faults.map(({ variable, message }) => [variable, message]));
  }
  throw new Error(`no fault found in ${args.join(' ')}`);
}

describe('npm start without options', () => {
  it('is a master on 8000 with two secondaries, kept in the checkout', () => {
    expect(read([])).toMatchObject({
      secondaries: 2,
      port: 8000,
      dataDir: resolve('data'),
      memory: false,
      mayInstall: true,
      logLevel: 'warn',
      host: '127.0.0.1',
      apiToken: null,
    });
  });

  it('looks at the few variables that concern it', () => {
    const environment = { LOG_LEVEL: 'debug', HTTP_HOST: '0.0.0.0', API_TOKEN: 'secret' };
    expect(read([], environment)).toMatchObject({
      logLevel: 'debug',
      host: '0.0.0.0',
      apiToken: 'secret',
      environment,
    });
    expect(read(['--log-level', 'error'], environment)?.logLevel).toBe('error');
  });
});

describe('the options', () => {
  it('are taken, apart or with "="', () => {
    const args = [
      '--secondaries',
      '4',
      '--port=9000',
      '--data',
      'mine',
      '--memory',
      '--no-install',
      '--log-level=trace',
    ];
    expect(read(args)).toMatchObject({
      secondaries: 4,
      port: 9000,
      dataDir: resolve('mine'),
      memory: true,
      mayInstall: false,
      logLevel: 'trace',
    });
  });

  it('ask for help, whatever else is wrong', () => {
    expect(read(['--help'])).toBeNull();
    expect(read(['--bogus', '--help'])).toBeNull();
  });
});

describe('options that cannot be used', () => {
  it('are told all at once', () => {
    expect(faultsOf(['--secondaries', 'two', '--port=70000', '--log-level', 'loud', '--bogus', '-q'])).toEqual({
      '--secondaries': expect.stringContaining('whole number from 0 to 64, not "two"'),
      '--port': expect.stringContaining('from 1 to 65471'),
      '--log-level': expect.stringContaining('"loud"'),
      '--bogus': 'unknown option',
      '-q': 'unknown option',
    });
  });

  it('come after npm\'s "--"', () => {
    expect(faultsOf(['four']).four).toContain('options come after a "--"');
  });

  it.each([
    ['--data', ['--data']],
    ['--data', ['--data', '--memory']],
    ['--port', ['--port=']],
  ])('%s needs a value in %j', (name, args) => {
    expect(faultsOf(args)).toEqual({ [name]: 'needs a value' });
  });

  it('--memory takes none', () => {
    expect(faultsOf(['--memory=yes'])).toEqual({ '--memory': 'takes no value' });
  });

  it('--no-memory is not known, though memory is', () => {
    expect(faultsOf(['--no-memory'])).toEqual({ '--no-memory': 'unknown option; did you mean --memory?' });
  });

  it('the ports suffice for all secondaries', () => {
    expect(faultsOf(['--port', '65534'])['--port']).toContain('from 1 to 65471');
  });
});

describe('options that npm has taken for its own', () => {
  it.each([
    ['--secondaries=3', { npm_config_secondaries: '3' }, 'npm start -- --secondaries 3'],
    ['--port=9000', { npm_config_port: '9000' }, 'npm start -- --port 9000'],
    ['--data=mine', { npm_config_data: 'mine' }, 'npm start -- --data mine'],
    ['--memory', { npm_config_memory: 'true' }, 'npm start -- --memory'],
    ['--no-install', { npm_config_install: '' }, 'npm start -- --no-install'],
    ['--log-level', { npm_config_log_level: 'true' }, 'npm start -- --log-level LEVEL'],
  ])('%s is refused with the right command', (_, environment: Record<string, string>, command) => {
    expect(() => read([], environment)).toThrow(command);
  });
});
