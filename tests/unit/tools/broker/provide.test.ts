import { redact } from '#tools/broker/given-broker';
import { whyNoInstall } from '#tools/broker/install';
import { freePorts } from '#tools/broker/ports';
import { explainWaysOut, provideBroker } from '#tools/broker/provide';

const quiet = { name: 'unit', log: () => undefined };

describe('providing a broker', () => {
  it('fails when the given one cannot be reached, tries nothing else, and hides its password', async () => {
    const [port] = await freePorts([undefined]);
    const env = { AMQP_URL: `amqp://me:secret@127.0.0.1:${port}` };
    const failure: Error = await provideBroker({ ...quiet, env }).then(Promise.reject, (error) => error);
    expect(failure).toMatchObject({ code: 'unreachable' });
    expect(failure.message).toContain(`amqp://me:…@127.0.0.1:${port}: `);
    expect(failure.message).not.toContain('secret');
  });

  it('shows the ways out when no way is left', async () => {
    const providing = provideBroker({ ...quiet, env: {}, ways: [] });
    await expect(providing).rejects.toMatchObject({ code: 'no-way', message: expect.stringContaining('AMQP_URL=') });
  });

  it('does nothing once aborted', async () => {
    const providing = provideBroker({ ...quiet, env: {}, signal: AbortSignal.abort() });
    await expect(providing).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('refuses a name that would not do as part of a node’s or a container’s', async () => {
    await expect(provideBroker({ ...quiet, name: 'a b@c', env: {} })).rejects.toThrow(RangeError);
  });
});

it('the package is not installed where nobody can be asked', () => {
  jest.spyOn(process, 'getuid').mockReturnValue(1000);
  expect(whyNoInstall({ PATH: '/nonexistent' })).toMatch(/only done on Debian|no sudo/);
});

it('when no way applies, it is said of every way why, and what helps', () => {
  const text = explainWaysOut({ container: 'cannot connect', 'private-node': 'not installed', install: 'no sudo' });
  for (const row of [
    'Docker            cannot connect',
    'rabbitmq-server   not installed',
    'installing it     no sudo',
  ])
    expect(text).toContain(row);
});

describe('what a screen shows of an address', () => {
  it.each([
    ['amqp://guest:guest@127.0.0.1:5672', 'amqp://guest:…@127.0.0.1:5672'],
    ['amqps://u:p%40ss@host/vhost', 'amqps://u:…@host/vhost'],
    ['amqp://host', 'amqp://host'],
  ])('%s is shown as %s', (address, shown) => expect(redact(address)).toBe(shown));
});
