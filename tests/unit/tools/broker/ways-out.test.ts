import type { Machine } from '#tools/broker/machine';
import { whyNoInstall } from '#tools/broker/provide';
import { explainWaysOut } from '#tools/broker/ways-out';

const debianRoot: Machine = {
  os: 'linux',
  distributions: ['debian'],
  isRoot: true,
  hasSudo: false,
  hasTerminal: false,
};
const user = (machine: Partial<Machine>): Machine => ({ ...debianRoot, isRoot: false, ...machine });

describe('the package', () => {
  it.each([
    ['by root of a Debian', debianRoot],
    ['by a user with sudo who can be asked', user({ hasSudo: true, hasTerminal: true })],
    ['on an Ubuntu', { ...debianRoot, distributions: ['ubuntu', 'debian'] }],
    ['on what is like an Ubuntu', { ...debianRoot, distributions: ['linuxmint', 'ubuntu', 'debian'] }],
  ])('can be installed %s', (_, machine) => expect(whyNoInstall(machine)).toBeUndefined());

  it.each([
    ['with sudo where nobody can be asked', user({ hasSudo: true }), /yes at a terminal/],
    ['without sudo', user({ hasTerminal: true }), /no sudo/],
    ['by root of another Linux', { ...debianRoot, distributions: ['fedora'] }, /only done on Debian/],
    ['on a Mac', user({ os: 'darwin', distributions: [], hasSudo: true, hasTerminal: true }), /only done on Debian/],
  ])('cannot be installed %s', (_, machine, why) => expect(whyNoInstall(machine)).toMatch(why));
});

describe('the explanation, when no way applies', () => {
  const refusals = { docker: 'Cannot connect to the Docker daemon', server: 'not installed', install: 'no sudo' };

  it('says of every way why it did not apply', () => {
    const text = explainWaysOut(user({}), refusals);
    expect(text).toContain('AMQP_URL          not set');
    expect(text).toContain('Docker            Cannot connect to the Docker daemon');
    expect(text).toContain('rabbitmq-server   not installed');
    expect(text).toContain('installing it     no sudo');
  });

  const commands: [machine: Partial<Machine>, command: string][] = [
    [{ distributions: ['debian'] }, 'sudo apt-get install rabbitmq-server'],
    [{ distributions: ['fedora'] }, 'sudo dnf install rabbitmq-server'],
    [{ distributions: ['fedora'], isRoot: true }, ' dnf install rabbitmq-server'],
    [{ distributions: ['arch'] }, 'sudo pacman -S rabbitmq'],
    [{ distributions: ['alpine'] }, 'sudo apk add rabbitmq-server'],
    [{ distributions: ['plan9'] }, 'https://www.rabbitmq.com/docs/download'],
    [{ os: 'darwin', distributions: [] }, 'brew install rabbitmq'],
    [{ os: 'win32', distributions: [] }, 'WSL 2'],
  ];
  it.each(commands)('shows the three ways out, with the command for %j', (machine, command) => {
    const text = explainWaysOut(user(machine), refusals);
    expect(text).toContain('export AMQP_URL=');
    expect(text).toContain('start Docker:');
    expect(text).toContain(command);
  });
});
