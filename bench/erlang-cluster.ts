/**
 * Erlang's side: real nodes, each a VM with its default flags, with an EPMD of their own on a free
 * port of loopback. Driven over standard input and output.
 */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command, Side } from './benchmark.js'
import { type BenchNode, Cluster } from './cluster.js'
import type { Machine } from './machine.js'

const SOURCE = join(dirname(fileURLToPath(import.meta.url)), 'erlang', 'citadel_bench.erl')

/** The release of the Erlang on this machine; undefined: there is none. */
export function erlangRelease(): string | undefined {
  const program = 'io:put_chars(erlang:system_info(otp_release)), halt().'
  const { status, stdout } = spawnSync('erl', ['-noshell', '-eval', program], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

export async function compileErlang(machine: Machine): Promise<void> {
  await machine.run('erlc', ['-o', machine.scratch, SOURCE])
}

export async function startErlang(machine: Machine, side: Side): Promise<Cluster> {
  const port = await machine.freePort()
  const env = {
    ...process.env,
    HOME: machine.scratch,
    ERL_EPMD_PORT: String(port),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  }
  const options = { env, cwd: machine.scratch }
  const epmd = machine.start('epmd', [], { ...options, stdio: 'ignore' })
  const start = (name: string): BenchNode =>
    benchNode(
      machine.start('erl', flags(machine, name), {
        ...options,
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    )
  return new Cluster({ machine, prefix: 'e', start, others: [epmd] }).prepare(side)
}

const flags = ({ scratch }: Machine, name: string): string[] => [
  ...['-noshell', '-start_epmd', 'false', '-name', name, '-setcookie', 'bench'],
  ...['-kernel', 'inet_dist_use_interface', '{127,0,0,1}'],
  ...['-mnesia', 'schema_location', 'ram', '-mnesia', 'dc_dump_limit', '40'],
  ...['+P', '1000000', '-pa', scratch, '-s', 'citadel_bench', 'main'],
]

function benchNode(child: ChildProcess): BenchNode {
  let buffered = ''
  let waiting: ((line: string) => void) | undefined
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    buffered += text
    for (let end = buffered.indexOf('\n'); end >= 0; end = buffered.indexOf('\n')) {
      const line = buffered.slice(0, end)
      buffered = buffered.slice(end + 1)
      if (/^(result|failed) /.test(line)) waiting?.(line)
      else process.stderr.write(`[erlang] ${line}\n`)
    }
  })
  const ask = (command: Command): Promise<number> =>
    new Promise((resolve, reject) => {
      waiting = (line) => {
        const value = Number(line.slice('result '.length))
        if (line.startsWith('result ') && Number.isFinite(value)) resolve(value)
        else reject(new Error(`Erlang: ${line}`))
      }
      child.stdin!.write(`${command.join(' ')}\n`)
    })
  return { child, ask }
}
