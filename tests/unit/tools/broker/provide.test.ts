import { redact } from '#tools/broker/given-broker';
import { installPackage } from '#tools/broker/install';
import { parseDistributions } from '#tools/broker/machine';
import { freePorts } from '#tools/broker/ports';
import { provideBroker } from '#tools/broker/provide';

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

describe('installing the package', () => {
  it('does nothing when the user says no', async () => {
    const confirm = jest.fn(async () => false);
    const outcome = installPackage({ env: { PATH: '/nonexistent' }, log: () => undefined, ask: true, confirm });
    await expect(outcome).resolves.toBe('you said no');
    expect(confirm).toHaveBeenCalledWith(expect.stringContaining('rabbitmq-server'));
  });
});

describe('what a screen shows of an address', () => {
  it.each([
    ['amqp://guest:guest@127.0.0.1:5672', 'amqp://guest:…@127.0.0.1:5672'],
    ['amqps://u:p%40ss@host/vhost', 'amqps://u:…@host/vhost'],
    ['amqp://host', 'amqp://host'],
  ])('%s is shown as %s', (address, shown) => expect(redact(address)).toBe(shown));
});

describe('what a system says it is', () => {
  it.each([
    ['ID=debian\nVERSION_ID="12"', ['debian']],
    ['NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', ['linuxmint', 'ubuntu', 'debian']],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', ['rocky', 'rhel', 'centos', 'fedora']],
    ['', []],
  ])('%j', (text, ids) => expect(parseDistributions(text)).toEqual(ids));
});
