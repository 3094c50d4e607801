import { pino } from 'pino';
import { CatchUpReport } from '#secondary/catch-up-report';

function reportOf(machine: { applied: number; head: number; ready: boolean }) {
  const lines: Record<string, unknown>[] = [];
  const report = new CatchUpReport(machine, pino({}, { write: (line) => lines.push(JSON.parse(line)) }));
  return { report, lines };
}

test.each([
  ['not ready and behind', { applied: 1, head: 2, ready: false }, true],
  ['not ready, with nothing to catch up', { applied: 2, head: 2, ready: false }, false],
  ['ready and a little behind', { applied: 1, head: 1001, ready: true }, false],
  ['ready and far behind', { applied: 1, head: 1002, ready: true }, true],
])('%s', (_, machine, catchesUp) => {
  const { report, lines } = reportOf(machine);
  report.tick(0);
  expect(report.read() !== null).toBe(catchesUp);
  expect(lines).toHaveLength(catchesUp ? 1 : 0);
});

test('a node that catches up says so every two seconds', () => {
  const { report, lines } = reportOf({ applied: 1, head: 9, ready: false });
  for (let now = 0; now < 4_000; now += 20) report.tick(now);
  expect(lines).toMatchObject([
    { applied: 1, head: 9, remaining: 8 },
    { applied: 1, head: 9, remaining: 8 },
  ]);
});
