#!/usr/bin/env bash
# What takes long because it tries very many things, or waits for what others do not do: links at every place of a mirror,
# rude clients, patterns against hostile input, writers side by side, workers that are killed, bad networks. Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/../.."
node node_modules/vitest/vitest.mjs run --config test/torture/vitest.config.ts "$@"
