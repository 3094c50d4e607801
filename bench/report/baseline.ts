/**
 * Makes this CPU's baseline of several runs of one build: `tsx bench/report/baseline.ts
 * bench/baseline.json run1.json run2.json run3.json`. Those of other CPUs stay in the file.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Baselines, withBaseline } from './baselines';
import type { Run } from './report';

const [file = '', ...paths] = process.argv.slice(2);
const runs = paths.map((path) => JSON.parse(readFileSync(path, 'utf8')) as Run);
const baselines = JSON.parse(readFileSync(file, 'utf8')) as Baselines;
writeFileSync(file, `${JSON.stringify(withBaseline(baselines, runs), null, 1)}\n`);
