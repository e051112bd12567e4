/**
 * The simulator as a program, `npm run sim -- --seed 7` or `--from 1 --seeds 200`: runs seeds, the
 * second form on two cores, and stops at the first that fails, with its story and the line that
 * repeats it. Status 0: all passed; 1: one failed; 2: not understood.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError, Option } from 'commander'
import { systemClock } from '../src/base/system-clock.js'
import { DEFECTS, defectNamed } from './defects/defects.js'
import { commandFor, failureOf, storyLine, Totals } from './report.js'
import type { SimulatedArbiter } from './scenario.js'
import { runSeed, SEED_DEFAULTS, type SeedOptions, type SeedResult } from './seed-run.js'

interface Settings extends SeedOptions {
  seed?: number
  from: number
  seeds: number
  replay: number
  verbose?: boolean
}

interface Answer {
  result?: SeedResult
  cpuSeconds?: number
  seed?: number
  failed?: string
}

const WORKERS_MAX = 2
const WORKERS_WORTH_SEEDS = 8
/** In front of a terminal, and in a log. */
const PROGRESS_EVERY_MS = process.stdout.isTTY ? 2_000 : 30_000

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const now = (): number => systemClock.now()

async function main(): Promise<boolean> {
  const settings = readSettings()
  if (settings.defect !== undefined) say(`planted: ${defectNamed(settings.defect).what}`)
  if (settings.seed !== undefined) return one(settings, settings.seed)
  return many(settings)
}

async function one(settings: Settings, seed: number): Promise<boolean> {
  const totals = new Totals(now())
  const listen = settings.verbose
    ? (line: Parameters<typeof storyLine>[0]) => say(storyLine(line))
    : undefined
  const before = process.cpuUsage()
  const result = await runSeed(seed, settings, settings.replay === 1, listen)
  const { user, system } = process.cpuUsage(before)
  totals.add(result, (user + system) / 1e6)
  const failure = failureOf(result, settings)
  say(failure ?? totals.print(now()))
  say(`seed ${seed}: trace ${result.hash}, ${result.events} events`)
  return failure === undefined
}

async function many(settings: Settings): Promise<boolean> {
  const totals = new Totals(now())
  const seeds = new SeedsToRun(settings)
  let toldAt = now()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => seeds.interrupt())
  const failure = await runAll(settings, seeds, ({ result, cpuSeconds = 0 }) => {
    totals.add(result!, cpuSeconds)
    if (now() - toldAt < PROGRESS_EVERY_MS) return
    toldAt = now()
    say(totals.progress(now()))
  })
  say(totals.print(now()))
  if (seeds.unfinished !== undefined && failure === undefined) {
    say(`interrupted; go on with:  ${seeds.commandToGoOn(settings)}`)
    return false
  }
  say(failure ?? `seeds ${settings.from} to ${seeds.last} passed`)
  return failure === undefined
}

/** Hands out one seed after the other, until all are done or somebody interrupts. */
class SeedsToRun {
  readonly last: number
  private next: number
  private readonly running = new Set<number>()
  private interrupted = false

  constructor({ from, seeds }: Settings) {
    this.next = from
    this.last = from + seeds - 1
  }

  take(): number | undefined {
    if (this.interrupted || this.next > this.last) return undefined
    this.running.add(this.next)
    return this.next++
  }

  done(seed: number): void {
    this.running.delete(seed)
  }

  /** Those that run now run to their end. */
  interrupt(): void {
    this.interrupted = true
  }

  /** The lowest seed that has not passed. */
  get unfinished(): number | undefined {
    const lowest = Math.min(this.next, ...this.running)
    return lowest > this.last ? undefined : lowest
  }

  commandToGoOn(settings: Settings): string {
    const from = this.unfinished!
    const count = this.last - from + 1
    return commandFor(`--from ${from} --seeds ${count} --replay ${settings.replay}`, settings)
  }
}

/** Answers the failure of the lowest seed that failed, if any. */
async function runAll(
  settings: Settings,
  seeds: SeedsToRun,
  done: (answer: Answer) => void,
): Promise<string | undefined> {
  const count =
    settings.seeds > WORKERS_WORTH_SEEDS ? Math.min(WORKERS_MAX, availableParallelism()) : 1
  const failures = new Map<number, string>()
  const workers = Array.from({ length: count }, () => startWorker())
  const serve = async (worker: ChildProcess): Promise<void> => {
    for (let seed = seeds.take(); seed !== undefined; seed = seeds.take()) {
      const replay = settings.replay > 0 && seed % settings.replay === 0
      const answer = await ask(worker, { seed, options: seedOptions(settings), replay })
      if (answer.result) done(answer)
      const failure = answer.result
        ? failureOf(answer.result, settings)
        : `seed ${seed} FAILED: ${answer.failed}`
      if (failure === undefined) seeds.done(seed)
      else failures.set(seed, failure)
      if (failures.size > 0) return
    }
  }
  await Promise.all(workers.map(serve))
  for (const worker of workers) worker.disconnect()
  return failures.get(Math.min(...failures.keys()))
}

/**
 * A simulated cluster makes much that is short-lived: room for it saves 6 % of the processor time. What
 * this program itself was started with (a loader, for one) is passed on.
 */
const WORKER_FLAGS = [...process.execArgv, '--max-semi-space-size=32']

function startWorker(): ChildProcess {
  const path = fileURLToPath(new URL(`./worker${import.meta.url.slice(-3)}`, import.meta.url))
  return fork(path, [], { serialization: 'advanced', detached: true, execArgv: WORKER_FLAGS })
}

function ask(worker: ChildProcess, order: object): Promise<Answer> {
  return new Promise((resolve) => {
    const settle = (answer: Answer): void => {
      worker.off('message', settle).off('exit', ended)
      resolve(answer)
    }
    const ended = (code: number | null): void =>
      settle({ failed: `the process that ran it ended with status ${code}` })
    worker.on('message', settle).on('exit', ended)
    worker.send(order)
  })
}

const seedOptions = ({ nodes, minutes, defect, only, arbiter }: Settings): SeedOptions => ({
  nodes,
  minutes,
  defect,
  only,
  arbiter,
})

function readSettings(): Settings {
  const command = new Command('sim')
    .description(
      'Runs whole clusters in a simulated world and checks the invariants of docs/simulator.md.',
    )
    .addOption(
      new Option('--seed <n>', 'run this seed only').argParser(count).conflicts(['from', 'seeds']),
    )
    .option('--from <n>', 'the first of several seeds', count, 1)
    .option('--seeds <k>', 'how many seeds', positive, 200)
    .option('--nodes <n>', 'nodes per cluster', positive, SEED_DEFAULTS.nodes)
    .option('--minutes <n>', 'simulated minutes with faults', count, SEED_DEFAULTS.minutes)
    .option('--replay <n>', 'run every n-th seed twice and compare; 0: none', count, 20)
    .option('--defect <name>', `plant a defect: ${DEFECTS.map(({ name }) => name).join(', ')}`)
    .option('--only <what>', 'nothing fails but this: redis', onlyRedis)
    .option('--arbiter <which>', 'who decides about keys: mesh, quorum or etcd', arbiter, 'mesh')
    .option('--verbose', 'with --seed: print all that happens')
    .exitOverride()
    .parse()
  const settings = command.opts<Settings>()
  if (settings.verbose && settings.seed === undefined) {
    command.error('error: --verbose prints one seed: say which with --seed')
  }
  return settings
}

function onlyRedis(text: string): 'redis' {
  if (text === 'redis') return text
  throw new InvalidArgumentError('write redis.')
}

function arbiter(text: string): SimulatedArbiter {
  if (text === 'mesh' || text === 'quorum' || text === 'etcd') return text
  throw new InvalidArgumentError('write mesh, quorum or etcd.')
}

function count(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('write a whole number.')
}

function positive(text: string): number {
  if (count(text) > 0) return count(text)
  throw new InvalidArgumentError('write a whole number from 1.')
}

main().then(
  (passed) => {
    process.exitCode = passed ? 0 : 1
  },
  (error) => {
    const code = (error as { exitCode?: number }).exitCode
    if (code === undefined) process.stderr.write(`${String(error)}\n`)
    process.exitCode = code === 0 ? 0 : 2
  },
)
