/**
 * A process that has a private node on the folder of its argument, says "up", and then waits to be
 * killed.
 */
import { provideBroker } from '#tools/broker/provide';

const [, , dataDir = ''] = process.argv;
provideBroker({ name: 'rlog-owner', dataDir, env: process.env, log: () => undefined, ways: ['private-node'] }).then(
  () => process.stdout.write('up\n'),
  (error: unknown) => {
    throw error;
  },
);
setInterval(() => undefined, 60_000);
