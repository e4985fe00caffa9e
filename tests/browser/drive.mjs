// A person at a browser, for the tests: drives Chromium through the gateway's pages.
//
// Reads one JSON command a line from standard input, { "do": "goto" | "fill" | "click" | "text" | … },
// and answers each with one JSON line, { "ok": … } or { "error": … }. Nothing but the loopback is reached.
//
//   CHROMIUM  the browser (default /usr/bin/chromium)
//   PROFILE   an empty folder for its profile
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const context = await chromium.launchPersistentContext(process.env.PROFILE, {
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
  ],
});
context.setDefaultTimeout(20_000);
const page = context.pages()[0] ?? (await context.newPage());
const complaints = [];
page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
page.on('pageerror', (error) => complaints.push(String(error)));

const commands = {
  goto: async ({ url }) => (await page.goto(url)).status(),
  fill: ({ at, text }) => page.locator(at).fill(text),
  click: async ({ at }) => {
    await Promise.all([page.waitForNavigation(), page.locator(at).click()]);
    return page.url();
  },
  text: ({ at }) => page.locator(at).first().innerText(),
  count: ({ at }) => page.locator(at).count(),
  url: () => page.url(),
  cookies: () => context.cookies(),
  complaints: () => complaints.splice(0),
};

console.log(JSON.stringify({ ok: 'ready' }));
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    console.log(JSON.stringify({ ok: (await commands[command.do](command)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await context.close();
