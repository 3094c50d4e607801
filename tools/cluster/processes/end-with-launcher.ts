/**
 * Loaded before a node's own main.ts, in nodes that the launcher starts and in no others. The
 * launcher holds the other end of this process's IPC channel, and the system closes it however the
 * launcher ends, SIGKILL included. Then the node stops as on SIGTERM. Nothing is ever sent over the
 * channel, and it does not keep the node alive.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
