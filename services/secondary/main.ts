/** A secondary's process. */
import { openNode } from '#node/opening';
import { runProcess } from '#process/lifecycle';
import { readSecondarySettings } from './config';
import { createSecondaryApp } from './http/app';
import { SecondaryNode } from './node';

void runProcess((handle) =>
  openNode(handle, {
    role: 'secondary',
    readSettings: readSecondarySettings,
    createNode: (context) => new SecondaryNode(context),
    createApp: (secondary, { settings, logger }, stopping) =>
      createSecondaryApp({ secondary, logger, stopping, settings }),
  }),
);
