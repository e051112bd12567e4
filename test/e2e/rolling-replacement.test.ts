/**
 * The example as a user runs it, with small numbers: every node of a real cluster is replaced under
 * load and one is killed, and nothing is lost. What it prints is all that is looked at.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { ROOT } from '../support/root.js'

async function run(script: string, ...args: string[]): Promise<{ text: string; status: unknown }> {
  const env = { ...process.env, CITADEL_REDIS_URL: '', CITADEL_DOMAIN: '' }
  const child = spawn('npm', ['run', script, '--', ...args], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => (text += part))
  }
  const [status] = await once(child, 'close')
  return { text, status }
}

const numbersIn = (text: string, sentence: RegExp): number[] =>
  (sentence.exec(text) ?? []).slice(1).map(Number)

test('three nodes: all are replaced under load, and no child, no call and no state is lost', async () => {
  const flags = ['--nodes', '3', '--children', '300', '--rate', '200']
  const startedAt = performance.now()
  const { text, status } = await run('rolling', ...flags)
  console.log(text.slice(text.indexOf('\nchildren ')))
  expect(numbersIn(text, /children +300: (\d+) lost, (\d+) doubled/), text).toEqual([0, 0])
  const [equal, unequal] = numbersIn(text, /counters +(\d+) equal .*, (\d+) do not/)
  expect([equal, unequal]).toEqual([300, 0])
  const [answered, failed] = numbersIn(text, /calls +(\d+) answered, (\d+) failed/)
  expect(failed).toBe(0)
  expect(answered).toBeGreaterThan(300)
  const [moves, withState] = numbersIn(text, /moves +(\d+), (\d+) with their state/)
  expect(moves).toBeGreaterThan(300)
  expect(withState).toBe(moves)
  expect([...text.matchAll(/n\d: ended \(143\)/g)]).toHaveLength(3)
  expect(status).toBe(0)
  expect(performance.now() - startedAt).toBeLessThan(60_000)
})

test('three nodes: of the children of a killed one none is missing and none runs twice', async () => {
  const { text, status } = await run('failover', '--children', '300')
  const [found, lost] = numbersIn(text, /n3 was killed: (\d+) of its (\d+) children run elsewhere/)
  expect(found, text).toBe(lost)
  expect(numbersIn(text, /after the kill: (\d+) lost, (\d+) doubled/)).toEqual([0, 0])
  expect(numbersIn(text, /at the end: (\d+) lost, (\d+) doubled/)).toEqual([0, 0])
  expect(status).toBe(0)
})
