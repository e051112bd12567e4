/**
 * `npm run rolling`: a cluster is replaced node by node under load, as a deploy does it. Each node
 * gets SIGTERM, hands its children over and ends, and a fresh one takes its place. Ends with status
 * 1 if a child or a call was lost, or a child ran twice, or a counter is not what was acknowledged.
 */
import { Command } from 'commander'
import { positive } from './flags.js'
import { Fleet } from './fleet.js'
import { Progress } from './progress.js'
import { Replacement, type ReplacementOptions } from './replacement.js'
import { verdict } from './verdict.js'

await new Command('rolling')
  .description('Replaces all nodes of a cluster under load, one after another.')
  .option('--nodes <count>', 'how many nodes', positive, 5)
  .option('--children <count>', 'how many children, each with a state', positive, 10_000)
  .option('--rate <count>', 'calls per second from a client', positive, 1_000)
  .option('--budget-ms <ms>', 'how long a node may take to hand over', positive, 25_000)
  .option('--same-names', 'a fresh node has the name of the one it replaces', false)
  .action(run)
  .parseAsync()

async function run(options: ReplacementOptions): Promise<void> {
  const startedAt = performance.now()
  const progress = new Progress()
  const fleet = await Fleet.make(options.budgetMs, (line) => progress.note(line))
  try {
    const ending = await new Replacement(options, fleet, progress).run()
    process.exitCode = verdict(ending, performance.now() - startedAt) ? 0 : 1
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  } finally {
    progress.end()
    await fleet.close()
  }
}
