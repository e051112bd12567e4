/** A process that runs seeds for `sim.ts`: one at a time, as it is told. */
import { runSeed, type SeedOptions } from './seed-run.js'

interface Order {
  readonly seed: number
  readonly options: SeedOptions
  readonly replay: boolean
}

const answer = (message: object): void => void process.send?.(message)

process.on('message', ({ seed, options, replay }: Order) => {
  const before = process.cpuUsage()
  runSeed(seed, options, replay).then(
    (result) => answer({ result, cpuSeconds: cpuSecondsSince(before) }),
    (error) => answer({ seed, failed: describe(error) }),
  )
})
process.on('disconnect', () => process.exit(0))

/** Of all threads of this process. */
function cpuSecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)
