/**
 * A target and a friend, real processes, and a hostile peer in a third one that attacks the target.
 * Meanwhile the friend calls a process of the target and looks at its rows there. What is measured is
 * the target's memory and its processor time from one turn of its event loop to the next.
 */

import { fork } from 'node:child_process'
import { parseAddress } from '../../../src/mesh/address.js'
import { TestCluster, type TestNode } from '../cluster.js'
import { compiled } from '../compiled.js'
import { eventually } from '../eventually.js'
import type { Assignment, Tally } from './hostile-program.js'
import type { Role } from './invented-frames.js'

export interface AttackResult extends Tally {
  readonly rssMaxMiB: number
  /** The longest processor time of one turn of the target's event loop, and of how many turns over 100 ms. */
  readonly stallMaxMs: number
  readonly stalls: number
  readonly calls: number
  readonly logLines: number
  readonly wrong: readonly string[]
}

const PROGRAM = compiled(new URL('./hostile-program.ts', import.meta.url))
const KEYS = 50
/**
 * What the nodes have for what they keep. Unless it is told, V8 takes several times what is in use before it
 * collects, by the memory of the machine: that would be measured, and a node that keeps ever more
 * would have gigabytes to do so. In this heap it ends.
 */
const HEAP_MIB = 128

const inSmallHeap = () => ({
  host: '127.0.0.1',
  through: ['env', `NODE_OPTIONS=--max-old-space-size=${HEAP_MIB}`],
})

export interface AttackOptions {
  readonly role: Role
  readonly frames: number
  readonly seed: number
  say?(text: string): void
}

export async function attack({ role, frames, seed, say }: AttackOptions): Promise<AttackResult> {
  const cluster = await TestCluster.start(2, {}, inSmallHeap)
  try {
    const [target, friend] = cluster.nodes as [TestNode, TestNode]
    await cluster.startChildren(Array.from({ length: 10 }, (_, id) => id))
    await furnish(target, friend)
    await watchItself(target)
    const about = (node: TestNode) =>
      node.run(({ citadel }) => ({ name: citadel.name, creation: citadel.creation }))
    const [address] = await target.run(({ citadel }) => citadel.addresses)
    const assignment: Assignment = {
      seed,
      role,
      frames,
      cookie: cluster.cookie,
      address: parseAddress(address!)!,
      target: await about(target),
      friend: await about(friend),
      systemIds: await systemIds(target),
    }
    await callAllTheTime(friend)
    const { tally, ended } = await send(assignment, say)
    await new Promise((resolve) => setTimeout(resolve, 500))
    const wrong = [...ended, ...(await judge(cluster, target, friend))]
    return { ...tally, ...(await figures(target, friend)), logLines: target.log.length, wrong }
  } finally {
    await cluster.stop()
  }
}

/** Processes that no other node may end. */
function systemIds(target: TestNode): Promise<number[]> {
  return target.run(({ citadel }) => {
    const names = ['citadel_rows', 'citadel_supervisor_workers']
    return [citadel.self, ...names.map((name) => citadel.whereis(name))].map((pid) => pid!.id)
  })
}

/** A process of the target, and rows of the friend that nobody else may touch. */
async function furnish(target: TestNode, friend: TestNode): Promise<void> {
  await target.run(async ({ citadel, Worker }) => {
    const worker = await citadel.spawn(Worker, ['target'], { name: 'target' })
    await citadel.registry.register('target', worker)
  })
  await friend.run(async ({ citadel, Worker, kept }, keys) => {
    const worker = await citadel.spawn(Worker, ['friend'])
    for (let n = 0; n < keys; n++) await citadel.registry.register(`friend ${n}`, worker)
    await citadel.groups.join('friends', worker)
    kept.set('worker', worker)
  }, KEYS)
}

/** The processor time of the main thread alone, by the kernel's own count: other threads collect garbage. */
function watchItself(target: TestNode): Promise<void> {
  return target.run(async ({ kept }) => {
    const { readFileSync } = process.getBuiltinModule('node:fs')
    const file = `/proc/self/task/${process.pid}/schedstat`
    const spent = (): number => Number(readFileSync(file, 'utf8').split(' ')[0]) / 1e6
    const seen = { stallMaxMs: 0, stalls: 0, rssMaxMiB: 0 }
    kept.set('seen', seen)
    let before = spent()
    setInterval(() => {
      const now = spent()
      const ms = now - before
      before = now
      seen.stallMaxMs = Math.max(seen.stallMaxMs, ms)
      if (ms > 100) seen.stalls++
      seen.rssMaxMiB = Math.max(seen.rssMaxMiB, process.memoryUsage.rss() / 2 ** 20)
    }, 5).unref()
  })
}

/** One call after another to the target's process, each answered with what was asked. */
function callAllTheTime(friend: TestNode): Promise<void> {
  return friend.run(async ({ citadel, kept }) => {
    const to = await citadel.registry.whenRegistered('target')
    const seen = { calls: 0, wrong: [] as string[], isOver: false }
    kept.set('calls', seen)
    const each = async (): Promise<void> => {
      while (!seen.isOver) {
        const n = seen.calls++
        const answer = await citadel.call(to, 'echo', ['call', n]).catch((error) => error)
        const isRight = Array.isArray(answer) && answer[0] === 'call' && answer[1] === n
        if (!isRight) seen.wrong.push(`call ${n} ended in ${String(answer)}`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    void each()
    void each()
  })
}

function send(
  assignment: Assignment,
  say: AttackOptions['say'],
): Promise<{ tally: Tally; ended: string[] }> {
  const child = fork(PROGRAM, [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.send(assignment)
  return new Promise((resolve) => {
    let last: Tally = {
      frames: 0,
      answered: 0,
      bytes: 0,
      links: 0,
      refused: 0,
      deaf: 0,
      isOver: false,
    }
    let toldAt = performance.now()
    const over = (ended: string[]): void => {
      child.kill('SIGKILL')
      resolve({ tally: last, ended })
    }
    child.on('message', (tally: Tally) => {
      last = tally
      if (tally.isOver) over([])
      if (performance.now() - toldAt < 30_000) return
      toldAt = performance.now()
      say?.(`${assignment.role}: ${tally.frames} frames on ${tally.links} links`)
    })
    child.once('exit', () => over(last.isOver ? [] : ['the attack itself ended']))
  })
}

async function figures(
  target: TestNode,
  friend: TestNode,
): Promise<Pick<AttackResult, 'rssMaxMiB' | 'stallMaxMs' | 'stalls' | 'calls'>> {
  const seen = await target.run(
    ({ kept }) => kept.get('seen') as { stallMaxMs: number; stalls: number; rssMaxMiB: number },
  )
  const calls = await friend.run(({ kept }) => (kept.get('calls') as { calls: number }).calls)
  return { ...seen, calls }
}

/** What is not as it should be, in words. */
async function judge(cluster: TestCluster, target: TestNode, friend: TestNode): Promise<string[]> {
  if (target.hasEnded) return ['the target has ended']
  const wrong = await friend.run(({ kept }) => {
    const seen = kept.get('calls') as { wrong: string[]; isOver: boolean }
    seen.isOver = true
    return seen.wrong.slice(0, 5)
  })
  for (const node of [target, friend]) {
    const deaths = await node.run(
      ({ events }, names) =>
        events
          .filter(({ type, node }) => type !== 'up' && type !== 'changed' && names.includes(node))
          .map(({ type, node }) => `${node} was ${type}`),
      [target.name, friend.name],
    )
    wrong.push(...deaths.map((death) => `${death} for ${node.name}`))
    const rows = await node.run(
      ({ citadel, workers }, [count, names]) => [
        Array.from({ length: count }, (_, n) => citadel.registry.findByKey(`friend ${n}`)).filter(
          Boolean,
        ).length,
        citadel.groups.members('friends').length,
        [...workers.members().values()].filter(({ node }) => names.includes(node)).length,
      ],
      [KEYS, [target.name, friend.name]] as [number, string[]],
    )
    if (String(rows) !== `${KEYS},1,10`) wrong.push(`rows ${rows} at ${node.name}`)
  }
  await serves(friend).catch((error: unknown) => wrong.push(notServing(error)))
  if ((await cluster.running()).length !== 12) wrong.push('children started or ended')
  return wrong
}

const notServing = (error: unknown): string => {
  const { message, cause } = error as Error
  return `it does not serve: ${message}, ${String(cause)}`
}

/** Writes that go through the target as well. */
function serves(friend: TestNode): Promise<unknown> {
  return eventually(() =>
    friend.run(async ({ citadel, workers, Worker, kept }) => {
      const far = citadel.registry.findByKey('target')!
      await citadel.registry.register('served', far)
      await citadel.registry.unregister('served')
      await citadel.groups.join('served', kept.get('worker') as typeof far)
      await workers.startChild(Worker, ['served'], { id: 'served' })
      await workers.terminateChild('served')
      return true
    }),
  )
}
