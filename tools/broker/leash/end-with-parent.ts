/**
 * Loaded (--require) before the program of a Node process that must not outlive the one that has
 * started it. The parent holds the other end of the IPC channel, and the system closes it however
 * the parent ends, SIGKILL included: then this process is told to stop, as by SIGTERM. The channel
 * does not keep the process alive.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
