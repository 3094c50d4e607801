/**
 * Random faults on a whole cluster of cores. While they last nothing that was promised is broken (the checker looks at every step); once
 * everything is healed every client has its answer and all logs are equal. A failure names its seed.
 */
import { entryOf } from '#protocol/record';
import { Chaos, type ChaosOptions } from '../support/fakes/chaos';

const MILD = { tornWrites: true } as const;
const ROUGH = { ...MILD, dropRate: 0.1, duplicateRate: 0.1, failRate: 0.1, nackRate: 0.1 } as const;

function seeds(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

/** What every client may rely on in the end: an entry that it was told of is there once; with w < `safeW` only while its master keeps its disk and reigns. */
function checkOutcome({ cluster, clients, reigning }: Chaos, safeW: number): void {
  for (const node of [reigning ?? '', ...cluster.members]) {
    const entries = cluster
      .recordsOf(node)
      .filter(({ control }) => control === null)
      .map(({ bytes }) => entryOf(bytes));
    const seqs = new Map(entries.map(({ message, seq }) => [message, seq]));
    expect(seqs.size).toBe(entries.length);
    for (const { message, answer, seq, w } of clients) {
      expect(['acknowledged', 'write-concern-timeout']).toContain(answer);
      if (safeW === 1 || (answer === 'acknowledged' && w >= safeW))
        expect([message, seqs.get(message)]).toEqual([message, seq]);
    }
    expect(cluster.log(node)).toEqual(cluster.log(reigning ?? ''));
  }
}

function endure(options: ChaosOptions, safeW: number): Chaos {
  const chaos = new Chaos(options);
  chaos.run();
  checkOutcome(chaos, safeW);
  return chaos;
}

test.each(seeds(1, 40))('one master with its disk: no entry is ever cut (seed %i)', (seed) => {
  const { checker, clients } = endure({ seed, ...(seed % 2 === 0 ? ROUGH : MILD) }, 1);
  expect(checker.cuts).toBe(0);
  expect(clients.length).toBeGreaterThan(40);
});

test.each(seeds(1_001, 20))('five nodes, two masters taking turns (seed %i)', (seed) => {
  const secondaries = ['secondary-1', 'secondary-2', 'secondary-3', 'secondary-4'];
  endure({ seed, ...(seed % 2 === 0 ? ROUGH : MILD), secondaries, hasStandby: true }, 3);
});

test.each(seeds(2_001, 20))('disks are lost, one after the other (seed %i)', (seed) => {
  endure({ seed, ...(seed % 2 === 0 ? ROUGH : MILD), losesDisks: true }, 2);
});

test.each(seeds(3_001, 20))('disks are lost where two masters take turns (seed %i)', (seed) => {
  endure({ seed, ...(seed % 2 === 0 ? ROUGH : MILD), losesDisks: true, hasStandby: true }, 2);
});
