/** A secondary's process. */
import { openNode } from '#node/opening';
import { runProcess } from '#process/lifecycle';
import { createSecondary } from './compose';
import { readSecondarySettings } from './config';
import { createSecondaryApp } from './http/app';

void runProcess((handle) =>
  openNode(handle, {
    role: 'secondary',
    readSettings: readSecondarySettings,
    createNode: createSecondary,
    createApp: (secondary, { settings, logger }, stopping) =>
      createSecondaryApp({ secondary, logger, stopping, settings }),
  }),
);
