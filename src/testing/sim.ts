/**
 * The simulator as a program, `npm run sim -- --seed 7` or `--from 1 --seeds 200`: runs seeds, the
 * second form on two cores, and stops at the first that fails, with its story and the line that
 * repeats it. Status 0: all passed; 1: one failed; 2: not understood.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../base/system-clock.js'
import { DEFECTS, defectNamed } from './defects.js'
import { runSeed, type SeedOptions, type SeedResult } from './seed-run.js'
import { failureOf, storyLine, Totals } from './sim-report.js'

interface Settings extends SeedOptions {
  seed?: number
  from: number
  seeds: number
  replay: number
  verbose?: boolean
}

interface Answer {
  result?: SeedResult
  seed?: number
  failed?: string
}

const WORKERS_MAX = 2
const WORKERS_WORTH_SEEDS = 8
const PROGRESS_EVERY_MS = 2_000

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
  const result = await runSeed(seed, settings, settings.replay === 1, listen)
  totals.add(result)
  const failure = failureOf(result, settings)
  say(failure ?? totals.print(now()))
  say(`seed ${seed}: trace ${result.hash}, ${result.events} events`)
  return failure === undefined
}

async function many(settings: Settings): Promise<boolean> {
  const totals = new Totals(now())
  const lastSeed = settings.from + settings.seeds - 1
  let nextSeed = settings.from
  let toldAt = now()
  const next = (): number | undefined => (nextSeed <= lastSeed ? nextSeed++ : undefined)
  const failure = await runAll(settings, next, (result) => {
    totals.add(result)
    if (now() - toldAt < PROGRESS_EVERY_MS) return
    toldAt = now()
    say(totals.progress(now()))
  })
  say(totals.print(now()))
  say(failure ?? `seeds ${settings.from} to ${lastSeed} passed`)
  return failure === undefined
}

/** Answers the failure of the lowest seed that failed, if any. */
async function runAll(
  settings: Settings,
  next: () => number | undefined,
  done: (result: SeedResult) => void,
): Promise<string | undefined> {
  const count =
    settings.seeds > WORKERS_WORTH_SEEDS ? Math.min(WORKERS_MAX, availableParallelism()) : 1
  const failures = new Map<number, string>()
  const workers = Array.from({ length: count }, () => startWorker())
  const serve = async (worker: ChildProcess): Promise<void> => {
    for (let seed = next(); seed !== undefined && failures.size === 0; seed = next()) {
      const replay = settings.replay > 0 && seed % settings.replay === 0
      const answer = await ask(worker, { seed, options: seedOptions(settings), replay })
      if (answer.result) done(answer.result)
      const failure = answer.result
        ? failureOf(answer.result, settings)
        : `seed ${seed} FAILED: ${answer.failed}`
      if (failure !== undefined) failures.set(seed, failure)
    }
  }
  await Promise.all(workers.map(serve))
  for (const worker of workers) worker.disconnect()
  return failures.get(Math.min(...failures.keys()))
}

function startWorker(): ChildProcess {
  const path = fileURLToPath(new URL(`./sim-worker${import.meta.url.slice(-3)}`, import.meta.url))
  return fork(path, [], { serialization: 'advanced' })
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

const seedOptions = ({ nodes, minutes, defect }: Settings): SeedOptions => ({
  nodes,
  minutes,
  defect,
})

function readSettings(): Settings {
  const command = new Command('sim')
    .description(
      'Runs whole clusters in a simulated world and checks the invariants of docs/simulator.md.',
    )
    .option('--seed <n>', 'run this seed only', count)
    .option('--from <n>', 'the first of several seeds', count, 1)
    .option('--seeds <k>', 'how many seeds', count, 200)
    .option('--nodes <n>', 'nodes per cluster', count, 5)
    .option('--minutes <n>', 'simulated minutes with faults', count, 8)
    .option('--replay <n>', 'run every n-th seed twice and compare; 0: none', count, 1)
    .option('--defect <name>', `plant a defect: ${DEFECTS.map(({ name }) => name).join(', ')}`)
    .option('--verbose', 'with --seed: print all that happens')
    .exitOverride()
    .parse()
  return command.opts<Settings>()
}

function count(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('write a whole number.')
}

process.on('unhandledRejection', (error) => {
  process.stderr.write(`a promise was left alone: ${String(error)}\n`)
  process.exit(1)
})
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
