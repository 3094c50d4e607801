import { type Options, optionsOf, PROGRAM } from '#bench/options';
import { PEER_NAMES } from '#bench/peers/peer';
import { readArguments, usageOf } from '#process/cli/program';

function read(...argv: string[]): Options | null {
  const given = readArguments(PROGRAM, argv);
  return given === null ? null : optionsOf(given.values, '/checkout');
}

describe('the options of the benchmark', () => {
  it('compare with no peer unless asked to', () => {
    expect(read()?.peers).toEqual([]);
  });

  it('take peers in the order in which they are named', () => {
    expect(read('--peers', 'redis,nats')?.peers).toEqual(['redis', 'nats']);
    expect(read('--peers=etcd,')?.peers).toEqual(['etcd']);
  });

  it('refuse a peer that is not known, and say which are', () => {
    expect(() => read('--peers', 'nats,kafka')).toThrow(
      `--peers must be of ${PEER_NAMES.join(', ')}, not "nats,kafka"`,
    );
  });

  it('are explained with every peer by name', () => {
    for (const name of PEER_NAMES) expect(usageOf(PROGRAM)).toContain(name);
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
