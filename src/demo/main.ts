/**
 * `npm run demo` and `citadel demo`: three nodes on this machine show what Citadel does. Ends with
 * status 0; with 1 and a sentence when something did not go as promised or it was interrupted.
 * Nothing is left behind either way.
 */
import { tellDemo } from './demo.js'
import { DemoCluster } from './demo-cluster.js'
import { Story } from './story.js'
import { makeSurroundings } from './surroundings.js'

const startedAt = performance.now()
const cluster = new DemoCluster(await makeSurroundings())
const story = new Story(process.stdout)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => cluster.interrupt())
}
// Who reads the story has gone: `npm run demo | head`.
process.stdout.on('error', () => cluster.interrupt())

const failure = await tellDemo(cluster, story).then(
  () => undefined,
  (error: unknown) => error ?? 'failed',
)
await cluster.close()

if (failure === undefined) {
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  story.end(`All shown in ${seconds} s. The nodes have stopped, and nothing is left behind.`)
} else {
  process.exitCode = 1
  explain(failure)
}

function explain(error: unknown): void {
  const sentence = error instanceof Error ? error.message : String(error)
  process.stderr.write(`\nThe demo has stopped: ${sentence}. Nothing is left behind.\n`)
  if (sentence === 'interrupted') return
  for (const { name, log } of cluster.allNodes) {
    for (const line of log) process.stderr.write(`  ${name}: ${line}\n`)
  }
}
