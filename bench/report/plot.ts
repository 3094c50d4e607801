/**
 * Plots as SVG, by hand: a line, its points and two axes need no library. Both axes are logarithmic
 * where values span decades.
 */
import type { Series } from '../row';

/** Of a plot, in pixels of the SVG. */
export const WIDTH = 640;
const HEIGHT = 360;
/** Around what is drawn, in the same pixels. */
export const MARGIN = { left: 84, right: 24, top: 40, bottom: 56 };
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700'];

/** An axis: the place of a value, and the values to name. */
export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** A plot with its title, which also names its file. */
export interface Plot {
  readonly title: string;
  readonly svg: string;
}

/** Plots by name; series whose titles agree up to a colon share one. */
export function plotsOf(series: readonly Series[]): Map<string, Plot> {
  const together = new Map<string, Series[]>();
  for (const each of series) {
    const title = each.title.split(':')[0] ?? each.title;
    together.set(title, [...(together.get(title) ?? []), each]);
  }
  const named = [...together].map(([title, those]) => {
    return [nameOf(title), { title, svg: plotOf(title, those) }] as const;
  });
  return new Map(named);
}

/** Of the plot's file. */
export function nameOf(title: string): string {
  return title.toLowerCase().replaceAll(' ', '-');
}

/** An SVG with a title above what is drawn. */
export function frame(title: string, height: number, drawn: readonly string[]): string {
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    text(WIDTH / 2, 22, title, 'middle', 'font-size="15" font-weight="bold"'),
    ...drawn,
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

/** One plot of series that share their axes. */
function plotOf(title: string, series: readonly Series[]): string {
  const points = series.flatMap((each) => each.points);
  const x = scaleOf(
    points.map((point) => point.x),
    MARGIN.left,
    WIDTH - MARGIN.right,
    false,
  );
  const y = scaleOf(
    points.map((point) => point.y),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
    true,
  );
  const [first] = series;
  return frame(title, HEIGHT, [
    ...axes(x, y),
    text((MARGIN.left + WIDTH - MARGIN.right) / 2, HEIGHT - 14, first?.x ?? '', 'middle'),
    `<text transform="translate(18 ${(MARGIN.top + HEIGHT - MARGIN.bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(first?.y ?? '')}</text>`,
    ...series.map((each, at) => lineOf(each, { x, y }, COLOURS[at % COLOURS.length] ?? 'black')),
    ...(series.length > 1 ? series.map((each, at) => legend(each, at)) : []),
  ]);
}

function axes(x: Scale, y: Scale): string[] {
  const [left, right, top, bottom] = [MARGIN.left, WIDTH - MARGIN.right, MARGIN.top, HEIGHT - MARGIN.bottom];
  const grid = y.ticks.map((tick) => {
    const at = y.at(tick).toFixed(1);
    return `<line x1="${left}" x2="${right}" y1="${at}" y2="${at}" stroke="#ddd"/>${text(left - 8, y.at(tick) + 4, short(tick), 'end')}`;
  });
  const marks = x.ticks.map((tick) => text(x.at(tick), bottom + 18, short(tick), 'middle'));
  return [...grid, ...marks, `<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#444"/>`];
}

function lineOf({ points }: Series, { x, y }: { readonly x: Scale; readonly y: Scale }, colour: string): string {
  const places = points.map((point) => `${x.at(point.x).toFixed(1)},${y.at(point.y).toFixed(1)}`);
  const dots = places.map((place) => {
    const [cx, cy] = place.split(',');
    return `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`;
  });
  return `<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join('')}`;
}

function legend({ title }: Series, at: number): string {
  const name = title.split(': ').at(-1) ?? title;
  return text(
    MARGIN.left + 12,
    MARGIN.top + 16 * (at + 1),
    `● ${name}`,
    'start',
    `fill="${COLOURS[at % COLOURS.length]}"`,
  );
}

/** Logarithmic from a factor of 20 on. One that is not begins at 0 when it is `fromZero`. */
function scaleOf(values: readonly number[], from: number, to: number, fromZero: boolean): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (least > 0 && most / least >= 20) {
    const [low, high] = [Math.log10(least), Math.log10(most)];
    const decades = Array.from(
      { length: Math.floor(high) - Math.ceil(low) + 1 },
      (_, at) => 10 ** (Math.ceil(low) + at),
    );
    return { at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from), ticks: decades };
  }
  return linearScale(fromZero ? [0, most * 1.1] : [least, most], from, to);
}

/** Values from `low` at the pixel `from` to `high` at the pixel `to`. */
export function linearScale([low, high]: readonly [number, number], from: number, to: number): Scale {
  const step = niceStep((high - low) / 5);
  const ticks = Array.from(
    { length: Math.floor(high / step) - Math.ceil(low / step) + 1 },
    (_, at) => (Math.ceil(low / step) + at) * step,
  );
  return { at: (value) => from + ((value - low) / (high - low || 1)) * (to - from), ticks };
}

function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw || 1));
  return ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power;
}

/** A number as a tick shows it. */
export function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
}

/** A text at a place. `more`: further attributes. */
export function text(x: number, y: number, said: string, anchor: string, more = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" ${more}>${escaped(said)}</text>`;
}

function escaped(said: string): string {
  return said.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
