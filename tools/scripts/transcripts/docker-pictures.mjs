/**
 * Pictures of RabbitMQ's management UI, by a headless Chromium: the list of queues, and the queue
 * of a secondary that is away.
 */
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const VIEW = { width: 1180, height: 620 };

/**
 * @param {{ url: string, folder: string }} options the UI's address, and where the pictures go
 */
export async function takePictures({ url, folder }) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // In a container or as root there is no sandbox to be had, and the only page is our own.
    args: ['--no-sandbox'],
  });
  try {
    const page = await browser.newPage({ viewport: VIEW, deviceScaleFactor: 1 });
    await page.goto(url);
    await page.fill('input[name="username"]', 'admin');
    await page.fill('input[name="password"]', 'admin');
    await page.click('input[type="submit"]');
    await page.waitForSelector('#main h1');
    await page.goto(`${url}/#/queues`);
    await page.waitForSelector('text=rlog.entries.secondary-2');
    await page.screenshot({ path: join(folder, 'queues.png') });
    await page.goto(`${url}/#/queues/rlog/rlog.entries.secondary-2`);
    await page.waitForSelector('.chart canvas');
    await page.screenshot({ path: join(folder, 'queue-of-a-stopped-secondary.png') });
  } finally {
    await browser.close();
  }
}
