/**
 * Three nodes that find each other through a real Redis, which is frozen, killed, flushed and
 * replaced by an empty one, again and again. No node may lose another, no process may start or end,
 * and whoever is there is listed again afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { numbers, TestCluster, type TestNode } from '../../test/support/cluster.js'
import { eventually } from '../../test/support/eventually.js'
import { noteAll, now, readNotes } from '../../test/support/notes.js'
import { type RedisServer, redisMissing, startRedis } from '../../test/support/redis.js'
import { type Part, type PartContext, type PartResult, spread } from '../part.js'

const MINUTES = 5
const NODES = ['n1', 'n2', 'n3']
const OUTAGE_MS: readonly [number, number] = [500, 12_000]
const BACK_MS = 60_000

/** What is done to Redis; over when the promise is. */
type Outage = (redis: RedisServer, ms: number) => Promise<void>

const outages: Readonly<Record<string, Outage>> = {
  async frozen(redis, ms) {
    redis.freeze()
    await sleep(ms)
    redis.thaw()
  },
  async killed(redis, ms) {
    await redis.kill()
    await sleep(ms)
    await redis.restart()
  },
  async flushed(redis) {
    redis.command('FLUSHALL')
  },
  async 'replaced by an empty one'(redis) {
    await redis.restart()
  },
}

export const redis: Part = {
  name: 'redis',
  description: 'Redis frozen, killed, flushed, replaced by an empty one; 5 minutes',
  missing: () => (redisMissing() ? 'redis-server is not installed' : undefined),
  run,
}

async function run(context: PartContext): Promise<PartResult> {
  const { minutes = MINUTES, say, chance, arbiter } = context
  const server = await startRedis()
  const cluster = await TestCluster.empty({
    discovery: server.url,
    domain: 'endurance',
    ...(arbiter === undefined ? {} : { arbiter }),
  })
  try {
    await begin(cluster, server)
    const from = now()
    const started = cluster.journal().length
    const counts = new Map<string, number>()
    const back: number[] = []
    let calls = 0
    while (now() - from < minutes * 60_000) {
      const kind = Object.keys(outages)[chance.below(Object.keys(outages).length)]!
      const outage = outages[kind]!(server, chance.between(OUTAGE_MS))
      calls += await callUntil(cluster, outage)
      back.push(await untilListed(cluster, server))
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
      say(`${kind}: all are listed again after ${Math.round(back.at(-1)!)} ms`)
    }
    const violations = await harm(cluster, from, started)
    await cluster.add('n4')
    await cluster.settled()
    await untilListed(cluster, server)
    return summary(counts, back, calls, violations)
  } finally {
    await cluster.stop()
    await server.stop()
  }
}

async function begin(cluster: TestCluster, server: RedisServer): Promise<void> {
  await Promise.all(NODES.map((name) => cluster.add(name)))
  await cluster.settled()
  await cluster.startChildren(numbers(30))
  for (const node of cluster.nodes) {
    await noteAll(node)
    await node.run(async ({ citadel, Worker }) => {
      await citadel.registry.register(citadel.name, await citadel.spawn(Worker, [citadel.name]))
    })
  }
  await untilListed(cluster, server)
}

/** Meanwhile every node calls a process of every other. */
async function callUntil(cluster: TestCluster, outage: Promise<void>): Promise<number> {
  let isOver = false
  const over = outage.finally(() => {
    isOver = true
  })
  let calls = 0
  do {
    for (const node of cluster.nodes) calls += await callAll(node)
    await Promise.race([over, sleep(100)])
  } while (!isOver)
  await over
  return calls
}

const callAll = (node: TestNode): Promise<number> =>
  node.run(async ({ citadel }) => {
    let answered = 0
    for (const key of citadel.registry.keys()) {
      await citadel.call(citadel.registry.findByKey(key) as never, 'next' as never)
      answered++
    }
    return answered
  })

/** How long until Redis has the rows of all nodes, and all nodes list all. */
async function untilListed(cluster: TestCluster, server: RedisServer): Promise<number> {
  const from = now()
  for (const { name } of cluster.nodes) {
    const hasRow = () => server.command('KEYS', `*${name}`).includes(name)
    await eventually(hasRow, { timeoutMs: BACK_MS, everyMs: 50, what: `Redis has ${name}` })
  }
  for (const node of cluster.nodes) {
    const lists = () => node.run(async ({ citadel }) => (await citadel.members()).length)
    const isComplete = async () => (await lists()) === cluster.nodes.length
    await eventually(isComplete, {
      timeoutMs: BACK_MS,
      everyMs: 50,
      what: `${node.name} lists all`,
    })
  }
  return now() - from
}

/** What the outages have done to the cluster: nothing, if all is well. */
async function harm(cluster: TestCluster, from: number, started: number): Promise<string[]> {
  const harm: string[] = []
  for (const node of cluster.nodes) {
    for (const note of await readNotes(node)) {
      if (note.type === 'stall' || note.at < from) continue
      harm.push(`${node.name} heard: ${note.type} ${note.node}`)
    }
  }
  for (const { what, id } of cluster.journal().slice(started)) harm.push(`${what} of process ${id}`)
  const running = await cluster.running()
  if (running.length !== 30 + NODES.length) harm.push(`${running.length} processes run in the end`)
  if (cluster.alive.length !== NODES.length) harm.push('a node has ended')
  return harm
}

function summary(
  counts: ReadonlyMap<string, number>,
  back: readonly number[],
  calls: number,
  violations: readonly string[],
): PartResult {
  return {
    figures: [
      ...[...counts].map(([kind, count]): [string, string] => [`Redis ${kind}`, String(count)]),
      ['calls meanwhile, all answered', String(calls)],
      ['until all are listed again, least / median / most', spread(back)],
      ['nodes or processes affected', String(violations.length)],
    ],
    violations,
  }
}
