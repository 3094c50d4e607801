import type { PeersRun, RoundMeasured } from '#bench/peers/peer';
import { peersFacts, peersNotes, peersTable } from '#bench/peers/report';

const latency = (p50: number) => ({ p50, p90: 0, p99: p50 * 10, p999: 0, max: 0 });

const round = (factor: number): RoundMeasured => ({
  oneMs: latency(factor),
  singlePerSecond: 1_000 * factor,
  singleMs: latency(2 * factor),
  bulkPerSecond: 20_000 * factor,
  bulkMs: latency(3 * factor),
});

const run: PeersRun = {
  at: '2026-01-02T03:04:05.000Z',
  isQuick: false,
  machine: '2 × a processor',
  load: [0.1, 2.5],
  secondsEach: 10,
  syncMs: [0.2, 0.3, 0.2],
  systems: [
    {
      title: 'ours',
      version: '1.0',
      durable: 'fsync on 2 of 3',
      configuration: ['w=2'],
      rounds: [round(1), round(4), round(2)],
    },
    { title: 'absent', rounds: [], missing: 'it is not installed' },
    { title: 'broken', version: '2.0', durable: 'nothing', rounds: [round(1)], missing: 'it stopped answering' },
  ],
};

describe('the comparison with peers', () => {
  const rows = peersTable(run)
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));

  it('shows the median of the rounds', () => {
    expect(rows[2]?.slice(1, -1)).toEqual(['ours 1.0', '2', '20', '2,000', '40', '40,000', '60', 'fsync on 2 of 3']);
  });

  it('has a row for what was not measured, with the reason', () => {
    expect(rows[3]?.slice(1, -1)).toEqual([
      'absent',
      '–',
      '–',
      '–',
      '–',
      '–',
      '–',
      'not measured: it is not installed',
    ]);
  });

  it('says how each was configured, how far rounds scatter, and what is missing', () => {
    expect(peersNotes(run).split('\n')).toEqual([
      '* ours: w=2',
      '* ours: rounds: 64 clients: entries/s 1,000, 4,000, 2,000; 64 clients × 100: entries/s 20,000, 80,000, 40,000',
      '* absent: it is not installed',
      '* broken: a round is missing: it stopped answering',
    ]);
  });

  it('says when and where it was measured, and what the disk asked for', () => {
    expect(peersFacts(run)).toContain('2026-01-02, 2 × a processor; system load 0.1 at the start, 2.5 at the end');
    expect(peersFacts(run)).toContain('Medians of 3 rounds, 10 s for each number');
    expect(peersFacts(run)).toContain('0.2, 0.3, 0.2 ms');
  });
});
