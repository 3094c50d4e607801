/** The latency budget as a person reads it: a table, and a plot of stacked bars. */
import type { Budget, Spread } from '../recorders/way';
import { frame, linearScale, MARGIN, type Plot, type Scale, short, text, WIDTH } from './plot';
import { tableLines } from './report';

/** The table in Markdown: p50 / p99 of each step, a column a load, beside a saved run's. */
export function budgetTable(budgets: readonly Budget[], saved: readonly Budget[] = []): string {
  const columns = besideSaved(budgets, saved);
  const head = ['step, ms: p50 / p99', ...columns.map(({ label }) => label)];
  const row = (name: string, spread: (budget: Budget) => Omit<Spread, 'mean'> | undefined) => {
    return [name, ...columns.map(({ budget }) => shown(spread(budget)))];
  };
  const stepsOf = (list: 'steps' | 'beside') =>
    (budgets[0]?.[list] ?? []).map(({ name }) =>
      row(name, (budget) => budget[list].find((step) => step.name === name)),
    );
  return tableLines(head, [
    ...stepsOf('steps'),
    row('all of it, on the master', ({ whole }) => whole),
    row('the client', ({ client }) => client),
    ...stepsOf('beside').map(([name = '', ...cells]) => [`beside it: ${name}`, ...cells]),
  ]);
}

const [BAR, GAP] = [34, 16];
const LEGEND_LINE = 18;
const COLOURS = ['#8250df', '#b6a3e8', '#1f6feb', '#a5c8ff', '#d1242f', '#f6c0c0', '#1a7f37', '#e3852b', '#57606a'];
/** Wide enough for "64 clients, before". */
const LABELS = 124;

/** A bar a load, of the steps' means, which add up; above each the saved run's. */
export function budgetPlot(budgets: readonly Budget[], saved: readonly Budget[] = []): Plot {
  const bars = besideSaved(budgets, saved);
  const most = Math.max(...bars.map(({ budget }) => sumOf(budget)));
  const x = linearScale([0, most * 1.02], LABELS, WIDTH - MARGIN.right);
  const bottom = MARGIN.top + bars.length * (BAR + GAP);
  const names = budgets[0]?.steps.map(({ name }) => name) ?? [];
  const title = 'Latency budget of an append';
  return {
    title,
    svg: frame(title, bottom + MARGIN.bottom + names.length * LEGEND_LINE, [
      ...grid(x, bottom),
      text((LABELS + WIDTH) / 2, bottom + 38, 'ms on the master, means of the steps, w=2', 'middle'),
      ...bars.flatMap((bar, at) => stack(bar, x, MARGIN.top + at * (BAR + GAP))),
      ...names.flatMap((name, at) => legend(name, at, bottom + MARGIN.bottom + at * LEGEND_LINE)),
    ]),
  };
}

function grid(x: Scale, bottom: number): string[] {
  return x.ticks.map((tick) => {
    const at = x.at(tick).toFixed(1);
    const line = `<line x1="${at}" x2="${at}" y1="${MARGIN.top}" y2="${bottom}" stroke="#ddd"/>`;
    return `${line}${text(x.at(tick), bottom + 18, short(tick), 'middle')}`;
  });
}

function stack({ label, budget }: Column, x: Scale, top: number): string[] {
  let from = 0;
  const parts = budget.steps.map(({ mean }, at) => {
    const left = x.at(from);
    from += mean;
    return block(at, { left, top, width: x.at(from) - left, height: BAR });
  });
  return [text(LABELS - 8, top + BAR / 2 + 4, label, 'end'), ...parts];
}

function legend(name: string, at: number, y: number): string[] {
  return [block(at, { left: LABELS, top: y - 10, width: 12, height: 12 }), text(LABELS + 20, y, name, 'start')];
}

interface Place {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

function block(step: number, { left, top, width, height }: Place): string {
  const place = `x="${left.toFixed(1)}" y="${top}" width="${width.toFixed(1)}" height="${height}"`;
  return `<rect ${place} fill="${COLOURS[step % COLOURS.length]}"/>`;
}

function sumOf({ steps }: Budget): number {
  return steps.reduce((sum, { mean }) => sum + mean, 0);
}

interface Column {
  readonly label: string;
  readonly budget: Budget;
}

/** Each load, behind the same load of the saved run. */
function besideSaved(budgets: readonly Budget[], saved: readonly Budget[]): Column[] {
  return budgets.flatMap((budget) => {
    const before = saved.find(({ id }) => id === budget.id);
    const now = { label: budget.title, budget };
    return before === undefined ? [now] : [{ label: `${budget.title}, before`, budget: before }, now];
  });
}

function shown(spread: Omit<Spread, 'mean'> | undefined): string {
  return spread === undefined ? '' : `${spread.p50} / ${spread.p99}`;
}
