/** The master's process. */
import { openNode } from '#node/opening';
import { runProcess } from '#process/lifecycle';
import { readMasterSettings } from './config';
import { createMasterApp } from './http/app';
import { MasterNode } from './node';

void runProcess((handle) =>
  openNode(handle, {
    role: 'master',
    readSettings: readMasterSettings,
    createNode: (context) => new MasterNode(context),
    createApp: (master, { settings, logger }, stopping) => createMasterApp({ master, logger, stopping, settings }),
  }),
);
