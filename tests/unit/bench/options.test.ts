import { readOptions, USAGE } from '#bench/options';
import { PEER_NAMES } from '#bench/peers/peer';

const read = (...argv: string[]) => readOptions(argv, '/checkout');

describe('the options of the benchmark', () => {
  it('compare with no peer unless asked to', () => {
    expect(read()?.peers).toEqual([]);
  });

  it('take peers in the order in which they are named', () => {
    expect(read('--peers', 'redis,nats')?.peers).toEqual(['redis', 'nats']);
    expect(read('--peers=etcd,')?.peers).toEqual(['etcd']);
  });

  it('refuse a peer that is not known, and say which are', () => {
    expect(() => read('--peers', 'nats,kafka')).toThrow(`no peer is named "kafka"; there are ${PEER_NAMES.join(', ')}`);
  });

  it('are explained with every peer by name', () => {
    for (const name of PEER_NAMES) expect(USAGE).toContain(name);
    expect(read('--help')).toBeNull();
  });

  it('take rows, and put what was measured into the cache', () => {
    const options = read('--rows', 'single,bulk', '--quick');
    expect(options).toMatchObject({
      rows: ['single', 'bulk'],
      isQuick: true,
      out: '/checkout/.cache/bench',
      from: null,
    });
  });
});
