/** Mocha's spec reporter, quieter about what passes, with the counts on one last line that scripts can rely on. */
'use strict';
const { reporters, Runner } = require('mocha');

module.exports = class CountingReporter extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    const skipped = [];
    runner.on(Runner.constants.EVENT_TEST_PENDING, (test) => skipped.push(test.fullTitle()));
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      for (const title of skipped) console.log(`  skipped: ${title}`);
      const { passes = 0, failures = 0 } = runner.stats ?? {};
      console.log(`\n${passes} passed, ${failures} failed, ${skipped.length} skipped`);
    });
  }
};
