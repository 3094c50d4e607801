/** The names of log events: each is used, and docs/logs.md lists each with its sentence. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOG_EVENTS } from '#protocol/log-events';

const ROOT = join(__dirname, '../../../..');
const EVENTS = Object.entries(LOG_EVENTS);

function sourceOf(room: string): string {
  return readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('log-events.ts'))
    .map((path) => readFileSync(join(ROOT, room, path), 'utf8'))
    .join('\n');
}

test.each(EVENTS.map(([event]) => event))('%s is a subject and what happens to it', (event) => {
  expect(event).toMatch(/^[a-z]+\.[a-z-]+$/);
});

test('every name is used', () => {
  const source = sourceOf('services') + sourceOf('shared');
  expect(EVENTS.map(([event]) => event).filter((event) => !source.includes(`'${event}'`))).toEqual([]);
});

test('no two have the same sentence', () => {
  expect(new Set(Object.values(LOG_EVENTS)).size).toBe(EVENTS.length);
});

test('docs/logs.md lists all of them, and no other', () => {
  const page = readFileSync(join(ROOT, 'docs/logs.md'), 'utf8');
  const listed = [...page.matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)].map(([, event, sentence]) => [event, sentence]);
  expect(listed).toEqual(EVENTS);
});
