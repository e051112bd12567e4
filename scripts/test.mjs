/**
 * `npm test`: everything, from a fresh clone. Prepares (dependencies, build), sees that the
 * programs the tests talk to are there (on Debian, as root, it installs them), then checks types
 * and style and runs the kinds of tests: those that compute beside those that mostly wait, which have
 * the machine first. More arguments go to vitest: `npm test -- test/unit/term`. A program that cannot be had skips its tests loudly; with CI set
 * it fails.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure, prepare } from './prepare.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const inModules = (...parts) => join(root, 'node_modules', ...parts)
const isCi = Boolean(process.env.CI)

/** A program, the Debian package that has it, and what is not tested without it. */
const PROGRAMS = [
  { program: 'redis-server', packageName: 'redis-server', subject: 'discovery through Redis' },
  { program: 'redis-cli', packageName: 'redis-tools', subject: 'discovery through Redis' },
  { program: 'erl', packageName: 'erlang-nox', subject: 'talking to a real Erlang' },
  { program: 'epmd', packageName: 'erlang-nox', subject: 'talking to a real EPMD' },
  { program: 'ip', packageName: 'iproute2', subject: 'nodes in networks of their own' },
  { program: 'etcd', packageName: 'etcd-server', subject: 'the arbiter etcd' },
  { program: 'openssl', packageName: 'openssl', subject: 'TLS' },
]
/** One after the other, beside what waits: they compute, and take what time of the machine is left. */
const COMPUTING = ['unit', 'simulation', 'package']
/** One after the other, beside the tests of whole clusters: they mostly wait. */
const WAITING = ['interop', 'network']
/** How far behind the others what computes stands, as `nice` counts. */
const BEHIND = 10
const POLICY_FILE = '/usr/sbin/policy-rc.d'

const say = (text) => process.stderr.write(`[test] ${text}\n`)

// ---- the programs the tests talk to

const isThere = (program) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))

const missingPrograms = () => PROGRAMS.filter(({ program }) => !isThere(program))

function provide() {
  if (missingPrograms().length > 0 && canInstall()) install()
  const missing = missingPrograms()
  for (const { program, packageName, subject } of missing) {
    const advice = `install it (on Debian: apt-get install ${packageName})`
    say(`${program} is missing: ${subject} ${isCi ? 'cannot be' : 'IS NOT'} tested; ${advice}`)
  }
  if (isCi && missing.length > 0) throw new Failure('with CI set, a missing program is a failure')
}

const canInstall = () => process.getuid?.() === 0 && isThere('apt-get')

function install() {
  const packages = [...new Set(missingPrograms().map(({ packageName }) => packageName))]
  say(`installing ${packages.join(', ')} with apt-get, once`)
  withoutServices(() => {
    apt('update', '-q')
    apt('install', '-q', '-y', '--no-install-recommends', ...packages)
  })
}

function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const all = ['-o', 'DPkg::Lock::Timeout=300', ...args]
  const { status, stdout, stderr } = spawnSync('apt-get', all, { env, encoding: 'utf8' })
  if (status !== 0) say(`apt-get ${args.join(' ')} failed:\n${stdout}${stderr}`)
}

/** Debian starts a server when it is installed, unless this file forbids it. */
function withoutServices(work) {
  const isOurs = !existsSync(POLICY_FILE)
  if (isOurs) writeFileSync(POLICY_FILE, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    work()
  } finally {
    if (isOurs) rmSync(POLICY_FILE, { force: true })
  }
}

// ---- the steps

/** What the user set for nodes of their own must not reach those of the tests. */
function cleanEnvironment() {
  const env = { ...process.env }
  for (const name of Object.keys(env)) if (/^(CITADEL|ERL)_/.test(name)) delete env[name]
  return env
}

/** `aside`: what it prints is shown when it is over, as something else prints meanwhile. */
function run(args, { aside = false, behind = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: cleanEnvironment(),
      stdio: aside ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    })
    if (behind && child.pid) setPriority(child.pid, BEHIND)
    const printed = []
    child.stdout?.on('data', (chunk) => printed.push(chunk))
    child.stderr?.on('data', (chunk) => printed.push(chunk))
    child.on('error', (error) => {
      say(error.message)
      resolve(false)
    })
    child.on('close', (code) => {
      process.stdout.write(Buffer.concat(printed))
      resolve(code === 0)
    })
  })
}

async function step(name, args, manner = {}) {
  const started = Date.now()
  say(`${name} ...${manner.aside ? ' (shown when it is over)' : ''}`)
  const passed = await run(args, manner)
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  return { name, passed, seconds }
}

async function vitest(project, extra, totals, manner) {
  const report = join(root, '.cache', `test-${project}.json`)
  rmSync(report, { force: true })
  const args = [
    inModules('vitest', 'vitest.mjs'),
    'run',
    '--passWithNoTests',
    ...['--project', project],
    // Nodes in networks of their own, and a real Erlang, have no second cluster of the kind beside them.
    ...['--maxWorkers', WAITING.includes(project) ? '1' : '2'],
    ...['--reporter', 'default', '--reporter', 'json', '--outputFile.json', report],
    ...extra,
  ]
  const result = await step(project, args, manner)
  count(project, report, totals)
  return result
}

function count(project, report, totals) {
  if (!existsSync(report)) return
  const counts = JSON.parse(readFileSync(report, 'utf8'))
  totals.passed += counts.numPassedTests
  totals.failed += counts.numFailedTests
  totals.skipped += counts.numPendingTests + counts.numTodoTests
  for (const file of counts.testResults) totals.failures.push(...failuresOf(project, file))
}

/** A line for each test that failed, or for a file that could not be run. */
function failuresOf(project, { name, status, message, assertionResults }) {
  const where = `${project}: ${relative(root, name)}`
  const firstLine = (text) => (text ?? '').split('\n', 1)[0]
  const failed = assertionResults.filter((one) => one.status === 'failed')
  if (failed.length === 0) return status === 'failed' ? [`${where}: ${firstLine(message)}`] : []
  return failed.map((one) => `${where} > ${one.fullName}: ${firstLine(one.failureMessages[0])}`)
}

async function main(extra) {
  await prepare(['build', 'simulator', 'programs'])
  provide()
  mkdirSync(join(root, '.cache'), { recursive: true })
  const totals = { passed: 0, failed: 0, skipped: 0, failures: [] }
  const results = [
    await step('types', [
      inModules('typescript', 'bin', 'tsc'),
      '--noEmit',
      '-p',
      'tsconfig.test.json',
    ]),
    await step('style', [inModules('@biomejs', 'biome', 'bin', 'biome'), 'check', '.']),
  ]
  const oneByOne = async (projects, manner) => {
    for (const project of projects) results.push(await vitest(project, extra, totals, manner))
  }
  await Promise.all([
    oneByOne(COMPUTING, { aside: true, behind: true }),
    oneByOne(WAITING, { aside: true }),
    oneByOne(['e2e']),
  ])
  for (const failure of totals.failures) say(`failed: ${failure}`)
  for (const { name, passed, seconds } of results) {
    say(`${passed ? 'passed' : 'FAILED'}  ${name.padEnd(12)} ${seconds} s`)
  }
  const { passed, failed, skipped } = totals
  process.stdout.write(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  if (passed === 0) say('no test was run')
  return results.every((result) => result.passed) && passed > 0
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
} catch (error) {
  if (!(error instanceof Failure)) throw error
  say(error.message)
  process.exitCode = 1
}
