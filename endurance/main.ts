/**
 * `npm run endurance`: real nodes under faults for long. Progress on standard error, a table of what
 * was measured on standard output. Status 0: all is well; 1: something happened that must not; 2: not
 * understood, or nothing of it can be run here.
 */
import { availableParallelism, loadavg } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { SeededRandom } from '../src/testing/seeded-random.js'
import type { Part } from './part.js'
import { parts } from './parts/index.js'
import { type Outcome, runPart } from './run-part.js'

interface Options {
  readonly only?: readonly string[]
  readonly minutes?: number
  readonly seed: number
}

const names = parts.map(({ name }) => name)

function main(): Promise<Command> {
  const command = new Command('endurance')
    .description('Real nodes, real networks, a real Redis, under faults for long.')
    .option('--only <names...>', `only these: ${names.join(', ')}`)
    .option('--minutes <count>', 'how long each part goes on, instead of its own time', positive)
    .option('--seed <number>', 'what chance begins with; printed, so that it can be given', whole)
    .exitOverride()
    .action((options: Partial<Options>) => run({ ...options, seed: options.seed ?? anySeed() }))
  command.addHelpText('after', '\nParts:')
  for (const { name, description } of parts) {
    command.addHelpText('after', `  ${name.padEnd(10)} ${description}`)
  }
  return command.parseAsync()
}

const anySeed = (): number => Date.now() % 1_000_000

function positive(text: string): number {
  const count = Number(text)
  if (count > 0 && Number.isFinite(count)) return count
  throw new InvalidArgumentError('a number above 0 is needed')
}

function whole(text: string): number {
  const seed = Number(text)
  if (Number.isSafeInteger(seed) && seed >= 0) return seed
  throw new InvalidArgumentError('a whole number from 0 is needed')
}

async function run({ only, minutes, seed }: Options): Promise<void> {
  const outcomes: Outcome[] = []
  for (const part of choose(only)) {
    const forbids = part.missing()
    if (forbids !== undefined) {
      say(part.name, `SKIPPED: ${forbids}`)
      continue
    }
    say(part.name, `${part.description}; seed ${seed}`)
    const chance = new SeededRandom(seed).fork(part.name)
    const outcome = await runPart(part, { minutes, chance, say: (text) => say(part.name, text) })
    outcomes.push(outcome)
    report(outcome)
  }
  if (outcomes.length === 0) throw new Error('nothing could be run on this machine')
  const bad = outcomes.filter(({ violations }) => violations.length > 0)
  const load = loadavg()[0]?.toFixed(1)
  const machine = `${availableParallelism()} cores, Node.js ${process.version}, load ${load}`
  process.stdout.write(`\n${machine} at the end, seed ${seed}\n`)
  process.stdout.write(
    bad.length === 0 ? 'all is well\n' : `FAILED: ${bad.map(nameOf).join(', ')}\n`,
  )
  process.exitCode = bad.length === 0 ? 0 : 1
}

const nameOf = ({ name }: Outcome): string => name

function choose(only: readonly string[] | undefined): readonly Part[] {
  const unknown = only?.find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw new Error(`there is no part '${unknown}': choose from ${names.join(', ')}`)
  }
  return only ? parts.filter(({ name }) => only.includes(name)) : parts
}

function report({ name, figures, violations, minutes }: Outcome): void {
  process.stdout.write(`\n${name}, ${minutes.toFixed(1)} minutes\n`)
  for (const [what, value] of figures) process.stdout.write(`  ${what.padEnd(78)} ${value}\n`)
  for (const violation of violations) process.stdout.write(`  VIOLATED: ${violation}\n`)
}

const started = Date.now()

function say(part: string, text: string): void {
  const seconds = ((Date.now() - started) / 1_000).toFixed(0).padStart(4)
  process.stderr.write(`[${seconds} s] ${part}: ${text}\n`)
}

try {
  await main()
} catch (error) {
  const code = (error as { exitCode?: number }).exitCode
  if (code === undefined) {
    process.stderr.write(`endurance: ${error instanceof Error ? error.message : String(error)}\n`)
  }
  process.exitCode = code === 0 ? 0 : 2
}
