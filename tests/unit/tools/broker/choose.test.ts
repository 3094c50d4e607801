import { type Choice, chooseBroker, type Facts, type Platform } from '#tools/broker/choose';

const debianRoot: Platform = {
  os: 'linux',
  distributions: ['debian'],
  isRoot: true,
  hasSudo: false,
  hasTerminal: false,
};
const bare: Facts = {
  amqpUrl: undefined,
  docker: { state: 'unusable', why: 'not installed' },
  server: { missing: 'not installed' },
  platform: debianRoot,
};
const installed = { script: '/x/rabbitmq-server', epmd: '/x/epmd' };
const everything: Facts = { ...bare, amqpUrl: 'amqp://a', docker: { state: 'ready' }, server: installed };
const user = (platform: Partial<Platform>): Facts => ({
  ...bare,
  platform: { ...debianRoot, isRoot: false, ...platform },
});

describe('chooseBroker', () => {
  const rows: [name: string, facts: Facts, way: Choice['way']][] = [
    ['an address that is given wins over everything', everything, 'given'],
    ['an empty address is none', { ...everything, amqpUrl: '' }, 'container'],
    ['a Docker that has the image wins over an installed server', { ...everything, amqpUrl: undefined }, 'container'],
    ['a Docker without the image pulls it', { ...bare, docker: { state: 'image-missing' }, server: installed }, 'pull'],
    ['an installed server is used where Docker cannot', { ...bare, server: installed }, 'private-node'],
    ['root of a Debian installs', bare, 'install'],
    ['a Debian whose installation has failed does not try again', { ...bare, installRefused: 'failed' }, 'none'],
    ['a user with sudo and a terminal is asked', user({ hasSudo: true, hasTerminal: true }), 'install'],
    ['sudo without a terminal asks nobody', user({ hasSudo: true }), 'none'],
    ['a terminal without sudo is of no use', user({ hasTerminal: true }), 'none'],
    [
      'root of another Linux installs nothing',
      { ...bare, platform: { ...debianRoot, distributions: ['fedora'] } },
      'none',
    ],
    [
      'nothing is installed on a Mac',
      user({ os: 'darwin', distributions: [], hasSudo: true, hasTerminal: true }),
      'none',
    ],
  ];
  it.each(rows)('%s', (_, facts, way) => {
    expect(chooseBroker(facts).way).toBe(way);
  });

  it('asks a user, and does not ask root', () => {
    expect(chooseBroker(bare)).toEqual({ way: 'install', ask: false });
    expect(chooseBroker(user({ hasSudo: true, hasTerminal: true }))).toEqual({ way: 'install', ask: true });
  });

  it('counts Ubuntu and what is like it as Debian', () => {
    for (const distributions of [
      ['ubuntu', 'debian'],
      ['linuxmint', 'ubuntu', 'debian'],
    ]) {
      expect(chooseBroker({ ...bare, platform: { ...debianRoot, distributions } }).way).toBe('install');
    }
  });
});

describe('the explanation, when no way applies', () => {
  const explained = (facts: Facts) => {
    const choice = chooseBroker(facts);
    if (choice.way !== 'none') throw new Error(`chose ${choice.way}`);
    return choice.explanation;
  };

  it('says of every way why it did not apply', () => {
    const text = explained({ ...user({}), docker: { state: 'unusable', why: 'Cannot connect to the Docker daemon' } });
    expect(text).toContain('AMQP_URL          not set');
    expect(text).toContain('Docker            Cannot connect to the Docker daemon');
    expect(text).toContain('rabbitmq-server   not installed');
    expect(text).toContain('installing it     needs root, and there is no sudo');
  });

  const commands: [platform: Partial<Platform>, command: string][] = [
    [{ distributions: ['debian'] }, 'sudo apt-get install rabbitmq-server'],
    [{ distributions: ['fedora'] }, 'sudo dnf install rabbitmq-server'],
    [{ distributions: ['fedora'], isRoot: true }, ' dnf install rabbitmq-server'],
    [{ distributions: ['arch'] }, 'sudo pacman -S rabbitmq'],
    [{ distributions: ['alpine'] }, 'sudo apk add rabbitmq-server'],
    [{ distributions: ['plan9'] }, 'https://www.rabbitmq.com/docs/download'],
    [{ os: 'darwin', distributions: [] }, 'brew install rabbitmq'],
    [{ os: 'win32', distributions: [] }, 'WSL 2'],
  ];
  it.each(commands)('shows the three ways out, with the command for %j', (platform, command) => {
    const text = explained(user(platform));
    expect(text).toContain('export AMQP_URL=');
    expect(text).toContain('start Docker:');
    expect(text).toContain(command);
  });
});
