/**
 * Loaded (--require) by a Node process that must not outlive its parent. The system closes the IPC
 * channel however the parent ends, SIGKILL included: then this process gets SIGTERM.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
