import { markOf, tableOf } from '#bench/report/report';
import type { RowResult } from '#bench/row';

const ROW: RowResult = { id: 'r', title: 'a row', value: 900, unit: 'entries/s', ratio: 0.7, floor: 0.65, goal: 0.8 };

test.each<[what: string, judged: RowResult['judged'], row: Partial<RowResult>, mark: string]>([
  ['a ratio between both bounds', 'ratio', {}, 'floor'],
  ['a ratio above the goal', 'ratio', { ratio: 0.81 }, 'goal'],
  ['a ratio below the floor', 'ratio', { ratio: 0.64 }, 'SHORT'],
  ['a ratio that was not measured', 'ratio', { ratio: Number.NaN }, 'SHORT'],
  ['a ratio of which less is better', 'ratio', { ratio: 3.5, floor: 4, goal: 3, lessIsBetter: true }, 'floor'],
  ['a value, whatever its ratio', 'value', { floor: 1_000, goal: 2_000 }, 'SHORT'],
  ['a value unless the row says otherwise', undefined, { floor: 500, goal: 800 }, 'goal'],
])('%s is judged by the bounds of its row', (_, judged, row, mark) => {
  expect(markOf({ ...ROW, ...row, ...(judged === undefined ? {} : { judged }) })).toBe(mark);
});

test('a table says of a bound of a ratio that it is one', () => {
  expect(tableOf([{ ...ROW, judged: 'ratio' }])).toContain('| 0.65 × | 0.8 × | floor |');
  expect(tableOf([{ ...ROW, floor: 500, goal: 800 }])).toContain('| 500   | 800  | goal |');
});
