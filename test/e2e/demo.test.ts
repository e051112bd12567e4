/**
 * The demo as a user runs it: a program of its own, with up to four more under it. It must end by
 * itself, say what is true, and leave no process, no EPMD and no folder behind, also when it is
 * interrupted or fails.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { type RedisServer, redisMissing, startRedis } from '../support/redis.js'
import { ROOT } from '../support/root.js'
import { type Scratch, scratch } from '../support/scratch.js'

const ROOMS = 100
const WIDTH_MAX = 90

interface Run {
  readonly child: ChildProcess
  /** What it has printed so far. */
  text(): string
  errors(): string
  /** The exit status, once it has ended. */
  readonly status: Promise<number | null>
}

let folder: Scratch
let runs: Run[]

beforeAll(async () => {
  expect(await run('node', ['scripts/prepare.mjs', '--build']).status).toBe(0)
}, 120_000)

beforeEach(() => {
  folder = scratch('demo-test')
  runs = []
})

afterEach(async () => {
  for (const { child, status } of runs) {
    child.kill('SIGKILL')
    await status
  }
  folder.remove()
})

function run(command: string, args: string[], variables: NodeJS.ProcessEnv = {}): Run {
  const env = { ...process.env, CITADEL_REDIS_URL: '', CITADEL_DOMAIN: '', ...variables }
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  child.stderr.setEncoding('utf8').on('data', (part: string) => (errors += part))
  const status = once(child, 'close').then(([code]) => code as number | null)
  return { child, text: () => text, errors: () => errors, status }
}

function runDemo(variables: NodeJS.ProcessEnv = {}): Run {
  const demo = run('node', ['dist/demo/main.js'], { TMPDIR: folder.path, ...variables })
  runs.push(demo)
  return demo
}

const find = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1]!)

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** By what the demo says of itself: the pids of its nodes and the port of its EPMD. */
async function expectNothingLeft(text: string, nodes: number): Promise<void> {
  const pids = find(text, /runs as process (\d+)/g).map(Number)
  expect(pids).toHaveLength(nodes)
  const [port] = find(text, /an EPMD, on port (\d+)/g).map(Number)
  await eventually(() => !pids.some(isAlive), { what: 'the end of all nodes' })
  expect(await answers(port!)).toBe(false)
  expect(readdirSync(folder.path).filter((name) => name.startsWith('citadel-'))).toEqual([])
}

/** The parts of the story by their numbers, with the lines of a paragraph made one. */
function scenes(text: string): string[] {
  return text.split(/^\d\. /m).map((scene) => scene.replace(/\n {3,}(?=\S)/g, ' '))
}

function numbers(scene: string, pattern: RegExp): number[] {
  const found = pattern.exec(scene)
  expect(found, `${pattern} in ${scene}`).not.toBeNull()
  return found!.slice(1).map((digits) => Number(digits.replaceAll(',', '')))
}

const VISITS =
  /=> ([\d,]+) visits were made meanwhile: (\d+) failed, .* None is lost, none counts twice/

function expectWholeStory(text: string): void {
  expect(find(text, /^(\d)\. /gm)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9'])
  const [, , , registry, group, rooms, crash, join, leave, death] = scenes(text) as string[]
  expect(registry).toContain('3 keys, found from all 3 nodes')
  expect(group).toContain('All 3 members, on 3 nodes, heard it')
  expect(rooms).toContain('100 rooms run, and each of them has answered')
  expect(crash).toContain('Same node, new process')
  expect(crash).toContain('It remembers 0 visitors instead of 9')
  expectMoves(join!, /(\d+) of 100 rooms moved to n4/)
  expectMoves(leave!, /(\d+) rooms were handed over before n2 ended/)
  const sentence = /(\d+) rooms were lost, (\d+) run elsewhere, (\d+) are missing\. It took (\d+)/
  const [lost, moved, missing, tookMs] = numbers(death!, sentence)
  expect(lost).toBeGreaterThan(15)
  expect([moved, missing]).toEqual([lost, 0])
  expect(tookMs).toBeGreaterThan(0)
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(WIDTH_MAX)
  expect(text).not.toContain('\u001b')
}

function expectMoves(scene: string, sentence: RegExp): void {
  const [moved] = numbers(scene, sentence)
  expect(moved).toBeGreaterThan(12)
  expect(moved).toBeLessThan(40)
  expect(scene).toContain(`${moved} x moved, with state`)
  const [visits, failed] = numbers(scene, VISITS)
  expect(visits).toBeGreaterThan(6 * ROOMS - 1)
  expect(failed).toBe(0)
}

/** The bars and the digits are two pictures of the same thing. */
function expectPicturesAgree(text: string): void {
  const nodesShown = [3, 4, 3, 2]
  const pictured = text.split(/^\d\. /m).filter((scene) => scene.includes('Which node runs'))
  expect(pictured).toHaveLength(nodesShown.length)
  for (const [index, scene] of pictured.entries()) {
    const digits = find(scene, /^ +rooms +\d+ to \d+ +([1234]+)$/gm).join('')
    const bars = [...scene.matchAll(/^ {3}n(\d) +([█▒]+) +(\d+) rooms/gm)]
    expect(digits).toHaveLength(ROOMS)
    expect(bars).toHaveLength(nodesShown[index]!)
    for (const [, node, bar, count] of bars) {
      expect(bar).toHaveLength(Number(count))
      expect(digits.split(node!).length - 1).toBe(Number(count))
    }
  }
}

test('four nodes: npm run demo shows everything and leaves nothing behind', async () => {
  const demo = run('npm', ['run', 'demo'], { TMPDIR: folder.path })
  runs.push(demo)
  const startedAt = performance.now()
  expect(await demo.status, demo.errors()).toBe(0)
  expect(performance.now() - startedAt).toBeLessThan(60_000)
  expectWholeStory(demo.text())
  expectPicturesAgree(demo.text())
  expect(demo.text()).toContain("await citadel.connect('n2@127.0.0.1')")
  await expectNothingLeft(demo.text(), 4)
})

test('four nodes: citadel demo is the same', async () => {
  const demo = run('node', ['dist/shell/main.js', 'demo'], { TMPDIR: folder.path })
  runs.push(demo)
  expect(await demo.status, demo.errors()).toBe(0)
  expectWholeStory(demo.text())
  await expectNothingLeft(demo.text(), 4)
})

test('four nodes: a Redis without a domain is left alone', async () => {
  const demo = runDemo({ CITADEL_REDIS_URL: `redis://127.0.0.1:${await freePort()}` })
  expect(await demo.status, demo.errors()).toBe(0)
  expectWholeStory(demo.text())
})

describe.skipIf(redisMissing())('with a Redis', () => {
  let redis: RedisServer

  beforeEach(async () => {
    redis = await startRedis({ args: ['--requirepass', 'pass word'] })
  })

  afterEach(() => redis.stop())

  test('four nodes: they find each other through it, and no row of them stays there', async () => {
    const url = `redis://:pass%20word@127.0.0.1:${redis.port}`
    const demo = runDemo({ CITADEL_REDIS_URL: url, CITADEL_DOMAIN: 'demo' })
    expect(await demo.status, demo.errors()).toBe(0)
    const text = demo.text()
    expectWholeStory(text)
    expectPicturesAgree(text)
    expect(text).toContain('They find each other through Redis')
    expect(text).toMatch(/citadel\.members\(\) +n1, n2, n3\n/)
    expect(text).not.toContain('citadel.connect')
    expect(text).not.toMatch(/pass( |%20)word/)
    await expectNothingLeft(text, 4)
    expect(redis.command('--no-auth-warning', '-a', 'pass word', 'KEYS', '*')).toBe('')
  })
})

test('three nodes: a Redis that is not there ends the demo with a sentence and status 1', async () => {
  const url = `redis://127.0.0.1:${await freePort()}`
  const demo = runDemo({ CITADEL_REDIS_URL: url, CITADEL_DOMAIN: 'demo' })
  expect(await demo.status).toBe(1)
  expect(demo.errors()).toContain('The demo has stopped: ')
  expect(demo.errors()).toContain('did not see 2 other nodes within 10 s')
  expect(demo.errors()).toContain('Redis')
  await expectNothingLeft(demo.text(), 3)
})

/** Ctrl-C, politely and not, and a node that goes where none should. */
const ends: [string, (demo: Run) => void, number | null, string][] = [
  ['SIGINT', ({ child }) => child.kill('SIGINT'), 1, 'interrupted'],
  ['SIGTERM', ({ child }) => child.kill('SIGTERM'), 1, 'interrupted'],
  ['SIGKILL', ({ child }) => child.kill('SIGKILL'), null, ''],
  [
    'the death of a node',
    ({ text }) => process.kill(Number(find(text(), /runs as process (\d+)/g)[0]), 'SIGKILL'),
    1,
    'n1 has ended',
  ],
]

test.each(ends)(
  'three nodes: %s in the middle leaves nothing behind',
  async (_, end, status, sentence) => {
    const demo = runDemo()
    await eventually(() => demo.text().includes('They become a cluster'), { timeoutMs: 30_000 })
    end(demo)
    expect(await demo.status).toBe(status)
    expect(demo.errors()).toContain(sentence)
    expect(demo.text()).not.toContain('All shown')
    await expectNothingLeft(demo.text(), 3)
  },
)

test('four nodes: SIGINT while a node hands its rooms over leaves nothing behind', async () => {
  const demo = runDemo()
  await eventually(() => demo.text().includes('8. A node leaves'), { timeoutMs: 30_000 })
  demo.child.kill('SIGINT')
  expect(await demo.status).toBe(1)
  expect(demo.errors()).toContain('interrupted')
  await expectNothingLeft(demo.text(), 4)
})

test('three nodes: SIGINT before the nodes run leaves no process and no folder', async () => {
  const demo = runDemo()
  await eventually(() => demo.text().includes('1. Three nodes start'), { timeoutMs: 30_000 })
  demo.child.kill('SIGINT')
  expect(await demo.status).toBe(1)
  expect(readdirSync(folder.path).filter((name) => name.startsWith('citadel-'))).toEqual([])
})

test('three nodes: a reader that goes away ends it', async () => {
  const demo = runDemo()
  await eventually(() => demo.text().includes('They become a cluster'), { timeoutMs: 30_000 })
  demo.child.stdout!.destroy()
  expect(await demo.status).toBe(1)
  await expectNothingLeft(demo.text(), 3)
})
