import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { putBetween } from '#tools/scripts/page';

const MARKS = ['<!-- a -->', '<!-- /a -->'] as const;

let folder: string;
let page: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rlog-page-'));
  page = join(folder, 'page.md');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('only what is between the marks is replaced, as it is, also a second time', () => {
  writeFileSync(page, 'above <!-- /a --> <!-- a -->old<!-- /a --> below <!-- /a -->');
  putBetween(page, MARKS, 'first');
  putBetween(page, MARKS, "$& $' new");
  expect(readFileSync(page, 'utf8')).toBe("above <!-- /a --> <!-- a -->$& $' new<!-- /a --> below <!-- /a -->");
});

test.each(['no marks', 'only <!-- a -->', 'only <!-- /a -->', '<!-- /a --> first, then <!-- a -->'])(
  'a page with %j is refused and stays as it is',
  (text) => {
    writeFileSync(page, text);
    expect(() => putBetween(page, MARKS, 'new')).toThrow(`${page} has no place for a text`);
    expect(readFileSync(page, 'utf8')).toBe(text);
  },
);
