import { FIELDS, type Row } from '#bench/recorders/step-recorder';
import { budgetOf } from '#bench/recorders/way';

const CLIENT = { p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };

function row(seq: number, known: Partial<Row>): readonly [number, Row] {
  const none = Object.fromEntries(FIELDS.map((field) => [field, 0])) as unknown as Row;
  return [seq, { ...none, ...known, seq }];
}

/** An entry that arrived at `from`, acked by `secondary-N`. */
function masterRow(seq: number, from: number, ackedBy: number): readonly [number, Row] {
  const [arrived, asked, storing, stored, published, confirmed] = [0, 1, 2, 4, 5, 50].map((ms) => from + ms);
  const [acked, answered] = [from + 20, from + 22];
  return row(seq, { arrived, asked, storing, stored, published, confirmed, acked, ackedBy, answered } as Partial<Row>);
}

const load = { id: 'one', title: '1 client', client: CLIENT };

describe('a latency budget', () => {
  it('leads over the secondary that acked first, in steps that add up to the whole', () => {
    const slow = new Map([row(1, { delivered: 200, storing: 300, stored: 400 })]);
    const fast = new Map([row(1, { delivered: 110, storing: 112, stored: 115 })]);
    const secondaries = new Map([
      [1, slow],
      [2, fast],
    ]);
    const budget = budgetOf({ master: new Map([masterRow(1, 100, 2)]), secondaries }, { ...load, after: 0, upTo: 1 });
    expect(budget.steps.map(({ p50 }) => p50)).toEqual([1, 1, 2, 1, 5, 2, 3, 5, 2]);
    expect(budget.whole).toMatchObject({ mean: 22, p50: 22 });
    expect(budget.beside).toMatchObject([{ name: 'confirmed by the broker', p50: 45 }]);
  });

  it('has the percentiles of each step by itself', () => {
    const seqs = Array.from({ length: 100 }, (_, at) => at + 1);
    const master = new Map(seqs.map((seq) => masterRow(seq, 1_000 * seq, 1)));
    const rows = seqs.map((seq) =>
      row(seq, { delivered: 1_000 * seq + 5 + seq / 10, storing: 1_000 * seq + 16, stored: 1_000 * seq + 17 }),
    );
    const budget = budgetOf({ master, secondaries: new Map([[1, new Map(rows)]]) }, { ...load, after: 0, upTo: 100 });
    expect(budget.entries).toBe(100);
    expect(budget.steps[4]).toMatchObject({ p50: 5, p99: 9.9 });
  });

  it('counts the entries of its load of which the whole way is known', () => {
    const master = new Map([masterRow(1, 100, 1), masterRow(2, 200, 1), masterRow(3, 300, 1)]);
    const rows = new Map([1, 3].map((seq) => row(seq, { delivered: 400, storing: 401, stored: 402 })));
    expect(budgetOf({ master, secondaries: new Map([[1, rows]]) }, { ...load, after: 1, upTo: 3 }).entries).toBe(1);
  });

  it('is refused where nothing was recorded', () => {
    const none = { master: new Map(), secondaries: new Map() };
    expect(() => budgetOf(none, { ...load, after: 4, upTo: 9 })).toThrow('no step of entries 5 to 9 was recorded');
  });
});
