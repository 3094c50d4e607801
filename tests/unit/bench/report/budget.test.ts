import type { Budget } from '#bench/recorders/way';
import { budgetPlot, budgetTable } from '#bench/report/budget';

function budget(id: string, ms: number): Budget {
  const spread = { mean: ms, p50: ms, p99: 2 * ms };
  const steps = ['stored', 'answered'].map((name) => ({ name, ...spread }));
  const [whole, client] = [2 * ms, 3 * ms].map((mean) => ({ mean, p50: mean, p99: mean }));
  if (whole === undefined || client === undefined) throw new Error('unreachable');
  return { id, title: `${id} client`, entries: 1, steps, beside: [{ name: 'confirmed', ...spread }], whole, client };
}

describe('the report of a latency budget', () => {
  it('has a column for each load, behind the same load of the saved run', () => {
    const [head = '', , ...lines] = budgetTable([budget('one', 1), budget('many', 8)], [budget('one', 2)]).split('\n');
    const cellsOf = (line: string) => line.split('|').map((cell) => cell.trim());
    expect(cellsOf(head).slice(2, -1)).toEqual(['one client, before', 'one client', 'many client']);
    expect(cellsOf(lines[0] ?? '').slice(1, -1)).toEqual(['stored', '2 / 4', '1 / 2', '8 / 16']);
    expect(cellsOf(lines[2] ?? '').slice(1, -1)).toEqual(['all of it, on the master', '4 / 4', '2 / 2', '16 / 16']);
  });

  it('draws bars as long as the sums of their steps', () => {
    const { svg } = budgetPlot([budget('one', 1)], [budget('one', 2)]);
    const blocks = [...svg.matchAll(/<rect x="([0-9.]+)" y="[0-9]+" width="([0-9.]+)" height="34"/g)];
    const [a, b, c, d] = blocks.map(([, left, width]) => ({ left: Number(left), width: Number(width) }));
    expect(blocks).toHaveLength(4);
    expect(b?.left).toBeCloseTo((a?.left ?? 0) + (a?.width ?? 0), 0);
    expect(((a?.width ?? 0) + (b?.width ?? 0)) / ((c?.width ?? 0) + (d?.width ?? 0))).toBeCloseTo(2, 1);
  });
});
