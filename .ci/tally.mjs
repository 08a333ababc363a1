// Adds up vitest's JSON reports and prints the closing line. Fails on a failed, skipped or absent test.
import { readFileSync } from 'node:fs';

const total = { passed: 0, failed: 0, skipped: 0 };
let broken = false;
for (const path of process.argv.slice(2)) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    console.error(`no report at ${path}`);
    broken = true;
    continue;
  }
  broken ||= !report.success;
  total.passed += report.numPassedTests;
  total.failed += report.numFailedTests;
  total.skipped += report.numPendingTests + (report.numTodoTests ?? 0);
  for (const file of report.testResults) {
    if (file.status === 'failed' && file.assertionResults.length === 0) total.failed += 1;
  }
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = broken || total.passed === 0 || total.failed > 0 || total.skipped > 0 ? 1 : 0;
