import { createEchoApp } from '#services/echo/http-app';
import { EchoError, sendEcho } from '#services/echo/send-echo';
import { HttpService, LogLines } from '#tests/support/http/http-service';

describe('the echo', () => {
  const log = new LogLines('info');
  const { logger } = log;
  let service: HttpService;

  beforeAll(async () => {
    service = await HttpService.start(({ stopping }) => createEchoApp({ logger, stopping }));
  });
  afterAll(() => service.stop());

  it.each(['hello', '', 'Привіт 👋', 'a "quoted"\nline'])('of %j is the same, seen in both logs', async (message) => {
    const linesBefore = log.lines.length;
    expect(await sendEcho({ url: service.url, message, logger })).toBe(message);
    expect(log.lines.slice(linesBefore).map(({ msg }) => msg)).toEqual(['request', 'echo', 'response']);
  });

  it.each([[{}], [{ message: 1 }], [null], ['text']])('of %j is refused', async (body) => {
    const answer = await service.send('POST', '/echo', body);
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ type: '/problems/invalid-request' });
  });

  it('without a server names the address and what to do', async () => {
    const failure = sendEcho({ url: 'http://127.0.0.1:1', message: 'hello', logger });
    await expect(failure).rejects.toThrow(EchoError);
    await expect(failure).rejects.toThrow(/http:\/\/127\.0\.0\.1:1.*ECHO_URL/);
  });
});
