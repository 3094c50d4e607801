import type { PeersRun, RoundMeasured, SystemResult } from '#bench/peers/peer';
import { ratiosOf } from '#bench/peers/ratios';
import { peersFacts, peersNotes, peersTable, ratiosTable } from '#bench/peers/report';

const latency = (p50: number) => ({ p50, p90: 0, p99: p50 * 10, p999: 0, max: 0 });

const round = (factor: number): RoundMeasured => ({
  oneMs: latency(factor),
  singlePerSecond: 1_000 * factor,
  singleMs: latency(2 * factor),
  bulkPerSecond: 20_000 * factor,
  bulkMs: latency(3 * factor),
});

const DURABLE = 'fsync on 2 of 3';
const server = { title: 'etcd', version: '3.4', durable: DURABLE, configuration: ['three members'] };

const systems: readonly SystemResult[] = [
  {
    title: 'ours',
    client: 'HTTP',
    version: '1.0',
    durable: DURABLE,
    configuration: ['w=2'],
    rounds: [round(1), round(4), round(2)],
  },
  { ...server, client: 'etcd3 1.1', rounds: [{ ...round(1), bulkPerSecond: 50_000 }] },
  { ...server, client: 'small client', rounds: [round(1.25)], missing: 'it stopped answering' },
  { title: 'PostgreSQL', client: 'pg 8', rounds: [], missing: 'official client: not installed' },
  { title: 'PostgreSQL', client: 'small client', version: '15', durable: DURABLE, rounds: [round(2.1)] },
  { title: 'absent', client: 'small client', rounds: [], missing: 'it is not installed' },
];

const run: PeersRun = {
  at: '2026-01-02T03:04:05.000Z',
  isQuick: false,
  machine: '2 × a processor',
  load: [0.1, 2.5],
  secondsEach: 10,
  syncMs: [0.2, 0.3, 0.2],
  systems,
  ratios: ratiosOf(systems),
};

const rowsOf = (table: string) =>
  table.split('\n').map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

describe('the ratios to the peers', () => {
  it('are of medians, against the better client of each peer under each load', () => {
    expect(ratiosOf(systems).map(({ load, peer, client, ratio }) => [load, peer, client, ratio])).toEqual([
      ['one', 'etcd', 'etcd3 1.1', 2],
      ['one', 'PostgreSQL', 'small client', 0.952],
      ['single', 'etcd', 'small client', 1.6],
      ['single', 'PostgreSQL', 'small client', 0.952],
      ['bulk', 'etcd', 'etcd3 1.1', 0.8],
      ['bulk', 'PostgreSQL', 'small client', 0.952],
    ]);
  });

  it('are none while our cluster was not measured', () => {
    const [own, ...peers] = systems;
    expect(own).toBeDefined();
    expect(ratiosOf([{ title: 'ours', client: 'HTTP', rounds: [] }, ...peers])).toEqual([]);
    expect(ratiosOf([])).toEqual([]);
  });

  it('pass over a client that had no answer in time', () => {
    const none = { ...round(0), singlePerSecond: 7 };
    const slow = { ...server, client: 'slow', rounds: [none] };
    const [own = slow, official = slow] = systems;
    expect(ratiosOf([own, slow, official]).map(({ client }) => client)).toEqual(Array(3).fill('etcd3 1.1'));
    expect(ratiosOf([own, slow]).map(({ load }) => load)).toEqual(['single']);
  });

  it('are shown before the numbers behind them, marked where there are bounds', () => {
    const [, , ...rows] = rowsOf(ratiosTable(run));
    const load = '1 client: p50 (less is better)';
    expect(rows.slice(0, 4)).toEqual([
      [load, 'etcd 3.4', '2', '1.4', '1', 'SHORT', '2 ms', '1 ms', 'etcd3 1.1', DURABLE],
      [load, 'PostgreSQL 15', '0.952', '', '', '', '2 ms', '2.1 ms', 'small client', DURABLE],
      ['64 clients', 'etcd 3.4', '1.6', '', '', '', '2,000 entries/s', '1,250 entries/s', 'small client', DURABLE],
      [
        '64 clients',
        'PostgreSQL 15',
        '0.952',
        '0.8',
        '1',
        'floor',
        '2,000 entries/s',
        '2,100 entries/s',
        'small client',
        DURABLE,
      ],
    ]);
  });
});

describe('the comparison with peers', () => {
  const [, , ...rows] = rowsOf(peersTable(run));

  it('shows the median of the rounds', () => {
    expect(rows[0]).toEqual(['ours 1.0', 'HTTP', '2', '20', '2,000', '40', '40,000', '60', DURABLE]);
  });

  it('has a row for what was not measured, with the reason', () => {
    const none = Array(6).fill('–');
    expect(rows[3]).toEqual(['PostgreSQL', 'pg 8', ...none, 'not measured: official client: not installed']);
    expect(rows[5]).toEqual(['absent', 'small client', ...none, 'not measured: it is not installed']);
  });

  it('says once how each was configured, how far rounds scatter, and what is missing', () => {
    expect(peersNotes(run).split('\n')).toEqual([
      '* ours: w=2',
      '* ours, HTTP: rounds: 64 clients: entries/s 1,000, 4,000, 2,000; 64 clients × 100: entries/s 20,000, 80,000, 40,000',
      '* etcd: three members',
      '* etcd, small client: a round is missing: it stopped answering',
      '* PostgreSQL, pg 8: official client: not installed',
      '* absent, small client: it is not installed',
    ]);
  });

  it('says when and where it was measured, and what the disk asked for', () => {
    expect(peersFacts(run)).toContain('2026-01-02, 2 × a processor; system load 0.1 at the start, 2.5 at the end');
    expect(peersFacts(run)).toContain('Medians of 3 rounds, 10 s for each number');
    expect(peersFacts(run)).toContain('0.2, 0.3, 0.2 ms');
  });
});
