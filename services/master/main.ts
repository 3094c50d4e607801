/** The master's process. */
import { openNode } from '#node/opening';
import { runProcess } from '#process/lifecycle';
import { createMaster } from './compose';
import { readMasterSettings } from './config';
import { createMasterApp } from './http/app';

void runProcess((handle) =>
  openNode(handle, {
    role: 'master',
    readSettings: readMasterSettings,
    createNode: createMaster,
    createApp: (master, { settings, logger }, stopping) => createMasterApp({ master, logger, stopping, settings }),
  }),
);
