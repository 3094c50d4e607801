/**
 * A chaos run as one HTML page: faults as bars, attempts by outcome, and where each node stood, on
 * one axis of time.
 */
import type { Attempted } from './chaos-clients';
import { NODES } from './chaos-cluster';
import { type ChaosRun, describe, summarize } from './report';

const LEFT = 150;
const PIXELS_A_SECOND = 12;
const ROW = 16;
const CURVE = 260;
const COLOURS: Readonly<Record<string, string>> = {
  master: '#b3261e',
  standby: '#e07b00',
  'secondary-1': '#1b6ca8',
  'secondary-2': '#2e8b57',
  'secondary-3': '#7b4fa3',
  'secondary-4': '#5f6b76',
};
const OUTCOMES: Readonly<Record<Attempted['outcome'], string>> = {
  ok: '#2e8b57',
  refused: '#e0a100',
  unknown: '#b3261e',
};

export function pageOf(run: ChaosRun): string {
  const width = LEFT + (run.elapsedMs / 1000) * PIXELS_A_SECOND + 40;
  const rows = [...NODES, 'broker'];
  const top = ROW * (rows.length + 1);
  const outcomesTop = top + 20;
  const curveTop = outcomesTop + 60;
  const body = [
    ...rows.map((node, at) => label(node, (at + 1) * ROW)),
    ...run.faults.map((fault) => {
      const y = (rows.indexOf(fault.node) + 1) * ROW - 11;
      const w = Math.max(3, ((fault.until - fault.from) / 1000) * PIXELS_A_SECOND);
      const fill = fault.isSeen ? (COLOURS[fault.node] ?? '#333') : '#ccc';
      return `<rect x="${x(fault.from)}" y="${y}" width="${w.toFixed(1)}" height="12" fill="${fill}" opacity="0.75"><title>${fault.kind}, ${(fault.from / 1000).toFixed(1)}–${(fault.until / 1000).toFixed(1)} s</title></rect>`;
    }),
    label('appends', outcomesTop + 20),
    ...outcomesOf(run.attempts, outcomesTop),
    label('positions', curveTop + 20),
    ...NODES.map((node) => curveOf(run, node, curveTop)),
    ...ticks(run.elapsedMs, curveTop + CURVE),
  ];
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Chaos, seed ${run.seed}</title>
<style>body{font:13px system-ui;margin:16px}pre{background:#f4f4f4;padding:12px;overflow:auto}svg text{font:11px system-ui}.scroll{overflow-x:auto}</style>
<h1>Chaos, seed ${run.seed}</h1>
<p>Bars: faults (grey: no effect seen). Appends a second: <span style="color:${OUTCOMES.ok}">acknowledged</span>, <span style="color:${OUTCOMES.refused}">refused</span>, <span style="color:${OUTCOMES.unknown}">unknown</span>. Curves: what each node shows.</p>
<div class="scroll"><svg width="${Math.ceil(width)}" height="${curveTop + CURVE + 30}">${body.join('\n')}</svg></div>
<pre>${escaped(describe(summarize(run)))}</pre></html>\n`;
}

function x(ms: number): string {
  return (LEFT + (ms / 1000) * PIXELS_A_SECOND).toFixed(1);
}

function label(text: string, y: number): string {
  return `<text x="4" y="${y}" fill="${COLOURS[text] ?? '#333'}">${text}</text>`;
}

/** A column a second for each outcome. */
function outcomesOf(attempts: readonly Attempted[], top: number): string[] {
  const counts = new Map<string, number>();
  for (const { until, outcome } of attempts) {
    const key = `${Math.floor(until / 1000)} ${outcome}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const most = Math.max(1, ...counts.values());
  const order: Attempted['outcome'][] = ['ok', 'refused', 'unknown'];
  return [...counts].map(([key, count]) => {
    const [second = '0', outcome = 'ok'] = key.split(' ');
    const at = order.indexOf(outcome as Attempted['outcome']);
    const height = (count / most) * 46;
    const left = Number(x(Number(second) * 1000)) + at * (PIXELS_A_SECOND / 3);
    return `<rect x="${left.toFixed(1)}" y="${(top + 48 - height).toFixed(1)}" width="${PIXELS_A_SECOND / 3 - 0.5}" height="${height.toFixed(1)}" fill="${OUTCOMES[outcome as Attempted['outcome']]}"/>`;
  });
}

function curveOf({ looks, entries }: ChaosRun, node: string, top: number): string {
  const highest = Math.max(1, entries);
  const lines: string[][] = [[]];
  for (const look of looks) {
    if (look.node !== node) continue;
    if (look.status === 'gone') lines.push([]);
    else lines.at(-1)?.push(`${x(look.at)},${(top + CURVE - (look.position / highest) * (CURVE - 10)).toFixed(1)}`);
  }
  const drawn = lines.filter((line) => line.length > 0);
  return drawn
    .map((line) => `<polyline points="${line.join(' ')}" fill="none" stroke="${COLOURS[node]}" stroke-width="1.2"/>`)
    .join('');
}

function ticks(elapsedMs: number, y: number): string[] {
  const every = 10_000;
  return Array.from({ length: Math.floor(elapsedMs / every) + 1 }, (_, at) => {
    const left = x(at * every);
    return `<line x1="${left}" x2="${left}" y1="0" y2="${y}" stroke="#eee"/><text x="${left}" y="${y + 14}">${at * 10} s</text>`;
  });
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
