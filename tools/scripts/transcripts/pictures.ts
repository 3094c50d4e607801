/**
 * The pictures of docs/docker.md: RabbitMQ's management UI while a secondary is away, by a headless
 * Chromium: the list of queues, and the queue of that secondary.
 */
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ROOT } from '../build';
import { COMPOSE, inClone, UP } from './docker';
import { run, until } from './terminal';

const UI = 'http://localhost:15672';
const VIEW = { width: 1180, height: 620 };
/** Long enough for the chart of the last minute to show where the backlog began. */
const FILLING_MS = 40_000;

/** @param home an empty folder. There are no transcripts. */
export function pictures(home: string): Promise<Record<string, string>> {
  return inClone(home, async (place) => {
    await run(place, UP);
    await run(place, `${COMPOSE} stop secondary-2`);
    const end = Date.now() + FILLING_MS;
    const body = JSON.stringify({ message: 'while secondary-2 is away', w: 2 });
    const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body };
    const append = async () => (await fetch('http://localhost:8000/messages', request)).ok && Date.now() > end;
    await until('the queue has filled for some time', append);
    await takePictures(join(ROOT, 'docs', 'images'));
    return {};
  });
}

async function takePictures(folder: string): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // In a container or as root there is no sandbox to be had, and the only page is our own.
    args: ['--no-sandbox'],
  });
  try {
    const page = await browser.newPage({ viewport: VIEW, deviceScaleFactor: 1 });
    await page.goto(UI);
    await page.fill('input[name="username"]', 'admin');
    await page.fill('input[name="password"]', 'admin');
    await page.click('input[type="submit"]');
    await page.waitForSelector('#main h1');
    await page.goto(`${UI}/#/queues`);
    await page.waitForSelector('text=rlog.entries.secondary-2');
    await page.screenshot({ path: join(folder, 'queues.png') });
    await page.goto(`${UI}/#/queues/rlog/rlog.entries.secondary-2`);
    await page.waitForSelector('.chart canvas');
    await page.screenshot({ path: join(folder, 'queue-of-a-stopped-secondary.png') });
  } finally {
    await browser.close();
  }
}
