/**
 * `npm run bench`: what Citadel does in a second on this machine, beside what Erlang does with the
 * same work in the same run. A table on standard output, progress on standard error.
 */
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import type { Benchmark } from './benchmark.js'
import { compilePrograms, startCitadel } from './citadel-cluster.js'
import { compileErlang, erlangRelease, startErlang } from './erlang-cluster.js'
import { Machine } from './machine.js'
import { measure, type Result, type Sides } from './measure.js'
import { benchmarks } from './rows/index.js'
import { table } from './table.js'

interface Options {
  readonly json?: string
  readonly only?: readonly string[]
  readonly rounds: number
  readonly erlang: boolean
  readonly node?: string
}

const names = benchmarks.map(({ name }) => name)

function main(): Promise<Command> {
  return new Command('bench')
    .description('Measures Citadel beside Erlang, in interleaved rounds.')
    .option('--json <file>', 'write every round to this file as well')
    .option('--only <names...>', `only these: ${names.join(', ')}`)
    .option('--rounds <count>', 'how many rounds of each figure', positive, 5)
    .option('--no-erlang', 'without Erlang, even where it is installed')
    .option('--node <flags>', 'flags for the Node.js of our nodes, such as --cpu-prof')
    .action(run)
    .parseAsync()
}

function positive(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count > 0) return count
  throw new InvalidArgumentError('a whole number above 0 is needed')
}

async function run(options: Options): Promise<void> {
  const chosen = choose(options.only)
  const machine = new Machine()
  try {
    const release = options.erlang ? erlangRelease() : undefined
    if (release === undefined) say('no Erlang here: its columns stay empty, and no ratio is known')
    const sides = await prepare(machine, release !== undefined, options)
    const results: Result[] = []
    for (const benchmark of chosen) {
      results.push(...(await measure(benchmark, sides, options.rounds, say)))
    }
    report(results, release, options)
  } finally {
    await machine.close()
  }
}

function choose(only: readonly string[] | undefined): readonly Benchmark[] {
  const unknown = only?.find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw new Error(`there is no benchmark '${unknown}': choose from ${names.join(', ')}`)
  }
  return only ? benchmarks.filter(({ name }) => only.includes(name)) : benchmarks
}

async function prepare(machine: Machine, withErlang: boolean, { node }: Options): Promise<Sides> {
  await compilePrograms(machine)
  if (withErlang) await compileErlang(machine)
  const flags = node?.split(' ') ?? []
  return {
    ours: ({ ours }) => startCitadel(machine, ours, flags),
    erlang: withErlang ? ({ erlang }) => startErlang(machine, erlang!) : undefined,
  }
}

function report(results: readonly Result[], erlang: string | undefined, options: Options): void {
  const machine = {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    node: process.version,
    erlang: erlang ?? null,
    load: loadavg()[0],
  }
  process.stdout.write(`${table(results)}\n`)
  const otp = erlang === undefined ? 'no Erlang' : `Erlang/OTP ${erlang}`
  const { rounds } = options
  process.stdout.write(`\n${machine.cores} cores, Node.js ${machine.node}, ${otp}, `)
  process.stdout.write(`${rounds} rounds, medians; load ${machine.load?.toFixed(1)} at the end\n`)
  if (options.json) writeFileSync(options.json, json({ machine, rounds, results }))
}

const json = (content: object): string => `${JSON.stringify(content, null, 2)}\n`

const started = Date.now()

function say(text: string): void {
  const seconds = ((Date.now() - started) / 1_000).toFixed(0).padStart(4)
  process.stderr.write(`[${seconds} s] ${text}\n`)
}

try {
  await main()
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
