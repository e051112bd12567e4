/**
 * `npm run failover`: one of three nodes is killed without a word. Prints how long after the kill
 * each of its children had started on another node, and whether the event loops of the others kept
 * turning; then the same of a node that joins, and of one that drains. Ends with status 1 if a child
 * is missing or runs twice.
 */
import { Command } from 'commander'
import { positive } from './flags.js'
import { Fleet, until } from './fleet.js'
import { machineTime } from './machine-time.js'
import type { CounterNode } from './node.js'
import { places, stallsOf, worstStall } from './survey.js'
import type { Program } from './verbs.js'

interface Options {
  readonly nodes: number
  readonly children: number
  readonly budgetMs: number
}

await new Command('failover')
  .description('Kills one node of a cluster and measures until its children run elsewhere.')
  .option('--nodes <count>', 'how many nodes', positive, 3)
  .option('--children <count>', 'how many children', positive, 10_000)
  .option('--budget-ms <ms>', 'how long a node may take to hand over', positive, 25_000)
  .action(run)
  .parseAsync()

async function run(options: Options): Promise<void> {
  const fleet = await Fleet.make(options.budgetMs, print)
  try {
    process.exitCode = (await show(options, fleet)) ? 0 : 1
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  } finally {
    await fleet.close()
  }
}

async function show({ nodes: count, children }: Options, fleet: Fleet): Promise<boolean> {
  const names = Array.from({ length: count }, (_, i) => `n${i + 1}`)
  const nodes = await Promise.all(names.map((name) => fleet.node(name)))
  const driver = await fleet.driver()
  await until('all see each other', async () => {
    const { members } = await driver.ask('sees')
    const seen = await Promise.all(nodes.map((node) => node.ask('sees')))
    return members === count + 1 && seen.every((others) => others === count)
  })
  await driver.ask('startChildren', children)
  await until('all children run where they belong', () => nodes[0]!.ask('isSettled', count))
  print(`${children} children run on ${count} nodes`)
  const doomed = nodes.pop()!
  const failedOver = await failover(doomed, nodes, children)
  await join(`n${count + 1}`, nodes, fleet)
  await drain(nodes.shift()!, nodes, fleet)
  const after = await places(nodes, children)
  return failedOver && isWhole('at the end', after)
}

async function failover(
  doomed: Program<CounterNode>,
  survivors: readonly Program<CounterNode>[],
  children: number,
): Promise<boolean> {
  const lost = (await doomed.ask('living')).map(([id]) => id)
  await stallsOf(survivors)
  const killedAt = machineTime()
  doomed.kill('SIGKILL')
  await until('all children of the killed node run elsewhere', async () => {
    const counts = await Promise.all(survivors.map((node) => node.ask('children')))
    return counts.reduce((sum, local) => sum + local, 0) >= children
  })
  const stalls = await stallsOf(survivors)
  const found = await places(survivors, children)
  const times = lost.map((id) => found.startedAt.get(id)! - killedAt).sort((a, b) => a - b)
  const at = (share: number): string =>
    `${times[Math.min(times.length - 1, Math.floor(share * times.length))]?.toFixed(0)} ms`
  print(`${doomed.name} was killed: ${times.length} of its ${lost.length} children run elsewhere`)
  print(`  from SIGKILL to the end of init: p50 ${at(0.5)}, p99 ${at(0.99)}, last ${at(1)}`)
  print(`  event loops: ${worstStall(stalls)}`)
  return isWhole('after the kill', found)
}

async function join(name: string, nodes: Program<CounterNode>[], fleet: Fleet): Promise<void> {
  const node = await fleet.node(name)
  await stallsOf(nodes)
  const since = performance.now()
  nodes.push(node)
  await until('the children have moved', () => node.ask('isSettled', nodes.length))
  const tookMs = performance.now() - since
  print(
    `${name} joined: ${await node.ask('children')} children have moved, ${tookMs.toFixed(0)} ms`,
  )
  print(`  event loops: ${worstStall(await stallsOf(nodes))}`)
}

async function drain(
  leaving: Program<CounterNode>,
  others: readonly Program<CounterNode>[],
  fleet: Fleet,
): Promise<void> {
  const count = await leaving.ask('children')
  await stallsOf(others)
  const since = performance.now()
  const status = await fleet.leave(leaving)
  const tookMs = performance.now() - since
  print(
    `${leaving.name} was told to leave with ${count} children: ended (${status}), ${tookMs.toFixed(0)} ms`,
  )
  print(`  event loops: ${worstStall(await stallsOf(others))}`)
}

function isWhole(when: string, found: Awaited<ReturnType<typeof places>>): boolean {
  print(`  ${when}: ${found.lost.length} lost, ${found.doubled.length} doubled`)
  return found.lost.length === 0 && found.doubled.length === 0
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
